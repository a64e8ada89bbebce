//! A report for people, as text or Markdown: score by level, timeline, checks and findings. Pure functions.

mod markdown;
pub mod style;
mod text;
mod untold;

pub use markdown::markdown;
pub use text::text;

use kymaros_crds::{
    LevelStatus, MissedTimes, RestoreReportSpec, RestoreReportStatus, RunPhase, RunResult, TimelineEntry,
    Trigger,
};

use crate::history;

/// A result as a word that is seen.
#[must_use]
pub const fn word(result: RunResult) -> &'static str {
    match result {
        RunResult::Pass => "PASS",
        RunResult::Partial => "PARTIAL",
        RunResult::Fail => "FAIL",
        RunResult::Inconclusive => "INCONCLUSIVE",
    }
}

/// A text of somebody else, for a line of a terminal: what applications answer may hold what moves the cursor.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// How many planned times got no run before this one, and since when.
#[must_use]
pub fn missed(before: &MissedTimes) -> String {
    let first = before.first.0;
    match usize::try_from(before.times).unwrap_or_default() {
        0 | 1 => format!("nothing ran for {first}"),
        MissedTimes::MOST.. => {
            let most = MissedTimes::MOST;
            format!("nothing ran for {most} planned times or more, the first {first}")
        }
        times => format!("nothing ran for {times} planned times, the first {first}"),
    }
}

/// The levels in their order.
fn levels(status: &RestoreReportStatus) -> Vec<(&'static str, &LevelStatus)> {
    let Some(levels) = &status.validation_levels else {
        return Vec::new();
    };
    vec![
        ("restore integrity", &levels.restore_integrity),
        ("completeness", &levels.completeness),
        ("pod start-up", &levels.pod_startup),
        ("internal health", &levels.internal_health),
        ("dependencies", &levels.cross_namespace_deps),
        ("RTO", &levels.rto_compliance),
    ]
}

/// A step of a run that is over.
struct Step<'a> {
    entry: &'a TimelineEntry,
    /// Seconds from the begin of the first one.
    offset: f64,
    seconds: f64,
}

fn steps(status: &RestoreReportStatus) -> Vec<Step<'_>> {
    let done: Vec<_> = status
        .timeline
        .iter()
        .filter_map(|e| Some((e, e.seconds?, e.started_at.as_ref()?.0)))
        .collect();
    let Some(begin) = done.iter().map(|(_, _, at)| *at).min() else {
        return Vec::new();
    };
    let step = |(entry, seconds, at): (_, _, jiff::Timestamp)| Step {
        entry,
        offset: at.duration_since(begin).as_secs_f64(),
        seconds,
    };
    done.into_iter().map(step).collect()
}

/// What is said of a run that has no verdict.
fn undecided(status: &RestoreReportStatus) -> String {
    format!("{:?}, no verdict yet", status.phase.unwrap_or(RunPhase::Queued))
}

/// Why the run was made, and when it was due.
fn why_it_ran(spec: &RestoreReportSpec) -> Option<String> {
    let why = match spec.trigger? {
        Trigger::Schedule => "its schedule",
        Trigger::Annotation => "somebody asked for it by the annotation",
        Trigger::Api => "somebody asked for it by the API",
        Trigger::Created => "the test was new",
    };
    let due = spec.scheduled_for.as_ref();
    Some(due.map_or_else(|| why.to_owned(), |due| format!("{why}, due {}", due.0)))
}

/// The namespaces that were restored, each once.
fn restored(status: &RestoreReportStatus) -> Option<String> {
    let mut sources: Vec<&str> = Vec::new();
    for sandbox in &status.sandboxes {
        if !sources.contains(&sandbox.source.as_str()) {
            sources.push(&sandbox.source);
        }
    }
    (!sources.is_empty()).then(|| sources.join(", "))
}

/// The backups that were restored, each with its age.
fn backups(status: &RestoreReportStatus) -> impl Iterator<Item = String> {
    history::backups(status).iter().map(|backup| match &backup.age {
        Some(age) => format!("{} ({age} old)", backup.name),
        None => format!("{} (of unknown age)", backup.name),
    })
}

/// What is known of the cleanup.
fn cleanup(status: &RestoreReportStatus) -> Option<String> {
    Some(match status.leftovers? {
        0 => "Cleanup: nothing of this run is left in the cluster.".to_owned(),
        n => format!("Cleanup: {n} objects of this run are still there."),
    })
}

/// The measured recovery time, and the agreed one.
fn rto(status: &RestoreReportStatus) -> Option<String> {
    let rto = status.rto.as_ref()?;
    let target = rto.target.as_ref().map(|t| format!(", agreed {t}"));
    Some(format!("{}{}", rto.measured, target.unwrap_or_default()))
}
