//! Asking again. What needs many writes may never get all of them through in one go when the API server asks to try
//! some again, so each of them is tried again by itself.

use std::time::Duration;

use backon::ExponentialBuilder;

use crate::refusal::is_final;

/// Before the second try; each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Tries after the first. The run itself tries again after them.
const AGAIN: usize = 3;

/// The pauses between tries.
pub(super) fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(AGAIN)
}

/// Whether the API server only could not do it at the moment.
pub(super) fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => !is_final(status) && !status.is_not_found(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stays_one_and_trouble_passes() {
        let passes = |code: u16, reason: &str| {
            let status = serde_json::json!({ "status": "Failure", "code": code, "reason": reason });
            may_pass(&kube::Error::Api(Box::new(
                serde_json::from_value(status).unwrap(),
            )))
        };
        assert!(passes(500, "InternalError") && passes(429, "TooManyRequests") && passes(409, "Conflict"));
        assert!(!passes(403, "Forbidden") && !passes(404, "NotFound"));
    }
}
