//! All metrics of the process.

use prometheus_client::registry::Registry;

use super::{Answers, Clusters, Process, Runs};

/// The registry; every name begins with `kymaros_`.
#[must_use]
pub fn registry(answers: &Answers, process: Process, runs: Runs, clusters: Clusters) -> Registry {
    let mut registry = Registry::with_prefix("kymaros");
    answers.register(&mut registry);
    registry.register_collector(Box::new(process));
    registry.register_collector(Box::new(runs));
    registry.register_collector(Box::new(clusters));
    registry
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use regex::Regex;

    use crate::metrics::sample;

    /// The labels of each series, by the name that Prometheus knows it by.
    fn series() -> BTreeMap<String, BTreeSet<String>> {
        let text = sample().unwrap();
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
