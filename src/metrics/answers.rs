//! Answers of admission.

use std::time::Duration;

use kymaros_webhooks::{
    observe::{Observe, Outcome, Webhook},
    rule::Rule,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Seconds; the API server waits for five at most.
const BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counts and times of the answers of this process.
#[derive(Clone, Debug)]
pub struct Answers {
    counts: Family<Labels<2>, Counter>,
    denied: Family<Labels<2>, Counter>,
    times: Family<Labels<1>, Histogram>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            counts: Family::default(),
            denied: Family::default(),
            times: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }
}

impl Answers {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "admission_answers",
            "Answers of admission, by webhook and outcome: allowed, invalid, forbidden, unknown (asked again later) or unreadable",
            self.counts.clone(),
        );
        registry.register(
            "admission_denied",
            "Refusals of admission, by webhook and reason: the field that is wrong, or the rule, as the manual lists them",
            self.denied.clone(),
        );
        registry.register(
            "admission_duration_seconds",
            "Time from a whole request of the API server to its answer",
            self.times.clone(),
        );
    }
}

impl Observe for Answers {
    fn answered(&self, webhook: Webhook, outcome: Outcome, refused_by: Option<Rule>, took: Duration) {
        let of = ("webhook", webhook.as_str());
        let counted = [of, ("outcome", name(outcome))];
        self.counts.get_or_create(&counted).inc();
        if let Some(rule) = refused_by {
            let refused = [of, ("reason", rule.as_str())];
            self.denied.get_or_create(&refused).inc();
        }
        self.times.get_or_create(&[of]).observe(took.as_secs_f64());
    }
}

const fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Invalid => "invalid",
        Outcome::Forbidden => "forbidden",
        Outcome::Unknown => "unknown",
        Outcome::Unreadable => "unreadable",
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn refusals_are_counted_by_their_rule() {
        let (answers, mut registry) = (Answers::default(), Registry::default());
        answers.register(&mut registry);
        for (outcome, rule) in [
            (Outcome::Allowed, None),
            (Outcome::Invalid, Some(Rule::Field("schedule"))),
            (Outcome::Invalid, Some(Rule::Field("schedule"))),
            (Outcome::Forbidden, Some(Rule::Marks)),
        ] {
            answers.answered(Webhook::Validate, outcome, rule, Duration::ZERO);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let denied = |line: &&str| line.starts_with("admission_denied_total");
        let mut lines: Vec<&str> = text.lines().filter(denied).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "admission_denied_total{webhook=\"validate\",reason=\"Marks\"} 1",
                "admission_denied_total{webhook=\"validate\",reason=\"schedule\"} 2",
            ]
        );
    }

    #[test]
    fn the_manual_lists_every_reason() {
        let manual = include_str!("../../docs/metrics.md");
        for rule in Rule::OTHERS {
            let name = format!("| `{}` |", rule.as_str());
            assert!(manual.contains(&name), "docs/metrics.md has no row {name}");
        }
    }
}
