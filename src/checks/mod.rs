//! Health checks of a run: `podStatus`, `httpGet`, `tcpSocket`, `exec`, `resourceExists`.
//!
//! All of them work in a closed namespace: HTTP and TCP go through port-forward and commands through exec, both of
//! which the kubelet carries into the pod past every `NetworkPolicy`.

mod endpoint;
mod exec;
mod http;
mod pod_status;
mod resource_exists;
mod tcp;
mod tries;

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use futures::future::join_all;
use jiff::Timestamp;
use kube::Client;
use kymaros_crds::domain::Check;

use self::tries::{Passed, until_decided};
use crate::report::plain;

/// Longest part of a command's output or an error that goes into a message, characters.
const MAX_MESSAGE: usize = 200;

/// A sandbox that checks look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The source namespace it stands for.
    pub source: String,
    /// The sandbox's name.
    pub sandbox: String,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The check's name.
    pub name: String,
    /// When it first passed; `None`: it failed.
    pub passed_at: Option<Timestamp>,
    /// How long its only try took when it passed with the first; `None`: it had to wait.
    pub at_once: Option<Duration>,
    /// How long it took.
    pub duration: Duration,
    /// What was seen.
    pub message: String,
    /// A failure that says nothing about the backup: the API server did not let the check be made.
    pub could_not_look: bool,
    /// There was nothing to ask: no such Service or port, pod or container, object or kind.
    pub target_missing: bool,
}

/// Why one try did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// What the check looks at is not in this sandbox.
    Missing(String),
    /// Trying again cannot help.
    Final(String),
    /// Not yet; try again until the time is up.
    NotYet(String),
    /// The API server did not let the check be made.
    Api(String),
}

impl Failure {
    fn message(&self) -> &str {
        match self {
            Self::Missing(m) | Self::Final(m) | Self::NotYet(m) | Self::Api(m) => m,
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Api(cut(&error.to_string()))
    }
}

/// Makes one check in every sandbox where its target is; all of them must pass, and there must be one. `now` is the time
/// of the run.
pub async fn run(client: Client, check: Check, targets: Vec<Target>, now: impl Fn() -> Timestamp) -> Outcome {
    let begun = Instant::now();
    let wanted = |t: &&Target| check.namespace.as_ref().is_none_or(|n| n.as_str() == t.source);
    let looked_at: Vec<&Target> = targets.iter().filter(wanted).collect();
    let found = AtomicBool::new(false);
    let tries = looked_at
        .iter()
        .map(|t| until_decided(&client, &check.action, &t.sandbox, &found, &now));
    let results = join_all(tries).await;
    let joint = match (looked_at.is_empty(), &check.namespace) {
        (true, Some(namespace)) => Joint::nowhere(format!(
            "the test restores no namespace {namespace}: change the check's `namespace`, or add it to \
             `backupSource.namespaces`"
        )),
        (true, None) => Joint::nowhere("no sandbox to look at".to_owned()),
        (false, _) => combine(&looked_at, results),
    };
    Outcome {
        name: check.name,
        passed_at: joint.passed.map(|passed| passed.at),
        at_once: joint.passed.and_then(|passed| passed.at_once),
        duration: begun.elapsed(),
        message: joint.message,
        could_not_look: joint.could_not_look,
        target_missing: joint.target_missing,
    }
}

/// What a check comes to in all sandboxes together.
#[derive(Debug)]
struct Joint {
    /// When it passed everywhere; `None`: it failed.
    passed: Option<PassedAt>,
    message: String,
    /// See [`Outcome::could_not_look`].
    could_not_look: bool,
    /// See [`Outcome::target_missing`].
    target_missing: bool,
}

impl Joint {
    /// There is nothing to ask.
    fn nowhere(message: String) -> Self {
        Self {
            passed: None,
            message,
            could_not_look: false,
            target_missing: true,
        }
    }
}

/// When a check passed everywhere, and how long that took if nothing had to be waited for.
#[derive(Clone, Copy, Debug)]
struct PassedAt {
    at: Timestamp,
    at_once: Option<Duration>,
}

impl PassedAt {
    /// When both have.
    fn and(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            at_once: self.at_once.zip(other.at_once).map(|(a, b)| a.max(b)),
        }
    }
}

fn combine(targets: &[&Target], results: Vec<Result<Passed, Failure>>) -> Joint {
    let several = targets.len() > 1;
    let label = |target: &Target, message: &str| {
        if several {
            format!("{}: {message}", target.source)
        } else {
            message.to_owned()
        }
    };
    let (mut passed, mut failed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let (mut could_not_look, mut has_target) = (false, false);
    let mut when: Option<PassedAt> = None;
    for (target, result) in targets.iter().zip(results) {
        match result {
            Ok(Passed { message, at, at_once }) => {
                passed.push(label(target, &message));
                let this = PassedAt { at, at_once };
                when = Some(when.map_or(this, |when| when.and(this)));
            }
            Err(Failure::Missing(message)) => missing.push(label(target, &message)),
            Err(failure) => {
                could_not_look |= matches!(failure, Failure::Api(_));
                has_target |= !matches!(failure, Failure::Final(_));
                failed.push(label(target, failure.message()));
            }
        }
    }
    if !failed.is_empty() {
        return Joint {
            passed: None,
            message: failed.join("; "),
            could_not_look,
            target_missing: !has_target,
        };
    }
    if when.is_none() {
        return Joint::nowhere(missing.join("; "));
    }
    Joint {
        passed: when,
        message: passed.join("; "),
        could_not_look: false,
        target_missing: false,
    }
}

/// `key=value,...`, as the API takes label selectors.
fn label_query(selector: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

/// Shortens a text for a message, on a character boundary, and makes one line of it.
fn cut(text: &str) -> String {
    let text = plain(text.trim());
    let mut short: String = text.chars().take(MAX_MESSAGE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(source: &str) -> Target {
        Target {
            source: source.into(),
            sandbox: format!("sb-{source}"),
        }
    }

    fn passed(message: &str, second: i64, at_once: Option<u64>) -> Passed {
        Passed {
            message: message.into(),
            at: Timestamp::from_second(second).unwrap(),
            at_once: at_once.map(Duration::from_millis),
        }
    }

    #[test]
    fn every_sandbox_that_has_the_target_must_pass_and_one_must_have_it() {
        let (a, b) = (target("a"), target("b"));
        let both = [&a, &b];
        let missing = || Err(Failure::Missing("no service".into()));
        let passes = |results| combine(&both, results).passed.is_some();
        assert!(passes(vec![Ok(passed("ok", 1, None)), missing()]));
        assert!(!passes(vec![missing(), missing()]), "nowhere is a failure");
        assert!(!passes(vec![
            Ok(passed("ok", 1, None)),
            Err(Failure::NotYet("503".into()))
        ]));
        let nothing = combine(&[], vec![]).passed;
        assert!(nothing.is_none(), "a check that looked at nothing has not passed");
    }

    #[test]
    fn what_only_fails_for_want_of_something_to_ask_says_so() {
        let (a, b) = (target("a"), target("b"));
        let missing = || Err(Failure::Missing("no service".into()));
        let no_port = || Err(Failure::Final("no port".into()));
        let lacks = |results| combine(&[&a, &b], results).target_missing;
        assert!(lacks(vec![missing(), missing()]));
        assert!(lacks(vec![missing(), no_port()]));
        assert!(!lacks(vec![no_port(), Err(Failure::NotYet("503".into()))]));
        assert!(!lacks(vec![missing(), Err(Failure::Api("away".into()))]));
        assert!(!lacks(vec![missing(), Ok(passed("ok", 1, None))]));
    }

    #[test]
    fn it_passes_when_the_last_sandbox_does_however_long_another_is_looked_for() {
        let (a, b) = (target("a"), target("b"));
        let at = |results| combine(&[&a, &b], results).passed.unwrap();
        let later = at(vec![Ok(passed("ok", 3, Some(20))), Ok(passed("ok", 7, Some(40)))]);
        assert_eq!(later.at.as_second(), 7);
        assert_eq!(later.at_once, Some(Duration::from_millis(40)));
        let waited = at(vec![Ok(passed("ok", 3, Some(20))), Ok(passed("ok", 7, None))]);
        assert_eq!(waited.at_once, None);
        let elsewhere = vec![
            Ok(passed("ok", 3, Some(20))),
            Err(Failure::Missing("no pod".into())),
        ];
        assert_eq!(at(elsewhere).at.as_second(), 3);
    }

    #[test]
    fn a_message_is_one_short_line_whatever_an_application_prints() {
        assert_eq!(cut("\u{1b}]0;mine\u{7}ok\r\n42\n"), " ]0;mine ok  42");
        assert_eq!(cut(&"é\u{9b}".repeat(100)), "é ".repeat(100));
        let long = cut(&"é".repeat(MAX_MESSAGE + 1));
        assert_eq!(
            (long.chars().count(), long.ends_with('…')),
            (MAX_MESSAGE + 1, true)
        );
    }

    #[test]
    fn the_message_names_the_namespace_when_there_are_several() {
        let (a, b) = (target("a"), target("b"));
        let joint = combine(
            &[&a, &b],
            vec![Ok(passed("fine", 1, None)), Err(Failure::Final("bad".into()))],
        );
        assert_eq!(joint.message, "b: bad");
    }
}
