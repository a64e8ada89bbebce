//! Velero with its node agent, as `velero install` writes it, made quicker for tests.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::{apply, images};
use crate::components::{ACCESS_KEY, SECRET_KEY};
use crate::places::{self, NODE_ADDRESS, S3_PORT};
use crate::programs;

/// The bucket of the backups: a folder of the S3 server.
pub const BUCKET: &str = "velero";

/// What the server is told beside its defaults: nothing that changes what it does, only how soon.
const SERVER_FLAGS: [&str; 6] = [
    "--client-qps=200",
    "--client-burst=400",
    "--item-operation-sync-frequency=2s",
    "--store-validation-frequency=10s",
    "--backup-sync-period=15s",
    "--default-repo-maintain-frequency=24h",
];

/// Installs Velero, or brings an installed one back to how it should be.
///
/// # Errors
///
/// When the API server refuses something.
pub async fn install() -> Result<()> {
    fs::create_dir_all(places::state("s3").join(BUCKET))?;
    let secret = places::state("velero-credentials");
    fs::write(
        &secret,
        format!("[default]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"),
    )?;
    let mut documents = documents(&arguments()).await?;
    for document in &mut documents {
        adapt(document);
    }
    // The kinds first: nothing of a kind can be made before it is known.
    let (kinds, rest): (Vec<Value>, Vec<Value>) = documents
        .into_iter()
        .partition(|document| document["kind"] == "CustomResourceDefinition");
    apply(&kinds).await?;
    let mut tries = 0;
    loop {
        match apply(&rest).await {
            Ok(()) => return Ok(()),
            // Kinds are served some moments after they are made.
            Err(error) if tries < 50 && format!("{error:#}").contains("no matches for kind") => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn fingerprint() -> String {
    format!("{:?} {SERVER_FLAGS:?} {}", arguments(), images::coredns())
}

fn arguments() -> Vec<String> {
    let mut arguments = vec![
        "--provider=aws".to_owned(),
        format!("--image={}", images::velero()),
        format!("--plugins={}", images::velero_plugin()),
        format!("--bucket={BUCKET}"),
        format!("--secret-file={}", places::state_text("velero-credentials")),
        "--use-node-agent".to_owned(),
        "--use-volume-snapshots=false".to_owned(),
        format!(
            "--backup-location-config=region=us-east-1,s3ForcePathStyle=true,s3Url=http://{NODE_ADDRESS}:{S3_PORT}"
        ),
    ];
    // The machine is small; what is not asked for is not reserved.
    for part in ["velero", "node-agent"] {
        for resource in ["cpu-request", "mem-request", "cpu-limit", "mem-limit"] {
            arguments.push(format!("--{part}-pod-{resource}=0"));
        }
    }
    arguments
}

async fn documents(arguments: &[String]) -> Result<Vec<Value>> {
    let output = Command::new(programs::program("velero", "velero"))
        .args(["install", "--dry-run", "-o", "json"])
        .args(arguments)
        .env("KUBECONFIG", places::kubeconfig())
        .env("HOME", places::state("tmp"))
        .output()
        .await
        .context("cannot run velero")?;
    if !output.status.success() {
        bail!(
            "velero install failed:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut list: Value = serde_json::from_slice(&output.stdout).context("velero install wrote no JSON")?;
    let Value::Array(items) = list["items"].take() else {
        bail!("velero install wrote no list");
    };
    Ok(items)
}

/// Makes what `velero install` wrote fit for applying, and quicker.
fn adapt(document: &mut Value) {
    if let Some(fields) = document.as_object_mut() {
        fields.remove("status");
    }
    if document["kind"] == "Deployment" && document["metadata"]["name"] == "velero" {
        let container = &mut document["spec"]["template"]["spec"]["containers"][0];
        if let Some(args) = container["args"].as_array_mut() {
            args.extend(SERVER_FLAGS.map(Value::from));
        }
        // An old server would keep the new one from starting in order: there must never be two.
        document["spec"]["strategy"] = serde_json::json!({"type": "Recreate"});
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_server_gets_flags_and_nothing_keeps_a_status() {
        let mut server = json!({
            "kind": "Deployment",
            "metadata": {"name": "velero"},
            "spec": {"template": {"spec": {"containers": [{"args": ["server"]}]}}},
            "status": {},
        });
        adapt(&mut server);
        let args = server["spec"]["template"]["spec"]["containers"][0]["args"]
            .as_array()
            .unwrap();
        assert_eq!(args.len(), 1 + SERVER_FLAGS.len());
        assert!(server.get("status").is_none());
        let mut other = json!({"kind": "Secret", "status": {}});
        adapt(&mut other);
        assert_eq!(other, json!({"kind": "Secret"}));
    }
}
