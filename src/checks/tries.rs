//! Making one check in one sandbox, again and again where that may help.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use kymaros_crds::domain::CheckAction;

use super::{Failure, exec, http, pod_status, resource_exists, tcp};

/// A look that takes no longer had nothing to wait for; an API server that takes longer for one object is not well.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A check that passed in one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// What was seen.
    pub(super) message: String,
    /// When.
    pub(super) at: Timestamp,
    /// How long the only try took; `None`: it had to wait.
    pub(super) at_once: Option<Duration>,
}

/// Tries until it passes, cannot pass any more, or its time is up: each try has the check's timeout, and there is
/// time for as many as `retries` says; for what is not there at all, for one.
pub(super) async fn until_decided(
    client: &Client,
    action: &CheckAction,
    sandbox: &str,
    found: &AtomicBool,
    now: &impl Fn() -> Timestamp,
) -> Result<Passed, Failure> {
    let (timeout, budget) = times(action);
    let first_try = tokio::time::Instant::now();
    let (deadline, patience) = (first_try + budget, first_try + timeout);
    let mut pause = Duration::from_millis(100);
    let mut last = Failure::NotYet(format!("no answer within {} s", timeout.as_secs_f64()));
    let mut is_first = true;
    loop {
        let begun = Instant::now();
        let until = deadline.min(tokio::time::Instant::now() + timeout);
        match tokio::time::timeout_at(until, attempt(client, action, sandbox)).await {
            Ok(Ok(message)) => {
                found.store(true, Ordering::Relaxed);
                let took = begun.elapsed();
                let waited = !is_first || (waits_by_itself(action) && took > AT_ONCE);
                return Ok(Passed {
                    message,
                    at: now(),
                    at_once: (!waited).then_some(took),
                });
            }
            Ok(Err(failure)) => {
                let is_there = !matches!(failure, Failure::Missing(_) | Failure::Api(_));
                found.fetch_or(is_there, Ordering::Relaxed);
                let is_late =
                    matches!(failure, Failure::Missing(_)) && tokio::time::Instant::now() + pause >= patience;
                if is_late || !is_tried_again(&failure, found) {
                    return Err(failure);
                }
                last = failure;
            }
            // The application is to blame only where the way to it is open.
            Err(_elapsed) if !answers(client, sandbox).await => {
                last = Failure::Api("the API server, which all checks go through, did not answer".to_owned());
            }
            Err(_elapsed) => {}
        }
        is_first = false;
        if tokio::time::Instant::now() + pause >= deadline {
            return Err(last);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// What a controller makes may come later than the restore, be it the Service that an operator makes for its resource.
/// Once some of it is found in one sandbox, another that has none is not where it is looked for.
fn is_tried_again(failure: &Failure, found: &AtomicBool) -> bool {
    match failure {
        Failure::NotYet(_) | Failure::Api(_) => true,
        Failure::Missing(_) => !found.load(Ordering::Relaxed),
        Failure::Final(_) => false,
    }
}

/// Whether a single try waits, so that passing with the first one says nothing about when.
fn waits_by_itself(action: &CheckAction) -> bool {
    matches!(action, CheckAction::PodStatus { .. })
}

/// Whether the API server says something about a sandbox in time.
async fn answers(client: &Client, sandbox: &str) -> bool {
    let namespaces = Api::<Namespace>::all(client.clone());
    match tokio::time::timeout(AT_ONCE, namespaces.get_metadata(sandbox)).await {
        Ok(Ok(_)) => true,
        Ok(Err(kube::Error::Api(status))) => status.code < 500,
        Ok(Err(_)) | Err(_) => false,
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

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Check;

    use super::*;
    use crate::checks::{Outcome, Target, run};

    #[test]
    fn objects_may_come_later_unless_they_are_found_elsewhere() {
        let (nowhere, somewhere) = (AtomicBool::new(false), AtomicBool::new(true));
        let (missing, last) = (Failure::Missing("no Secret".into()), Failure::Final("bad".into()));
        assert!(is_tried_again(&missing, &nowhere));
        assert!(!is_tried_again(&missing, &somewhere));
        assert!(is_tried_again(&Failure::NotYet("one of two".into()), &somewhere));
        assert!(!is_tried_again(&last, &nowhere), "a kind that nobody knows");
    }

    /// A check of a Service that nobody answers for, where the API server answers for a namespace, or does not.
    async fn hangs(api_answers: bool) -> Outcome {
        let service = tower::service_fn(move |request: ::http::Request<kube::client::Body>| async move {
            if !api_answers || request.uri().path() != "/api/v1/namespaces/sb-a" {
                std::future::pending::<()>().await;
            }
            let namespace = r#"{"metadata":{"name":"sb-a"}}"#.as_bytes().to_vec();
            Ok::<_, std::convert::Infallible>(::http::Response::new(kube::client::Body::from(namespace)))
        });
        let check = Check {
            name: "web".into(),
            namespace: None,
            required: false,
            action: CheckAction::TcpSocket {
                service: "web".into(),
                port: 80,
                timeout: Duration::from_secs(10),
            },
        };
        let target = Target {
            source: "a".into(),
            sandbox: "sb-a".into(),
        };
        let client = Client::new(service, "default");
        run(client, check, vec![target], Timestamp::now).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_stands_still_says_nothing_about_the_application() {
        let outcome = hangs(false).await;
        assert!(
            outcome.passed_at.is_none() && outcome.could_not_look,
            "{outcome:?}"
        );
        let outcome = hangs(true).await;
        assert!(
            outcome.passed_at.is_none() && !outcome.could_not_look,
            "{outcome:?}"
        );
    }
}
