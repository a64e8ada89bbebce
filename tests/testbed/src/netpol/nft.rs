//! Hands a table to the kernel.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs `command`, which is `nft` and the words that put it in the right network namespace, with a transaction.
///
/// # Errors
///
/// When it does not run, or the kernel refuses the transaction; nothing has changed then.
pub async fn apply(command: &[String], transaction: &str) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command for nft")?;
    let mut child = Command::new(program)
        .args(arguments)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let mut input = child.stdin.take().context("nft has no standard input")?;
    // A process that ended early closes its input; its status says more about that.
    let sent = input.write_all(transaction.as_bytes()).await;
    drop(input);
    let output = child.wait_with_output().await.context("cannot wait for nft")?;
    if !output.status.success() {
        bail!(
            "nft refused the rules: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    sent.context("cannot send the rules to nft")
}
