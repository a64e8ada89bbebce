//! Reports as clients of 0.6.9 read them: there, a report had every one of these fields.

use std::sync::Arc;

use kymaros_crds::{BackupInfo, RestoreReport, RestoreReportStatus, Rto, domain::duration};

/// A report with a status that leaves nothing out that 0.6.9 always had.
pub(super) fn complete(report: Arc<RestoreReport>) -> Arc<RestoreReport> {
    if report.status.as_ref().is_some_and(is_complete) {
        return report;
    }
    let mut filled = RestoreReport::clone(&report);
    let target = report
        .spec
        .test
        .as_ref()
        .and_then(|test| test.sla.as_ref())
        .map(|sla| sla.max_rto.clone());
    let status = filled.status.get_or_insert_default();
    status.score.get_or_insert(0);
    status.rto.get_or_insert_with(|| Rto {
        measured: duration::format(std::time::Duration::ZERO),
        target,
        within_sla: false,
    });
    let taken = status.source.clone();
    status.backup.get_or_insert_with(|| {
        let taken = taken.unwrap_or_default();
        BackupInfo {
            name: taken.name,
            age: taken.age.unwrap_or_default(),
            size: taken.size,
        }
    });
    status.completeness.get_or_insert_default();
    status.validation_levels.get_or_insert_default();
    Arc::new(filled)
}

fn is_complete(status: &RestoreReportStatus) -> bool {
    status.score.is_some()
        && status.rto.is_some()
        && status.backup.is_some()
        && status.completeness.is_some()
        && status.validation_levels.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::report;

    #[test]
    fn what_0_6_9_always_had_is_always_there() {
        for result in ["", "inconclusive", "pass"] {
            let filled = complete(Arc::new(report("ops", "shop", 1, result, None)));
            let json = serde_json::to_value(&filled.as_ref().status).unwrap();
            for field in ["score", "rto", "backup", "completeness", "validationLevels"] {
                assert!(!json[field].is_null(), "{result}: {field}");
            }
            assert!(json["rto"]["measured"].is_string() && json["backup"]["name"].is_string());
        }
    }
}
