//! A whole test.

use std::time::Duration;

use super::{
    Health, Invalid, LogCollection, Notifications, Sandbox, Schedule, Sla, Source,
    problems::{Problems, set},
    sandbox::LIFE,
    source,
};
use crate::{BackupSource, RestoreTestSpec};

/// What to restore, when, and how to judge it.
#[derive(Clone, Debug)]
pub struct Test {
    /// `backupSource` first, then the additional ones; never empty.
    pub sources: Vec<Source>,
    /// When it runs.
    pub schedule: Schedule,
    /// No scheduled runs.
    pub suspend: bool,
    /// The throw-away namespaces.
    pub sandbox: Sandbox,
    /// What a healthy application looks like.
    pub health: Health,
    /// The agreed recovery time.
    pub sla: Option<Sla>,
    /// How long a run may take; 1 hour by default, but not more than the TTL.
    pub timeout: Duration,
    /// How many finished reports are kept; 10 by default.
    pub history_limit: u32,
    /// Logs and events in the report.
    pub logs: LogCollection,
    /// Who is told of a verdict.
    pub notifications: Notifications,
}

impl Test {
    const TIMEOUT: Duration = Duration::from_hours(1);
    const HISTORY: i32 = 10;
    /// As in the schema.
    const MAX_SOURCES: usize = 16;
}

impl TryFrom<&RestoreTestSpec> for Test {
    type Error = Invalid;

    fn try_from(spec: &RestoreTestSpec) -> Result<Self, Self::Error> {
        let mut problems = Problems::default();
        let sources = sources(spec, &mut problems);
        let schedule = Schedule::parse(&spec.schedule.cron, spec.schedule.timezone.as_deref());
        let schedule = schedule
            .map_err(|invalid| problems.adopt("spec.schedule", invalid))
            .ok();
        let timeout = problems.duration("spec.timeout", spec.timeout.as_deref(), LIFE.0, LIFE.1);
        let sandbox = Sandbox::parse(spec.sandbox.as_ref(), timeout, "spec.sandbox", &mut problems);
        let health = Health::parse(spec.health_checks.as_ref(), "spec.healthChecks", &mut problems);
        check_namespaces(spec, &sources, &mut problems);
        let history_limit = spec.history_limit.unwrap_or(Self::HISTORY);
        if history_limit < 1 {
            problems.report(
                "spec.historyLimit",
                history_limit,
                "would keep nothing; write 1 or more",
            );
        }
        let sla = spec
            .sla
            .as_ref()
            .map(|sla| Sla::parse(sla, "spec.sla", &mut problems));
        let logs = LogCollection::parse(spec.log_collection.as_ref(), "spec.logCollection", &mut problems);
        let notifications =
            Notifications::parse(spec.notifications.as_ref(), "spec.notifications", &mut problems);
        let test = schedule.map(|schedule| Self {
            sources,
            schedule,
            suspend: spec.suspend,
            timeout: timeout.unwrap_or_else(|| Self::TIMEOUT.min(sandbox.ttl)),
            sandbox,
            health,
            sla,
            history_limit: u32::try_from(history_limit).unwrap_or_default(),
            logs,
            notifications,
        });
        problems.finish(test)
    }
}

fn sources(spec: &RestoreTestSpec, problems: &mut Problems) -> Vec<Source> {
    let specs: Vec<(String, &BackupSource)> = Source::specs(spec).collect();
    let sources = specs
        .iter()
        .map(|(path, source)| Source::parse(source, path, problems))
        .collect();
    if specs.len() > Test::MAX_SOURCES {
        let message = format!(
            "has more than {} backup sources with the first",
            Test::MAX_SOURCES
        );
        problems.report(
            "spec.additionalSources",
            format!("{} sources", spec.additional_sources.len()),
            message,
        );
    }
    source::check_all(&specs, problems);
    sources
}

/// A check of the test itself must look at something the test restores. A shared policy may hold more. A test without
/// namespaces has that error already.
fn check_namespaces(spec: &RestoreTestSpec, sources: &[Source], problems: &mut Problems) {
    let restored: Vec<&str> = sources
        .iter()
        .flat_map(|s| &s.namespaces)
        .map(|n| n.name.as_str())
        .collect();
    if restored.is_empty() {
        return;
    }
    let checks = spec.health_checks.iter().flat_map(|h| &h.checks);
    for (index, check) in checks.enumerate() {
        let namespace = set(check.namespace.as_deref());
        if let Some(namespace) = namespace.filter(|n| !restored.contains(n)) {
            let path = format!("spec.healthChecks.checks[{index}].namespace");
            let message = format!(
                "is not restored by this test; write one of {}",
                restored.join(", ")
            );
            problems.report(&path, namespace, message);
        }
    }
}
