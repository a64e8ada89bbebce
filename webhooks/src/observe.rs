//! Who is told of every answer.

use std::time::Duration;

use crate::{
    answer::{Answer, DenialKind},
    rule::Rule,
};

/// Is told of every answer, while the API server waits for it: it must be quick.
pub trait Observe: Send + Sync {
    /// A webhook has answered; where it refused something, by which rule.
    fn answered(&self, webhook: Webhook, outcome: Outcome, refused_by: Option<Rule>, took: Duration);
}

/// Tells nobody.
impl Observe for () {
    fn answered(&self, _: Webhook, _: Outcome, _: Option<Rule>, _: Duration) {}
}

/// The webhooks, each with a route of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Webhook {
    /// Fills in what a test leaves open.
    Default,
    /// Judges what people write.
    Validate,
    /// Keeps the operator in its sandboxes.
    Guard,
    /// Keeps Velero in them while it restores for us.
    Contain,
    /// Keeps others from setting the marks of a sandbox.
    Fence,
    /// Tames what is restored.
    Neutralise,
}

impl Webhook {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Default,
        Self::Validate,
        Self::Guard,
        Self::Contain,
        Self::Fence,
        Self::Neutralise,
    ];

    /// The name in its route and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Validate => "validate",
            Self::Guard => "guard",
            Self::Contain => "contain",
            Self::Fence => "fence",
            Self::Neutralise => "neutralise",
        }
    }
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It may be stored.
    Allowed,
    /// The object is wrong.
    Invalid,
    /// The caller may not do this.
    Forbidden,
    /// What would allow it did not come to be known in time.
    Unknown,
    /// The request was no `AdmissionReview`.
    Unreadable,
}

impl Outcome {
    pub(crate) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Allow(_) | Answer::Patch(_) => Self::Allowed,
            Answer::DenyUnlessKnownSoon(_) => Self::Unknown,
            Answer::Deny(denial) => match denial.kind() {
                DenialKind::Invalid => Self::Invalid,
                DenialKind::Forbidden => Self::Forbidden,
            },
        }
    }
}
