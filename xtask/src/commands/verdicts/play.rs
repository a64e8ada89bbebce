//! Playing one case: namespaces, application, backup, whatever happens to them, and a test.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::{Api, Client, api::PostParams, runtime::wait::await_condition};
use kymaros_crds::{
    Cause, Finding, RestoreReport, RestoreReportStatus, RestoreTest, RunPhase, RunResult, Severity,
};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique};
use serde_json::{Value, json};

use super::{
    case::{Case, Fault},
    storage,
};

/// Longest time a run may take.
const PATIENCE: Duration = Duration::from_mins(6);

/// A case that was played.
pub struct Played {
    /// In words.
    pub name: String,
    /// What was known.
    pub fault: Option<Fault>,
    /// What the operator said, or why the case could not be played.
    pub said: Result<Said>,
    /// From the test's creation to its end.
    pub took: Duration,
}

/// What the operator said.
pub struct Said {
    pub score: i32,
    pub result: Option<RunResult>,
    pub cause: Option<Cause>,
    pub findings: Vec<Finding>,
    pub leftovers: Option<i32>,
}

impl Played {
    /// Whether a fault was found, or a healthy backup passed.
    pub fn is_right(&self) -> bool {
        let Ok(said) = &self.said else { return false };
        match &self.fault {
            None => said.result == Some(RunResult::Pass),
            Some(fault) => match fault.result {
                Some(result) => said.result == Some(result),
                None if fault.cause == Cause::Sandbox => said.result == Some(RunResult::Inconclusive),
                None => matches!(said.result, Some(RunResult::Partial | RunResult::Fail)),
            },
        }
    }

    /// Whether the right one is blamed and the right thing named; healthy backups have nobody to blame.
    pub fn blames_right(&self) -> bool {
        let Ok(said) = &self.said else { return false };
        let Some(fault) = &self.fault else {
            return said.cause.is_none();
        };
        let names = |f: &Finding| {
            f.severity != Severity::Info
                && f.cause == fault.cause
                && (f.message.contains(&fault.says)
                    || f.object.as_deref().is_some_and(|o| o.contains(&fault.says)))
        };
        said.cause == Some(fault.cause) && said.findings.iter().any(names)
    }

    /// One line for people who wait.
    pub fn line(&self) -> String {
        let mark = match (self.is_right(), self.blames_right()) {
            (true, true) => "✔",
            (true, false) => "~",
            (false, _) => "✘",
        };
        match &self.said {
            Ok(said) => {
                let mut line = format!(
                    "{mark} {} → {} {:?} {:?} ({:.0} s)",
                    self.name,
                    said.score,
                    said.result,
                    said.cause,
                    self.took.as_secs_f64()
                );
                if mark != "✔" {
                    let findings = said.findings.iter().filter(|f| f.severity != Severity::Info);
                    line.extend(findings.map(|f| format!("\n            {:?}: {}", f.cause, f.message)));
                }
                line
            }
            Err(error) => format!("{mark} {} → could not be played: {error:#}", self.name),
        }
    }
}

/// Plays a case from an empty namespace to an empty cluster.
pub async fn play(case: &Case) -> Played {
    let begun = Instant::now();
    let mut tested = None;
    let said = told(case, &mut tested).await;
    Played {
        name: case.name.clone(),
        fault: case.fault.clone(),
        said,
        took: tested.unwrap_or(begun).elapsed(),
    }
}

async fn told(case: &Case, tested: &mut Option<Instant>) -> Result<Said> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let mut names = Names {
        namespace: scene.namespace("v").await?,
        other: None,
        backup: unique("v"),
    };
    if mentions_other(case) {
        names.other = Some(scene.namespace("other").await?);
    }
    let said = story(case, &scene, &names, tested).await;
    let tidied = kubectl(&scene, &names, &case.finally);
    // Some cases delete it themselves.
    let _ = delete_backup(&client, &names.backup).await;
    let said = said?;
    tidied.context("at the end")?;
    Ok(said)
}

async fn story(case: &Case, scene: &Scene, names: &Names, tested: &mut Option<Instant>) -> Result<Said> {
    let client = scene.client.clone();
    let manifests = names.fill(&case.manifests);
    apply(&client, &names.namespace, &manifests).await?;
    if !case.also.is_empty() {
        apply(&client, &names.namespace, &names.fill(&case.also)).await?;
    }
    kubectl(scene, names, &case.before).context("before the backup")?;
    // Velero knows seconds only: what is made in the second of a backup may or may not be in it.
    next_second().await;
    let what = Backup::of(&[&names.namespace]).with(&names.fill_value(&case.backup));
    backup(&client, &names.backup, &what).await?;
    if let Some(damage) = &case.damage {
        storage::damage(damage, |text| names.fill(text))?;
    }
    kubectl(scene, names, &case.after).context("after the backup")?;
    if !case.later.is_empty() {
        apply(&client, &names.namespace, &names.fill(&case.later)).await?;
    }
    *tested = Some(Instant::now());
    let status = run(&client, names, &case.test).await?;
    Ok(Said {
        score: status.score.unwrap_or_default(),
        result: status.result,
        cause: status.cause,
        findings: status.findings,
        leftovers: status.leftovers,
    })
}

fn mentions_other(case: &Case) -> bool {
    let mut texts = vec![
        case.manifests.clone(),
        case.also.clone(),
        case.later.clone(),
        case.backup.to_string(),
        case.test.to_string(),
    ];
    texts.extend(case.before.iter().chain(&case.after).flatten().cloned());
    texts.iter().any(|text| text.contains("$OTHER"))
}

async fn next_second() {
    let now = jiff::Timestamp::now();
    let rest = 1_000_000_000 - u64::try_from(now.subsec_nanosecond()).unwrap_or(0);
    tokio::time::sleep(Duration::from_nanos(rest)).await;
}

/// What `$NS`, `$OTHER` and `$BACKUP` stand for. `$LARGE` is nearly as large as an object may be.
struct Names {
    namespace: String,
    other: Option<String>,
    backup: String,
}

impl Names {
    fn fill(&self, text: &str) -> String {
        text.replace("$NS", &self.namespace)
            .replace("$OTHER", self.other.as_deref().unwrap_or_default())
            .replace("$BACKUP", &self.backup)
            .replace("$LARGE", &"large ".repeat(150_000))
    }

    fn fill_value(&self, value: &Value) -> Value {
        serde_json::from_str(&self.fill(&value.to_string())).unwrap_or_default()
    }
}

fn kubectl(scene: &Scene, names: &Names, commands: &[Vec<String>]) -> Result<()> {
    for command in commands {
        let mut args: Vec<String> = command.iter().map(|arg| names.fill(arg)).collect();
        if !args.iter().any(|arg| arg == "-n" || arg == "-A") {
            args.splice(0..0, ["-n".to_owned(), names.namespace.clone()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        scene.cluster.kubectl(&args)?;
    }
    Ok(())
}

async fn run(client: &Client, names: &Names, change: &Value) -> Result<RestoreReportStatus> {
    let mut spec = json!({
        "backupSource": { "provider": "velero", "backupName": names.backup,
                          "namespaces": [{ "name": names.namespace }] },
        "schedule": { "cron": "0 3 1 1 *" },
        "sandbox": { "ttl": "10m" },
        "healthChecks": { "settle": "2s", "timeout": "90s", "checks": [
            { "name": "web answers", "type": "httpGet",
              "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] },
    });
    merge(&mut spec, names.fill_value(change));
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "verdict", "namespace": names.namespace }, "spec": spec,
    }))?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &names.namespace);
    tests.create(&PostParams::default(), &test).await?;
    let ran = await_condition(tests, "verdict", |test: Option<&RestoreTest>| {
        test.and_then(|t| t.status.as_ref())
            .is_some_and(|s| s.last_report_ref.is_some())
    });
    let test = tokio::time::timeout(PATIENCE, ran)
        .await
        .context("the run did not end in time")??;
    let name = test.and_then(|t| t.status).and_then(|s| s.last_report_ref);
    let name = name.context("the test went away")?;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &names.namespace);
    let over = await_condition(reports, &name, |report: Option<&RestoreReport>| {
        let phase = report.and_then(|r| r.status.as_ref()).and_then(|s| s.phase);
        phase == Some(RunPhase::Completed)
    });
    let report = tokio::time::timeout(PATIENCE, over)
        .await
        .context("the run did not clean up in time")??;
    match report.and_then(|r| r.status) {
        Some(status) => Ok(status),
        None => bail!("the report went away"),
    }
}

fn merge(base: &mut Value, change: Value) {
    match (base, change) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change,
    }
}
