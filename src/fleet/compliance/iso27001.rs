//! ISO/IEC 27001:2022: backup copies are tested, hold what they should, and recovery is in time.

use kymaros_crds::LevelResult;

use super::{Requirement, evidence::Evidence};

pub(super) fn requirements(evidence: &Evidence<'_>) -> Vec<Requirement> {
    let held = evidence
        .coverage
        .namespaces
        .iter()
        .filter(|row| row.backup.is_some());
    let since = evidence.since.map(crate::fleet::moment);
    let proven = held.map(|row| {
        let is_proven = row
            .proven_at
            .as_ref()
            .is_some_and(|at| Some(at) >= since.as_ref());
        (&row.namespace, is_proven)
    });
    vec![
        Requirement::of(
            "A.8.13",
            "Backup copies are regularly tested",
            "namespaces with a backup were proven in this period",
            proven,
        ),
        Requirement::of(
            "A.8.13 (integrity)",
            "Backup copies hold what they should: objects and volume data came back",
            "runs brought back everything",
            evidence.conclusive(|run| run.levels[..2] == [LevelResult::Pass; 2]),
        ),
        Requirement::of(
            "A.5.30",
            "Continuity objectives are set and met: the agreed recovery time was kept",
            "tests have an agreed recovery time and kept it in their latest run with a verdict",
            evidence.tests(|of_test| {
                let latest = of_test.latest();
                of_test.test.spec.sla.is_some() && latest.is_some_and(|run| run.within_sla == Some(true))
            }),
        ),
    ]
}
