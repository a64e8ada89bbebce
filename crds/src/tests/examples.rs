//! Every example in `examples/` is taken as it is.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::admission::{parse, refusals};

fn examples() -> BTreeMap<String, Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = serde_saphyr::from_multiple(&text).unwrap();
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                documents,
            )
        })
        .collect()
}

#[test]
fn every_example_is_taken_as_it_is() {
    let examples = examples();
    assert!(examples.len() >= 7, "only {:?}", examples.keys());
    for (file, documents) in &examples {
        assert!(
            documents.iter().any(|d| d["kind"] == "RestoreTest"),
            "{file} has no test"
        );
        for manifest in documents {
            let what = format!("{file}: {} {}", manifest["kind"], manifest["metadata"]["name"]);
            if manifest["apiVersion"] == "restore.kymaros.io/v1alpha1" {
                assert_eq!(refusals(manifest), [] as [String; 0], "{what}");
                parse(manifest).unwrap_or_else(|invalid| panic!("{what}: {invalid}"));
            }
        }
    }
}

/// What no run can make up for: without objectives a test never meets Article 12(6).
#[test]
fn an_example_that_is_evidence_for_dora_has_both_objectives() {
    let examples = examples();
    let tests = examples.values().flatten().filter(|document| {
        document["kind"] == "RestoreTest" && document["metadata"]["labels"]["kymaros.io/compliance"] == "dora"
    });
    let mut seen = 0;
    for test in tests {
        for objective in ["/spec/backupSource/maxAge", "/spec/sla/maxRTO"] {
            let name = &test["metadata"]["name"];
            assert!(test.pointer(objective).is_some(), "{name} lacks {objective}");
        }
        seen += 1;
    }
    assert!(seen > 0, "no example is evidence for DORA");
}

#[test]
fn every_policy_that_an_example_names_is_in_it() {
    for (file, documents) in examples() {
        for test in documents.iter().filter(|d| d["kind"] == "RestoreTest") {
            let wanted = &test["spec"]["healthChecks"]["policyRef"];
            let is_there = |d: &Value| {
                d["kind"] == "HealthCheckPolicy"
                    && d["metadata"]["name"] == *wanted
                    && d["metadata"]["namespace"] == test["metadata"]["namespace"]
            };
            assert!(
                wanted.is_null() || documents.iter().any(is_there),
                "{file}: {wanted}"
            );
        }
    }
}
