//! Whatever is sent, there is an answer, and it is the one that parsing gives.

use std::sync::LazyLock;

use kube::core::cel::Validator;
use kymaros_crds::{RestoreTestSpec, domain::Test};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Number, Value, json};

use super::{Cluster, Nothing, judge};
use crate::validate::{Kind, Verdict, validate};

/// Anything that JSON can say.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| Number::from_f64(n).map_or(Value::Null, Value::Number)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z.\\[\\]]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Places in a test, with values as JSON that are good there and others that may not be.
const PLACES: &[(&str, &str, &str)] = &[
    ("backupSource", "", "null, [], {}"),
    ("backupSource.provider", "'velero'", "'kasten', null"),
    ("backupSource.backupName", "'latest', 'nightly', ''", "'A', 'a/b'"),
    ("backupSource.scheduleName", "'', null", "'hourly', 'A'"),
    ("backupSource.maxAge", "'26h', '', '0s'", "'1s', '1d', '-1h'"),
    ("backupSource.completeness", "'Source', 'Backup'", "'source'"),
    (
        "backupSource.labelSelector",
        "{}, {'a': 'b'}, {'a': null}",
        "{'a b': 'c'}, {'a': 1}, 'a=b'",
    ),
    (
        "backupSource.namespaces",
        "[{'name': 'shop'}, {'name': 'db'}]",
        "[], [{}], [{'name': 'a'}, {'name': 'a'}]",
    ),
    (
        "backupSource.namespaces[0].name",
        "'shop', 'web'",
        "'', 'A', 'velero', 'kube-x', 'kymaros-system'",
    ),
    (
        "backupSource.namespaces[0].sandboxName",
        "'', 'copy', null",
        "'shop', 'default', 'A'",
    ),
    (
        "additionalSources",
        "[], null",
        "{}, [{'provider': 'velero', 'namespaces': []}]",
    ),
    (
        "additionalSources[0]",
        "{'provider': 'velero', 'namespaces': [{'name': 'more'}]}",
        "null, {}",
    ),
    ("schedule", "", "null, {}, '@daily'"),
    (
        "schedule.cron",
        "'0 3 * * *', '@daily', '@every 6h'",
        "'', '0 0 3 ? * *', '0 0 30 2 *', 'H * * * *'",
    ),
    ("schedule.timezone", "'UTC', 'Europe/Berlin', ''", "'Berlin', 1"),
    ("suspend", "true, false, null", "'true'"),
    ("sandbox", "{}, null", "[]"),
    ("sandbox.namespacePrefix", "'rp', 'rp-'", "'kube-', 'A'"),
    (
        "sandbox.ttl",
        "'2h', '1h', '0s'",
        "'5m', '-1h', '1d', ' 1h', '9999h'",
    ),
    ("sandbox.networkIsolation", "'strict', 'group'", "'open'"),
    ("sandbox.retention", "'OnFailure'", "'Never'"),
    (
        "sandbox.resourceQuota",
        "{'cpu': '1', 'memory': '1Gi', 'pods': 10.0}",
        "{'cpu': 1}, {'memory': '1'}, {'pods': 0}",
    ),
    ("healthChecks.policyRef", "'shop', ''", "'A', {}"),
    ("healthChecks.timeout", "'5m', ''", "'x', 5"),
    ("healthChecks.settle", "'0s', '10s'", "'-1s'"),
    ("healthChecks.checks", "[], null", "{}, [1]"),
    ("healthChecks.checks[0].name", "'x'", "'', null"),
    (
        "healthChecks.checks[0].type",
        "'tcpSocket'",
        "'grpc', 'exec', null",
    ),
    (
        "healthChecks.checks[0].namespace",
        "'', 'shop'",
        "'elsewhere', 'B'",
    ),
    (
        "healthChecks.checks[0].tcpSocket.port",
        "1, 65535",
        "0, 65536, '80', 1.5, 1e99",
    ),
    ("healthChecks.checks[0].exec", "null", "{'command': ['true']}"),
    (
        "healthChecks.checks[1]",
        "{'name': 'y', 'type': 'exec', 'exec': {'command': ['true'], 'stdoutMatches': '^ok$'}}",
        "{'name': 'y', 'type': 'exec', 'exec': {'command': [], 'stdoutMatches': '('}}",
    ),
    (
        "healthChecks.checks[1]",
        "{'name': 'z', 'type': 'httpGet', 'httpGet': {'service': 'a', 'port': 1, 'path': '', 'expectedStatus': 200}}",
        "{'name': 'z', 'type': 'httpGet', 'httpGet': {'service': 'A', 'port': 1, 'path': 'a#', 'expectedStatus': 1}}",
    ),
    ("sla", "null, {'maxRTO': '1h'}", "{}, {'maxRTO': '0s'}"),
    (
        "notifications",
        "null, {'onFailure': [{'type': 'slack'}]}",
        "{'onFailure': [{'type': 'mail'}]}, 'slack'",
    ),
    (
        "notifications.onSuccess[0]",
        "{'type': 'webhook', 'webhookSecretRef': 'a'}",
        "{'webhookSecretRef': 'https://x'}",
    ),
    ("timeout", "'1h', '30m', ''", "'3h', '1ms', 'soon'"),
    ("historyLimit", "1, 10.0, 10000", "0, -1, 10001, 3000000000, '1'"),
    (
        "logCollection",
        "{'enabled': false}, {'maxLines': 10}",
        "{'maxLines': 1}, true",
    ),
    ("nothing", "", "1, null, {}"),
    ("sandbox.ttll", "", "'1h'"),
];

fn values(list: &str) -> Vec<Value> {
    let list = format!("[{}]", list.replace('\'', "\""));
    serde_json::from_str(&list).unwrap()
}

/// One change of a good test: mostly to something good.
fn change() -> impl Strategy<Value = (&'static str, Value)> {
    prop::sample::select(PLACES).prop_flat_map(|(path, good, bad)| {
        let (good, bad) = (values(good), values(bad));
        let good = if good.is_empty() { bad.clone() } else { good };
        let value = prop_oneof![
            8 => prop::sample::select(good),
            2 => prop::sample::select(bad),
            1 => anything(),
        ];
        value.prop_map(move |value| (path, value))
    })
}

fn manifest() -> impl Strategy<Value = Value> {
    prop::collection::vec(change(), 0..8).prop_map(|changes| {
        let mut manifest = super::test(&[]);
        for (path, value) in changes {
            // An earlier change may have left nothing there to change.
            let mut changed = manifest.clone();
            if put_gently(&mut changed["spec"], path, value).is_some() {
                manifest = changed;
            }
        }
        manifest
    })
}

/// Puts a value at a path, as far as the path can be gone.
fn put_gently(into: &mut Value, path: &str, value: Value) -> Option<()> {
    let mut at = into;
    for part in path.replace('[', ".").replace(']', "").split('.') {
        at = match part.parse::<usize>() {
            Ok(index) => {
                if at.is_null() {
                    *at = json!([]);
                }
                let list = at.as_array_mut()?;
                if list.len() == index {
                    list.push(Value::Null);
                }
                list.get_mut(index)?
            }
            Err(_) if at.is_null() || at.is_object() => &mut at[part],
            Err(_) => return None,
        };
    }
    *at = value;
    Some(())
}

/// Without what the API server drops, and with whole numbers as it stores them.
fn stored(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.map(|(k, v)| (k.clone(), stored(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(stored).collect()),
        Value::Number(number) if number.as_f64() == Some(10.0) => json!(10),
        other => other.clone(),
    }
}

/// The schema with its rules, as the API server has it.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crds = kymaros_crds::generate::crds();
    let test = crds
        .iter()
        .find(|crd| crd.spec.names.kind == "RestoreTest")
        .unwrap();
    let schema = test.spec.versions[0].schema.as_ref().unwrap();
    serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap()
});

/// What the controller would make of it.
fn parsed(manifest: &Value) -> Option<Test> {
    let spec: RestoreTestSpec = serde_json::from_value(stored(&manifest["spec"])).ok()?;
    Test::try_from(&spec).ok()
}

fn is_well_formed(verdict: &Verdict) -> bool {
    let told = verdict
        .errors
        .iter()
        .all(|error| !error.message.is_empty() && error.path.len() < 2000);
    told && verdict
        .warnings
        .iter()
        .all(|warning| warning.to_string().chars().count() <= 120)
}

/// The properties below would say little about a world in which all tests are wrong.
#[test]
fn both_good_and_bad_tests_are_made() {
    let mut runner = TestRunner::deterministic();
    let mut good = 0;
    for _ in 0..400 {
        let manifest = manifest().new_tree(&mut runner).unwrap().current();
        good += usize::from(judge(&manifest, &Nothing).errors.is_empty());
    }
    assert!((100..=300).contains(&good), "{good} of 400 are good");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_verdict_is_that_of_the_parser(manifest in manifest()) {
        let verdict = judge(&manifest, &Nothing);
        prop_assert!(is_well_formed(&verdict), "{:?}", verdict);
        let parsed = parsed(&manifest);
        if verdict.errors.is_empty() {
            prop_assert!(parsed.is_some(), "taken, but the controller cannot run {manifest}");
            let rules = Validator::new().validate(&SCHEMA, &stored(&manifest), None);
            prop_assert!(rules.is_ok(), "taken, but the API server says {rules:?} of {manifest}");
        } else if parsed.is_some() {
            // The parser took it: what is left is what it does not see, names of fields and sizes in the schema.
            for error in &verdict.errors {
                let is_shape = ["is not a field here", "must ", "has ", "is not known here"];
                prop_assert!(is_shape.iter().any(|start| error.message.starts_with(start)), "{error} in {manifest}");
            }
        }
    }

    #[test]
    fn a_cluster_only_refuses_more(manifest in manifest()) {
        let (offline, online) = (judge(&manifest, &Nothing), judge(&manifest, &Cluster::default()));
        for error in &offline.errors {
            prop_assert!(online.errors.iter().any(|e| e.path == error.path), "{error} in {manifest}");
        }
        let more = online.errors.iter().filter(|e| !offline.errors.contains(e));
        for error in more {
            let field = error.path.rsplit('.').next().unwrap_or_default();
            prop_assert!(["name", "sandboxName", "additionalSources"].contains(&field), "{error} in {manifest}");
        }
        prop_assert!(online.unchecked.is_empty());
    }

    #[test]
    fn anything_at_all_is_answered(object in anything(), old in anything()) {
        for kind in [Kind::RestoreTest, Kind::HealthCheckPolicy] {
            prop_assert!(is_well_formed(&validate(kind, &object, None, &Cluster::default())));
            prop_assert!(is_well_formed(&validate(kind, &object, Some(&old), &Cluster::default())));
        }
    }
}
