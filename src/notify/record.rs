//! What becomes of each message: kept in the report's status, by one writer, so that it outlives the process.
//!
//! A message is claimed in the report before it is sent, and the claim is refused when anybody wrote first: two senders
//! never have the same message at the same time. After the answer of the receiver the outcome is written. A process that
//! ends between the two leaves a claim behind, and the message is sent again when that runs out. Then, and when it answers too
//! late, a receiver sees it twice, with the same id. Pure functions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use kymaros_crds::{NotificationState, NotificationStatus, NotificationSubject};

use super::decide::{Due, Notice, TOO_LATE, short_hash};
use crate::{condition, reason::ConditionReason};

/// How long a claim holds: longer than an attempt may take.
const CLAIM: SignedDuration = SignedDuration::from_secs(30);
/// Pause after the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// Longest pause that a receiver may ask for.
const LONGEST_WISH: Duration = Duration::from_hours(1);
/// Longest error that is kept, characters.
const MOST: usize = 400;
/// Type of the condition on the report.
const NOTIFIED: &str = "Notified";

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The records as they are to be written before anything is sent.
    pub records: Vec<NotificationStatus>,
    /// What is to be sent after that.
    pub send: Vec<Notice>,
    /// When to look again even if nothing happens.
    pub wake: Option<Timestamp>,
}

/// Decides from what is recorded and what is due. Who is told of a subject is settled when it is first recorded.
#[must_use]
pub fn next(records: &[NotificationStatus], due: &Due, now: Timestamp) -> Step {
    let mut step = Step {
        records: records.to_vec(),
        send: Vec::new(),
        wake: due.look_again,
    };
    for notice in &due.notices {
        if !records
            .iter()
            .any(|record| record.subject == Some(notice.subject))
        {
            step.records.push(new(notice));
        }
    }
    for record in &mut step.records {
        if !is_open(record) {
            continue;
        }
        let Some(notice) = due.notices.iter().find(|notice| notice.id == record.id) else {
            let why = "it could not be told in time, or is no longer a receiver of the operator's own";
            give_up(record, why);
            continue;
        };
        let later = record.next_attempt.as_ref().map(|at| at.0).filter(|at| *at > now);
        if let Some(later) = later {
            step.wake = Some(step.wake.map_or(later, |wake| wake.min(later)));
            continue;
        }
        record.state = Some(NotificationState::Sending);
        record.attempts = record.attempts.saturating_add(1);
        record.next_attempt = now.checked_add(CLAIM).ok().map(MicroTime);
        step.send.push(notice.clone());
    }
    step
}

/// Whether somebody is still to be told.
#[must_use]
pub fn is_open(record: &NotificationStatus) -> bool {
    !matches!(
        record.state,
        Some(NotificationState::Delivered | NotificationState::Failed)
    )
}

fn new(notice: &Notice) -> NotificationStatus {
    NotificationStatus {
        id: notice.id.clone(),
        subject: Some(notice.subject),
        receiver: notice.receiver.to_string(),
        state: Some(NotificationState::Pending),
        ..NotificationStatus::default()
    }
}

/// The receiver took it.
pub fn delivered(record: &mut NotificationStatus, now: Timestamp) {
    record.state = Some(NotificationState::Delivered);
    record.delivered_at = Some(MicroTime(now));
    record.next_attempt = None;
    record.error = None;
}

/// The receiver did not take it: again after a pause, unless it is too late by then.
pub fn refused(
    record: &mut NotificationStatus,
    since: Timestamp,
    error: &str,
    wish: Option<Duration>,
    now: Timestamp,
) {
    let pause = pause(&record.id, record.attempts).max(wish.unwrap_or_default().min(LONGEST_WISH));
    let again = SignedDuration::try_from(pause)
        .ok()
        .and_then(|pause| now.checked_add(pause).ok());
    match again.filter(|again| again.duration_since(since) < TOO_LATE) {
        Some(again) => {
            record.state = Some(NotificationState::Pending);
            record.next_attempt = Some(MicroTime(again));
            record.error = Some(error.chars().take(MOST).collect());
        }
        None => give_up(record, error),
    }
}

fn give_up(record: &mut NotificationStatus, error: &str) {
    record.state = Some(NotificationState::Failed);
    record.next_attempt = None;
    // The last thing that a receiver said helps more than that it is too late.
    record
        .error
        .get_or_insert_with(|| error.chars().take(MOST).collect());
}

/// Doubles, and differs by message and attempt, so that a receiver that comes back is not met by all at once.
fn pause(id: &str, attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    let whole = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    let hash = short_hash(&format!("{id}{attempts}"));
    let byte = u8::from_str_radix(hash.get(..2).unwrap_or_default(), 16).unwrap_or_default();
    whole.mul_f64(0.5 + f64::from(byte) / 512.0)
}

/// Says on the report whether everybody has been told.
pub fn condition(conditions: &mut Vec<Condition>, records: &[NotificationStatus], generation: Option<i64>) {
    let troubled = records.iter().find(|record| record.error.is_some());
    let waiting = records.iter().filter(|record| is_open(record)).count();
    let set = |conditions, status, reason, message: &str| {
        let reason = ConditionReason::as_str(reason);
        condition::set(conditions, NOTIFIED, status, reason, message, generation);
    };
    match troubled {
        Some(record) => {
            let reason = if is_open(record) {
                ConditionReason::Retrying
            } else {
                ConditionReason::GaveUp
            };
            let error = record.error.as_deref().unwrap_or_default();
            set(
                conditions,
                false,
                reason,
                &format!("{}: {error}", record.receiver),
            );
        }
        None if waiting > 0 => set(
            conditions,
            false,
            ConditionReason::Sending,
            &format!("{waiting} of {} have not been told yet", records.len()),
        ),
        None if records.is_empty() => {}
        None => {
            let all: Vec<&str> = records.iter().map(|record| record.receiver.as_str()).collect();
            set(conditions, true, ConditionReason::Delivered, &all.join(", "));
        }
    }
}

/// The record of a message.
pub fn of<'a>(records: &'a mut [NotificationStatus], id: &str) -> Option<&'a mut NotificationStatus> {
    records.iter_mut().find(|record| record.id == id)
}

/// What a subject is called in events.
#[must_use]
pub const fn subject_name(subject: NotificationSubject) -> &'static str {
    match subject {
        NotificationSubject::Verdict => "the verdict",
        NotificationSubject::MissedSchedule => "the missed schedule",
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::NotificationType;

    use super::*;
    use crate::notify::{
        message,
        receiver::{Receiver, SecretName},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn notice(id: &str, subject: NotificationSubject) -> Notice {
        Notice {
            id: id.to_owned(),
            subject,
            since: at(0),
            receiver: Receiver {
                type_: NotificationType::Webhook,
                channel: None,
                secret: Some(SecretName {
                    namespace: "ops".to_owned(),
                    name: id.to_owned(),
                }),
            },
            message: message::of_test("ops"),
        }
    }

    fn due(ids: &[&str]) -> Due {
        Due {
            notices: ids
                .iter()
                .map(|id| notice(id, NotificationSubject::Verdict))
                .collect(),
            look_again: None,
        }
    }

    fn states(records: &[NotificationStatus]) -> Vec<NotificationState> {
        records.iter().filter_map(|record| record.state).collect()
    }

    #[test]
    fn a_message_is_claimed_before_it_is_sent_and_again_only_when_the_claim_runs_out() {
        use NotificationState::{Delivered, Sending};
        let first = next(&[], &due(&["a", "b"]), at(0));
        assert_eq!(states(&first.records), [Sending, Sending]);
        assert_eq!(first.send.len(), 2);
        let meanwhile = next(&first.records, &due(&["a", "b"]), at(29));
        assert_eq!((meanwhile.send.len(), meanwhile.wake), (0, Some(at(30))));
        let mut records = first.records;
        delivered(&mut records[0], at(1));
        let after = next(&records, &due(&["a", "b"]), at(30));
        assert_eq!(states(&after.records), [Delivered, Sending]);
        assert_eq!((after.send.len(), after.records[1].attempts), (1, 2));
    }

    #[test]
    fn pauses_grow_and_end_after_a_day() {
        let mut record = next(&[], &due(&["a"]), at(0)).records.remove(0);
        let mut now = at(0);
        let mut pauses = Vec::new();
        while is_open(&record) {
            refused(&mut record, at(0), "no answer", None, now);
            if let Some(again) = record.next_attempt.clone() {
                pauses.push(again.0.duration_since(now).as_secs_f64());
                now = again.0;
                let step = next(&[record], &due(&["a"]), now);
                assert_eq!(step.send.len(), 1);
                record = step.records.into_iter().next().unwrap();
            }
        }
        assert!(
            (2.5..5.0).contains(&pauses[0]) && (5.0..10.0).contains(&pauses[1]),
            "{pauses:?}"
        );
        assert!(pauses.iter().all(|pause| *pause < 900.0));
        assert!((90..250).contains(&pauses.len()), "{}", pauses.len());
        assert!(now.duration_since(at(0)) > SignedDuration::from_hours(23));
        assert_eq!(record.state, Some(NotificationState::Failed));
        assert_eq!(record.error.as_deref(), Some("no answer"));
    }

    #[test]
    fn two_messages_do_not_come_back_together() {
        assert_ne!(pause("a", 5), pause("b", 5));
    }

    #[test]
    fn what_a_receiver_wishes_is_granted_up_to_an_hour() {
        let wait = |wish| {
            let mut record = next(&[], &due(&["a"]), at(0)).records.remove(0);
            refused(&mut record, at(0), "busy", Some(Duration::from_secs(wish)), at(0));
            record.next_attempt.unwrap().0.duration_since(at(0)).as_secs()
        };
        assert_eq!((wait(60), wait(100_000)), (60, 3600));
    }

    #[test]
    fn who_is_told_is_settled_when_it_is_first_recorded() {
        let first = next(&[], &due(&["a"]), at(0));
        let more = next(&first.records, &due(&["a", "new"]), at(1));
        assert_eq!(more.records.len(), 1);
        let mut other = due(&["a"]);
        other
            .notices
            .push(notice("late", NotificationSubject::MissedSchedule));
        let later = next(&first.records, &other, at(1));
        assert_eq!(later.send.len(), 1, "another subject is told of by itself");
        let fewer = next(&first.records, &due(&[]), at(31));
        assert_eq!(states(&fewer.records), [NotificationState::Failed]);
    }

    #[test]
    fn the_condition_says_who_could_not_be_told_and_why() {
        let mut records = next(&[], &due(&["a", "b"]), at(0)).records;
        let said = |records: &[NotificationStatus]| {
            let mut conditions = Vec::new();
            condition(&mut conditions, records, None);
            conditions
                .pop()
                .map(|c| (c.status, c.reason, c.message))
                .unwrap_or_default()
        };
        assert_eq!(said(&[]), <(String, String, String)>::default());
        assert_eq!(said(&records).2, "2 of 2 have not been told yet");
        delivered(&mut records[0], at(1));
        refused(&mut records[1], at(0), "no answer", None, at(1));
        let (status, reason, message) = said(&records);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "Retrying"));
        assert_eq!(message, "webhook by Secret ops/b: no answer");
        delivered(&mut records[1], at(2));
        assert_eq!(said(&records).0, "True");
    }
}
