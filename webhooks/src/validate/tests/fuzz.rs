//! Whatever is sent, there is an answer, and it is the one that parsing gives.

use kymaros_crds::{RestoreTestSpec, domain::Test};
use proptest::prelude::*;
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

/// Mostly one of the good values, sometimes a bad one, now and then anything.
fn field(good: Vec<Value>, bad: Vec<Value>) -> BoxedStrategy<Option<Value>> {
    prop_oneof![
        2 => Just(None),
        40 => prop::sample::select(good).prop_map(Some),
        1 => prop::sample::select(bad).prop_map(Some),
        1 => anything().prop_map(Some),
    ]
    .boxed()
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| json!(text)).collect()
}

fn duration() -> BoxedStrategy<Option<Value>> {
    field(
        texts(&["", "0s", "30m", "1h", "1h30m", "45m"]),
        texts(&["-1h", "1d", "x", "9999h", "1ms", " 1h", "5"]),
    )
}

fn name() -> BoxedStrategy<Option<Value>> {
    field(
        texts(&["a", "shop-2", "nightly", ""]),
        texts(&[
            "A",
            "a.b",
            "kube-system",
            "velero",
            "kymaros-system",
            "-",
            "default",
            "https://x/y",
        ]),
    )
}

fn number() -> BoxedStrategy<Option<Value>> {
    field(
        vec![json!(1), json!(10), json!(200), json!(10.0)],
        vec![
            json!(0),
            json!(-1),
            json!(1_000_000),
            json!(i64::MAX),
            json!(1.5),
            json!("1"),
        ],
    )
}

fn object(fields: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Option<Value>> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let whole = values.prop_map(move |values| {
        let filled = names
            .iter()
            .zip(values)
            .filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Some(Value::Object(filled.collect()))
    });
    prop_oneof![1 => Just(None), 40 => whole, 1 => anything().prop_map(Some)].boxed()
}

fn list(item: BoxedStrategy<Option<Value>>, most: usize) -> BoxedStrategy<Option<Value>> {
    prop::collection::vec(item, 0..most)
        .prop_map(|items| Some(Value::from(items.into_iter().flatten().collect::<Vec<_>>())))
        .boxed()
}

fn source() -> BoxedStrategy<Option<Value>> {
    object(vec![
        ("provider", Just(Some(json!("velero"))).boxed()),
        ("backupName", name()),
        ("scheduleName", field(texts(&[""]), texts(&["hourly", "A"]))),
        ("maxAge", duration()),
        (
            "completeness",
            field(texts(&["Source", "Backup"]), texts(&["source"])),
        ),
        (
            "namespaces",
            list(
                object(vec![
                    ("name", name()),
                    ("sandboxName", field(texts(&["", "x", "y"]), texts(&["a", "B"]))),
                ]),
                3,
            ),
        ),
        (
            "labelSelector",
            field(vec![json!({}), json!({ "a": "b" })], vec![json!({ "a b": "c" })]),
        ),
    ])
}

fn check() -> BoxedStrategy<Option<Value>> {
    let types = texts(&["podStatus", "httpGet", "tcpSocket", "exec", "resourceExists"]);
    object(vec![
        (
            "name",
            field(texts(&["a", "b", "c", "d", "e"]), texts(&["", " "])),
        ),
        ("type", field(types, texts(&["grpc", "Exec"]))),
        ("namespace", field(texts(&["", "a"]), texts(&["elsewhere", "B"]))),
        ("required", field(vec![json!(true)], texts(&["yes"]))),
        (
            "podStatus",
            object(vec![
                ("minReady", number()),
                ("labelSelector", Just(None).boxed()),
            ]),
        ),
        (
            "httpGet",
            object(vec![
                ("service", name()),
                ("port", number()),
                ("path", field(texts(&["/"]), texts(&["/ä", "a#"]))),
                ("expectedStatus", number()),
                ("retries", number()),
            ]),
        ),
        (
            "exec",
            object(vec![
                (
                    "command",
                    field(vec![json!(["true"])], vec![json!([]), json!([""])]),
                ),
                ("stdoutMatches", field(texts(&["^ok$"]), texts(&["(", "[z-a]"]))),
            ]),
        ),
    ])
}

fn spec() -> BoxedStrategy<Option<Value>> {
    object(vec![
        ("backupSource", source()),
        ("additionalSources", list(source(), 3)),
        (
            "schedule",
            object(vec![
                (
                    "cron",
                    field(
                        texts(&["0 3 * * *", "@daily", "*/5 * * * *"]),
                        texts(&["", "0 0 3 ? * *", "0 0 30 2 *", "H * * * *"]),
                    ),
                ),
                (
                    "timezone",
                    field(texts(&["UTC", "Europe/Berlin"]), texts(&["Berlin"])),
                ),
            ]),
        ),
        ("suspend", field(vec![json!(true)], texts(&["true"]))),
        (
            "sandbox",
            object(vec![
                (
                    "namespacePrefix",
                    field(texts(&["rp", "rp-"]), texts(&["kube-", "A"])),
                ),
                ("ttl", duration()),
                (
                    "networkIsolation",
                    field(texts(&["strict", "group"]), texts(&["open"])),
                ),
                ("retention", field(texts(&["OnFailure"]), texts(&["Never"]))),
                (
                    "resourceQuota",
                    object(vec![
                        ("cpu", field(texts(&["1", "500m"]), texts(&["0", "x"]))),
                        ("memory", field(texts(&["1Gi"]), texts(&["1", "-1"]))),
                        ("pods", number()),
                    ]),
                ),
            ]),
        ),
        (
            "healthChecks",
            object(vec![
                ("policyRef", name()),
                ("timeout", duration()),
                ("settle", duration()),
                ("checks", list(check(), 3)),
            ]),
        ),
        (
            "sla",
            object(vec![
                ("maxRTO", duration()),
                ("alertOnExceed", field(vec![json!(true)], texts(&["x"]))),
            ]),
        ),
        (
            "notifications",
            object(vec![(
                "onFailure",
                list(
                    object(vec![
                        ("type", field(texts(&["slack"]), texts(&["mail"]))),
                        ("webhookSecretRef", name()),
                    ]),
                    3,
                ),
            )]),
        ),
        ("timeout", duration()),
        ("historyLimit", number()),
        (
            "logCollection",
            object(vec![
                ("enabled", field(vec![json!(false)], texts(&["x"]))),
                ("maxLines", number()),
            ]),
        ),
    ])
}

fn manifest() -> impl Strategy<Value = Value> {
    let stray = prop_oneof![30 => Just(None), 1 => ("[a-z]{1,9}", anything()).prop_map(Some)];
    (spec(), stray).prop_map(|(spec, stray)| {
        let mut manifest = json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": "shop", "namespace": "tests" },
        });
        if let Some(spec) = spec {
            manifest["spec"] = spec;
        }
        if let (Some((name, value)), Some(spec)) = (stray, manifest["spec"].as_object_mut()) {
            spec.entry(name).or_insert(value);
        }
        manifest
    })
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_verdict_is_that_of_the_parser(manifest in manifest()) {
        let verdict = judge(&manifest, &Nothing);
        prop_assert!(is_well_formed(&verdict), "{:?}", verdict);
        let parsed = parsed(&manifest);
        if verdict.errors.is_empty() {
            prop_assert!(parsed.is_some(), "taken, but the controller cannot run {manifest}");
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
