//! What is to be told of a run, and to whom: a pure function of its report, the operator's own receivers, and the time.
//!
//! The test as it was when the run was made says who is told. `onFailure` is for everything somebody should look at: a
//! result that is not `pass` (a failed check makes it `partial`), what got worse since the previous run, a recovery that
//! took too long where `sla.alertOnExceed` asks for that, and times that the schedule missed. `onSuccess` is for runs that
//! passed. Who is in both lists gets one message.

mod schedule;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kymaros_crds::{NotificationSubject, RestoreReport, RunResult, domain::Test, names};

use super::{
    message::{self, Message},
    receiver::{Defaults, Receiver, Receivers},
};

/// A message that could not be delivered for so long is not sent any more, and one that nobody has begun with by then is
/// not begun: who names a receiver today is not told of last month.
pub const TOO_LATE: SignedDuration = SignedDuration::from_hours(24);

/// A message to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The same for the same message to the same receiver, whoever sends it and however often.
    pub id: String,
    /// What it is about.
    pub subject: NotificationSubject,
    /// When there was something to tell.
    pub since: Timestamp,
    /// To whom.
    pub receiver: Receiver,
    /// What.
    pub message: Message,
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The messages.
    pub notices: Vec<Notice>,
    /// When there may be more to tell though nothing happens.
    pub look_again: Option<Timestamp>,
}

/// Why somebody is told of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The result.
    Ended(RunResult),
    /// The score fell so much.
    PointsLost {
        /// The score before.
        before: i32,
        /// The score now.
        now: i32,
    },
    /// Something else got worse.
    Worse(String),
    /// Recovery took longer than agreed.
    RtoExceeded {
        /// What was measured.
        measured: String,
        /// What was agreed.
        agreed: String,
    },
    /// Planned times passed while the run went on.
    Skipped {
        /// How many.
        times: usize,
        /// The first of them.
        first: Timestamp,
    },
}

impl Reason {
    fn is_success(&self) -> bool {
        *self == Self::Ended(RunResult::Pass)
    }
}

/// Decides. A report whose frozen test cannot be read has nobody to tell; the test itself says what is wrong with it.
#[must_use]
pub fn decide(report: &RestoreReport, defaults: &Defaults, now: Timestamp) -> Due {
    let ended = report.status.as_ref().and_then(|status| {
        let at = status.completed_at.as_ref()?.0;
        Some((at, status.result?))
    });
    // Most reports are old, and reading a test takes its time.
    if ended.is_some_and(|(at, _)| now.duration_since(at) >= TOO_LATE) {
        return Due::default();
    }
    let Some(test) = report
        .spec
        .test
        .as_ref()
        .and_then(|spec| Test::try_from(spec).ok())
    else {
        return Due::default();
    };
    let namespace = report.namespace().unwrap_or_default();
    let receivers = Receivers::of(&test.notifications, &namespace, defaults);
    let mut due = Due::default();
    if let Some((since, message)) = schedule::missed(report, &test, now, &mut due.look_again) {
        for receiver in &receivers.on_failure {
            let notice = notice(
                report,
                NotificationSubject::MissedSchedule,
                since,
                receiver,
                message.clone(),
            );
            due.notices.push(notice);
        }
    }
    let Some((ended, result)) = ended else { return due };
    let reasons = reasons(report, &test, result, ended);
    for receiver in receivers.all() {
        let told: Vec<Reason> = reasons
            .iter()
            .filter(|reason| receivers.list(reason.is_success()).contains(receiver))
            .cloned()
            .collect();
        if told.is_empty() {
            continue;
        }
        let message = message::of_verdict(report, result, &told);
        due.notices.push(notice(
            report,
            NotificationSubject::Verdict,
            ended,
            receiver,
            message,
        ));
    }
    due.notices
        .retain(|notice| now.duration_since(notice.since) < TOO_LATE);
    due
}

fn reasons(report: &RestoreReport, test: &Test, result: RunResult, ended: Timestamp) -> Vec<Reason> {
    let status = report.status.clone().unwrap_or_default();
    let mut reasons = vec![Reason::Ended(result)];
    let before = report.spec.previous.as_ref().map(|previous| previous.score);
    let fell = before
        .zip(result.score(status.score))
        .filter(|(before, now)| crate::verdict::is_fall(*before, *now));
    // The score's own sentence is the first.
    let others = usize::from(fell.is_some());
    reasons.extend(fell.map(|(before, now)| Reason::PointsLost { before, now }));
    reasons.extend(status.regressions.iter().skip(others).cloned().map(Reason::Worse));
    let asked = test.sla.as_ref().is_some_and(|sla| sla.alert_on_exceed);
    if let Some(rto) = status.rto.filter(|rto| asked && !rto.within_sla) {
        reasons.push(Reason::RtoExceeded {
            measured: rto.measured,
            agreed: rto.target.unwrap_or_default(),
        });
    }
    reasons.extend(schedule::skipped(report, test, ended));
    reasons
}

fn notice(
    report: &RestoreReport,
    subject: NotificationSubject,
    since: Timestamp,
    receiver: &Receiver,
    message: Message,
) -> Notice {
    let told = format!("{}\n{subject:?}\n{receiver}", report.uid().unwrap_or_default());
    Notice {
        id: short_hash(&told),
        subject,
        since,
        receiver: receiver.clone(),
        message,
    }
}

/// 128 bits in hexadecimal.
pub(super) fn short_hash(text: &str) -> String {
    names::short_hash(text, 16)
}
