//! Queued: waits for its turn at Velero.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{QueueStatus, RunPhase};

use super::Decision;
use crate::run::{observed::Observed, queue::QueuePlace};

pub(super) fn decide(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    match &observed.place {
        QueuePlace::Turn => {
            decision.status.queue = None;
            // A run that was called back keeps its first start: the TTL of its sandboxes counts from there.
            decision.status.started_at.get_or_insert(Time(now));
            decision.enter(RunPhase::Preparing, now);
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
