//! What became of messages, by what their receiver noted.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;

use super::receiver::Attempt;
use crate::commands::bench::percentiles;

/// Counts and times.
#[derive(Debug, Default)]
pub struct Figures {
    expected: usize,
    /// Reports of which nobody was told.
    missing: Vec<String>,
    /// Messages that were taken more than once, by their id.
    twice_by_delivery: Vec<String>,
    /// Reports of which somebody was told more than once.
    twice_by_report: Vec<String>,
    /// From the verdict until the message was taken, of those that the receiver never refused.
    at_once: Vec<Duration>,
    /// The same of those that came while the receiver was away, too.
    waited: Vec<Duration>,
}

impl Figures {
    /// Of the reports of which somebody is to be told, each with the time of its verdict.
    pub fn of(verdicts: &BTreeMap<String, Timestamp>, attempts: &[Attempt]) -> Self {
        let mut figures = Self {
            expected: verdicts.len(),
            ..Self::default()
        };
        for (report, verdict) in verdicts {
            let (taken, refused): (Vec<&Attempt>, Vec<&Attempt>) = attempts
                .iter()
                .filter(|attempt| attempt.report == *report)
                .partition(|attempt| attempt.taken);
            let Some(first) = taken.first() else {
                figures.missing.push(report.clone());
                continue;
            };
            if taken.len() > 1 {
                figures.twice_by_report.push(report.clone());
            }
            let took = Duration::try_from(first.at.duration_since(*verdict)).unwrap_or_default();
            if refused.is_empty() {
                figures.at_once.push(took);
            } else {
                figures.waited.push(took);
            }
        }
        let mut deliveries: BTreeMap<&str, usize> = BTreeMap::new();
        for attempt in attempts.iter().filter(|attempt| attempt.taken) {
            *deliveries.entry(&attempt.delivery).or_default() += 1;
        }
        deliveries.retain(|_, times| *times > 1);
        figures.twice_by_delivery = deliveries.into_keys().map(str::to_owned).collect();
        figures.at_once.sort();
        figures.waited.sort();
        figures
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "messages: {} expected, {} arrived, {} missing, twice {} by their id and {} by their report",
            self.expected,
            self.at_once.len() + self.waited.len(),
            self.missing.len(),
            self.twice_by_delivery.len(),
            self.twice_by_report.len(),
        )?;
        for (what, which) in [("missing", &self.missing), ("twice", &self.twice_by_report)] {
            if !which.is_empty() {
                writeln!(f, "{what}: {}", which.join(", "))?;
            }
        }
        writeln!(
            f,
            "from the verdict to a receiver that is there: {}",
            percentiles(&self.at_once, "messages")
        )?;
        write!(
            f,
            "from the verdict to a receiver that was away: {}",
            percentiles(&self.waited, "messages")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(report: &str, delivery: &str, second: i64, taken: bool) -> Attempt {
        Attempt {
            delivery: delivery.to_owned(),
            report: report.to_owned(),
            at: Timestamp::from_second(second).unwrap(),
            taken,
        }
    }

    #[test]
    fn what_is_lost_comes_twice_or_waits_is_told_apart() {
        let verdict = Timestamp::from_second(100).unwrap();
        let reports = ["again", "lost", "other", "plain", "waited"];
        let verdicts: BTreeMap<String, Timestamp> = reports.map(|report| (report.to_owned(), verdict)).into();
        let attempts = [
            attempt("plain", "1", 102, true),
            attempt("waited", "2", 103, false),
            attempt("waited", "2", 400, true),
            attempt("lost", "3", 101, false),
            attempt("again", "4", 101, true),
            attempt("again", "4", 131, true),
            attempt("other", "5", 101, true),
            attempt("other", "6", 105, true),
        ];
        let figures = Figures::of(&verdicts, &attempts);
        assert_eq!(figures.missing, ["lost"]);
        assert_eq!(figures.twice_by_delivery, ["4"]);
        assert_eq!(figures.twice_by_report, ["again", "other"]);
        assert_eq!(figures.at_once, [1, 1, 2].map(Duration::from_secs));
        assert_eq!(figures.waited, [Duration::from_mins(5)]);
        let text = figures.to_string();
        assert!(
            text.contains("5 expected, 4 arrived, 1 missing, twice 1 by"),
            "{text}"
        );
        assert!(
            text.contains("p50 1000 ms, p99 2000 ms, most 2000 ms (3 messages)"),
            "{text}"
        );
    }
}
