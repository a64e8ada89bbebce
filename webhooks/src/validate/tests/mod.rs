mod advice;
mod errors;
mod fuzz;
mod shapes;
mod surroundings;
mod updates;

use std::{collections::BTreeMap, time::Duration};

use kymaros_crds::domain::{FieldError, Tier};
use serde_json::{Value, json};

use super::{
    Home, Kind, Known, Licensed, NamespaceState, OtherTest, PolicyState, TestName, Usage, Verdict, validate,
};

/// A small cluster. Everything about it is known.
pub(super) struct Cluster {
    namespaces: BTreeMap<String, NamespaceState>,
    others: Vec<(Usage, String, TestName)>,
    policies: BTreeMap<String, usize>,
    longest_run: Duration,
    license: Licensed,
}

impl Default for Cluster {
    fn default() -> Self {
        let names = [
            "default",
            "shop",
            "db",
            "tests",
            "kymaros-system",
            "backup-system",
        ];
        Self {
            namespaces: names
                .map(|name| (name.to_owned(), NamespaceState::Foreign))
                .into(),
            others: Vec::new(),
            policies: BTreeMap::new(),
            longest_run: Duration::ZERO,
            license: Licensed {
                tier: Tier::Community,
                why: Some("the license expired at 2027-12-31T00:00:00Z".into()),
            },
        }
    }
}

impl Known for Cluster {
    fn home(&self) -> Option<Home<'_>> {
        Some(Home {
            operator: "kymaros-system",
            velero: "backup-system",
        })
    }

    fn namespace(&self, name: &str) -> Option<NamespaceState> {
        Some(
            self.namespaces
                .get(name)
                .cloned()
                .unwrap_or(NamespaceState::Absent),
        )
    }

    fn other_test(&self, usage: Usage, namespace: &str, but: &TestName) -> Option<OtherTest> {
        let uses = |(u, n, test): &&(Usage, String, TestName)| *u == usage && n == namespace && test != but;
        let found = self.others.iter().find(uses);
        Some(found.map_or(OtherTest::None, |(_, _, test)| OtherTest::Uses(test.clone())))
    }

    fn policy(&self, namespace: &str, name: &str) -> Option<PolicyState> {
        let checks = self.policies.get(name).filter(|_| namespace == "tests");
        Some(checks.map_or(PolicyState::Absent, |checks| PolicyState::Checks(*checks)))
    }

    fn longest_run(&self, _: &TestName) -> Option<Duration> {
        Some(self.longest_run)
    }

    fn license(&self) -> Option<Licensed> {
        Some(self.license.clone())
    }
}

/// Nothing is known, as offline.
pub(super) struct Nothing;

impl Known for Nothing {
    fn home(&self) -> Option<Home<'_>> {
        None
    }

    fn namespace(&self, _: &str) -> Option<NamespaceState> {
        None
    }

    fn other_test(&self, _: Usage, _: &str, _: &TestName) -> Option<OtherTest> {
        None
    }

    fn policy(&self, _: &str, _: &str) -> Option<PolicyState> {
        None
    }

    fn longest_run(&self, _: &TestName) -> Option<Duration> {
        None
    }

    fn license(&self) -> Option<Licensed> {
        None
    }
}

fn named(name: &str) -> TestName {
    TestName {
        namespace: "tests".into(),
        name: name.into(),
    }
}

/// A good test about which nothing is to be said, with values at paths such as `sandbox.ttl`.
fn test(changes: &[(&str, Value)]) -> Value {
    let mut manifest = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "shop", "namespace": "tests" },
        "spec": {
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
            "healthChecks": { "checks": [tcp("web")] },
            "sla": { "maxRTO": "15m" },
        },
    });
    for (path, value) in changes {
        put(&mut manifest["spec"], path, value.clone());
    }
    manifest
}

fn tcp(name: &str) -> Value {
    json!({ "name": name, "type": "tcpSocket", "tcpSocket": { "service": "web", "port": 80 } })
}

fn policy(checks: &Value) -> Value {
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy",
        "metadata": { "name": "shop", "namespace": "tests" },
        "spec": { "checks": checks },
    })
}

/// Puts a value at a path such as `a.b[0].c`.
fn put(into: &mut Value, path: &str, value: Value) {
    let pointer = path.replace('[', ".").replace(']', "").replace('.', "/");
    let mut at = into;
    for part in pointer.split('/') {
        at = match part.parse::<usize>() {
            Ok(index) => {
                if at.is_null() {
                    *at = json!([]);
                }
                let list = at.as_array_mut().unwrap();
                while list.len() <= index {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            Err(_) => &mut at[part],
        };
    }
    *at = value;
}

fn judge(manifest: &Value, known: &dyn Known) -> Verdict {
    let kind = match manifest["kind"].as_str() {
        Some("HealthCheckPolicy") => Kind::HealthCheckPolicy,
        _ => Kind::RestoreTest,
    };
    validate(kind, manifest, None, known)
}

/// Exactly one error, at a path, with a value and some words.
fn refused(manifest: &Value, known: &dyn Known, path: &str, value: &str, said: &str) {
    let errors = judge(manifest, known).errors;
    let [error] = errors.as_slice() else {
        panic!("{path}: {errors:#?}")
    };
    assert_eq!(
        (error.path.as_str(), error.value.as_str()),
        (path, value),
        "{error}"
    );
    assert!(error.message.contains(said), "{error}");
}

fn taken(manifest: &Value, known: &dyn Known) {
    assert_eq!(judge(manifest, known).errors, [] as [FieldError; 0], "{manifest}");
}

fn paths(errors: &[FieldError]) -> Vec<&str> {
    errors.iter().map(|error| error.path.as_str()).collect()
}
