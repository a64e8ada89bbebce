//! Values of the chart as flags of the operator: each reaches the one that it is for, and the operator understands it.

mod helm;

use anyhow::Result;
use clap::Parser;
use helm::{object, rendered};
use kymaros::commands::Cli;
use serde_json::{Value, json};

/// Values that become a flag of the operator, something else than their defaults, and the flag.
const FLAGS: [(&str, &str, &str); 34] = [
    ("velero.namespace", "backup", "--velero-namespace=backup"),
    ("limits.concurrentRuns", "9", "--concurrent-runs=9"),
    ("completeness.secrets", "true", "--compare-secrets=true"),
    (
        "completeness.customResources",
        r#"["a.example.com","b.example.com"]"#,
        "--compare-resources=a.example.com,b.example.com",
    ),
    ("clusters.enabled", "true", "--clusters=true"),
    (
        "sandbox.namespacePrefix",
        "proof",
        "--default-namespace-prefix=proof",
    ),
    ("sandbox.defaultTTL", "2h30m", "--default-ttl=2h30m"),
    ("sandbox.networkIsolation", "group", "--default-isolation=group"),
    ("sandbox.defaultQuota.cpu", "500m", "--default-quota-cpu=500m"),
    ("sandbox.defaultQuota.memory", "8Gi", "--default-quota-memory=8Gi"),
    (
        "sandbox.defaultQuota.storage",
        "1Ti",
        "--default-quota-storage=1Ti",
    ),
    ("sandbox.defaultQuota.pods", "100", "--default-quota-pods=100"),
    ("testDefaults.timeout", "20m", "--default-timeout=20m"),
    (
        "testDefaults.healthCheckTimeout",
        "3m",
        "--default-health-timeout=3m",
    ),
    ("testDefaults.historyLimit", "30", "--default-history-limit=30"),
    (
        "notifications.slack.enabled",
        "true",
        "--notification-slack-enabled=true",
    ),
    (
        "notifications.slack.webhookSecretRef",
        "chat",
        "--notification-slack-webhook-secret=chat",
    ),
    (
        "notifications.slack.defaultChannel",
        "#ops",
        "--notification-slack-default-channel=#ops",
    ),
    (
        "notifications.webhook.enabled",
        "true",
        "--notification-webhook-enabled=true",
    ),
    (
        "notifications.webhook.webhookSecretRef",
        "hook",
        "--notification-webhook-secret=hook",
    ),
    (
        "notifications.allowHTTP",
        "true",
        "--notification-allow-http=true",
    ),
    (
        "notifications.clusterName",
        "eu: west",
        "--notification-cluster-name=eu: west",
    ),
    (
        "webhooks.certManager.enabled",
        "true",
        "--certificate-source=foreign",
    ),
    ("license.existingSecret", "ours", "--license-secret=ours"),
    ("metrics.port", "9090", "--metrics-bind-address=0.0.0.0:9090"),
    ("metrics.enabled", "false", "--metrics-bind-address=0"),
    ("metrics.secure", "false", "--metrics-secure=false"),
    ("api.enabled", "false", "--api-bind-address=0"),
    ("api.requestsPerSecond", "50", "--api-requests-per-second=50"),
    (
        "api.corsOrigin",
        "https://ops.example.com",
        "--cors-origin=https://ops.example.com",
    ),
    (
        "api.hosts",
        r#"["restore.example.com","*.ops.example.com"]"#,
        "--api-hosts=kymaros-api,kymaros-api.kymaros-system,kymaros-api.kymaros-system.svc,\
         kymaros-api.kymaros-system.svc.cluster.local,restore.example.com,*.ops.example.com",
    ),
    ("auth.mode", "none", "--api-auth=none"),
    ("log.format", "text", "--log-format=text"),
    ("log.filter", "debug", "--log=debug"),
];

/// What must be set for a value to be allowed: a receiver needs an address.
const ALONG: &str = r#"notifications.slack.webhookSecretRef="there",notifications.webhook.webhookSecretRef="there",auth.existingSecret="there""#;

/// What the operator is started with.
fn arguments(settings: &[&str]) -> Result<Vec<String>> {
    let objects = rendered(settings)?;
    let deployment = object(&objects, "Deployment", "kymaros")?;
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    Ok(serde_json::from_value(args)?)
}

/// What the operator makes of its arguments.
fn understood(arguments: Vec<String>) -> Result<String> {
    let line = std::iter::once("kymaros".to_owned()).chain(arguments);
    Ok(format!("{:?}", Cli::try_parse_from(line)?))
}

#[test]
fn every_value_reaches_the_flag_that_it_is_for() -> Result<()> {
    let plain = arguments(&["--set-json", ALONG])?;
    for (path, value, flag) in FLAGS {
        let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        let args = arguments(&["--set-json", ALONG, "--set-json", &format!("{path}={value}")])?;
        let changed: Vec<&String> = args.iter().filter(|arg| !plain.contains(arg)).collect();
        assert!(changed.iter().any(|arg| *arg == flag), "{path}: {changed:?}");
        understood(args)?;
    }
    Ok(())
}

#[test]
fn an_argument_of_ones_own_counts_more_than_that_of_the_chart() -> Result<()> {
    let own = r#"extraArgs=["--log=debug","--concurrent-runs=3"]"#;
    let understood = understood(arguments(&["--set-json", own])?)?;
    assert!(
        understood.contains(r#"log: "debug""#) && understood.contains("concurrent_runs: 3"),
        "{understood}"
    );
    Ok(())
}

#[test]
fn the_names_that_people_type_are_those_of_the_way_in() -> Result<()> {
    for (settings, names) in [
        ("ingress.host=a.example.com", ""),
        (
            "ingress.enabled=true,ingress.host=a.example.com",
            ",a.example.com",
        ),
        (
            "gatewayAPI.enabled=true,gatewayAPI.hostnames={b.example.com,*.c.example.com}",
            ",b.example.com,*.c.example.com",
        ),
        (
            "ingress.enabled=true,ingress.host=a.example.com,api.hosts={a.example.com}",
            ",a.example.com",
        ),
    ] {
        let args = arguments(&["--set", settings])?;
        let hosts = args.iter().find(|arg| arg.starts_with("--api-hosts=")).cloned();
        let hosts = hosts.unwrap_or_default();
        let (_, others) = hosts.split_once(".svc.cluster.local").unwrap_or_default();
        assert_eq!(others, names, "{settings}: {hosts}");
        understood(args)?;
    }
    Ok(())
}
