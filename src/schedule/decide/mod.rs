//! When a test runs: a pure function of the test, its runs and the time.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use kymaros_crds::{
    MissedTimes, RunPhase, Trigger,
    domain::{Schedule, Test},
    names,
};

/// How long the first run of a new test waits for a policy that `GitOps` has not applied yet.
const POLICY_GRACE: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// Clocks of machines that are in step differ by less. What lies further ahead was written before the clock was set back.
const IN_STEP: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);
/// What a clock is set by when it is set right while the cluster is used is less.
const FAR: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

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
    /// When it would have been over at the latest, had the operator been there: its begin and its timeout.
    pub at_most: Option<Timestamp>,
    /// Sandboxes are kept for people to look at.
    pub keeps_sandboxes: bool,
    /// Somebody is still to be told of it.
    pub untold: bool,
}

impl Past {
    /// When it was due, and when it was over. A time that passed while a run went on is skipped; one that passed while the
    /// operator was away is not, be it that a run was under way when it went.
    fn moments(&self) -> [Timestamp; 2] {
        let ended = self.ended.unwrap_or(self.created);
        let over = self.at_most.map_or(ended, |at_most| ended.min(at_most));
        [self.planned, over]
    }
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
    /// The schedule was followed as it is now; else nothing was planned before this moment.
    pub followed: bool,
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
    /// Planned times before it that passed without a run.
    pub missed: Option<Missed>,
}

/// Planned times that passed without a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many, as far as they are counted.
    pub times: i32,
    /// The first of them.
    pub first: Timestamp,
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts<'_>, now: Timestamp) -> Decision {
    let mut decision = Decision {
        forget: beyond_history(facts, now),
        ..Decision::default()
    };
    let schedule = &facts.test.schedule;
    let base = base(facts, now);
    let due = || match base {
        Some(base) => Due::by(now, schedule, base),
        None => Due::just_now(now, schedule),
    };
    // Times that passed by a clock that was ahead were not missed: how many there were, nobody can tell.
    let tells_missed = facts.followed && !moments(facts).any(|moment| is_ahead(moment, now));
    if !facts.test.suspend {
        decision.next = schedule.upcoming(base.unwrap_or(Timestamp::UNIX_EPOCH), now);
    }
    let active = facts.runs.iter().find(|r| r.phase != RunPhase::Completed);
    if facts.trigger.is_some_and(|t| !t.is_empty() && t != "false") {
        decision.clear_trigger = true;
        if let Some(run) = active {
            decision.refused_by = Some(run.name.clone());
        } else {
            let by_api = facts.trigger == Some(names::TRIGGERED_BY_API);
            let due = due().filter(|_| tells_missed && !facts.test.suspend);
            decision.start = Some(Start {
                trigger: if by_api { Trigger::Api } else { Trigger::Annotation },
                planned: now,
                // The next planned time is counted from this run, so that nothing makes up for them.
                missed: due.and_then(|due| due.missed(0)),
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
                missed: None,
            });
        }
        return decision;
    }
    match due() {
        Some(due) => {
            decision.start = Some(Start {
                trigger: Trigger::Schedule,
                planned: due.newest,
                missed: due.missed(1).filter(|_| tells_missed),
            });
        }
        None => decision.wake = decision.next,
    }
    decision
}

fn is_ahead(moment: Timestamp, now: Timestamp) -> bool {
    moment.duration_since(now) > IN_STEP
}

/// The moment the next run is counted from. What lies ahead says nothing: a clock that was wrong once must not keep a test
/// from running. `None`: everything does.
fn base(facts: &Facts<'_>, now: Timestamp) -> Option<Timestamp> {
    moments(facts).filter(|moment| !is_ahead(*moment, now)).max()
}

/// What is remembered of when a test ran, and when it was made.
fn moments(facts: &Facts<'_>) -> impl Iterator<Item = Timestamp> {
    // Of a run whose report is there, the report tells more.
    let is_told = |last: &Timestamp| {
        facts
            .runs
            .iter()
            .any(|r| r.ended.is_some_and(|ended| ended >= *last))
    };
    facts
        .runs
        .iter()
        .flat_map(Past::moments)
        .chain(facts.last_run.filter(|last| !is_told(last)))
        .chain([facts.created])
}

/// Planned times that have passed. Only the newest is made up for.
#[derive(Clone, Copy)]
struct Due {
    first: Timestamp,
    newest: Timestamp,
    times: usize,
}

impl Due {
    fn by(now: Timestamp, schedule: &Schedule, base: Timestamp) -> Option<Self> {
        let after = |moment| schedule.next_after(moment).filter(|t| *t <= now);
        let first = after(base)?;
        let mut due = Self {
            first,
            newest: first,
            times: 1,
        };
        while let Some(next) = after(due.newest) {
            if due.times > MissedTimes::MOST {
                // They are not looked at one by one for ever.
                due.newest = now;
                break;
            }
            due.newest = next;
            due.times += 1;
        }
        Some(due)
    }

    /// Where nothing tells what has run: a time that is planned for this very moment, and nothing before it. Intervals are
    /// counted from a moment that stays the same.
    fn just_now(now: Timestamp, schedule: &Schedule) -> Option<Self> {
        let before = now.checked_sub(IN_STEP).unwrap_or(now);
        let planned = schedule.upcoming(Timestamp::UNIX_EPOCH, before)?;
        (planned <= now).then_some(Self {
            first: planned,
            newest: planned,
            times: 1,
        })
    }

    /// Those of them that get no run, when so many get one.
    fn missed(self, made_up_for: usize) -> Option<Missed> {
        let times = self.times.min(MissedTimes::MOST + made_up_for) - made_up_for;
        (times > 0).then(|| Missed {
            times: i32::try_from(times).unwrap_or(i32::MAX),
            first: self.first,
        })
    }
}

/// Finished reports beyond the history limit, oldest first; never one that still keeps sandboxes, or that somebody is still
/// to be told of. What was made by a clock that was far ahead goes first: it would push out every run since, and those would
/// be made again. A run during which a clock was set right is not far ahead, and is the newest.
fn beyond_history(facts: &Facts<'_>, now: Timestamp) -> Vec<String> {
    let mut finished: Vec<&Past> = facts
        .runs
        .iter()
        .filter(|r| r.phase == RunPhase::Completed && !r.keeps_sandboxes && !r.untold)
        .collect();
    finished.sort_by_key(|r| {
        let mut moments = r.moments().into_iter();
        let has_been = moments.any(|moment| moment.duration_since(now) <= FAR);
        (has_been, r.created, &r.name)
    });
    let limit = facts.test.history_limit as usize;
    let excess = finished.len().saturating_sub(limit);
    finished
        .into_iter()
        .take(excess)
        .map(|r| r.name.clone())
        .collect()
}
