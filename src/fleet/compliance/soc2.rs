//! SOC 2: recovery is tested, watched, and what is found is followed up.

use kymaros_crds::RunResult;

use super::{
    Requirement,
    evidence::{Evidence, is_conclusive},
};
use crate::fleet::Run;

pub(super) fn requirements(evidence: &Evidence<'_>) -> Vec<Requirement> {
    let ended = evidence.runs.iter().filter(|run| run.ended.is_some());
    let decided = ended.map(|run| (&run.name, is_conclusive(run)));
    let failed = |run: &&&Run| run.result() == Some(RunResult::Fail);
    let mut had_failures: Vec<_> = evidence
        .runs
        .iter()
        .filter(failed)
        .map(|run| run.test_key())
        .collect();
    had_failures.sort();
    had_failures.dedup();
    let followed = had_failures.into_iter().map(|test| {
        let latest = evidence.index.latest(&test);
        let is_open = latest.is_some_and(|run| run.result() == Some(RunResult::Fail));
        (test, !is_open)
    });
    vec![
        Requirement::of(
            "A1.3",
            "Recovery plan procedures are tested",
            "tests had a run with a verdict in this period",
            evidence.tests(|_, test| evidence.ran(test)),
        ),
        Requirement::of(
            "A1.2",
            "Backup and recovery are monitored: runs end with a verdict about the backup",
            "runs said whether the backup can be restored",
            decided,
        ),
        Requirement::of(
            "CC7.5",
            "Exceptions are followed up: what failed was mended",
            "tests that failed no longer fail",
            followed,
        ),
    ]
}
