//! Regulation (EU) 2022/2554, Articles 11 and 12: yearly tests, segregated restores, objectives, checks of integrity.

use jiff::SignedDuration;
use kymaros_crds::{LevelResult, RestoreTest, domain::Source};

use super::{Requirement, Run, evidence::Evidence};

/// "At least yearly", Article 11(6)(a).
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

pub(super) fn requirements(evidence: &Evidence<'_>) -> Vec<Requirement> {
    let year = evidence.now.saturating_sub(YEAR).ok();
    // A sandbox that is kept on purpose tells what it leaves behind when its time is up.
    let cleaned = evidence
        .runs()
        .filter(|run| run.is_over() && run.ended.is_some() && run.leftovers.is_some());
    let segregated = cleaned.map(|run| (&run.name, run.leftovers == Some(0)));
    vec![
        Requirement::of(
            "Article 11(6)",
            "Continuity plans are tested at least yearly",
            "tests had a run with a verdict in the last year",
            evidence.tests(|of_test| of_test.ran_since(year)),
        ),
        Requirement::of(
            "Article 12(2)",
            "Restoration is tested periodically",
            "tests run on a schedule and had a verdict in this period",
            evidence.tests(|of_test| !of_test.test.spec.suspend && of_test.ran()),
        ),
        Requirement::of(
            "Article 12(3)",
            "Backups are restored on systems that are segregated from their source",
            "runs restored into sandboxes of their own and left nothing behind",
            segregated,
        ),
        Requirement::of(
            "Article 12(6)",
            "Recovery time and recovery point objectives are set and met",
            "tests have maxRTO and maxAge and kept them in their latest run with a verdict",
            evidence.tests(|of_test| {
                let kept = |run: &Run| run.has_max_age && run.within_sla == Some(true);
                has_objectives(of_test.test) && of_test.latest().is_some_and(kept)
            }),
        ),
        Requirement::of(
            "Article 12(7)",
            "Several checks ensure the integrity of what was recovered",
            "runs reconciled everything with the backup and passed all their checks",
            evidence.conclusive(|run| {
                let (passed, all) = run.checks;
                all > 0 && passed == all && run.levels[1] == LevelResult::Pass
            }),
        ),
    ]
}

fn has_objectives(test: &RestoreTest) -> bool {
    test.spec.sla.is_some() && Source::specs(&test.spec).all(|(_, source)| source.max_age.is_some())
}
