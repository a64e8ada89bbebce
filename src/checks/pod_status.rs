//! `podStatus`: enough pods that match a selector are ready; waits by watch.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, reflector, watcher},
};

use super::{Failure, label_query};

/// Whether a pod is ready and stays.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

pub(super) async fn check(
    client: &Client,
    sandbox: &str,
    selector: &BTreeMap<String, String>,
    min_ready: u32,
    timeout: Duration,
) -> Result<String, Failure> {
    let query = label_query(selector);
    let (pods, writer) = reflector::store();
    let api = Api::<Pod>::namespaced(client.clone(), sandbox);
    let events = watcher(api, watcher::Config::default().labels(&query))
        .default_backoff()
        .reflect(writer);
    let mut events = std::pin::pin!(events);
    let seen = || {
        count(
            &pods.state().iter().map(|p| is_ready(p)).collect::<Vec<_>>(),
            min_ready,
            &query,
        )
    };
    let until = tokio::time::Instant::now() + timeout;
    while let Ok(event) = tokio::time::timeout_at(until, events.next()).await {
        match event {
            Some(Ok(watcher::Event::Init | watcher::Event::InitApply(_))) => {}
            Some(Ok(_)) => match seen() {
                Err(Failure::NotYet(_) | Failure::Missing(_)) => {}
                passed => return passed,
            },
            Some(Err(error)) => return Err(Failure::Api(error.to_string())),
            None => {
                return Err(Failure::Api(format!(
                    "the watch over pods that match {query} ended"
                )));
            }
        }
    }
    seen()
}

fn count(ready: &[bool], min_ready: u32, query: &str) -> Result<String, Failure> {
    let (all, ready) = (ready.len(), ready.iter().filter(|r| **r).count());
    if ready >= min_ready as usize {
        return Ok(format!("{ready}/{all} pods ready (min: {min_ready})"));
    }
    if all == 0 {
        return Err(Failure::Missing(format!("no pod matches {query}")));
    }
    Err(Failure::NotYet(format!(
        "{ready}/{all} pods ready (min: {min_ready} required)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_ready_pods() {
        assert_eq!(
            count(&[true, false], 1, "app=web").unwrap(),
            "1/2 pods ready (min: 1)"
        );
        assert!(matches!(
            count(&[true, false], 2, "app=web"),
            Err(Failure::NotYet(_))
        ));
        assert!(matches!(count(&[], 1, "app=web"), Err(Failure::Missing(_))));
    }
}
