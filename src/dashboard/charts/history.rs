//! A figure of each run over time: the score, or the recovery time with its target.

use std::time::Duration;

use jiff::Timestamp;

use super::{Percent, Pixels};
use crate::dashboard::{moments, standing::Standing};

/// Height of the plot.
const HEIGHT: f64 = 132.0;
/// Room above and below the plot, for marks and labels.
const MARGIN: f64 = 12.0;
/// Room at the left for labels, and at both ends for marks.
const LEFT: f64 = 7.0;
const RIGHT: f64 = 98.0;
/// Runs that are drawn at most; marks would lie upon each other.
const MOST: usize = 120;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When.
    pub at: Timestamp,
    /// The figure: points, or seconds.
    pub value: f64,
    /// How the run ended.
    pub standing: Standing,
    /// What is said of it.
    pub title: String,
}

/// A drawn history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Height of the drawing in pixels.
    pub height: Pixels,
    /// The runs, oldest first.
    pub marks: Vec<Mark>,
    /// What joins them.
    pub lines: Vec<Line>,
    /// Lines across, each with its label.
    pub ticks: Vec<Tick>,
    /// The first and the last moment, as days.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// For those who do not see it.
    pub label: String,
    /// Older runs that are not drawn.
    pub omitted: usize,
}

/// A run in a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub x: Percent,
    /// Where.
    pub y: Pixels,
    /// Its shape and colour.
    pub standing: Standing,
    /// What is said of it.
    pub title: String,
}

/// From one run to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its begin.
    pub from: (Percent, Pixels),
    /// Its end.
    pub to: (Percent, Pixels),
}

/// A line across.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where.
    pub y: Pixels,
    /// What it stands for.
    pub label: String,
    /// Whether it is something agreed.
    pub is_target: bool,
}

impl History {
    /// Scores, with the lines at which a result changes.
    #[must_use]
    pub fn of_scores(observations: Vec<Observation>) -> Self {
        let ticks = [(100.0, false), (90.0, true), (70.0, true), (0.0, false)];
        let latest = observations.last().map(|o| o.value);
        let mut history = Self::draw(observations, 100.0);
        history.ticks = ticks
            .map(|(value, is_target)| Tick {
                y: place(value, 100.0),
                label: format!("{value}"),
                is_target,
            })
            .into();
        history.label = match latest {
            Some(latest) => format!("Score of {} runs; the latest has {latest}", history.marks.len()),
            None => "No run has a score yet".to_owned(),
        };
        history
    }

    /// Recovery times, seconds, with the agreed one.
    #[must_use]
    pub fn of_recovery(observations: Vec<Observation>, target: Option<Duration>) -> Self {
        let longest = observations.iter().map(|o| o.value).fold(0.0, f64::max);
        let agreed = target.map(|t| t.as_secs_f64());
        let top = round_up(longest.max(agreed.unwrap_or_default()) * 1.1);
        let over = |value: f64| agreed.is_some_and(|agreed| value > agreed);
        let exceeded = observations.iter().filter(|o| over(o.value)).count();
        let observations: Vec<_> = observations
            .into_iter()
            .map(|o| Observation {
                standing: if over(o.value) {
                    Standing::Fail
                } else {
                    Standing::Pass
                },
                ..o
            })
            .collect();
        let mut history = Self::draw(observations, top);
        let tick = |value: f64, is_target| Tick {
            y: place(value, top),
            label: moments::span(Duration::try_from_secs_f64(value).unwrap_or_default()),
            is_target,
        };
        history.ticks = vec![tick(top, false), tick(0.0, false)];
        history.ticks.extend(agreed.map(|agreed| tick(agreed, true)));
        let kept = target.map(|t| format!("; {exceeded} took longer than the agreed {}", moments::span(t)));
        history.label = match history.marks.len() {
            0 => "No run has a recovery time yet".to_owned(),
            runs => format!("Recovery time of {runs} runs{}", kept.unwrap_or_default()),
        };
        history
    }

    fn draw(mut observations: Vec<Observation>, top: f64) -> Self {
        observations.sort_by_key(|o| o.at);
        let omitted = observations.len().saturating_sub(MOST);
        observations.drain(..omitted);
        let moment = |o: Option<&Observation>| o.map(|o| o.at);
        let (Some(first), Some(last)) = (moment(observations.first()), moment(observations.last())) else {
            return Self {
                height: Pixels(HEIGHT + 2.0 * MARGIN),
                ..Self::default()
            };
        };
        let whole = last.duration_since(first).as_secs_f64();
        let x = |at: Timestamp| {
            let share = if whole > 0.0 {
                at.duration_since(first).as_secs_f64() / whole
            } else {
                1.0
            };
            Percent(LEFT + 2.0 + share * (RIGHT - LEFT - 2.0))
        };
        let marks: Vec<Mark> = observations
            .into_iter()
            .map(|o| Mark {
                x: x(o.at),
                y: place(o.value, top),
                standing: o.standing,
                title: o.title,
            })
            .collect();
        let lines = marks.windows(2).filter_map(|pair| match pair {
            [from, to] => Some(Line {
                from: (from.x, from.y),
                to: (to.x, to.y),
            }),
            _ => None,
        });
        Self {
            height: Pixels(HEIGHT + 2.0 * MARGIN),
            lines: lines.collect(),
            marks,
            from: day(first),
            to: day(last),
            omitted,
            ..Self::default()
        }
    }
}

fn place(value: f64, top: f64) -> Pixels {
    let share = if top > 0.0 {
        (value / top).clamp(0.0, 1.0)
    } else {
        0.0
    };
    Pixels(MARGIN + HEIGHT * (1.0 - share))
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The next number of seconds that reads well.
fn round_up(seconds: f64) -> f64 {
    const STEPS: [f64; 17] = [
        1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 3600.0, 7200.0,
        14_400.0, 86_400.0,
    ];
    let step = STEPS.into_iter().find(|step| *step >= seconds);
    step.unwrap_or_else(|| (seconds / 86_400.0).ceil() * 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(day: &str, value: f64) -> Observation {
        Observation {
            at: format!("2026-03-{day}T02:00:00Z").parse().unwrap(),
            value,
            standing: Standing::Pass,
            title: String::new(),
        }
    }

    #[test]
    fn runs_stand_where_their_time_and_score_are() {
        let history = History::of_scores(vec![run("01", 100.0), run("02", 50.0), run("05", 0.0)]);
        let places: Vec<_> = history.marks.iter().map(|m| (m.x.0.round(), m.y.0)).collect();
        assert_eq!(places, [(9.0, 12.0), (31.0, 78.0), (98.0, 144.0)]);
        assert_eq!(history.lines.len(), 2);
        assert_eq!(
            (history.from.as_str(), history.to.as_str()),
            ("2026-03-01", "2026-03-05")
        );
        assert_eq!(history.label, "Score of 3 runs; the latest has 0");
    }

    #[test]
    fn recovery_is_held_against_what_was_agreed() {
        let history = History::of_recovery(
            vec![run("01", 30.0), run("02", 61.0)],
            Some(Duration::from_mins(1)),
        );
        let standings: Vec<_> = history.marks.iter().map(|m| m.standing).collect();
        assert_eq!(standings, [Standing::Pass, Standing::Fail]);
        let target = history.ticks.iter().find(|t| t.is_target).unwrap();
        assert_eq!(target.label, "1 min");
        assert!(history.marks[1].y < target.y, "above the line");
        assert!(
            history.label.ends_with("1 took longer than the agreed 1 min"),
            "{}",
            history.label
        );
    }

    #[test]
    fn nothing_one_and_very_many_are_drawn_too() {
        assert!(History::of_scores(Vec::new()).marks.is_empty());
        let one = History::of_recovery(vec![run("01", 0.0)], None);
        assert!(one.marks[0].x.0.is_finite() && one.marks[0].y.0.is_finite());
        let many: Vec<_> = (0..500).map(|_| run("01", 100.0)).collect();
        let many = History::of_scores(many);
        assert_eq!((many.marks.len(), many.omitted), (MOST, 380));
    }

    #[test]
    fn the_scale_reads_well() {
        for (seconds, scale) in [
            (0.4, 1.0),
            (61.0, 120.0),
            (4000.0, 7200.0),
            (200_000.0, 259_200.0),
        ] {
            assert!((round_up(seconds) - scale).abs() < 1e-9, "{seconds}");
        }
    }
}
