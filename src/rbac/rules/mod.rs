//! The rights themselves, a file for each place.

mod cluster;
mod own;
mod sandbox;
mod uninstall;
mod velero;

pub(super) use cluster::CLUSTER;
pub(super) use own::{OWN, RECEIVERS};
pub(super) use sandbox::SANDBOX;
pub(super) use uninstall::{UNINSTALL, UNINSTALL_OWN};
pub(super) use velero::VELERO;

use super::Rule;

/// What most rules leave open.
const ANY: Rule = Rule {
    groups: &[""],
    resources: &[],
    verbs: &[],
    name: None,
    when: None,
    why: "",
    needed_by: &[],
    rarely: &[],
};

const KYMAROS: &[&str] = &["restore.kymaros.io"];
const VELERO_GROUP: &[&str] = &["velero.io"];
const ADMISSION: &[&str] = &["admissionregistration.k8s.io"];
const WEBHOOKS: &[&str] = &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
