//! The next runs.

use jiff::Timestamp;
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cluster::{ClusterName, FleetTest},
    moments::moment,
    view::View,
};

/// The next run of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upcoming {
    /// The test.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// When it runs.
    pub next_run_at: String,
    /// Score of its latest run; 0 when there is none.
    pub last_score: i32,
    /// Its cluster; none: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
}

/// When a test runs, and the score of its latest run.
type Next<'a> = (Timestamp, &'a FleetTest, Option<i32>);

/// At most so many of them, those at the same moment by name: each has texts to be made.
pub(super) fn upcoming(tests: &[FleetTest], most: usize, view: &View) -> Vec<Upcoming> {
    let mut next: Vec<Next<'_>> = tests
        .iter()
        .filter_map(|test| {
            let status = test.status.as_ref()?;
            let at = status.next_run_at.as_ref()?.0;
            (at >= view.now).then_some((at, test, status.last_score))
        })
        .collect();
    let order = |(a, one, _): &Next<'_>, (b, other, _): &Next<'_>| (a, one.order()).cmp(&(b, other.order()));
    if most < next.len() {
        next.select_nth_unstable_by(most, order);
        next.truncate(most);
    }
    next.sort_unstable_by(order);
    next.into_iter()
        .map(|(at, test, score)| Upcoming {
            name: test.name_any(),
            namespace: test.namespace().unwrap_or_default(),
            next_run_at: moment(at),
            last_score: score.unwrap_or_default(),
            cluster: test.cluster.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::sample::{at, fleet_tests, test, view};

    #[test]
    fn what_is_next_comes_first_and_what_is_past_is_no_next_run() {
        let due = |name: &str, day: Option<i64>| {
            let mut test = test("ops", name);
            test.status.as_mut().unwrap().next_run_at = day.map(|day| Time(at(day)));
            test
        };
        let tests = fleet_tests([
            due("later", Some(9)),
            due("soon", Some(6)),
            due("past", Some(4)),
            due("never", None),
        ]);
        let now = view(Tier::Community, 5);
        assert_eq!(upcoming(&tests, 1, &now).len(), 1);
        let next = upcoming(&tests, usize::MAX, &now);
        let names: Vec<&str> = next.iter().map(|next| next.name.as_str()).collect();
        assert_eq!(names, ["soon", "later"]);
        let together = fleet_tests(["d", "b", "c", "a"].map(|name| due(name, Some(6))));
        let first = |most| upcoming(&together, most, &now).into_iter().map(|next| next.name);
        assert_eq!(
            first(2).collect::<Vec<_>>(),
            ["a", "b"],
            "by name at the same moment"
        );
        assert_eq!(first(4).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(next[0].next_run_at, "2026-01-07T12:00:00Z");
    }
}
