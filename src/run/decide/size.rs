//! A report has to fit: the API server takes objects of at most 1.5 MiB, and many reports are kept and listed.

use kymaros_crds::{Cause, Finding, FindingLevel, RestoreReportStatus, Severity};

use super::Decision;
use crate::reason::FindingReason;

/// Of a status as JSON, bytes. Everything in it is bounded by itself; this bounds all of it together.
pub(super) const MOST: usize = 240 * 1024;

/// Leaves out what tells least, until the rest fits: logs, events, the plan, and findings at last.
pub(super) fn fit(decision: &mut Decision) {
    let cuts: [fn(&mut RestoreReportStatus) -> bool; 4] = [
        |status| halve(&mut status.pod_logs),
        |status| halve(&mut status.events),
        |status| halve(&mut status.plan),
        |status| {
            let before = status.findings.len();
            let cut = halve(&mut status.findings);
            let omitted = before - status.findings.len();
            status.findings_omitted += i32::try_from(omitted).unwrap_or(i32::MAX);
            cut
        },
    ];
    if size(&decision.status) <= MOST {
        return;
    }
    decision.find(Finding {
        level: FindingLevel::Run,
        severity: Severity::Info,
        cause: Cause::Sandbox,
        reason: FindingReason::ReportCut.into(),
        object: None,
        message: "the report would be too large: some logs, events or parts of the plan are left out"
            .to_owned(),
    });
    for cut in cuts {
        while size(&decision.status) > MOST && cut(&mut decision.status) {}
    }
}

fn halve<T>(of: &mut Vec<T>) -> bool {
    let before = of.len();
    of.truncate(before / 2);
    before > 0
}

fn size(status: &RestoreReportStatus) -> usize {
    // What cannot be written has no size that could be too large.
    serde_json::to_vec(status).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymaros_crds::{CollectedEvent, ContainerLog, PodLog};

    fn decision() -> Decision {
        Decision {
            effects: Vec::new(),
            status: RestoreReportStatus::default(),
            wake: None,
            release: false,
        }
    }

    #[test]
    fn the_largest_report_there_can_be_fits() {
        let mut large = decision();
        let log = ContainerLog {
            log: "x".repeat(1000),
            ..ContainerLog::default()
        };
        let pod = PodLog {
            containers: vec![log; 10],
            ..PodLog::default()
        };
        large.status.pod_logs = vec![pod; 500];
        large.status.events = vec![
            CollectedEvent {
                message: "m".repeat(300),
                ..CollectedEvent::default()
            };
            60
        ];
        fit(&mut large);
        assert!(size(&large.status) <= MOST);
        assert!(
            !large.status.pod_logs.is_empty(),
            "no more is left out than has to be"
        );
        assert_eq!(large.status.events.len(), 60);
        assert_eq!(large.status.findings.len(), 1);
    }

    #[test]
    fn one_that_fits_stays_as_it_is() {
        let mut small = decision();
        small.status.events = vec![CollectedEvent::default()];
        let before = small.clone();
        fit(&mut small);
        assert_eq!(small, before);
    }
}
