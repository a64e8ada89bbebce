//! Metrics, as Prometheus reads them.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{
    head,
    table::{code, sentences, table},
};

pub(super) fn page() -> Result<String> {
    let about = "Every metric of `/metrics`; [metrics.md](../metrics.md) says who may read them, and which alerts there \
                 are. Every replica tells of its own admission, certificates and leadership. Of tests and runs only the \
                 leader tells, so that sums over replicas are right. `test` and `test_namespace` name the RestoreTest; \
                 what has these labels goes when the test goes.";
    Ok(head("Metrics", about)
        + &table(
            ["metric", "type", "labels", "meaning"],
            &rows(&kymaros::metrics::sample()?),
        ))
}

#[derive(Default)]
struct Metric {
    type_: String,
    help: String,
    labels: Vec<String>,
}

fn rows(exposition: &str) -> Vec<[String; 4]> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for line in exposition.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help.clone_into(&mut metrics.entry(name.to_owned()).or_default().help);
        } else if let Some((name, type_)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            type_.clone_into(&mut metrics.entry(name.to_owned()).or_default().type_);
        } else if let Some((series, labels)) = line.split_once('{') {
            let of_series = metrics.iter_mut().filter(|(name, _)| is_series_of(series, name));
            if let Some((_, metric)) = of_series.max_by_key(|(name, _)| name.len()) {
                let labels = labels.split('}').next().unwrap_or_default().split("\",");
                let names = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
                let new: Vec<String> = names
                    .filter(|name| name != "le" && !metric.labels.contains(name))
                    .collect();
                metric.labels.extend(new);
            }
        }
    }
    let row = |(name, metric): (String, Metric)| {
        // Prometheus knows counters by this ending.
        let name = if metric.type_ == "counter" {
            format!("{name}_total")
        } else {
            name
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
        let meaning = sentences(&[metric.help]);
        [code(&name), metric.type_, labels.join(", "), meaning]
    };
    metrics.into_iter().map(row).collect()
}

fn is_series_of(series: &str, name: &str) -> bool {
    let rest = series.strip_prefix(name);
    rest.is_some_and(|rest| ["", "_total", "_bucket", "_sum", "_count"].contains(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_labels_and_words_are_those_of_the_registry() {
        let page = page().unwrap();
        for row in [
            "| `kymaros_score` | gauge | `test`, `test_namespace` | Score of the latest run",
            "| `kymaros_tests_total` | counter | `test`, `test_namespace`, `result` |",
            "| `kymaros_test_duration_seconds` | histogram | `test`, `test_namespace` |",
            "| `kymaros_leader` | gauge |  |",
        ] {
            assert!(page.contains(row), "no {row} in {page}");
        }
    }
}
