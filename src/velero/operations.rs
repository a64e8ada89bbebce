//! Velero's asynchronous item operations of a Restore: work of its plugins that goes on after an item was created, such
//! as filling a volume.

use serde::Deserialize;

/// Velero's `RestoreItemOperations`, as it is stored.
pub type RawItemOperations = Option<Vec<Option<ItemOperation>>>;

/// The operations of a list; a Restore without any may have none.
#[must_use]
pub fn of_list(list: RawItemOperations) -> Vec<ItemOperation> {
    list.into_iter().flatten().flatten().collect()
}

/// How far an operation came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperationPhase {
    /// It had begun, or was to begin, when Velero looked last.
    Unfinished,
    /// All of it was done.
    Completed,
    /// It ended with an error, or Velero waited no longer.
    Failed,
    /// A word that is not known: nothing can be said of it.
    #[default]
    Unknown,
}

/// One operation on one restored item.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "StoredOperation")]
pub struct ItemOperation {
    /// The plugin that began it.
    pub action: String,
    /// What it works on, as `persistentvolumeclaims`, or with its group `deployments.apps`.
    pub resource: String,
    /// The namespace of that: where it was restored to.
    pub namespace: String,
    /// The name of that.
    pub name: String,
    /// How far it came.
    pub phase: OperationPhase,
    /// Why it failed.
    pub error: String,
}

impl ItemOperation {
    /// Whether it did not do all that it was to do.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(self.phase, OperationPhase::Unfinished | OperationPhase::Failed)
    }

    /// Whether Velero waited no longer for it.
    #[must_use]
    pub fn was_given_up(&self) -> bool {
        self.phase == OperationPhase::Unfinished || self.error.to_ascii_lowercase().contains("timed out")
    }

    /// Whether it works on a volume claim.
    #[must_use]
    pub fn is_of_claim(&self) -> bool {
        self.resource == "persistentvolumeclaims"
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StoredOperation {
    spec: Option<StoredSpec>,
    status: Option<StoredStatus>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct StoredSpec {
    restore_item_action: Option<String>,
    resource_identifier: Option<StoredResource>,
}

/// Velero writes these fields without JSON tags, so they are capitalised.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct StoredResource {
    #[serde(alias = "group")]
    group: Option<String>,
    #[serde(alias = "resource")]
    resource: Option<String>,
    #[serde(alias = "namespace")]
    namespace: Option<String>,
    #[serde(alias = "name")]
    name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StoredStatus {
    phase: Option<String>,
    error: Option<String>,
}

impl From<StoredOperation> for ItemOperation {
    fn from(stored: StoredOperation) -> Self {
        let spec = stored.spec.unwrap_or_default();
        let status = stored.status.unwrap_or_default();
        let item = spec.resource_identifier.unwrap_or_default();
        let resource = item.resource.unwrap_or_default();
        let phase = match status.phase.as_deref().unwrap_or_default() {
            "New" | "InProgress" => OperationPhase::Unfinished,
            "Completed" => OperationPhase::Completed,
            "Failed" => OperationPhase::Failed,
            _ => OperationPhase::Unknown,
        };
        Self {
            action: spec.restore_item_action.unwrap_or_default(),
            resource: match item.group.unwrap_or_default() {
                group if group.is_empty() => resource,
                group => format!("{resource}.{group}"),
            },
            namespace: item.namespace.unwrap_or_default(),
            name: item.name.unwrap_or_default(),
            phase,
            error: status.error.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<ItemOperation> {
        of_list(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn reads_what_velero_writes() {
        // As Velero 1.18 writes them.
        let operations = read(
            r#"[
            {"spec":{"restoreName":"kymaros-0a1b2c3d-0","restoreUID":"u","restoreItemAction":"velero.io/csi-pvc-restorer",
              "resourceIdentifier":{"Group":"","Resource":"persistentvolumeclaims","Namespace":"sb","Name":"data-db-0"},
              "operationID":"dd-u.1"},
             "status":{"phase":"Failed","error":"data path restore failed: unable to open object: BLOB not found",
              "nCompleted":10,"nTotal":40,"operationUnits":"Bytes","description":"Failed",
              "created":"2026-01-01T00:00:00Z","started":"2026-01-01T00:00:01Z","updated":"2026-01-01T00:00:09Z"}},
            {"spec":{"restoreName":"kymaros-0a1b2c3d-0","restoreUID":"u","restoreItemAction":"example.com/databases",
              "resourceIdentifier":{"Group":"example.com","Resource":"databases","Namespace":"sb","Name":"main"},
              "operationID":"7"},
             "status":{"phase":"InProgress","description":"loading","created":"2026-01-01T00:00:00Z"}}]"#,
        );
        let [claim, database] = operations.as_slice() else {
            panic!("{operations:?}")
        };
        assert_eq!(claim.action, "velero.io/csi-pvc-restorer");
        assert_eq!(
            (claim.namespace.as_str(), claim.name.as_str()),
            ("sb", "data-db-0")
        );
        assert!(claim.is_of_claim() && claim.is_undone() && !claim.was_given_up());
        assert!(claim.error.ends_with("BLOB not found"));
        assert_eq!(database.resource, "databases.example.com");
        assert!(!database.is_of_claim() && database.is_undone() && database.was_given_up());
    }

    #[test]
    fn what_is_not_known_is_no_error() {
        assert!(read("null").is_empty() && read("[]").is_empty());
        let operations = read(
            r#"[null,{"later":{"x":1},"spec":null,"status":{"phase":"Paused","error":null,"more":[]}},
                {"spec":{"resourceIdentifier":{"resource":"pods","name":"web"}},"status":{"phase":"Completed"}},{}]"#,
        );
        assert_eq!(operations.len(), 3);
        assert_eq!(operations[0].phase, OperationPhase::Unknown);
        assert!(operations.iter().all(|o| !o.is_undone()));
        assert_eq!(
            (operations[1].resource.as_str(), operations[1].name.as_str()),
            ("pods", "web")
        );
    }

    #[test]
    fn velero_gives_up_what_takes_too_long() {
        let operations = read(
            r#"[{"spec":{},"status":{"phase":"New"}},
                {"spec":{},"status":{"phase":"Failed","error":"Asynchronous action timed out"}},
                {"spec":{},"status":{"phase":"Failed","error":"no space left on device"}}]"#,
        );
        let given_up: Vec<bool> = operations.iter().map(ItemOperation::was_given_up).collect();
        assert_eq!(given_up, [true, true, false]);
        assert!(operations.iter().all(ItemOperation::is_undone));
    }
}
