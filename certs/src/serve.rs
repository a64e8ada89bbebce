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
