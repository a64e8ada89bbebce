//! An API server in memory, a clock that jumps, and operators that can be killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use kube::{Client, client::Body, runtime::events::Reporter};
use kymaros_crds::{NotificationState, RestoreReport};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    notify::{Defaults, Notifier, NotifyContext, Reach, Sender, controller},
    telemetry::events::Events,
};

/// A message: the test, and how its receiver is told.
pub type Sent = (String, String);

/// Runs that an operator has in its hands at once.
const AT_ONCE: usize = 16;
/// As long as receivers may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// Receivers on this machine.
pub const HERE: Reach = Reach {
    http: true,
    loopback: true,
};

#[derive(Default)]
struct Stored {
    reports: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Value>,
    forbidden: BTreeSet<String>,
    events: Vec<String>,
    version: u64,
}

#[derive(Clone)]
pub struct World {
    stored: Arc<Mutex<Stored>>,
    clock: Arc<Mutex<Timestamp>>,
}

impl World {
    pub fn new() -> Self {
        Self {
            stored: Arc::default(),
            clock: Arc::new(Mutex::new("2026-01-01T03:00:00Z".parse().unwrap())),
        }
    }

    pub fn secret(&self, name: &str, data: &[(&str, &str)]) {
        let bytes = |text: &str| k8s_openapi::ByteString(text.as_bytes().to_vec());
        let data: BTreeMap<&str, _> = data.iter().map(|(key, value)| (*key, bytes(value))).collect();
        let secret =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": data });
        self.stored
            .lock()
            .unwrap()
            .secrets
            .insert(name.to_owned(), secret);
    }

    pub fn forbid(&self, secret: &str) {
        self.stored.lock().unwrap().forbidden.insert(secret.to_owned());
    }

    pub fn allow(&self, secret: &str) {
        self.stored.lock().unwrap().forbidden.remove(secret);
    }

    /// A run of a test of this name, that just failed.
    pub fn failed_run(&self, test: &str, targets: &[(&str, &str)]) {
        let target = |(type_, secret): &(&str, &str)| json!({ "type": type_, "webhookSecretRef": secret });
        let targets: Vec<Value> = targets.iter().map(target).collect();
        let report = json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
            "metadata": { "name": test, "namespace": "ops", "uid": test, "resourceVersion": "0" },
            "spec": { "testRef": test, "test": {
                "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                "schedule": { "cron": "0 3 * * *" }, "sandbox": {}, "notifications": { "onFailure": targets } } },
            "status": { "phase": "CleaningUp", "result": "fail", "score": 50, "completedAt": "2026-01-01T03:00:00Z" },
        });
        self.stored
            .lock()
            .unwrap()
            .reports
            .insert(test.to_owned(), report);
    }

    pub fn reports(&self) -> Vec<RestoreReport> {
        let stored = self.stored.lock().unwrap();
        let parse = |report: &Value| serde_json::from_value(report.clone()).unwrap();
        stored.reports.values().map(parse).collect()
    }

    pub fn report(&self, test: &str) -> RestoreReport {
        let stored = self.stored.lock().unwrap();
        serde_json::from_value(stored.reports[test].clone()).unwrap()
    }

    /// Messages that somebody is sending now.
    fn claimed(&self) -> Vec<Sent> {
        let mut claimed = Vec::new();
        for report in self.reports() {
            let records = report.status.iter().flat_map(|status| &status.notifications);
            for record in records.filter(|record| record.state == Some(NotificationState::Sending)) {
                let type_ = record.receiver.split(' ').next().unwrap_or_default();
                claimed.push((report.spec.test_ref.clone(), type_.to_owned()));
            }
        }
        claimed
    }

    pub fn events(&self) -> Vec<String> {
        self.stored.lock().unwrap().events.clone()
    }

    pub fn notifier(&self) -> Notifier {
        self.process().context.notifier.clone()
    }

    pub fn process(&self) -> Process {
        self.process_with(HERE, PATIENCE)
    }

    pub fn process_with(&self, reach: Reach, patience: Duration) -> Process {
        let life = Life {
            left: Arc::default(),
            over: CancellationToken::new(),
        };
        let (stored, its_life) = (self.stored.clone(), life.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (stored, life) = (stored.clone(), its_life.clone());
            async move {
                match life.next() {
                    Fate::Answered => {
                        return Ok::<_, std::convert::Infallible>(answer(&stored, request).await);
                    }
                    Fate::Unheard => drop(answer(&stored, request).await),
                    Fate::Lost => {}
                }
                pending().await
            }
        });
        let client = Client::new(service, "default");
        let sender = Sender::with_patience(reach, patience)
            .unwrap()
            .of_cluster("eu<1>");
        let clock = self.clock.clone();
        let reporter = Reporter {
            controller: "kymaros".to_owned(),
            instance: None,
        };
        let context = NotifyContext {
            notifier: Notifier::new(client.clone(), sender, Defaults::default()),
            events: Arc::new(Events::new(client.clone(), reporter)),
            client,
            clock: Arc::new(move || *clock.lock().unwrap()),
        };
        Process {
            world: self.clone(),
            context: Arc::new(context),
            life,
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    /// It was done, but the process ended before it heard of that.
    Unheard,
    /// The process ended before it was done.
    Lost,
}

/// How long a process lives.
#[derive(Clone)]
struct Life {
    /// Requests until its end, and how the last of them ends.
    left: Arc<Mutex<Option<(u64, Fate)>>>,
    over: CancellationToken,
}

impl Life {
    fn next(&self) -> Fate {
        match self.left.lock().unwrap().as_mut() {
            None => Fate::Answered,
            Some((0, _)) => Fate::Lost,
            Some((left, end)) => {
                *left -= 1;
                if *left > 0 {
                    return Fate::Answered;
                }
                self.over.cancel();
                *end
            }
        }
    }
}

/// An operator.
pub struct Process {
    world: World,
    context: Arc<NotifyContext>,
    life: Life,
}

impl Process {
    /// Until nothing is left to be done; the clock runs as far as that takes.
    pub async fn until_idle(&self) {
        while let Some(wait) = self.round().await {
            self.advance(wait);
        }
    }

    /// For some time of the clock.
    pub async fn until(&self, span: SignedDuration) {
        let end = (self.context.clock)().checked_add(span).unwrap();
        while let Some(wait) = self.round().await {
            let next = (self.context.clock)()
                .checked_add(SignedDuration::try_from(wait).unwrap())
                .unwrap();
            if next > end {
                *self.world.clock.lock().unwrap() = end;
                return;
            }
            self.advance(wait);
        }
    }

    /// Until so many requests were made; then it is gone. The messages that it had in its hands.
    pub async fn until_killed_after(self, requests: u64) -> Vec<Sent> {
        let end = if requests.is_multiple_of(2) {
            Fate::Unheard
        } else {
            Fate::Lost
        };
        *self.life.left.lock().unwrap() = Some((requests, end));
        let over = self.life.over.clone();
        tokio::select! {
            () = over.cancelled() => {}
            () = self.until_idle() => {}
        }
        self.world.claimed()
    }

    /// Looks at reports as they were.
    pub async fn look_at(&self, reports: &[RestoreReport]) -> Vec<Option<Duration>> {
        let looks = reports.iter().map(|report| async {
            let looked = controller::look(report, &self.context).await;
            looked.unwrap()
        });
        stream::iter(looks).buffer_unordered(AT_ONCE).collect().await
    }

    /// One look at every report; how long until the next is due.
    async fn round(&self) -> Option<Duration> {
        let waits = self.look_at(&self.world.reports()).await;
        waits.into_iter().flatten().min()
    }

    fn advance(&self, wait: Duration) {
        let mut clock = self.world.clock.lock().unwrap();
        let wait = SignedDuration::try_from(wait).unwrap();
        // What is due within a few seconds is looked at together.
        *clock = clock.checked_add(wait.max(SignedDuration::from_secs(3))).unwrap();
    }
}

pub fn states(report: &RestoreReport) -> Vec<NotificationState> {
    let records = report.status.iter().flat_map(|status| &status.notifications);
    records.filter_map(|record| record.state).collect()
}

pub fn condition(report: &RestoreReport) -> (String, String) {
    let conditions = report.status.iter().flat_map(|status| &status.conditions);
    let mut notified = conditions.filter(|condition| condition.type_ == "Notified");
    notified
        .next()
        .map(|condition| (condition.status.clone(), condition.reason.clone()))
        .unwrap_or_default()
}

async fn answer(stored: &Mutex<Stored>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path: Vec<String> = head.uri.path().split('/').map(str::to_owned).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut stored = stored.lock().unwrap();
    let (code, object) = match (&head.method, path.as_slice()) {
        (&Method::GET, [.., "secrets", name]) => match stored.secrets.get(*name) {
            Some(_) if stored.forbidden.contains(*name) => failure(403, "Forbidden"),
            Some(secret) => (200, secret.clone()),
            None => failure(404, "NotFound"),
        },
        (&Method::GET, [.., "restorereports", name]) => match stored.reports.get(*name) {
            Some(report) => (200, report.clone()),
            None => failure(404, "NotFound"),
        },
        (&Method::PUT, [.., "restorereports", name, "status"]) => {
            stored.replace_status(name, &serde_json::from_slice(&body).unwrap())
        }
        (&Method::POST | &Method::PATCH, [.., "events"] | [.., "events", _]) => {
            let event: Value = serde_json::from_slice(&body).unwrap();
            stored
                .events
                .push(event["reason"].as_str().unwrap_or_default().to_owned());
            (201, event)
        }
        other => panic!("nobody should ask for {other:?}"),
    };
    let body = Body::from(serde_json::to_vec(&object).unwrap());
    Response::builder().status(code).body(body).unwrap()
}

impl Stored {
    fn replace_status(&mut self, name: &str, wanted: &Value) -> (u16, Value) {
        self.version += 1;
        let version = self.version.to_string();
        let Some(report) = self.reports.get_mut(name) else {
            return failure(404, "NotFound");
        };
        if report["metadata"]["resourceVersion"] != wanted["metadata"]["resourceVersion"] {
            return failure(409, "Conflict");
        }
        report["status"] = wanted["status"].clone();
        report["metadata"]["resourceVersion"] = json!(version);
        (200, report.clone())
    }
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code,
        "message": reason });
    (code, status)
}
