//! Why a cluster is away, in words that help, and that show nothing of its Secret.

use std::error::Error;

use kube::{core::Status, runtime::watcher};

/// Longest text of another API server that is repeated, characters.
const MOST: usize = 200;

/// Why nothing new is heard of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost(pub String);

impl Lost {
    /// It took too long.
    pub(super) fn silent() -> Self {
        Self("it did not answer in time".to_owned())
    }
}

impl From<&kube::Error> for Lost {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self(said(status)),
            other => Self(format!("it could not be reached: {}", innermost(other))),
        }
    }
}

impl From<&watcher::Error> for Lost {
    fn from(error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => Self(said(status)),
            watcher::Error::NoResourceVersion => {
                Self("what it answered has no resourceVersion: it is no API server".to_owned())
            }
        }
    }
}

fn said(status: &Status) -> String {
    let message: String = status.message.chars().take(MOST).collect();
    match status.code {
        401 => {
            "its account is not known there, or not any more; write a new token into the Secret".to_owned()
        }
        403 => format!(
            "its account may not read there; give it get, list and watch of tests and reports: {message}"
        ),
        404 => "the kinds of Kymaros are not installed there; install Kymaros in that cluster".to_owned(),
        code => format!("its API server answered {code}: {message}"),
    }
}

/// The outer causes only say that sending failed, and where to.
fn innermost(error: &dyn Error) -> String {
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
            let Lost(said) = Lost::from(&kube::Error::Api(Box::new(status)));
            assert!(said.contains(remedy) && said.len() < 400, "{code}: {said}");
        }
    }

    #[test]
    fn only_the_innermost_cause_is_shown() {
        let inner = std::io::Error::other("connection refused");
        let error = kube::Error::Service(Box::new(inner));
        let Lost(said) = Lost::from(&error);
        assert_eq!(said, "it could not be reached: connection refused");
    }
}
