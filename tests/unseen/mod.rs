//! A policy that was stored while no webhook looked at it, as one may be that is older than they are.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    core::v1::Pod,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams, Patch, PatchParams, PostParams},
};
use kymaros_crds::{Cause, HealthCheckPolicy, RestoreReport, RunResult};
use kymaros_testbed::scene::{NAMESPACE, Scene, delete_backup};
use serde_json::{Value, json};

use crate::{
    ONE_AT_A_TIME, checked, pass,
    story::{
        again, create_test, leftovers, run, small, spec,
        webhooks::{put_back, take_away},
    },
};

/// The policy, and the test that names it.
const STORED: &str = "stored";
/// What a run by it says.
const WRONG: &str = "the spec cannot be read: HealthCheckPolicy stored: spec.checks[0].exec.stdoutMatches: \"([\": \
     is not a regular expression: unclosed character class";

fn checks(pattern: &str) -> Value {
    json!([{ "name": "page", "type": "exec", "exec": { "podSelector": { "app": "small" },
        "command": ["cat", "/www/index.html"], "stdoutMatches": pattern } }])
}

fn policy(name: &str) -> Result<HealthCheckPolicy> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy",
        "metadata": { "name": name }, "spec": { "checks": checks("([") },
    }))?)
}

/// Waits until the API server has such a policy looked at, which refuses it.
async fn until_refused(policies: &Api<HealthCheckPolicy>) -> Result<()> {
    let (asked, deadline) = (policy("asked")?, Instant::now() + Duration::from_secs(30));
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let is_refusal = |error: &kube::Error| error.to_string().contains("stdoutMatches");
    loop {
        ticks.tick().await;
        if policies.create(&dry, &asked).await.is_err_and(|e| is_refusal(&e)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no webhook refuses it");
    }
}

/// Stores the policy as soon as the API server knows that there are no webhooks.
async fn store(policies: &Api<HealthCheckPolicy>) -> Result<()> {
    let policy = policy(STORED)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let stored = policies.create(&PostParams::default(), &policy).await;
        if stored.is_ok() || Instant::now() > deadline {
            return stored.map(drop).context("it is looked at");
        }
    }
}

/// Each replica of the operator with how often it was started again, none of which has panicked since.
async fn unharmed(client: &Client, since: jiff::Timestamp) -> Result<Vec<(String, i32)>> {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let replicas = ListParams::default().labels("app.kubernetes.io/component=operator");
    let since = LogParams {
        since_time: Some(since),
        ..LogParams::default()
    };
    let mut unharmed = Vec::new();
    for pod in pods.list(&replicas).await? {
        let name = pod.name_any();
        let log = pods.logs(&name, &since).await?;
        let panic = log.lines().find(|line| line.contains("panicked"));
        assert_eq!(panic, None, "{name}");
        let containers = pod.status.and_then(|s| s.container_statuses).unwrap_or_default();
        let restarts: i32 = containers.iter().map(|c| c.restart_count).sum();
        unharmed.push((name, restarts));
    }
    Ok(unharmed)
}

#[tokio::test]
async fn a_policy_that_no_webhook_saw_ends_its_run_with_what_is_wrong_and_no_other() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, STORED).await?;
    let begun = jiff::Timestamp::now();
    let replicas = unharmed(&client, begun).await?;
    let policies = Api::<HealthCheckPolicy>::namespaced(client.clone(), &namespace);
    until_refused(&policies).await?;
    // The one that writes defaults refuses what it cannot read, too.
    let defaults = take_away::<MutatingWebhookConfiguration>(&client).await?;
    let rules = take_away::<ValidatingWebhookConfiguration>(&client).await?;
    let stored = store(&policies).await;
    put_back(&client, &rules).await?;
    put_back(&client, &defaults).await?;
    stored?;
    until_refused(&policies).await?;

    let beside = checked(&namespace, &name);
    create_test(&client, &namespace, "beside", beside).await?;
    let named = json!({ "healthChecks": { "policyRef": STORED } });
    let first = run(&scene, &namespace, STORED, spec(&[&namespace], &name, named)).await?;
    let status = first.status.clone().context("no status")?;
    assert_eq!(
        (
            status.score,
            status.result,
            status.cause,
            status.reason.as_deref()
        ),
        (
            Some(0),
            Some(RunResult::Inconclusive),
            Some(Cause::Unknown),
            Some("InvalidSpec")
        ),
        "{:?}",
        status.findings
    );
    let told = status
        .findings
        .iter()
        .map(|f| (f.reason.as_str(), f.message.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), [("InvalidSpec", WRONG)]);
    assert_eq!(leftovers(&client, &first).await?, Vec::<String>::new());

    // By the time that the other run has passed, the operator knows of the change.
    let mend = Patch::Merge(json!({ "spec": { "checks": checks("^hello$") } }));
    policies.patch(STORED, &PatchParams::default(), &mend).await?;
    pass(&client, &namespace, &["beside"]).await?;
    let second = again(&client, &namespace, STORED, &[first.name_any()]).await?;
    let status = second.status.context("no status")?;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        status.findings
    );
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &namespace);
    let reports = reports.list(&ListParams::default()).await?;
    let runs = reports.iter().filter(|r| r.spec.test_ref == STORED);
    assert_eq!(runs.count(), 2, "a run was lost");
    assert_eq!(unharmed(&client, begun).await?, replicas);
    delete_backup(&client, &name).await
}
