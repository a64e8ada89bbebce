//! What could not be read.

use super::*;

#[test]
fn what_is_not_known_is_not_proven() {
    let mut seen = Seen::healthy();
    seen.unread = Some("the address does not answer");
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Sandbox)),
        "{:?}",
        verdict.findings
    );
    let told = |f: &Finding| f.message.contains("the address does not answer");
    assert!(verdict.findings.iter().any(told));
}

#[test]
fn without_lists_the_counts_of_velero_are_what_is_known_of_completeness() {
    let counted = |unread_contents, unread, progress, errors| {
        let mut seen = Seen::healthy();
        (seen.unread_contents, seen.unread) = (unread_contents, unread);
        (seen.restore.progress, seen.restore.errors) = (progress, errors);
        let verdict = seen.judge();
        assert_ne!(verdict.result, RunResult::Pass);
        let level = verdict.completeness;
        (level.points, level.detail)
    };
    let of = |points: u32, detail: &str| (points, format!("{detail} objects are in the sandbox"));
    let (whole, three) = (Some((4, 4)), Some((3, 4)));
    for (contents, outcome) in [
        (None, Some("away")),
        (Some("away"), None),
        (Some("away"), Some("away")),
    ] {
        assert_eq!(counted(contents, outcome, whole, 0), of(20, "4 of 4"));
        assert_eq!(counted(contents, outcome, three, 1), of(10, "2 of 4"));
        assert_eq!(
            counted(contents, outcome, None, 0),
            (0, "the restore brought nothing back".into())
        );
    }
}

#[test]
fn data_movers_that_cannot_be_listed_leave_volumes_unproven() {
    let mut seen = Seen::healthy();
    seen.outcome.movers = None;
    assert_eq!(seen.judge().result, RunResult::Partial);
    seen.contents.volumes.clear();
    seen.contents
        .objects
        .get_mut("shop")
        .unwrap()
        .remove(&object("v1/PersistentVolumeClaim", "d"));
    assert_eq!(
        seen.judge().result,
        RunResult::Pass,
        "there is no data to be moved"
    );
}

#[test]
fn a_secret_outside_of_the_selection_is_not_the_backups_fault() {
    let mut seen = Seen::healthy();
    seen.selector = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    let secret = object("v1/Secret", "s");
    seen.outcome
        .restored
        .objects
        .get_mut("sb")
        .unwrap()
        .remove(&secret);
    seen.troubled(Trouble {
        missing: Some(("Secret".into(), "s".into())),
        ..Trouble::new(Cause::Unknown, "")
    });
    let verdict = seen.judge();
    assert_eq!(verdict.result, RunResult::Inconclusive);
    assert!(
        verdict
            .findings
            .iter()
            .any(|f| f.message.contains("labelSelector"))
    );
}
