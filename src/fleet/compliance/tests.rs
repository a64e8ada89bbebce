use kymaros_crds::{RestoreTest, domain::Tier};
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::{
    fleet::{
        Contact, PackedReports, Remote,
        coverage::coverage,
        sample::{at, fleet_tests, log, read, report, shared, store, test, view},
    },
    velero::Backup,
};

fn judged(framework: Framework) -> Compliance {
    let mut leaking = report("ops", "wiki", 8, "pass", Some(95));
    leaking.status.as_mut().unwrap().leftovers = Some(2);
    let log = log([
        report("ops", "shop", 5, "fail", Some(30)),
        report("ops", "shop", 7, "pass", Some(95)),
        report("ops", "blog", 6, "fail", Some(20)),
        leaking,
    ]);
    let mut quiet = test("ops", "quiet");
    quiet.spec.sla = None;
    let tests = fleet_tests([
        test("ops", "shop"),
        test("ops", "blog"),
        test("ops", "wiki"),
        quiet,
    ]);
    let now = view(Tier::Team, 10);
    log.read(|index| {
        let coverage = coverage(index, &tests, &[], &[], &now);
        held(index, &tests, &coverage, (framework, 30), &now)
    })
}

/// Without other clusters.
fn held(
    index: &Index,
    tests: &[FleetTest],
    coverage: &Coverage,
    asked: (Framework, u32),
    view: &View,
) -> Compliance {
    compliance(index, tests, coverage, &Roster::default(), asked, view)
}

fn figures(of: &Compliance) -> Vec<(&'static str, usize, usize)> {
    of.requirements
        .iter()
        .map(|asked| (asked.id, asked.met, asked.of))
        .collect()
}

#[test]
fn each_framework_asks_for_something_else() {
    let (soc2, iso, dora) = (
        judged(Framework::Soc2),
        judged(Framework::Iso27001),
        judged(Framework::Dora),
    );
    assert_eq!(figures(&soc2), [("A1.3", 3, 4), ("A1.2", 4, 4), ("CC7.5", 1, 2)]);
    assert_eq!(
        figures(&iso),
        [("A.8.13", 0, 0), ("A.8.13 (integrity)", 4, 4), ("A.5.30", 3, 4)]
    );
    assert_eq!(
        figures(&dora),
        [
            ("Article 11(6)", 3, 4),
            ("Article 12(2)", 3, 4),
            ("Article 12(3)", 3, 4),
            ("Article 12(6)", 3, 4),
            ("Article 12(7)", 4, 4),
        ]
    );
    assert_eq!(soc2.requirements[2].open, ["ops/blog"]);
    assert_eq!(iso.requirements[0].standing, Standing::NoData);
    for of in [soc2, iso, dora] {
        assert_eq!(
            (of.status, of.tests_executed, of.issues_detected),
            ("non-compliant", 4, 2)
        );
        assert!(of.rto_compliant && of.days_with_tests == 4, "{of:?}");
    }
}

#[test]
fn a_label_narrows_a_framework_to_the_tests_that_carry_it() {
    let mut marked = test("ops", "shop");
    marked.metadata.labels = Some([(LABEL.to_owned(), "dora".to_owned())].into());
    let tests = fleet_tests([marked, test("ops", "blog")]);
    let seen = |framework| {
        let log = log([report("ops", "shop", 9, "pass", Some(95))]);
        let now = view(Tier::Team, 10);
        let coverage = Coverage::default();
        log.read(|index| held(index, &tests, &coverage, (framework, 30), &now))
    };
    let dora = seen(Framework::Dora);
    assert_eq!((dora.status, dora.requirements[0].of), ("compliant", 1));
    assert_eq!(seen(Framework::Soc2).requirements[0].of, 2);
}

#[test]
fn a_day_on_which_nothing_ended_has_no_tests() {
    let log = log([
        report("ops", "shop", 7, "pass", Some(95)),
        report("ops", "shop", 8, "inconclusive", None),
        report("ops", "shop", 9, "", None),
    ]);
    let tests = fleet_tests([test("ops", "shop")]);
    let (now, coverage) = (view(Tier::Team, 10), Coverage::default());
    let soc2 = log.read(|index| held(index, &tests, &coverage, (Framework::Soc2, 30), &now));
    let counts = (soc2.tests_executed, soc2.days_with_tests, soc2.daily_data.len());
    assert_eq!(counts, (2, 2, 1), "{soc2:?}");
}

#[test]
fn a_label_narrows_namespaces_to_those_that_its_tests_restore() {
    let mut marked = test("ops", "shop");
    marked.metadata.labels = Some([(LABEL.to_owned(), "iso27001".to_owned())].into());
    let plain = test("ops", "blog");
    let backup: Backup = read(json!({
        "metadata": { "name": "nightly", "namespace": "velero" }, "spec": {},
        "status": { "phase": "Completed", "startTimestamp": "2026-01-05T01:00:00Z" },
    }));
    let namespaces = ["shop", "blog", "wiki"].map(str::to_owned);
    let asked = |tests: [RestoreTest; 2]| {
        let (tests, now) = (fleet_tests(tests), view(Tier::Team, 10));
        let log = log([report("ops", "shop", 9, "pass", Some(95))]);
        log.read(|index| {
            let known = coverage(index, &tests, &shared([backup.clone()]), &namespaces, &now);
            let of = held(index, &tests, &known, (Framework::Iso27001, 30), &now);
            figures(&of)[0]
        })
    };
    assert_eq!(asked([plain.clone(), test("ops", "shop")]), ("A.8.13", 1, 3));
    assert_eq!(asked([plain, marked]), ("A.8.13", 1, 1));
}

#[test]
fn a_sandbox_that_is_kept_has_not_left_anything_behind() {
    let mut kept = report("ops", "shop", 9, "pass", Some(95));
    kept.status.as_mut().unwrap().leftovers = None;
    let log = log([report("ops", "shop", 8, "pass", Some(95)), kept]);
    let tests = fleet_tests([test("ops", "shop")]);
    let (now, coverage) = (view(Tier::Team, 10), Coverage::default());
    let dora = log.read(|index| held(index, &tests, &coverage, (Framework::Dora, 30), &now));
    assert_eq!(figures(&dora)[2], ("Article 12(3)", 1, 1));
}

#[test]
fn namespaces_of_one_name_in_two_clusters_are_two() {
    let mut tests = fleet_tests([test("ops", "shop"), test("dev", "shop")]);
    let mut other = tests[0].clone();
    other.cluster = Some("eu".parse().unwrap());
    tests.push(other);
    let (now, coverage) = (view(Tier::Team, 10), Coverage::default());
    let soc2 = log([]).read(|index| held(index, &tests, &coverage, (Framework::Soc2, 30), &now));
    assert_eq!(soc2.namespaces_covered, "2 namespaces");
}

#[test]
fn without_runs_there_is_no_data() {
    let now = view(Tier::Team, 10);
    let none = log([]).read(|index| held(index, &[], &Coverage::default(), (Framework::Soc2, 120), &now));
    assert_eq!(
        (none.status, none.days_in_period, none.rto_compliant),
        ("no-data", 90, false)
    );
    assert_eq!(none.hidden.len(), 1);
    assert!("hipaa".parse::<Framework>().unwrap_err().contains("dora"));
}

#[test]
fn runs_by_which_nothing_could_be_judged_meet_nothing() {
    let asked = |of: u8, met: u8| Requirement::of("A", "asked", "met", (0..of).map(|n| (n, n < met)));
    let (unknown, met, open) = (|| asked(0, 0), || asked(1, 1), || asked(2, 1));
    for (runs, requirements, said) in [
        (3, vec![unknown()], "no-data"),
        (3, vec![unknown(), met()], "compliant"),
        (3, vec![unknown(), met(), open()], "non-compliant"),
        (0, vec![met(), open()], "no-data"),
    ] {
        assert_eq!(status(runs, &requirements), said, "{requirements:?}");
    }
}

#[test]
fn evidence_is_whole_when_a_cluster_is_away() {
    let mut contact = Contact::new();
    contact.lost(at(3), "it could not be reached".into());
    let eu = Remote {
        name: "eu".parse().unwrap(),
        tests: store([]),
        reports: PackedReports::default(),
        contact: watch::channel(contact).1,
    };
    let others = Roster {
        remotes: [eu].into(),
        ..Roster::default()
    };
    let (now, coverage) = (view(Tier::Enterprise, 10), Coverage::default());
    let asked = (Framework::Soc2, 30);
    let seen = log([]).read(|index| compliance(index, &[], &coverage, &others, asked, &now));
    assert!(seen.away[0].starts_with("Cluster eu has been away"), "{seen:?}");
}

#[test]
fn a_run_that_proved_nothing_meets_no_objective_and_mends_nothing() {
    let (now, coverage) = (view(Tier::Team, 10), Coverage::default());
    let tests = fleet_tests([test("ops", "shop")]);
    let seen = |runs: &[&str], framework| {
        let runs = (7..).zip(runs.iter().copied());
        let log = log(runs.map(|(day, result)| report("ops", "shop", day, result, None)));
        log.read(|index| held(index, &tests, &coverage, (framework, 30), &now))
    };
    let iso = seen(&["inconclusive"], Framework::Iso27001);
    assert_eq!(
        (iso.status, figures(&iso)[2]),
        ("non-compliant", ("A.5.30", 0, 1))
    );
    let dora = seen(&["inconclusive"], Framework::Dora);
    assert_eq!(figures(&dora)[3], ("Article 12(6)", 0, 1));
    let dora = seen(&["pass", "inconclusive"], Framework::Dora);
    assert_eq!(figures(&dora)[3], ("Article 12(6)", 1, 1));
    let soc2 = seen(&["fail", "inconclusive"], Framework::Soc2);
    assert_eq!(figures(&soc2)[2], ("CC7.5", 0, 1));
}
