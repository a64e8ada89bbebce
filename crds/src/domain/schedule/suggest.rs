//! The five-field form of what other schedulers take: Quartz, Spring, Amazon `EventBridge`, Jenkins.

use super::{
    field::{Field, KINDS, Kind},
    never_comes,
};

/// Weekdays where Sunday is 1.
const FROM_ONE: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The same times in five fields, if five fields can say it.
pub(super) fn five_fields(texts: &[&str]) -> Option<String> {
    let five = match texts {
        five if five.len() == KINDS.len() => five,
        // EventBridge has a year at the end; the `?` stands where its day fields are.
        [five @ .., _] if five.len() == KINDS.len() && (five[2] == "?" || five[4] == "?") => five,
        [_, five @ ..] | [_, five @ .., _] if five.len() == KINDS.len() => five,
        _ => return None,
    };
    // Whoever writes a `?` and a sixth field counts weekdays from Sunday = 1.
    let from_one = texts.len() > KINDS.len() && texts.contains(&"?");
    let plain: Vec<String> = five
        .iter()
        .zip(KINDS)
        .map(|(text, kind)| {
            if from_one && kind.is_weekday() {
                by_name(text)
            } else {
                without_hash(text, kind)
            }
        })
        .collect();
    let parsed: Vec<Field> = plain
        .iter()
        .zip(KINDS)
        .map(|(text, kind)| Field::parse(text, kind).ok())
        .collect::<Option<_>>()?;
    (!never_comes(&parsed)).then(|| plain.join(" "))
}

/// Weekday numbers as names, which mean the same everywhere. What follows a slash is a step.
fn by_name(text: &str) -> String {
    let name = |number: &str| match number.parse::<usize>() {
        Ok(day) => FROM_ONE
            .get(day.wrapping_sub(1))
            .map_or(number, |name| *name)
            .to_owned(),
        Err(_) => number.replace('?', "*"),
    };
    let item = |item: &str| {
        let (range, step) = item.split_once('/').map_or((item, None), |(r, s)| (r, Some(s)));
        let range = range.split('-').map(name).collect::<Vec<_>>().join("-");
        step.map_or(range.clone(), |step| format!("{range}/{step}"))
    };
    text.split(',').map(item).collect::<Vec<_>>().join(",")
}

/// Jenkins' `H` as something fixed: `H`, `H/15`, `H(0-29)`, `H(0-29)/10`.
fn without_hash(text: &str, kind: Kind) -> String {
    let Some(rest) = text.strip_prefix('H') else {
        return text.replace('?', "*");
    };
    match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((range, "")) => range.split('-').next().unwrap_or_default().to_owned(),
        Some((range, step)) => format!("{range}{step}"),
        None if rest.is_empty() => kind.somewhere().to_string(),
        None => format!("*{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_schedulers_are_understood() {
        for (given, five) in [
            // Quartz.
            ("0 0 3 * * ?", "0 3 * * *"),
            ("0 0 3 ? * MON-FRI", "0 3 * * MON-FRI"),
            ("0 0 3 ? * 2-6", "0 3 * * MON-FRI"),
            ("0 0 3 ? * 1,7 2026", "0 3 * * SUN,SAT"),
            ("0 0/15 3 ? * 2/2", "0/15 3 * * MON/2"),
            // Spring.
            ("0 30 3 * * 1-5", "30 3 * * 1-5"),
            // EventBridge.
            ("0 3 * * ? *", "0 3 * * *"),
            ("15 10 ? * 2-6 2026", "15 10 * * MON-FRI"),
            // Jenkins.
            ("H 3 * * *", "17 3 * * *"),
            ("H H * * *", "17 11 * * *"),
            ("H/15 * * * *", "*/15 * * * *"),
            ("H(0-29)/10 * * * *", "0-29/10 * * * *"),
            ("H(5-29) 3 * * 1", "5 3 * * 1"),
        ] {
            let texts: Vec<&str> = given.split(' ').collect();
            assert_eq!(five_fields(&texts).as_deref(), Some(five), "{given}");
        }
    }

    #[test]
    fn what_five_fields_cannot_say_has_no_suggestion() {
        for given in [
            "0 3 * *",
            "0 3 L * *",
            "0 0 3 ? * 6#3",
            "0 0 3 15W * ?",
            "0 0 3 30 2 ?",
            "0 61 3 * * ?",
            "H(",
            "a b c d e f",
        ] {
            let texts: Vec<&str> = given.split(' ').collect();
            assert_eq!(five_fields(&texts), None, "{given}");
        }
    }
}
