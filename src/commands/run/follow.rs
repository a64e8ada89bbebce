//! What is said of a run that is followed, from one look at it to the next: a pure function.

use std::time::Duration;

use jiff::Timestamp;
use kube::{ResourceExt, runtime::events::EventType};
use kymaros_crds::{RestoreReport, RunPhase, domain::duration};

use crate::{
    report::{
        plain,
        style::{BAD, DOUBT, FAINT, GOOD, paint},
    },
    run::{events, observe},
};

/// Lines for what changed. Times are counted from the first second of the run.
pub(super) fn lines(old: &RestoreReport, new: &RestoreReport, now: Timestamp) -> Vec<String> {
    let begun = new.creation_timestamp().map_or(now, |time| time.0);
    let seconds = now.duration_since(begun).as_secs_f64().max(0.0);
    let (before, status) = (
        old.status.clone().unwrap_or_default(),
        new.status.clone().unwrap_or_default(),
    );
    let mut lines = Vec::new();
    if let Some(queue) = status
        .queue
        .as_ref()
        .filter(|queue| before.queue.as_ref() != Some(queue))
    {
        let note = format!("number {} in the queue: {}", queue.position, queue.reason);
        lines.push(line(seconds, &paint(FAINT, format!("{:<12}", "Queued")), &note));
    }
    for event in events::between(&before, &status) {
        let style = match (event.type_, event.reason.as_str()) {
            (EventType::Warning, "Judged") => BAD,
            (EventType::Warning, _) => DOUBT,
            (EventType::Normal, "Judged") => GOOD,
            (EventType::Normal, _) => FAINT,
        };
        let reason = paint(style, format!("{:<12}", event.reason));
        lines.push(line(seconds, &reason, event.note.as_deref().unwrap_or_default()));
    }
    lines
}

fn line(seconds: f64, what: &str, note: &str) -> String {
    format!("{seconds:>7.1}s  {what} {}", plain(note))
}

/// Where a run stands, in a few words.
pub(super) fn standing(report: &RestoreReport) -> String {
    let status = report.status.as_ref();
    let phase = observe::phase(report);
    let queue = status.and_then(|status| status.queue.as_ref());
    match queue.filter(|_| phase == RunPhase::Queued) {
        Some(queue) => format!("Queued: {}", plain(&queue.reason)),
        None => format!("{phase:?}"),
    }
}

/// Nothing new has come of a run for so long.
pub(super) fn silence(report: &RestoreReport, span: Duration) -> String {
    format!(
        "nothing new for {} ({}); if that goes on, see whether the operator runs",
        duration::format(Duration::from_secs(span.as_secs())),
        standing(report)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn report(status: Value) -> RestoreReport {
        let mut report: RestoreReport = serde_json::from_value(json!({
            "metadata": { "name": "shop-1", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "testRef": "shop" },
        }))
        .unwrap();
        report.status = serde_json::from_value(status).unwrap();
        report
    }

    fn plain(old: Value, new: Value) -> Vec<String> {
        let now = "2026-01-01T00:00:12.5Z".parse().unwrap();
        let lines = lines(&report(old), &report(new), now);
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string();
        lines.iter().map(strip).collect()
    }

    #[test]
    fn each_change_is_said_once() {
        let queued =
            json!({ "phase": "Queued", "queue": { "position": 2, "reason": "Velero restores shop-0" } });
        let none = json!({});
        assert_eq!(
            plain(none, queued.clone()),
            [
                "   12.5s  Queued       number 2 in the queue: Velero restores shop-0",
                "   12.5s  Queued       waits for its turn at Velero",
            ]
        );
        assert!(plain(queued.clone(), queued.clone()).is_empty());
        let judged = json!({
            "phase": "CleaningUp", "result": "fail", "score": 50, "message": "50/100, fail: no data",
            "findings": [{ "level": "run", "severity": "error", "cause": "backup",
                           "reason": "VolumeWithoutData", "message": "no\u{1b}]0;mine\u{7}data" }],
            "sandboxes": [{ "source": "shop", "name": "rp-test-shop-abc" }],
        });
        assert_eq!(
            plain(queued, judged),
            [
                "   12.5s  Finding      no ]0;mine data (VolumeWithoutData, cause Backup)",
                "   12.5s  Judged       50/100, fail: no data",
                "   12.5s  CleaningUp   removes rp-test-shop-abc",
            ]
        );
    }

    #[test]
    fn a_run_that_waits_says_what_for() {
        let waits =
            json!({ "phase": "Queued", "queue": { "position": 1, "reason": "Velero restores other" } });
        assert_eq!(standing(&report(waits)), "Queued: Velero restores other");
        assert_eq!(standing(&report(json!({ "phase": "Checking" }))), "Checking");
        assert_eq!(standing(&report(json!(null))), "Queued");
    }

    #[test]
    fn a_run_of_which_nothing_comes_says_where_it_stands() {
        let said = silence(
            &report(json!({ "phase": "Restoring" })),
            Duration::from_millis(120_400),
        );
        assert_eq!(
            said,
            "nothing new for 2m (Restoring); if that goes on, see whether the operator runs"
        );
    }
}
