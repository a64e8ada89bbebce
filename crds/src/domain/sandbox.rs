//! The throw-away namespaces of a run.

use std::time::Duration;

use super::{
    duration,
    problems::{Problems, set},
    quantity,
};
use crate::{Isolation, ResourceQuotaSpec, Retention, SandboxSpec};

/// Shortest and longest life of a sandbox or a run.
pub(super) const LIFE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(30 * 24));

/// The throw-away namespaces of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Start of every sandbox's name, `rp-test` by default.
    pub prefix: String,
    /// When a sandbox goes, whatever the state of its run; 30 minutes by default, or the run's timeout when that is
    /// longer.
    pub ttl: Duration,
    /// What it may use.
    pub quota: Quota,
    /// Who may talk to whom.
    pub isolation: Isolation,
    /// How long it stays after the run.
    pub retention: Retention,
}

/// What a sandbox may use, as Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Processors; 2 by default.
    pub cpu: String,
    /// Memory; 4Gi by default.
    pub memory: String,
    /// Storage of all volumes; 10Gi by default.
    pub storage: String,
    /// Number of pods; 20 by default.
    pub pods: u32,
}

impl Quota {
    /// What a container asks for that states nothing: a little, and never more than all there is.
    #[must_use]
    pub fn least_cpu(&self) -> &str {
        quantity::least("100m", &self.cpu)
    }

    /// The same for memory.
    #[must_use]
    pub fn least_memory(&self) -> &str {
        quantity::least("128Mi", &self.memory)
    }
}

impl Sandbox {
    const PREFIX: &str = "rp-test";
    const TTL: Duration = Duration::from_mins(30);
    /// A sandbox's name has 63 characters, of which a hash needs 9, and something should be left of the test's name.
    const MAX_PREFIX: usize = 53;

    /// `timeout` is the run's, when the test sets one.
    pub(super) fn parse(
        spec: Option<&SandboxSpec>,
        timeout: Option<Duration>,
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        let unset = SandboxSpec::default();
        let spec = spec.unwrap_or(&unset);
        let ttl_path = format!("{path}.ttl");
        let given = spec.ttl.as_deref();
        let ttl = problems.duration(&ttl_path, given, LIFE.0, LIFE.1);
        if let (Some(ttl), Some(timeout)) = (ttl, timeout)
            && ttl < timeout
        {
            let least = duration::format(timeout);
            let message = format!(
                "is shorter than spec.timeout, so the sandbox would go first; write at least {least}"
            );
            problems.report(&ttl_path, given.unwrap_or_default(), message);
        }
        Self {
            prefix: prefix(
                spec.namespace_prefix.as_deref(),
                &format!("{path}.namespacePrefix"),
                problems,
            ),
            ttl: ttl.unwrap_or_else(|| Self::TTL.max(timeout.unwrap_or_default())),
            quota: Quota::parse(
                spec.resource_quota.as_ref(),
                &format!("{path}.resourceQuota"),
                problems,
            ),
            isolation: spec.network_isolation.unwrap_or_default(),
            retention: spec.retention.unwrap_or_default(),
        }
    }
}

/// A prefix may end with a hyphen, as 0.6.9 allowed: more of the name follows.
fn prefix(raw: Option<&str>, path: &str, problems: &mut Problems) -> String {
    let Some(prefix) = set(raw) else {
        return Sandbox::PREFIX.to_owned();
    };
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if prefix.len() > Sandbox::MAX_PREFIX {
        problems.report(
            path,
            prefix,
            format!("is longer than {} characters", Sandbox::MAX_PREFIX),
        );
    } else if !prefix.bytes().all(is_inner) || prefix.starts_with('-') {
        problems.report(
            path,
            prefix,
            "cannot begin a namespace; write small letters, digits and '-'",
        );
    } else if prefix.starts_with("kube-") {
        problems.report(
            path,
            prefix,
            "is reserved for Kubernetes; write for example rp-test",
        );
    }
    prefix.to_owned()
}

impl Quota {
    fn parse(spec: Option<&ResourceQuotaSpec>, path: &str, problems: &mut Problems) -> Self {
        let unset = ResourceQuotaSpec::default();
        let spec = spec.unwrap_or(&unset);
        let mut quantity = |raw: Option<&str>, field, default: &str, check: fn(&str) -> _| {
            let text = set(raw).unwrap_or(default);
            problems.ok(&format!("{path}.{field}"), text, check(text));
            text.to_owned()
        };
        let cpu = quantity(spec.cpu.as_deref(), "cpu", "2", quantity::cpu);
        let memory = quantity(spec.memory.as_deref(), "memory", "4Gi", quantity::bytes);
        let storage = quantity(spec.storage.as_deref(), "storage", "10Gi", quantity::bytes);
        let pods = spec.pods.unwrap_or(20);
        if pods < 1 {
            problems.report(
                &format!("{path}.pods"),
                pods,
                "would let nothing start; write 1 or more",
            );
        }
        Self {
            cpu,
            memory,
            storage,
            pods: u32::try_from(pods).unwrap_or_default(),
        }
    }
}
