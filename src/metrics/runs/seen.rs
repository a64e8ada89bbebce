//! Runs that ended since the process began, counted as the watch over reports brings them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use kube::{ResourceExt, runtime::watcher::Event};
use kymaros_crds::{Cause, RestoreReport, RestoreTest, RunResult};
use kymaros_webhooks::validate::TestName;
use prometheus_client::metrics::histogram::Histogram;

use crate::history::Ended;

/// Seconds: those of 0.6.9.
const BUCKETS: [f64; 8] = [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3840.0, 7680.0];

/// Counts of runs that ended. Every replica counts, so that a new leader goes on without a gap.
#[derive(Clone, Default)]
pub struct RunsSeen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Reports of runs that ended, by UID: each is counted once.
    ended: HashSet<String>,
    /// Those of the next full list while it comes in.
    coming: Option<HashSet<String>>,
    /// What ended before the process began is not counted.
    began: bool,
    totals: Totals,
}

/// What was counted. Every count is there before there is anything to count: Prometheus sees no increase in one that begins at 1.
pub(super) struct Totals {
    pub by_test: BTreeMap<TestName, OfTest>,
    pub inconclusive: BTreeMap<Cause, u64>,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            by_test: BTreeMap::default(),
            inconclusive: super::CAUSES.map(|cause| (cause, 0)).into(),
        }
    }
}

pub(super) struct OfTest {
    pub results: BTreeMap<&'static str, u64>,
    pub durations: Histogram,
}

impl Default for OfTest {
    fn default() -> Self {
        Self {
            results: RunResult::ALL.map(|result| (result.word(), 0)).into(),
            durations: Histogram::new(BUCKETS),
        }
    }
}

impl RunsSeen {
    /// Takes an event of the watch over reports.
    pub fn look(&self, event: &Event<RestoreReport>) {
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => state.coming = Some(HashSet::new()),
            Event::InitApply(report) | Event::Apply(report) => state.take(report),
            Event::InitDone => {
                state.began = true;
                if let Some(coming) = state.coming.take() {
                    state.ended = coming;
                }
            }
            Event::Delete(report) => {
                state.ended.remove(&report.uid().unwrap_or_default());
            }
        }
    }

    /// Takes an event of the watch over tests: one that is gone is forgotten, whether anybody reads metrics or not.
    pub fn look_at_test(&self, event: &Event<RestoreTest>) {
        if let Event::Delete(test) = event {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.totals.by_test.remove(&TestName::from(test));
        }
    }

    /// Counts for these tests, and for no others.
    pub(super) fn of_tests(&self, tests: &HashSet<TestName>) {
        let by_test = &mut self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .totals
            .by_test;
        by_test.retain(|test, _| tests.contains(test));
        for test in tests {
            if !by_test.contains_key(test) {
                by_test.insert(test.clone(), OfTest::default());
            }
        }
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Totals) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner).totals)
    }
}

impl State {
    fn take(&mut self, report: &RestoreReport) {
        let Some(ended) = Ended::of(report) else {
            return;
        };
        let uid = report.uid().unwrap_or_default();
        if let Some(coming) = &mut self.coming {
            coming.insert(uid.clone());
        }
        if !self.ended.insert(uid) || !self.began {
            return;
        }
        let of_test = self.totals.by_test.entry(report.into()).or_default();
        *of_test.results.entry(ended.result.word()).or_default() += 1;
        if let Some(took) = ended.took {
            of_test.durations.observe(took.as_secs_f64());
        }
        if !ended.result.is_conclusive() {
            let cause = ended.cause.unwrap_or(Cause::Unknown);
            *self.totals.inconclusive.entry(cause).or_default() += 1;
        }
    }
}
