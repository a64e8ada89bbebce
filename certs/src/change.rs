//! Changes of the Secret, and carrying them out.

use jiff::Timestamp;

use crate::{
    authority::{Authority, IssueError},
    leaf::Leaf,
    settings::{Lifetimes, Names},
    stored::{Announced, Stored},
};

/// A change of what the Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that is there can be used: a new authority and a new certificate.
    Found,
    /// A new certificate from the authority that is there.
    Renew,
    /// A new authority beside the one that is there.
    Introduce,
    /// All configurations have the authority.
    Announce,
    /// All configurations have the next authority.
    AnnounceNext,
    /// A configuration lost the next authority: the wait starts anew.
    RecallNext,
    /// The next authority takes over, with a certificate of its own.
    Promote,
    /// What is no longer needed goes.
    Tidy,
}

/// What certificates are made for.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The names in them.
    pub names: Names,
    /// How long they last.
    pub lifetimes: Lifetimes,
}

impl Change {
    /// What the Secret holds afterwards.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn apply(self, stored: &Stored, rules: &Rules, now: Timestamp) -> Result<Stored, IssueError> {
        let issue = |authority: &Authority| authority.issue(&rules.names, rules.lifetimes.leaf(), now);
        let found = || Authority::found(rules.lifetimes.authority(), now).map(Announced::new);
        let mut after = tidy(stored, now);
        match self {
            Self::Found => {
                let founded = found()?;
                after.leaf = Some(issue(&founded.authority)?);
                after.authority = Some(founded);
                after.next = None;
            }
            Self::Renew => {
                let current = stored.authority.as_ref().ok_or(IssueError::NoKey)?;
                after.leaf = Some(issue(&current.authority)?);
            }
            Self::Introduce => after.next = Some(found()?),
            Self::Announce => announce(&mut after.authority, Some(now)),
            Self::AnnounceNext => announce(&mut after.next, Some(now)),
            Self::RecallNext => announce(&mut after.next, None),
            Self::Promote => promote(&mut after, stored, issue, now)?,
            Self::Tidy => {}
        }
        Ok(after)
    }
}

fn announce(authority: &mut Option<Announced>, published: Option<Timestamp>) {
    if let Some(announced) = authority {
        announced.published = published;
    }
}

/// The next authority takes over. The one before stays trusted until the last certificate that it signed has expired:
/// a replica that is cut off may serve that one to its end.
fn promote(
    after: &mut Stored,
    before: &Stored,
    issue: impl Fn(&Authority) -> Result<Leaf, IssueError>,
    now: Timestamp,
) -> Result<(), IssueError> {
    let next = before.next.clone().ok_or(IssueError::NoKey)?;
    let retired = before.authority.as_ref().map(|a| &a.authority.certificate);
    if let Some(retired) = retired.filter(|c| c.is_valid(now)) {
        let last = before.leaf.as_ref().map_or(now, |l| l.certificate().until());
        after.old_until = Some(after.old_end().map_or(last, |end| end.max(last)));
        after.old.push(retired.clone());
    }
    after.leaf = Some(issue(&next.authority)?);
    after.authority = Some(next);
    after.next = None;
    Ok(())
}

/// Without what cannot be used or is no longer needed.
fn tidy(stored: &Stored, now: Timestamp) -> Stored {
    let old: Vec<_> = stored.trusted_old(now).cloned().collect();
    let next = stored.next.clone();
    Stored {
        old_until: stored.old_until.filter(|_| !old.is_empty()),
        old,
        next: next.filter(|next| next.authority.can_sign(now)),
        flaws: Vec::new(),
        ..stored.clone()
    }
}
