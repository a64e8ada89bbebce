//! Which certificate to serve.

use jiff::Timestamp;

use crate::{
    leaf::Leaf,
    published::{Sight, Sights},
    settings::Names,
};

/// Whether to change from the certificate that is served to the one in the Secret.
///
/// Normally at once. When the authority was lost or replaced, API servers do not know the new one for a moment; as long as
/// they trust what is served, it stays. `settled` says that they know.
#[must_use]
pub fn changes(
    served: Option<&Leaf>,
    offered: &Leaf,
    settled: bool,
    sights: &Sights,
    names: &Names,
    now: Timestamp,
) -> bool {
    let Some(served) = served.filter(|served| *served != offered) else {
        return served.is_none();
    };
    (settled && is_trusted(offered, sights, names, now)) || !is_trusted(served, sights, names, now)
}

/// Whether every published bundle, as far as they are known, makes the API server talk to us.
fn is_trusted(leaf: &Leaf, sights: &Sights, names: &Names, now: Timestamp) -> bool {
    let mut webhooks = sights.values().flat_map(Sight::webhooks);
    leaf.certificate().is_valid(now)
        && webhooks.all(|webhook| webhook.bundle.trusts(leaf, names.service(), now).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authority::Authority,
        bundle::Bundle,
        published::{Configuration, Kind, Live, Webhook},
        registration::Registration,
        tests::{LEAF, at, authority, names},
    };

    fn trusting(authorities: &[&Authority]) -> Sights {
        let webhook = Webhook {
            name: "a".into(),
            text: Vec::new(),
            bundle: Bundle::of(authorities.iter().map(|a| &a.certificate)),
            registration: Registration::default(),
        };
        let configuration = Configuration {
            kind: Kind::Mutating,
            name: "one".into(),
        };
        let live = Live {
            version: String::new(),
            webhooks: vec![webhook],
        };
        [(configuration, Sight::Present(live))].into()
    }

    #[test]
    fn what_is_trusted_stays_until_what_is_new_is_known() {
        let (old, new) = (authority(), authority());
        let [served, offered] = [&old, &new].map(|a| a.issue(&names(), LEAF, at(0)).unwrap());
        let changes = |authorities: &[&Authority], settled, now| {
            super::changes(
                Some(&served),
                &offered,
                settled,
                &trusting(authorities),
                &names(),
                now,
            )
        };
        assert!(!changes(&[&old], false, at(0)) && !changes(&[&old], true, at(0)));
        assert!(
            !changes(&[&old, &new], false, at(0)),
            "an API server may not have noticed"
        );
        assert!(changes(&[&old, &new], true, at(0)));
        assert!(changes(&[&new], false, at(0)) && changes(&[], false, at(0)));
        assert!(
            changes(&[&old, &new], false, served.certificate().until()),
            "what is served has ended"
        );
    }

    #[test]
    fn anything_is_better_than_nothing() {
        let leaf = authority().issue(&names(), LEAF, at(0)).unwrap();
        assert!(changes(None, &leaf, false, &Sights::new(), &names(), at(0)));
        assert!(!changes(
            Some(&leaf),
            &leaf,
            true,
            &Sights::new(),
            &names(),
            at(0)
        ));
    }
}
