//! All metrics of the process.

use prometheus_client::registry::Registry;

use super::{Answers, Process, Runs};

/// The registry; every name begins with `kymaros_`.
#[must_use]
pub fn registry(answers: &Answers, process: Process, runs: Runs) -> Registry {
    let mut registry = Registry::with_prefix("kymaros");
    answers.register(&mut registry);
    registry.register_collector(Box::new(process));
    registry.register_collector(Box::new(runs));
    registry
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        time::Duration,
    };

    use kube::runtime::{reflector::store, watcher::Event};
    use kymaros_certs::Expiry;
    use kymaros_crds::{RestoreReport, RestoreTest};
    use kymaros_webhooks::observe::{Observe, Outcome, Webhook};
    use prometheus_client::encoding::text::encode;
    use regex::Regex;
    use serde_json::{Value, json};
    use tokio::sync::watch;

    use super::*;
    use crate::metrics::RunsSeen;

    fn report(name: &str, status: &Value) -> RestoreReport {
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "ops", "uid": name }, "spec": { "testRef": "shop" },
            "status": status,
        }))
        .unwrap()
    }

    /// Everything that there is to tell, once.
    fn text() -> String {
        let (_lead, leading) = watch::channel(true);
        let end = jiff::Timestamp::UNIX_EPOCH;
        let (_expire, expiry) = watch::channel(Expiry {
            leaf: Some(end),
            authority: Some(end),
            ..Expiry::default()
        });
        let ((reports, mut reports_writer), (tests, mut tests_writer)) = (store(), store());
        let shop: RestoreTest = serde_json::from_value(json!({
            "metadata": { "name": "shop", "namespace": "ops", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                      "schedule": { "cron": "0 3 * * *" } },
        }))
        .unwrap();
        tests_writer.apply_watcher_event(&Event::Apply(shop));
        let seen = RunsSeen::default();
        seen.look(&Event::InitDone);
        let blind = json!({ "result": "inconclusive", "cause": "sandbox", "startedAt": "2026-01-01T01:00:00Z",
            "completedAt": "2026-01-01T01:01:00Z" });
        let fine = json!({ "result": "pass", "score": 100, "startedAt": "2026-01-01T02:00:00Z",
            "completedAt": "2026-01-01T02:01:00Z", "rto": { "measured": "1m", "withinSLA": true },
            "source": { "name": "b", "started": "2026-01-01T00:00:00Z" } });
        for event in [report("blind", &blind), report("fine", &fine)].map(Event::Apply) {
            reports_writer.apply_watcher_event(&event);
            seen.look(&event);
        }
        let runs = Runs {
            reports,
            tests,
            seen,
            leading: leading.clone(),
        };
        let answers = Answers::default();
        answers.answered(Webhook::Validate, Outcome::Allowed, Duration::ZERO);
        let mut text = String::new();
        encode(&mut text, &registry(&answers, Process { expiry, leading }, runs)).unwrap();
        text
    }

    /// The labels of each series, by the name that Prometheus knows it by.
    fn series() -> BTreeMap<String, BTreeSet<String>> {
        let text = text();
        let line = Regex::new(r"(?m)^(kymaros_\w+)(?:\{(.*)\})? ").unwrap();
        let label = Regex::new(r#"(\w+)=""#).unwrap();
        line.captures_iter(&text)
            .map(|line| {
                let labels = line.get(2).map_or("", |labels| labels.as_str());
                let labels = label.captures_iter(labels).map(|label| label[1].to_owned());
                (line[1].to_owned(), labels.collect())
            })
            .collect()
    }

    #[test]
    fn the_documentation_names_every_metric_and_its_labels_and_no_other() {
        let text = text();
        let told: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
            .collect();
        let mut documented = BTreeSet::new();
        let series = series();
        for line in include_str!("../../docs/metrics.md").lines() {
            let mut cells = line.split('|').skip(1);
            let (Some(name), Some(labels)) = (cells.next(), cells.next()) else {
                continue;
            };
            let name = name.trim().trim_matches('`');
            if !name.starts_with("kymaros_") {
                continue;
            }
            documented.insert(name.strip_suffix("_total").unwrap_or(name));
            let labels = labels.split(',').map(|label| label.trim().trim_matches('`'));
            let labels: BTreeSet<String> = labels.filter(|l| !l.is_empty()).map(str::to_owned).collect();
            let known = series.get(name).or_else(|| series.get(&format!("{name}_sum")));
            assert_eq!(known, Some(&labels), "{name}");
        }
        assert_eq!(told, documented);
    }

    #[test]
    fn rules_and_dashboard_ask_for_what_there_is() {
        let series = series();
        let rules_text = include_str!("../../charts/kymaros/templates/prometheusrule.yaml");
        let rules = rules_text
            .lines()
            .filter(|line| !line.contains("include \"kymaros"));
        let dashboard =
            include_str!("../../charts/kymaros/dashboards/restore-validation.json").replace("\\\"", "\"");
        let asked = rules.chain(dashboard.lines());
        let selector = Regex::new(r"\b(kymaros_\w+)(?:\{([^}]*)\})?").unwrap();
        let label = Regex::new(r#"(\w+)(?:=|!=|=~|!~)""#).unwrap();
        let grouped = Regex::new(r"\b(?:by|on) \(([^)]*)\)").unwrap();
        let mut found = 0;
        for line in asked {
            let mut known = BTreeSet::new();
            for selected in selector.captures_iter(line) {
                found += 1;
                let labels = series.get(&selected[1]);
                let labels = labels.unwrap_or_else(|| panic!("there is no {} in {line}", &selected[1]));
                let asked = selected.get(2).map_or("", |labels| labels.as_str());
                for asked in label.captures_iter(asked) {
                    assert!(
                        labels.contains(&asked[1]),
                        "{} has no {} in {line}",
                        &selected[1],
                        &asked[1]
                    );
                }
                known.extend(labels.iter().cloned());
            }
            let groups = grouped.captures_iter(line).filter(|_| !known.is_empty());
            for group in groups.flat_map(|group| group[1].split(", ").map(str::to_owned).collect::<Vec<_>>())
            {
                assert!(group == "le" || known.contains(&group), "no {group} in {line}");
            }
        }
        assert!(found > 25, "only {found} were looked at");
        let all: BTreeSet<&String> = series.values().flatten().collect();
        let shown = Regex::new(r"\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}").unwrap();
        let both = format!("{rules_text}{dashboard}");
        for shown in shown.captures_iter(&both) {
            assert!(
                all.contains(&shown[1].to_owned()),
                "nothing has the label {}",
                &shown[1]
            );
        }
    }
}
