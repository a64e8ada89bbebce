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

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use kube::Client;
use kymaros_crds::domain::{Check, CheckAction};

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
    /// How long it took.
    pub duration: Duration,
    /// What was seen.
    pub message: String,
    /// A failure that says nothing about the backup: the API server did not let the check be made.
    pub could_not_look: bool,
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
    let tries = looked_at
        .iter()
        .map(|t| until_decided(&client, &check.action, &t.sandbox, looked_at.len()));
    let results = join_all(tries).await;
    let (passed, message, could_not_look) = combine(&looked_at, results);
    Outcome {
        name: check.name,
        passed_at: passed.then(now),
        duration: begun.elapsed(),
        message,
        could_not_look,
    }
}

fn combine(targets: &[&Target], results: Vec<Result<String, Failure>>) -> (bool, String, bool) {
    let several = targets.len() > 1;
    let label = |target: &Target, message: &str| {
        if several {
            format!("{}: {message}", target.source)
        } else {
            message.to_owned()
        }
    };
    let (mut passed, mut failed, mut missing, mut api) = (Vec::new(), Vec::new(), Vec::new(), false);
    for (target, result) in targets.iter().zip(results) {
        match result {
            Ok(message) => passed.push(label(target, &message)),
            Err(Failure::Missing(message)) => missing.push(label(target, &message)),
            Err(failure) => {
                api |= matches!(failure, Failure::Api(_));
                failed.push(label(target, failure.message()));
            }
        }
    }
    if !failed.is_empty() {
        return (false, failed.join("; "), api);
    }
    if passed.is_empty() {
        let message = if missing.is_empty() {
            "no sandbox to look at".to_owned()
        } else {
            missing.join("; ")
        };
        return (false, message, false);
    }
    (true, passed.join("; "), false)
}

/// Tries until it passes, cannot pass any more, or its time is up: each try has the check's timeout, and there is
/// time for as many as `retries` says.
async fn until_decided(
    client: &Client,
    action: &CheckAction,
    sandbox: &str,
    sandboxes: usize,
) -> Result<String, Failure> {
    let (timeout, budget) = times(action);
    let deadline = tokio::time::Instant::now() + budget;
    let mut pause = Duration::from_millis(100);
    let mut last = Failure::NotYet(format!("no answer within {} s", timeout.as_secs_f64()));
    loop {
        let until = deadline.min(tokio::time::Instant::now() + timeout);
        match tokio::time::timeout_at(until, attempt(client, action, sandbox)).await {
            Ok(Err(failure)) if is_tried_again(&failure, action, sandboxes) => last = failure,
            Ok(decided) => return decided,
            Err(_elapsed) => {}
        }
        if tokio::time::Instant::now() + pause >= deadline {
            return Err(last);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Objects that a controller makes may come later than the restore. With several sandboxes, one that has none of them is
/// not where they are looked for: waiting there would hold up the rest.
fn is_tried_again(failure: &Failure, action: &CheckAction, sandboxes: usize) -> bool {
    match failure {
        Failure::NotYet(_) | Failure::Api(_) => true,
        Failure::Missing(_) => matches!(action, CheckAction::ResourceExists { .. }) && sandboxes == 1,
        Failure::Final(_) => false,
    }
}

fn times(action: &CheckAction) -> (Duration, Duration) {
    match action {
        CheckAction::HttpGet { timeout, retries, .. } => (*timeout, *timeout * (*retries).max(1)),
        CheckAction::PodStatus { timeout, .. }
        | CheckAction::TcpSocket { timeout, .. }
        | CheckAction::Exec { timeout, .. }
        | CheckAction::ResourceExists { timeout, .. } => (*timeout, *timeout),
    }
}

async fn attempt(client: &Client, action: &CheckAction, sandbox: &str) -> Result<String, Failure> {
    match action {
        CheckAction::PodStatus {
            selector,
            min_ready,
            timeout,
        } => {
            // It waits by itself, so that its last word is what it saw; half a second is left for saying it.
            let wait = timeout.saturating_sub(Duration::from_millis(500));
            pod_status::check(client, sandbox, selector, *min_ready, wait).await
        }
        CheckAction::HttpGet {
            service,
            port,
            path,
            expected_status,
            timeout: _,
            retries: _,
        } => http::check(client, sandbox, service, *port, path, *expected_status).await,
        CheckAction::TcpSocket {
            service,
            port,
            timeout: _,
        } => tcp::check(client, sandbox, service, *port).await,
        CheckAction::Exec {
            selector,
            container,
            command,
            success_exit_code,
            stdout_matches,
            timeout: _,
        } => {
            let wanted = exec::Wanted {
                exit_code: *success_exit_code,
                stdout: stdout_matches.as_ref(),
            };
            exec::check(client, sandbox, selector, container.as_deref(), command, &wanted).await
        }
        CheckAction::ResourceExists {
            resources,
            timeout: _,
        } => resource_exists::check(client, sandbox, resources).await,
    }
}

/// `key=value,...`, as the API takes label selectors.
fn label_query(selector: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

/// Shortens a text for a message, on a character boundary.
fn cut(text: &str) -> String {
    let mut short: String = text.trim().chars().take(MAX_MESSAGE).collect();
    if short.len() < text.trim().len() {
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

    #[test]
    fn every_sandbox_that_has_the_target_must_pass_and_one_must_have_it() {
        let (a, b) = (target("a"), target("b"));
        let both = [&a, &b];
        let missing = || Err(Failure::Missing("no service".into()));
        assert!(combine(&both, vec![Ok("ok".into()), missing()]).0);
        assert!(
            !combine(&both, vec![missing(), missing()]).0,
            "nowhere is a failure"
        );
        assert!(!combine(&both, vec![Ok("ok".into()), Err(Failure::NotYet("503".into()))]).0);
        assert!(
            !combine(&[], vec![]).0,
            "a check that looked at nothing has not passed"
        );
    }

    #[test]
    fn objects_may_come_later_where_they_can_only_be_in_one_place() {
        let exists = CheckAction::ResourceExists {
            resources: vec![],
            timeout: Duration::from_secs(1),
        };
        let (missing, last) = (Failure::Missing("no Secret".into()), Failure::Final("bad".into()));
        assert!(is_tried_again(&missing, &exists, 1));
        assert!(!is_tried_again(&missing, &exists, 2));
        assert!(is_tried_again(&Failure::NotYet("one of two".into()), &exists, 2));
        assert!(!is_tried_again(&last, &exists, 1), "a kind that nobody knows");
        let tcp = CheckAction::TcpSocket {
            service: "web".into(),
            port: 80,
            timeout: Duration::from_secs(1),
        };
        assert!(
            !is_tried_again(&missing, &tcp, 1),
            "a Service comes with the restore"
        );
    }

    #[test]
    fn the_message_names_the_namespace_when_there_are_several() {
        let (a, b) = (target("a"), target("b"));
        let (_, message, _) = combine(
            &[&a, &b],
            vec![Ok("fine".into()), Err(Failure::Final("bad".into()))],
        );
        assert_eq!(message, "b: bad");
    }
}
