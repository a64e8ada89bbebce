//! Runs by day: one bar a day, of what passed, came back with losses, failed, or could not be found out.

use jiff::civil::Date;

use super::{Percent, Pixels};
use crate::dashboard::standing::Standing;

/// Height of the tallest bar.
const HEIGHT: f64 = 72.0;
/// Share of a day's room that its bar takes.
const BAR: f64 = 0.72;
/// From the bottom to the top of a bar.
const ORDER: [Standing; 4] = [
    Standing::Pass,
    Standing::Partial,
    Standing::Inconclusive,
    Standing::Fail,
];

/// What ended on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day, UTC.
    pub date: Date,
    /// Runs that passed.
    pub pass: usize,
    /// Runs with losses.
    pub partial: usize,
    /// Runs of which it could not be found out.
    pub inconclusive: usize,
    /// Runs that failed.
    pub fail: usize,
}

impl Day {
    /// A day without a run.
    #[must_use]
    pub fn empty(date: Date) -> Self {
        Self {
            date,
            pass: 0,
            partial: 0,
            inconclusive: 0,
            fail: 0,
        }
    }

    /// Runs with a verdict.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.pass + self.partial + self.inconclusive + self.fail
    }

    fn of(&self, standing: Standing) -> usize {
        match standing {
            Standing::Pass => self.pass,
            Standing::Partial => self.partial,
            Standing::Inconclusive => self.inconclusive,
            Standing::Fail => self.fail,
            _ => 0,
        }
    }
}

/// Drawn days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Days {
    /// Height of the drawing in pixels.
    pub height: Pixels,
    /// The bars, oldest first.
    pub bars: Vec<Bar>,
    /// The days, oldest first.
    pub all: Vec<Day>,
    /// For those who do not see it.
    pub label: String,
}

/// A part of a day's bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Where it begins.
    pub x: Percent,
    /// How wide it is.
    pub width: Percent,
    /// Where its top is.
    pub y: Pixels,
    /// How tall it is.
    pub height: Pixels,
    /// What it stands for.
    pub standing: Standing,
    /// What is said of it.
    pub title: String,
}

impl Days {
    /// Draws days in the order given.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "runs of a day are far below 2^52")]
    pub fn draw(days: Vec<Day>) -> Self {
        let most = days.iter().map(Day::runs).max().unwrap_or_default().max(1) as f64;
        let room = 100.0 / days.len().max(1) as f64;
        let mut bars = Vec::new();
        for (index, day) in days.iter().enumerate() {
            let mut y = HEIGHT;
            for standing in ORDER {
                let runs = day.of(standing);
                if runs == 0 {
                    continue;
                }
                let height = HEIGHT * runs as f64 / most;
                y -= height;
                bars.push(Bar {
                    x: Percent(room * (index as f64 + (1.0 - BAR) / 2.0)),
                    width: Percent(room * BAR),
                    y: Pixels(y),
                    // A hair between two parts.
                    height: Pixels((height - 1.0).max(1.0)),
                    standing,
                    title: format!("{}: {runs} {}", day.date, standing.word().to_lowercase()),
                });
            }
        }
        let runs: usize = days.iter().map(Day::runs).sum();
        let failed: usize = days.iter().map(|d| d.fail).sum();
        Self {
            height: Pixels(HEIGHT),
            label: format!("{runs} runs in {} days, {failed} failed", days.len()),
            bars,
            all: days,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_busiest_day_is_as_tall_as_the_drawing() {
        let days = Days::draw(vec![
            Day {
                pass: 3,
                fail: 1,
                ..Day::empty(date(2026, 3, 1))
            },
            Day {
                pass: 1,
                ..Day::empty(date(2026, 3, 2))
            },
        ]);
        let bars: Vec<_> = days
            .bars
            .iter()
            .map(|b| (b.standing, b.y.0, b.height.0))
            .collect();
        assert_eq!(
            bars,
            [
                (Standing::Pass, 18.0, 53.0),
                (Standing::Fail, 0.0, 17.0),
                (Standing::Pass, 54.0, 17.0),
            ]
        );
        assert_eq!(days.bars[2].x.to_string(), "57%");
        assert_eq!(days.label, "5 runs in 2 days, 1 failed");
    }

    #[test]
    fn days_without_runs_are_drawn_too() {
        assert!(Days::draw(vec![Day::empty(date(2026, 3, 1))]).bars.is_empty());
        assert!(Days::draw(Vec::new()).bars.is_empty());
    }
}
