//! The index says what a list of the reports would say, whatever happened to them before.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt, runtime::watcher::Event};
use kymaros_crds::RestoreReport;
use kymaros_webhooks::validate::TestName;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Count, Index, Run, RunLog};
use crate::fleet::{
    cluster::TestKey,
    sample::{at, report},
};

const TESTS: [&str; 2] = ["shop", "blog"];

#[derive(Clone, Debug)]
enum Happened {
    Written(Box<RestoreReport>),
    Gone(Box<RestoreReport>),
    Listed,
}

fn written() -> impl Strategy<Value = Box<RestoreReport>> {
    let ended = select(vec!["", "", "pass", "partial", "fail", "inconclusive"]);
    (select(&TESTS[..]), 0..4_i64, ended, 0..80_i64, select(&TESTS[..])).prop_map(
        |(test, day, ended, took, source)| {
            let mut report = report("ops", test, day, ended, Some(90));
            let spec = report.spec.test.as_mut().unwrap();
            source.clone_into(&mut spec.backup_source.namespaces[0].name);
            let status = report.status.as_mut().unwrap();
            if status.completed_at.is_some() {
                status.completed_at = Some(Time(at(day) + SignedDuration::from_hours(took)));
            }
            Box::new(report)
        },
    )
}

fn happened() -> impl Strategy<Value = Happened> {
    prop_oneof![
        6 => written().prop_map(Happened::Written),
        2 => written().prop_map(Happened::Gone),
        1 => Just(Happened::Listed),
    ]
}

/// The reports there are.
type There = BTreeMap<String, Box<RestoreReport>>;

fn happen(log: &RunLog, there: &mut There, what: Happened) {
    match what {
        Happened::Written(report) => {
            log.look(&Event::Apply((*report).clone()));
            there.insert(report.name_any(), report);
        }
        Happened::Gone(report) => {
            there.remove(&report.name_any());
            log.look(&Event::Delete(*report));
        }
        Happened::Listed => {
            log.look(&Event::Init);
            for report in there.values() {
                log.look(&Event::InitApply((**report).clone()));
            }
            log.look(&Event::InitDone);
        }
    }
}

fn agrees(index: &Index, there: &There) {
    let mut runs: Vec<Arc<Run>> = there
        .values()
        .map(|report| Arc::new(Run::of(report, None)))
        .collect();
    runs.sort_by_key(|run| run.when());
    let all: Vec<Arc<Run>> = index.all().cloned().collect();
    assert_eq!(all, runs);
    for test in TESTS {
        let name = TestName {
            namespace: "ops".into(),
            name: test.into(),
        };
        let key = TestKey::from(name);
        let of_test: Vec<_> = runs.iter().filter(|run| *run.test == *test).collect();
        assert_eq!(index.of_test(&key).collect::<Vec<_>>(), of_test);
        let newest = |is_so: fn(&Run) -> bool| of_test.iter().rev().find(|run| is_so(run)).copied();
        assert_eq!(index.running(&key), newest(|run| !run.is_over()));
        assert_eq!(index.latest(&key), newest(|run| run.ended.is_some()));
        for (place, run) in of_test.iter().enumerate() {
            let mut older = of_test[..place].iter().rev();
            let before = older.find(|run| run.score().is_some()).copied();
            assert_eq!(index.before(run), before);
        }
        let mut said: Vec<_> = runs
            .iter()
            .filter(|run| run.said().is_some() && *run.sources[0] == *test)
            .collect();
        said.sort_by(|a, b| a.said().cmp(&b.said()));
        assert_eq!(index.of_source(None, test).collect::<Vec<_>>(), said);
    }
    let mut ended: BTreeMap<i64, Count> = BTreeMap::new();
    for run in &runs {
        if let Some(result) = run.result() {
            let day = run.created.as_second().div_euclid(86_400);
            *ended.entry(day).or_default().of(result) += 1;
        }
    }
    let counted: BTreeMap<i64, Count> = index
        .counted(i64::MIN)
        .map(|(day, _, count)| (day, count))
        .collect();
    assert_eq!(counted, ended);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_is_right_whatever_is_written_goes_and_is_listed_again(all in vec(happened(), 1..40)) {
        let log = RunLog::default();
        let mut there = There::new();
        for what in all {
            happen(&log, &mut there, what);
            log.read(|index| agrees(index, &there));
        }
    }
}
