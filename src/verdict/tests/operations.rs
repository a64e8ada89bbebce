//! What Velero's plugins did after the items were created.

use super::*;
use crate::{
    reason::FindingReason,
    velero::{
        movers::{Fills, Mover},
        operations::{ItemOperation, OperationPhase},
    },
};

fn operation(resource: &str, name: &str, phase: OperationPhase, error: &str) -> ItemOperation {
    ItemOperation {
        action: "example.com/action".into(),
        resource: resource.into(),
        namespace: "sb".into(),
        name: name.into(),
        phase,
        error: error.into(),
    }
}

fn failed(resource: &str, name: &str, error: &str) -> ItemOperation {
    operation(resource, name, OperationPhase::Failed, error)
}

/// A restore that Velero calls `PartiallyFailed`, with as many errors.
fn partial(errors: i64, operations: Option<Vec<ItemOperation>>) -> Seen {
    let mut seen = Seen::healthy();
    seen.restore.phase = RestorePhase::PartiallyFailed;
    seen.restore.phase_text = "PartiallyFailed".into();
    seen.restore.errors = errors;
    seen.outcome.operations = operations;
    seen
}

/// The claim of [`Seen`], moved by a data mover that came so far.
fn moved(seen: &mut Seen, phase: &str, message: &str) {
    seen.contents.volumes[0].backup_method = "CSISnapshot".into();
    seen.contents.volumes[0].snapshot_data_moved = true;
    seen.outcome.movers = Some(vec![Mover {
        namespace: "sb".into(),
        fills: Fills::Claim("d".into()),
        phase: phase.into(),
        message: message.into(),
        bytes_done: 10,
        bytes_total: 40,
        times: (None, None),
    }]);
}

/// Reason, cause and object of each finding.
fn told(verdict: &Verdict) -> Vec<(&str, Cause, Option<&str>)> {
    let findings = verdict.findings.iter();
    findings
        .map(|f| (f.reason.as_str(), f.cause, f.object.as_deref()))
        .collect()
}

const ERROR: &str = FindingReason::RestoreError.as_str();

#[test]
fn a_failed_operation_is_blamed_by_its_text() {
    use OperationPhase::{Failed, Unfinished};
    let cases = [
        (
            Failed,
            "repository not initialized in the provided storage",
            Cause::Backup,
        ),
        (
            Failed,
            "Get \"https://s3\": dial tcp 10.0.0.1:443: i/o timeout",
            Cause::Sandbox,
        ),
        (
            Failed,
            "pods \"mover\" is forbidden: exceeded quota: q",
            Cause::Sandbox,
        ),
        (Failed, "no space left on device", Cause::RestoreEngine),
        (Failed, "", Cause::RestoreEngine),
        (Failed, "Asynchronous action timed out", Cause::Sandbox),
        (Failed, "timed out: snapshot not found", Cause::Backup),
        (Unfinished, "", Cause::Sandbox),
        (Unfinished, "snapshot not found", Cause::Backup),
    ];
    for (phase, error, cause) in cases {
        let seen = partial(1, Some(vec![operation("secrets", "s", phase, error)]));
        let verdict = seen.judge();
        assert_eq!(
            told(&verdict),
            [(ERROR, cause, Some("Secret/s"))],
            "{phase:?} {error}: {:?}",
            verdict.findings
        );
        let is_lost = verdict.restore_integrity.points < 25;
        assert_eq!(is_lost, cause != Cause::Sandbox, "{phase:?} {error}");
        let is_inconclusive = verdict.result == RunResult::Inconclusive;
        assert_eq!(is_inconclusive, cause == Cause::Sandbox, "{phase:?} {error}");
        let message = &verdict.findings[0].message;
        let names = message.contains("example.com/action") && message.contains("namespace shop");
        assert!(names && message.contains(error), "{message}");
    }
}

#[test]
fn what_an_operation_was_to_bring_into_a_claim_is_lost_data() {
    let claim = failed("persistentvolumeclaims", "d", "no space left on device");
    let verdict = partial(1, Some(vec![claim])).judge();
    assert_eq!(
        told(&verdict),
        [(ERROR, Cause::RestoreEngine, Some("PersistentVolumeClaim/d"))]
    );
    assert_eq!(verdict.result, RunResult::Fail);
}

#[test]
fn an_item_that_no_list_holds_is_named_as_velero_names_it() {
    let verdict = partial(1, Some(vec![failed("databases.example.com", "main", "odd")])).judge();
    assert_eq!(
        told(&verdict),
        [(ERROR, Cause::RestoreEngine, Some("databases.example.com/main"))]
    );
}

#[test]
fn operations_that_did_their_work_say_nothing() {
    let mut seen = Seen::healthy();
    let phases = [OperationPhase::Completed, OperationPhase::Unknown];
    let operations = phases.map(|phase| operation("persistentvolumeclaims", "d", phase, ""));
    seen.outcome.operations = Some(operations.to_vec());
    let verdict = seen.judge();
    assert_eq!((verdict.score(), verdict.result), (100, RunResult::Pass));
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
}

#[test]
fn what_a_data_mover_tells_of_a_claim_is_counted_once() {
    let lost = FindingReason::VolumeDataLost.as_str();
    let claim = failed("persistentvolumeclaims", "d", "no space");
    let by_mover = [(lost, Cause::RestoreEngine, Some("PersistentVolumeClaim/d"))];
    let mut seen = partial(1, Some(vec![claim]));
    moved(&mut seen, "Failed", "no space");
    let verdict = seen.judge();
    assert_eq!(told(&verdict), by_mover, "{:?}", verdict.findings);
    let points = verdict.restore_integrity.points;

    seen.outcome.operations = None;
    let verdict = seen.judge();
    assert_eq!(told(&verdict), by_mover, "the mover explains the error");
    assert_eq!(verdict.restore_integrity.points, points);

    let other = failed("secrets", "s", "no space");
    seen.outcome.operations = Some(vec![other]);
    let both = seen.judge();
    assert_eq!(told(&both).len(), 2, "{:?}", both.findings);
    assert!(both.restore_integrity.points < points);
}

#[test]
fn an_operation_tells_of_a_claim_where_no_data_mover_does() {
    let claim = failed("persistentvolumeclaims", "d", "no space");
    let mut seen = partial(1, Some(vec![claim]));
    moved(&mut seen, "Completed", "");
    seen.outcome.movers.as_mut().unwrap()[0].bytes_done = 40;
    let about_claim = (ERROR, Cause::RestoreEngine, Some("PersistentVolumeClaim/d"));
    assert_eq!(told(&seen.judge()), [about_claim]);
    seen.outcome.movers = None;
    assert!(told(&seen.judge()).contains(&about_claim));
}

#[test]
fn a_data_mover_that_velero_waited_no_longer_for_accuses_nobody() {
    let mut seen = partial(1, Some(vec![]));
    moved(&mut seen, "InProgress", "");
    assert_eq!(seen.judge().result, RunResult::Fail);
    let slow = failed("persistentvolumeclaims", "d", "Asynchronous action timed out");
    seen.outcome.operations = Some(vec![slow]);
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Inconclusive, Some(Cause::Sandbox)),
        "{:?}",
        verdict.findings
    );
    seen.outcome.movers.as_mut().unwrap()[0].message = "snapshot not found".into();
    assert_eq!(seen.judge().cause, Some(Cause::Backup));
}

#[test]
fn an_operation_tells_who_is_to_blame_for_a_data_mover_that_has_not_heard_of_it() {
    let mut seen = partial(1, Some(vec![]));
    moved(&mut seen, "InProgress", "");
    let away = "fail to list DataDownload: dial tcp 10.96.0.1:443: connect: connection refused";
    for (error, cause) in [(away, Cause::Sandbox), ("snapshot not found", Cause::Backup)] {
        seen.outcome.operations = Some(vec![failed("persistentvolumeclaims", "d", error)]);
        let verdict = seen.judge();
        assert_eq!(verdict.cause, Some(cause), "{:?}", verdict.findings);
    }
}

#[test]
fn an_operation_that_failed_at_once_is_told_once() {
    let mut seen = partial(1, Some(vec![failed("secrets", "s", "no space")]));
    let repeated = "error from restore item operation: no space".to_owned();
    seen.outcome.results.errors.velero = Some(vec![repeated.clone()]);
    let once = [(ERROR, Cause::RestoreEngine, Some("Secret/s"))];
    assert_eq!(told(&seen.judge()), once);
    let other = repeated + " on device";
    seen.outcome.results.errors.velero = Some(vec![other]);
    seen.restore.errors = 2;
    assert_eq!(told(&seen.judge()).len(), 2);
}

#[test]
fn errors_without_a_text_are_told_when_nothing_explains_them() {
    let unknown = (ERROR, Cause::Unknown, None::<&str>);
    for operations in [None, Some(vec![])] {
        let verdict = partial(2, operations).judge();
        assert_eq!(told(&verdict), [unknown]);
        let message = &verdict.findings[0].message;
        assert!(
            message.ends_with("with 2 errors, whose text cannot be read"),
            "{message}"
        );
    }
    let explained = failed("secrets", "s", "no space");
    let verdict = partial(2, Some(vec![explained])).judge();
    assert_eq!(
        told(&verdict),
        [(ERROR, Cause::RestoreEngine, Some("Secret/s")), unknown]
    );
    assert!(
        verdict.findings[1]
            .message
            .ends_with("and the text of 1 cannot be read")
    );
}

#[test]
fn operations_that_cannot_be_read_beside_other_errors_are_said() {
    let mut seen = partial(2, None);
    seen.outcome.results.errors.velero = Some(vec!["odd".into()]);
    let verdict = seen.judge();
    let not_read = (FindingReason::NotRead.as_str(), Cause::Sandbox, None::<&str>);
    assert_eq!(told(&verdict), [(ERROR, Cause::RestoreEngine, None), not_read]);
    seen.restore.errors = 1;
    assert_eq!(told(&seen.judge()).len(), 1, "nothing else failed");
}
