//! What source namespaces hold now: names, labels and times of creation, never contents.

pub mod kinds;
pub mod list;
pub mod missing;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::velero::results::ObjectId;

/// An object that somebody made in a source namespace: nobody owns it, nobody keeps it out of backups, and it is not
/// being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceObject {
    /// Kind and name.
    pub id: ObjectId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `false` for a volume claim that never got its volume.
    pub has_data: bool,
    /// When it was created, to the second.
    pub created: Timestamp,
}

/// What the source namespaces of a backup hold now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceObjects {
    /// By namespace.
    pub objects: BTreeMap<String, Vec<SourceObject>>,
}
