//! What runs inside the cluster: images, DNS, a storage class, Velero. Everything here can be done again at any time and
//! changes nothing that is as it should be.

mod dns;
pub mod images;
mod kinds;
mod kubectl;
mod roles;
mod storage;
pub mod velero;
mod wait;

use anyhow::Result;
use kube::Client;
use serde_json::Value;

pub(crate) use kubectl::apply;
pub use wait::{Waiting, missing};

use crate::progress::Progress;

/// Installs everything that does not need Velero's images.
///
/// # Errors
///
/// When the API server refuses something.
pub async fn install_basics() -> Result<()> {
    let documents = everything();
    apply(&documents).await
}

fn everything() -> Vec<Value> {
    [
        roles::documents(),
        storage::documents(),
        kinds::documents(),
        dns::documents(),
    ]
    .concat()
}

/// Waits until all of it works.
///
/// # Errors
///
/// When something takes too long; the error says what.
pub async fn wait_until_ready(client: &Client, progress: &dyn Progress) -> Result<()> {
    wait::until_ready(client, progress).await
}

/// Everything that is installed, as text: another text is another cluster.
#[must_use]
pub(crate) fn fingerprint() -> String {
    let documents = everything();
    let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
    format!("{}\n{}", documents.join("\n"), velero::fingerprint())
}
