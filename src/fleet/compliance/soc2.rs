//! SOC 2: recovery is tested, watched, and what is found is followed up.

use kymaros_crds::RunResult;

use super::{
    Requirement,
    evidence::{Evidence, OfTest, is_conclusive},
};
use crate::fleet::Run;

pub(super) fn requirements(evidence: &Evidence<'_>) -> Vec<Requirement> {
    let ended = evidence.runs().filter(|run| run.ended.is_some());
    let decided = ended.map(|run| (&run.name, is_conclusive(run)));
    let failed = |run: &Run| run.result() == Some(RunResult::Fail);
    let had_failures = evidence.tests.iter().filter(|of_test| of_test.runs().any(failed));
    let followed = had_failures.map(|of_test| (&of_test.name, !of_test.latest().is_some_and(failed)));
    vec![
        Requirement::of(
            "A1.3",
            "Recovery plan procedures are tested",
            "tests had a run with a verdict in this period",
            evidence.tests(OfTest::ran),
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
