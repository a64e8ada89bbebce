//! All tests at a glance: figures over them, and rows of those that need somebody.

use std::collections::BTreeMap;

use kymaros_crds::{RunResult, domain::duration};

use super::{
    Fleet,
    cluster::FleetTest,
    found::TestStanding,
    runs::Index,
    test::{TestRow, row},
    view::View,
};

/// All tests at a glance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    /// All of them.
    pub tests: usize,
    standings: BTreeMap<TestStanding, usize>,
    /// Those whose latest verdict is that the backup can be restored.
    pub passing: usize,
    /// Mean of the scores of the latest verdicts; none without any.
    pub mean_score: Option<i64>,
    /// Those with an agreed recovery time and a measured one.
    pub agreed: usize,
    /// Those of them that took longer.
    pub slow: usize,
    /// Those that need somebody, what is worst first; at most so many as were asked for.
    pub needing: Vec<TestRow>,
}

impl Glance {
    /// How many tests stand so.
    #[must_use]
    pub fn standing(&self, standing: TestStanding) -> usize {
        self.standings.get(&standing).copied().unwrap_or_default()
    }

    /// How many tests need somebody.
    #[must_use]
    pub fn need(&self) -> usize {
        let needy = self.standings.iter().filter(|(standing, _)| needs(**standing));
        needy.map(|(_, count)| count).sum()
    }
}

/// Whether somebody has to look at what stands so.
fn needs(standing: TestStanding) -> bool {
    !matches!(standing, TestStanding::Pass | TestStanding::Running)
}

/// Rows of the worst `most` only: each has texts to be made.
fn glance(index: &Index, tests: &[FleetTest], most: usize) -> Glance {
    let mut glance = Glance {
        tests: tests.len(),
        ..Glance::default()
    };
    let (mut total, mut scored) = (0, 0);
    let mut needing: Vec<(TestStanding, i32, &FleetTest)> = Vec::new();
    for test in tests {
        let status = test.status.as_ref();
        let standing = TestStanding::of(index, test);
        *glance.standings.entry(standing).or_default() += 1;
        let result = status.and_then(|status| status.last_result);
        glance.passing += usize::from(result == Some(RunResult::Pass));
        let score = status.and_then(|status| status.last_score).unwrap_or_default();
        if let Some(score) = result.and_then(|result| result.score(Some(score))) {
            total += i64::from(score);
            scored += 1;
        }
        if let Some(kept) = kept(index, test) {
            glance.agreed += 1;
            glance.slow += usize::from(!kept);
        }
        if needs(standing) {
            needing.push((standing, score, test));
        }
    }
    glance.mean_score = (scored > 0).then(|| total / scored);
    needing.sort_by(|(standing, score, test), (other_standing, other_score, other)| {
        (standing, score, test.order()).cmp(&(other_standing, other_score, other.order()))
    });
    needing.truncate(most);
    glance.needing = needing.into_iter().map(|(.., test)| row(index, test)).collect();
    glance
}

/// Whether the latest run of a test kept the agreed recovery time; none where there is none, or nothing was measured.
fn kept(index: &Index, test: &FleetTest) -> Option<bool> {
    let agreed = test.spec.sla.as_ref()?;
    let agreed = duration::parse(&agreed.max_rto).ok()?;
    Some(index.latest(&test.key())?.rto()? <= agreed)
}

impl Fleet {
    /// All tests at a glance, with rows of at most so many that need somebody.
    #[must_use]
    pub fn glance(&self, most: usize, view: &View) -> Glance {
        let tests = self.tests_of(view);
        self.runs.read(|index| glance(index, &tests, most))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{fleet_tests, log, read, report, test};

    #[test]
    fn figures_are_of_all_tests_and_rows_of_the_worst_that_need_somebody() {
        let stands = |name: &str, status: serde_json::Value| {
            let mut test = test("ops", name);
            test.status = Some(read(status));
            test
        };
        let judged = |name: &str, result: &str, score: i32| {
            stands(name, json!({ "lastResult": result, "lastScore": score }))
        };
        let broken = json!({ "conditions": [{ "type": "Ready", "status": "False", "reason": "Invalid",
            "message": "no such policy", "lastTransitionTime": "2026-01-01T00:00:00Z" }] });
        let tests = fleet_tests([
            judged("shop", "pass", 95),
            judged("blog", "fail", 40),
            judged("wiki", "fail", 10),
            judged("mail", "inconclusive", 51),
            stands("new", json!({})),
            stands("broken", broken),
            stands("first", json!({})),
        ]);
        let log = log([
            report("ops", "shop", 1, "pass", Some(95)),
            report("ops", "first", 1, "", None),
        ]);
        let seen = |most| log.read(|index| glance(index, &tests, most));
        let all = seen(9);
        assert_eq!((all.tests, all.passing, all.mean_score), (7, 1, Some(48)));
        assert_eq!((all.agreed, all.slow), (1, 0));
        let names =
            |glance: &Glance| -> Vec<String> { glance.needing.iter().map(|row| row.name.clone()).collect() };
        assert_eq!(names(&all), ["wiki", "blog", "broken", "new", "mail"]);
        assert_eq!(
            (
                all.standing(TestStanding::Running),
                all.standing(TestStanding::Unproven)
            ),
            (1, 2)
        );
        let first = seen(2);
        assert_eq!(
            (names(&first), first.need()),
            (vec!["wiki".to_owned(), "blog".to_owned()], 5)
        );
    }

    #[test]
    fn a_run_that_took_longer_than_agreed_is_slow() {
        let mut tight = test("ops", "shop");
        tight.spec.sla.as_mut().unwrap().max_rto = "1s".to_owned();
        let log = log([report("ops", "shop", 1, "pass", Some(95))]);
        let seen = log.read(|index| glance(index, &fleet_tests([tight]), 1));
        assert_eq!((seen.agreed, seen.slow), (1, 1));
    }
}
