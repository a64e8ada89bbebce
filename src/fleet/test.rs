//! Tests: as rows, and one with its history.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kymaros_crds::{
    Cause, RestoreTestPhase, RestoreTestSpec, RestoreTestStatus, RunPhase, RunResult, Trigger,
    domain::duration,
};
use kymaros_webhooks::validate::{Usage, used};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cluster::{ClusterName, FleetTest},
    features::Feature,
    found::TestStanding,
    moments::{duration_text, moment, moment_or_empty},
    runs::{Index, Run},
    summary::average,
    view::View,
};
use crate::condition::unready;

/// A test in a list. Texts are empty and the score is 0 when there is nothing to show, as in 0.6.9.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestRow {
    /// The test.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The backup product.
    pub provider: &'static str,
    /// Its cron expression.
    pub schedule: String,
    /// The time zone of that.
    pub timezone: String,
    /// Where it stands.
    pub phase: String,
    /// Score of the latest verdict.
    pub last_score: i32,
    /// Result of the latest verdict.
    pub last_result: String,
    /// When that was given.
    pub last_run_at: String,
    /// The next planned run.
    pub next_run_at: String,
    /// The namespaces it restores.
    pub source_namespaces: Vec<String>,
    /// The agreed recovery time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rto_target: String,
    /// The recovery time that the latest run measured.
    #[serde(rename = "lastRTO", skip_serializing_if = "String::is_empty")]
    pub last_rto: String,
    /// No scheduled runs.
    pub suspended: bool,
    /// Report of the latest verdict.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_report: String,
    /// Who is to blame for what that lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_cause: Option<Cause>,
    /// Report of the run that goes on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub running: String,
    /// When a run of it last passed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proven_at: String,
    /// Why it cannot run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// Its cluster; none: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// How it stands, for pages; the API says it in other fields.
    #[serde(skip)]
    pub standing: TestStanding,
}

impl TestRow {
    /// The score of its latest verdict, when that says something about the backup.
    #[must_use]
    pub fn score(&self) -> Option<i32> {
        RunResult::of_word(&self.last_result)?.score(Some(self.last_score))
    }
}

/// A test with its history.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestDetail {
    /// As in lists.
    #[serde(flatten)]
    pub row: TestRow,
    /// As it is stored.
    pub spec: RestoreTestSpec,
    /// What is said of it.
    pub conditions: Vec<Condition>,
    /// Its runs, newest first, as far as the tier looks back.
    pub history: Vec<HistoryEntry>,
    /// Recovery times over these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto: Option<RtoAnalytics>,
    /// What the tier hides, one line each.
    pub hidden: Vec<String>,
}

/// A run of a test.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Its report.
    pub report: String,
    /// When it was made.
    pub created_at: String,
    /// Why it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Where it stands.
    pub phase: RunPhase,
    /// Its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    /// Its score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// Who is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Its measured recovery time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto: Option<String>,
    /// That in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto_seconds: Option<f64>,
    /// Whether it got worse than the run before.
    pub regressed: bool,
}

/// Recovery times over many runs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RtoAnalytics {
    /// Runs that measured one.
    pub samples: usize,
    /// Half of them took no longer.
    pub median: String,
    /// 95 of 100 took no longer.
    pub p95: String,
    /// The longest.
    pub longest: String,
    /// The mean.
    pub mean: String,
    /// The agreed recovery time of the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Percent of the runs with a target that kept it.
    #[serde(rename = "withinSLAPercent", skip_serializing_if = "Option::is_none")]
    pub within_sla_percent: Option<f64>,
}

pub(super) fn row(index: &Index, test: &FleetTest) -> TestRow {
    let name = test.key();
    let none = RestoreTestStatus::default();
    let status = test.status.as_ref().unwrap_or(&none);
    let latest = index.latest(&name);
    let running = index.running(&name);
    let passed = index
        .of_test(&name)
        .rev()
        .find(|run| run.result() == Some(RunResult::Pass));
    let target = test.spec.sla.as_ref().map(|sla| sla.max_rto.as_str());
    let target = target.and_then(|text| duration::parse(text).ok());
    let set = |text: Option<&str>| text.unwrap_or_default().trim().to_owned();
    let timezone = set(test.spec.schedule.timezone.as_deref());
    TestRow {
        name: test.name_any(),
        namespace: test.namespace().unwrap_or_default(),
        provider: "velero",
        schedule: test.spec.schedule.cron.clone(),
        timezone: if timezone.is_empty() {
            "UTC".to_owned()
        } else {
            timezone
        },
        phase: format!("{:?}", status.phase.unwrap_or(RestoreTestPhase::Idle)),
        last_score: status.last_score.unwrap_or_default(),
        last_result: status
            .last_result
            .map(RunResult::word)
            .unwrap_or_default()
            .to_owned(),
        last_run_at: moment_or_empty(status.last_run_at.as_ref().map(|at| at.0)),
        next_run_at: moment_or_empty(status.next_run_at.as_ref().map(|at| at.0)),
        source_namespaces: used(&test.spec, Usage::Source).map(str::to_owned).collect(),
        rto_target: target.map(duration_text).unwrap_or_default(),
        last_rto: latest
            .and_then(|run| run.rto())
            .map(duration_text)
            .unwrap_or_default(),
        suspended: test.spec.suspend,
        last_report: status.last_report_ref.clone().unwrap_or_default(),
        last_cause: latest.and_then(|run| run.cause()),
        running: running.map(|run| run.name.name.to_string()).unwrap_or_default(),
        proven_at: moment_or_empty(passed.and_then(|run| run.ended).map(|ended| ended.at)),
        problem: unready(&status.conditions)
            .map(|condition| condition.message.clone())
            .unwrap_or_default(),
        cluster: test.cluster.clone(),
        standing: TestStanding::of(index, test),
    }
}

pub(super) fn detail(index: &Index, test: &FleetTest, view: &View) -> TestDetail {
    let name = test.key();
    let oldest = view.oldest();
    let latest = index.latest(&name).map(|run| run.name.clone());
    // The latest verdict is shown however old it is.
    let is_shown = |run: &&Arc<Run>| {
        oldest.is_none_or(|oldest| run.created >= oldest) || Some(&run.name) == latest.as_ref()
    };
    let shown: Vec<&Arc<Run>> = index.of_test(&name).rev().filter(is_shown).collect();
    let history_line = (shown.len() < index.of_test(&name).count())
        .then(|| view.since(None).1)
        .flatten();
    let has_analytics = view.features.has(Feature::RtoAnalytics);
    let rto_line = (!has_analytics).then(|| Feature::RtoAnalytics.hidden());
    TestDetail {
        row: row(index, test),
        spec: test.spec.clone(),
        conditions: test
            .status
            .as_ref()
            .map(|status| status.conditions.clone())
            .unwrap_or_default(),
        history: shown.iter().map(|run| entry(run)).collect(),
        rto: has_analytics.then(|| analytics(&shown)).flatten(),
        hidden: history_line.into_iter().chain(rto_line).collect(),
    }
}

fn entry(run: &Run) -> HistoryEntry {
    HistoryEntry {
        report: run.name.name.to_string(),
        created_at: moment(run.created),
        trigger: run.trigger,
        phase: run.phase,
        result: run.result(),
        score: run.score(),
        cause: run.cause(),
        rto: run.rto().map(duration_text),
        rto_seconds: run.rto().map(|rto| rto.as_secs_f64()),
        regressed: run.regressed,
    }
}

/// Of runs, newest first.
fn analytics(runs: &[&Arc<Run>]) -> Option<RtoAnalytics> {
    let mut times: Vec<Duration> = runs.iter().filter_map(|run| run.rto()).collect();
    times.sort();
    let at = |percent: usize| {
        times
            .get((times.len() * percent).div_ceil(100).saturating_sub(1))
            .copied()
    };
    let agreed: Vec<bool> = runs
        .iter()
        .filter(|run| run.rto_target.is_some())
        .filter_map(|run| run.within_sla)
        .collect();
    let kept = agreed.iter().filter(|kept| **kept).count();
    let percent = |part: usize, all: usize| {
        let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
        (all > 0).then(|| (number(part) * 1000.0 / number(all)).round() / 10.0)
    };
    Some(RtoAnalytics {
        samples: times.len(),
        median: duration_text(at(50)?),
        p95: duration_text(at(95)?),
        longest: duration_text(at(100)?),
        mean: duration_text(average(&times)?),
        target: runs.iter().find_map(|run| run.rto_target).map(duration_text),
        within_sla_percent: percent(kept, agreed.len()),
    })
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::sample::{fleet_test, log, report, view};

    #[test]
    fn a_row_says_what_is_known_and_leaves_the_rest_empty() {
        let log = log([
            report("ops", "shop", 1, "pass", Some(95)),
            report("ops", "shop", 2, "fail", Some(40)),
            report("ops", "shop", 3, "", None),
        ]);
        let row = log.read(|index| row(index, &fleet_test("ops", "shop")));
        assert_eq!((row.timezone.as_str(), row.rto_target.as_str()), ("UTC", "15m"));
        assert_eq!(
            (row.running.as_str(), row.proven_at.as_str()),
            ("shop-3", "2026-01-02T12:05:00Z")
        );
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!((&json["lastResult"], &json["lastScore"]), (&"".into(), &0.into()));
        assert_eq!(json["sourceNamespaces"], serde_json::json!(["shop"]));
        let fresh = log_of_nothing(&fleet_test("ops", "new"));
        assert!(
            fresh.get("running").is_none() && fresh["phase"] == "Completed",
            "{fresh}"
        );
    }

    #[test]
    fn a_verdict_that_says_nothing_of_the_backup_has_no_score() {
        let score = |result: &str| {
            let mut test = crate::fleet::sample::test("ops", "shop");
            let status = serde_json::json!({ "lastResult": result, "lastScore": 51 });
            test.status = Some(crate::fleet::sample::read(status));
            let test = FleetTest::here(Arc::new(test));
            log([]).read(|index| row(index, &test)).score()
        };
        assert_eq!((score("fail"), score("inconclusive")), (Some(51), None));
        assert_eq!(
            log([])
                .read(|index| row(index, &fleet_test("ops", "new")))
                .score(),
            None
        );
    }

    fn log_of_nothing(test: &FleetTest) -> serde_json::Value {
        serde_json::to_value(log([]).read(|index| row(index, test))).unwrap()
    }

    #[test]
    fn the_latest_verdict_is_shown_however_old_it_is() {
        let log = log((1..=3).map(|day| report("ops", "shop", day, "pass", Some(90))));
        let seen = |tier, day| log.read(|index| detail(index, &fleet_test("ops", "shop"), &view(tier, day)));
        let names = |detail: &TestDetail| -> Vec<String> {
            detail.history.iter().map(|entry| entry.report.clone()).collect()
        };
        let old = seen(Tier::Community, 60);
        assert_eq!(names(&old), ["shop-3"]);
        assert_eq!(old.hidden.len(), 2, "{:?}", old.hidden);
        assert_eq!(old.rto, None);
        let team = seen(Tier::Team, 60);
        assert_eq!(names(&team), ["shop-3", "shop-2", "shop-1"]);
        assert_eq!(team.hidden, Vec::<String>::new());
        let rto = team.rto.unwrap();
        assert_eq!(
            (rto.samples, rto.median.as_str(), rto.longest.as_str()),
            (3, "1m2s", "1m3s")
        );
        assert_eq!(
            (rto.target.as_deref(), rto.within_sla_percent),
            (Some("15m"), Some(100.0))
        );
    }
}
