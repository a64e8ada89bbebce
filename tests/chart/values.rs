//! Every value does something, the schema knows exactly these, and mistakes are named.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::helm::{self, NAMESPACE, helm, template, text};

/// One value of the chart, something else than its default, and what must be set for it to matter.
type Change = (&'static str, Value, &'static [&'static str]);

fn changes() -> Vec<Change> {
    let on_its_own: &[&str] = &[];
    vec![
        ("nameOverride", json!("proof"), on_its_own),
        ("fullnameOverride", json!("proof"), &[]),
        ("global.imagePullPolicy", json!("Always"), &[]),
        ("global.imagePullSecrets", json!([{ "name": "mirror" }]), &[]),
        ("image.registry", json!("registry.example.com"), &[]),
        ("image.repository", json!("mirror/kymaros"), &[]),
        ("image.tag", json!("9"), &[]),
        ("image.pullPolicy", json!("Always"), &[]),
        ("imagePullSecrets", json!([{ "name": "mirror" }]), &[]),
        ("crds.enabled", json!(false), &[]),
        ("installCRDs", json!(false), &[]),
        ("replicas", json!(3), &[]),
        ("leaderElection.enabled", json!(false), &["replicas=1"]),
        ("log.format", json!("text"), &[]),
        ("log.filter", json!("debug"), &[]),
        ("extraArgs", json!(["--log=debug"]), &[]),
        ("resources", json!({ "limits": { "memory": "1Gi" } }), &[]),
        ("podAnnotations", json!({ "a": "b" }), &[]),
        ("podLabels", json!({ "a": "b" }), &[]),
        ("nodeSelector", json!({ "a": "b" }), &[]),
        ("tolerations", json!([{ "operator": "Exists" }]), &[]),
        ("affinity", json!({ "podAntiAffinity": {} }), &[]),
        (
            "topologySpreadConstraints",
            json!([{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" }]),
            &[],
        ),
        ("priorityClassName", json!("system-cluster-critical"), &[]),
        ("podSecurityContext", json!({ "runAsUser": 1 }), &[]),
        ("securityContext", json!({ "runAsUser": 1 }), &[]),
        ("podDisruptionBudget.enabled", json!(false), &[]),
        ("podDisruptionBudget.maxUnavailable", json!("50%"), &[]),
        ("metrics.enabled", json!(false), &[]),
        ("metrics.port", json!(9090), &[]),
        ("metrics.secure", json!(false), &[]),
        ("metrics.serviceMonitor.enabled", json!(true), &[]),
        (
            "metrics.serviceMonitor.additionalLabels",
            json!({ "release": "prometheus" }),
            &["metrics.serviceMonitor.enabled=true"],
        ),
        (
            "metrics.serviceMonitor.interval",
            json!("1m"),
            &["metrics.serviceMonitor.enabled=true"],
        ),
        (
            "metrics.serviceMonitor.scrapeTimeout",
            json!("5s"),
            &["metrics.serviceMonitor.enabled=true"],
        ),
        (
            "metrics.serviceMonitor.insecureSkipVerify",
            json!(false),
            &["metrics.serviceMonitor.enabled=true"],
        ),
        ("networkPolicy.enabled", json!(true), &[]),
        (
            "serviceAccount.create",
            json!(false),
            &["serviceAccount.name=other"],
        ),
        ("serviceAccount.name", json!("other"), &[]),
        ("serviceAccount.annotations", json!({ "a": "b" }), &[]),
        ("rbac.create", json!(false), &[]),
        ("rbac.allowExec", json!(false), &[]),
        ("velero.namespace", json!("backup"), &[]),
        ("velero.caSecrets", json!(["ours", "theirs"]), &[]),
        ("completeness.secrets", json!(true), &[]),
        ("completeness.customResources", json!(["a.example.com"]), &[]),
        ("limits.concurrentRuns", json!(9), &[]),
        ("sandbox.namespacePrefix", json!("proof"), &[]),
        ("sandbox.defaultTTL", json!("2h30m"), &[]),
        ("sandbox.networkIsolation", json!("group"), &[]),
        ("sandbox.defaultQuota.cpu", json!("500m"), &[]),
        ("sandbox.defaultQuota.memory", json!("8Gi"), &[]),
        ("sandbox.defaultQuota.storage", json!("1Ti"), &[]),
        ("sandbox.defaultQuota.pods", json!(100), &[]),
        ("testDefaults.timeout", json!("20m"), &[]),
        ("testDefaults.healthCheckTimeout", json!("3m"), &[]),
        ("testDefaults.historyLimit", json!(30), &[]),
        ("webhooks.timeoutSeconds", json!(7), &[]),
        ("webhooks.defaulting.failurePolicy", json!("Fail"), &[]),
        ("webhooks.certManager.enabled", json!(true), &[]),
        (
            "webhooks.certManager.issuerRef",
            json!({ "name": "ours", "kind": "ClusterIssuer" }),
            &["webhooks.certManager.enabled=true"],
        ),
        ("license.existingSecret", json!("ours"), &[]),
        ("license.signingKeySecret.name", json!("ours"), &[]),
        (
            "license.signingKeySecret.key",
            json!("other"),
            &["license.signingKeySecret.name=ours"],
        ),
    ]
}

/// The same for API and dashboard, and for the clusters that they show.
fn changes_of_the_api() -> Vec<Change> {
    vec![
        ("api.enabled", json!(false), &[]),
        ("clusters.enabled", json!(true), &[]),
        ("clusters.reader.enabled", json!(true), &[]),
        ("api.corsOrigin", json!("https://ops.example.com"), &[]),
        ("api.requestsPerSecond", json!(50), &[]),
        ("api.hosts", json!(["restore.example.com"]), &[]),
        ("auth.mode", json!("none"), &[]),
        ("auth.enabled", json!(true), &["auth.token=secret"]),
        (
            "auth.existingSecret",
            json!("ours"),
            &["auth.mode=token,auth.token=other"],
        ),
        ("service.type", json!("NodePort"), &[]),
        ("service.port", json!(80), &[]),
        ("ingress.enabled", json!(true), &[]),
        ("ingress.className", json!("traefik"), &["ingress.enabled=true"]),
        (
            "ingress.host",
            json!("restore.example.com"),
            &["ingress.enabled=true"],
        ),
        (
            "ingress.annotations",
            json!({ "a": "b" }),
            &["ingress.enabled=true"],
        ),
        ("ingress.tls.enabled", json!(true), &["ingress.enabled=true"]),
        (
            "ingress.tls.secretName",
            json!("ours"),
            &["ingress.enabled=true,ingress.tls.enabled=true"],
        ),
        ("gatewayAPI.enabled", json!(true), &[]),
        (
            "gatewayAPI.hostnames",
            json!(["restore.example.com"]),
            &["gatewayAPI.enabled=true"],
        ),
        (
            "gatewayAPI.parentRefs",
            json!([{ "name": "ours" }]),
            &["gatewayAPI.enabled=true"],
        ),
        (
            "gatewayAPI.matches",
            json!([{ "path": { "type": "Exact", "value": "/x" } }]),
            &["gatewayAPI.enabled=true"],
        ),
        (
            "gatewayAPI.annotations",
            json!({ "a": "b" }),
            &["gatewayAPI.enabled=true"],
        ),
    ]
}

fn changes_of_metrics() -> Vec<Change> {
    let rules: &[&str] = &["metrics.prometheusRule.enabled=true"];
    let dashboard: &[&str] = &["metrics.grafanaDashboard.enabled=true"];
    vec![
        ("metrics.prometheusRule.enabled", json!(true), &[]),
        (
            "metrics.prometheusRule.additionalLabels",
            json!({ "a": "b" }),
            rules,
        ),
        ("metrics.prometheusRule.rules.scoreThreshold", json!(90), rules),
        (
            "metrics.prometheusRule.rules.rtoThresholdSeconds",
            json!(60),
            rules,
        ),
        (
            "metrics.prometheusRule.rules.notRunHoursThreshold",
            json!(49),
            rules,
        ),
        (
            "metrics.prometheusRule.rules.proofAgeHoursThreshold",
            json!(49),
            rules,
        ),
        ("metrics.grafanaDashboard.enabled", json!(true), &[]),
        (
            "metrics.grafanaDashboard.labels.grafana_dashboard",
            json!("yes"),
            dashboard,
        ),
        ("metrics.grafanaDashboard.namespace", json!("grafana"), dashboard),
    ]
}

fn changes_of_notifications() -> Vec<Change> {
    vec![
        (
            "notifications.slack.enabled",
            json!(true),
            &["notifications.slack.webhookSecretRef=slack"],
        ),
        ("notifications.slack.webhookSecretRef", json!("slack"), &[]),
        ("notifications.slack.defaultChannel", json!("#backups"), &[]),
        (
            "notifications.webhook.enabled",
            json!(true),
            &["notifications.webhook.webhookSecretRef=hook"],
        ),
        ("notifications.webhook.webhookSecretRef", json!("hook"), &[]),
        (
            "notifications.secrets",
            json!([{ "namespace": "shop", "names": ["slack"] }]),
            &[],
        ),
        ("notifications.allowHTTP", json!(true), &[]),
        ("notifications.clusterName", json!("eu"), &[]),
    ]
}

/// Objects that are handed on as they are: their keys are not the chart's.
const HANDED_ON: [&str; 4] = ["resources", "podSecurityContext", "securityContext", "global"];

fn read(file: &str) -> Result<Value> {
    let path = format!("{}/charts/kymaros/{file}", env!("CARGO_MANIFEST_DIR"));
    let content = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    Ok(serde_saphyr::from_str(&content)?)
}

/// The paths of all values in `values.yaml`.
fn paths(values: &Value, before: &str, found: &mut BTreeSet<String>) {
    for (key, value) in values.as_object().into_iter().flatten() {
        let path = format!("{before}{key}");
        let is_open = value.as_object().is_none_or(serde_json::Map::is_empty);
        if is_open || (HANDED_ON.contains(&path.as_str()) && path != "global") {
            found.insert(path);
        } else {
            paths(value, &format!("{path}."), found);
        }
    }
}

#[test]
fn every_value_does_something() -> Result<()> {
    let mut known = BTreeSet::new();
    paths(&read("values.yaml")?, "", &mut known);
    let changes = [
        changes(),
        changes_of_the_api(),
        changes_of_metrics(),
        changes_of_notifications(),
    ]
    .concat();
    let mut tried: BTreeSet<String> = changes.iter().map(|(path, ..)| (*path).to_owned()).collect();
    // Nothing renders without it where it matters: see `a_token_stands_in_its_secret_and_nowhere_else`.
    tried.insert("auth.token".to_owned());
    let untested: Vec<_> = known.difference(&tried).collect();
    assert!(untested.is_empty(), "no change of {untested:?} is tried here");
    for (path, value, context) in changes {
        let mut before = Vec::new();
        for setting in context {
            before.extend(["--set", setting]);
        }
        let setting = format!("{path}={value}");
        let mut after = before.clone();
        after.extend(["--set-json", &setting]);
        assert_ne!(template(&before)?, template(&after)?, "{path} does nothing");
    }
    Ok(())
}

#[test]
fn the_schema_knows_exactly_the_values() -> Result<()> {
    fn compare(values: &Value, schema: &Value, definitions: &Value, path: &str) {
        let name = schema["$ref"]
            .as_str()
            .and_then(|r| r.strip_prefix("#/definitions/"));
        let schema = name.map_or(schema, |name| &definitions[name]);
        assert!(schema.is_object(), "{path} is not in values.schema.json");
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let is_global = path == ".global";
        assert!(
            is_global || schema["additionalProperties"] == false,
            "{path} lets typos pass"
        );
        for (key, value) in values.as_object().into_iter().flatten() {
            compare(
                value,
                &schema["properties"][key],
                definitions,
                &format!("{path}.{key}"),
            );
        }
        for (key, property) in properties {
            // Old names have no default, and what Helm adds is not for users.
            let is_hidden = property["deprecated"] == true || format!("{path}.{key}") == ".crds.global";
            let is_free = values.as_object().is_some_and(serde_json::Map::is_empty);
            assert!(
                is_hidden || is_free || values.get(key).is_some(),
                "{path}.{key} is not in values.yaml"
            );
        }
    }
    let schema = read("values.schema.json")?;
    compare(&read("values.yaml")?, &schema, &schema["definitions"], "");
    Ok(())
}

#[test]
fn mistakes_are_refused_and_named() {
    for (mistake, named) in [
        ("replica=3", "replica"),
        ("sandbox.defaultTtl=1h", "defaultTtl"),
        ("sandbox.defaultTTL=soon", "defaultTTL"),
        ("sandbox.networkIsolation=open", "networkIsolation"),
        ("sandbox.defaultQuota.memory=lots", "memory"),
        ("limits.concurrentRuns=0", "concurrentRuns"),
        ("webhooks.timeoutSeconds=31", "timeoutSeconds"),
        ("webhooks.defaulting.failurePolicy=Maybe", "failurePolicy"),
        ("webhooks.guard.failurePolicy=Ignore", "guard"),
        ("replicas=many", "replicas"),
        ("velero.namespace=", "namespace"),
        ("leaderElection.enabled=false", "work against each other"),
        ("serviceAccount.create=false", "serviceAccount.name is required"),
        ("metrics.port=0", "port"),
        (
            "notifications.webhook.enabled=true",
            "notifications.webhook.webhookSecretRef",
        ),
        ("notifications.secrets[0].namespace=shop", "names"),
        (
            "notifications.secrets[0].namespace=shop,notifications.secrets[0].names={}",
            "names",
        ),
        (
            "notifications.secrets[0].namespace=a,notifications.secrets[0].names={x},notifications.secrets[1].namespace=a,notifications.secrets[1].names={y}",
            "namespace a twice",
        ),
        ("metrics.serviceMonitor.interval=often", "interval"),
        ("completeness.customResources={secrets}", "customResources"),
        ("velero.caSecrets={*}", "caSecrets"),
        ("auth.mode=maybe", "mode"),
        ("auth.mode=token", "auth.existingSecret"),
        ("auth.enabled=true", "auth.existingSecret"),
        ("auth.enabled=true,auth.mode=kubernetes", "keep one of the two"),
        ("api.corsOrigin=ops.example.com", "corsOrigin"),
        ("service.type=ExternalName", "type"),
        ("testDefaults.historyLimit=20000", "historyLimit"),
        ("sandbox.defaultQuota.pods=20000", "pods"),
    ] {
        let refused = template(&["--set", mistake]).err().map(|error| error.to_string());
        let refused = refused.unwrap_or_default();
        assert!(refused.contains(named), "{mistake}: {refused:?}");
    }
}

#[test]
fn values_of_an_older_chart_are_enough() -> Result<()> {
    let without_values = |charts: &Path| Ok(std::fs::write(charts.join("kymaros/values.yaml"), "{}\n")?);
    let older = helm::changed_charts("older-charts", without_values)?;
    let rendered = helm(&["template", helm::RELEASE, text(&older)?, "--namespace", NAMESPACE])?;
    assert!(
        rendered == template(&[])?,
        "a template needs a value that an older chart did not have"
    );
    Ok(())
}
