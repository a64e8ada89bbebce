//! Why a cluster is away, in words that help, and that show nothing of its Secret.

use std::error::Error as StdError;

use kube::{core::Status, runtime::watcher};
use thiserror::Error;
use tokio::time::error::Elapsed;

use super::refusal::Refusal;

/// Longest text of another API server that is repeated, characters.
const MOST: usize = 200;

/// Why nothing new is heard of a cluster.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Lost {
    /// It took too long.
    #[error(
        "it did not answer in time; see whether its API server runs, and whether pods of this cluster reach it"
    )]
    Silent,
    /// It answers what is small, and never ends what is large.
    #[error(
        "it answers, but never ends its lists of tests and reports; see whether its API server is overloaded"
    )]
    Stalled,
    /// Its lists are made anew, and take long.
    #[error(
        "it answers, but lists its tests and reports slowly; see whether its API server is overloaded, or the way there is slow"
    )]
    Slow,
    /// Nobody is there, or somebody else.
    #[error(
        "it could not be reached: {0}; see whether cluster.server and its authority are right, and the way there is open"
    )]
    Unreached(String),
    /// 401.
    #[error("its account is not known there, or not any more; write a new token into the Secret")]
    Unknown,
    /// 403.
    #[error("its account may not read there; give it get, list and watch of tests and reports: {0}")]
    Forbidden(String),
    /// 404.
    #[error("the kinds of Kymaros are not installed there; install Kymaros in that cluster")]
    NotInstalled,
    /// Any other code.
    #[error("its API server answered {code}: {message}; see its log")]
    Answered {
        /// The code.
        code: u16,
        /// What it says.
        message: String,
    },
    /// No list of Kubernetes.
    #[error("what it answered has no resourceVersion, so it is no API server; write another cluster.server")]
    NoApiServer,
    /// Its Secret is no way after all.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<&kube::Error> for Lost {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => said(status),
            kube::Error::Service(error) if error.is::<Elapsed>() => Self::Stalled,
            other => Self::Unreached(innermost(other)),
        }
    }
}

impl From<&watcher::Error> for Lost {
    fn from(error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => said(status),
            watcher::Error::NoResourceVersion => Self::NoApiServer,
        }
    }
}

fn said(status: &Status) -> Lost {
    let message: String = status.message.chars().take(MOST).collect();
    match status.code {
        401 => Lost::Unknown,
        403 => Lost::Forbidden(message),
        404 => Lost::NotInstalled,
        code => Lost::Answered { code, message },
    }
}

/// The outer causes only say that sending failed, and where to.
fn innermost(error: &dyn StdError) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string().chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_api_server_says_becomes_what_somebody_can_act_on() {
        for (code, remedy) in [
            (401, "new token"),
            (403, "get, list and watch"),
            (404, "install Kymaros"),
            (500, "answered 500: etcd"),
        ] {
            let status = Status {
                code,
                message: format!("etcd{}", "x".repeat(1000)),
                ..Status::default()
            };
            let said = Lost::from(&kube::Error::Api(Box::new(status))).to_string();
            assert!(said.contains(remedy) && said.len() < 400, "{code}: {said}");
        }
    }

    #[test]
    fn only_the_innermost_cause_is_shown_with_what_to_do() {
        let inner = std::io::Error::other("connection refused");
        let error = kube::Error::Service(Box::new(inner));
        let said = Lost::from(&error).to_string();
        assert!(
            said.starts_with("it could not be reached: connection refused; see whether"),
            "{said}"
        );
    }
}
