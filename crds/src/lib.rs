//! API types of Kymaros.
//!
//! * The **raw types** in this module are what the API server stores: group `restore.kymaros.io`, version `v1alpha1`.
//!   They are lenient, so that one odd stored object never breaks a watch over all of them: durations and quantities
//!   are plain text.
//! * [`domain`] holds the **validated types** everything else works with. Webhook, `kymaros lint`, REST API and
//!   controllers call the same conversion, so they cannot disagree about what is valid.
//! * [`names`] holds labels, annotations and the finalizer; [`generate`] makes the `CustomResourceDefinition`s.

pub mod domain;
pub mod generate;
pub mod names;

mod backup_source;
mod health_check_policy;
mod lenient;
mod notifications;
mod report_details;
mod restore_report;
mod restore_test;
mod restore_test_status;
mod run_status;
mod sandbox;
mod schema;
#[cfg(test)]
mod tests;

pub use backup_source::{BackupSource, CompletenessBasis, Provider, SourceNamespace};
pub use health_check_policy::{
    Check, CheckType, ExecCheck, HealthCheckPolicy, HealthCheckPolicySpec, HealthCheckPolicyStatus,
    HttpGetCheck, PodStatusCheck, ResourceExistsCheck, ResourceReference, TcpSocketCheck,
};
pub use notifications::{
    NotificationState, NotificationStatus, NotificationSubject, NotificationTarget, NotificationType,
    NotificationsSpec,
};
pub use report_details::{
    BackupInfo, CheckResult, CheckStatus, CollectedEvent, CompletenessCounts, ContainerLog, ContainerLogType,
    LevelResult, LevelStatus, PodLog, Rto, ValidationLevels,
};
pub use restore_report::{
    MissedTimes, PreviousRun, RestoreReport, RestoreReportSpec, RestoreReportStatus, Trigger,
};
pub use restore_test::{
    HealthChecksSpec, LogCollectionSpec, RestoreTest, RestoreTestSpec, ScheduleSpec, SlaSpec,
};
pub use restore_test_status::{RestoreTestPhase, RestoreTestStatus};
pub use run_status::{
    Cause, Finding, FindingLevel, PlanAction, PlannedKind, QueueStatus, ResolvedBackup, RestoreStatusSummary,
    RunPhase, RunResult, SandboxStatus, Severity, TimelineEntry,
};
pub use sandbox::{Isolation, ResourceQuotaSpec, Retention, SandboxSpec};
