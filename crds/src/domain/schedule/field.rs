//! One field of a cron expression, with the meaning that 0.6.9 and the Kubernetes `CronJob` give it (robfig/cron).

/// Names of months, from 1.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
/// Names of weekdays, from 0.
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub name: &'static str,
    pub least: u32,
    pub most: u32,
    /// Names of the values, the first of which is `least`.
    names: &'static [&'static str],
}

/// The five fields, in order.
pub(super) const KINDS: [Kind; 5] = [
    Kind {
        name: "minute",
        least: 0,
        most: 59,
        names: &[],
    },
    Kind {
        name: "hour",
        least: 0,
        most: 23,
        names: &[],
    },
    Kind {
        name: "day of month",
        least: 1,
        most: 31,
        names: &[],
    },
    Kind {
        name: "month",
        least: 1,
        most: 12,
        names: &MONTHS,
    },
    // 7 is Sunday too, as in every crontab.
    Kind {
        name: "day of week",
        least: 0,
        most: 7,
        names: &WEEKDAYS,
    },
];

impl Kind {
    pub(super) fn is_weekday(self) -> bool {
        self.names == WEEKDAYS
    }

    /// A value to suggest: not on the hour or the first, when everything else runs.
    pub(super) fn somewhere(self) -> u32 {
        self.least + 17.min(self.most / 2)
    }

    /// Where `*` and `5/2` end: with both 0 and 7, Sunday would come twice.
    fn last(self) -> u32 {
        if self.is_weekday() { 6 } else { self.most }
    }
}

/// A parsed field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit n is set when the value n matches.
    pub values: u64,
    /// It restricts nothing. A day matches when *either* of two restricting day fields does.
    pub is_any: bool,
    /// The field for the cron library: numbers only.
    pub text: String,
    /// Legal but worth a word.
    pub warnings: Vec<String>,
}

impl Field {
    /// Parses a field; an error says what to write instead.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, String> {
        let mut field = Self::default();
        let items: Vec<String> = text
            .split(',')
            .map(|item| field.item(item, kind))
            .collect::<Result<_, _>>()?;
        field.text = if field.is_any {
            "*".to_owned()
        } else {
            items.join(",")
        };
        Ok(field)
    }

    /// Takes in one of the parts between commas; gives its text for the library.
    fn item(&mut self, item: &str, kind: Kind) -> Result<String, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(parse_step(step, item, kind)?)),
            None => (item, None),
        };
        let is_star = matches!(range, "*" | "?");
        if range == "?" {
            self.warnings
                .push(format!("? in the {} field is read as *; write *", kind.name));
        }
        let (first, last) = match range.split_once('-') {
            _ if is_star => (kind.least, kind.last()),
            Some((first, last)) => (value(first, item, kind)?, value(last, item, kind)?),
            None => {
                let first = value(range, item, kind)?;
                // With a step, a single value begins a range: `5/15` is 5, 20, 35 and 50.
                (
                    first,
                    if step.is_some() {
                        kind.last().max(first)
                    } else {
                        first
                    },
                )
            }
        };
        if first > last {
            let instead = format!("{first}-{},{}-{last}", kind.last(), kind.least);
            return Err(format!(
                "{item:?} in the {} field runs backwards; write {instead}",
                kind.name
            ));
        }
        let step = step.unwrap_or(1);
        if step > last - first && step > 1 {
            self.warnings.push(format!(
                "{item} in the {} field only ever matches {first}",
                kind.name
            ));
        }
        self.is_any |= is_star && step == 1;
        let wrap = |value: u32| if kind.is_weekday() { value % 7 } else { value };
        let values: Vec<u32> = (first..=last).step_by(step as usize).map(wrap).collect();
        self.values |= values.iter().fold(0, |bits, value| bits | 1 << value);
        // The library tells intervals from fixed times by the star, which matters when clocks change.
        Ok(if is_star && !kind.is_weekday() && values.len() > 1 {
            format!("*/{step}")
        } else {
            values
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        })
    }
}

fn parse_step(text: &str, item: &str, kind: Kind) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let step = text.parse::<u32>().ok().filter(|step| digits && *step > 0);
    step.ok_or_else(|| {
        format!(
            "{item:?} in the {} field has no step above 0 after the /",
            kind.name
        )
    })
}

fn value(text: &str, item: &str, kind: Kind) -> Result<u32, String> {
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        return match text.parse::<u32>() {
            Ok(value) if (kind.least..=kind.most).contains(&value) => Ok(value),
            _ => Err(format!(
                "{} {text} does not exist; write {} to {}",
                kind.name, kind.least, kind.most
            )),
        };
    }
    let lower = text.to_ascii_lowercase();
    match (kind.least..).zip(kind.names).find(|(_, name)| **name == lower) {
        Some((value, _)) => Ok(value),
        None => Err(unknown(text, item, kind)),
    }
}

/// Forms of Quartz and Jenkins get a word of their own.
fn unknown(text: &str, item: &str, kind: Kind) -> String {
    let hint = if text.is_empty() {
        "something is missing around a comma, hyphen or slash".to_owned()
    } else if text.starts_with(['H', 'h']) {
        format!(
            "H is Jenkins' own; write a fixed {}, for example {}",
            kind.name,
            kind.somewhere()
        )
    } else if text.contains('#') {
        "# is Quartz' own; write the days it can fall on, for example 1-7 for the first week of the month, and check \
         weekly instead"
            .to_owned()
    } else if text.ends_with(['L', 'l']) {
        "L is Quartz' own; write a fixed day, for example 28, or the 1st for the end of the month before"
            .to_owned()
    } else if text.ends_with(['W', 'w']) {
        "W is Quartz' own; write the weekdays instead, for example 1-5 in the day of week field".to_owned()
    } else if kind.names.is_empty() {
        format!("write {} to {}", kind.least, kind.most)
    } else {
        format!(
            "write {} to {} or three letters, for example {}",
            kind.least, kind.most, kind.names[1]
        )
    };
    format!("{item:?} is no {}: {hint}", kind.name)
}
