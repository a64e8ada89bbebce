//! What an auditor asks, held against tests and runs: each framework by its own requirements.

mod dora;
mod evidence;
mod framework;
mod iso27001;
mod requirement;
mod soc2;
#[cfg(test)]
mod tests;

pub use framework::Framework;
pub use requirement::{Requirement, Standing};

use std::{collections::BTreeSet, time::Duration};

use kymaros_crds::{RunResult, domain::duration};
use kymaros_webhooks::validate::{Usage, used};
use schemars::JsonSchema;
use serde::Serialize;

use self::evidence::Evidence;
use super::{
    Fleet,
    cluster::FleetTest,
    clusters,
    coverage::Coverage,
    daily::{ByDay, Day},
    features::{Closed, Feature},
    moments::{duration_text, moment},
    remotes::Roster,
    runs::{Index, Run},
    summary::{average, covered},
    view::View,
};

/// Label that narrows a framework to the tests that carry it, once one does.
const LABEL: &str = "kymaros.io/compliance";

/// A framework, held against the last days. The names up to `dailyData` are those of 0.6.0.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compliance {
    /// The framework.
    pub framework: Framework,
    /// `Last N days`.
    pub period: String,
    /// `compliant`, `non-compliant` or `no-data`: there are no runs, or none by which anything could be judged.
    pub status: &'static str,
    /// Runs with a verdict.
    pub tests_executed: usize,
    /// Their mean score.
    pub average_score: f64,
    /// `N namespaces`.
    pub namespaces_covered: String,
    /// Days with runs that have a verdict.
    pub days_with_tests: usize,
    /// Days looked at.
    pub days_in_period: u32,
    /// Runs that failed.
    pub issues_detected: usize,
    /// Mean recovery time.
    #[serde(rename = "averageRTO")]
    pub average_rto: String,
    /// Mean agreed recovery time.
    pub rto_target: String,
    /// Whether the one is within the other.
    pub rto_compliant: bool,
    /// Figures by day.
    pub daily_data: Vec<Day>,
    /// When it was held against them.
    pub as_of: String,
    /// For people.
    pub title: &'static str,
    /// Which tests count, in one line.
    pub scope: String,
    /// What the framework asks, one by one.
    pub requirements: Vec<Requirement>,
    /// What the tier hides, one line each.
    pub hidden: Vec<String>,
    /// Clusters that are away, one line each: what is known of their runs is old.
    pub away: Vec<String>,
}

impl Fleet {
    /// What a framework asks, held against the last days.
    ///
    /// # Errors
    /// [`Closed`] when the tier does not hold it.
    pub fn compliance(&self, framework: Framework, days: u32, view: &View) -> Result<Compliance, Closed> {
        view.require(Feature::Compliance)?;
        let (tests, others) = (self.tests_in(view), self.others());
        let coverage = if framework.tells_of_backups() {
            self.coverage(view)
        } else {
            Coverage::default()
        };
        let asked = (framework, days);
        Ok(self
            .runs
            .read(|index| compliance(index, &tests, &coverage, &others, asked, view)))
    }
}

fn compliance(
    index: &Index,
    tests: &[FleetTest],
    coverage: &Coverage,
    others: &Roster,
    (framework, days): (Framework, u32),
    view: &View,
) -> Compliance {
    let (since, line) = view.since(Some(days));
    let days = match view.features.max_history_days {
        0 => days,
        most => days.min(most),
    };
    let (tests, scope, is_marked) = in_scope(tests, framework);
    let narrowed;
    let coverage = if is_marked {
        narrowed = restored_by(&tests, coverage);
        &narrowed
    } else {
        coverage
    };
    let evidence = Evidence::new(index, &tests, coverage, (since, view.now));
    let requirements = match framework {
        Framework::Soc2 => soc2::requirements(&evidence),
        Framework::Iso27001 => iso27001::requirements(&evidence),
        Framework::Dora => dora::requirements(&evidence),
    };
    let judged = Judged::of(evidence.runs());
    let agreed = tests.iter().filter_map(|test| test.spec.sla.as_ref());
    let agreed: Vec<Duration> = agreed
        .filter_map(|sla| duration::parse(&sla.max_rto).ok())
        .collect();
    let (measured, target) = (judged.recovery.checked_div(judged.recovered), average(&agreed));
    Compliance {
        framework,
        period: format!("Last {days} days"),
        status: status(judged.runs, &requirements),
        tests_executed: judged.runs,
        average_score: judged.days.score(),
        namespaces_covered: format!("{} namespaces", covered(&tests)),
        days_with_tests: judged.days.len(),
        days_in_period: days,
        issues_detected: judged.failed,
        average_rto: measured.map(duration_text).unwrap_or_default(),
        rto_target: target.map(duration_text).unwrap_or_default(),
        rto_compliant: matches!((measured, target), (Some(measured), Some(target)) if measured <= target),
        daily_data: judged.days.figures(),
        as_of: moment(view.now),
        title: framework.title(),
        scope,
        requirements,
        hidden: line.into_iter().collect(),
        away: clusters::away(others, view),
    }
}

/// In the words of 0.6.0. To be compliant, something must have been judged.
fn status(runs: usize, requirements: &[Requirement]) -> &'static str {
    let has = |standing| requirements.iter().any(|asked| asked.standing == standing);
    if runs > 0 && has(Standing::NotMet) {
        "non-compliant"
    } else if runs > 0 && has(Standing::Met) {
        "compliant"
    } else {
        "no-data"
    }
}

/// Figures over the runs with a verdict, which are looked at once: there may be many thousands.
#[derive(Default)]
struct Judged {
    runs: usize,
    failed: usize,
    /// The recovery times of all, and how many have one.
    recovery: Duration,
    recovered: u32,
    days: ByDay,
}

impl Judged {
    fn of<'a>(runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut judged = Self::default();
        for run in runs.filter(|run| run.ended.is_some()) {
            judged.runs += 1;
            judged.failed += usize::from(run.result() == Some(RunResult::Fail));
            if let Some(time) = run.rto() {
                judged.recovery = judged.recovery.saturating_add(time);
                judged.recovered += 1;
            }
            judged.days.add(run);
        }
        judged
    }
}

/// What is known of the namespaces that these tests restore: an audit of some tests asks nothing of the others.
fn restored_by(tests: &[FleetTest], coverage: &Coverage) -> Coverage {
    let sources = tests
        .iter()
        .flat_map(|test| used(&test.spec, Usage::Source).map(|source| (test.cluster.as_ref(), source)));
    let sources: BTreeSet<_> = sources.collect();
    let mut narrowed = coverage.clone();
    narrowed
        .namespaces
        .retain(|row| sources.contains(&(row.cluster.as_ref(), row.namespace.as_str())));
    narrowed
}

/// The tests that carry the framework in their label, or all when none does; and whether any does.
fn in_scope(tests: &[FleetTest], framework: Framework) -> (Vec<FleetTest>, String, bool) {
    let is_marked = |test: &&FleetTest| {
        let label = test.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
        label.is_some_and(|label| label == framework.as_str())
    };
    let marked: Vec<_> = tests.iter().filter(is_marked).cloned().collect();
    let label = format!("{LABEL}={}", framework.as_str());
    if marked.is_empty() {
        let line = format!(
            "All {} tests count; label some of them {label} to count these only.",
            tests.len()
        );
        (tests.to_vec(), line, false)
    } else {
        let line = format!(
            "The {} tests with the label {label} and the namespaces that they restore count.",
            marked.len()
        );
        (marked, line, true)
    }
}
