//! What somebody should look at: runs that failed, and runs that got worse.

use jiff::{SignedDuration, Timestamp};
use kymaros_crds::RunResult;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cluster::ClusterName,
    features::Feature,
    moments::moment,
    runs::{Index, Run},
    view::{Shown, View},
};

/// Points that a score may fall between two runs without an alert, as in 0.6.9.
const TOLERATED: i32 = 10;

/// A run that failed or got worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// When the run was made.
    pub timestamp: String,
    /// The test.
    pub test_name: String,
    /// Its namespace.
    pub namespace: String,
    /// The score.
    pub score: i32,
    /// The score before; 0 when there is none.
    pub prev_score: i32,
    /// The result.
    pub result: RunResult,
    /// In one sentence.
    pub message: String,
    /// The report.
    pub report: String,
    /// The cluster; none: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
}

pub(super) fn alerts(index: &Index, hours: u32, view: &View) -> Shown<Vec<Alert>> {
    let asked = view
        .now
        .saturating_sub(SignedDuration::from_hours(i64::from(hours)));
    let asked = asked.unwrap_or(Timestamp::MIN);
    let (oldest, line) = match view.oldest() {
        Some(oldest) if oldest > asked => (oldest, view.since(None).1),
        _ => (asked, None),
    };
    let shows_regressions = view.features.has(Feature::RegressionAlerts);
    let runs = index.since(Some(oldest)).rev();
    let in_view = runs.filter(|run| view.holds(&run.name));
    let alerts = in_view
        .filter_map(|run| alert(index, run, shows_regressions))
        .collect();
    let regressions = (!shows_regressions).then(|| Feature::RegressionAlerts.hidden());
    Shown {
        what: alerts,
        hidden: line.into_iter().chain(regressions).collect(),
    }
}

fn alert(index: &Index, run: &Run, shows_regressions: bool) -> Option<Alert> {
    let result = run.result()?;
    let score = run.score().unwrap_or_default();
    let before = || {
        run.previous
            .or_else(|| index.before(run)?.score())
            .unwrap_or_default()
    };
    let failed = result == RunResult::Fail;
    // What proved nothing is no worse than what was before.
    if !failed && (run.score().is_none() || !shows_regressions) {
        return None;
    }
    let previous = before();
    let got_worse =
        shows_regressions && run.score().is_some() && previous > 0 && score < previous - TOLERATED;
    let failure = failed.then(|| format!("Test {} failed with score {score}", run.test));
    let regression = got_worse.then(|| format!("score regression from {previous} to {score}"));
    let message: Vec<String> = failure.into_iter().chain(regression).collect();
    (!message.is_empty()).then(|| Alert {
        timestamp: moment(run.created),
        test_name: run.test.to_string(),
        namespace: run.name.namespace.to_string(),
        score,
        prev_score: previous,
        result,
        message: message.join("; "),
        report: run.name.name.to_string(),
        cluster: run.name.cluster.clone(),
    })
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::sample::{log, report, view};

    fn messages(tier: Tier, hours: u32) -> Vec<String> {
        let log = log(vec![
            report("ops", "shop", 1, "pass", Some(100)),
            report("ops", "shop", 2, "pass", Some(90)),
            report("ops", "shop", 3, "partial", Some(79)),
            report("ops", "shop", 4, "inconclusive", Some(51)),
            report("ops", "shop", 5, "fail", Some(30)),
            report("ops", "blog", 5, "fail", Some(0)),
            report("dev", "blog", 5, "", None),
        ]);
        let seen = log.read(|index| alerts(index, hours, &view(tier, 5)));
        seen.what.into_iter().map(|alert| alert.message).collect()
    }

    #[test]
    fn failures_and_regressions_are_told_newest_first() {
        assert_eq!(
            messages(Tier::Team, 96),
            [
                "Test shop failed with score 30; score regression from 79 to 30",
                "Test blog failed with score 0",
                "score regression from 90 to 79",
            ]
        );
        assert_eq!(messages(Tier::Team, 1).len(), 2);
    }

    #[test]
    fn failures_are_told_in_every_tier() {
        let told = ["Test shop failed with score 30", "Test blog failed with score 0"];
        assert_eq!(messages(Tier::Community, 96), told);
        let seen = log([]).read(|index| alerts(index, 24 * 30, &view(Tier::Community, 5)));
        assert_eq!(seen.hidden.len(), 2, "{:?}", seen.hidden);
    }
}
