//! What Velero's artifacts say: resource lists, restore results and volume infos.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// One object of a namespace, named by the kind Velero's lists use (`apps/v1/Deployment`, `v1/Secret`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Group, version and kind as in Velero's list.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl ObjectId {
    /// The bare kind, without group and version.
    #[must_use]
    pub fn short_kind(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or(&self.kind)
    }

    /// The API group; empty for the core.
    #[must_use]
    pub fn group(&self) -> &str {
        let mut parts = self.kind.rsplitn(3, '/').skip(2);
        parts.next().unwrap_or_default()
    }

    /// Group, kind and name. The version may be another since the backup, and the object still the same.
    #[must_use]
    pub fn without_version(&self) -> (&str, &str, &str) {
        (self.group(), self.short_kind(), &self.name)
    }

    /// Whether its kind is one of another product.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        is_foreign_group(self.group())
    }

    /// What Kubernetes leaves of a long name where it makes others of it (`maxGeneratedNameLength` of the API server).
    #[must_use]
    pub fn cut_name(&self) -> Option<&str> {
        self.name.get(..58)
    }

    /// `Kind/name`, as findings name objects.
    #[must_use]
    pub fn display(&self) -> String {
        format!("{}/{}", self.short_kind(), self.name)
    }
}

/// Groups with a dot that are the cluster's own. Projects of Kubernetes that are installed, such as the Gateway API or
/// snapshots of volumes, end in `k8s.io` as well.
const OWN_GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "custom.metrics.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "external.metrics.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "metrics.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether an API group is that of another product: the cluster's own have no dot, or are known.
#[must_use]
pub fn is_foreign_group(group: &str) -> bool {
    group.contains('.') && !OWN_GROUPS.contains(&group)
}

/// `{"v1/Pod": ["ns/name", ...]}`: both resource lists of Velero.
pub type RawResourceList = BTreeMap<String, Vec<String>>;

/// Objects of a backup by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupContents {
    /// Objects of each namespace.
    pub objects: BTreeMap<String, BTreeSet<ObjectId>>,
    /// Volumes of the backup.
    pub volumes: Vec<VolumeInfo>,
    /// Names of its `ClusterRoleBindings`: those of the accounts in it, or all there are.
    pub cluster_role_bindings: BTreeSet<String>,
}

impl BackupContents {
    /// Reads Velero's `BackupResourceList`; other cluster-scoped objects are left out.
    #[must_use]
    pub fn new(list: &RawResourceList, volumes: Vec<VolumeInfo>) -> Self {
        let mut objects: BTreeMap<String, BTreeSet<ObjectId>> = BTreeMap::new();
        let mut cluster_role_bindings = BTreeSet::new();
        for (kind, names) in list {
            for entry in names {
                if let Some((namespace, name)) = entry.split_once('/') {
                    let id = ObjectId {
                        kind: kind.clone(),
                        name: name.to_owned(),
                    };
                    objects.entry(namespace.to_owned()).or_default().insert(id);
                } else if kind.ends_with("/ClusterRoleBinding") {
                    cluster_role_bindings.insert(entry.clone());
                }
            }
        }
        Self {
            objects,
            volumes,
            cluster_role_bindings,
        }
    }

    /// Whether the backup holds anything of a namespace.
    #[must_use]
    pub fn holds_namespace(&self, namespace: &str) -> bool {
        self.objects.contains_key(namespace)
    }
}

/// What became of one object during the Restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemAction {
    /// It is in the sandbox.
    Present,
    /// Velero left it out without an error: a finished pod, something that was there already and is the same, or what
    /// a plugin of Velero discards, such as the records of its own data movers.
    Skipped,
    /// Velero tried and failed.
    Failed,
}

/// What Velero wrote of an object for the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it: it was not there.
    New,
    /// Some of it: it was there before.
    Changed,
}

/// Objects a Restore looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoredObjects {
    /// What became of each object, by target namespace.
    pub objects: BTreeMap<String, BTreeMap<ObjectId, ItemAction>>,
    /// Those for the whole cluster that it wrote, by their names in the backup: no volume that is provisioned anew, and
    /// nothing that was left out or refused.
    pub cluster: BTreeMap<ObjectId, Written>,
}

impl RestoredObjects {
    /// Reads Velero's `RestoreResourceList`, whose entries are `ns/name(created)`, or `name(created)` for the whole cluster.
    #[must_use]
    pub fn new(list: &RawResourceList) -> Self {
        let mut objects: BTreeMap<String, BTreeMap<ObjectId, ItemAction>> = BTreeMap::new();
        let mut cluster = BTreeMap::new();
        for (kind, entries) in list {
            for entry in entries {
                let (path, action) = match entry.rsplit_once('(') {
                    Some((path, action)) => (path, action.trim_end_matches(')')),
                    None => (entry.as_str(), "created"),
                };
                let id = |name: &str| ObjectId {
                    kind: kind.clone(),
                    name: name.to_owned(),
                };
                let Some((namespace, name)) = path.split_once('/') else {
                    let written = match action {
                        "created" => Written::New,
                        "updated" => Written::Changed,
                        _ => continue,
                    };
                    cluster.insert(id(path), written);
                    continue;
                };
                let action = match action {
                    "failed" => ItemAction::Failed,
                    "skipped" => ItemAction::Skipped,
                    _ => ItemAction::Present,
                };
                objects
                    .entry(namespace.to_owned())
                    .or_default()
                    .insert(id(name), action);
            }
        }
        Self { objects, cluster }
    }

    /// Whether nothing at all came back into a namespace, though something was to.
    #[must_use]
    pub fn is_empty_for(&self, namespace: &str) -> bool {
        self.objects
            .get(namespace)
            .is_none_or(|o| o.values().all(|a| *a == ItemAction::Failed))
    }
}

/// Errors and warnings of a Restore.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct RestoreResults {
    /// What went wrong.
    pub errors: Messages,
    /// What was unusual; `kube-root-ca.crt` is in every restore.
    pub warnings: Messages,
}

/// Messages by where they belong.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Messages {
    /// About Velero itself.
    pub velero: Option<Vec<String>>,
    /// About cluster-scoped objects.
    pub cluster: Option<Vec<String>>,
    /// About objects, by target namespace.
    pub namespaces: Option<BTreeMap<String, Vec<String>>>,
}

impl Messages {
    /// Every message, in a stable order.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let velero = self.velero.iter().flatten();
        let cluster = self.cluster.iter().flatten();
        let namespaced = self.namespaces.iter().flatten().flat_map(|(_, m)| m);
        velero.chain(cluster).chain(namespaced).map(String::as_str)
    }
}

/// How one volume was backed up (Velero's `BackupVolumeInfo`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeInfo {
    /// The claim.
    pub pvc_name: String,
    /// The claim's namespace.
    pub pvc_namespace: String,
    /// The volume.
    pub pv_name: String,
    /// `NativeSnapshot`, `PodVolumeBackup`, `CSISnapshot`, or empty: no data.
    pub backup_method: String,
    /// Whether Velero left the volume out.
    pub skipped: bool,
    /// Why it was left out.
    pub skipped_reason: String,
    /// `succeeded` or `failed`, where Velero says so.
    pub result: String,
    /// The volume's own settings.
    pub pv_info: Option<PvInfo>,
    /// Facts of a file-system backup.
    pub pvb_info: Option<PvbInfo>,
    /// Whether a data mover carried its snapshot into the storage location.
    pub snapshot_data_moved: bool,
    /// Facts of that movement.
    pub snapshot_data_movement_info: Option<MovementInfo>,
}

/// Facts of the movement of a snapshot's data.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct MovementInfo {
    /// Who moved it: `velero` or empty for Velero itself.
    pub data_mover: String,
    /// Bytes that were moved.
    pub size: i64,
}

/// A volume's own settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PvInfo {
    /// `Delete` or `Retain`.
    pub reclaim_policy: String,
}

/// Facts of a file-system backup of one volume.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PvbInfo {
    /// Bytes of the snapshot.
    pub size: i64,
    /// The pod it was a volume of.
    pub pod_name: String,
    /// The volume's name in that pod.
    pub volume_name: String,
    /// The snapshot in the repository.
    pub snapshot_handle: String,
    /// Velero writes this field without a JSON tag, so it is capitalised.
    #[serde(rename = "Phase")]
    pub phase: String,
}

impl VolumeInfo {
    /// Whether the backup holds this volume's data.
    #[must_use]
    pub fn has_data(&self) -> bool {
        let failed = self.result == "failed" || self.pvb_info.as_ref().is_some_and(|p| p.phase == "Failed");
        !self.skipped && !self.backup_method.is_empty() && !failed
    }

    /// What keeps the volume's data out of the backup on purpose, where Velero's reason leaves no doubt. `opted out due to
    /// annotation` leaves one: it is written of every volume of a pod that file-system backup passes over.
    #[must_use]
    pub fn left_out_by(&self) -> Option<&'static str> {
        const MARKS: &[(&str, &str)] = &[
            ("skipped due to resource policy", "its resource policy"),
            ("matched action is 'skip'", "its resource policy"),
            (
                "item has label velero.io/exclude-from-backup=true",
                "the label velero.io/exclude-from-backup",
            ),
        ];
        if !self.skipped {
            return None;
        }
        let mark = MARKS
            .iter()
            .find(|(words, _)| self.skipped_reason.contains(words));
        mark.map(|(_, by)| *by)
    }

    /// Facts of its file-system backup, where that is how it was backed up.
    #[must_use]
    pub fn of_files(&self) -> Option<&PvbInfo> {
        let info = self.pvb_info.as_ref();
        info.filter(|_| self.backup_method == "PodVolumeBackup")
    }

    /// Whether its file-system backup ended well without a snapshot: there was nothing in it (restic, Velero up to 1.16).
    #[must_use]
    pub fn was_empty(&self) -> bool {
        self.of_files().is_some_and(|files| {
            files.phase == "Completed" && files.size == 0 && files.snapshot_handle.is_empty()
        })
    }

    /// Bytes that a data mover of Velero has to bring back; movers of other products need not count.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        let moved = self.snapshot_data_movement_info.as_ref();
        let moved =
            moved.filter(|m| self.snapshot_data_moved && matches!(m.data_mover.as_str(), "" | "velero"));
        let of_files = self.of_files().map(|files| files.size);
        of_files.or(moved.map(|m| m.size)).unwrap_or_default()
    }

    /// Whether Velero would bring the volume back on production's own handle: `Retain` and no data of its own.
    #[must_use]
    pub fn returns_on_production_handle(&self) -> bool {
        !self.has_data()
            && self
                .pv_info
                .as_ref()
                .is_some_and(|p| p.reclaim_policy == "Retain")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_resource_lists() {
        let list: RawResourceList = serde_json::from_str(
            r#"{"v1/Namespace":["shop"],"v1/Secret":["shop/a"],"apps/v1/Deployment":["shop/web"],
                "rbac.authorization.k8s.io/v1/ClusterRole":["view"],
                "rbac.authorization.k8s.io/v1/ClusterRoleBinding":["shop-robot"]}"#,
        )
        .unwrap();
        let contents = BackupContents::new(&list, vec![]);
        assert_eq!(contents.cluster_role_bindings, ["shop-robot".to_owned()].into());
        assert!(contents.holds_namespace("shop") && !contents.holds_namespace("db"));
        assert_eq!(contents.objects["shop"].len(), 2);

        let list: RawResourceList =
            serde_json::from_str(r#"{"v1/Secret":["sb/a(created)","sb/b(failed)","sb/c(skipped)"]}"#)
                .unwrap();
        let restored = RestoredObjects::new(&list);
        let action = |n: &str| {
            restored.objects["sb"][&ObjectId {
                kind: "v1/Secret".into(),
                name: n.into(),
            }]
        };
        assert_eq!(action("a"), ItemAction::Present);
        assert_eq!(action("b"), ItemAction::Failed);
        assert_eq!(action("c"), ItemAction::Skipped);
        assert!(restored.is_empty_for("other") && restored.cluster.is_empty());
    }

    #[test]
    fn what_was_written_for_the_whole_cluster_is_told_apart() {
        let list = serde_json::json!({
            "v1/PersistentVolume": ["pv-1(created)", "pv-2(updated)", "pv-3(skipped)", "pv-4(failed)"],
            "rbac.authorization.k8s.io/v1/ClusterRole": ["system:shop(odd)(created)"],
        });
        let restored = RestoredObjects::new(&serde_json::from_value(list).unwrap());
        let written: Vec<_> = restored
            .cluster
            .iter()
            .map(|(object, written)| (object.display(), *written))
            .collect();
        assert_eq!(
            written,
            [
                ("ClusterRole/system:shop(odd)".to_owned(), Written::New),
                ("PersistentVolume/pv-1".to_owned(), Written::New),
                ("PersistentVolume/pv-2".to_owned(), Written::Changed),
            ]
        );
        assert!(restored.objects.is_empty());
    }

    #[test]
    fn a_volume_without_method_has_no_data() {
        let info: VolumeInfo = serde_json::from_str(
            r#"{"pvcName":"data","pvcNamespace":"shop","skipped":true,"pvInfo":{"reclaimPolicy":"Retain"}}"#,
        )
        .unwrap();
        assert!(!info.has_data() && info.returns_on_production_handle());
        let info: VolumeInfo = serde_json::from_str(
            r#"{"backupMethod":"PodVolumeBackup","pvbInfo":{"Phase":"Completed","size":3},"pvInfo":{"reclaimPolicy":"Retain"}}"#,
        )
        .unwrap();
        assert!(info.has_data() && !info.returns_on_production_handle());
        assert_eq!(info.bytes(), 3);
    }

    #[test]
    fn only_a_reason_without_doubt_says_that_a_volume_is_left_out_on_purpose() {
        let by = |skipped: bool, reason: &str| {
            let info = VolumeInfo {
                skipped,
                skipped_reason: reason.into(),
                ..VolumeInfo::default()
            };
            info.left_out_by()
        };
        // As Velero 1.18 writes them.
        let passed_over = "podvolume: opted out due to annotation in pod web;volumeSnapshot: not satisfy the criteria \
                           for VolumePolicy or the legacy snapshot way;";
        let policy = format!("any: skipped due to resource policy ;{passed_over}");
        assert_eq!(by(true, &policy), Some("its resource policy"));
        assert_eq!(by(false, &policy), None);
        let label = "any: item has label velero.io/exclude-from-backup=true;";
        assert!(by(true, label).is_some());
        assert_eq!(by(true, passed_over), None);
        assert_eq!(
            by(true, "volumeSnapshot: no applicable volumesnapshotter found;"),
            None
        );
    }

    #[test]
    fn a_moved_snapshot_has_the_bytes_that_velero_moved_itself() {
        let bytes = |mover: &str| {
            let info: VolumeInfo = serde_json::from_value(serde_json::json!({
                "backupMethod": "CSISnapshot", "snapshotDataMoved": true, "result": "succeeded",
                "snapshotDataMovementInfo": { "dataMover": mover, "uploaderType": "kopia", "size": 7, "Phase": "Completed" },
            }))
            .unwrap();
            assert!(info.has_data() && info.snapshot_data_moved && info.of_files().is_none());
            info.bytes()
        };
        assert_eq!((bytes("velero"), bytes(""), bytes("example.com")), (7, 7, 0));
    }
}
