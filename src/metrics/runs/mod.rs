//! Tests and their runs: the latest of each test as it is stored, and all that ended since the process began.

mod seen;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use kube::runtime::reflector::Store;
use kymaros_crds::{Cause, RestoreTest, RunPhase};
use kymaros_webhooks::validate::TestName;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};
use tokio::sync::watch;

pub use seen::RunsSeen;
use seen::Totals;
use stored::{Latest, names, summary};

use crate::fleet::RunLog;

/// What is known of tests and runs.
pub struct Runs {
    /// Those of which there are reports.
    pub log: RunLog,
    /// All tests.
    pub tests: Store<RestoreTest>,
    /// Runs that ended since the process began.
    pub seen: RunsSeen,
    /// Only the leader tells.
    pub leading: watch::Receiver<bool>,
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").finish_non_exhaustive()
    }
}

impl Collector for Runs {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let tests = self.tests.state();
        // Every replica counts, so each of them has to forget.
        self.seen.of_tests(&names(&tests));
        if !*self.leading.borrow() {
            return Ok(());
        }
        let summary = summary(&self.log.own(), &tests, Timestamp::now());
        let encoder = &mut encoder;
        phases(encoder, &summary.phases)?;
        let leaked = &[summary.leaked];
        let help = "Objects that the runs of which there are reports left behind; must be 0";
        gauge(encoder, "leaked_objects", help, leaked, |leaked| {
            Some(([], *leaked))
        })?;
        let help = "Messages about runs that nobody got: waiting for another try, or lost, those of the last two days";
        gauge(
            encoder,
            "undelivered_notifications",
            help,
            &summary.undelivered,
            |(state, count)| Some(([("state", *state)], *count)),
        )?;
        latest(encoder, &summary.latest)?;
        results(encoder, &summary.latest)?;
        let help = "Recovery time that is agreed for a test (sla.maxRTO); missing where none is";
        gauge(
            encoder,
            "rto_target_seconds",
            help,
            &summary.targets,
            |(test, target)| Some((labels(test), *target)),
        )?;
        let help = "When a test is due after its latest run, as a Unix time; missing while a run of it goes on, and for suspended tests";
        gauge(
            encoder,
            "due_timestamp_seconds",
            help,
            &summary.due,
            |(test, due)| Some((labels(test), *due)),
        )?;
        proofs(encoder, &summary.proofs, Timestamp::now())?;
        self.seen.read(|totals| ended(encoder, totals))
    }
}

fn phases(encoder: &mut DescriptorEncoder, phases: &[(RunPhase, u64)]) -> fmt::Result {
    let help = "Runs that have not ended, by phase; Queued is the queue";
    let named: Vec<(String, u64)> = phases
        .iter()
        .map(|(phase, count)| (format!("{phase:?}"), *count))
        .collect();
    gauge(encoder, "runs", help, &named, |(phase, count)| {
        Some(([("phase", phase)], *count))
    })
}

fn latest(encoder: &mut DescriptorEncoder, latest: &[Latest]) -> fmt::Result {
    let mut of_each = |name: &str, help: &str, of: fn(&Latest) -> Option<f64>| {
        gauge(encoder, name, help, latest, |run| {
            Some((labels(&run.test), of(run)?))
        })
    };
    of_each(
        "score",
        "Score of the latest run, 0 to 100; missing when it was inconclusive",
        |run| run.score,
    )?;
    of_each(
        "rto_seconds",
        "Recovery time that the latest run measured",
        |run| run.rto,
    )?;
    let help = "Age of the backup that the latest run restored, when it did; of several the oldest";
    of_each("backup_age_seconds", help, |run| run.backup_age)?;
    let help = "When the latest run ended, as a Unix time";
    of_each("last_run_timestamp_seconds", help, |run| Some(run.ended))
}

fn results(encoder: &mut DescriptorEncoder, latest: &[Latest]) -> fmt::Result {
    let help = "Always 1; the label says the result of the latest run";
    gauge(encoder, "last_run_result", help, latest, |run| {
        let [name, namespace] = labels(&run.test);
        Some(([name, namespace, ("result", run.result.word())], 1_i64))
    })
}

fn proofs(
    encoder: &mut DescriptorEncoder,
    proofs: &[(String, Option<Timestamp>)],
    now: Timestamp,
) -> fmt::Result {
    let help = "Time since a run that restored this namespace passed; +Inf when there is no report of one";
    gauge(
        encoder,
        "proof_age_seconds",
        help,
        proofs,
        |(namespace, passed)| {
            let age = passed.map_or(f64::INFINITY, |passed| now.duration_since(passed).as_secs_f64());
            Some(([("source_namespace", namespace)], age))
        },
    )
}

fn ended(encoder: &mut DescriptorEncoder, totals: &Totals) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "tests",
        "Runs that ended since the process began",
        None,
        MetricType::Counter,
    )?;
    for (test, of_test) in &totals.by_test {
        for (result, count) in &of_test.results {
            let [name, namespace] = labels(test);
            let labels = [name, namespace, ("result", *result)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
    }
    let (name, help) = (
        "test_duration_seconds",
        "Time of runs from leaving the queue to their verdict",
    );
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (test, of_test) in &totals.by_test {
        of_test.durations.encode(family.encode_family(&labels(test))?)?;
    }
    let (name, help) = ("inconclusive", "Runs that proved nothing, by what was to blame");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (cause, count) in &totals.inconclusive {
        let labels = [("cause", cause_name(*cause))];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A gauge with a value for each of these that has one.
fn gauge<'a, T, V: prometheus_client::encoding::EncodeGaugeValue, const N: usize>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    all: &'a [T],
    of: impl Fn(&'a T) -> Option<([(&'static str, &'a str); N], V)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in all.iter().filter_map(of) {
        if N == 0 {
            family.encode_gauge(&value)?;
        } else {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

fn labels(test: &TestName) -> [(&'static str, &str); 2] {
    [("test", &test.name), ("test_namespace", &test.namespace)]
}

/// All of them.
const CAUSES: [Cause; 5] = [
    Cause::Backup,
    Cause::RestoreEngine,
    Cause::Sandbox,
    Cause::Application,
    Cause::Unknown,
];

const fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Backup => "backup",
        Cause::RestoreEngine => "restoreEngine",
        Cause::Sandbox => "sandbox",
        Cause::Application => "application",
        Cause::Unknown => "unknown",
    }
}
