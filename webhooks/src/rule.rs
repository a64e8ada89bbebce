//! The rules that refuse something, each once and under one short name: what refusals are counted by.

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// What somebody wrote is wrong, first of all in this field.
    Field(&'static str),
    /// Guard: of its own kinds, reviews, events, Lease and certificate the operator changes no more than it needs.
    OwnObjects,
    /// Guard and contain: nothing is changed for the whole cluster.
    ClusterWide,
    /// Guard: Restores and download requests are those of a live run, into its sandboxes.
    Restores,
    /// Guard: data movers are only told to stop.
    DataMovers,
    /// Guard: namespaces come and go as sandboxes of a live run.
    Namespaces,
    /// Guard: everything else stays in sandboxes.
    OutsideSandbox,
    /// Guard: volumes of sandboxes are released, others are left alone.
    Volumes,
    /// Guard: what was under way when a run ended, or when somebody deleted it, comes too late.
    RunOver,
    /// Contain: a sandbox that was removed does not come back.
    SandboxRemoved,
    /// Contain: its Restore does not exist any more.
    RestoreGone,
    /// Contain: what is restored lands in a sandbox of its run.
    NotItsSandbox,
    /// Contain: what stands for something outside of the cluster is not copied.
    Infrastructure,
    /// Contain: a pod whose sidecar waits for a mesh is made again without it.
    MeshSidecar,
    /// Contain and neutralise: a pod brings no storage of production.
    PodVolume,
    /// Contain and neutralise: no volume is kept where one of production is, and no claim takes one.
    VolumeInUse,
    /// Contain: the snapshot of a backup does not go with its copy.
    SnapshotOfBackup,
    /// Fence: the marks of a sandbox are set by the operator alone.
    Marks,
    /// What cannot be read is refused: a defect of Kymaros.
    Defect,
}

/// Fields of a spec in which something can be wrong, and what stands beside it. People write any names; these are counted.
const FIELDS: [&str; 13] = [
    "metadata",
    "backupSource",
    "additionalSources",
    "schedule",
    "suspend",
    "sandbox",
    "healthChecks",
    "sla",
    "notifications",
    "timeout",
    "historyLimit",
    "logCollection",
    "checks",
];

impl Rule {
    /// All of them that are no fields.
    pub const OTHERS: [Self; 18] = [
        Self::OwnObjects,
        Self::ClusterWide,
        Self::Restores,
        Self::DataMovers,
        Self::Namespaces,
        Self::OutsideSandbox,
        Self::Volumes,
        Self::RunOver,
        Self::SandboxRemoved,
        Self::RestoreGone,
        Self::NotItsSandbox,
        Self::Infrastructure,
        Self::MeshSidecar,
        Self::PodVolume,
        Self::VolumeInUse,
        Self::SnapshotOfBackup,
        Self::Marks,
        Self::Defect,
    ];

    /// The one for the field of this path, such as `spec.schedule.cron`.
    pub(crate) fn of_path(path: &str) -> Self {
        let path = path.strip_prefix("spec.").unwrap_or(path);
        let first = path.split(['.', '[']).next().unwrap_or_default();
        let known = FIELDS.into_iter().find(|field| *field == first);
        Self::Field(known.unwrap_or("other"))
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Field(name) => name,
            Self::OwnObjects => "OwnObjects",
            Self::ClusterWide => "ClusterWide",
            Self::Restores => "Restores",
            Self::DataMovers => "DataMovers",
            Self::Namespaces => "Namespaces",
            Self::OutsideSandbox => "OutsideSandbox",
            Self::Volumes => "Volumes",
            Self::RunOver => "RunOver",
            Self::SandboxRemoved => "SandboxRemoved",
            Self::RestoreGone => "RestoreGone",
            Self::NotItsSandbox => "NotItsSandbox",
            Self::Infrastructure => "Infrastructure",
            Self::MeshSidecar => "MeshSidecar",
            Self::PodVolume => "PodVolume",
            Self::VolumeInUse => "VolumeInUse",
            Self::SnapshotOfBackup => "SnapshotOfBackup",
            Self::Marks => "Marks",
            Self::Defect => "Defect",
        }
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::generate;

    use super::*;

    #[test]
    fn every_field_of_what_people_write_is_counted_by_its_name_and_nothing_else_is() {
        for definition in generate::crds() {
            let kind = &definition.spec.names.kind;
            if !["RestoreTest", "HealthCheckPolicy"].contains(&kind.as_str()) {
                continue;
            }
            let schema = definition.spec.versions[0].schema.clone().unwrap();
            let fields = schema.open_api_v3_schema.unwrap().properties.unwrap()["spec"].clone();
            for field in fields.properties.unwrap().keys() {
                let rule = Rule::of_path(&format!("spec.{field}[0].x"));
                assert_eq!(rule.as_str(), field, "{kind}");
            }
        }
        for (path, name) in [
            ("spec", "other"),
            ("spec.shedule", "other"),
            ("spec.anything-that-people-write", "other"),
            ("metadata.labels[a b]", "metadata"),
            ("spec.schedule.cron", "schedule"),
        ] {
            assert_eq!(Rule::of_path(path).as_str(), name, "{path}");
        }
    }
}
