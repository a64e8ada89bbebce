//! Times that the schedule missed.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kymaros_crds::{RestoreReport, Trigger, domain::Test};

use super::Reason;
use crate::notify::message::{self, Message};

/// A run may wait for its turn at Velero for so long before it counts as missed.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// Skipped times that are counted.
const MOST: usize = 1000;

/// The run did not begin within an hour after it was due, or before its test was due again: the operator was away, or
/// others had Velero. Says when that was, and otherwise when to look again.
pub(super) fn missed(
    report: &RestoreReport,
    test: &Test,
    now: Timestamp,
    look_again: &mut Option<Timestamp>,
) -> Option<(Timestamp, Message)> {
    let planned = planned(report)?;
    let next = test.schedule.next_after(planned);
    let patience = planned.saturating_add(PATIENCE).unwrap_or(planned);
    let limit = next.map_or(patience, |next| next.min(patience));
    let status = report.status.as_ref();
    let begun = status
        .and_then(|status| status.started_at.as_ref())
        .map(|at| at.0);
    match begun {
        Some(begun) if begun > limit => Some((limit, message::of_missed(report, planned, Some(begun)))),
        Some(_) => None,
        None if now >= limit => Some((limit, message::of_missed(report, planned, None))),
        None => {
            *look_again = Some(limit);
            None
        }
    }
}

/// Planned times that passed while the run went on are not made up for.
pub(super) fn skipped(report: &RestoreReport, test: &Test, ended: Timestamp) -> Option<Reason> {
    let planned = planned(report)?;
    // One that was made up for counts from when it was made.
    let begun = report
        .creation_timestamp()
        .map_or(planned, |made| made.0.max(planned));
    let times = std::iter::successors(test.schedule.next_after(begun), |time| {
        test.schedule.next_after(*time)
    });
    let mut skipped = times.take_while(|time| *time <= ended).take(MOST);
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
