//! Velero's stored artifacts: asked for by a `DownloadRequest`, fetched from a signed address, unpacked and parsed.

use std::{collections::BTreeMap, io::Read, time::Duration};

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::location::Access;
use super::results::{BackupContents, RawResourceList};
use super::types::{DownloadRequest, DownloadRequestSpec, DownloadTarget};

/// Unpacked artifacts above this many bytes are not read: 64 MiB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Velero drops requests it cannot serve without a word, so waiting needs an end.
const PATIENCE: Duration = Duration::from_secs(30);
/// What was read before is read again within this.
const SOON: Duration = Duration::from_secs(15);
/// Before what failed is asked again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Which artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// Every object in the backup, by kind.
    BackupResourceList,
    /// How each volume was backed up.
    BackupVolumeInfos,
    /// Every object the Restore looked at, with what became of it.
    RestoreResourceList,
    /// Errors and warnings of the Restore.
    RestoreResults,
    /// What plugins did after the items were created; there are none unless the Restore counts some.
    RestoreItemOperations,
}

impl Artifact {
    /// Velero's name for the kind of artifact.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::BackupResourceList => "BackupResourceList",
            Self::BackupVolumeInfos => "BackupVolumeInfos",
            Self::RestoreResourceList => "RestoreResourceList",
            Self::RestoreResults => "RestoreResults",
            Self::RestoreItemOperations => "RestoreItemOperations",
        }
    }
}

/// Why an artifact could not be had. None of these says anything about the backup itself.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The API server refused or could not be reached.
    #[error("asking Velero for {kind}: {source}")]
    Api {
        /// The kind of artifact.
        kind: &'static str,
        /// The API error.
        #[source]
        source: kube::Error,
    },
    /// Velero did not answer in time.
    #[error("Velero did not give an address for {kind} within {} s", PATIENCE.as_secs())]
    NotProcessed {
        /// The kind of artifact.
        kind: &'static str,
    },
    /// The signed address could not be read. The address itself is a credential and never part of the message.
    #[error("reading {kind} from the storage location: {reason}")]
    Download {
        /// The kind of artifact.
        kind: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The content is not what was expected.
    #[error("{kind} from the storage location is not readable: {reason}")]
    Content {
        /// The kind of artifact.
        kind: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// Nobody waits for it any more.
    #[error("{kind} is not read: what it was for is over")]
    Over {
        /// The kind of artifact.
        kind: &'static str,
    },
}

impl ArtifactError {
    /// Whether it may be different in a moment. Velero was waited for long enough, and content stays as it is.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Api { .. } | Self::Download { .. })
    }
}

/// Fetches artifacts on behalf of one run.
#[derive(Clone)]
pub struct Downloader {
    requests: Api<DownloadRequest>,
    access: Access,
    labels: BTreeMap<String, String>,
    name_prefix: String,
    over: CancellationToken,
}

impl Downloader {
    /// A downloader whose requests carry the run's labels, so that cleanup finds them. Once it is `over` it makes no more
    /// of them, and takes back what it made.
    #[must_use]
    pub fn new(
        client: Client,
        access: Access,
        velero_namespace: &str,
        labels: BTreeMap<String, String>,
        name_prefix: String,
        over: CancellationToken,
    ) -> Self {
        Self {
            requests: Api::namespaced(client, velero_namespace),
            access,
            labels,
            name_prefix,
            over,
        }
    }

    /// Asks for, fetches, unpacks and parses one artifact of the Backup or Restore `name`; what may only have been away
    /// for a moment is asked again.
    ///
    /// # Errors
    /// [`ArtifactError`]; the request is deleted in every case.
    pub async fn fetch<T: DeserializeOwned>(
        &self,
        artifact: Artifact,
        name: &str,
    ) -> Result<T, ArtifactError> {
        for pause in PAUSES {
            match self.fetch_once(artifact, name).await {
                Err(error) if error.may_pass() => {
                    tracing::debug!(%error, "asked again");
                    let paused = tokio::time::sleep(pause);
                    if self.over.run_until_cancelled(paused).await.is_none() {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
        self.fetch_once(artifact, name).await
    }

    async fn fetch_once<T: DeserializeOwned>(
        &self,
        artifact: Artifact,
        name: &str,
    ) -> Result<T, ArtifactError> {
        let kind = artifact.kind();
        let request_name = format!("{}-{}", self.name_prefix, kind.to_lowercase());
        let api = |source| ArtifactError::Api { kind, source };
        // One left by an earlier try may hold an expired address.
        self.delete(&request_name).await.map_err(api)?;
        if self.over.is_cancelled() {
            return Err(ArtifactError::Over { kind });
        }
        let request = DownloadRequest {
            metadata: ObjectMeta {
                name: Some(request_name.clone()),
                labels: Some(self.labels.clone()),
                ..ObjectMeta::default()
            },
            spec: DownloadRequestSpec {
                target: DownloadTarget {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                },
            },
            status: None,
        };
        self.requests
            .create(&PostParams::default(), &request)
            .await
            .map_err(api)?;
        let answer = self.over.run_until_cancelled(self.answer(kind, &request_name));
        let result = answer.await.unwrap_or(Err(ArtifactError::Over { kind }));
        if let Err(error) = self.delete(&request_name).await {
            tracing::warn!(request = request_name, %error, "a DownloadRequest stays until cleanup");
        }
        result.and_then(|bytes| parse(kind, &bytes))
    }

    async fn answer(&self, kind: &'static str, request: &str) -> Result<Vec<u8>, ArtifactError> {
        match tokio::time::timeout(PATIENCE, self.address(request)).await {
            Ok(Some(address)) => self.read(kind, &address).await,
            Ok(None) | Err(_) => Err(ArtifactError::NotProcessed { kind }),
        }
    }

    /// What a backup holds: its objects and how each of its volumes was backed up.
    ///
    /// # Errors
    /// As [`Downloader::fetch`].
    pub async fn contents(&self, backup: &str) -> Result<BackupContents, ArtifactError> {
        // Each to its end, whatever becomes of the other: one that is dropped leaves its request behind.
        let (list, volumes) = tokio::join!(
            self.fetch::<RawResourceList>(Artifact::BackupResourceList, backup),
            self.fetch(Artifact::BackupVolumeInfos, backup),
        );
        Ok(BackupContents::new(&list?, volumes?))
    }

    /// Whether what Velero keeps of a backup can be read right now.
    pub async fn answers(&self, backup: &str) -> bool {
        let read = self.fetch_once::<RawResourceList>(Artifact::BackupResourceList, backup);
        matches!(tokio::time::timeout(SOON, read).await, Ok(Ok(_)))
    }

    async fn delete(&self, name: &str) -> Result<(), kube::Error> {
        match self.requests.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn address(&self, name: &str) -> Option<String> {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut requests = watcher(self.requests.clone(), config)
            .default_backoff()
            .applied_objects()
            .boxed();
        while let Some(request) = requests.next().await {
            let address = request.ok().and_then(|r| r.status).and_then(|s| s.download_url);
            if let Some(address) = address.filter(|a| !a.is_empty()) {
                return Some(address);
            }
        }
        None
    }

    async fn read(&self, kind: &'static str, address: &str) -> Result<Vec<u8>, ArtifactError> {
        let download = |error: reqwest::Error| ArtifactError::Download {
            kind,
            reason: unread(error, self.access.trouble.as_deref()),
        };
        let mut response = self
            .access
            .http
            .get(address)
            .timeout(PATIENCE)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(download)?;
        let mut packed = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(download)? {
            packed.extend_from_slice(&chunk);
            if packed.len() as u64 > MAX_BYTES {
                return Err(ArtifactError::Content {
                    kind,
                    reason: "it is too large".to_owned(),
                });
            }
        }
        Ok(packed)
    }
}

/// Why an address could not be read: what is at the bottom of it, and what stood in the way before.
fn unread(error: reqwest::Error, trouble: Option<&str>) -> String {
    let error = error.without_url();
    let mut reason = error.to_string();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    if let Some(cause) = causes.last() {
        reason = format!("{reason}: {cause}");
    }
    match trouble {
        Some(trouble) => format!("{reason}; {trouble}"),
        None => reason,
    }
}

fn parse<T: DeserializeOwned>(kind: &'static str, packed: &[u8]) -> Result<T, ArtifactError> {
    let mut unpacked = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(packed)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut unpacked);
    if let Err(error) = read {
        return Err(ArtifactError::Content {
            kind,
            reason: error.to_string(),
        });
    }
    if unpacked.len() as u64 > MAX_BYTES {
        return Err(ArtifactError::Content {
            kind,
            reason: "it is too large".to_owned(),
        });
    }
    serde_json::from_slice(&unpacked).map_err(|error| ArtifactError::Content {
        kind,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn unpacks_and_parses() {
        let list: BTreeMap<String, Vec<String>> = parse("x", &packed(r#"{"v1/Pod":["shop/web"]}"#)).unwrap();
        assert_eq!(list["v1/Pod"], ["shop/web"]);
    }

    #[test]
    fn admission_lets_each_be_asked_for() {
        let all = [
            Artifact::BackupResourceList,
            Artifact::BackupVolumeInfos,
            Artifact::RestoreResourceList,
            Artifact::RestoreResults,
            Artifact::RestoreItemOperations,
        ];
        assert_eq!(all.map(Artifact::kind), kymaros_webhooks::guard::ARTIFACTS);
    }

    #[test]
    fn refuses_what_is_not_gzip_or_not_json() {
        let parse = |bytes: &[u8]| parse::<Vec<String>>("x", bytes).unwrap_err().to_string();
        assert!(parse(b"plain").contains("not readable"));
        assert!(parse(&packed("{")).contains("not readable"));
        let cut = packed("[\"a\"]");
        assert!(parse(&cut[..cut.len() / 2]).contains("not readable"));
    }

    #[tokio::test]
    async fn what_stood_in_the_way_of_an_address_is_told_and_the_address_is_not() {
        let refused = reqwest::Client::new()
            .get("http://127.0.0.1:1/?X-Amz-Signature=aa")
            .send();
        let told = unread(refused.await.unwrap_err(), Some("its authority may not be read"));
        assert!(told.ends_with("; its authority may not be read"), "{told}");
        assert!(told.contains("refused") && !told.contains("Signature"), "{told}");
    }
}
