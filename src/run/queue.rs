//! The queue: Velero restores one at a time, so runs start one at a time, in the order they were planned.

use jiff::Timestamp;
use kymaros_crds::RunPhase;

/// What the queue knows of one unfinished run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The run's UID.
    pub uid: String,
    /// The run's name.
    pub run: String,
    /// When it was due.
    pub planned: Timestamp,
    /// Where it stands.
    pub phase: RunPhase,
}

/// Where one run stands among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueuePlace {
    /// It may go on to Velero.
    Turn,
    /// It waits; 1 is next.
    Waiting {
        /// Position among the waiting.
        position: usize,
        /// What it waits for, in words.
        reason: String,
    },
}

/// Finds the place of a run among all unfinished runs, itself included.
///
/// `held` is why no run may go to Velero now, in words; it also calls back a run that has not been there yet.
/// `concurrent` is how many runs may have sandboxes at once.
#[must_use]
pub fn place(uid: &str, entries: &[Entry], held: Option<String>, concurrent: usize) -> QueuePlace {
    let mut waiting: Vec<&Entry> = entries.iter().filter(|e| e.phase == RunPhase::Queued).collect();
    waiting.sort_by(|a, b| (a.planned, &a.uid).cmp(&(b.planned, &b.uid)));
    let Some(index) = waiting.iter().position(|e| e.uid == uid) else {
        // It has left the queue.
        return match held {
            Some(reason) => QueuePlace::Waiting { position: 1, reason },
            None => QueuePlace::Turn,
        };
    };
    let wait = |reason| QueuePlace::Waiting {
        position: index + 1,
        reason,
    };
    if let Some(reason) = held {
        return wait(reason);
    }
    let at_velero = entries
        .iter()
        .find(|e| matches!(e.phase, RunPhase::Preparing | RunPhase::Restoring));
    if let Some(busy) = at_velero {
        return wait(format!("Velero restores run {}", busy.run));
    }
    if index > 0 {
        return wait(format!("run {} is before it", waiting[0].run));
    }
    let holding = entries.iter().filter(|e| holds_sandboxes(e.phase)).count();
    if holding >= concurrent {
        return wait(format!(
            "{holding} runs have sandboxes, the limit is {concurrent}"
        ));
    }
    QueuePlace::Turn
}

fn holds_sandboxes(phase: RunPhase) -> bool {
    use RunPhase::{Checking, CleaningUp, Completed, Judging, Preparing, Queued, Restoring, Starting};
    match phase {
        Preparing | Restoring | Starting | Checking | Judging | CleaningUp => true,
        Queued | Completed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uid: &str, second: i64, phase: RunPhase) -> Entry {
        Entry {
            uid: uid.into(),
            run: format!("run-{uid}"),
            planned: Timestamp::from_second(second).unwrap(),
            phase,
        }
    }

    fn position(place: &QueuePlace) -> usize {
        match place {
            QueuePlace::Turn => 0,
            QueuePlace::Waiting { position, .. } => *position,
        }
    }

    #[test]
    fn the_earliest_planned_goes_first_whoever_asks() {
        let entries = [entry("b", 2, RunPhase::Queued), entry("a", 1, RunPhase::Queued)];
        assert_eq!(place("a", &entries, None, 5), QueuePlace::Turn);
        assert_eq!(position(&place("b", &entries, None, 5)), 2);
    }

    #[test]
    fn one_at_velero_at_a_time_and_later_phases_overlap() {
        for (phase, goes) in [
            (RunPhase::Preparing, false),
            (RunPhase::Restoring, false),
            (RunPhase::Starting, true),
            (RunPhase::CleaningUp, true),
        ] {
            let entries = [entry("old", 0, phase), entry("new", 1, RunPhase::Queued)];
            assert_eq!(
                place("new", &entries, None, 5) == QueuePlace::Turn,
                goes,
                "{phase:?}"
            );
        }
    }

    #[test]
    fn the_number_of_sandboxes_is_limited() {
        let entries = [
            entry("old", 0, RunPhase::Checking),
            entry("new", 1, RunPhase::Queued),
        ];
        assert_eq!(position(&place("new", &entries, None, 1)), 1);
        assert_eq!(place("new", &entries, None, 2), QueuePlace::Turn);
    }

    #[test]
    fn what_holds_the_queue_holds_everybody_who_has_not_reached_velero() {
        let held = || Some("restore recover-prod goes first".to_owned());
        for phase in [RunPhase::Queued, RunPhase::Preparing] {
            let QueuePlace::Waiting { reason, .. } = place("a", &[entry("a", 1, phase)], held(), 5) else {
                panic!("must wait")
            };
            assert!(reason.contains("recover-prod"));
        }
    }
}
