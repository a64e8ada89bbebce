//! Queued: waits for its turn at Velero.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{QueueStatus, RunPhase};

use super::{Decision, preparing};
use crate::run::{observed::Observed, queue::QueuePlace};

/// Back to the queue before anything was restored. Waiting is no part of a run's time: its limits count anew when it is
/// its turn again, and its sandboxes are as empty as they were.
pub(super) fn call_back(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    decision.status.started_at = None;
    decision.enter(RunPhase::Queued, now);
    decide(observed, decision, now);
}

pub(super) fn decide(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    match &observed.place {
        QueuePlace::Turn => {
            decision.status.queue = None;
            decision.status.started_at.get_or_insert(Time(now));
            decision.enter(RunPhase::Preparing, now);
            if !decision.status.sources.is_empty() {
                preparing::choose_anew(observed, decision, now);
            }
        }
        QueuePlace::Waiting { position, reason } => {
            let position = i32::try_from(*position).unwrap_or(i32::MAX);
            decision.status.queue = Some(QueueStatus {
                position,
                reason: reason.clone(),
            });
        }
    }
}
