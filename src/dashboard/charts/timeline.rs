//! The phases of a run, and what the cluster saw inside of them, one bar each.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::TimelineEntry;

use super::Percent;
use crate::dashboard::moments;

/// The least width that is seen.
const HAIR: f64 = 0.4;
/// Names of the phases; every other entry is a step inside of them.
const PHASES: [&str; 7] = [
    "queue",
    "preparation",
    "restore",
    "start-up",
    "checks",
    "verdict",
    "cleanup",
];

/// A drawn timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Phases first, in the order in which they began, then steps.
    pub steps: Vec<Step>,
    /// From the first to the last moment.
    pub length: String,
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What happened.
    pub name: String,
    /// Whether it is a phase of the run.
    pub is_phase: bool,
    /// Whether it goes on.
    pub is_open: bool,
    /// Seconds after the first moment, as people read them.
    pub offset: String,
    /// How long it took, or takes so far.
    pub length: String,
    /// Where it begins.
    pub x: Percent,
    /// How wide it is.
    pub width: Percent,
    /// More about it.
    pub detail: String,
}

impl Timeline {
    /// Draws entries; what is open goes on until now.
    #[must_use]
    pub fn draw(entries: &[TimelineEntry], now: Timestamp) -> Self {
        let mut known: Vec<(&TimelineEntry, Timestamp, Timestamp)> = entries
            .iter()
            .filter_map(|entry| {
                let from = entry.started_at.as_ref()?.0;
                let to = entry.finished_at.as_ref().map_or(now, |t| t.0);
                Some((entry, from, to.max(from)))
            })
            .collect();
        known.sort_by_key(|(entry, from, _)| (!is_phase(entry), *from));
        let (Some(first), Some(last)) = (
            known.iter().map(|(_, from, _)| *from).min(),
            known.iter().map(|(_, _, to)| *to).max(),
        ) else {
            return Self::default();
        };
        let whole = last.duration_since(first).as_secs_f64().max(0.001);
        let steps = known.into_iter().map(|(entry, from, to)| {
            let offset = between(first, from);
            let length = between(from, to);
            let width = (length.as_secs_f64() / whole * 100.0).max(HAIR);
            Step {
                name: entry.name.clone(),
                is_phase: is_phase(entry),
                is_open: entry.finished_at.is_none(),
                offset: format!("+{}", moments::span(offset)),
                length: moments::span(length),
                x: Percent((offset.as_secs_f64() / whole * 100.0).min(100.0 - HAIR)),
                width: Percent(width),
                detail: entry.detail.clone().unwrap_or_default(),
            }
        });
        Self {
            steps: steps.collect(),
            length: moments::span(between(first, last)),
        }
    }
}

fn is_phase(entry: &TimelineEntry) -> bool {
    PHASES.contains(&entry.name.as_str())
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn entry(name: &str, from: i64, to: Option<i64>) -> TimelineEntry {
        TimelineEntry {
            name: name.into(),
            started_at: Some(MicroTime(at(from))),
            finished_at: to.map(|to| MicroTime(at(to))),
            ..TimelineEntry::default()
        }
    }

    #[test]
    fn phases_come_first_and_what_is_open_goes_on_until_now() {
        let entries = [
            entry("volume data", 12, Some(18)),
            entry("restore", 10, Some(20)),
            entry("queue", 0, Some(10)),
            entry("start-up", 20, None),
        ];
        let timeline = Timeline::draw(&entries, at(40));
        let drawn: Vec<_> = timeline
            .steps
            .iter()
            .map(|s| (s.name.as_str(), s.x.0, s.width.0, s.is_open))
            .collect();
        assert_eq!(
            drawn,
            [
                ("queue", 0.0, 25.0, false),
                ("restore", 25.0, 25.0, false),
                ("start-up", 50.0, 50.0, true),
                ("volume data", 30.0, 15.0, false),
            ]
        );
        assert_eq!(timeline.length, "40 s");
        assert_eq!(timeline.steps[3].offset, "+12 s");
    }

    #[test]
    fn broken_entries_do_not_break_the_drawing() {
        let backwards = entry("restore", 20, Some(10));
        let timeline = Timeline::draw(&[backwards, TimelineEntry::default()], at(5));
        assert_eq!(timeline.steps.len(), 1);
        assert!(timeline.steps[0].width.0.is_finite());
        assert_eq!(Timeline::draw(&[], at(0)), Timeline::default());
    }
}
