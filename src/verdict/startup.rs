//! Level 3, start-up: every workload reaches its wanted count and stays there.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{Evidence, Level, blame, dependencies};
use crate::{
    reason::{FindingReason, RunReason},
    velero::results::VolumeInfo,
    workloads::{Trouble, Workload, WorkloadState},
};

const MAX: u32 = 20;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) -> Level {
    if !evidence.restored() {
        return Level::not_tested(MAX, "nothing was restored");
    }
    let Some(came) = evidence.came else {
        return Level::not_tested(MAX, "the sandboxes could not be watched");
    };
    let workloads = &came.workloads;
    let ready = workloads.iter().filter(|w| w.is_ready()).count();
    for workload in workloads {
        if let Some(trouble) = workload.trouble() {
            findings.push(not_started(evidence, workload, trouble));
        }
    }
    findings.extend(
        workloads
            .iter()
            .filter(|w| w.is_ready() && w.restarts > 0)
            .map(restarted),
    );
    for (source, object) in &evidence.absent {
        findings.push(Finding {
            level: FindingLevel::PodStartup,
            severity: Severity::Error,
            cause: Cause::Sandbox,
            reason: FindingReason::WorkloadGone.into(),
            object: Some(object.clone()),
            message: format!("{object} of namespace {source} was restored and is gone from its sandbox"),
        });
    }
    let all = workloads.len() + evidence.absent.len();
    let detail = match all {
        0 => "there are no workloads to start".to_owned(),
        _ => format!("{ready} of {all} workloads are ready"),
    };
    let mut level = Level::share(MAX, ready, all, detail);
    level.tested = workloads
        .iter()
        .map(|w| format!("{}: {}/{} ready", w.object, w.ready, w.wanted))
        .collect();
    level
}

/// Good to know: in a disaster nobody wonders then.
fn restarted(workload: &Workload) -> Finding {
    Finding {
        level: FindingLevel::PodStartup,
        severity: Severity::Info,
        cause: Cause::Application,
        reason: FindingReason::WorkloadRestarted.into(),
        object: Some(workload.object.clone()),
        message: format!(
            "{} of namespace {} restarted before it stayed up ({} restarts)",
            workload.object, workload.source, workload.restarts
        ),
    }
}

/// A workload that is not ready, and the missing object behind it with whoever lost it.
fn not_started(evidence: &Evidence<'_>, workload: &Workload, trouble: &Trouble) -> Finding {
    let (cause, why) = explain(evidence, workload, trouble);
    let missing = trouble
        .missing
        .as_ref()
        .map(|(kind, name)| format!("{kind}/{name}"));
    Finding {
        level: FindingLevel::PodStartup,
        severity: Severity::Error,
        cause,
        reason: FindingReason::WorkloadNotReady.into(),
        object: Some(missing.unwrap_or_else(|| workload.object.clone())),
        message: format!(
            "{} of namespace {} does not start: {why}",
            workload.object, workload.source
        ),
    }
}

/// Who is to blame for a workload that does not start, and why.
pub(super) fn explain(evidence: &Evidence<'_>, workload: &Workload, trouble: &Trouble) -> (Cause, String) {
    if let Some(gave_up) = gave_up(evidence, workload) {
        return gave_up;
    }
    let may_come = matches!(
        workload.state,
        WorkloadState::Pending(_) | WorkloadState::Crashing { .. }
    );
    match who_keeps(evidence, workload, trouble) {
        (Cause::Application, why) if may_come && is_unseen(evidence) => (
            Cause::Unknown,
            format!("{why}; nobody saw whether it came in time"),
        ),
        told => told,
    }
}

/// The same where it was looked at in time.
fn who_keeps(evidence: &Evidence<'_>, workload: &Workload, trouble: &Trouble) -> (Cause, String) {
    match &trouble.missing {
        // What cannot even begin was kept from it by no network.
        None if trouble.cause == Cause::Application
            && !trouble.local
            && !matches!(workload.state, WorkloadState::Hopeless(_)) =>
        {
            match dependencies::needed(evidence, &workload.source, &workload.object) {
                None => (trouble.cause, trouble.message.clone()),
                Some(name) => (Cause::Sandbox, format!("{}; {name}", trouble.message)),
            }
        }
        None => (trouble.cause, trouble.message.clone()),
        Some((kind, name)) => {
            let (cause, why) = who_lost(evidence, &workload.source, kind, name);
            (cause, format!("{kind} {name} is missing, {why}"))
        }
    }
}

/// Whether a limit on the life of the run passed while no operator looked.
fn is_unseen(evidence: &Evidence<'_>) -> bool {
    let limits = [RunReason::TimedOut, RunReason::SandboxExpired];
    let is_limit = |f: &Finding| limits.iter().any(|limit| f.reason == limit.as_str());
    evidence
        .findings
        .iter()
        .any(|f| is_limit(f) && f.cause == Cause::Unknown)
}

/// Whether a workload does not start for what is in the backup or its images alone: whatever else the sandbox spoils, and
/// however the workloads beside it fare, this application cannot be brought back. What it was to run may be on a volume of
/// its own whose data stayed away, one of the `missed`.
pub(super) fn has_fault_of_its_own(evidence: &Evidence<'_>, missed: &[&VolumeInfo]) -> bool {
    let workloads = evidence.came.iter().flat_map(|came| &came.workloads);
    let mut troubled = workloads.filter_map(|w| Some((w, w.trouble()?)));
    troubled.any(|(workload, trouble)| {
        use WorkloadState::{Crashed, Crashing, Hopeless, Pending, Ready};
        let alone = match &workload.state {
            Hopeless(_) => trouble.local,
            Crashed(_) | Crashing { .. } => {
                trouble.local && !missed.iter().any(|volume| has_claim(workload, volume))
            }
            // It may still have come.
            Pending(_) | Ready(_) => false,
        };
        alone && explain(evidence, workload, trouble).0 == Cause::Application
    })
}

/// Whether pods of a workload have a volume.
pub(super) fn has_claim(workload: &Workload, volume: &VolumeInfo) -> bool {
    workload.source == volume.pvc_namespace && workload.claims.contains(&volume.pvc_name)
}

/// A workload that waits for data which Velero does not bring any more.
fn gave_up(evidence: &Evidence<'_>, workload: &Workload) -> Option<(Cause, String)> {
    let mut sources = evidence.sources.iter().filter(|_| workload.awaits_data);
    let (sandbox, outcome) = sources.find_map(|s| Some((s.mapping.get(&workload.source)?, s.outcome?)))?;
    let mut movers = outcome
        .movers
        .iter()
        .flatten()
        .filter(|m| m.namespace == *sandbox);
    let failed = movers.find(|m| !m.is_done())?;
    let trouble = failed.trouble();
    let cause = blame::of_data_movement(&trouble);
    Some((cause, format!("Velero gave up filling its volumes: {trouble}")))
}

fn who_lost(evidence: &Evidence<'_>, namespace: &str, kind: &str, name: &str) -> (Cause, &'static str) {
    let source = evidence
        .sources
        .iter()
        .find(|s| s.mapping.contains_key(namespace));
    let Some((source, contents)) = source.and_then(|s| s.contents.map(|c| (s, c))) else {
        return (Cause::Unknown, "and what the backup holds cannot be read");
    };
    let mut objects = contents.objects.get(namespace).into_iter().flatten();
    match objects.find(|o| o.short_kind() == kind && o.name == name) {
        None => (Cause::Backup, "the backup does not hold it"),
        Some(object) if source.outcome.is_some() && !source.is_selected(namespace, object) => {
            (Cause::Sandbox, "the labelSelector of the test leaves it out")
        }
        Some(object) if source.goes_with_jobs(namespace, object) => {
            (Cause::Sandbox, "a label of Jobs leaves it out of the test")
        }
        Some(object) => match source.failure_of(namespace, object) {
            Some((Cause::Sandbox, _)) => (Cause::Sandbox, "the cluster refused it"),
            _ => (Cause::RestoreEngine, "though the backup holds it"),
        },
    }
}
