//! Reports: which are shown, and how much of each.

use std::{collections::HashSet, sync::Arc};

use kymaros_crds::{CollectedEvent, PodLog, RestoreReport, ValidationLevels};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Fleet,
    cluster::TestKey,
    features::Feature,
    runs::{Index, Run},
    view::{Shown, View},
};

/// What a report has that is not in every tier.
const IN_REPORTS: [Feature; 2] = [Feature::Timeline, Feature::ScoreBreakdown];

/// Which reports somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Only of tests of this name.
    pub test: Option<String>,
    /// Only those made in the last days.
    pub days: Option<u32>,
    /// Only the newest of each test; then test and days do not count, as in 0.6.9.
    pub latest: bool,
    /// Also of runs without a verdict; 0.6.9 had no report of them.
    pub running: bool,
    /// No more than this many.
    pub limit: Option<usize>,
}

impl Fleet {
    /// The line about reports of this name that are there and older than the tier shows. None: there are none, or it shows
    /// all.
    #[must_use]
    pub fn too_old(&self, name: &str, view: &View) -> Option<String> {
        let is_there = |index: &Index| index.named(name).any(|run| view.holds(&run.name));
        view.since(None).1.filter(|_| self.runs.read(is_there))
    }
}

/// Logs and events of a run's sandboxes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// Logs by pod.
    pub pod_logs: Vec<PodLog>,
    /// Events.
    pub events: Vec<CollectedEvent>,
}

impl Logs {
    /// Those of a report.
    #[must_use]
    pub fn of(report: &RestoreReport) -> Self {
        let status = report.status.as_ref();
        Self {
            pod_logs: status.map(|status| status.pod_logs.clone()).unwrap_or_default(),
            events: status.map(|status| status.events.clone()).unwrap_or_default(),
        }
    }
}

/// Whether a report is shown: those as far as the tier looks back, the latest verdict of each test, and what goes on.
pub(super) fn is_visible(index: &Index, run: &Run, view: &View) -> bool {
    view.holds(&run.name)
        && (view.oldest().is_none_or(|oldest| run.created >= oldest) || is_current(index, run))
}

fn is_current(index: &Index, run: &Run) -> bool {
    !run.is_over()
        || index
            .latest(&run.test_key())
            .is_some_and(|latest| latest.name == run.name)
}

pub(super) fn list(index: &Index, filter: &ReportFilter, view: &View) -> Shown<Vec<Arc<Run>>> {
    let most = filter.limit.unwrap_or(usize::MAX);
    let in_scope = |run: &&Arc<Run>| view.holds(&run.name) && (filter.running || run.ended.is_some());
    if filter.latest {
        let mut seen: HashSet<TestKey> = HashSet::new();
        let newest = index.all().rev().filter(in_scope);
        return Shown {
            what: newest
                .filter(|run| seen.insert(run.test_key()))
                .take(most)
                .cloned()
                .collect(),
            hidden: Vec::new(),
        };
    }
    let of_test = |run: &&Arc<Run>| filter.test.as_deref().is_none_or(|test| *run.test == *test);
    // No days and 0 days are all there is, as in 0.6.9.
    let (since, line) = view.since(filter.days.filter(|days| *days > 0));
    let runs = index.since(since).rev().filter(in_scope).filter(of_test);
    Shown {
        what: runs.take(most).cloned().collect(),
        hidden: line.into_iter().collect(),
    }
}

/// What [`shown`] leaves out of the reports of these runs, one line each: one that waits has neither timeline nor points.
#[must_use]
pub fn left_out(runs: &[Arc<Run>], view: &View) -> Vec<String> {
    let has = |feature| match feature {
        Feature::Timeline => runs.iter().any(|run| run.started.is_some()),
        _ => runs.iter().any(|run| run.ended.is_some()),
    };
    let hides = |feature: &Feature| !view.features.has(*feature) && has(*feature);
    IN_REPORTS
        .into_iter()
        .filter(hides)
        .map(Feature::hidden)
        .collect()
}

/// A report as a tier shows it: without what it hides, and a line for each.
#[must_use]
pub fn shown(report: &Arc<RestoreReport>, view: &View) -> Shown<Arc<RestoreReport>> {
    let [timeline, breakdown] = IN_REPORTS.map(|feature| !view.features.has(feature));
    if !timeline && !breakdown {
        return Shown {
            what: report.clone(),
            hidden: Vec::new(),
        };
    }
    let mut what = report.as_ref().clone();
    if let Some(status) = &mut what.status {
        if timeline {
            status.timeline.clear();
        }
        if let Some(levels) = status.validation_levels.as_mut().filter(|_| breakdown) {
            without_points(levels);
        }
    }
    let hides = |feature: &Feature| !view.features.has(*feature);
    Shown {
        what: Arc::new(what),
        hidden: IN_REPORTS
            .into_iter()
            .filter(hides)
            .map(Feature::hidden)
            .collect(),
    }
}

/// How each level was judged stays: that is what went wrong.
fn without_points(levels: &mut ValidationLevels) {
    for level in [
        &mut levels.restore_integrity,
        &mut levels.completeness,
        &mut levels.pod_startup,
        &mut levels.internal_health,
        &mut levels.cross_namespace_deps,
        &mut levels.rto_compliance,
    ] {
        level.points = None;
        level.max = None;
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::{
        Scope,
        sample::{log, report, view},
    };

    fn names(filter: &ReportFilter, view: &View) -> Vec<String> {
        let log = log([
            report("ops", "shop", 1, "pass", Some(90)),
            report("ops", "shop", 9, "pass", Some(90)),
            report("ops", "blog", 2, "fail", Some(10)),
            report("dev", "shop", 10, "", None),
        ]);
        let seen = log.read(|index| list(index, filter, view));
        seen.what
            .iter()
            .map(|run| format!("{}/{}", run.name.namespace, run.name.name))
            .collect()
    }

    #[test]
    fn reports_come_newest_first_and_by_what_is_asked() {
        let team = view(Tier::Team, 10);
        let all = ["dev/shop-10", "ops/shop-9", "ops/blog-2", "ops/shop-1"];
        let everything = ReportFilter {
            running: true,
            ..ReportFilter::default()
        };
        assert_eq!(names(&everything, &team), all);
        assert_eq!(names(&ReportFilter::default(), &team), all[1..]);
        let filter = |change: fn(&mut ReportFilter)| {
            let mut filter = everything.clone();
            change(&mut filter);
            names(&filter, &team)
        };
        assert_eq!(filter(|f| f.test = Some("blog".into())), ["ops/blog-2"]);
        assert_eq!(filter(|f| f.days = Some(1)), ["dev/shop-10", "ops/shop-9"]);
        assert_eq!(filter(|f| f.days = Some(0)), all);
        assert_eq!(filter(|f| f.limit = Some(2)), ["dev/shop-10", "ops/shop-9"]);
        assert_eq!(
            filter(|f| f.latest = true),
            ["dev/shop-10", "ops/shop-9", "ops/blog-2"]
        );
        let mut ops = team.clone();
        ops.scope = Scope::Namespace("ops".into());
        assert_eq!(names(&everything, &ops).len(), 3);
    }

    #[test]
    fn the_latest_of_each_test_is_shown_in_every_tier() {
        let community = view(Tier::Community, 10);
        assert_eq!(names(&ReportFilter::default(), &community), ["ops/shop-9"]);
        let latest = ReportFilter {
            latest: true,
            running: true,
            ..ReportFilter::default()
        };
        assert_eq!(names(&latest, &community).len(), 3);
        let log = log([
            report("ops", "shop", 1, "pass", Some(90)),
            report("ops", "shop", 2, "fail", Some(9)),
        ]);
        let late = view(Tier::Community, 60);
        log.read(|index| {
            let seen: Vec<bool> = index.all().map(|run| is_visible(index, run, &late)).collect();
            assert_eq!(seen, [false, true]);
        });
    }

    #[test]
    fn a_list_says_what_its_reports_lack_and_nothing_else() {
        let lines = |day: i64, result: &str, tier| {
            let log = log([report("ops", "shop", day, result, None)]);
            let runs: Vec<_> = log.read(|index| index.all().cloned().collect());
            left_out(&runs, &view(tier, 10)).len()
        };
        assert_eq!(lines(9, "pass", Tier::Community), 2);
        assert_eq!(lines(9, "", Tier::Community), 1, "it has no points yet");
        assert_eq!(lines(9, "pass", Tier::Team), 0);
        assert!(left_out(&[], &view(Tier::Community, 10)).is_empty());
    }

    #[test]
    fn a_tier_hides_points_and_timeline_and_never_what_was_found() {
        let report = Arc::new(report("ops", "shop", 1, "fail", Some(40)));
        let seen = shown(&report, &view(Tier::Community, 1));
        let status = seen.what.status.as_ref().unwrap();
        let levels = status.validation_levels.as_ref().unwrap();
        assert!(status.timeline.is_empty() && levels.completeness.points.is_none());
        assert_eq!(
            (status.findings.len(), status.score, seen.hidden.len()),
            (1, Some(40), 2)
        );
        assert_eq!(levels.completeness.status, kymaros_crds::LevelResult::Pass);
        let seen = shown(&report, &view(Tier::Team, 1));
        assert!(Arc::ptr_eq(&seen.what, &report) && seen.hidden.is_empty());
    }
}
