//! Webhooks that must be there as they were meant: one that is missing, or that leaves something out, fences nothing.
//!
//! What is more than was meant is no flaw, be it another resource or one condition less. Where the API server fills in a
//! default, both ways to write it are the same, and the order of lists does not count. `matchPolicy` is not compared: the
//! rules of fences are about all versions.

use crate::{
    published::{Configuration, Sight, Sights},
    registration::{Condition, Registration, Requirement, Rule},
};

/// A webhook that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The configuration that it is in.
    pub configuration: Configuration,
    /// Its name.
    pub webhook: String,
    /// What it is registered for, at least.
    pub meant: Registration,
}

/// Why a webhook does not fence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The configuration does not have it.
    #[error("it is not there")]
    Missing,
    /// What it cannot answer is let through.
    #[error("its failurePolicy is Ignore, not Fail")]
    Ignored,
    /// What others change after it is not shown to it again.
    #[error("its reinvocationPolicy is Never, not IfNeeded")]
    Once,
    /// Somebody else is asked.
    #[error("it calls {0}")]
    Elsewhere(String),
    /// It is not asked about a kind.
    #[error("its rules leave out {operation} of {resource}")]
    Rules {
        /// Such as `CREATE`.
        operation: String,
        /// Such as `services`; with its group, where it has one.
        resource: String,
    },
    /// It is asked about some namespaces only.
    #[error("its namespaceSelector asks for {0}")]
    Namespaces(Requirement),
    /// It is asked about some objects only.
    #[error("its objectSelector asks for {0}")]
    Objects(Requirement),
    /// It is asked under a condition that was not meant.
    #[error("its matchConditions have {0:?}, which is not one of those it was meant to have")]
    Condition(String),
}

impl Fence {
    /// What is wrong with it, in a configuration that is there.
    pub(crate) fn flaw(&self, sights: &Sights) -> Option<Flaw> {
        let Some(Sight::Present(live)) = sights.get(&self.configuration) else {
            return None;
        };
        let webhook = live.webhooks.iter().find(|w| w.name == self.webhook);
        webhook.map_or(Some(Flaw::Missing), |w| flaw(&self.meant, &w.registration))
    }
}

/// What a webhook lacks of what was meant.
#[must_use]
pub fn flaw(meant: &Registration, live: &Registration) -> Option<Flaw> {
    if meant.fails_closed && !live.fails_closed {
        return Some(Flaw::Ignored);
    }
    if meant.is_asked_again && !live.is_asked_again {
        return Some(Flaw::Once);
    }
    if meant.calls != live.calls {
        return Some(Flaw::Elsewhere(live.calls.clone()));
    }
    let mut wanted = meant.rules.iter().flat_map(Rule::each);
    if let Some(one) = wanted.find(|one| !live.rules.iter().any(|rule| rule.covers(one))) {
        return Some(Flaw::Rules {
            operation: one.operation.to_owned(),
            resource: one.qualified(),
        });
    }
    // Every requirement and every condition leaves something out.
    let mut namespaces = live.namespaces.difference(&meant.namespaces);
    if let Some(other) = namespaces.find(|requirement| !requirement.spares_the_provider()) {
        return Some(Flaw::Namespaces(other.clone()));
    }
    if let Some(other) = live.objects.difference(&meant.objects).next() {
        return Some(Flaw::Objects(other.clone()));
    }
    let is_meant = |live: &Condition| meant.conditions.iter().any(|c| c.expression == live.expression);
    let other = live.conditions.iter().find(|condition| !is_meant(condition));
    other.map(|condition| Flaw::Condition(condition.name.clone()))
}

#[cfg(test)]
mod tests;
