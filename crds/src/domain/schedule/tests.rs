use jiff::Timestamp;
use proptest::prelude::*;

use super::Schedule;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next `count` times after a moment, in UTC.
fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(cron, Some(zone)).unwrap();
    let first = schedule.next_after(at(from));
    let all = std::iter::successors(first, |t| schedule.next_after(*t));
    all.take(count).map(|t| t.to_string()).collect()
}

fn refusal(cron: &str, zone: Option<&str>) -> String {
    Schedule::parse(cron, zone).unwrap_err().to_string()
}

#[test]
fn five_fields_with_names_ranges_steps_and_lists() {
    let from = "2026-03-01T00:00:00Z"; // a Sunday
    for (cron, next) in [
        ("0 3 * * *", "2026-03-01T03:00:00Z"),
        ("*/15 * * * *", "2026-03-01T00:15:00Z"),
        ("5/15 * * * *", "2026-03-01T00:05:00Z"),
        ("0,30 1-2 * * *", "2026-03-01T01:00:00Z"),
        ("0 0 * * mon", "2026-03-02T00:00:00Z"),
        ("0 0 * * MON-FRI", "2026-03-02T00:00:00Z"),
        ("0 1 * * 0", "2026-03-01T01:00:00Z"),
        ("0 1 * * 7", "2026-03-01T01:00:00Z"),
        ("0 1 * * 5-7", "2026-03-01T01:00:00Z"),
        ("0 0 * * 5/1", "2026-03-06T00:00:00Z"),
        ("0 0 1 jun *", "2026-06-01T00:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ("10-40/10 2 * * *", "2026-03-01T02:10:00Z"),
        ("  0   3 *\t* *  ", "2026-03-01T03:00:00Z"),
        ("@hourly", "2026-03-01T01:00:00Z"),
        ("@daily", "2026-03-02T00:00:00Z"),
        ("@midnight", "2026-03-02T00:00:00Z"),
        ("@weekly", "2026-03-08T00:00:00Z"),
        ("@monthly", "2026-04-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(times(cron, "", from, 1), [next], "{cron}");
        assert_eq!(
            Schedule::parse(cron, None).unwrap().warnings(),
            [] as [&str; 0],
            "{cron}"
        );
    }
}

#[test]
fn either_day_field_is_enough_as_in_kubernetes() {
    let from = "2026-03-01T12:00:00Z";
    assert_eq!(
        times("0 0 13 * fri", "", from, 2),
        ["2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"]
    );
    assert_eq!(
        times("0 0 */20 * mon", "", from, 2),
        ["2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"]
    );
    // A day that never comes does no harm beside a weekday that does.
    assert_eq!(times("0 0 31 2 mon", "", from, 1), ["2027-02-01T00:00:00Z"]);
}

#[test]
fn forms_kept_for_compatibility_come_with_a_warning() {
    for (cron, zone, said) in [
        ("@every 90m", None, "counts from the run before"),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", None, "schedule.timezone"),
        ("TZ=Europe/Berlin 0 3 * * *", None, "schedule.timezone"),
        (
            "CRON_TZ=Europe/Berlin 0 3 * * *",
            Some("UTC"),
            "UTC there is not used",
        ),
        ("0 3 ? * mon", None, "read as *"),
        ("*/90 * * * *", None, "only ever matches 0"),
    ] {
        let schedule = Schedule::parse(cron, zone).unwrap();
        assert!(
            schedule.warnings().iter().any(|w| w.contains(said)),
            "{cron}: {:?}",
            schedule.warnings()
        );
    }
}

#[test]
fn the_zone_decides_what_the_fields_mean() {
    let from = "2026-01-01T12:00:00Z";
    assert_eq!(times("0 3 * * *", "", from, 1), ["2026-01-02T03:00:00Z"]);
    assert_eq!(times("0 3 * * *", "UTC", from, 1), ["2026-01-02T03:00:00Z"]);
    assert_eq!(
        times("0 3 * * *", "Europe/Berlin", from, 1),
        ["2026-01-02T02:00:00Z"]
    );
    assert_eq!(
        times("0 3 * * *", "Asia/Kathmandu", from, 1),
        ["2026-01-01T21:15:00Z"]
    );
    assert_eq!(
        times("CRON_TZ=Europe/Berlin 0 3 * * *", "UTC", from, 1),
        ["2026-01-02T02:00:00Z"]
    );
}

#[test]
fn clocks_going_forward_delay_a_run_and_going_back_do_not_repeat_it() {
    let new_york = "America/New_York";
    // 8 March 2026: 02:00 is 03:00.
    let forward = times("30 2 * * *", new_york, "2026-03-07T12:00:00Z", 2);
    assert_eq!(forward, ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
    // 1 November 2026: 01:00 to 02:00 comes twice.
    let back = times("30 1 * * *", new_york, "2026-10-31T12:00:00Z", 2);
    assert_eq!(back, ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    let hourly = times("0 * * * *", new_york, "2026-11-01T04:30:00Z", 3);
    assert_eq!(
        hourly,
        [
            "2026-11-01T05:00:00Z",
            "2026-11-01T06:00:00Z",
            "2026-11-01T07:00:00Z"
        ]
    );
}

#[test]
fn every_counts_from_the_moment() {
    assert_eq!(
        times("@every 1h30m", "", "2026-01-01T00:10:20Z", 1),
        ["2026-01-01T01:40:20Z"]
    );
}

#[test]
fn what_comes_up_does_not_move_with_the_asking() {
    let base = at("2026-01-01T00:00:00Z");
    let every = Schedule::parse("@every 1h", None).unwrap();
    for (now, next) in [
        ("2025-12-31T23:00:00Z", "2026-01-01T01:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
        ("2026-01-01T00:59:59.9Z", "2026-01-01T01:00:00Z"),
        ("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"),
        ("2026-01-09T12:34:56Z", "2026-01-09T13:00:00Z"),
    ] {
        assert_eq!(every.upcoming(base, at(now)), Some(at(next)), "{now}");
    }
    let daily = Schedule::parse("0 3 * * *", None).unwrap();
    assert_eq!(
        daily.upcoming(base, at("2026-01-05T04:00:00Z")),
        Some(at("2026-01-06T03:00:00Z"))
    );
}

#[test]
fn says_what_to_write_instead() {
    for (cron, said) in [
        ("", "five fields"),
        ("0 3 * *", "has 4 fields"),
        ("0 0 3 * * *", "write 0 3 * * *"),
        ("0 0 3 * * ? 2026", "write 0 3 * * *"),
        ("0 0 3 ? * 2-6", "write 0 3 * * MON-FRI"),
        ("0 0 3 ? * 6#3", "has 6 fields; write five"),
        ("H 3 * * *", "as a whole, write 17 3 * * *"),
        ("61 * * * *", "minute 61 does not exist; write 0 to 59"),
        ("0 24 * * *", "hour 24"),
        ("0 0 0 * *", "day of month 0"),
        ("0 0 * 13 *", "month 13"),
        ("0 0 * * 8", "day of week 8"),
        ("0 0 * foo *", "for example feb"),
        ("0 0 * * montag", "three letters"),
        ("0 22-2 * * *", "write 22-23,0-2"),
        ("0 0 * * fri-mon", "write 5-6,0-1"),
        ("*/0 * * * *", "no step above 0"),
        ("*/ * * * *", "no step above 0"),
        ("*/+5 * * * *", "no step above 0"),
        ("1,,2 * * * *", "something is missing"),
        ("+5 * * * *", "is no minute"),
        ("H 3 * * *", "Jenkins"),
        ("H(0-29)/10 * * * *", "Jenkins"),
        ("0 3 L * *", "L is Quartz"),
        ("0 3 15W * *", "W is Quartz"),
        ("0 3 * * 5L", "L is Quartz"),
        ("0 3 * * 1#2", "# is Quartz"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 apr,jun *", "never comes"),
        ("@reboot", "@reboot is not known"),
        ("@every", "the interval"),
        ("@every 30s", "1m or more"),
        ("@every soon", "write for example"),
        ("@every 1d", "write 24h"),
        ("CRON_TZ=Nowhere/City 0 3 * * *", "not a time zone"),
        ("0 99 * 99 *", "hour 99"),
        ("0 99 * 99 *", "month 99"),
    ] {
        let text = refusal(cron, None);
        assert!(text.contains(said), "{cron:?}: {text}");
    }
}

#[test]
fn the_shortest_gap_is_that_of_a_month() {
    for (cron, minutes) in [
        ("* * * * *", Some(1)),
        ("*/15 * * * *", Some(15)),
        ("0 3,4,12 * * *", Some(60)),
        ("0 3 * * *", Some(24 * 60)),
        ("0 3 * * mon,tue", Some(24 * 60)),
        ("*/5 3 1 * *", Some(5)),
        ("0 3 1 * *", Some(31 * 24 * 60)),
        ("0 0 29 2 *", None),
        ("@every 7m", Some(7)),
    ] {
        let gap = Schedule::parse(cron, Some("Europe/Berlin"))
            .unwrap()
            .shortest_gap();
        assert_eq!(gap, minutes.map(std::time::Duration::from_mins), "{cron}");
    }
}

#[test]
fn tells_of_zone_and_expression_at_once() {
    let text = refusal("61 * * * *", Some("Berlin"));
    assert!(text.contains("timezone") && text.contains("minute 61"), "{text}");
    for zone in ["Berlin", "CET+1", "../etc/passwd"] {
        assert!(refusal("0 3 * * *", Some(zone)).contains("IANA"), "{zone}");
    }
}

fn field(least: u32, most: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => (least..=most).prop_map(|n| n.to_string()),
        1 => (1..=most).prop_map(|n| format!("*/{n}")),
        1 => (least..=most).prop_flat_map(move |a| (a..=most).prop_map(move |b| format!("{a}-{b}"))),
        1 => ((least..=most), (least..=most)).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

/// A field that is often right: names, steps from a value, repeated items, `?`.
fn cron_like() -> impl Strategy<Value = String> {
    let value =
        || prop_oneof![3 => (0_u32..13).prop_map(|n| n.to_string()), 1 => "(jan|DEC|mon|Sun|7|0|31|59|23)"];
    let range = prop_oneof![
        2 => Just("*".to_owned()),
        1 => Just("?".to_owned()),
        3 => value(),
        2 => (value(), value()).prop_map(|(a, b)| format!("{a}-{b}")),
    ];
    let item = (range, prop::option::weighted(0.3, 0_u32..70))
        .prop_map(|(range, step)| step.map_or(range.clone(), |step| format!("{range}/{step}")));
    prop::collection::vec(item, 1..4).prop_map(|items| items.join(","))
}

proptest! {
    #[test]
    fn the_next_time_is_always_later_and_not_skipped(
        fields in (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)),
        zone in prop::sample::select(vec!["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
        second in 0_i64..4_000_000_000,
        nanosecond in 0_i32..1_000_000_000,
    ) {
        let (minute, hour, day, month, weekday) = fields;
        let cron = format!("{minute} {hour} {day} {month} {weekday}");
        if let Ok(schedule) = Schedule::parse(&cron, Some(zone)) {
            let moment = Timestamp::new(second, nanosecond).unwrap();
            let next = schedule.next_after(moment).unwrap();
            prop_assert!(next > moment, "{cron} in {zone}: {next} after {moment}");
            // Nothing planned lies between the moment and what comes next.
            let between = Timestamp::from_second(i64::midpoint(moment.as_second(), next.as_second())).unwrap();
            if between >= moment && between < next {
                prop_assert_eq!(schedule.next_after(between), Some(next), "{} in {} from {}", cron, zone, between);
            }
        }
    }

    #[test]
    fn every_is_exactly_later(minutes in 1_u64..100_000, second in 0_i64..4_000_000_000) {
        let schedule = Schedule::parse(&format!("@every {minutes}m"), None).unwrap();
        let moment = Timestamp::from_second(second).unwrap();
        let seconds = i64::try_from(minutes * 60).unwrap();
        prop_assert_eq!(schedule.next_after(moment).unwrap().as_second(), second + seconds);
    }

    #[test]
    fn whatever_is_taken_comes(cron in ".*", zone in ".*") {
        if let Ok(schedule) = Schedule::parse(&cron, Some(&zone)) {
            prop_assert!(schedule.next_after(Timestamp::UNIX_EPOCH).is_some(), "{cron} in {zone}");
        }
    }

    #[test]
    fn whatever_looks_like_cron_and_is_taken_comes(fields in prop::collection::vec(cron_like(), 5)) {
        let cron = fields.join(" ");
        if let Ok(schedule) = Schedule::parse(&cron, None) {
            prop_assert!(schedule.next_after(Timestamp::UNIX_EPOCH).is_some(), "{cron}");
        }
    }

    #[test]
    fn nothing_that_looks_like_cron_makes_it_panic(cron in "[0-9*/,?LW#a-z@ -]{5,30}") {
        if let Ok(schedule) = Schedule::parse(&cron, None) {
            let _ = schedule.next_after(Timestamp::UNIX_EPOCH);
        }
    }
}
