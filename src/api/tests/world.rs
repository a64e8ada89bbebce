//! A fleet, an API server, and somebody who asks.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header::AUTHORIZATION},
    response::Response,
};
use http_body_util::BodyExt;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Client, client::Body as KubeBody, core::PartialObjectMeta};
use kymaros_crds::{RestoreReport, domain::Tier};
use kymaros_webhooks::default::Defaults;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    access::Access,
    api::{About, Api, ApiToken, Auth, Hosts, Limits, Origin, caller::with_token, router},
    fleet::{
        Fleet, Roster,
        sample::{log, read, report, store, stored, test},
    },
    license::{License, Refusal},
    notify::{self, Notifier, Reach, Sender},
    source::Wanted,
};

/// What the API server was asked: method, path, who asked, and what was sent.
pub type Asked = (String, String, String, Value);

/// Everything that an API needs.
pub struct World {
    pub api: Api,
    pub license: watch::Sender<License>,
    pub asked: Arc<Mutex<Vec<Asked>>>,
}

impl World {
    /// Callers are known by tokens of the cluster: `admin` may do all, `dev` all with our kinds in the namespace `ops`,
    /// `auditor` may read our kinds everywhere, `velero` lists Velero's, `nobody` may nothing.
    pub fn new() -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let anonymous = api_server(asked.clone());
        let operator = with_token(&anonymous, "operator").unwrap();
        let (license, followed) = watch::channel(License::Community(Refusal::NoSecret));
        let here = Reach {
            http: true,
            loopback: true,
        };
        let sender = Sender::new(here).unwrap();
        let api = Api {
            fleet: fleet(followed),
            auth: Auth::Kubernetes {
                access: Access::new(operator.clone()),
                anonymous,
            },
            notifier: Notifier::new(operator.clone(), sender, notify::Defaults::default()),
            client: operator,
            about: Arc::new(About {
                kubernetes_version: "v1.35.4".into(),
                pod: "kymaros-0".into(),
                started: jiff::Timestamp::now(),
            }),
            limits: Limits::new(NonZeroU32::MAX),
            hosts: Hosts::new(&["kymaros".parse().unwrap()]),
            cors: None,
            stop: CancellationToken::new(),
        };
        Self { api, license, asked }
    }

    pub fn with_tier(tier: Tier) -> Self {
        let world = Self::new();
        if tier > Tier::Community {
            let expires = None;
            world.license.send_replace(License::Valid { tier, expires });
        }
        world
    }

    pub fn with_one_token(token: &str) -> Self {
        let mut world = Self::new();
        world.api.auth = Auth::Token(ApiToken::new(token).unwrap());
        world
    }

    pub fn open() -> Self {
        let mut world = Self::new();
        world.api.auth = Auth::None;
        world
    }

    pub fn with_cors(origin: &str) -> Self {
        let mut world = Self::open();
        world.api.cors = Origin::new(origin);
        world
    }

    pub fn router(&self) -> Router {
        router(self.api.clone())
    }

    /// A request with a token, and its whole answer.
    pub async fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Answered::of(self.router().oneshot(request).await.unwrap()).await
    }

    /// Of an admin.
    pub async fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, "admin", "").await
    }

    /// Writes that the API server was asked for.
    pub fn writes(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap().clone();
        let is_write = |(method, path, ..): &Asked| method != "GET" && !path.contains("reviews");
        asked.into_iter().filter(is_write).collect()
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answered {
    pub async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = if parts
            .headers
            .get("content-type")
            .is_some_and(|t| t == "text/event-stream")
        {
            String::new()
        } else {
            let bytes = to_bytes(body, usize::MAX).await.unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

/// `shop` is a test of two namespaces; `blog` runs just now.
fn fleet(license: watch::Receiver<License>) -> Fleet {
    let today = jiff::Timestamp::now();
    let days = |report: RestoreReport, ago: i64| made(report, today, ago);
    let reports = [
        days(report("ops", "shop", 1, "pass", Some(95)), 30),
        days(report("ops", "shop", 2, "fail", Some(40)), 1),
        days(report("dev", "shop", 3, "pass", Some(90)), 2),
        days(report("ops", "shop", 4, "inconclusive", Some(51)), 3),
        days(report("ops", "blog", 5, "", None), 0),
    ];
    let mut invalid = test("ops", "blog");
    invalid.metadata.resource_version = Some("7".into());
    let namespaces = [
        json!({ "metadata": { "name": "shop" } }),
        json!({ "metadata": { "name": "rp-test-1", "labels": labels("gone") } }),
    ];
    Fleet {
        tests: store([
            test("ops", "shop"),
            test("dev", "shop"),
            invalid,
            test("ops", "wiki"),
        ]),
        runs: log(reports.clone()),
        reports: stored(reports),
        roster: watch::channel(Roster::default()).1,
        backups: store([read(json!({
            "metadata": { "name": "nightly", "namespace": "velero" }, "spec": {},
            "status": { "phase": "Completed", "startTimestamp": today.to_string() } }))]),
        schedules: store([read(
            json!({ "metadata": { "name": "nightly", "namespace": "velero" },
                                       "spec": { "schedule": "0 1 * * *" } }),
        )]),
        locations: store([]),
        velero: store([]),
        namespaces: store::<PartialObjectMeta<_>>(namespaces.map(read)),
        license,
        defaults: Defaults::default(),
        wanted: Wanted::default(),
        namespace: "kymaros-system".into(),
        velero_namespace: "velero".into(),
    }
}

/// Of the sandbox of a run of `shop` in `ops`, whose UID is the name of its report.
pub fn labels(run: &str) -> Value {
    json!({ "kymaros.io/managed-by": "kymaros", "kymaros.io/run-uid": run, "kymaros.io/run": run,
            "kymaros.io/test-namespace": "ops" })
}

/// The same report, made some days ago.
pub fn made(report: RestoreReport, today: jiff::Timestamp, ago: i64) -> RestoreReport {
    let at = (today - jiff::SignedDuration::from_hours(24 * ago)).to_string();
    let mut value = serde_json::to_value(report).unwrap();
    value["metadata"]["creationTimestamp"] = json!(at);
    value["status"]["startedAt"] = json!(at);
    if value["status"]["completedAt"].is_string() {
        value["status"]["completedAt"] = json!(at);
    }
    read(value)
}

/// An API server that knows three accounts and refuses what is named so.
fn api_server(asked: Arc<Mutex<Vec<Asked>>>) -> Client {
    let service = tower::service_fn(move |request: Request<KubeBody>| {
        let asked = asked.clone();
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let header = parts
                .headers
                .get(AUTHORIZATION)
                .and_then(|value| value.to_str().ok());
            let who = header
                .unwrap_or_default()
                .trim_start_matches("Bearer ")
                .to_owned();
            let path = parts.uri.path().to_owned();
            asked
                .lock()
                .unwrap()
                .push((parts.method.to_string(), path.clone(), who.clone(), body.clone()));
            let (status, body) = answer(&parts.method, &path, &who, &body);
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(status)
                    .body(KubeBody::from(body.to_string().into_bytes()))
                    .unwrap(),
            )
        }
    });
    Client::new(service, "default")
}

fn answer(method: &Method, path: &str, who: &str, body: &Value) -> (u16, Value) {
    if path.ends_with("/tokenreviews") {
        let token = body["spec"]["token"].as_str().unwrap_or_default();
        // Accounts have as many tokens as they like: `dev`, `dev#2` and so on.
        let account = token.split('#').next().unwrap_or_default();
        let is_known = ["admin", "dev", "auditor", "velero", "nobody"].contains(&account);
        let status = json!({ "authenticated": is_known, "user": { "username": account } });
        return (
            201,
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {}, "status": status }),
        );
    }
    if path.ends_with("/subjectaccessreviews") {
        let wanted = &body["spec"]["resourceAttributes"];
        let allowed = match body["spec"]["user"].as_str() {
            Some("admin") => true,
            Some("dev") => wanted["namespace"] == "ops" && wanted["group"] == "restore.kymaros.io",
            Some("auditor") => {
                let reads = wanted["verb"] == "get" || wanted["verb"] == "list";
                reads && wanted["group"] == "restore.kymaros.io"
            }
            Some("velero") => wanted["verb"] == "list" && wanted["group"] == "velero.io",
            _ => false,
        };
        let status = json!({ "allowed": allowed });
        return (
            201,
            json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {}, "status": status }),
        );
    }
    if !["admin", "operator"].contains(&who) {
        let message = format!("restoretests.restore.kymaros.io is forbidden: User {who:?} cannot do this");
        return failure(403, "Forbidden", &message);
    }
    match (
        method.as_str(),
        body["metadata"]["name"].as_str().unwrap_or_default(),
    ) {
        ("POST", "exists") => failure(409, "AlreadyExists", "restoretests \"exists\" already exists"),
        ("POST", "refused") => {
            let words =
                "admission webhook \"validate.kymaros.io\" denied the request: spec.schedule.cron: never";
            failure(422, "Invalid", words)
        }
        ("GET", _) if path.ends_with("/namespaces/rp-test-1") => (200, metadata("rp-test-1", "u", "gone")),
        ("GET", _) if path.ends_with("/namespaces/rp-test-new") => (200, metadata("rp-test-new", "v", "new")),
        ("GET", _) if path.ends_with("/restorereports/new") => (200, metadata("new", "new", "")),
        ("GET", _) if path.ends_with("/restorereports") => (
            200,
            json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": [] }),
        ),
        ("GET", _) if path.contains("/secrets/hook-") => (200, hook(path)),
        ("GET", _) if path.ends_with("/backups") => (
            200,
            json!({ "apiVersion": "velero.io/v1", "kind": "BackupList", "metadata": {}, "items": [] }),
        ),
        ("DELETE", _) => (
            200,
            json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 200,
                                       "message": "", "reason": "" }),
        ),
        ("POST" | "PATCH", _) => (
            200,
            json!({ "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "x" } }),
        ),
        _ => failure(404, "NotFound", "not found"),
    }
}

/// Of an object; of a run's sandbox, with its labels.
fn metadata(name: &str, uid: &str, run: &str) -> Value {
    let metadata = json!({ "name": name, "uid": uid, "resourceVersion": "1", "labels": labels(run) });
    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata })
}

/// The Secret of a receiver on this machine; the port is in its name.
fn hook(path: &str) -> Value {
    let port = path.rsplit('-').next().unwrap_or_default();
    let url = ByteString(format!("http://127.0.0.1:{port}/hook").into_bytes());
    let secret = Secret {
        data: Some([("url".to_owned(), url)].into()),
        ..Secret::default()
    };
    serde_json::to_value(secret).unwrap()
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": code,
                         "reason": reason, "message": message });
    (code, status)
}
