//! Asking the API server again. What needs many answers may never get all of them in one go when it fails at some, so each
//! of them is asked for again by itself.

use std::{fmt::Debug, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use kube::{Api, api::ListParams};
use serde::de::DeserializeOwned;

use crate::refusal::is_final;

/// Objects of one answer of the API server.
pub(crate) const PAGE: u32 = 500;

/// Before the second try; each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Tries after the first, three seconds in all. The run itself tries again after them.
const AGAIN: usize = 5;
/// Times that lists begin anew.
const ANEW: usize = 2;

/// Asks until there is an answer, a few times.
pub(crate) async fn again<T, F>(ask: impl FnMut() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    ask.retry(pauses()).when(may_pass).await
}

/// Makes a list of many pages, and makes it anew where it took so long that its next page has expired.
pub(crate) async fn anew<T, F>(list: impl FnMut() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let pauses = ExponentialBuilder::default().with_max_times(ANEW);
    list.retry(pauses).when(has_expired).await
}

/// Lists page by page, so that nobody holds more of a large cluster than what is taken of each.
pub(crate) async fn each_page<K>(api: &Api<K>, mut take: impl FnMut(Vec<K>)) -> Result<(), kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = again(|| api.list(&params)).await?;
        take(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(()),
        }
    }
}

fn has_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

/// The pauses between tries.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(AGAIN)
}

/// Whether the API server only could not do it at the moment. Where it says itself that it is too busy or away, the client has
/// asked for minutes already.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        // A list that has expired has to begin anew.
        kube::Error::Api(status) => !is_final(status) && !matches!(status.code, 404 | 410 | 429 | 503 | 504),
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
        assert!(passes(500, "InternalError") && passes(409, "Conflict"));
        assert!(!passes(429, "TooManyRequests") && !passes(503, "ServiceUnavailable"));
        assert!(!passes(403, "Forbidden") && !passes(404, "NotFound") && !passes(410, "Expired"));
    }
}
