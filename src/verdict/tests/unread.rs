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
