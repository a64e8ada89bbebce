//! A fleet as an SRE would have it, without a cluster: tests of every standing, a month of runs, one run that goes on.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Resource,
    core::PartialObjectMeta,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use kymaros::{
    fleet::{Contact, Fleet, PackedReports, RefusedSecret, Remote, Roster, RunLog},
    license::{License, Refusal},
    source::Wanted,
    stored::Keeper,
    velero::{Backup, Schedule, StorageLocation},
};
use kymaros_crds::{RestoreReport, RestoreTest, domain::Tier};
use kymaros_webhooks::default::Defaults;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Where the tests are.
pub const OPS: &str = "kymaros-system";
/// Where those of a team are.
pub const TEAM: &str = "team-payments";

/// A fleet, and the ways to change it.
pub struct World {
    pub fleet: Fleet,
    reports: Keeper,
    license: watch::Sender<License>,
}

/// How the latest run of a test ended.
#[derive(Clone, Copy, PartialEq)]
enum Latest {
    Pass,
    Partial,
    Fail,
    Inconclusive,
    /// It never ran, for its spec is not valid.
    Broken,
    /// It never ran, and waits for its turn.
    Queued,
    /// It passed, and runs again now.
    Running,
    /// It passed, and is suspended.
    Suspended,
}

const APPS: [(&str, &str, Latest); 14] = [
    ("payments-db", TEAM, Latest::Fail),
    ("ledger", TEAM, Latest::Partial),
    ("checkout", TEAM, Latest::Pass),
    ("keycloak", OPS, Latest::Pass),
    ("gitlab", OPS, Latest::Partial),
    ("harbor", OPS, Latest::Inconclusive),
    ("vault", OPS, Latest::Running),
    ("nextcloud", OPS, Latest::Pass),
    ("wordpress", OPS, Latest::Pass),
    ("postgres-ha", OPS, Latest::Pass),
    ("redis-sentinel", OPS, Latest::Pass),
    ("analytics", OPS, Latest::Broken),
    ("matrix", OPS, Latest::Queued),
    ("wiki", OPS, Latest::Suspended),
];
/// Namespaces with a backup that no test restores.
const UNTESTED: [&str; 3] = ["billing-archive", "legacy-crm", "mailrelay"];
/// Runs of each test, one a day.
const DAYS: i64 = 30;

impl World {
    /// The fleet of screenshots and of most tests.
    pub fn new(tier: Tier) -> Self {
        let now = Timestamp::now();
        let (mut tests, mut reports) = (Vec::new(), Vec::new());
        for (index, (name, namespace, latest)) in APPS.into_iter().enumerate() {
            let index = i64::try_from(index).unwrap();
            let runs = runs(name, namespace, latest, index, now);
            let judged = runs.iter().rev().find(|run| is_judged(run));
            tests.push(test(name, namespace, latest, judged, now));
            reports.extend(runs);
        }
        Self::of(tier, tests, reports, now)
    }

    /// Many tests with many reports, for figures: the first in [`OPS`], each of the others in a namespace of its own.
    pub fn large(tier: Tier, count: usize, each: usize) -> Self {
        let now = Timestamp::now();
        let (mut tests, mut reports) = (Vec::new(), Vec::new());
        for index in 0..count {
            let name = format!("application-{index:04}");
            let namespace = match index {
                0 => OPS.to_owned(),
                _ => format!("team-{index:04}"),
            };
            let latest = if index % 17 == 0 { "fail" } else { "pass" };
            for run in 0..each {
                let ago = SignedDuration::from_hours(24 * i64::try_from(each - run).unwrap() - 20);
                let result = if run + 1 == each { latest } else { "pass" };
                reports.push(report(
                    &name,
                    &namespace,
                    now - ago,
                    result,
                    95,
                    90 + i64::try_from(run).unwrap(),
                ));
            }
            let latest = if index % 17 == 0 {
                Latest::Fail
            } else {
                Latest::Pass
            };
            tests.push(test(&name, &namespace, latest, reports.last(), now));
        }
        Self::of(tier, tests, reports, now)
    }

    /// Tests of which each is in its first run, or suspended before it, beside one that passed.
    pub fn young(first: usize, suspended: usize, passed: usize) -> Self {
        let now = Timestamp::now();
        let (mut tests, mut reports) = (Vec::new(), Vec::new());
        for index in 0..first {
            let name = format!("first-{index}");
            tests.push(test(&name, OPS, Latest::Running, None, now));
            reports.push(running(&name, OPS, now));
        }
        for index in 0..suspended {
            tests.push(test(
                &format!("suspended-{index}"),
                OPS,
                Latest::Suspended,
                None,
                now,
            ));
        }
        for index in 0..passed {
            let name = format!("passed-{index}");
            let run = report(&name, OPS, now - SignedDuration::from_hours(1), "pass", 100, 90);
            tests.push(test(&name, OPS, Latest::Pass, Some(&run), now));
            reports.push(run);
        }
        Self::of(Tier::Team, tests, reports, now)
    }

    /// A fleet whose every name and text comes from somebody hostile.
    pub fn hostile(tier: Tier, text: &str) -> Self {
        let now = Timestamp::now();
        let mut report = report(text, text, now - SignedDuration::from_hours(1), "fail", 40, 90);
        report.metadata.name = Some(text.to_owned());
        let status = report.status.as_mut().unwrap();
        let mut value = serde_json::to_value(&*status).unwrap();
        spoil(&mut value, text);
        *status = serde_json::from_value(value).unwrap();
        let written = test(text, text, Latest::Fail, Some(&report), now);
        let mut value = serde_json::to_value(&written).unwrap();
        value["spec"]["schedule"] = json!({ "cron": text, "timezone": text });
        value["spec"]["backupSource"]["namespaces"] = json!([{ "name": text }]);
        value["spec"]["backupSource"]["scheduleName"] = json!(text);
        value["spec"]["notifications"] =
            json!({ "onFailure": [{ "type": "slack", "channel": text, "webhookSecretRef": text }] });
        value["status"]["conditions"] = json!([condition("Ready", "False", text, text)]);
        let mut world = Self::of(tier, vec![read(value)], vec![report], now);
        world.fleet.schedules = store([schedule(text, &[text], now)]);
        world.fleet.backups = store([backup(text, text, now)]);
        world.fleet.namespaces = store([namespace(text)]);
        text.clone_into(&mut world.fleet.velero_namespace);
        world
    }

    fn of(tier: Tier, tests: Vec<RestoreTest>, reports: Vec<RestoreReport>, now: Timestamp) -> Self {
        let runs = RunLog::default();
        let (reports_store, mut keeper) = kymaros::stored::store();
        for report in reports {
            let event = Event::Apply(report);
            keeper.take(&event);
            runs.look(&event);
        }
        let (license, receiver) = watch::channel(license(tier, 400));
        let apps = APPS.iter().map(|(name, ..)| *name).chain(UNTESTED);
        let fleet = Fleet {
            tests: store(tests),
            reports: reports_store,
            runs,
            roster: watch::channel(Roster::default()).1,
            backups: store(
                apps.clone()
                    .map(|app| backup(&format!("nightly-{app}"), app, now)),
            ),
            schedules: store([
                schedule("nightly", &["keycloak", "gitlab", "vault", "wordpress"], now),
                schedule("payments-hourly", &["payments-db", "ledger"], now),
                schedule("archive-weekly", &["billing-archive"], now),
            ]),
            locations: store([read::<StorageLocation>(json!({
                "metadata": { "name": "default", "namespace": "velero" }, "spec": { "default": true },
                "status": { "phase": "Available" },
            }))]),
            velero: store([read::<Deployment>(json!({
                "metadata": { "name": "velero", "namespace": "velero", "labels": { "component": "velero", "deploy": "velero" } },
                "spec": { "selector": {}, "template": { "spec": { "containers": [
                    { "name": "velero", "image": "velero/velero:v1.17.1", "command": ["/velero"], "args": ["server"] },
                ] } } },
            }))]),
            namespaces: store(apps.map(namespace)),
            license: receiver,
            defaults: Defaults::default(),
            wanted: Wanted::default(),
            namespace: OPS.to_owned(),
            velero_namespace: "velero".to_owned(),
        };
        Self {
            fleet,
            reports: keeper,
            license,
        }
    }

    /// The same beside two other clusters with the same tests: `eu` is reached, `us` has been away for some minutes.
    pub fn with_others(tier: Tier) -> Self {
        let mut world = Self::new(tier);
        let now = Timestamp::now();
        let mut fresh = Contact::new();
        fresh.heard(now);
        let mut old = Contact::new();
        old.heard(now - SignedDuration::from_mins(12));
        old.lost(
            now - SignedDuration::from_mins(11),
            "it did not answer in time".to_owned(),
        );
        let remotes = [("eu", fresh), ("us", old)].map(|(name, contact)| world.other(name, contact));
        let refused = [RefusedSecret {
            secret: "cluster-asia".to_owned(),
            cluster: "asia".parse().ok(),
            why: "data.kubeconfig is missing; put a kubeconfig there".to_owned(),
        }];
        world.fleet.roster = watch::channel(Roster {
            remotes: remotes.into(),
            refused: refused.into(),
            ..Roster::default()
        })
        .1;
        world
    }

    fn other(&self, name: &str, contact: Contact) -> Remote {
        let reports = self.fleet.reports.state();
        let reports: Vec<_> = reports.iter().map(|report| report.whole().unwrap()).collect();
        let name = name.parse().unwrap();
        let packed = PackedReports::default();
        for report in &reports {
            packed.put(report).unwrap();
            self.fleet.runs.put_of(&name, report);
        }
        Remote {
            name,
            tests: store(
                self.fleet
                    .tests
                    .state()
                    .iter()
                    .map(|test| RestoreTest::clone(test)),
            ),
            reports: packed,
            contact: watch::channel(contact).1,
        }
    }

    /// Namespaces with a backup that no test restores, and nothing else.
    pub fn with_untested(tier: Tier, count: usize) -> Self {
        let mut world = Self::new(tier);
        let names: Vec<String> = (0..count).map(|index| format!("untested-{index:03}")).collect();
        let now = Timestamp::now();
        world.fleet.backups = store(
            names
                .iter()
                .map(|name| backup(&format!("nightly-{name}"), name, now)),
        );
        world.fleet.namespaces = store(names.iter().map(|name| namespace(name)));
        world
    }

    /// Many Schedules.
    pub fn schedule(&mut self, count: usize) {
        let now = Timestamp::now();
        let name = |index| format!("nightly-{index:03}");
        self.fleet.schedules = store((0..count).map(|index| schedule(&name(index), &["keycloak"], now)));
    }

    /// Runs that wait for their turn.
    pub fn queue(&mut self, count: usize) {
        for index in 0..count {
            self.put(queued(&format!("waiting-{index:03}"), OPS, Timestamp::now()));
        }
    }

    /// A report is new or has changed.
    pub fn put(&mut self, report: RestoreReport) {
        let event = Event::Apply(report);
        self.reports.take(&event);
        self.fleet.runs.look(&event);
    }

    /// The license changes: a tier and the days until it ends.
    pub fn license(&self, tier: Tier, days: i64) {
        self.license.send_replace(license(tier, days));
    }

    /// The newest report of a test.
    pub fn latest(&self, test: &str) -> RestoreReport {
        let of_test = self.fleet.reports.state_filter(|report| *report.test == *test);
        let mut reports: Vec<_> = of_test.iter().map(|report| report.whole().unwrap()).collect();
        reports.sort_by_key(|report| report.metadata.creation_timestamp.clone());
        reports.last().unwrap().as_ref().clone()
    }
}

fn is_judged(run: &RestoreReport) -> bool {
    run.status.as_ref().is_some_and(|status| status.result.is_some())
}

fn license(tier: Tier, days: i64) -> License {
    match tier {
        Tier::Community => License::Community(Refusal::NoSecret),
        tier => License::Valid {
            tier,
            expires: Some(
                Timestamp::now() + SignedDuration::from_hours(24 * days) - SignedDuration::from_secs(60),
            ),
        },
    }
}

/// Puts a text wherever a status has one, but not where only certain words are known.
fn spoil(value: &mut Value, text: &str) {
    const WORDS: [&str; 14] = [
        "phase",
        "result",
        "cause",
        "status",
        "level",
        "severity",
        "action",
        "type",
        "startedAt",
        "finishedAt",
        "completedAt",
        "created",
        "started",
        "lastTransitionTime",
    ];
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if !WORDS.contains(&key.as_str()) && key != "lastTimestamp" && key != "passedAt" {
                    spoil(field, text);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, text)),
        Value::String(old) => text.clone_into(old),
        _ => {}
    }
}

/// The runs of a test, oldest first.
fn runs(name: &str, namespace: &str, latest: Latest, index: i64, now: Timestamp) -> Vec<RestoreReport> {
    if latest == Latest::Broken {
        return Vec::new();
    }
    if latest == Latest::Queued {
        return vec![queued(name, namespace, now)];
    }
    let mut runs: Vec<RestoreReport> = (1..=DAYS)
        .rev()
        .map(|day| {
            let at = now - SignedDuration::from_hours(24 * day - 19) - SignedDuration::from_mins(7 * index);
            let wobble = (day * (index + 3)) % 11;
            let (result, score) = match (latest, day) {
                (Latest::Fail, 1) => ("fail", 61),
                (Latest::Fail, 2..=4) => ("partial", 84),
                (Latest::Partial, 1..=3) => ("partial", 87),
                (Latest::Inconclusive, 1) => ("inconclusive", 0),
                _ if (day * 7 + index * 3) % 29 == 0 => ("fail", 52),
                _ if wobble == 0 => ("partial", 88),
                _ => ("pass", 100 - i32::try_from(wobble % 4).unwrap()),
            };
            report(
                name,
                namespace,
                at,
                result,
                score,
                95 + 6 * wobble + 4 * (DAYS - day) * i64::from(index == 0),
            )
        })
        .collect();
    if latest == Latest::Running {
        runs.push(running(name, namespace, now));
    }
    runs
}

fn spec(name: &str) -> Value {
    json!({
        "backupSource": { "provider": "velero", "scheduleName": if ["payments-db", "ledger"].contains(&name) { "payments-hourly" } else { "nightly" }, "namespaces": [{ "name": name }], "maxAge": "26h" },
        "schedule": { "cron": "0 3 * * *", "timezone": "Europe/Berlin" },
        "sandbox": { "ttl": "30m" }, "timeout": "20m", "historyLimit": 90,
        "sla": { "maxRTO": "4m" },
        "healthChecks": { "checks": [
            { "name": "login-page", "type": "httpGet",
              "httpGet": { "service": name, "port": 80, "path": "/login", "expectedStatus": 200 } },
            { "name": "database-answers", "type": "tcpSocket", "tcpSocket": { "service": name, "port": 5432 } },
        ] },
        "notifications": { "onFailure": [{ "type": "slack", "channel": "#backups", "webhookSecretRef": "slack-webhook" }] },
    })
}

fn test(
    name: &str,
    namespace: &str,
    latest: Latest,
    run: Option<&RestoreReport>,
    now: Timestamp,
) -> RestoreTest {
    let status = run.and_then(|run| run.status.clone());
    let next = now
        + SignedDuration::from_mins(52)
        + SignedDuration::from_mins(13 * i64::try_from(name.len()).unwrap());
    let conditions = match latest {
        Latest::Broken => vec![
            condition(
                "Ready",
                "False",
                "InvalidSpec",
                "spec.schedule.cron: \"0 0 31 2 *\": this date never comes; write a day that February has",
            ),
            condition(
                "Scheduled",
                "False",
                "InvalidSpec",
                "it is not run until its spec is mended",
            ),
        ],
        Latest::Suspended => vec![
            condition("Ready", "True", "Valid", ""),
            condition("Scheduled", "False", "Suspended", "only manual runs"),
        ],
        _ => vec![
            condition("Ready", "True", "Valid", ""),
            condition(
                "Scheduled",
                "True",
                "Planned",
                &format!("next run at {}", whole(next)),
            ),
        ],
    };
    let has_next = !matches!(latest, Latest::Broken | Latest::Suspended);
    let mut value = json!({
        "metadata": { "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}") },
        "spec": spec(name),
        "status": {
            "phase": "Completed", "conditions": conditions,
            "lastScore": status.as_ref().and_then(|status| status.score),
            "lastResult": status.as_ref().and_then(|status| status.result),
            "lastRunAt": status.as_ref().and_then(|status| status.completed_at.clone()),
            "lastReportRef": run.and_then(|run| run.metadata.name.clone()),
            "nextRunAt": has_next.then(|| whole(next)),
        },
    });
    value["spec"]["suspend"] = json!(latest == Latest::Suspended);
    read(value)
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z" })
}

fn whole(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap().to_string()
}

fn name_of(test: &str, at: Timestamp) -> String {
    format!("{test}-{}", at.strftime("%Y%m%d-%H%M%S"))
}

fn base(test: &str, namespace: &str, at: Timestamp) -> Value {
    let name = name_of(test, at);
    json!({
        "metadata": { "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"), "creationTimestamp": whole(at) },
        "spec": { "testRef": test, "trigger": "Schedule", "test": spec(test) },
    })
}

fn queued(test: &str, namespace: &str, now: Timestamp) -> RestoreReport {
    let mut value = base(test, namespace, now - SignedDuration::from_secs(80));
    value["spec"]["trigger"] = json!("Created");
    value["status"] =
        json!({ "phase": "Queued", "queue": { "position": 1, "reason": "Velero restores vault" } });
    read(value)
}

fn running(test: &str, namespace: &str, now: Timestamp) -> RestoreReport {
    let at = now - SignedDuration::from_secs(95);
    let mut value = base(test, namespace, at);
    let after = |seconds: i64| (at + SignedDuration::from_secs(seconds)).to_string();
    value["status"] = json!({
        "phase": "Restoring", "startedAt": whole(at + SignedDuration::from_secs(4)),
        "source": { "name": "nightly-vault", "schedule": "nightly", "age": "9h12m", "size": "2.4 GiB", "started": whole(at - SignedDuration::from_hours(9)), "phase": "Completed" },
        "sandboxes": [{ "source": test, "name": format!("rp-test-{test}-7c1f"), "state": "Ready" }],
        "restores": [{ "name": format!("rp-{test}-7c1f"), "phase": "InProgress", "itemsRestored": 41, "totalItems": 68 }],
        "timeline": [
            { "name": "queue", "startedAt": after(0), "finishedAt": after(4), "seconds": 4.0 },
            { "name": "preparation", "startedAt": after(4), "finishedAt": after(11), "seconds": 7.0 },
            { "name": "restore", "startedAt": after(11) },
        ],
        "plan": plan(),
    });
    read(value)
}

fn plan() -> Value {
    json!([
        { "kind": "apps/v1/StatefulSet", "action": "kept", "objects": 1 },
        { "kind": "v1/PersistentVolumeClaim", "action": "kept", "objects": 2 },
        { "kind": "v1/Service", "action": "rewritten", "objects": 3, "reason": "no node ports and no load balancers in a sandbox" },
        { "kind": "batch/v1/CronJob", "action": "rewritten", "objects": 1, "reason": "suspended, so that nothing runs by itself" },
        { "kind": "networking.k8s.io/v1/Ingress", "action": "excluded", "objects": 1, "reason": "it would take traffic of the original" },
    ])
}

/// A finished run.
pub fn report(
    test: &str,
    namespace: &str,
    at: Timestamp,
    result: &str,
    score: i32,
    seconds: i64,
) -> RestoreReport {
    let mut value = base(test, namespace, at);
    let after = |seconds: i64| (at + SignedDuration::from_secs(seconds)).to_string();
    let is_lossy = matches!(result, "fail" | "partial");
    let level = |points: i32, max: i32, detail: &str| {
        let status = match points {
            0 => "fail",
            points if points == max => "pass",
            _ => "partial",
        };
        json!({ "status": status, "points": points, "max": max, "detail": detail })
    };
    let (integrity, health) = match result {
        "fail" => (12, 7),
        "partial" => (25, 13),
        _ => (25, 20),
    };
    let kept = seconds <= 240;
    value["status"] = json!({
        "phase": "Completed", "result": result, "score": score,
        "startedAt": whole(at + SignedDuration::from_secs(3)), "completedAt": whole(at + SignedDuration::from_secs(seconds + 20)),
        "message": match result {
            "fail" => format!("{score}/100, fail: the backup holds no data of volume claim data-{test}-0"),
            "partial" => format!("{score}/100, partial: 1 of 3 checks failed"),
            "inconclusive" => "inconclusive: the sandbox's quota stopped 2 pods; this says nothing about the backup".to_owned(),
            _ => format!("{score}/100, pass"),
        },
        "source": { "name": format!("nightly-{test}"), "schedule": "nightly", "age": "9h4m", "size": "1.8 GiB",
                    "started": whole(at - SignedDuration::from_hours(9)), "phase": "Completed", "location": "default" },
        "sandboxes": [{ "source": test, "name": format!("rp-test-{test}-4f2a"), "state": "Removed" }],
        "restores": [{ "name": format!("rp-{test}-4f2a"), "phase": "Completed", "warnings": 2, "errors": 0, "itemsRestored": 68, "totalItems": 68 }],
        "rto": { "measured": format!("{seconds}s"), "target": "4m", "withinSLA": kept },
        "leftovers": 0,
        "plan": plan(),
        "validationLevels": {
            "restoreIntegrity": level(integrity, 25, "restore Completed, 2 of 3 volumes came back with data"),
            "completeness": level(20, 20, "68 of 68 objects are in the sandbox"),
            "podStartup": level(20, 20, "4 of 4 workloads are ready"),
            "internalHealth": level(health, 20, "checks of the application"),
            "crossNamespaceDeps": level(10, 10, "no reference to another namespace was found"),
            "rtoCompliance": level(if kept { 5 } else { 0 }, 5, "against the agreed 4m"),
        },
        "checks": [
            { "name": "login-page", "status": if is_lossy { "fail" } else { "pass" }, "duration": "1.4s", "message": if is_lossy { "GET /login answered 500, expected 200" } else { "GET /login answered 200" } },
            { "name": "database-answers", "status": "pass", "duration": "310ms", "message": "connected to 5432", "required": true },
            { "name": "rows-of-orders", "status": "pass", "duration": "2.1s", "message": "exit code 0" },
        ],
        "timeline": [
            { "name": "queue", "startedAt": after(0), "finishedAt": after(3), "seconds": 3.0 },
            { "name": "preparation", "startedAt": after(3), "finishedAt": after(9), "seconds": 6.0 },
            { "name": "restore", "startedAt": after(9), "finishedAt": after(seconds / 2), "seconds": 40.0 },
            { "name": "start-up", "startedAt": after(seconds / 2), "finishedAt": after(seconds - 15), "seconds": 30.0 },
            { "name": "checks", "startedAt": after(seconds - 15), "finishedAt": after(seconds), "seconds": 15.0 },
            { "name": "verdict", "startedAt": after(seconds), "finishedAt": after(seconds + 1), "seconds": 1.0 },
            { "name": "cleanup", "startedAt": after(seconds + 1), "finishedAt": after(seconds + 8), "seconds": 7.0 },
            { "name": "metadata", "startedAt": after(9), "finishedAt": after(15), "seconds": 6.0 },
            { "name": "volume data", "startedAt": after(15), "finishedAt": after(seconds / 2), "seconds": 30.0 },
            { "name": "image and start", "startedAt": after(seconds / 2 + 2), "finishedAt": after(seconds / 2 + 14), "seconds": 12.0 },
        ],
    });
    let status = &mut value["status"];
    match result {
        "fail" => {
            status["cause"] = json!("backup");
            status["findings"] = json!([
                { "level": "restoreIntegrity", "severity": "error", "cause": "backup", "reason": "VolumeWithoutData", "object": format!("PersistentVolumeClaim/data-{test}-0"),
                  "message": format!("the backup holds no data of volume claim data-{test}-0") },
                { "level": "internalHealth", "severity": "error", "cause": "application", "object": "Check/login-page", "message": "GET /login answered 500, expected 200" },
                { "level": "run", "severity": "info", "cause": "unknown", "message": "2 warnings of Velero" },
            ]);
            status["regressions"] = json!([
                "the score fell from 84 to 61",
                "restore integrity no longer has full marks"
            ]);
            status["podLogs"] = json!([{ "podName": format!("{test}-0"), "namespace": format!("rp-test-{test}-4f2a"), "phase": "Running",
                "containers": [{ "name": "server", "type": "container", "truncated": true, "totalLines": 812,
                    "log": "starting server 4.2\nERROR relation \"orders\" does not exist\nGET /login 500 in 3 ms\n" }] }]);
            status["events"] = json!([{ "type": "Warning", "reason": "Unhealthy", "message": "Readiness probe failed: HTTP 500", "involvedObject": format!("Pod/{test}-0") }]);
        }
        "partial" => {
            status["cause"] = json!("application");
            status["findings"] = json!([{ "level": "internalHealth", "severity": "warning", "cause": "application", "object": "Check/login-page",
                "message": "GET /login answered 500, expected 200" }]);
        }
        "inconclusive" => {
            status["cause"] = json!("sandbox");
            status["findings"] = json!([{ "level": "podStartup", "severity": "warning", "cause": "sandbox", "object": "ResourceQuota/sandbox-quota",
                "message": "2 pods were not created: exceeded quota, memory 5Gi of 4Gi" }]);
        }
        _ => {}
    }
    read(value)
}

fn backup(name: &str, namespace: &str, now: Timestamp) -> Backup {
    let taken = now - SignedDuration::from_hours(9);
    read(json!({
        "metadata": { "name": name, "namespace": "velero", "creationTimestamp": whole(taken) },
        "spec": { "includedNamespaces": [namespace] },
        "status": { "phase": "Completed", "startTimestamp": whole(taken), "completionTimestamp": whole(taken) },
    }))
}

fn schedule(name: &str, namespaces: &[&str], now: Timestamp) -> Schedule {
    read(json!({
        "metadata": { "name": name, "namespace": "velero" },
        "spec": { "schedule": "0 1 * * *", "template": { "includedNamespaces": namespaces } },
        "status": { "phase": "Enabled", "lastBackup": whole(now - SignedDuration::from_hours(9)) },
    }))
}

fn namespace(name: &str) -> PartialObjectMeta<Namespace> {
    read(json!({ "metadata": { "name": name } }))
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn store<K>(objects: impl IntoIterator<Item = K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    for object in objects {
        writer.apply_watcher_event(&Event::Apply(object));
    }
    store
}
