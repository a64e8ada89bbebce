//! What source namespaces hold now: names, labels and times of creation, never contents.

pub mod foreign;
pub mod kinds;
pub mod list;
pub mod missing;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::velero::results::ObjectId;

/// What a source is looked through for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Kinds of the cluster's own API.
    pub kinds: Vec<kinds::Kind>,
    /// Kinds of other products.
    pub foreign: Vec<foreign::ForeignKind>,
}

/// An object that somebody made in a source namespace: nobody owns it, nobody keeps it out of backups, and it is not
/// being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceObject {
    /// Kind and name.
    pub id: ObjectId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Since when a volume claim has its volume, to the second; of everything else nothing.
    pub bound: Option<Timestamp>,
    /// When it was created, to the second.
    pub created: Timestamp,
}

/// What the source namespaces of a backup hold now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceObjects {
    /// By namespace.
    pub objects: BTreeMap<String, Vec<SourceObject>>,
    /// Kinds that were not looked through, `widgets.example.com`: of other products, and what may not be listed.
    pub unlisted: BTreeSet<String>,
}
