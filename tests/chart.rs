//! The charts as files: every value does something, mistakes are refused, and the manifests keep what they promise.

mod helm;

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result};
use clap::Parser;
use helm::{NAMESPACE, chart, helm, object, rendered, template, text};
use kymaros::commands::Cli;
use serde_json::{Value, json};

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

/// Arguments of the first container of a pod template.
fn arguments(pod: &Value) -> Vec<String> {
    let arguments = pod["containers"][0]["args"].as_array();
    arguments
        .into_iter()
        .flatten()
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect()
}

#[test]
fn the_operator_understands_what_the_chart_tells_it() -> Result<()> {
    for settings in [
        &[][..],
        &[
            "--set",
            "webhooks.certManager.enabled=true,sandbox.networkIsolation=group",
        ],
        &["--set", "replicas=1,leaderElection.enabled=false,log.format=text"],
        &["--set", "metrics.enabled=false"],
        &[
            "--set",
            "completeness.customResources={a.example.com,b.example.com}",
        ],
        &["--set", "metrics.secure=false,metrics.port=9090"],
        &["--set", "api.enabled=false"],
        &["--set", "auth.mode=none,api.corsOrigin=https://ops.example.com"],
        &["--set", "auth.enabled=true,auth.existingSecret=ours"],
        &[
            "--set",
            "notifications.slack.enabled=true,notifications.slack.webhookSecretRef=slack,notifications.allowHTTP=true,\
             notifications.clusterName=eu",
        ],
    ] {
        let objects = rendered(settings)?;
        let pod = &object(&objects, "Deployment", "kymaros")?["spec"]["template"]["spec"];
        let line = std::iter::once("kymaros".to_owned()).chain(arguments(pod));
        Cli::try_parse_from(line)?;
    }
    Ok(())
}

/// The rules of a role of the chart.
fn rules(settings: &[&str], kind: &str, name: &str) -> Result<Vec<Value>> {
    let role = object(&rendered(settings)?, kind, name)?["rules"].clone();
    Ok(serde_json::from_value(role)?)
}

#[test]
fn kinds_and_secrets_that_are_named_are_opened_and_no_others() -> Result<()> {
    let named = "completeness.customResources={certificates.cert-manager.io,2.3.4},velero.caSecrets={ours,7}";
    let listed =
        |group: &str, kind: &str| json!({ "apiGroups": [group], "resources": [kind], "verbs": ["list"] });
    let rules_of = |settings: &[&str]| -> Result<_> {
        let (cluster, velero) = (
            rules(settings, "ClusterRole", "kymaros")?,
            rules(settings, "Role", "kymaros")?,
        );
        Ok((cluster, velero))
    };
    let (closed, open) = (rules_of(&[])?, rules_of(&["--set-string", named])?);
    let more = |before: &[Value], after: &[Value]| -> Vec<Value> {
        after
            .iter()
            .filter(|rule| !before.contains(rule))
            .cloned()
            .collect()
    };
    assert_eq!(
        more(&closed.0, &open.0),
        [listed("cert-manager.io", "certificates"), listed("3.4", "2")]
    );
    let read = json!({ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["ours", "7"], "verbs": ["get"] });
    assert_eq!(more(&closed.1, &open.1), [read]);
    Ok(())
}

#[test]
fn other_clusters_are_looked_for_in_the_operators_own_namespace_and_read_by_an_account_of_their_own()
-> Result<()> {
    let opens = |settings: &[&str]| -> Result<bool> {
        let own = rules(settings, "Role", "kymaros-own")?;
        let lists =
            |rule: &&Value| rule["resources"] == json!(["secrets"]) && rule["resourceNames"].is_null();
        let verbs: Vec<Value> = own
            .iter()
            .filter(lists)
            .map(|rule| rule["verbs"].clone())
            .collect();
        Ok(verbs.contains(&json!(["list", "watch"])))
    };
    assert!(!opens(&[])? && opens(&["--set=clusters.enabled=true"])?);
    let reader = rules(
        &["--set=clusters.reader.enabled=true"],
        "ClusterRole",
        "kymaros-cluster-reader",
    )?;
    let wanted = json!([{ "apiGroups": ["restore.kymaros.io"], "resources": ["restoretests", "restorereports"],
                          "verbs": ["get", "list", "watch"] }]);
    assert_eq!(json!(reader), wanted);
    Ok(())
}

#[test]
fn an_image_comes_from_the_registry_it_is_said_to() -> Result<()> {
    for (settings, image) in [
        ("image.tag=", "ghcr.io/kymaroshq/kymaros:0.1.0"),
        (
            "image.registry=mirror.example.com",
            "mirror.example.com/kymaroshq/kymaros:0.1.0",
        ),
        ("image.registry=", "kymaroshq/kymaros:0.1.0"),
        (
            "image.repository=mirror.example.com/kymaros",
            "mirror.example.com/kymaros:0.1.0",
        ),
        (
            "image.repository=localhost:5000/kymaros",
            "localhost:5000/kymaros:0.1.0",
        ),
        ("image.repository=localhost/kymaros", "localhost/kymaros:0.1.0"),
        ("image.tag=2@sha256:aa", "ghcr.io/kymaroshq/kymaros:2@sha256:aa"),
    ] {
        let objects = rendered(&["--set", settings])?;
        let pod = &object(&objects, "Deployment", "kymaros")?["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["image"], image, "{settings}");
    }
    Ok(())
}

#[test]
fn old_clusters_get_no_policies_and_very_old_ones_nothing() -> Result<()> {
    let kinds = |version| -> Result<BTreeSet<String>> {
        let objects = rendered(&["--kube-version", version])?;
        Ok(objects
            .iter()
            .filter_map(|o| o["kind"].as_str().map(str::to_owned))
            .collect())
    };
    assert!(kinds("1.30.0")?.contains("ValidatingAdmissionPolicy"));
    assert!(kinds("1.31.4-gke.100")?.contains("ValidatingAdmissionPolicy"));
    assert!(
        !kinds("1.29.9")?
            .iter()
            .any(|kind| kind.starts_with("ValidatingAdmissionPolicy"))
    );
    assert!(kinds("1.29.9")?.contains("ValidatingWebhookConfiguration"));
    assert!(kinds("1.28.0").is_err());
    Ok(())
}

#[test]
fn what_people_apply_from_a_template_runs_nothing_but_the_operator() -> Result<()> {
    for object in rendered(&[])? {
        let hook = &object["metadata"]["annotations"]["helm.sh/hook"];
        assert!(
            hook.is_null(),
            "{} {} is a hook",
            object["kind"],
            object["metadata"]["name"]
        );
        assert!(!["Job", "Pod"].contains(&object["kind"].as_str().unwrap_or_default()));
    }
    Ok(())
}

#[test]
fn rendering_again_renders_the_same() -> Result<()> {
    assert_eq!(template(&[])?, template(&[])?);
    Ok(())
}

#[test]
fn the_linter_has_nothing_to_say() -> Result<()> {
    helm(&["lint", "--strict", "--with-subcharts", text(chart()?)?])?;
    Ok(())
}

#[test]
fn the_versions_are_those_of_the_program() -> Result<()> {
    let charts = ["charts/kymaros/Chart.yaml", "charts/kymaros-crds/Chart.yaml"];
    for path in charts {
        let content = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))?;
        let chart: Value = serde_saphyr::from_str(&content)?;
        assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"), "{path}");
        assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"), "{path}");
        for dependency in chart["dependencies"].as_array().into_iter().flatten() {
            assert_eq!(dependency["version"], env!("CARGO_PKG_VERSION"), "{path}");
        }
    }
    Ok(())
}

#[test]
fn the_operator_knows_no_root_no_capability_and_no_disk() -> Result<()> {
    let objects = rendered(&[])?;
    let pod = &object(&objects, "Deployment", "kymaros")?["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    assert!(pod["volumes"].is_null());
    Ok(())
}

fn webhooks(objects: &[Value]) -> Result<Vec<&Value>> {
    let mut all = Vec::new();
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        all.extend(
            object(objects, kind, "kymaros")?["webhooks"]
                .as_array()
                .context("no webhooks")?,
        );
    }
    Ok(all)
}

#[test]
fn the_webhooks_are_the_ones_that_were_meant() -> Result<()> {
    let objects = rendered(&[])?;
    let mut found: Vec<(&str, &str, &str)> = webhooks(&objects)?
        .into_iter()
        .map(|webhook| {
            let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
            let client = &webhook["clientConfig"];
            assert!(
                client["caBundle"].is_null(),
                "whoever applies this again would take the bundle away"
            );
            assert_eq!(client["service"]["name"], "kymaros-webhooks");
            assert_eq!(client["service"]["namespace"], NAMESPACE);
            assert_eq!(webhook["sideEffects"], "None");
            assert_eq!(webhook["matchPolicy"], "Equivalent");
            assert_eq!(webhook["timeoutSeconds"], 5);
            assert!(text(&webhook["name"]).ends_with(".kymaros.io"));
            (
                webhook["name"].as_str().unwrap_or_default(),
                client["service"]["path"].as_str().unwrap_or_default(),
                webhook["failurePolicy"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("contain-namespaces.kymaros.io", "/contain", "Ignore"),
            ("contain.kymaros.io", "/contain", "Fail"),
            ("default.kymaros.io", "/default", "Ignore"),
            ("fence.kymaros.io", "/fence", "Fail"),
            ("guard.kymaros.io", "/guard", "Fail"),
            ("neutralise.kymaros.io", "/neutralise", "Fail"),
            ("validate.kymaros.io", "/validate", "Fail"),
        ]
    );
    Ok(())
}

/// Whatever becomes of the operator, people can delete what is theirs, and Kubernetes can clean up.
#[test]
fn no_webhook_stands_in_the_way_of_deleting() -> Result<()> {
    let objects = rendered(&[])?;
    for webhook in webhooks(&objects)? {
        let conditions = webhook["matchConditions"].as_array().context("no conditions")?;
        let only_the_operator = conditions
            .iter()
            .any(|condition| condition["name"] == "by-the-operator");
        let rules = webhook["rules"].as_array().context("no rules")?;
        let operations = rules
            .iter()
            .filter_map(|rule| rule["operations"].as_array())
            .flatten();
        let about_changes = operations.into_iter().all(|o| *o == "CREATE" || *o == "UPDATE");
        assert!(
            about_changes || only_the_operator,
            "{} is asked about deletions of others",
            webhook["name"]
        );
        let about_updates = rules
            .iter()
            .any(|rule| rule["operations"].to_string().contains("UPDATE"));
        let lets_go = conditions.iter().any(|condition| condition["name"] == "stays");
        // A namespace that is going keeps the marks it has, and nothing else is asked about.
        let about_namespaces = webhook["name"] == "fence.kymaros.io";
        assert!(
            !about_updates || lets_go || about_namespaces,
            "{} keeps what is being deleted",
            webhook["name"]
        );
    }
    Ok(())
}

/// Only where callers of the API have no account does the operator's change tests.
#[test]
fn the_operator_may_change_tests_only_where_callers_have_no_account() -> Result<()> {
    for (settings, may) in [
        ("replicas=2", false),
        ("auth.mode=none", true),
        ("auth.mode=token,auth.token=x", true),
        ("auth.mode=none,api.enabled=false", false),
    ] {
        let objects = rendered(&["--set", settings])?;
        let rules = object(&objects, "ClusterRole", "kymaros")?["rules"].to_string();
        let written = r#"["restoretests"],"verbs":["create","delete"]"#;
        assert_eq!(rules.contains(written), may, "{settings}: {rules}");
        let policy = object(&objects, "ValidatingAdmissionPolicy", "kymaros-guard")?["spec"].to_string();
        let allowance = "request.operation in ['CREATE', 'DELETE'] && variables.kind == 'restore.kymaros.io/restoretests'";
        assert_eq!(policy.contains(allowance), may, "{settings}");
    }
    Ok(())
}

/// Tests that the operator writes for callers without an account are judged as those of others are.
#[test]
fn the_operators_own_tests_are_judged_where_it_writes_any() -> Result<()> {
    for (settings, judged) in [
        ("replicas=2", false),
        ("auth.mode=none", true),
        ("auth.mode=token,auth.token=x", true),
        ("auth.mode=none,api.enabled=false", false),
    ] {
        let objects = rendered(&["--set", settings])?;
        for name in ["validate.kymaros.io", "default.kymaros.io"] {
            let all = webhooks(&objects)?;
            let webhook = all.iter().find(|webhook| webhook["name"] == name);
            let conditions = webhook.context(name)?["matchConditions"].as_array();
            let mut names = conditions.context("no conditions")?.iter().map(|c| &c["name"]);
            let skipped = names.any(|condition| condition == "not-by-the-operator");
            assert_eq!(skipped, !judged, "{name} with {settings}");
        }
    }
    Ok(())
}

#[test]
fn a_token_stands_in_its_secret_and_nowhere_else() -> Result<()> {
    let text = template(&["--set", "auth.mode=token,auth.token=very-secret"])?;
    assert!(!text.contains("very-secret"));
    let objects = rendered(&["--set", "auth.mode=token,auth.token=very-secret"])?;
    assert_eq!(
        object(&objects, "Secret", "kymaros-auth")?["data"]["token"],
        "dmVyeS1zZWNyZXQ="
    );
    let objects = rendered(&["--set", "auth.mode=token,auth.existingSecret=ours"])?;
    assert!(object(&objects, "Secret", "kymaros-auth").is_err());
    // Nobody is asked for a token by an API that is not there, and a pod would wait for its Secret for ever.
    let token = "auth.mode=token,auth.token=very-secret";
    assert!(template(&["--set", token])?.contains("KYMAROS_API_TOKEN"));
    let without_api = template(&["--set", token, "--set", "api.enabled=false"])?;
    assert!(!without_api.contains("KYMAROS_API_TOKEN") && !without_api.contains("kymaros-auth"));
    Ok(())
}

#[test]
fn another_token_starts_other_pods() -> Result<()> {
    let pods = |token: &str| -> Result<Value> {
        let objects = rendered(&["--set", &format!("auth.mode=token,auth.token={token}")])?;
        Ok(object(&objects, "Deployment", "kymaros")?["spec"]["template"].clone())
    };
    assert_eq!(pods("one")?, pods("one")?);
    assert_ne!(pods("one")?, pods("other")?);
    Ok(())
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

#[test]
fn only_the_secrets_that_are_named_may_be_read() -> Result<()> {
    let readable = |settings: &[&str]| -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for object in rendered(settings)? {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("everywhere");
            for rule in object["rules"].as_array().into_iter().flatten() {
                let of_secrets = rule["resources"] == json!(["secrets"]) && rule["verbs"] == json!(["get"]);
                if of_secrets {
                    found.insert(format!("{namespace} {}", rule["resourceNames"]));
                }
            }
        }
        Ok(found)
    };
    assert!(readable(&[])?.is_empty());
    let set = "notifications.slack.enabled=true,notifications.slack.webhookSecretRef=team,\
               notifications.webhook.webhookSecretRef=unused,\
               notifications.secrets[0].namespace=shop,notifications.secrets[0].names={slack,hook}";
    let expected = [
        format!("{NAMESPACE} [\"team\"]"),
        "shop [\"slack\",\"hook\"]".to_owned(),
    ];
    assert_eq!(readable(&["--set", set])?, expected.into());
    Ok(())
}

#[test]
fn with_cert_manager_somebody_else_keeps_the_certificate() -> Result<()> {
    let objects = rendered(&["--set", "webhooks.certManager.enabled=true"])?;
    let certificate = object(&objects, "Certificate", "kymaros-webhooks")?;
    assert_eq!(certificate["spec"]["secretName"], "kymaros-webhook-certificate");
    assert_eq!(
        certificate["spec"]["dnsNames"],
        json!(["kymaros-webhooks.kymaros-system.svc"])
    );
    // What the API server trusts outlives each certificate.
    let signs = &object(&objects, "Issuer", "kymaros-webhooks")?["spec"]["ca"]["secretName"];
    let authority = &object(&objects, "Certificate", "kymaros-webhooks-ca")?["spec"];
    assert_eq!(
        (&authority["secretName"], &authority["isCA"]),
        (signs, &json!(true))
    );
    object(&objects, "Issuer", "kymaros-webhooks-ca")?;
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let annotations = &object(&objects, kind, "kymaros")?["metadata"]["annotations"];
        assert_eq!(
            annotations["cert-manager.io/inject-ca-from"],
            "kymaros-system/kymaros-webhooks"
        );
    }
    let own = object(&objects, "Role", "kymaros-own")?["rules"].to_string();
    assert!(!own.contains(r#"["secrets"],"verbs":["create"]"#), "{own}");
    let cluster = object(&objects, "ClusterRole", "kymaros")?["rules"].to_string();
    assert!(
        !cluster.contains(r#"mutatingwebhookconfigurations"],"verbs":["patch"]"#),
        "{cluster}"
    );

    let other = rendered(&[
        "--set",
        "webhooks.certManager.enabled=true,webhooks.certManager.issuerRef.name=ours,webhooks.certManager.issuerRef.kind=ClusterIssuer",
    ])?;
    for made in ["kymaros-webhooks", "kymaros-webhooks-ca"] {
        assert!(object(&other, "Issuer", made).is_err());
    }
    let issuer = &object(&other, "Certificate", "kymaros-webhooks")?["spec"]["issuerRef"];
    assert_eq!(*issuer, json!({ "name": "ours", "kind": "ClusterIssuer" }));
    Ok(())
}
