use jiff::SignedDuration;

use super::*;
use kymaros_crds::RestoreTestSpec;

fn test(cron: &str, suspend: bool) -> Test {
    let spec: RestoreTestSpec = serde_json::from_value(serde_json::json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
        "schedule": { "cron": cron }, "suspend": suspend, "historyLimit": 2, "sandbox": {},
    }))
    .unwrap();
    Test::try_from(&spec).unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("2026-03-01T{text}Z").parse().unwrap()
}

fn run(name: &str, planned: &str, phase: RunPhase) -> Past {
    Past {
        name: name.into(),
        phase,
        created: at(planned),
        planned: at(planned),
        ended: Some(at(planned)),
        at_most: None,
        keeps_sandboxes: false,
        untold: false,
    }
}

fn facts<'a>(test: &'a Test, runs: &'a [Past]) -> Facts<'a> {
    Facts {
        test,
        created: at("00:00:00"),
        trigger: None,
        runs,
        last_run: None,
        policy_exists: true,
        followed: true,
    }
}

fn missed(times: i32, first: &str) -> Missed {
    let first = at(first);
    Missed { times, first }
}

#[test]
fn a_new_test_runs_at_once_unless_suspended() {
    let daily = test("0 3 * * *", false);
    let decision = decide(&facts(&daily, &[]), at("00:00:01"));
    assert_eq!(decision.start.unwrap().trigger, Trigger::Created);
    let suspended = test("0 3 * * *", true);
    let decision = decide(&facts(&suspended, &[]), at("00:00:01"));
    assert_eq!((decision.start, decision.next), (None, None));
}

#[test]
fn a_new_test_waits_a_moment_for_its_policy() {
    let daily = test("0 3 * * *", false);
    let facts = Facts {
        policy_exists: false,
        ..facts(&daily, &[])
    };
    assert_eq!(decide(&facts, at("00:00:01")).start, None);
    assert_eq!(decide(&facts, at("00:00:01")).wake, Some(at("00:00:10")));
    assert!(decide(&facts, at("00:00:10")).start.is_some());
}

#[test]
fn runs_when_due_and_makes_up_for_the_last_missed_time_only() {
    let hourly = test("0 * * * *", false);
    let runs = [run("a", "00:00:00", RunPhase::Completed)];
    let early = decide(&facts(&hourly, &runs), at("00:59:59"));
    assert_eq!((early.start, early.wake), (None, Some(at("01:00:00"))));
    let late = |now: &str| decide(&facts(&hourly, &runs), at(now)).start.unwrap();
    let one = late("01:30:00");
    assert_eq!((one.planned, one.missed), (at("01:00:00"), None));
    let three = late("03:30:00");
    assert_eq!(
        (three.trigger, three.planned),
        (Trigger::Schedule, at("03:00:00"))
    );
    assert_eq!(three.missed, Some(missed(2, "01:00:00")));
}

#[test]
fn a_run_by_hand_says_which_times_it_stands_in_for() {
    let by_hand = |now: &str, suspend: bool| {
        let test = test("0 * * * *", suspend);
        let runs = [run("a", "00:00:00", RunPhase::Completed)];
        let facts = Facts {
            trigger: Some("now"),
            ..facts(&test, &runs)
        };
        decide(&facts, at(now)).start.unwrap().missed
    };
    assert_eq!(by_hand("00:59:59", false), None);
    assert_eq!(by_hand("01:00:00", false), Some(missed(1, "01:00:00")));
    assert_eq!(by_hand("03:30:00", false), Some(missed(3, "01:00:00")));
    assert_eq!(by_hand("03:30:00", true), None, "nothing is planned for it");
}

#[test]
fn an_outage_that_began_during_a_run_hides_no_missed_time() {
    let hourly = test("0 * * * *", false);
    let cut = |at_most: Option<&str>| {
        let runs = [Past {
            ended: Some(at("05:10:00")),
            at_most: at_most.map(at),
            ..run("a", "01:00:00", RunPhase::Completed)
        }];
        let facts = Facts {
            last_run: Some(at("05:10:00")),
            ..facts(&hourly, &runs)
        };
        let start = decide(&facts, at("05:10:01")).start;
        start.map(|start| (start.planned, start.missed))
    };
    assert_eq!(cut(None), None, "it may have gone on until then");
    let made_up = (at("05:00:00"), Some(missed(3, "02:00:00")));
    assert_eq!(cut(Some("01:30:00")), Some(made_up));
}

#[test]
fn what_a_changed_or_resumed_test_was_not_planned_for_was_not_missed() {
    let hourly = test("0 * * * *", false);
    let runs = [run("a", "00:00:00", RunPhase::Completed)];
    for trigger in [None, Some("now")] {
        let changed = Facts {
            followed: false,
            trigger,
            ..facts(&hourly, &runs)
        };
        let start = decide(&changed, at("03:30:00")).start.unwrap();
        assert_eq!(start.missed, None, "{trigger:?}");
    }
}

#[test]
fn more_missed_times_than_are_counted_end_in_a_run_all_the_same() {
    let often = test("* * * * *", false);
    let runs = [run("a", "00:00:00", RunPhase::Completed)];
    let start = decide(&facts(&often, &runs), at("23:59:30")).start.unwrap();
    assert_eq!(
        (start.planned, start.missed),
        (at("23:59:30"), Some(missed(1000, "00:01:00")))
    );
}

/// Planned times of the runs that follow until a moment, each over after a minute.
fn follow(test: &Test, mut runs: Vec<Past>, created: &str, from: &str, until: &str) -> Vec<String> {
    let mut planned = Vec::new();
    let mut now = at(from);
    while now <= at(until) {
        let facts = Facts {
            created: at(created),
            last_run: runs.iter().filter_map(|r| r.ended).max(),
            ..facts(test, &runs)
        };
        let decision = decide(&facts, now);
        if let Some(start) = decision.start {
            assert_eq!(start.missed, None);
            let is_taken = runs.iter().any(|r| r.planned == start.planned);
            assert!(!is_taken, "a report is named after its planned time");
            planned.push(start.planned.strftime("%H:%M:%S").to_string());
            runs.push(Past {
                created: now,
                planned: start.planned,
                ended: Some(now + SignedDuration::from_mins(1)),
                ..run(&now.to_string(), created, RunPhase::Completed)
            });
        }
        runs.retain(|r| !decision.forget.contains(&r.name));
        now += SignedDuration::from_mins(5);
    }
    planned
}

#[test]
fn a_clock_that_was_set_back_keeps_no_test_from_running() {
    let hourly = test("0 * * * *", false);
    let before = run("a", "00:00:00", RunPhase::Completed);
    let ahead = ["20:00:00", "21:00:00", "22:00:00"].map(|at| run(at, at, RunPhase::Completed));
    let known = [vec![before], ahead.to_vec()].concat();
    let planned = |runs: &[Past], created| follow(&hourly, runs.to_vec(), created, "01:30:00", "04:30:00");
    let all = ["01:00:00", "02:00:00", "03:00:00", "04:00:00"];
    assert_eq!(planned(&known, "00:00:00"), all);
    assert_eq!(planned(&ahead, "00:00:00"), all);
    let also_made = planned(&ahead, "19:00:00");
    assert_eq!(also_made, ["02:00:00", "03:00:00", "04:00:00"]);
    let nearly = decide(&facts(&hourly, &ahead[..1]), at("19:59:59"));
    assert_eq!(
        (nearly.start, nearly.wake),
        (None, Some(at("21:00:00"))),
        "another machine may be a little behind, and nothing runs twice"
    );
    let new = Facts {
        created: at("20:00:00"),
        policy_exists: false,
        ..facts(&hourly, &[])
    };
    assert!(decide(&new, at("01:30:00")).start.is_some());
}

#[test]
fn an_interval_goes_on_when_the_clock_was_set_back() {
    let every = test("@every 1h", false);
    let ahead = ["20:00:00", "21:00:00", "22:00:00"].map(|at| run(at, at, RunPhase::Completed));
    let planned = |created| follow(&every, ahead.to_vec(), created, "01:30:00", "04:40:00");
    assert_eq!(planned("01:00:00"), ["02:00:00", "03:01:00", "04:06:00"]);
    assert_eq!(planned("19:00:00"), ["02:00:00", "03:01:00", "04:06:00"]);
    let next = |now: &str| {
        let going_on = [run("a", "20:00:00", RunPhase::Restoring)];
        let facts = Facts {
            created: at("19:00:00"),
            ..facts(&every, &going_on)
        };
        decide(&facts, at(now)).next
    };
    assert_eq!(next("01:30:00"), next("01:31:00"), "it does not move");
}

#[test]
fn a_run_by_hand_counts_when_the_clock_was_set_back() {
    let hourly = test("0 * * * *", false);
    let mut runs = vec![run("a", "20:00:00", RunPhase::Completed)];
    let by_hand = Facts {
        trigger: Some("now"),
        ..facts(&hourly, &runs)
    };
    let start = decide(&by_hand, at("01:30:00")).start.unwrap();
    assert_eq!((start.planned, start.missed), (at("01:30:00"), None));
    runs.push(run("b", "01:30:00", RunPhase::Completed));
    let after = decide(&facts(&hourly, &runs), at("01:31:00"));
    assert_eq!((after.start, after.wake), (None, Some(at("02:00:00"))));
}

#[test]
fn the_first_run_of_a_test_is_not_made_again_when_the_clock_was_set_back_meanwhile() {
    for schedule in ["0 * * * *", "@every 1h"] {
        let test = test(schedule, false);
        let runs = [run("a", "20:40:00", RunPhase::Completed)];
        let facts = Facts {
            created: at("20:40:00"),
            ..facts(&test, &runs)
        };
        let decision = decide(&facts, at("20:30:05"));
        assert_eq!(
            (decision.start, decision.wake),
            (None, Some(at("21:00:00"))),
            "{schedule}"
        );
    }
}

#[test]
fn a_run_during_which_the_clock_was_set_back_is_not_made_again() {
    let hourly = test("0 * * * *", false);
    let cut = Past {
        ended: Some(at("20:10:00")),
        ..run("a", "20:00:00", RunPhase::Completed)
    };
    let older = ["18:00:00", "19:00:00"].map(|time| run(&time[..2], time, RunPhase::Completed));
    let runs = [older.to_vec(), vec![cut]].concat();
    for now in ["19:40:00", "19:59:30", "20:00:00", "20:30:00"] {
        let decision = decide(&facts(&hourly, &runs), at(now));
        assert_eq!(decision.start, None, "{now}");
        assert_eq!(decision.forget, ["18"], "{now}: it has only just ended");
    }
    assert!(decide(&facts(&hourly, &runs), at("21:00:00")).start.is_some());
}

#[test]
fn a_time_that_passed_during_a_run_is_skipped() {
    let hourly = test("0 * * * *", false);
    let mut long = run("a", "00:00:00", RunPhase::Restoring);
    long.ended = None;
    assert_eq!(
        decide(&facts(&hourly, &[long.clone()]), at("01:10:00")).start,
        None
    );
    long.phase = RunPhase::Completed;
    long.ended = Some(at("01:20:00"));
    let after = decide(&facts(&hourly, &[long]), at("01:21:00"));
    assert_eq!((after.start, after.wake), (None, Some(at("02:00:00"))));
}

#[test]
fn a_trigger_is_refused_while_a_run_goes_on() {
    let daily = test("0 3 * * *", true);
    let runs = [run("a", "00:00:00", RunPhase::Checking)];
    let refused = decide(
        &Facts {
            trigger: Some("now"),
            ..facts(&daily, &runs)
        },
        at("01:00:00"),
    );
    assert_eq!((refused.start, refused.refused_by.as_deref()), (None, Some("a")));
    assert!(refused.clear_trigger);
    let runs = [run("a", "00:00:00", RunPhase::Completed)];
    let taken = decide(
        &Facts {
            trigger: Some("yes"),
            ..facts(&daily, &runs)
        },
        at("01:00:00"),
    );
    assert_eq!(taken.start.unwrap().trigger, Trigger::Annotation);
    let by_api = Facts {
        trigger: Some(names::TRIGGERED_BY_API),
        ..facts(&daily, &runs)
    };
    assert_eq!(
        decide(&by_api, at("01:00:00")).start.unwrap().trigger,
        Trigger::Api
    );
    for nothing in ["", "false"] {
        let facts = Facts {
            trigger: Some(nothing),
            ..facts(&daily, &runs)
        };
        assert_eq!(decide(&facts, at("01:00:00")).start, None, "{nothing:?}");
    }
}

#[test]
fn history_keeps_the_newest_and_what_people_look_at_or_are_to_be_told_of() {
    let daily = test("0 3 * * *", false);
    let mut runs: Vec<_> = ["00:01:00", "00:02:00", "00:03:00", "00:04:00"]
        .iter()
        .map(|t| run(t, t, RunPhase::Completed))
        .collect();
    runs[0].keeps_sandboxes = true;
    assert_eq!(decide(&facts(&daily, &runs), at("01:00:00")).forget, ["00:02:00"]);
    runs[1].untold = true;
    assert!(decide(&facts(&daily, &runs), at("01:00:00")).forget.is_empty());
}
