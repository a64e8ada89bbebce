//! What is kept of a report.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use kymaros_crds::{
    Cause, LevelResult, NotificationState, NotificationStatus, RestoreReport, RunPhase, RunResult, Trigger,
    domain::{Source, duration},
};
use kymaros_webhooks::validate::TestName;

use crate::{
    fleet::cluster::{ClusterName, TestKey},
    history::{self, Ended},
    notify::record::is_open,
    run::observe,
    stored::StoredReport,
};

/// Where a run stands among others.
pub(super) type When = (Timestamp, RunName);

/// A report by its name, then its namespace and its cluster: names are asked for without them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName {
    /// Of the report.
    pub name: Arc<str>,
    /// Of its namespace.
    pub namespace: Arc<str>,
    /// Its cluster; none: this one.
    pub cluster: Option<ClusterName>,
}

/// `namespace/name`, with `cluster/` before it for one of another cluster.
impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cluster) = &self.cluster {
            write!(f, "{cluster}/")?;
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is kept of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The report.
    pub name: RunName,
    /// Name of the test.
    pub test: Arc<str>,
    /// When the report was made.
    pub created: Timestamp,
    /// Where the run stands.
    pub phase: RunPhase,
    /// Why it was made.
    pub trigger: Option<Trigger>,
    /// When it left the queue.
    pub started: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// The agreed recovery time.
    pub rto_target: Option<Duration>,
    /// Whether that was kept.
    pub within_sla: Option<bool>,
    /// The six levels, in their order.
    pub levels: [LevelResult; 6],
    /// Score of the run it was compared with.
    pub previous: Option<i32>,
    /// The namespaces it restores.
    pub sources: Arc<[Arc<str>]>,
    /// Checks that passed, and all.
    pub checks: (u16, u16),
    /// The backups that it restores.
    pub backups: Arc<[Box<str>]>,
    /// When the oldest of its backups was taken.
    pub backup_taken: Option<Timestamp>,
    /// Whether each of its sources says how old its backup may be.
    pub has_max_age: bool,
    /// Whether it is worse than the run before.
    pub regressed: bool,
    /// Objects left behind, when cleanup has ended.
    pub leftovers: Option<i32>,
    /// Messages about it that nobody got.
    pub untold: Untold,
}

/// Messages that nobody got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// They were tried and are tried again.
    pub waiting: u16,
    /// They were given up.
    pub lost: u16,
}

impl Untold {
    fn of(messages: &[NotificationStatus]) -> Self {
        let count = |is_so: fn(&&NotificationStatus) -> bool| {
            u16::try_from(messages.iter().filter(is_so).count()).unwrap_or(u16::MAX)
        };
        Self {
            waiting: count(|message| is_open(message) && message.attempts > 0),
            lost: count(|message| message.state == Some(NotificationState::Failed)),
        }
    }
}

impl Run {
    /// What is kept of a report of a cluster.
    #[must_use]
    pub fn of(report: &RestoreReport, cluster: Option<&ClusterName>) -> Self {
        let status = report.status.clone().unwrap_or_default();
        let backups = history::backups(&status).iter();
        let backups = backups.map(|backup| backup.name.as_str().into()).collect();
        let levels = status.validation_levels.unwrap_or_default();
        let rto = status.rto.as_ref();
        let time = |text: &String| duration::parse(text).ok();
        let spec = report.spec.test.as_ref();
        let sources: Vec<_> = spec
            .into_iter()
            .flat_map(Source::specs)
            .map(|(_, source)| source)
            .collect();
        let passed = status
            .checks
            .iter()
            .filter(|check| check.status == kymaros_crds::CheckResult::Pass)
            .count();
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let is_set = |age: &Option<String>| age.as_deref().is_some_and(|age| !age.trim().is_empty());
        Self {
            name: RunName {
                name: report.name_any().into(),
                namespace: report.namespace().unwrap_or_default().into(),
                cluster: cluster.cloned(),
            },
            test: report.spec.test_ref.as_str().into(),
            created: report.creation_timestamp().map_or(Timestamp::MIN, |at| at.0),
            phase: observe::phase(report),
            trigger: report.spec.trigger,
            started: status.started_at.as_ref().map(|at| at.0),
            ended: Ended::of(report),
            rto_target: rto
                .and_then(|rto| rto.target.as_ref().and_then(time))
                .or_else(|| spec?.sla.as_ref().and_then(|sla| time(&sla.max_rto))),
            within_sla: rto.map(|rto| rto.within_sla),
            levels: [
                levels.restore_integrity.status,
                levels.completeness.status,
                levels.pod_startup.status,
                levels.internal_health.status,
                levels.cross_namespace_deps.status,
                levels.rto_compliance.status,
            ],
            previous: report.spec.previous.as_ref().map(|previous| previous.score),
            sources: sources
                .iter()
                .flat_map(|source| &source.namespaces)
                .map(|namespace| Arc::from(namespace.name.as_str()))
                .collect(),
            checks: (count(passed), count(status.checks.len())),
            backups,
            backup_taken: status
                .source
                .iter()
                .chain(&status.sources)
                .filter_map(|backup| Some(backup.started.as_ref()?.0))
                .min(),
            has_max_age: spec.is_some() && sources.iter().all(|source| is_set(&source.max_age)),
            regressed: is_true(&status.conditions, "Regressed"),
            leftovers: status.leftovers,
            untold: Untold::of(&status.notifications),
        }
    }

    /// The name of its test.
    #[must_use]
    pub fn test_key(&self) -> TestKey {
        TestKey {
            cluster: self.name.cluster.clone(),
            test: TestName {
                namespace: self.name.namespace.to_string(),
                name: self.test.to_string(),
            },
        }
    }

    /// Where the report is stored; of this cluster only.
    #[must_use]
    pub fn stored(&self) -> ObjectRef<StoredReport> {
        ObjectRef::new(&self.name.name).within(&self.name.namespace)
    }

    /// Whether it has ended and nothing of it goes on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == RunPhase::Completed
    }

    /// Its verdict.
    #[must_use]
    pub fn result(&self) -> Option<RunResult> {
        self.ended.map(|ended| ended.result)
    }

    /// Its score, when it has a verdict that says something about the backup.
    #[must_use]
    pub fn score(&self) -> Option<i32> {
        self.ended.and_then(|ended| ended.score)
    }

    /// Who is to blame.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.ended.and_then(|ended| ended.cause)
    }

    /// The measured recovery time.
    #[must_use]
    pub fn rto(&self) -> Option<Duration> {
        self.ended.and_then(|ended| ended.rto)
    }

    pub(super) fn when(&self) -> When {
        (self.created, self.name.clone())
    }

    /// When it said something about its backup.
    pub(super) fn said(&self) -> Option<(Timestamp, &RunName)> {
        let ended = self.ended?;
        ended.result.is_conclusive().then_some((ended.at, &self.name))
    }

    /// Takes the texts of another run of its test for its own: there are many runs, and few tests.
    pub(super) fn share(&mut self, other: &Self) {
        self.name.namespace = other.name.namespace.clone();
        self.test = other.test.clone();
        if self.sources == other.sources {
            self.sources = other.sources.clone();
        }
        if self.backups == other.backups {
            self.backups = other.backups.clone();
        }
    }
}

fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}
