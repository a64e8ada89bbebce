//! Every metric once, of an installation that does not exist: what the reference is made from, and what alert rules and
//! dashboards are held against.

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::{reflector::store, watcher::Event};
use kymaros_certs::Expiry;
use kymaros_crds::{RestoreReport, RestoreTest};
use kymaros_webhooks::{
    observe::{Observe, Outcome, Webhook},
    rule::Rule,
};
use prometheus_client::encoding::text::encode;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Answers, Clusters, Process, Runs, RunsSeen, registry};
use crate::fleet::{Contact, PackedReports, Remote, Roster, RunLog};

/// What Prometheus would read.
///
/// # Errors
/// When the sample does not fit the kinds, or cannot be written.
pub fn sample() -> anyhow::Result<String> {
    let (_lead, leading) = watch::channel(true);
    let end = Timestamp::UNIX_EPOCH;
    let (_expire, expiry) = watch::channel(Expiry {
        leaf: Some(end),
        authority: Some(end),
        ..Expiry::default()
    });
    let (log, (tests, mut tests_writer)) = (RunLog::default(), store());
    let shop: RestoreTest = serde_json::from_value(json!({
        "metadata": { "name": "shop", "namespace": "ops", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                  "schedule": { "cron": "0 3 * * *" }, "sla": { "maxRTO": "15m" } },
    }))?;
    tests_writer.apply_watcher_event(&Event::Apply(shop));
    let seen = RunsSeen::default();
    seen.look(&Event::InitDone);
    let blind = json!({ "result": "inconclusive", "score": 51, "cause": "sandbox", "startedAt": "2026-01-01T01:00:00Z",
        "completedAt": "2026-01-01T01:01:00Z" });
    let fine = json!({ "result": "pass", "score": 100, "startedAt": "2026-01-01T02:00:00Z",
        "completedAt": "2026-01-01T02:01:00Z", "rto": { "measured": "1m", "withinSLA": true },
        "source": { "name": "b", "started": "2026-01-01T00:00:00Z" } });
    for event in [report("blind", &blind)?, report("fine", &fine)?].map(Event::Apply) {
        log.look(&event);
        seen.look(&event);
    }
    let runs = Runs {
        log,
        tests,
        seen,
        leading: leading.clone(),
    };
    let mut contact = Contact::new();
    contact.heard(end);
    let remote = Remote {
        name: "eu".parse().map_err(anyhow::Error::msg)?,
        tests: store().0,
        reports: PackedReports::default(),
        contact: watch::channel(contact).1,
    };
    let roster = Roster {
        remotes: [remote].into(),
        ..Roster::default()
    };
    let clusters = Clusters {
        roster: watch::channel(roster).1,
        leading: leading.clone(),
    };
    let answers = Answers::default();
    let refused_by = Some(Rule::Field("schedule"));
    answers.answered(Webhook::Validate, Outcome::Invalid, refused_by, Duration::ZERO);
    let mut text = String::new();
    let process = Process { expiry, leading };
    encode(&mut text, &registry(&answers, process, runs, clusters))?;
    Ok(text)
}

fn report(name: &str, status: &Value) -> anyhow::Result<RestoreReport> {
    Ok(serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "ops", "uid": name }, "spec": { "testRef": "shop" },
        "status": status,
    }))?)
}
