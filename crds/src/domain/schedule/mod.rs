//! When a test runs.

mod field;
mod suggest;
#[cfg(test)]
mod tests;

use std::{sync::OnceLock, time::Duration};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use field::{Field, KINDS};

use super::{
    duration,
    invalid::{FieldError, Invalid},
    problems::set,
};

/// When a test runs: five fields in a time zone, or every so often.
///
/// The fields mean what they mean to a Kubernetes `CronJob`. When clocks go forward, a fixed time inside the gap runs at
/// its end; when they go back, a fixed time runs once and an interval goes on.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    warnings: Vec<String>,
}

#[derive(Clone, Debug)]
enum Rule {
    Cron { cron: Calendar, zone: TimeZone },
    Every(Duration),
}

/// Five checked fields. The tables that the library keeps for them are large, and made only when a time is asked for:
/// admission judges a schedule that nobody asks.
#[derive(Clone, Debug)]
struct Calendar {
    text: String,
    tables: OnceLock<Option<Box<Cron>>>,
}

impl Calendar {
    /// `None` when the library refuses what was checked; a property test says that it never does.
    fn tables(&self) -> Option<&Cron> {
        let parser = || {
            CronParser::builder()
                .seconds(Seconds::Disallowed)
                .year(Year::Disallowed)
                .build()
        };
        self.tables
            .get_or_init(|| parser().parse(&self.text).ok().map(Box::new))
            .as_deref()
    }
}

impl Schedule {
    /// Shortest `@every`.
    const SHORTEST: Duration = Duration::from_mins(1);

    /// Parses an expression, in a time zone by its IANA name; none or an empty one is UTC.
    ///
    /// # Errors
    /// What is wrong, with the paths `cron` and `timezone`.
    pub fn parse(cron: &str, timezone: Option<&str>) -> Result<Self, Invalid> {
        let mut warnings = Vec::new();
        let mut errors = Vec::new();
        let (prefix, expression) = split_zone(cron);
        let mut zone = match set(timezone) {
            None => TimeZone::UTC,
            Some(name) => find_zone(name, "timezone", name).unwrap_or_else(|error| {
                errors.push(error);
                TimeZone::UTC
            }),
        };
        if let Some(name) = prefix {
            let given = set(timezone).filter(|given| *given != name);
            let beside = given
                .map(|given| format!(" ({given} there is not used)"))
                .unwrap_or_default();
            warnings.push(format!(
                "CRON_TZ={name} decides; write it in schedule.timezone{beside}"
            ));
            match find_zone(name, "cron", cron) {
                Ok(found) => zone = found,
                Err(error) => errors.push(error),
            }
        }
        let rule = match expression.strip_prefix("@every") {
            Some(interval) => every(interval.trim(), cron, &mut warnings),
            None => fields(expression, cron, zone, &mut warnings),
        };
        match rule {
            Ok(rule) if errors.is_empty() => Ok(Self { rule, warnings }),
            Ok(_) => Err(Invalid(errors)),
            Err(error) => {
                errors.push(error);
                Err(Invalid(errors))
            }
        }
    }

    /// The first planned time after a moment. `@every` counts from that moment. `None` at the end of time.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(interval) => moment.checked_add(SignedDuration::try_from(*interval).ok()?).ok(),
            Rule::Cron { cron, zone } => {
                let local = moment.to_zoned(zone.clone());
                let next = cron
                    .tables()?
                    .find_next_occurrence(&local, false)
                    .ok()?
                    .timestamp();
                (next > moment).then_some(next)
            }
        }
    }

    /// The first planned time after `now`, counted from `base` (the run before). However often it is asked, the
    /// answer stays the same until that time has passed; [`Schedule::next_after`] of `now` would move with `@every`.
    #[must_use]
    pub fn upcoming(&self, base: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let Rule::Every(interval) = &self.rule else {
            return self.next_after(base.max(now));
        };
        let interval = SignedDuration::try_from(*interval).ok()?;
        let elapsed = now.duration_since(base).max(SignedDuration::ZERO);
        let steps = elapsed.as_nanos() / interval.as_nanos() + 1;
        let nanoseconds = interval.as_nanos().checked_mul(steps)?;
        base.checked_add(SignedDuration::try_from_nanos_i128(nanoseconds)?)
            .ok()
    }

    /// The shortest time between two planned runs, as far as a month shows it. `None`: a month has not two of them.
    #[must_use]
    pub fn shortest_gap(&self) -> Option<Duration> {
        /// Finer lists than this repeat themselves by the hour.
        const MOST: usize = 64;
        if let Rule::Every(interval) = self.rule {
            return Some(interval);
        }
        // Any moment will do; one that stays the same makes the answer the same.
        let begin = Timestamp::UNIX_EPOCH;
        let month = SignedDuration::from_hours(32 * 24);
        let times = std::iter::successors(self.next_after(begin), |last| self.next_after(*last));
        let times: Vec<Timestamp> = times
            .take_while(|time| time.duration_since(begin) < month)
            .take(MOST)
            .collect();
        let gaps = times.windows(2).filter_map(|pair| match pair {
            [a, b] => Duration::try_from(b.duration_since(*a)).ok(),
            _ => None,
        });
        gaps.min()
    }

    /// What is legal but unwise, in sentences.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Takes a `CRON_TZ=` or `TZ=` off an expression.
fn split_zone(cron: &str) -> (Option<&str>, &str) {
    let cron = cron.trim();
    let after = cron.strip_prefix("CRON_TZ=").or_else(|| cron.strip_prefix("TZ="));
    match after.and_then(|rest| rest.split_once(char::is_whitespace)) {
        Some((zone, expression)) => (Some(zone), expression.trim()),
        None => (None, cron),
    }
}

fn find_zone(name: &str, path: &str, value: &str) -> Result<TimeZone, FieldError> {
    TimeZone::get(name).map_err(|_| {
        let message =
            format!("{name} is not a time zone; write its IANA name, for example UTC or Europe/Berlin");
        FieldError {
            path: path.to_owned(),
            value: value.to_owned(),
            message,
        }
    })
}

fn every(interval: &str, value: &str, warnings: &mut Vec<String>) -> Result<Rule, FieldError> {
    let parsed =
        duration::parse(interval).map_err(|error| cron_error(value, format!("the interval {error}")))?;
    if parsed < Schedule::SHORTEST {
        return Err(cron_error(value, "@every must be 1m or more"));
    }
    warnings.push(
        "@every counts from the run before and moves with it; five fields keep to the clock".to_owned(),
    );
    Ok(Rule::Every(parsed))
}

fn fields(
    expression: &str,
    value: &str,
    zone: TimeZone,
    warnings: &mut Vec<String>,
) -> Result<Rule, FieldError> {
    let expression = if expression.starts_with('@') {
        shorthand(expression).map_err(|message| cron_error(value, message))?
    } else {
        expression
    };
    let texts: Vec<&str> = expression.split_whitespace().collect();
    let instead = suggest::five_fields(&texts);
    if texts.len() != KINDS.len() {
        return Err(cron_error(value, wrong_count(&texts, instead)));
    }
    let mut parsed = Vec::new();
    let mut wrong = Vec::new();
    for (text, kind) in texts.iter().zip(KINDS) {
        match Field::parse(text, kind) {
            Ok(field) => parsed.push(field),
            Err(message) => wrong.push(message),
        }
    }
    if !wrong.is_empty() {
        wrong.extend(instead.map(|five| format!("as a whole, write {five}")));
        return Err(cron_error(value, wrong.join("; ")));
    }
    if never_comes(&parsed) {
        return Err(cron_error(
            value,
            "that day never comes in that month; write a day that exists",
        ));
    }
    warnings.extend(parsed.iter().flat_map(|f| f.warnings.clone()));
    let plain: Vec<&str> = parsed.iter().map(|f| f.text.as_str()).collect();
    let (text, tables) = (plain.join(" "), OnceLock::new());
    Ok(Rule::Cron {
        cron: Calendar { text, tables },
        zone,
    })
}

fn shorthand(expression: &str) -> Result<&'static str, String> {
    Ok(match expression {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            return Err(format!(
                "{expression} is not known; write @hourly, @daily, @weekly, @monthly, @yearly or @every 6h"
            ));
        }
    })
}

fn wrong_count(texts: &[&str], instead: Option<String>) -> String {
    const ORDER: &str = "minute, hour, day of month, month, day of week";
    match (texts.len(), instead) {
        (0, _) => format!("is empty; write five fields ({ORDER}), for example 0 3 * * *"),
        (count, Some(five)) => {
            format!("has {count} fields; seconds and years are not known here: write {five}")
        }
        (count, None) => format!("has {count} fields; write five ({ORDER}), for example 0 3 * * *"),
    }
}

/// Whether no month of the five fields has any day of theirs. A restricted weekday comes in any case, because a day
/// matches when either day field does.
fn never_comes(fields: &[Field]) -> bool {
    /// Days of each month, in the longest year.
    const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let [_, _, day, month, weekday] = fields else {
        return false;
    };
    let first = day.values.trailing_zeros();
    let comes = |(number, length): (u32, &u32)| month.values & (1 << number) != 0 && first <= *length;
    weekday.is_any && !(1..).zip(&LENGTHS).any(comes)
}

fn cron_error(value: &str, message: impl Into<String>) -> FieldError {
    FieldError {
        path: "cron".to_owned(),
        value: value.to_owned(),
        message: message.into(),
    }
}
