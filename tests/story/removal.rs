//! What is taken away from a run by hand, and what becomes of the run.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, api::DeleteParams};
use kymaros_crds::{Cause, RestoreReport, RestoreTest, RunResult};

use super::{gone, leftovers, report_when};

/// Deletes the test of a run: nothing is left of it, not even its report.
pub async fn test_goes(client: &Client, report: &RestoreReport) -> Result<()> {
    let (namespace, test) = (report.namespace().context("no namespace")?, &report.spec.test_ref);
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
    tests.delete(test, &DeleteParams::default()).await?;
    gone(tests, test).await?;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &namespace);
    let is_left = reports.get_opt(&report.name_any()).await?.is_some();
    ensure!(!is_left, "{test} was deleted, and its report is left");
    let left = leftovers(client, report).await?;
    ensure!(left.is_empty(), "{test} was deleted: {left:?}");
    Ok(())
}

/// The only sandbox of a run.
pub fn sandbox_of(report: &RestoreReport) -> Result<String> {
    let sandboxes = report.status.as_ref().map(|s| s.sandboxes.as_slice());
    let [sandbox] = sandboxes.unwrap_or_default() else {
        bail!("not one sandbox: {sandboxes:?}");
    };
    Ok(sandbox.name.clone())
}

/// Deletes the sandbox of a run, which ends the run: nobody knows anything of the backup then. The run may still clean up
/// when this returns.
pub async fn sandbox_goes(client: &Client, report: &RestoreReport) -> Result<()> {
    let (namespace, test) = (report.namespace().context("no namespace")?, &report.spec.test_ref);
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .delete(&sandbox_of(report)?, &DeleteParams::background())
        .await?;
    let judged = |r: &RestoreReport| r.status.as_ref().is_some_and(|s| s.result.is_some());
    let report = report_when(client, &namespace, test, "its verdict", judged).await?;
    let status = report.status.context("no status")?;
    let verdict = (status.result, status.cause, status.reason.as_deref());
    let missed = (
        Some(RunResult::Inconclusive),
        Some(Cause::Sandbox),
        Some("SandboxDeleted"),
    );
    // A panic would leave whoever stands still meanwhile as it is.
    ensure!(verdict == missed, "{verdict:?}: {:?}", status.findings);
    let blames = status.findings.iter().any(|f| f.cause == Cause::Backup);
    ensure!(!blames, "the backup is accused: {:?}", status.findings);
    Ok(())
}
