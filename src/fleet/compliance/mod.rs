//! What an auditor asks, held against tests and runs: each framework by its own requirements.

mod dora;
mod evidence;
mod iso27001;
mod soc2;

use std::{collections::BTreeSet, fmt::Display, str::FromStr, time::Duration};

use kymaros_crds::{RunResult, domain::duration};
use kymaros_webhooks::validate::{Usage, used};
use schemars::JsonSchema;
use serde::Serialize;

use self::evidence::Evidence;
use super::{
    cluster::FleetTest,
    coverage::Coverage,
    daily::{Day, by_day, day_of},
    moments::duration_text,
    runs::Index,
    summary::{average, mean},
    view::{Scope, View},
};

/// Label that narrows a framework to the tests that carry it, once one does.
const LABEL: &str = "kymaros.io/compliance";

/// What somebody is audited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    /// SOC 2, Trust Services Criteria of 2017 with the points of focus of 2022.
    Soc2,
    /// ISO/IEC 27001:2022, Annex A.
    Iso27001,
    /// Regulation (EU) 2022/2554.
    Dora,
}

impl Framework {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Soc2, Self::Iso27001, Self::Dora];

    /// In addresses and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soc2 => "soc2",
            Self::Iso27001 => "iso27001",
            Self::Dora => "dora",
        }
    }

    /// Whether its figures name namespaces and their backups.
    #[must_use]
    pub fn tells_of_backups(self) -> bool {
        self == Self::Iso27001
    }

    /// Whether whoever asks for it must be one who may list backups. Of the namespaces that the tests of one namespace restore,
    /// whoever sees these tests sees it anyway.
    #[must_use]
    pub fn is_for_those_who_list_backups(self, scope: &Scope) -> bool {
        self.tells_of_backups() && *scope == Scope::All
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Soc2 => "SOC 2",
            Self::Iso27001 => "ISO/IEC 27001:2022",
            Self::Dora => "DORA, Regulation (EU) 2022/2554",
        }
    }
}

impl FromStr for Framework {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|framework| framework.as_str() == text);
        found.ok_or_else(|| "is no framework; write soc2, iso27001 or dora".to_owned())
    }
}

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// By all that there is.
    Met,
    /// Not by something.
    NotMet,
    /// There is nothing to hold it against.
    NoData,
}

/// Something that a framework asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// Where it stands in the framework.
    pub id: &'static str,
    /// What it asks.
    pub title: &'static str,
    /// Whether it is met.
    pub standing: Standing,
    /// How many meet it.
    pub met: usize,
    /// Of how many.
    pub of: usize,
    /// That in words.
    pub figure: String,
    /// Those that do not meet it; at most 100.
    pub open: Vec<String>,
}

/// Most names in [`Requirement::open`].
const MOST_OPEN: usize = 100;

impl Requirement {
    /// Held against named things, each with whether it meets it; `what` they are, such as "tests ran in this period".
    fn of<N: Display>(
        id: &'static str,
        title: &'static str,
        what: &str,
        all: impl IntoIterator<Item = (N, bool)>,
    ) -> Self {
        let (mut met, mut of, mut open) = (0, 0, Vec::new());
        for (name, meets) in all {
            of += 1;
            met += usize::from(meets);
            if !meets && open.len() < MOST_OPEN {
                open.push(name.to_string());
            }
        }
        Self {
            id,
            title,
            standing: match (of, of - met) {
                (0, _) => Standing::NoData,
                (_, 0) => Standing::Met,
                _ => Standing::NotMet,
            },
            met,
            of,
            figure: format!("{met} of {of} {what}"),
            open,
        }
    }
}

/// A framework, held against the last days. The names up to `dailyData` are those of 0.6.0.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compliance {
    /// The framework.
    pub framework: Framework,
    /// `Last N days`.
    pub period: String,
    /// `compliant`, `non-compliant` or `no-data`.
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
    /// For people.
    pub title: &'static str,
    /// Which tests count, in one line.
    pub scope: String,
    /// What the framework asks, one by one.
    pub requirements: Vec<Requirement>,
    /// What the tier hides, one line each.
    pub hidden: Vec<String>,
}

pub(super) fn compliance(
    index: &Index,
    tests: &[FleetTest],
    coverage: &Coverage,
    framework: Framework,
    days: u32,
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
    let judged = || evidence.runs.iter().filter(|run| run.ended.is_some());
    let scores: Vec<f64> = judged().filter_map(|run| run.score()).map(f64::from).collect();
    let times: Vec<Duration> = judged().filter_map(|run| run.rto()).collect();
    let agreed = tests.iter().filter_map(|test| test.spec.sla.as_ref());
    let agreed: Vec<Duration> = agreed
        .filter_map(|sla| duration::parse(&sla.max_rto).ok())
        .collect();
    let (measured, target) = (average(&times), average(&agreed));
    let mut namespaces: Vec<&str> = tests
        .iter()
        .flat_map(|test| used(&test.spec, Usage::Source))
        .collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let days_with_tests: BTreeSet<i64> = judged().map(|run| day_of(run)).collect();
    let is_open = requirements
        .iter()
        .any(|asked| asked.standing == Standing::NotMet);
    Compliance {
        framework,
        period: format!("Last {days} days"),
        status: match (judged().count(), is_open) {
            (0, _) => "no-data",
            (_, true) => "non-compliant",
            (_, false) => "compliant",
        },
        tests_executed: judged().count(),
        average_score: mean(&scores),
        namespaces_covered: format!("{} namespaces", namespaces.len()),
        days_with_tests: days_with_tests.len(),
        days_in_period: days,
        issues_detected: judged()
            .filter(|run| run.result() == Some(RunResult::Fail))
            .count(),
        average_rto: measured.map(duration_text).unwrap_or_default(),
        rto_target: target.map(duration_text).unwrap_or_default(),
        rto_compliant: matches!((measured, target), (Some(measured), Some(target)) if measured <= target),
        daily_data: by_day(evidence.runs.iter().copied()),
        title: framework.title(),
        scope,
        requirements,
        hidden: line.into_iter().collect(),
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

#[cfg(test)]
mod tests {
    use kymaros_crds::{RestoreTest, domain::Tier};
    use serde_json::json;

    use super::*;
    use crate::{
        fleet::{
            coverage::coverage,
            sample::{fleet_tests, log, read, report, shared, test, view},
        },
        velero::Backup,
    };

    fn judged(framework: Framework) -> Compliance {
        let mut leaking = report("ops", "wiki", 8, "pass", Some(95));
        leaking.status.as_mut().unwrap().leftovers = Some(2);
        let log = log([
            report("ops", "shop", 5, "fail", Some(30)),
            report("ops", "shop", 7, "pass", Some(95)),
            report("ops", "blog", 6, "fail", Some(20)),
            leaking,
        ]);
        let mut quiet = test("ops", "quiet");
        quiet.spec.sla = None;
        let tests = fleet_tests([
            test("ops", "shop"),
            test("ops", "blog"),
            test("ops", "wiki"),
            quiet,
        ]);
        let now = view(Tier::Team, 10);
        log.read(|index| {
            let coverage = coverage(index, &tests, &[], &[], &now);
            compliance(index, &tests, &coverage, framework, 30, &now)
        })
    }

    fn figures(of: &Compliance) -> Vec<(&'static str, usize, usize)> {
        of.requirements
            .iter()
            .map(|asked| (asked.id, asked.met, asked.of))
            .collect()
    }

    #[test]
    fn each_framework_asks_for_something_else() {
        let (soc2, iso, dora) = (
            judged(Framework::Soc2),
            judged(Framework::Iso27001),
            judged(Framework::Dora),
        );
        assert_eq!(figures(&soc2), [("A1.3", 3, 4), ("A1.2", 4, 4), ("CC7.5", 1, 2)]);
        assert_eq!(
            figures(&iso),
            [("A.8.13", 0, 0), ("A.8.13 (integrity)", 4, 4), ("A.5.30", 3, 4)]
        );
        assert_eq!(
            figures(&dora),
            [
                ("Article 11(6)", 3, 4),
                ("Article 12(2)", 3, 4),
                ("Article 12(3)", 3, 4),
                ("Article 12(6)", 3, 4),
                ("Article 12(7)", 4, 4),
            ]
        );
        assert_eq!(soc2.requirements[2].open, ["ops/blog"]);
        assert_eq!(iso.requirements[0].standing, Standing::NoData);
        for of in [soc2, iso, dora] {
            assert_eq!(
                (of.status, of.tests_executed, of.issues_detected),
                ("non-compliant", 4, 2)
            );
            assert!(of.rto_compliant && of.days_with_tests == 4, "{of:?}");
        }
    }

    #[test]
    fn a_label_narrows_a_framework_to_the_tests_that_carry_it() {
        let mut marked = test("ops", "shop");
        marked.metadata.labels = Some([(LABEL.to_owned(), "dora".to_owned())].into());
        let tests = fleet_tests([marked, test("ops", "blog")]);
        let seen = |framework| {
            let log = log([report("ops", "shop", 9, "pass", Some(95))]);
            let now = view(Tier::Team, 10);
            let coverage = Coverage::default();
            log.read(|index| compliance(index, &tests, &coverage, framework, 30, &now))
        };
        let dora = seen(Framework::Dora);
        assert_eq!((dora.status, dora.requirements[0].of), ("compliant", 1));
        assert_eq!(seen(Framework::Soc2).requirements[0].of, 2);
    }

    #[test]
    fn a_day_on_which_nothing_ended_has_no_tests() {
        let log = log([
            report("ops", "shop", 7, "pass", Some(95)),
            report("ops", "shop", 8, "inconclusive", None),
            report("ops", "shop", 9, "", None),
        ]);
        let tests = fleet_tests([test("ops", "shop")]);
        let (now, coverage) = (view(Tier::Team, 10), Coverage::default());
        let soc2 = log.read(|index| compliance(index, &tests, &coverage, Framework::Soc2, 30, &now));
        let counts = (soc2.tests_executed, soc2.days_with_tests, soc2.daily_data.len());
        assert_eq!(counts, (2, 2, 1), "{soc2:?}");
    }

    #[test]
    fn a_label_narrows_namespaces_to_those_that_its_tests_restore() {
        let mut marked = test("ops", "shop");
        marked.metadata.labels = Some([(LABEL.to_owned(), "iso27001".to_owned())].into());
        let plain = test("ops", "blog");
        let backup: Backup = read(json!({
            "metadata": { "name": "nightly", "namespace": "velero" }, "spec": {},
            "status": { "phase": "Completed", "startTimestamp": "2026-01-05T01:00:00Z" },
        }));
        let namespaces = ["shop", "blog", "wiki"].map(str::to_owned);
        let asked = |tests: [RestoreTest; 2]| {
            let (tests, now) = (fleet_tests(tests), view(Tier::Team, 10));
            let log = log([report("ops", "shop", 9, "pass", Some(95))]);
            log.read(|index| {
                let held = coverage(index, &tests, &shared([backup.clone()]), &namespaces, &now);
                let of = compliance(index, &tests, &held, Framework::Iso27001, 30, &now);
                figures(&of)[0]
            })
        };
        assert_eq!(asked([plain.clone(), test("ops", "shop")]), ("A.8.13", 1, 3));
        assert_eq!(asked([plain, marked]), ("A.8.13", 1, 1));
    }

    #[test]
    fn a_sandbox_that_is_kept_has_not_left_anything_behind() {
        let mut kept = report("ops", "shop", 9, "pass", Some(95));
        kept.status.as_mut().unwrap().leftovers = None;
        let log = log([report("ops", "shop", 8, "pass", Some(95)), kept]);
        let tests = fleet_tests([test("ops", "shop")]);
        let (now, coverage) = (view(Tier::Team, 10), Coverage::default());
        let dora = log.read(|index| compliance(index, &tests, &coverage, Framework::Dora, 30, &now));
        assert_eq!(figures(&dora)[2], ("Article 12(3)", 1, 1));
    }

    #[test]
    fn without_runs_there_is_no_data() {
        let now = view(Tier::Team, 10);
        let none =
            log([]).read(|index| compliance(index, &[], &Coverage::default(), Framework::Soc2, 120, &now));
        assert_eq!(
            (none.status, none.days_in_period, none.rto_compliant),
            ("no-data", 90, false)
        );
        assert_eq!(none.hidden.len(), 1);
        assert!("hipaa".parse::<Framework>().unwrap_err().contains("dora"));
    }
}
