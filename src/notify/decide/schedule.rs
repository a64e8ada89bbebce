//! Times that the schedule missed.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kymaros_crds::{MissedTimes, RestoreReport, Trigger, domain::Test};

use super::Reason;
use crate::notify::message::{self, Message};

/// A run may wait for its turn at Velero for so long before it counts as missed.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The run did not begin within an hour after it was due, or before its test was due again, or times before it got no run at
/// all: the operator was away, or others had Velero. Says since when there is something to tell, and otherwise when to look again.
pub(super) fn missed(
    report: &RestoreReport,
    test: &Test,
    now: Timestamp,
    look_again: &mut Option<Timestamp>,
) -> Option<(Timestamp, Message)> {
    let status = report.status.as_ref();
    let begun = status
        .and_then(|status| status.started_at.as_ref())
        .map(|at| at.0);
    let planned = planned(report).map(|planned| (planned, limit(test, planned)));
    // A receiver is told once, of both.
    if let (None, Some((_, limit))) = (begun, planned)
        && now < limit
    {
        *look_again = Some(limit);
        return None;
    }
    let late = planned.filter(|(_, limit)| begun.is_none_or(|begun| begun > *limit));
    let before = report.spec.missed.as_ref();
    if late.is_none() && before.is_none() {
        return None;
    }
    // What was due before the report was made could not be told before.
    let made = report.creation_timestamp().map(|at| at.0);
    let since = late.map(|(_, limit)| limit).max(made)?;
    let late = late.map(|(planned, _)| (planned, begun));
    Some((since, message::of_missed(report, before, late)))
}

/// Until when a run that was due may begin.
fn limit(test: &Test, planned: Timestamp) -> Timestamp {
    let patience = planned.saturating_add(PATIENCE).unwrap_or(planned);
    let next = test.schedule.next_after(planned);
    next.map_or(patience, |next| next.min(patience))
}

/// Planned times that passed while the run went on, whyever it was made, are not made up for.
pub(super) fn skipped(report: &RestoreReport, test: &Test, ended: Timestamp) -> Option<Reason> {
    if test.suspend {
        return None;
    }
    let due = report.spec.scheduled_for.as_ref().map(|at| at.0);
    // The first run of a test stands for the moment when that was made, which may be long ago. Any other one is for a time by
    // the operator's own clock, up to which nothing is left out in silence.
    let begun = match report.spec.trigger {
        Some(Trigger::Created) => report.creation_timestamp().map(|made| made.0).max(due),
        _ => due,
    };
    let times = std::iter::successors(test.schedule.next_after(begun?), |time| {
        test.schedule.next_after(*time)
    });
    let mut skipped = times.take_while(|time| *time <= ended).take(MissedTimes::MOST);
    let first = skipped.next()?;
    Some(Reason::Skipped {
        times: skipped.count() + 1,
        first,
    })
}

/// When a run of the schedule was due; nobody waits for the others.
fn planned(report: &RestoreReport) -> Option<Timestamp> {
    let is_planned = report.spec.trigger == Some(Trigger::Schedule);
    report
        .spec
        .scheduled_for
        .as_ref()
        .filter(|_| is_planned)
        .map(|at| at.0)
}
