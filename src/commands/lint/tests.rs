//! Files in, findings out.

use std::path::Path;

use kymaros_webhooks::validate::Unchecked;
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Args, input,
    judge::judge,
    output,
    report::{Outcome, Report, Severity},
};

const GOOD: &str = "\
apiVersion: restore.kymaros.io/v1alpha1
kind: RestoreTest
metadata: {name: shop, namespace: tests}
spec:
  backupSource:
    provider: velero
    namespaces:
      - name: shop
  schedule: {cron: '0 3 * * *'}
  healthChecks: {policyRef: shop}
  sla: {maxRTO: 15m}
";

const POLICY: &str = "\
apiVersion: restore.kymaros.io/v1alpha1
kind: HealthCheckPolicy
metadata: {name: shop, namespace: tests}
spec:
  checks:
    - {name: web, type: tcpSocket, tcpSocket: {service: web, port: 80}}
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn lint(path: &Path) -> Report {
    judge(input::all(&[path.display().to_string()]))
}

/// `file:line: sentence` of each finding, files without their folder.
fn lines(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let text = output::human(&lint(folder.path())).replace(&format!("{}/", folder.path().display()), "");
    let is_finding = |line: &&str| {
        files
            .iter()
            .any(|(file, _)| line.starts_with(&format!("{file}:")))
    };
    text.lines().filter(is_finding).map(str::to_owned).collect()
}

#[test]
fn the_examples_are_clean() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let report = lint(&examples);
    let errors: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(report.outcome(false), Outcome::Clean, "{:?}", report.unread);
    assert!(report.checked >= 7, "only {} objects", report.checked);
}

#[test]
fn each_error_has_its_line_and_words() {
    let bad = GOOD
        .replace("0 3 * * *", "0 0 3 ? * 2-6")
        .replace(
            "      - name: shop\n",
            "      - name: shop\n      - name: kube-system\n        sandboxName: shop\n",
        )
        .replace("sla: {", "sandbox:\n    ttll: 1h\n  sla: {");
    assert_eq!(
        lines(&[("policy.yaml", POLICY), ("shop.yaml", &bad)]),
        [
            "shop.yaml:9: spec.backupSource.namespaces[1].name: \"kube-system\": belongs to the cluster or to Velero and \
             is never copied; name a namespace of an application",
            "shop.yaml:10: spec.backupSource.namespaces[1].sandboxName: \"shop\": is a sandboxName and a namespace to \
             restore; production is never a sandbox",
            "shop.yaml:11: spec.schedule.cron: \"0 0 3 ? * 2-6\": has 6 fields; seconds and years are not known here: \
             write 0 3 * * MON-FRI",
            "shop.yaml:14: spec.sandbox.ttll: \"ttll\": is not a field here; did you mean ttl?",
        ]
    );
}

#[test]
fn a_policy_among_the_files_is_known() {
    let report = lint(folder(&[("a.yaml", GOOD), ("deep/er/b.yml", POLICY)]).path());
    assert_eq!(
        (report.checked, report.findings.len()),
        (2, 0),
        "{:#?}",
        report.findings
    );
    assert!(!report.unchecked.contains(&Unchecked::Policies));
    let alone = lint(folder(&[("a.yaml", GOOD)]).path());
    assert!(alone.unchecked.contains(&Unchecked::Policies) && alone.findings.is_empty());
    let empty = POLICY.replace(
        "    - {name: web, type: tcpSocket, tcpSocket: {service: web, port: 80}}\n",
        "    []\n",
    );
    let said = lines(&[("a.yaml", GOOD), ("b.yaml", &empty)]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("a.yaml:10: warning: spec.healthChecks.policyRef: has no checks"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("b.yaml:5: warning: spec.checks: is empty"),
        "{said:?}"
    );
}

#[test]
fn tests_in_several_files_may_not_share_a_sandbox_or_a_name() {
    let one = GOOD.replace("- name: shop\n", "- name: shop\n        sandboxName: copy\n");
    let two = one
        .replace("{name: shop,", "{name: other,")
        .replace("- name: shop\n", "- name: db\n");
    let said = lines(&[("a.yaml", &one), ("b.yaml", &two), ("c.yaml", POLICY)]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("a.yaml:9") && said[0].contains("of the test tests/other"),
        "{said:?}"
    );
    assert!(
        said[1].contains("b.yaml:9") && said[1].contains("of the test tests/shop"),
        "{said:?}"
    );
    let twice = lines(&[("a.yaml", GOOD), ("b.yaml", GOOD), ("c.yaml", POLICY)]);
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(
        twice[0].starts_with("b.yaml:3: metadata.name: \"tests/shop\": is there twice"),
        "{twice:?}"
    );
    assert!(twice[0].ends_with("a.yaml:1; keep one"), "{twice:?}");
    let elsewhere = GOOD.replace("namespace: tests", "namespace: more");
    let apart = lines(&[("a.yaml", GOOD), ("b.yaml", &elsewhere), ("c.yaml", POLICY)]);
    assert_eq!(apart, [] as [&str; 0]);
}

#[test]
fn streams_lists_and_json_are_read_and_others_left_out() {
    let list = r#"{
  "apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "apps/v1", "kind": "Deployment"},
    {"apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy", "metadata": {"name": "x"},
     "spec": {"checks": [
        {"name": "a", "type": "exec", "exec": {"command": []}}
     ]}}
  ]
}"#;
    let stream = format!("# nothing\n---\nkind: ConfigMap\n---\n{GOOD}---\n{POLICY}---\n");
    let files = [
        ("list.json", list),
        ("stream.yaml", stream.as_str()),
        ("notes.txt", "a: {"),
        (".git/x.yaml", "a: {"),
    ];
    let folder = folder(&files);
    let report = lint(folder.path());
    assert_eq!(
        (report.checked, report.skipped, report.unread.len()),
        (3, 2, 0),
        "{:?}",
        report.unread
    );
    let [finding] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(
        (finding.place.line, finding.field.as_str()),
        (6, "spec.checks[0].exec.command")
    );
}

#[test]
fn what_cannot_be_read_is_no_verdict() {
    let template = "kind: {{ .Values.kind }}\n";
    let folder = folder(&[
        ("chart/ours.yaml", &format!("# kymaros.io\n{template}")),
        ("chart/others.yaml", template),
        ("good.yaml", GOOD),
        ("binary.json", "x"),
    ]);
    std::fs::write(folder.path().join("binary.json"), [0xff, 0xfe, 0x00]).unwrap();
    let report = lint(folder.path());
    assert_eq!(
        (report.outcome(false), report.checked, report.skipped),
        (Outcome::Unread, 1, 1)
    );
    let said: Vec<_> = report
        .unread
        .iter()
        .map(|u| (u.file.rsplit('/').next().unwrap(), u.place.map(|p| p.line)))
        .collect();
    assert_eq!(said, [("binary.json", None), ("ours.yaml", Some(2))]);
    // What is named on the command line must be YAML.
    let named = lint(&folder.path().join("chart/others.yaml"));
    assert_eq!(named.outcome(false), Outcome::Unread);
    let absent = lint(&folder.path().join("absent.yaml"));
    assert_eq!(absent.unread[0].message, "does not exist");
}

#[test]
fn a_wrong_version_or_kind_of_ours_is_told() {
    for (change, said) in [
        (
            ("kymaros.io/v1alpha1", "kymaros.io/v1"),
            "a.yaml:1: apiVersion: \"restore.kymaros.io/v1\": is not served; write restore.kymaros.io/v1alpha1",
        ),
        (
            ("restore.kymaros.io/", "kymaros.io/"),
            "a.yaml:1: apiVersion: \"kymaros.io/v1alpha1\": is not served",
        ),
        (
            ("kind: RestoreTest", "kind: RestoreTests"),
            "a.yaml:2: kind: \"RestoreTests\": is no kind of this group",
        ),
    ] {
        let said_of = lines(&[("a.yaml", &GOOD.replace(change.0, change.1))]);
        assert_eq!(said_of.len(), 1, "{said_of:?}");
        assert!(said_of[0].starts_with(said), "{said_of:?}");
    }
    for other in [
        "apiVersion: networking.gke.io/v1\nkind: HealthCheckPolicy\n",
        "apiVersion: restore.kymaros.io/v1alpha1\nkind: RestoreReport\n",
    ] {
        let report = lint(folder(&[("a.yaml", other)]).path());
        assert_eq!(
            (report.checked, report.skipped, report.findings.len()),
            (0, 1, 0),
            "{other}"
        );
    }
}

#[test]
fn warnings_fail_only_when_they_shall() {
    let report = lint(folder(&[("a.yaml", &GOOD.replace("  sla: {maxRTO: 15m}\n", ""))]).path());
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert_eq!(
        (report.outcome(false), report.outcome(true)),
        (Outcome::Clean, Outcome::Wrong)
    );
    let clean = lint(folder(&[("a.yaml", GOOD)]).path());
    assert_eq!(
        (clean.outcome(false), clean.outcome(true)),
        (Outcome::Clean, Outcome::Clean)
    );
    let wrong = lint(folder(&[("a.yaml", &GOOD.replace("velero", "kasten"))]).path());
    assert_eq!(wrong.outcome(false), Outcome::Wrong);
}

#[test]
fn json_and_sarif_say_the_same() {
    let bad = GOOD.replace("15m", "0s").replace(
        "    provider: velero\n",
        "    provider: velero\n    backupName: A\n",
    );
    let folder = folder(&[("a b.yaml", &bad), ("broken.yaml", "kymaros.io: [")]);
    let report = lint(folder.path());
    let json: Value = serde_json::from_str(&output::json(&report).unwrap()).unwrap();
    assert_eq!(json["checked"], 1);
    assert_eq!(json["findings"][0]["field"], "spec.backupSource.backupName");
    assert_eq!(
        (&json["findings"][0]["line"], &json["findings"][0]["column"]),
        (&7.into(), &5.into())
    );
    assert_eq!(json["findings"][1]["severity"], "error");
    assert_eq!(json["unread"][0]["line"], 1);
    assert!(
        json["notChecked"]
            .as_array()
            .unwrap()
            .iter()
            .any(|w| w.as_str().unwrap().contains("sandboxName is free"))
    );
    let sarif: Value = serde_json::from_str(&output::sarif(&report).unwrap()).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(
        (&sarif["version"], run["results"].as_array().unwrap().len()),
        (&"2.1.0".into(), 2)
    );
    let place = &run["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["region"]["startLine"], 7);
    assert!(
        place["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("/a%20b.yaml"),
        "{place}"
    );
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let rules: Vec<_> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["id"])
        .collect();
    for result in run["results"].as_array().unwrap() {
        assert!(rules.contains(&&result["ruleId"]), "{result}");
    }
}

#[test]
fn the_command_line_is_understood() {
    use clap::{Args as _, FromArgMatches};
    let parse = |words: &[&str]| {
        let command = Args::augment_args(clap::Command::new("lint"));
        command
            .try_get_matches_from([&["lint"], words].concat())
            .and_then(|m| Args::from_arg_matches(&m))
    };
    let args = parse(&["-", "a.yaml", "--strict", "--output", "sarif"]).unwrap();
    assert_eq!((args.paths.len(), args.strict), (2, true));
    parse(&[]).unwrap_err();
    parse(&["a", "--output", "xml"]).unwrap_err();
}
