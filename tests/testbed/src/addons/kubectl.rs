//! kubectl on the host, as the administrator.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{places, programs};

/// Applies documents on the server's side; ours win.
pub(crate) async fn apply(documents: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents});
    let mut child = Command::new(programs::program("kubernetes", "kubectl"))
        .arg("--kubeconfig")
        .arg(places::kubeconfig())
        .args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=kymaros-testbed",
            "-f",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start kubectl")?;
    let mut input = child.stdin.take().context("no input of kubectl")?;
    input.write_all(list.to_string().as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!(
            "kubectl apply failed:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
