//! The operator dies after any of its writes, the API server refuses some, and somebody sets the clock: the run ends as it
//! would have. A file of its own, because the operator of the cluster must not act meanwhile.
//!
//! Some writes are tried; `KYMAROS_CRASH_POINTS=all` tries every one:
//! `KYMAROS_CRASH_POINTS=all cargo test --test crashes -- --ignored --test-threads=1`.

mod story;

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use kymaros_crds::{Cause, RestoreReport, RestoreTest, RunPhase, RunResult, domain::duration};
use kymaros_testbed::{
    between::{Between, Treatment},
    ports::free_ports,
    scene::{Backup, LEASE, NAMESPACE, RELEASE, Scene, apply, backup, delete_backup, unique, wait_ready},
};
use serde_json::json;
use story::{SMALL, answers, create_test, finished, gone, leftovers, phase, report_when, spec};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

/// There is one cluster, and one operator in it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
/// Every how many writes the short form lets it die.
const EVERY: usize = 20;

/// The operator as a process of the test, with the settings and rights of the one in the cluster, which does nothing
/// meanwhile but answer the API server: somebody else holds the Lease.
struct Stage {
    scene: Scene,
    between: Between,
    folder: tempfile::TempDir,
    args: Vec<String>,
    /// What preloaded libraries are told.
    variables: Vec<(&'static str, PathBuf)>,
    /// How often it died where it was meant to.
    died: AtomicUsize,
    _lease: AbortOnDropHandle<()>,
}

impl Stage {
    async fn set() -> Result<Self> {
        let scene = Scene::new().await?;
        let lease = hold_lease(scene.client.clone()).await?;
        let token = ["create", "token", RELEASE, "-n", NAMESPACE, "--duration", "2h"];
        let token = scene.cluster.kubectl(&token)?;
        let between = Between::start(&scene.cluster, token.trim()).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("kubeconfig"), between.kubeconfig())?;
        let args = arguments(&scene.client).await?;
        Ok(Self {
            scene,
            between,
            folder,
            args,
            variables: Vec::new(),
            died: AtomicUsize::new(0),
            _lease: lease,
        })
    }

    fn start(&self) -> Result<Operator> {
        let [health, webhooks] = free_ports()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_kymaros"));
        command
            .args(&self.args)
            .arg("--leader-elect=false")
            .arg(format!("--health-probe-bind-address=127.0.0.1:{health}"))
            .arg(format!("--webhook-bind-address=127.0.0.1:{webhooks}"))
            .arg("--metrics-bind-address=0")
            .arg("--api-bind-address=0")
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("POD_NAME", unique("kymaros"))
            .env("POD_NAMESPACE", NAMESPACE)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stderr(File::create(self.folder.path().join("log"))?);
        Ok(Operator(command.spawn()?))
    }

    /// Operators that start from now on have a clock that can be set; how much time passes is as it was.
    fn fake_clock(&mut self) -> Result<()> {
        let library = glob("/usr/lib", "faketime/libfaketimeMT.so.1")?;
        let clock = self.folder.path().join("clock");
        self.variables = vec![
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", clock),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        self.set_clock(0)
    }

    fn set_clock(&self, seconds: i32) -> Result<()> {
        let clock = self.folder.path().join("clock");
        // A reader must not meet half of it.
        let next = clock.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}s\n"))?;
        Ok(std::fs::rename(next, clock)?)
    }

    /// The time that the operator saw when it last logged something.
    fn clock_of_log(&self) -> Result<jiff::Timestamp> {
        let log = std::fs::read_to_string(self.folder.path().join("log"))?;
        let time = |line: &str| line.split(['"', ' ']).find_map(|word| word.parse().ok());
        log.lines().rev().find_map(time).context("the log tells no time")
    }

    /// What the operator logged last, for whoever reads why a test failed.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Runs a test of this backup; what its report says, after the operator died as `treatment` says.
    async fn play(
        &self,
        namespace: &str,
        backup: &str,
        treatment: impl FnMut(usize, &str) -> Treatment + Send + 'static,
        trouble: Trouble,
    ) -> Result<Said> {
        let client = &self.scene.client;
        let checked = json!({ "healthChecks": { "settle": "0s", "timeout": "30s", "checks": [{
            "name": "web answers", "type": "httpGet",
            "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200, "timeout": "5s" } }] } });
        // The replica that lost the Lease starts anew, at a moment of its own.
        answers(client, namespace).await?;
        self.between.rule(treatment);
        let mut operator = self.start()?;
        create_test(client, namespace, "crash", spec(&[namespace], backup, checked)).await?;
        match trouble {
            Trouble::Nothing => {}
            Trouble::Death(point) => {
                // Not every run writes as much: one that ends before was not disturbed.
                tokio::select! {
                    reached = self.between.written(point) => {
                        reached?;
                        self.died.fetch_add(1, Ordering::Relaxed);
                    }
                    over = finished(client, namespace, "crash") => drop(over?),
                }
                drop(operator);
                self.between.rule(|_, _| Treatment::Pass);
                operator = self.start()?;
            }
            Trouble::Clock(by) => {
                let restores = |report: &RestoreReport| phase(report) >= Some(RunPhase::Restoring);
                report_when(client, namespace, "crash", "a restore", restores).await?;
                self.set_clock(by)?;
            }
        }
        let report = finished(client, namespace, "crash").await?;
        if let Trouble::Clock(by) = trouble {
            let off = self.clock_of_log()?.duration_since(jiff::Timestamp::now());
            let wrong = (off.as_secs() - i64::from(by)).abs();
            assert!(wrong < 60, "its clock was set by {by} s, and it saw {off:?}");
        }
        let left = leftovers(client, &report).await?;
        assert_eq!(left, Vec::<String>::new(), "{trouble:?}");
        let reports = Api::<RestoreReport>::namespaced(client.clone(), namespace);
        let count = reports.list(&ListParams::default()).await?.items.len();
        assert_eq!(count, 1, "{trouble:?}: a run was lost or started twice");
        let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
        tests.delete("crash", &DeleteParams::default()).await?;
        gone(tests, "crash").await?;
        gone(reports, &report.name_any()).await?;
        drop(operator);
        let status = report.status.unwrap_or_default();
        Ok(Said {
            score: status.score,
            result: status.result,
            cause: status.cause,
            reason: status.reason,
            rto: status.rto.map(|rto| rto.measured),
            findings: status
                .findings
                .into_iter()
                .map(|finding| finding.message)
                .filter(|message| !message.contains("of the restore was disturbed"))
                .collect(),
        })
    }
}

/// What becomes of the operator while a run goes on.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    /// It dies after so many writes.
    Death(usize),
    /// Its clock is set by so many seconds while Velero restores.
    Clock(i32),
}

/// What must not depend on crashes. How many tries a restore took may: the operator in the cluster, which answers the
/// webhooks, starts anew when it loses the Lease.
#[derive(Debug)]
struct Said {
    score: Option<i32>,
    result: Option<RunResult>,
    cause: Option<Cause>,
    reason: Option<String>,
    rto: Option<String>,
    findings: Vec<String>,
}

/// But for the recovery time, which is never the same twice.
impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        let verdict = |said: &Self| (said.score, said.result, said.cause, said.reason.clone());
        verdict(self) == verdict(other) && self.findings == other.findings
    }
}

/// A process; it is killed, and not asked to stop, when it is dropped.
struct Operator(Child);

impl Drop for Operator {
    fn drop(&mut self) {
        // What cannot be ended has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file below one of a folder's folders: Debian names one after the machine.
fn glob(folder: &str, file: &str) -> Result<PathBuf> {
    let folders = std::fs::read_dir(folder)?.flatten();
    let mut found = folders
        .map(|entry| entry.path().join(file))
        .filter(|path| path.exists());
    found
        .next()
        .with_context(|| format!("{file} is nowhere below {folder}"))
}

/// What the operator in the cluster was started with, but for what must differ.
async fn arguments(client: &Client) -> Result<Vec<String>> {
    let deployment = Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .get(RELEASE)
        .await?;
    let pod = deployment.spec.and_then(|s| s.template.spec).context("no pods")?;
    let args = pod
        .containers
        .into_iter()
        .find_map(|c| c.args)
        .context("no arguments")?;
    let own = [
        "--leader-elect",
        "--health-probe-bind-address",
        "--webhook-bind-address",
        "--metrics-bind-address",
        "--api-bind-address",
    ];
    let kept = args.into_iter().filter(|a| !own.iter().any(|o| a.starts_with(o)));
    Ok(kept.map(|a| a.replace("$(POD_NAMESPACE)", NAMESPACE)).collect())
}

/// Holds the Lease for as long as it lives.
async fn hold_lease(client: Client) -> Result<AbortOnDropHandle<()>> {
    let leases = Api::<Lease>::namespaced(client, NAMESPACE);
    take(&leases).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let task = tokio::spawn(async move {
        loop {
            ticks.tick().await;
            // The next tick tries again.
            let _ = take(&leases).await;
        }
    });
    Ok(AbortOnDropHandle::new(task))
}

async fn take(leases: &Api<Lease>) -> Result<(), kube::Error> {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        .to_string();
    let mine = json!({ "spec": { "holderIdentity": "nobody_at_all", "leaseDurationSeconds": 15, "renewTime": now } });
    leases
        .patch(LEASE, &PatchParams::default(), &Patch::Merge(&mine))
        .await?;
    Ok(())
}

async fn small(stage: &mut Stage, without: &[&str]) -> Result<(String, String)> {
    let namespace = stage.scene.namespace("crash").await?;
    let client = stage.scene.client.clone();
    apply(&client, &namespace, SMALL).await?;
    wait_ready(&client, &namespace, "app=small", 1).await?;
    let name = unique("crash");
    backup(&client, &name, &Backup::of(&[&namespace]).without(without)).await?;
    Ok((namespace, name))
}

/// Lets the operator die after one write after the other, of a run of a backup that holds no such kinds. Left alone it ends
/// as `right` says.
async fn matrix(without: &[&str], right: impl Fn(&Said) -> bool) -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut stage = Stage::set().await?;
    let (namespace, name) = small(&mut stage, without).await?;
    let undisturbed = stage
        .play(&namespace, &name, |_, _| Treatment::Pass, Trouble::Nothing)
        .await?;
    let writes = stage.between.writes();
    println!(
        "{} writes, {:?} {:?}",
        writes.len(),
        undisturbed.score,
        undisturbed.result
    );
    assert!(right(&undisturbed), "left alone: {undisturbed:?}");
    let every = if std::env::var("KYMAROS_CRASH_POINTS").is_ok_and(|points| points == "all") {
        1
    } else {
        EVERY
    };
    let mut played = 0;
    // The last ones delete the test.
    for point in (1..writes.len().saturating_sub(4)).step_by(every) {
        let swallow = move |number, _: &str| {
            if number >= point {
                Treatment::Swallow
            } else {
                Treatment::Pass
            }
        };
        let said = stage
            .play(&namespace, &name, swallow, Trouble::Death(point))
            .await?;
        assert_eq!(
            said,
            undisturbed,
            "dead after write {point}, {}",
            writes[point - 1]
        );
        played += 1;
    }
    let died = stage.died.load(Ordering::Relaxed);
    println!("died {died} times in {played} runs");
    // A run may write a little less than the one before it, and then ends before its point.
    let may_end = (played / 10).max(1);
    assert!(died + may_end >= played, "too many runs ended before their point");
    delete_backup(&stage.scene.client, &name).await
}

#[tokio::test]
#[ignore = "takes minutes, and the cluster's operator must not act meanwhile; run it before a release"]
async fn a_healthy_backup_passes_wherever_the_operator_dies() -> Result<()> {
    let passes = |said: &Said| (said.score, said.result) == (Some(100), Some(RunResult::Pass));
    matrix(&[], passes).await
}

#[tokio::test]
#[ignore = "takes minutes, and the cluster's operator must not act meanwhile; run it before a release"]
async fn a_bad_backup_fails_wherever_the_operator_dies() -> Result<()> {
    let accuses = |said: &Said| {
        let is_bad = matches!(said.result, Some(RunResult::Fail | RunResult::Partial));
        is_bad && said.cause == Some(Cause::Backup)
    };
    matrix(&["configmaps"], accuses).await
}

#[tokio::test]
#[ignore = "takes minutes, and the cluster's operator must not act meanwhile; run it before a release"]
async fn setting_the_operators_clock_while_velero_restores_changes_nothing() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut stage = Stage::set().await?;
    let (namespace, name) = small(&mut stage, &[]).await?;
    stage.fake_clock()?;
    for seconds in [0, 600, -600] {
        stage.set_clock(0)?;
        let said = stage
            .play(&namespace, &name, |_, _| Treatment::Pass, Trouble::Clock(seconds))
            .await?;
        println!("set by {seconds} s: {said:?}");
        assert_eq!(
            (said.score, said.result),
            (Some(100), Some(RunResult::Pass)),
            "{said:?}"
        );
        let rto = duration::parse(&said.rto.context("no recovery time")?)?;
        assert!(rto < Duration::from_mins(2), "set by {seconds} s: {rto:?}");
    }
    delete_backup(&stage.scene.client, &name).await
}

#[tokio::test]
#[ignore = "takes minutes, and the cluster's operator must not act meanwhile; run it before a release"]
async fn answers_that_say_try_again_change_nothing() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut stage = Stage::set().await?;
    let (namespace, name) = small(&mut stage, &[]).await?;
    for code in [409, 429, 500] {
        let refuse = move |number: usize, _: &str| {
            // A rhythm: what needs four writes in a row would never get through.
            if number.is_multiple_of(4) {
                Treatment::Refuse(code)
            } else {
                Treatment::Pass
            }
        };
        let said = stage.play(&namespace, &name, refuse, Trouble::Nothing).await?;
        assert_eq!(
            (said.score, said.result),
            (Some(100), Some(RunResult::Pass)),
            "{code}: {said:?}"
        );
    }
    // What is read is refused now and then.
    for code in [429, 500] {
        stage.between.refuse_reads(5, code);
        let said = stage
            .play(&namespace, &name, |_, _| Treatment::Pass, Trouble::Nothing)
            .await;
        let refused = stage.between.let_reads_pass();
        let said = said.with_context(|| stage.last_words())?;
        println!("{refused} reads were answered with {code}");
        assert!(refused > 5, "{refused}");
        assert_eq!(
            (said.score, said.result),
            (Some(100), Some(RunResult::Pass)),
            "{code}: {said:?}"
        );
    }
    // All watches end, in the middle of a run.
    let mut cut = 0;
    let said = {
        let (cuts, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let between = &stage.between;
        let played = stage.play(
            &namespace,
            &name,
            move |number, _: &str| {
                if number.is_multiple_of(5) {
                    let _ = cuts.send(());
                }
                Treatment::Pass
            },
            Trouble::Nothing,
        );
        let cutting = async {
            while asked.recv().await.is_some() {
                cut += between.cut_watches();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            said = played => said?,
            () = cutting => anyhow::bail!("nobody asks for cuts any more"),
        }
    };
    println!("{cut} watches were cut");
    assert!(cut > 5, "{cut}");
    assert_eq!(
        (said.score, said.result),
        (Some(100), Some(RunResult::Pass)),
        "{said:?}"
    );
    delete_backup(&stage.scene.client, &name).await
}
