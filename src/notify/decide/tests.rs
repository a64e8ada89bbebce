use kymaros_crds::Trigger;
use serde_json::{Value, json};

use super::*;
use crate::notify::OwnReceiver;

const NOW: &str = "2026-01-01T03:20:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A run of a test that tells `fails` of failures and `passes` of success, with changes to its spec and status.
fn report(spec: &Value, status: &Value) -> RestoreReport {
    let mut test = json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
        "schedule": { "cron": "0 3 * * *" }, "sandbox": {}, "sla": { "maxRTO": "2m" },
        "notifications": {
            "onFailure": [{ "type": "webhook", "webhookSecretRef": "fails" }],
            "onSuccess": [{ "type": "webhook", "webhookSecretRef": "passes" }],
        },
    });
    merge(&mut test, spec);
    let mut whole = json!({ "phase": "CleaningUp", "result": "pass", "score": 100, "message": "100/100, pass",
        "startedAt": "2026-01-01T03:00:01Z", "completedAt": "2026-01-01T03:10:00Z" });
    merge(&mut whole, status);
    serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
        "metadata": { "name": "shop-1", "namespace": "ops", "uid": "u", "creationTimestamp": "2026-01-01T03:00:00Z" },
        "spec": { "testRef": "shop", "trigger": "Schedule", "scheduledFor": "2026-01-01T03:00:00Z", "test": test,
                  "previous": { "report": "shop-0", "score": 95 } },
        "status": whole,
    }))
    .unwrap()
}

fn merge(base: &mut Value, change: &Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

/// Who is told, and the words.
fn told(spec: &Value, status: &Value) -> Vec<(String, String)> {
    let due = decide(&report(spec, status), &Defaults::default(), now());
    due.notices.into_iter().map(said).collect()
}

fn said(notice: Notice) -> (String, String) {
    let secret = notice.receiver.secret.map(|secret| secret.name);
    (secret.unwrap_or_default(), notice.message.text)
}

#[test]
fn each_outcome_is_told_to_those_who_asked_for_it() {
    let none = json!({});
    for (what, status, who, words) in [
        (
            "a pass",
            json!({}),
            "passes",
            "Restore test passed with score 100/100\n100/100, pass",
        ),
        (
            "a failure",
            json!({ "result": "fail", "score": 50, "cause": "backup", "message": "50/100, fail: no data" }),
            "fails",
            "Restore test failed with score 50/100\nScore regression: 95 → 50 (-45 points)\n50/100, fail: no data\n\
             Cause: Backup",
        ),
        (
            "a failed check",
            json!({ "result": "partial", "score": 95, "message": "95/100, partial",
                    "checks": [{ "name": "page", "status": "fail", "duration": "1s", "message": "" },
                               { "name": "api", "status": "pass", "duration": "1s", "message": "" }] }),
            "fails",
            "Restore test was partial with score 95/100\n95/100, partial\nFailed checks: page",
        ),
        (
            "nothing learned",
            json!({ "result": "inconclusive", "score": 0, "cause": "sandbox", "message": "inconclusive: quota" }),
            "fails",
            "Restore test was inconclusive: nothing was learned of the backup\ninconclusive: quota\nCause: Sandbox",
        ),
    ] {
        let expected = [(who.to_owned(), words.to_owned())];
        assert_eq!(told(&none, &status), expected, "{what}");
    }
}

#[test]
fn a_pass_that_got_worse_is_told_to_both() {
    let worse = json!({ "regressions": ["recovery took 3m"] });
    assert_eq!(
        told(&json!({}), &worse),
        [
            (
                "fails".to_owned(),
                "Worse than before: recovery took 3m\n100/100, pass".to_owned()
            ),
            (
                "passes".to_owned(),
                "Restore test passed with score 100/100\n100/100, pass".to_owned()
            ),
        ]
    );
}

#[test]
fn the_score_is_said_once_in_the_words_of_old() {
    let fell = json!({ "score": 80, "result": "partial", "message": "80",
        "regressions": ["the score fell from 95 to 80 since shop-0", "completeness has lost marks"] });
    let text = &told(&json!({}), &fell)[0].1;
    assert_eq!(text.matches("95").count(), 1, "{text}");
    assert!(
        text.contains("Score regression: 95 → 80 (-15 points)\nWorse than before: completeness"),
        "{text}"
    );
    let little = json!({ "score": 85, "result": "partial" });
    assert!(!told(&json!({}), &little)[0].1.contains("regression"));
}

#[test]
fn recovery_that_took_too_long_is_told_where_that_was_asked_for() {
    let slow = json!({ "rto": { "measured": "3m", "target": "2m", "withinSLA": false } });
    let asked = json!({ "sla": { "alertOnExceed": true } });
    assert_eq!(
        told(&asked, &slow)[0],
        (
            "fails".to_owned(),
            "RTO exceeded: 3m, agreed 2m\n100/100, pass".to_owned()
        )
    );
    assert_eq!(told(&json!({}), &slow).len(), 1);
    let kept = json!({ "rto": { "measured": "1m", "target": "2m", "withinSLA": true } });
    assert_eq!(told(&asked, &kept).len(), 1);
}

#[test]
fn who_is_in_both_lists_gets_one_message() {
    let both = json!({ "notifications": { "onSuccess": [{ "type": "webhook", "webhookSecretRef": "fails" },
                                                         { "type": "webhook", "webhookSecretRef": "fails" }] } });
    let told = told(&both, &json!({ "regressions": ["recovery took 3m"] }));
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .1
            .starts_with("Restore test passed with score 100/100\nWorse than before"),
        "{told:?}"
    );
}

#[test]
fn times_that_passed_during_a_run_are_told() {
    let often = json!({ "schedule": { "cron": "*/4 * * * *" } });
    let told = told(&often, &json!({}));
    assert!(
        told[0]
            .1
            .contains("2 planned runs, the first for 2026-01-01T03:04:00Z, were skipped"),
        "{told:?}"
    );
    assert_eq!(told.len(), 2);
}

#[test]
fn a_time_that_passes_during_a_run_is_told_whyever_that_was_made() {
    let told = |trigger: Trigger, due: &str, spec: Value| {
        let status = json!({ "startedAt": "2026-01-01T02:58:00Z" });
        let mut report = report(&spec, &status);
        report.metadata.creation_timestamp = serde_json::from_value(json!("2026-01-01T02:58:00Z")).unwrap();
        report.spec.trigger = Some(trigger);
        report.spec.scheduled_for = serde_json::from_value(json!(due)).unwrap();
        let due = decide(&report, &Defaults::default(), now());
        let texts = due.notices.into_iter().map(|notice| said(notice).1);
        texts.collect::<Vec<_>>().join("\n")
    };
    let words = "the run planned for 2026-01-01T03:00:00Z was skipped, for this one went on";
    for trigger in [Trigger::Annotation, Trigger::Api] {
        let text = told(trigger, "2026-01-01T02:58:00Z", json!({}));
        assert!(text.contains(words), "{trigger:?}: {text}");
        let text = told(trigger, "2026-01-01T02:58:00Z", json!({ "suspend": true }));
        assert!(!text.contains("Missed schedule"), "{trigger:?}: {text}");
    }
    // Its test was there before the operator.
    let text = told(Trigger::Created, "2025-12-30T12:00:00Z", json!({}));
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_run_that_began_late_or_not_at_all_is_told_of() {
    let missed = |status: Value, at: &str| {
        let due = decide(
            &report(&json!({}), &status),
            &Defaults::default(),
            at.parse().unwrap(),
        );
        let missed = due
            .notices
            .into_iter()
            .filter(|notice| notice.subject == NotificationSubject::MissedSchedule);
        let texts: Vec<String> = missed.map(|notice| said(notice).1).collect();
        (texts, due.look_again.map(|at| at.to_string()))
    };
    let waits = json!({ "phase": "Queued", "result": null, "score": null, "startedAt": null, "completedAt": null,
        "queue": { "position": 1, "reason": "Velero restores other" } });
    let again = Some("2026-01-01T04:00:00Z".to_owned());
    assert_eq!(missed(waits.clone(), "2026-01-01T03:59:59Z"), (vec![], again));
    let (texts, again) = missed(waits, "2026-01-01T04:00:00Z");
    let words = "Missed schedule: planned for 2026-01-01T03:00:00Z, and has not begun: Velero restores other";
    assert_eq!((texts, again), (vec![words.to_owned()], None));
    let late = json!({ "startedAt": "2026-01-01T05:00:00Z", "completedAt": "2026-01-01T05:10:00Z" });
    let (texts, _) = missed(late, "2026-01-01T05:00:01Z");
    assert_eq!(
        texts,
        ["Missed schedule: planned for 2026-01-01T03:00:00Z, begun 2026-01-01T05:00:00Z"]
    );
    assert_eq!(missed(json!({}), NOW), (vec![], None));
    let mut by_hand = report(&json!({}), &json!({ "startedAt": "2026-01-01T05:00:00Z" }));
    by_hand.spec.trigger = Some(Trigger::Annotation);
    let due = decide(&by_hand, &Defaults::default(), now());
    assert!(
        due.notices
            .iter()
            .all(|n| n.subject == NotificationSubject::Verdict)
    );
}

#[test]
fn times_that_got_no_run_are_told_once_with_the_run_that_was_late() {
    let missed = |trigger: Trigger, times: i32, status: Value, at: &str| {
        let mut report = report(&json!({ "schedule": { "cron": "0 3 * * sun" } }), &status);
        report.metadata.creation_timestamp = serde_json::from_value(json!("2026-01-06T09:00:00Z")).unwrap();
        report.spec.trigger = Some(trigger);
        report.spec.scheduled_for = serde_json::from_value(json!("2026-01-04T03:00:00Z")).unwrap();
        let first = json!({ "times": times, "first": "2025-12-21T03:00:00Z" });
        report.spec.missed = serde_json::from_value(if times > 0 { first } else { Value::Null }).unwrap();
        let due = decide(&report, &Defaults::default(), at.parse().unwrap());
        let missed = due.notices.into_iter();
        let missed = missed.filter(|notice| notice.subject == NotificationSubject::MissedSchedule);
        missed.map(|notice| said(notice).1).collect::<Vec<_>>()
    };
    let ran = || json!({ "startedAt": "2026-01-06T09:00:05Z", "completedAt": "2026-01-06T09:10:00Z" });
    let (soon, later) = ("2026-01-06T09:20:00Z", "2026-01-07T09:00:00Z");
    let none = "Missed schedule: nothing ran for 2 planned times, the first 2025-12-21T03:00:00Z";
    let late = "Missed schedule: planned for 2026-01-04T03:00:00Z, begun 2026-01-06T09:00:05Z";
    assert_eq!(
        missed(Trigger::Schedule, 2, ran(), soon),
        [format!("{none}\n{late}")]
    );
    assert_eq!(missed(Trigger::Annotation, 2, ran(), soon), [none]);
    assert_eq!(
        missed(Trigger::Annotation, 1, ran(), soon),
        ["Missed schedule: nothing ran for 2025-12-21T03:00:00Z"]
    );
    assert_eq!(
        missed(Trigger::Annotation, 1000, ran(), soon),
        ["Missed schedule: nothing ran for 1000 planned times or more, the first 2025-12-21T03:00:00Z"]
    );
    // It was due two days before anybody could tell.
    assert_eq!(missed(Trigger::Schedule, 0, ran(), soon), [late]);
    assert_eq!(missed(Trigger::Schedule, 2, ran(), later), [""; 0]);
    assert_eq!(missed(Trigger::Annotation, 0, ran(), soon), [""; 0]);
}

fn own() -> Defaults {
    Defaults {
        namespace: "kymaros-system".to_owned(),
        slack: Some(OwnReceiver {
            secret: "team-slack".to_owned(),
            channel: Some("#alerts".to_owned()),
        }),
        webhook: Some(OwnReceiver {
            secret: "team-hook".to_owned(),
            channel: None,
        }),
    }
}

fn receivers(notifications: &Value, status: &Value, defaults: &Defaults) -> Vec<String> {
    let spec = json!({ "notifications": notifications });
    let due = decide(&report(&spec, status), defaults, now());
    due.notices
        .iter()
        .map(|notice| notice.receiver.to_string())
        .collect()
}

#[test]
fn the_operators_own_receivers_are_for_tests_that_say_nothing() {
    let failed = json!({ "result": "fail", "score": 0 });
    assert_eq!(
        receivers(&Value::Null, &failed, &own()),
        [
            "slack #alerts by Secret kymaros-system/team-slack",
            "webhook by Secret kymaros-system/team-hook",
        ]
    );
    assert!(
        receivers(&Value::Null, &json!({}), &own()).is_empty(),
        "of failures only"
    );
    assert!(receivers(&Value::Null, &failed, &Defaults::default()).is_empty());
    let nobody = json!({ "onFailure": [], "onSuccess": [] });
    assert!(receivers(&nobody, &failed, &own()).is_empty());
}

#[test]
fn a_target_without_a_secret_counts_on_the_operators_own() {
    let failed = json!({ "result": "fail", "score": 0 });
    let targets = json!({ "onFailure": [{ "type": "slack", "channel": "#shop" }, { "type": "webhook", "channel": "no" }] });
    assert_eq!(
        receivers(&targets, &failed, &own()),
        [
            "slack #shop by Secret kymaros-system/team-slack",
            "webhook by Secret kymaros-system/team-hook",
        ]
    );
    assert_eq!(
        receivers(&targets, &failed, &Defaults::default()),
        ["slack #shop of the operator", "webhook of the operator"]
    );
}

#[test]
fn an_id_names_a_message_to_a_receiver_and_never_changes() {
    let ids = |status: &Value| -> Vec<String> {
        let due = decide(&report(&json!({}), status), &Defaults::default(), now());
        due.notices.into_iter().map(|notice| notice.id).collect()
    };
    let worse = json!({ "regressions": ["recovery took 3m"] });
    let once = ids(&worse);
    assert_eq!(once, ids(&json!({ "regressions": ["x"], "phase": "Completed" })));
    assert!(
        once.len() == 2 && once[0] != once[1] && once[0].len() == 32,
        "{once:?}"
    );
}

#[test]
fn nobody_is_told_of_yesterday() {
    let due = |at: &str| {
        decide(
            &report(&json!({}), &json!({})),
            &Defaults::default(),
            at.parse().unwrap(),
        )
    };
    assert_eq!(due("2026-01-02T03:09:59Z").notices.len(), 1);
    assert_eq!(due("2026-01-02T03:10:00Z").notices.len(), 0);
}

#[test]
fn payloads_are_those_of_old() {
    use crate::notify::message;
    let spec = json!({ "notifications": { "onFailure": [
        { "type": "slack", "channel": "#shop", "webhookSecretRef": "a" }, { "type": "slack", "webhookSecretRef": "b" },
        { "type": "webhook", "webhookSecretRef": "c" }] } });
    let status = json!({ "result": "fail", "score": 90, "message": "no <!channel> & more" });
    let due = decide(&report(&spec, &status), &Defaults::default(), now());
    let text = ":x: *Kymaros* — `shop` score: *90/100* (fail)\nRestore test failed with score 90/100\n\
                no &lt;!channel&gt; &amp; more\n`kymaros report shop-1 --namespace ops`";
    assert_eq!(
        message::slack(&due.notices[0], None),
        json!({ "channel": "#shop", "text": text })
    );
    assert_eq!(message::slack(&due.notices[1], None), json!({ "text": text }));
    let mut of_no_run = due.notices[1].clone();
    of_no_run.message.report.clear();
    let text = message::slack(&of_no_run, None)["text"].to_string();
    assert!(!text.contains("kymaros report"), "{text}");
    let document = message::webhook(&due.notices[2], None);
    assert_eq!(
        document,
        json!({ "TestName": "shop", "Score": 90, "Result": "fail", "ReportRef": "shop-1",
            "Message": "Restore test failed with score 90/100\nno <!channel> & more",
            "Namespace": "ops", "Subject": "Verdict", "DeliveryID": due.notices[2].id })
    );
    let emoji = |result: &str| {
        let spec = json!({ "notifications": { "onFailure": [{ "type": "slack", "webhookSecretRef": "a" }],
            "onSuccess": [{ "type": "slack", "webhookSecretRef": "a" }] } });
        let due = decide(
            &report(&spec, &json!({ "result": result })),
            &Defaults::default(),
            now(),
        );
        let text = message::slack(&due.notices[0], None)["text"]
            .as_str()
            .unwrap()
            .to_owned();
        text.split(':').nth(1).unwrap().to_owned()
    };
    let emojis = ["pass", "partial", "fail", "inconclusive"].map(emoji);
    assert_eq!(emojis, ["white_check_mark", "warning", "x", "grey_question"]);
}
