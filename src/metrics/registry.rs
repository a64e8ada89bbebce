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
    use std::{collections::BTreeSet, time::Duration};

    use kube::runtime::reflector::store;
    use kymaros_certs::Expiry;
    use kymaros_webhooks::observe::{Observe, Outcome, Webhook};
    use prometheus_client::encoding::text::encode;
    use tokio::sync::watch;

    use super::*;
    use crate::metrics::RunsSeen;

    #[test]
    fn the_documentation_names_every_metric_and_no_other() {
        let (_lead, leading) = watch::channel(true);
        let (_expire, expiry) = watch::channel(Expiry::default());
        let process = Process {
            expiry,
            leading: leading.clone(),
        };
        let runs = Runs {
            reports: store().0,
            tests: store().0,
            seen: RunsSeen::default(),
            leading,
        };
        let answers = Answers::default();
        answers.answered(Webhook::Validate, Outcome::Allowed, Duration::ZERO);
        let mut text = String::new();
        encode(&mut text, &registry(&answers, process, runs)).unwrap();
        let told: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
            .collect();
        let documented: BTreeSet<&str> = include_str!("../../docs/metrics.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .map(|name| name.strip_suffix("_total").unwrap_or(name))
            .collect();
        assert_eq!(told, documented);
    }
}
