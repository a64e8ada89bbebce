//! When a test runs: a pure function of the test, its runs and the time.

use jiff::Timestamp;
use kymaros_crds::{
    RunPhase, Trigger,
    domain::{Schedule, Test},
    names,
};

/// How long the first run of a new test waits for a policy that `GitOps` has not applied yet.
const POLICY_GRACE: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// Clocks of machines that are in step differ by less. What lies further ahead was written before the clock was set back.
const IN_STEP: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);
/// Missed times that are looked at one by one before the newest is simply taken to be now.
const MAX_MISSED: usize = 1000;

/// One run of a test, as the schedule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The report's name.
    pub name: String,
    /// Where it stands.
    pub phase: RunPhase,
    /// When the report was made.
    pub created: Timestamp,
    /// When it was due.
    pub planned: Timestamp,
    /// When its verdict was given.
    pub ended: Option<Timestamp>,
    /// Sandboxes are kept for people to look at.
    pub keeps_sandboxes: bool,
    /// Somebody is still to be told of it.
    pub untold: bool,
}

/// What is known about a test.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The parsed test.
    pub test: &'a Test,
    /// When the test was created.
    pub created: Timestamp,
    /// Value of the trigger annotation.
    pub trigger: Option<&'a str>,
    /// Its runs, in any order.
    pub runs: &'a [Past],
    /// When the last run ended, as the status remembers; outlives the reports.
    pub last_run: Option<Timestamp>,
    /// The policy it names exists (or it names none).
    pub policy_exists: bool,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Make a run.
    pub start: Option<Start>,
    /// The trigger annotation has been dealt with.
    pub clear_trigger: bool,
    /// The trigger was refused because this run goes on.
    pub refused_by: Option<String>,
    /// Reports beyond the history limit.
    pub forget: Vec<String>,
    /// The next planned time.
    pub next: Option<Timestamp>,
    /// When to look again even if nothing happens.
    pub wake: Option<Timestamp>,
}

/// A run to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Why.
    pub trigger: Trigger,
    /// When it was due.
    pub planned: Timestamp,
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts<'_>, now: Timestamp) -> Decision {
    let mut decision = Decision {
        forget: beyond_history(facts),
        ..Decision::default()
    };
    let schedule = &facts.test.schedule;
    let base = base(facts, now);
    if !facts.test.suspend {
        decision.next = schedule.upcoming(base, now);
    }
    let active = facts.runs.iter().find(|r| r.phase != RunPhase::Completed);
    if facts.trigger.is_some_and(|t| !t.is_empty() && t != "false") {
        decision.clear_trigger = true;
        if let Some(run) = active {
            decision.refused_by = Some(run.name.clone());
        } else {
            let by_api = facts.trigger == Some(names::TRIGGERED_BY_API);
            decision.start = Some(Start {
                trigger: if by_api { Trigger::Api } else { Trigger::Annotation },
                planned: now,
            });
        }
        return decision;
    }
    if facts.test.suspend || active.is_some() {
        return decision;
    }
    let never_ran = facts.runs.is_empty() && facts.last_run.is_none();
    if never_ran {
        let give_up = facts.created.saturating_add(POLICY_GRACE).unwrap_or(now);
        let is_new = !is_ahead(facts.created, now);
        if !facts.policy_exists && is_new && now < give_up {
            decision.wake = Some(give_up);
        } else {
            decision.start = Some(Start {
                trigger: Trigger::Created,
                planned: facts.created,
            });
        }
        return decision;
    }
    match latest_missed(schedule, base, now) {
        Some(planned) => {
            decision.start = Some(Start {
                trigger: Trigger::Schedule,
                planned,
            });
        }
        None => decision.wake = decision.next,
    }
    decision
}

fn is_ahead(moment: Timestamp, now: Timestamp) -> bool {
    moment.duration_since(now) > IN_STEP
}

/// The moment the next run is counted from. A time that passed while a run went on is skipped; one that passed while
/// the operator was away is not. It is never far ahead: a clock that was wrong once must not keep a test from running.
fn base(facts: &Facts<'_>, now: Timestamp) -> Timestamp {
    let ended = facts
        .runs
        .iter()
        .map(|r| r.ended.unwrap_or(r.created).max(r.planned));
    ended
        .chain(facts.last_run)
        .chain([facts.created])
        .max()
        .filter(|moment| !is_ahead(*moment, now))
        .unwrap_or(now)
}

/// The newest planned time that has passed; of several missed ones only the last is made up for.
fn latest_missed(schedule: &Schedule, base: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let mut due = schedule.next_after(base).filter(|t| *t <= now)?;
    for _ in 0..MAX_MISSED {
        match schedule.next_after(due).filter(|t| *t <= now) {
            Some(next) => due = next,
            None => return Some(due),
        }
    }
    Some(now)
}

/// Finished reports beyond the history limit, oldest first; never one that still keeps sandboxes, or that somebody is still
/// to be told of.
fn beyond_history(facts: &Facts<'_>) -> Vec<String> {
    let mut finished: Vec<&Past> = facts
        .runs
        .iter()
        .filter(|r| r.phase == RunPhase::Completed && !r.keeps_sandboxes && !r.untold)
        .collect();
    finished.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    let limit = facts.test.history_limit as usize;
    let excess = finished.len().saturating_sub(limit);
    finished
        .into_iter()
        .take(excess)
        .map(|r| r.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymaros_crds::RestoreTestSpec;

    fn test(cron: &str, suspend: bool) -> Test {
        let spec: RestoreTestSpec = serde_json::from_value(serde_json::json!({
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": cron }, "suspend": suspend, "historyLimit": 2, "sandbox": {},
        }))
        .unwrap();
        Test::try_from(&spec).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-03-01T{text}Z").parse().unwrap()
    }

    fn run(name: &str, planned: &str, phase: RunPhase) -> Past {
        Past {
            name: name.into(),
            phase,
            created: at(planned),
            planned: at(planned),
            ended: Some(at(planned)),
            keeps_sandboxes: false,
            untold: false,
        }
    }

    fn facts<'a>(test: &'a Test, runs: &'a [Past]) -> Facts<'a> {
        Facts {
            test,
            created: at("00:00:00"),
            trigger: None,
            runs,
            last_run: None,
            policy_exists: true,
        }
    }

    #[test]
    fn a_new_test_runs_at_once_unless_suspended() {
        let daily = test("0 3 * * *", false);
        let decision = decide(&facts(&daily, &[]), at("00:00:01"));
        assert_eq!(decision.start.unwrap().trigger, Trigger::Created);
        let suspended = test("0 3 * * *", true);
        let decision = decide(&facts(&suspended, &[]), at("00:00:01"));
        assert_eq!((decision.start, decision.next), (None, None));
    }

    #[test]
    fn a_new_test_waits_a_moment_for_its_policy() {
        let daily = test("0 3 * * *", false);
        let facts = Facts {
            policy_exists: false,
            ..facts(&daily, &[])
        };
        assert_eq!(decide(&facts, at("00:00:01")).start, None);
        assert_eq!(decide(&facts, at("00:00:01")).wake, Some(at("00:00:10")));
        assert!(decide(&facts, at("00:00:10")).start.is_some());
    }

    #[test]
    fn runs_when_due_and_makes_up_for_the_last_missed_time_only() {
        let hourly = test("0 * * * *", false);
        let runs = [run("a", "00:00:00", RunPhase::Completed)];
        let early = decide(&facts(&hourly, &runs), at("00:59:59"));
        assert_eq!((early.start, early.wake), (None, Some(at("01:00:00"))));
        let late = decide(&facts(&hourly, &runs), at("03:30:00")).start.unwrap();
        assert_eq!((late.trigger, late.planned), (Trigger::Schedule, at("03:00:00")));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_test_from_running() {
        let hourly = test("0 * * * *", false);
        let runs = [run("a", "20:00:00", RunPhase::Completed)];
        let decision = decide(&facts(&hourly, &runs), at("01:30:00"));
        assert_eq!((decision.start, decision.wake), (None, Some(at("02:00:00"))));
        let nearly = decide(&facts(&hourly, &runs), at("19:59:59"));
        assert_eq!(
            (nearly.start, nearly.wake),
            (None, Some(at("21:00:00"))),
            "another machine may be a little behind, and nothing runs twice"
        );
        let new = Facts {
            created: at("20:00:00"),
            policy_exists: false,
            ..facts(&hourly, &[])
        };
        assert!(decide(&new, at("01:30:00")).start.is_some());
    }

    #[test]
    fn a_time_that_passed_during_a_run_is_skipped() {
        let hourly = test("0 * * * *", false);
        let mut long = run("a", "00:00:00", RunPhase::Restoring);
        long.ended = None;
        assert_eq!(
            decide(&facts(&hourly, &[long.clone()]), at("01:10:00")).start,
            None
        );
        long.phase = RunPhase::Completed;
        long.ended = Some(at("01:20:00"));
        let after = decide(&facts(&hourly, &[long]), at("01:21:00"));
        assert_eq!((after.start, after.wake), (None, Some(at("02:00:00"))));
    }

    #[test]
    fn a_trigger_is_refused_while_a_run_goes_on() {
        let daily = test("0 3 * * *", true);
        let runs = [run("a", "00:00:00", RunPhase::Checking)];
        let refused = decide(
            &Facts {
                trigger: Some("now"),
                ..facts(&daily, &runs)
            },
            at("01:00:00"),
        );
        assert_eq!((refused.start, refused.refused_by.as_deref()), (None, Some("a")));
        assert!(refused.clear_trigger);
        let runs = [run("a", "00:00:00", RunPhase::Completed)];
        let taken = decide(
            &Facts {
                trigger: Some("yes"),
                ..facts(&daily, &runs)
            },
            at("01:00:00"),
        );
        assert_eq!(taken.start.unwrap().trigger, Trigger::Annotation);
        let by_api = Facts {
            trigger: Some(names::TRIGGERED_BY_API),
            ..facts(&daily, &runs)
        };
        assert_eq!(
            decide(&by_api, at("01:00:00")).start.unwrap().trigger,
            Trigger::Api
        );
        for nothing in ["", "false"] {
            let facts = Facts {
                trigger: Some(nothing),
                ..facts(&daily, &runs)
            };
            assert_eq!(decide(&facts, at("01:00:00")).start, None, "{nothing:?}");
        }
    }

    #[test]
    fn history_keeps_the_newest_and_what_people_look_at_or_are_to_be_told_of() {
        let daily = test("0 3 * * *", false);
        let mut runs: Vec<_> = ["00:01:00", "00:02:00", "00:03:00", "00:04:00"]
            .iter()
            .map(|t| run(t, t, RunPhase::Completed))
            .collect();
        runs[0].keeps_sandboxes = true;
        assert_eq!(decide(&facts(&daily, &runs), at("01:00:00")).forget, ["00:02:00"]);
        runs[1].untold = true;
        assert!(decide(&facts(&daily, &runs), at("01:00:00")).forget.is_empty());
    }
}
