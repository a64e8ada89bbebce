//! Building our Restore and reading any Restore.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use kube::ResourceExt;
use kymaros_crds::names;
use kymaros_webhooks::contain::is_ours_by_name;

use super::types::{POD_VOLUME_TIMEOUT_ANNOTATION, Restore, RestoreSpec};

/// Labels that the Job controller puts on the pods of a Job. What has one is not restored, unless something else that is brings it along.
pub const JOB_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

/// One Restore to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct RestorePlan {
    /// Deterministic name, from the run's UID.
    pub name: String,
    /// The resolved backup.
    pub backup: String,
    /// Source namespace to sandbox; the targets are the only places this Restore may write to.
    pub mapping: BTreeMap<String, String>,
    /// Kinds that do not come back.
    pub excluded: Vec<String>,
    /// The test's label selector.
    pub label_selector: BTreeMap<String, String>,
    /// Labels that tie the Restore to its run.
    pub labels: BTreeMap<String, String>,
    /// How long Velero may wait for pod volumes, seconds.
    pub pod_volume_timeout_seconds: u64,
}

/// The Restore for a plan, as reference facts demand: explicit namespaces, `includeClusterResources` unset (false
/// breaks volumes), never `update`, no node ports, no hooks.
#[must_use]
pub fn build(plan: &RestorePlan, velero_namespace: &str) -> Restore {
    // A pod of a Job would come back as a bare pod and do its work again.
    let absent = |key: &str| LabelSelectorRequirement {
        key: key.to_owned(),
        operator: "DoesNotExist".to_owned(),
        values: None,
    };
    let selector = LabelSelector {
        match_labels: (!plan.label_selector.is_empty()).then(|| plan.label_selector.clone()),
        match_expressions: Some(JOB_LABELS.iter().map(|key| absent(key)).collect()),
    };
    Restore {
        metadata: ObjectMeta {
            name: Some(plan.name.clone()),
            namespace: Some(velero_namespace.to_owned()),
            labels: Some(plan.labels.clone()),
            annotations: Some(BTreeMap::from([(
                POD_VOLUME_TIMEOUT_ANNOTATION.to_owned(),
                format!("{}s", plan.pod_volume_timeout_seconds),
            )])),
            ..ObjectMeta::default()
        },
        spec: RestoreSpec {
            backup_name: Some(plan.backup.clone()),
            included_namespaces: Some(plan.mapping.keys().cloned().collect()),
            excluded_resources: Some(plan.excluded.clone()),
            namespace_mapping: Some(plan.mapping.clone()),
            label_selector: Some(selector),
            existing_resource_policy: Some("none".to_owned()),
            preserve_node_ports: Some(false),
            item_operation_timeout: Some(format!("{}s", plan.pod_volume_timeout_seconds)),
        },
        status: None,
    }
}

/// The UID of the run that made a Restore. Who copies one of ours for a recovery may copy its labels: ours have names of their
/// own form as well.
#[must_use]
pub fn run_of(restore: &Restore) -> Option<&str> {
    names::run_uid(restore.labels()).filter(|_| is_ours_by_name(&restore.name_any()))
}

/// The namespaces that a Restore writes to; of ours they are sandboxes.
pub fn targets(restore: &Restore) -> impl Iterator<Item = &String> {
    restore.spec.namespace_mapping.iter().flat_map(BTreeMap::values)
}

/// Where a Restore stands, from Velero's phase text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorePhase {
    /// Velero has not taken it up.
    New,
    /// Velero's single worker is busy with it.
    InProgress,
    /// Velero waits for data movers or finalizes; its restore worker is free again.
    Finishing,
    /// Refused before anything was restored.
    FailedValidation,
    /// Ended without counted errors.
    Completed,
    /// Ended with errors.
    PartiallyFailed,
    /// Ended early.
    Failed,
}

impl RestorePhase {
    /// Reads Velero's phase; an empty one is a Restore that Velero has not seen, an unknown one counts as running.
    #[must_use]
    pub fn of(restore: &Restore) -> Self {
        let status = restore.status.as_ref();
        Self::named(status.and_then(|s| s.phase.as_deref()).unwrap_or_default())
    }

    /// The same of its name.
    #[must_use]
    pub fn named(phase: &str) -> Self {
        match phase {
            "" | "New" => Self::New,
            "FailedValidation" => Self::FailedValidation,
            "Completed" => Self::Completed,
            "PartiallyFailed" => Self::PartiallyFailed,
            "Failed" => Self::Failed,
            "WaitingForPluginOperations"
            | "WaitingForPluginOperationsPartiallyFailed"
            | "Finalizing"
            | "FinalizingPartiallyFailed" => Self::Finishing,
            _ => Self::InProgress,
        }
    }

    /// Whether Velero is done with it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::FailedValidation | Self::Completed | Self::PartiallyFailed | Self::Failed
        )
    }

    /// Whether Velero works on it. Velero loses minutes over a Restore that goes meanwhile, and other restores wait that long.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        !self.is_terminal() && self != Self::New
    }

    /// Whether it occupies, or is about to occupy, Velero's only restore worker.
    #[must_use]
    pub fn occupies_worker(self) -> bool {
        matches!(self, Self::New | Self::InProgress)
    }
}

/// Whether plugins of Velero began asynchronous operations on its items; without any there is no list of them.
#[must_use]
pub fn has_item_operations(restore: &Restore) -> bool {
    restore.status.as_ref().is_some_and(|status| {
        let counts = [
            status.restore_item_operations_attempted,
            status.restore_item_operations_failed,
        ];
        counts.iter().flatten().any(|count| *count > 0)
    })
}

/// Reads one of Velero's RFC 3339 timestamps.
#[must_use]
pub fn timestamp(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|t| t.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> RestorePlan {
        RestorePlan {
            name: "kymaros-1".into(),
            backup: "nightly".into(),
            mapping: BTreeMap::from([("shop".into(), "rp-test-shop".into())]),
            excluded: crate::plan::excluded_resources(None),
            label_selector: BTreeMap::new(),
            labels: BTreeMap::new(),
            pod_volume_timeout_seconds: 60,
        }
    }

    #[test]
    fn names_its_namespaces_and_never_updates() {
        let restore = serde_json::to_value(build(&plan(), "velero")).unwrap();
        assert_eq!(restore["spec"]["includedNamespaces"], serde_json::json!(["shop"]));
        assert_eq!(restore["spec"]["existingResourcePolicy"], "none");
        assert_eq!(restore["spec"]["preserveNodePorts"], false);
        assert!(
            restore["spec"].get("includeClusterResources").is_none(),
            "false would break volumes"
        );
        assert!(
            restore["spec"].get("restorePVs").is_none(),
            "false would clone production handles"
        );
    }

    #[test]
    fn pods_of_jobs_stay_out_whatever_the_test_selects() {
        let mut plan = plan();
        plan.label_selector.insert("app".into(), "web".into());
        let selector = build(&plan, "velero").spec.label_selector.unwrap();
        assert_eq!(selector.match_labels.unwrap()["app"], "web");
        let keys: Vec<_> = selector
            .match_expressions
            .unwrap()
            .into_iter()
            .map(|e| (e.key, e.operator))
            .collect();
        assert!(
            keys.contains(&("job-name".into(), "DoesNotExist".into())),
            "{keys:?}"
        );
    }

    #[test]
    fn item_operations_are_there_when_some_were_begun() {
        let has = |status: serde_json::Value| {
            let mut restore = build(&plan(), "velero");
            restore.status = serde_json::from_value(status).unwrap();
            has_item_operations(&restore)
        };
        assert!(!has(serde_json::Value::Null));
        assert!(!has(serde_json::json!({ "phase": "Completed" })));
        assert!(!has(serde_json::json!({ "restoreItemOperationsAttempted": 0 })));
        assert!(has(serde_json::json!({ "restoreItemOperationsAttempted": 2 })));
        assert!(has(serde_json::json!({ "restoreItemOperationsFailed": 1 })));
    }

    #[test]
    fn an_empty_phase_is_new_and_an_unknown_one_is_running() {
        let mut restore = build(&plan(), "velero");
        assert_eq!(RestorePhase::of(&restore), RestorePhase::New);
        restore.status = Some(super::super::types::RestoreStatus {
            phase: Some("SomethingNew".into()),
            ..Default::default()
        });
        assert_eq!(RestorePhase::of(&restore), RestorePhase::InProgress);
        assert!(!RestorePhase::of(&restore).is_terminal());
    }
}
