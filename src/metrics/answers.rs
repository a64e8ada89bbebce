//! Answers of admission.

use std::time::Duration;

use kymaros_webhooks::observe::{Observe, Outcome, Webhook};
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
    times: Family<Labels<1>, Histogram>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            counts: Family::default(),
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
            "admission_duration_seconds",
            "Time from a whole request of the API server to its answer",
            self.times.clone(),
        );
    }
}

impl Observe for Answers {
    fn answered(&self, webhook: Webhook, outcome: Outcome, took: Duration) {
        let of = ("webhook", webhook.as_str());
        let counted = [of, ("outcome", name(outcome))];
        self.counts.get_or_create(&counted).inc();
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
