use kube::runtime::{reflector, watcher::Event};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};

use kymaros_crds::RestoreReport;

use super::*;

fn test(name: &str, source: &str) -> RestoreTest {
    serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": "ops", "uid": name }, "spec": spec(source),
    }))
    .unwrap()
}

fn spec(source: &str) -> Value {
    json!({
        "backupSource": { "provider": "velero", "backupName": "latest", "namespaces": [{ "name": source }] },
        "schedule": { "cron": "0 3 * * *" },
    })
}

fn report(name: &str, test: &str, status: &Value) -> RestoreReport {
    serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
        "metadata": { "name": name, "namespace": "ops", "uid": name },
        "spec": { "testRef": test, "test": spec("shop") }, "status": status,
    }))
    .unwrap()
}

fn passed(minute: u32, score: u32) -> Value {
    json!({
        "phase": "Completed", "result": "pass", "score": score, "leftovers": 0,
        "source": { "name": "b", "started": "2026-01-01T00:00:00Z" },
        "startedAt": format!("2026-01-01T01:{minute:02}:00Z"), "completedAt": format!("2026-01-01T01:{minute:02}:30Z"),
        "rto": { "measured": "12.5s", "withinSLA": true },
    })
}

/// What is told of these, as Prometheus reads it.
struct Told {
    runs: RunsSeen,
    leading: watch::Sender<bool>,
    registry: Registry,
    tests: reflector::store::Writer<RestoreTest>,
    log: RunLog,
}

impl Told {
    fn new() -> Self {
        let log = RunLog::default();
        let (tests, tests_writer) = reflector::store();
        let (leading, told) = watch::channel(true);
        let seen = RunsSeen::default();
        let mut registry = Registry::with_prefix("kymaros");
        registry.register_collector(Box::new(Runs {
            log: log.clone(),
            tests,
            seen: seen.clone(),
            leading: told,
        }));
        Self {
            runs: seen,
            leading,
            registry,
            tests: tests_writer,
            log,
        }
    }

    fn report(&mut self, event: &Event<RestoreReport>) {
        self.log.look(event);
        self.runs.look(event);
    }

    fn test(&mut self, event: &Event<RestoreTest>) {
        self.tests.apply_watcher_event(event);
        self.runs.look_at_test(event);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    #[track_caller]
    fn says(&self, line: &str) {
        let text = self.text();
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_latest_run_of_each_test_is_told() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("shop", "shop")));
    told.report(&Event::Apply(report("a", "shop", &passed(10, 100))));
    told.report(&Event::Apply(report("b", "shop", &passed(5, 70))));
    let going_on = json!({ "phase": "Restoring", "leftovers": 2 });
    told.report(&Event::Apply(report("c", "shop", &going_on)));
    told.says(r#"kymaros_score{test="shop",test_namespace="ops"} 100.0"#);
    told.says(r#"kymaros_rto_seconds{test="shop",test_namespace="ops"} 12.5"#);
    told.says(r#"kymaros_backup_age_seconds{test="shop",test_namespace="ops"} 4200.0"#);
    told.says(r#"kymaros_last_run_result{test="shop",test_namespace="ops",result="pass"} 1"#);
    told.says(r#"kymaros_runs{phase="Restoring"} 1"#);
    told.says(r#"kymaros_runs{phase="Queued"} 0"#);
    told.says("kymaros_leaked_objects 2");
}

#[test]
fn a_report_of_0_6_9_without_a_phase_is_no_run_that_waits() {
    let mut old = passed(10, 90);
    old.as_object_mut().unwrap().remove("phase");
    let mut told = Told::new();
    told.report(&Event::Apply(report("a", "shop", &old)));
    told.says(r#"kymaros_runs{phase="Queued"} 0"#);
}

#[test]
fn messages_that_nobody_got_are_told_until_they_are_old() {
    let mut told = Told::new();
    let run = |name: &str, hours_ago: i64, messages: Value| {
        let ended = Timestamp::now() - jiff::SignedDuration::from_hours(hours_ago);
        let status = json!({ "phase": "Completed", "result": "fail", "score": 20,
            "startedAt": ended.to_string(), "completedAt": ended.to_string(), "notifications": messages });
        Event::Apply(report(name, "shop", &status))
    };
    let message = |state: &str, attempts: i32| {
        json!({ "id": state, "subject": "Verdict", "receiver": "slack",
        "state": state, "attempts": attempts })
    };
    let of_today = json!([
        message("Pending", 3),
        message("Pending", 0),
        message("Delivered", 1),
        message("Failed", 9)
    ]);
    told.report(&run("a", 1, of_today));
    told.report(&run("b", 49, json!([message("Failed", 9)])));
    told.says(r#"kymaros_undelivered_notifications{state="waiting"} 1"#);
    told.says(r#"kymaros_undelivered_notifications{state="lost"} 1"#);
}

#[test]
fn a_run_that_proved_nothing_has_a_result_and_no_score() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("shop", "shop")));
    let mut blind = passed(10, 51);
    blind["result"] = json!("inconclusive");
    told.report(&Event::Apply(report("a", "shop", &passed(1, 95))));
    told.report(&Event::Apply(report("b", "shop", &blind)));
    told.says(r#"kymaros_last_run_result{test="shop",test_namespace="ops",result="inconclusive"} 1"#);
    assert!(!told.text().contains("kymaros_score{"), "{}", told.text());
}

#[test]
fn a_test_is_due_after_its_latest_run_unless_it_runs_or_is_suspended() {
    let due = |status: &[Value], suspend: bool| {
        let mut told = Told::new();
        let mut shop = test("shop", "shop");
        shop.spec.suspend = suspend;
        shop.metadata.creation_timestamp = serde_json::from_value(json!("2025-12-31T00:00:00Z")).unwrap();
        told.test(&Event::Apply(shop));
        for (number, status) in status.iter().enumerate() {
            told.report(&Event::Apply(report(&number.to_string(), "shop", status)));
        }
        let text = told.text();
        let line = text.lines().find_map(|line| {
            line.strip_prefix(r#"kymaros_due_timestamp_seconds{test="shop",test_namespace="ops"} "#)
        });
        line.map(|seconds| {
            let seconds: f64 = seconds.parse().unwrap();
            Timestamp::UNIX_EPOCH + std::time::Duration::from_secs_f64(seconds)
        })
        .map(|time| time.to_string())
    };
    let at = |time: &str| Some(time.to_owned());
    assert_eq!(due(&[], false), at("2025-12-31T03:00:00Z"));
    assert_eq!(due(&[passed(10, 100)], false), at("2026-01-01T03:00:00Z"));
    let queued = json!({ "phase": "Queued" });
    assert_eq!(due(&[passed(10, 100), queued], false), at("2026-01-01T03:00:00Z"));
    assert_eq!(
        due(&[passed(10, 100), json!({ "phase": "Checking" })], false),
        None
    );
    assert_eq!(due(&[passed(10, 100)], true), None);
}

#[test]
fn a_test_is_due_by_the_clock_of_its_zone() {
    let mut told = Told::new();
    let mut shop = test("shop", "shop");
    shop.spec.schedule.timezone = Some("Asia/Tokyo".to_owned());
    shop.metadata.creation_timestamp = serde_json::from_value(json!("2025-12-31T00:00:00Z")).unwrap();
    told.test(&Event::Apply(shop));
    let due: Timestamp = "2025-12-31T18:00:00Z".parse().unwrap();
    told.says(&format!(
        r#"kymaros_due_timestamp_seconds{{test="shop",test_namespace="ops"}} {}.0"#,
        due.as_second()
    ));
}

#[test]
fn a_test_without_reports_is_due_after_the_run_that_it_remembers() {
    let mut told = Told::new();
    let mut shop = test("shop", "shop");
    shop.metadata.creation_timestamp = serde_json::from_value(json!("2025-12-31T00:00:00Z")).unwrap();
    shop.status = serde_json::from_value(json!({ "lastRunAt": "2026-01-05T03:05:00Z" })).unwrap();
    told.test(&Event::Apply(shop));
    let due: Timestamp = "2026-01-06T03:00:00Z".parse().unwrap();
    let due = due.as_second();
    told.says(&format!(
        r#"kymaros_due_timestamp_seconds{{test="shop",test_namespace="ops"}} {due}.0"#
    ));
}

#[test]
fn a_namespace_that_was_never_proven_is_told_too() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("shop", "shop")));
    told.test(&Event::Apply(test("bank", "bank")));
    told.report(&Event::Apply(report("a", "shop", &passed(10, 100))));
    told.says(r#"kymaros_proof_age_seconds{source_namespace="bank"} inf"#);
    assert!(!told.text().contains(r#"{source_namespace="shop"} inf"#));
}

#[test]
fn a_run_is_counted_once_and_only_if_it_ended_here() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("shop", "shop")));
    told.report(&Event::Init);
    told.report(&Event::InitApply(report("old", "shop", &passed(1, 100))));
    told.report(&Event::InitDone);
    told.says(r#"kymaros_tests_total{test="shop",test_namespace="ops",result="pass"} 0"#);
    for _ in 0..2 {
        told.report(&Event::Apply(report("new", "shop", &passed(2, 100))));
    }
    let inconclusive = json!({ "phase": "Completed", "result": "inconclusive", "score": 51, "cause": "sandbox",
        "startedAt": "2026-01-01T01:00:00Z", "completedAt": "2026-01-01T01:01:30Z" });
    // The watch is cut, and the run ends meanwhile.
    told.report(&Event::Init);
    for (name, status) in [
        ("old", passed(1, 100)),
        ("new", passed(2, 100)),
        ("cut", inconclusive),
    ] {
        told.report(&Event::InitApply(report(name, "shop", &status)));
    }
    told.report(&Event::InitDone);
    told.says(r#"kymaros_tests_total{test="shop",test_namespace="ops",result="pass"} 1"#);
    told.says(r#"kymaros_tests_total{test="shop",test_namespace="ops",result="inconclusive"} 1"#);
    told.says(r#"kymaros_inconclusive_total{cause="sandbox"} 1"#);
    told.says(r#"kymaros_test_duration_seconds_count{test="shop",test_namespace="ops"} 2"#);
    told.says(r#"kymaros_test_duration_seconds_bucket{le="60.0",test="shop",test_namespace="ops"} 1"#);
}

#[test]
fn every_count_begins_at_zero() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("shop", "shop")));
    for result in ["pass", "fail", "partial", "inconclusive"] {
        let labels = format!(r#"test="shop",test_namespace="ops",result="{result}""#);
        told.says(&format!("kymaros_tests_total{{{labels}}} 0"));
    }
    for cause in ["backup", "restoreEngine", "sandbox", "application", "unknown"] {
        told.says(&format!(r#"kymaros_inconclusive_total{{cause="{cause}"}} 0"#));
    }
    told.says(r#"kymaros_test_duration_seconds_count{test="shop",test_namespace="ops"} 0"#);
}

#[test]
fn a_replica_that_does_not_lead_forgets_tests_that_are_gone_too() {
    let mut told = Told::new();
    told.leading.send_replace(false);
    told.report(&Event::InitDone);
    for test_of in ["shop", "blog"] {
        told.tests
            .apply_watcher_event(&Event::Apply(test(test_of, test_of)));
        told.report(&Event::Apply(report(test_of, test_of, &passed(1, 100))));
    }
    let counted = |told: &Told| told.runs.read(|totals| totals.by_test.len());
    assert_eq!(counted(&told), 2);
    // Nobody asks for metrics.
    told.runs.look_at_test(&Event::Delete(test("shop", "shop")));
    assert_eq!(counted(&told), 1);
    // The watch was cut when it went.
    told.tests
        .apply_watcher_event(&Event::Delete(test("shop", "shop")));
    told.tests
        .apply_watcher_event(&Event::Delete(test("blog", "blog")));
    assert_eq!(told.text(), "# EOF\n");
    assert_eq!(counted(&told), 0);
}

#[test]
fn an_agreed_recovery_time_is_told_where_there_is_one() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("blog", "blog")));
    let mut shop = test("shop", "shop");
    shop.spec.sla = serde_json::from_value(json!({ "maxRTO": "2h" })).unwrap();
    told.test(&Event::Apply(shop));
    told.says(r#"kymaros_rto_target_seconds{test="shop",test_namespace="ops"} 7200.0"#);
    assert!(!told.text().contains(r#"kymaros_rto_target_seconds{test="blog""#));
}

#[test]
fn nothing_stays_of_a_test_that_is_gone() {
    let mut told = Told::new();
    told.report(&Event::InitDone);
    told.test(&Event::Apply(test("shop", "shop")));
    told.report(&Event::Apply(report("a", "shop", &passed(1, 100))));
    assert!(told.text().contains("shop"));
    told.test(&Event::Delete(test("shop", "shop")));
    assert!(!told.text().contains("shop"), "{}", told.text());
}

#[test]
fn only_the_leader_tells_of_runs() {
    let mut told = Told::new();
    told.test(&Event::Apply(test("shop", "shop")));
    told.report(&Event::Apply(report("a", "shop", &passed(1, 100))));
    told.leading.send_replace(false);
    assert_eq!(told.text(), "# EOF\n");
}
