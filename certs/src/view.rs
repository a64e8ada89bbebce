//! What was seen last of the Secret and the configurations.

use k8s_openapi::api::core::v1::Secret;

use crate::{
    controller::Duty,
    published::{Configuration, Sight, Sights},
    stored::{Data, Stored},
    watches::Seen,
};

/// What was seen last.
pub struct View {
    secret: Sight<Secret>,
    stored: Stored,
    /// The configurations.
    pub sights: Sights,
}

impl View {
    /// Nothing was seen of these yet.
    pub fn new(configurations: impl Iterator<Item = Configuration>) -> Self {
        Self {
            secret: Sight::NotSeen,
            stored: Stored::default(),
            sights: configurations.map(|c| (c, Sight::NotSeen)).collect(),
        }
    }

    /// Whether the API server has told what the Secret holds, or that there is none.
    pub fn is_known(&self) -> bool {
        self.secret != Sight::NotSeen
    }

    /// The Secret, if there is one.
    pub fn secret(&self) -> Option<&Secret> {
        match &self.secret {
            Sight::Present(secret) => Some(secret),
            Sight::NotSeen | Sight::Absent => None,
        }
    }

    /// What the Secret holds.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Something was seen.
    pub fn see(&mut self, seen: Seen, duty: &Duty) {
        match seen {
            Seen::Secret(secret) => {
                self.see_secret(*secret, |data| duty.read(data));
            }
            Seen::Configuration(configuration, live) => {
                self.sights.insert(configuration, live.into());
            }
        }
    }

    /// The Secret was seen; whether it differs from what was seen before.
    pub fn see_secret(&mut self, secret: Option<Secret>, read: impl Fn(&Data) -> Stored) -> bool {
        let secret = Sight::from(secret);
        if self.secret == secret {
            return false;
        }
        self.secret = secret;
        let known = std::mem::take(&mut self.stored).flaws;
        let data = self.secret().and_then(|s| s.data.as_ref());
        self.stored = data.map(read).unwrap_or_default();
        for flaw in self.stored.flaws.iter().filter(|flaw| !known.contains(flaw)) {
            let (entry, why) = (flaw.entry, &flaw.why);
            tracing::warn!(entry, why, "the Secret of the webhooks is damaged");
        }
        true
    }
}
