//! How much of the API anybody may use: requests by client, bytes by request, and time.

use std::{
    hash::Hash,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{Extensions, HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};

use super::{Api, problem::Problem, seats::Seats};
use crate::access::bearer;

/// Largest body, bytes, as in 0.6.9.
const MOST_BODY: usize = 1 << 20;
/// How long a body may take to come.
const BODY_COMES: Duration = Duration::from_secs(30);
/// How long an answer may take to begin; streams go on after that.
const ANSWER_BEGINS: Duration = Duration::from_mins(1);
/// Clients that are remembered before those that rest are forgotten.
const REMEMBERED: usize = 10_000;
/// Live streams at once.
const STREAMS: usize = 256;

/// Strangers of one address, which may be a proxy: so many times the requests of one account.
const BY_ADDRESS: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
/// Requests at once: so many times those of a second.
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

/// What somebody is signed in with.
type Session = fn(&HeaderMap) -> Option<String>;

/// Limits that all routes share.
#[derive(Clone)]
pub struct Limits {
    accounts: Arc<DefaultKeyedRateLimiter<[u8; 32]>>,
    tokens: Arc<DefaultKeyedRateLimiter<[u8; 32]>>,
    addresses: Arc<DefaultKeyedRateLimiter<Option<IpAddr>>>,
    pub(super) streams: Seats,
}

impl Limits {
    /// So many requests a second for each account, or token of a stranger, and five times that at once; for strangers of
    /// each address four times as many.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        let quota = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(AT_ONCE));
        Self {
            accounts: Arc::new(RateLimiter::keyed(quota(per_second))),
            tokens: Arc::new(RateLimiter::keyed(quota(per_second))),
            addresses: Arc::new(RateLimiter::keyed(quota(per_second.saturating_mul(BY_ADDRESS)))),
            streams: Seats::new(STREAMS),
        }
    }

    /// Invented tokens do not help: the address counts too.
    fn admits_stranger(&self, address: Option<IpAddr>, token: Option<&str>) -> bool {
        admits(&self.addresses, &address)
            && token.is_none_or(|token| admits(&self.tokens, &Sha256::digest(token).into()))
    }

    /// Nor does another token of the same account. Accounts have a measure of their own, however many people come from the
    /// address of one proxy.
    fn admits_account(&self, account: &str) -> bool {
        admits(&self.accounts, &Sha256::digest(account).into())
    }
}

/// Whether a client is within limits. Whoever is not known yet is a stranger until the cluster was asked who they are.
async fn is_within(api: &Api, address: Option<IpAddr>, token: Option<&str>) -> bool {
    let known = token.and_then(|token| api.auth.known_account(token));
    let account = match (known, token) {
        (Some(account), _) => Some(account),
        (None, _) if !api.limits.admits_stranger(address, token) => return false,
        (None, Some(token)) => api.auth.account(token).await,
        (None, None) => None,
    };
    account.is_none_or(|account| api.limits.admits_account(&account))
}

fn admits<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, client: &K) -> bool {
    if limiter.len() > REMEMBERED {
        limiter.retain_recent();
    }
    limiter.check_key(client).is_ok()
}

/// Lets a request through while its client is within limits, and ends one that takes too long.
pub(super) async fn within(state: State<Api>, request: Request, next: Next) -> Response {
    let no_session: Session = |_| None;
    with_sessions(State((state.0, no_session)), request, next).await
}

/// The same for routes that know whoever is signed in.
pub(super) async fn with_sessions(
    State((api, session)): State<(Api, Session)>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    // One token for all says nothing of who has it.
    let session = session(headers).filter(|_| api.auth.has_accounts());
    let token = session.or_else(|| bearer(headers).map(str::to_owned));
    let address = address(request.extensions());
    let late = || {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "there was no answer in time; try again",
        )
    };
    let answer = async {
        if is_within(&api, address, token.as_deref()).await {
            return next.run(request).await;
        }
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests; try again in a moment",
        );
        problem.into_response()
    };
    let answer = tokio::time::timeout(ANSWER_BEGINS, answer).await;
    answer.unwrap_or_else(|_| late().into_response())
}

/// Where a request comes from.
pub(super) fn address(request: &Extensions) -> Option<IpAddr> {
    let connection = request.get::<ConnectInfo<SocketAddr>>();
    connection.map(|connection| connection.0.ip())
}

/// The whole body of a request.
pub(super) async fn body(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_COMES, to_bytes(body, MOST_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 1 MiB, or did not come whole",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_own_measure_and_strangers_share_that_of_their_address() {
        let limits = Limits::new(NonZeroU32::MIN);
        let here: Option<IpAddr> = Some([127, 0, 0, 1].into());
        let admitted = |address, token: &dyn Fn(usize) -> String| {
            (0..100)
                .filter(|number| limits.admits_stranger(address, Some(&token(*number))))
                .count()
        };
        assert_eq!(admitted(here, &|_| "same".to_owned()), 5);
        let there: Option<IpAddr> = Some([127, 0, 0, 2].into());
        assert_eq!(admitted(there, &|number| format!("other-{number}")), 20);
        assert!(!limits.admits_stranger(there, None));
        let known = |number: usize| limits.admits_account(&format!("known-{}", number % 9));
        let admitted = (0..90).filter(|number| known(*number)).count();
        assert_eq!(
            admitted, 45,
            "whoever is known is not held up by others of their address"
        );
    }

    #[tokio::test]
    async fn a_body_has_a_largest_size() {
        assert_eq!(
            body(Body::from(vec![0; MOST_BODY])).await.unwrap().len(),
            MOST_BODY
        );
        let problem = body(Body::from(vec![0; MOST_BODY + 1])).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(
            body(never).await.unwrap_err().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}
