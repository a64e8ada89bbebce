//! Messages: how soon a receiver is told of a run that failed, and whether anything is lost or comes twice though the receiver
//! is away for a while and operators are killed.

mod figures;
mod receiver;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use kymaros_crds::{NotificationState, RestoreReport, RestoreTest, RunPhase, names};
use kymaros_testbed::scene::{NAMESPACE, RELEASE, Scene, leader, until_all_ready, until_allowed};
use kymaros_testbed::signals::{operator, signal};
use serde_json::json;
use tokio::time::{Instant, interval, sleep_until, timeout};

use self::{figures::Figures, receiver::Receiver};

/// Tests, each of which fails once in every round.
const TESTS: usize = 20;
/// The Secret with the receiver's address.
const SECRET: &str = "receiver";
/// Longest time for a round.
const PATIENCE: Duration = Duration::from_mins(3);
/// How soon a trigger is given again that nothing came of.
const AGAIN: Duration = Duration::from_secs(5);
/// Longest time until all are told: the operator's own longest pause, and some more.
const SETTLED: Duration = Duration::from_mins(20);

/// Makes so many runs fail, in three parts with the receiver `away` in the second one, kills the leader in each of them, and
/// prints what became of the messages.
pub async fn measure(scene: &mut Scene, messages: usize, away: Duration) -> Result<()> {
    let home = scene.namespace("bench-messages").await?;
    let mut stage = Stage {
        client: scene.client.clone(),
        home,
        receiver: Receiver::start()?,
        rounds: 0,
        killed: None,
    };
    let rounds = messages.div_ceil(TESTS).max(3);
    stage.make_readable(scene).await?;
    stage.make_tests(rounds).await?;
    let third = rounds / 3;
    stage.play(third).await?;
    stage.receiver.set_away(true);
    let left = Instant::now();
    stage.play(third).await?;
    sleep_until(left + away).await;
    stage.receiver.set_away(false);
    println!("the receiver was away for {:.0} s", left.elapsed().as_secs_f64());
    stage.play(rounds - 2 * third).await?;
    let reports = stage.settled().await?;
    until_all_ready(&stage.client).await?;
    let verdicts: BTreeMap<String, Timestamp> = reports
        .iter()
        .filter_map(|report| Some((report.name_any(), verdict(report)?)))
        .collect();
    println!("{}", Figures::of(&verdicts, &stage.receiver.attempts()));
    Ok(())
}

/// A namespace with tests that fail, and whom they tell.
struct Stage {
    client: Client,
    home: String,
    receiver: Receiver,
    /// How often each test ran.
    rounds: usize,
    /// The operator that was killed last.
    killed: Option<String>,
}

impl Stage {
    /// The Secret, and the operator's right to read it.
    async fn make_readable(&self, scene: &Scene) -> Result<()> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": SECRET },
            "stringData": { "url": self.receiver.address, "ca.crt": self.receiver.authority },
        }))?;
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.home);
        secrets.create(&PostParams::default(), &secret).await?;
        let named = format!("--resource-name={SECRET}");
        let account = format!("--serviceaccount={NAMESPACE}:{RELEASE}");
        for object in [
            &["role", SECRET, "--verb=get", "--resource=secrets", &named][..],
            &["rolebinding", SECRET, "--role", SECRET, &account],
        ] {
            let create = [&["create"], object, &["--namespace", &self.home]].concat();
            scene.cluster.kubectl(&create)?;
        }
        let user = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}");
        let asked = json!({ "resourceAttributes": { "namespace": self.home, "verb": "get", "resource": "secrets",
            "name": SECRET } });
        until_allowed(&self.client, &user, &asked).await
    }

    /// Tests of a backup that nobody took.
    async fn make_tests(&self, rounds: usize) -> Result<()> {
        let tests = Api::<RestoreTest>::namespaced(self.client.clone(), &self.home);
        for number in 0..TESTS {
            let test: RestoreTest = serde_json::from_value(json!({
                "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
                "metadata": { "name": name(number), "namespace": self.home },
                "spec": {
                    "backupSource": { "provider": "velero", "backupName": "never-taken",
                        "namespaces": [{ "name": self.home }] },
                    "schedule": { "cron": "0 3 1 1 *" }, "suspend": true, "sandbox": {},
                    // Now and then one runs once more than it was asked to.
                    "historyLimit": rounds * 2,
                    "notifications": { "onFailure": [{ "type": "webhook", "webhookSecretRef": SECRET }] },
                },
            }))?;
            tests.create(&PostParams::default(), &test).await?;
        }
        Ok(())
    }

    /// So many rounds, in the first of which the leader is killed while it has messages in its hands.
    async fn play(&mut self, rounds: usize) -> Result<()> {
        until_all_ready(&self.client).await?;
        for round in 0..rounds {
            self.rounds += 1;
            let heard = self.receiver.heard();
            let runs = stream::iter(0..TESTS)
                .map(|number| self.run(name(number)))
                .buffer_unordered(TESTS)
                .try_collect::<Vec<()>>();
            let kill = async {
                if round > 0 {
                    return Ok(None);
                }
                self.kill_after(heard).await.map(Some)
            };
            let (_, killed) = tokio::try_join!(runs, kill)?;
            self.killed = killed.or(self.killed.take());
        }
        Ok(())
    }

    /// Kills the leader as soon as the receiver was told something new.
    async fn kill_after(&self, heard: usize) -> Result<String> {
        timeout(PATIENCE, self.receiver.hears(heard + 1))
            .await
            .context("nothing comes to the receiver")??;
        let leads = leader(&self.client, self.killed.as_deref()).await?;
        // Whoever deletes its pod, without grace too, has it asked to stop first.
        signal("-KILL", &operator(&leads)?)?;
        Ok(leads)
    }

    /// One more run of a test. A trigger is given again when it was refused because the operator does not know yet that the
    /// run before is over, or when no webhook answered after a kill.
    async fn run(&self, test: String) -> Result<()> {
        let tests = Api::<RestoreTest>::namespaced(self.client.clone(), &self.home);
        let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
        let trigger = Patch::Merge(&trigger);
        let mut over = std::pin::pin!(self.over(&test));
        let mut ticks = interval(AGAIN);
        let mut trouble = None;
        let ended = async {
            loop {
                tokio::select! {
                    ended = &mut over => return ended,
                    _ = ticks.tick() => {
                        trouble = tests.patch(&test, &PatchParams::default(), &trigger).await.err();
                    }
                }
            }
        };
        let Ok(ended) = timeout(PATIENCE, ended).await else {
            bail!("{test}: run {} does not end ({trouble:?})", self.rounds);
        };
        ended
    }

    /// Waits until as many runs of a test are over as there were rounds.
    async fn over(&self, test: &str) -> Result<()> {
        let reports = Api::<RestoreReport>::namespaced(self.client.clone(), &self.home);
        let of_test = watcher::Config::default().labels(&format!("{}={test}", names::TEST_LABEL));
        let reports = watcher(reports, of_test).default_backoff().applied_objects();
        let mut reports = std::pin::pin!(reports);
        let mut over = BTreeSet::new();
        while let Some(report) = reports.next().await {
            // A watch that was cut begins again.
            let Ok(report) = report else { continue };
            if report.status.as_ref().and_then(|s| s.phase) == Some(RunPhase::Completed) {
                over.insert(report.name_any());
            }
            if over.len() >= self.rounds {
                return Ok(());
            }
        }
        bail!("the watch ended")
    }

    /// All reports, as soon as each has told whom it had to, or has not in time.
    async fn settled(&self) -> Result<Vec<RestoreReport>> {
        let api = Api::<RestoreReport>::namespaced(self.client.clone(), &self.home);
        let events = watcher(api, watcher::Config::default())
            .default_backoff()
            .applied_objects();
        let mut events = std::pin::pin!(events);
        let mut reports = BTreeMap::new();
        let wait = async {
            while let Some(report) = events.next().await {
                let Ok(report) = report else { continue };
                reports.insert(report.name_any(), report);
                if reports.len() >= TESTS * self.rounds && reports.values().all(is_settled) {
                    return Ok(());
                }
            }
            bail!("the watch ended")
        };
        if let Ok(ended) = timeout(SETTLED, wait).await {
            ended?;
        } else {
            println!("after {SETTLED:?} not every message is delivered");
        }
        Ok(reports.into_values().collect())
    }
}

fn name(number: usize) -> String {
    format!("fails-{number}")
}

fn is_settled(report: &RestoreReport) -> bool {
    use NotificationState::{Delivered, Failed};
    let Some(status) = &report.status else {
        return false;
    };
    let told = &status.notifications;
    status.phase == Some(RunPhase::Completed)
        && !told.is_empty()
        && told
            .iter()
            .all(|told| matches!(told.state, Some(Delivered | Failed)))
}

/// When the verdict was given. `completedAt` has whole seconds; cleanup, which begins with the verdict, is known better.
fn verdict(report: &RestoreReport) -> Option<Timestamp> {
    let status = report.status.as_ref()?;
    let cleanup = status.timeline.iter().find(|entry| entry.name == "cleanup");
    let begun = cleanup.and_then(|entry| entry.started_at.as_ref()).map(|at| at.0);
    begun.or_else(|| status.completed_at.as_ref().map(|at| at.0))
}
