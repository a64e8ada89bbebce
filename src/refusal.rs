//! What it means that the API server refused something.

use kube::core::Status;

/// Whether it refused something for good. A webhook that does not know a run yet asks to try again.
#[must_use]
pub fn is_final(status: &Status) -> bool {
    let try_again = status.details.as_ref().is_some_and(|d| d.retry_after_seconds > 0);
    matches!(status.code, 400 | 403 | 422) && !try_again
}

/// Whether it knows no such kind, as the answer to a list. It says that without a reason, which `is_not_found` looks at.
#[must_use]
pub fn is_of_unknown_kind(status: &Status) -> bool {
    status.code == 404
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_asks_for_another_try_is_not_final() {
        let status = |code: u16, again: u32| -> Status {
            serde_json::from_value(serde_json::json!({
                "status": "Failure", "code": code, "details": { "retryAfterSeconds": again },
            }))
            .unwrap()
        };
        assert!(is_final(&status(403, 0)));
        assert!(!is_final(&status(403, 1)));
        assert!(!is_final(&status(500, 0)), "a webhook could not be called");
    }

    #[test]
    fn a_kind_is_unknown_without_a_reason() {
        // As kube makes it of a plain text.
        let plain =
            |code| Status::failure("404 page not found", "Failed to parse error data").with_code(code);
        assert!(is_of_unknown_kind(&plain(404)) && !plain(404).is_not_found());
        assert!(!is_of_unknown_kind(&plain(403)));
    }
}
