//! Velero's data movers of one Restore: what carried the data of its volumes, and how far it came.

use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use kymaros_webhooks::contain::RESTORE_LABEL;
use serde_json::Value;

use super::restore::timestamp;
use crate::refusal::is_of_unknown_kind;

const KINDS: [(&str, &str, &str); 2] = [
    ("velero.io", "v1", "PodVolumeRestore"),
    ("velero.io", "v2alpha1", "DataDownload"),
];

/// What is said of data that nobody began to move.
pub const NO_AGENT: &str = "no node agent of Velero took it up";

/// One data mover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mover {
    /// The namespace of what it fills.
    pub namespace: String,
    /// What it fills.
    pub fills: Fills,
    /// Velero's phase of it.
    pub phase: String,
    /// Why it failed.
    pub message: String,
    /// Bytes that arrived.
    pub bytes_done: i64,
    /// Bytes that it knows of; Velero itself makes both the same in the end.
    pub bytes_total: i64,
    /// When it began and ended.
    pub times: (Option<Timestamp>, Option<Timestamp>),
}

/// What a data mover fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fills {
    /// A volume of a pod, by the pod's name and the volume's name in it.
    PodVolume(String, String),
    /// A claim.
    Claim(String),
}

impl Mover {
    fn read(object: &DynamicObject) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (spec, status) = (&object.data["spec"], &object.data["status"]);
        let bytes = |field: &str| status["progress"][field].as_i64().unwrap_or_default();
        let (target, pod) = (&spec["targetVolume"], &spec["pod"]);
        let (namespace, fills) = if let Some(claim) = target["pvc"].as_str() {
            (&target["namespace"], Fills::Claim(claim.to_owned()))
        } else {
            let volume = Fills::PodVolume(text(&pod["name"]), text(&spec["volume"]));
            (&pod["namespace"], volume)
        };
        Self {
            namespace: text(namespace),
            fills,
            phase: text(&status["phase"]),
            message: text(&status["message"]),
            bytes_done: bytes("bytesDone"),
            bytes_total: bytes("totalBytes"),
            times: (
                timestamp(status["startTimestamp"].as_str()),
                timestamp(status["completionTimestamp"].as_str()),
            ),
        }
    }

    /// Whether no node agent of Velero took it up.
    #[must_use]
    pub fn never_began(&self) -> bool {
        self.times.0.is_none() && matches!(self.phase.as_str(), "" | "New" | "Accepted" | "Prepared")
    }

    /// Why nothing more comes of it.
    #[must_use]
    pub fn trouble(&self) -> String {
        if self.never_began() {
            NO_AGENT.to_owned()
        } else {
            format!("Velero's data mover is {}: {}", self.phase, self.message)
        }
    }

    /// Whether all it had to carry arrived.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phase == "Completed"
    }
}

/// The data movers of a Restore; a cluster without such kinds has none.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn of_restore(client: &Client, velero: &str, restore: &str) -> Result<Vec<Mover>, kube::Error> {
    let (volumes, downloads) = tokio::try_join!(
        list(client, velero, restore, KINDS[0]),
        list(client, velero, restore, KINDS[1])
    )?;
    let objects = volumes.1.iter().chain(&downloads.1);
    Ok(objects.map(Mover::read).collect())
}

/// There is no cancel for a Restore, but for its data movers, which Velero's worker waits for.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn cancel(client: &Client, velero: &str, restore: &str) -> Result<(), kube::Error> {
    let cancel = Patch::Merge(serde_json::json!({ "spec": { "cancel": true } }));
    for kind in KINDS {
        let (api, movers) = list(client, velero, restore, kind).await?;
        for mover in movers.iter().filter(|m| m.data["spec"]["cancel"] != true) {
            api.patch(&mover.name_any(), &PatchParams::default(), &cancel)
                .await?;
        }
    }
    Ok(())
}

async fn list(
    client: &Client,
    velero: &str,
    restore: &str,
    (group, version, kind): (&str, &str, &str),
) -> Result<(Api<DynamicObject>, Vec<DynamicObject>), kube::Error> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), velero, &resource);
    let of_restore = ListParams::default().labels(&format!("{RESTORE_LABEL}={restore}"));
    let found = match api.list(&of_restore).await {
        Ok(found) => found.items,
        Err(kube::Error::Api(status)) if is_of_unknown_kind(&status) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok((api, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(data: Value) -> Mover {
        let mut object =
            DynamicObject::new("m", &ApiResource::from_gvk(&GroupVersionKind::gvk("g", "v", "K")));
        object.data = data;
        Mover::read(&object)
    }

    #[test]
    fn both_kinds_say_what_they_fill() {
        let volume = read(
            json!({ "spec": { "pod": { "namespace": "sb", "name": "db-0" }, "volume": "data" },
            "status": { "phase": "Completed", "progress": { "bytesDone": 7, "totalBytes": 9 } } }),
        );
        assert_eq!(volume.fills, Fills::PodVolume("db-0".into(), "data".into()));
        assert!(volume.is_done() && volume.namespace == "sb");
        assert_eq!((volume.bytes_done, volume.bytes_total), (7, 9));
        let target = json!({ "namespace": "sb", "pvc": "data-db-0" });
        let download = read(json!({ "spec": { "targetVolume": target },
            "status": { "phase": "Failed", "message": "no space" } }));
        assert_eq!(download.fills, Fills::Claim("data-db-0".into()));
        assert!(!download.never_began() && download.trouble().contains("no space"));
        let waits = read(json!({ "spec": { "targetVolume": {} }, "status": { "phase": "Accepted" } }));
        assert!(waits.never_began() && waits.trouble() == NO_AGENT);
        assert!(!download.is_done() && download.message == "no space" && download.namespace == "sb");
    }
}
