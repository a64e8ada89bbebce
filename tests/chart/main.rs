//! The charts as files: every value does something, mistakes are refused, and the manifests keep what they promise.

#[path = "../helm/mod.rs"]
mod helm;
mod rights;
mod values;
mod webhooks;

use anyhow::Result;
use clap::Parser;
use helm::{chart, helm, object, rendered, template, text};
use kymaros::commands::Cli;
use serde_json::Value;

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
