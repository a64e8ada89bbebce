//! Reading logs and events of sandboxes.

use std::time::Duration;

use futures::{AsyncReadExt, StreamExt, future::try_join_all, stream};
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Event, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams},
};
use kymaros_crds::{CollectedEvent, ContainerLog, ContainerLogType, PodLog, domain::LogCollection};

use super::{Collected, bound};
use crate::workloads::last_said;

/// Logs read at once.
const AT_ONCE: usize = 4;
/// A run does not wait longer for the logs of all its sandboxes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pods, and events, of one sandbox that are looked at.
const LISTED: u32 = 500;
/// Of one log no more is read: a container may write lines without end.
const MOST_READ: usize = 64 * 1024 * 1024;

/// Collects what `wanted` asks for. What cannot be read in time is left out: a verdict never waits for its logs.
///
/// # Errors
/// When the API server does not list pods or events.
pub async fn collect(
    client: Client,
    sandboxes: Vec<String>,
    wanted: LogCollection,
) -> Result<Collected, kube::Error> {
    let lists = sandboxes
        .iter()
        .map(|sandbox| list(&client, sandbox, wanted.include_events));
    let (pods, events): (Vec<_>, Vec<_>) = try_join_all(lists).await?.into_iter().unzip();
    // One that hangs keeps none of the others.
    let mut logs = stream::iter(pods.into_iter().flatten().enumerate())
        .map(async |(at, (pods, pod))| (at, of_pod(pods, pod, &wanted).await))
        .buffer_unordered(AT_ONCE)
        .take_until(tokio::time::sleep(PATIENCE))
        .collect::<Vec<_>>()
        .await;
    logs.sort_by_key(|(at, _)| *at);
    let mut logs: Vec<PodLog> = logs.into_iter().map(|(_, log)| log).collect();
    bound::fit(&mut logs);
    let events = events.into_iter().flatten().map(event).collect();
    Ok(Collected {
        logs,
        events: bound::choose(events),
    })
}

/// The pods of a sandbox, each with where its logs are, and its events where they are wanted.
async fn list(
    client: &Client,
    sandbox: &str,
    with_events: bool,
) -> Result<(Vec<(Api<Pod>, Pod)>, Vec<Event>), kube::Error> {
    let pods = Api::<Pod>::namespaced(client.clone(), sandbox);
    let events = Api::<Event>::namespaced(client.clone(), sandbox);
    let some = ListParams::default().limit(LISTED);
    let events = async {
        if with_events {
            events.list(&some).await.map(|list| list.items)
        } else {
            Ok(Vec::new())
        }
    };
    let (listed, events) = tokio::try_join!(pods.list(&some), events)?;
    let listed = listed.items.into_iter().map(|pod| (pods.clone(), pod));
    Ok((listed.collect(), events))
}

async fn of_pod(pods: Api<Pod>, pod: Pod, wanted: &LogCollection) -> PodLog {
    let name = pod.name_any();
    let mut containers = Vec::new();
    for (type_, container) in logs_of(&pod, wanted) {
        let params = LogParams {
            container: Some(container.to_owned()),
            previous: type_ == ContainerLogType::Previous,
            // One more than is kept tells whether there were more.
            tail_lines: Some(i64::from(wanted.max_lines) + 1),
            ..LogParams::default()
        };
        match read(&pods, &name, &params).await {
            Ok((text, began_later)) => {
                let (log, cut) = bound::tail(&text, wanted.max_lines);
                let truncated = cut || began_later;
                containers.push(ContainerLog {
                    name: container.to_owned(),
                    type_,
                    log,
                    truncated,
                    total_lines: None,
                });
            }
            Err(error) => tracing::debug!(pod = name, container, %error, "a log cannot be read"),
        }
    }
    PodLog {
        pod_name: name,
        namespace: pod.namespace().unwrap_or_default(),
        phase: pod
            .status
            .as_ref()
            .and_then(|s| s.phase.clone())
            .unwrap_or_default(),
        containers,
    }
}

/// The logs there are: a container that has not started has none.
fn logs_of<'a>(pod: &'a Pod, wanted: &LogCollection) -> Vec<(ContainerLogType, &'a str)> {
    let status = pod.status.as_ref();
    let main = status
        .and_then(|s| s.container_statuses.as_deref())
        .unwrap_or_default();
    let init = status
        .and_then(|s| s.init_container_statuses.as_deref())
        .unwrap_or_default();
    let started = |c: &&ContainerStatus| {
        c.state
            .as_ref()
            .is_some_and(|s| s.running.is_some() || s.terminated.is_some())
    };
    let restarted = |c: &&ContainerStatus| c.restart_count > 0;
    let mut logs = Vec::new();
    if wanted.include_init {
        // One between two crashes waits, and its log is that of its last try.
        logs.extend(
            init.iter()
                .filter(|c| started(c) || restarted(c))
                .map(|c| (ContainerLogType::Init, c.name.as_str())),
        );
    }
    logs.extend(
        main.iter()
            .filter(started)
            .map(|c| (ContainerLogType::Container, c.name.as_str())),
    );
    if wanted.include_previous {
        let init = init.iter().filter(|_| wanted.include_init).filter(started);
        let all = init.chain(main).filter(restarted);
        logs.extend(all.map(|c| (ContainerLogType::Previous, c.name.as_str())));
    }
    logs
}

/// The end of a log, and whether there was something before it.
async fn read(pods: &Api<Pod>, name: &str, params: &LogParams) -> Result<(String, bool), kube::Error> {
    let mut stream = pods.log_stream(name, params).await?;
    let (mut text, mut began_later) = (Vec::new(), false);
    let (mut chunk, mut total) = (vec![0; bound::CONTAINER], 0);
    // An error in the middle leaves what came before it.
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        text.extend_from_slice(&chunk[..read]);
        total += read;
        if let Some(surplus @ 1..) = text.len().checked_sub(2 * bound::CONTAINER) {
            text.drain(..surplus);
            began_later = true;
        }
        if total > MOST_READ {
            break;
        }
    }
    Ok((String::from_utf8_lossy(&text).into_owned(), began_later))
}

fn event(event: Event) -> CollectedEvent {
    let last_timestamp = last_said(&event).map(Time);
    let about = event.involved_object;
    CollectedEvent {
        type_: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        involved_object: format!(
            "{}/{}",
            about.kind.unwrap_or_default(),
            about.name.unwrap_or_default()
        ),
        last_timestamp,
        count: event.count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn wanted() -> LogCollection {
        LogCollection {
            enabled: true,
            max_lines: 100,
            include_events: true,
            include_init: true,
            include_previous: true,
        }
    }

    #[test]
    fn only_what_was_asked_for_and_is_there_is_read() {
        let pod: Pod = from_value(json!({ "metadata": { "name": "web" }, "status": {
            "initContainerStatuses": [{ "name": "init", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                "state": { "terminated": { "exitCode": 0 } } }],
            "containerStatuses": [
                { "name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 2,
                  "state": { "running": {} } },
                { "name": "late", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                  "state": { "waiting": {} } }] } }))
        .unwrap();
        let all: Vec<_> = logs_of(&pod, &wanted());
        assert_eq!(
            all,
            [
                (ContainerLogType::Init, "init"),
                (ContainerLogType::Container, "app"),
                (ContainerLogType::Previous, "app")
            ]
        );
        let less = LogCollection {
            include_init: false,
            include_previous: false,
            ..wanted()
        };
        assert_eq!(logs_of(&pod, &less), [(ContainerLogType::Container, "app")]);
    }

    #[test]
    fn what_the_scheduler_says_has_its_time_in_the_newer_fields() {
        let said: Event = from_value(
            json!({ "metadata": { "name": "e" }, "involvedObject": { "kind": "Pod" },
            "reason": "FailedScheduling", "eventTime": "2026-01-01T00:00:07.000000Z" }),
        )
        .unwrap();
        let at = event(said).last_timestamp.map(|t| t.0.to_string());
        assert_eq!(at.as_deref(), Some("2026-01-01T00:00:07Z"));
    }

    #[test]
    fn of_an_init_container_that_crashes_the_last_try_is_read_and_the_one_before_once_it_tries_again() {
        let pod = |state: serde_json::Value| -> Pod {
            from_value(json!({ "metadata": { "name": "web" }, "status": {
                "initContainerStatuses": [{ "name": "migrate", "image": "i", "imageID": "", "ready": false,
                    "restartCount": 3, "state": state, "lastState": { "terminated": { "exitCode": 1 } } }] } }))
            .unwrap()
        };
        let waits = pod(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
        assert_eq!(logs_of(&waits, &wanted()), [(ContainerLogType::Init, "migrate")]);
        let tries = pod(json!({ "running": {} }));
        let both = [
            (ContainerLogType::Init, "migrate"),
            (ContainerLogType::Previous, "migrate"),
        ];
        assert_eq!(logs_of(&tries, &wanted()), both);
        let none = LogCollection {
            include_init: false,
            ..wanted()
        };
        assert!(logs_of(&tries, &none).is_empty());
    }
}
