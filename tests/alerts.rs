//! The alert rules of the chart, in the hands of Prometheus' own tool.

mod helm;

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use helm::{object, rendered};
use kymaros_testbed::programs::promtool;
use serde_json::Value;

const CASES: &str = include_str!("alerts/cases.yaml");

fn rules() -> Result<Value> {
    let objects = rendered(&["--set", "metrics.prometheusRule.enabled=true"])?;
    Ok(object(&objects, "PrometheusRule", "kymaros")?["spec"].clone())
}

fn run(folder: &Path, args: &[&str]) -> Result<()> {
    let output = Command::new(promtool()?)
        .args(args)
        .current_dir(folder)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    Ok(())
}

fn judge(rules: &Value) -> Result<()> {
    let folder = tempfile::tempdir()?;
    // JSON is YAML.
    std::fs::write(folder.path().join("rules.yaml"), rules.to_string())?;
    std::fs::write(folder.path().join("cases.yaml"), CASES)?;
    run(folder.path(), &["check", "rules", "rules.yaml"])?;
    run(folder.path(), &["test", "rules", "cases.yaml"])
}

#[test]
fn each_alert_fires_when_it_should_and_is_silent_when_it_should() -> Result<()> {
    judge(&rules()?)
}

#[test]
fn each_alert_is_tried_both_ways() -> Result<()> {
    let rules = rules()?;
    let named = rules["groups"][0]["rules"].as_array().context("no rules")?;
    let named: BTreeSet<&str> = named.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    let cases: Value = serde_saphyr::from_str(CASES)?;
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let tests = cases["tests"].as_array().into_iter().flatten();
    for test in tests.flat_map(|test| test["alert_rule_test"].as_array().into_iter().flatten()) {
        let alert = test["alertname"].as_str().context("a case without a name")?;
        let expected = test["exp_alerts"]
            .as_array()
            .context("a case that expects nothing")?;
        if expected.is_empty() {
            &mut silent
        } else {
            &mut fires
        }
        .insert(alert);
    }
    assert_eq!(fires, named);
    assert_eq!(silent, named);
    Ok(())
}

/// The cases are worth something only if they notice a rule that is wrong.
#[test]
fn a_rule_that_never_fires_is_noticed() -> Result<()> {
    let rules = rules()?;
    let count = rules["groups"][0]["rules"].as_array().map_or(0, Vec::len);
    for index in 0..count {
        let mut broken = rules.clone();
        broken["groups"][0]["rules"][index]["expr"] = "vector(1) == 2".into();
        assert!(
            judge(&broken).is_err(),
            "{}",
            broken["groups"][0]["rules"][index]["alert"]
        );
        broken["groups"][0]["rules"][index]["expr"] = "vector(1)".into();
        assert!(
            judge(&broken).is_err(),
            "{}",
            broken["groups"][0]["rules"][index]["alert"]
        );
    }
    Ok(())
}

#[test]
fn the_dashboard_is_one_that_grafana_finds() -> Result<()> {
    let objects = rendered(&["--set", "metrics.grafanaDashboard.enabled=true"])?;
    let map = object(&objects, "ConfigMap", "kymaros-dashboard")?;
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let content = map["data"]["kymaros-restore-validation.json"].as_str();
    let board: Value = serde_json::from_str(content.context("no dashboard")?)?;
    assert_eq!(board["uid"], "kymaros-restore-validation");
    let panels = board["panels"].as_array().context("no panels")?;
    let folder = tempfile::tempdir()?;
    for (index, panel) in panels.iter().enumerate() {
        for target in panel["targets"].as_array().context("a panel without a query")? {
            // Prometheus parses what Grafana would ask, in the place of a rule.
            let query = target["expr"].as_str().context("no query")?;
            let query = query.replace("$test", "shop").replace("$namespace", "ops");
            let rule = serde_json::json!({ "groups": [{ "name": "g", "rules": [
                { "record": format!("panel:{index}"), "expr": query }] }] });
            std::fs::write(folder.path().join("panel.yaml"), rule.to_string())?;
            run(folder.path(), &["check", "rules", "panel.yaml"])?;
        }
    }
    Ok(())
}
