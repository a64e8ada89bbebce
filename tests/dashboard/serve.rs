//! The dashboard in front of a world, with an API server that takes whatever is asked of it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response, StatusCode},
};
use jiff::Timestamp;
use kube::Client;
use kymaros::{
    access::Access,
    api::{self, About, Api, ApiToken, Auth, Hosts, Limits},
    dashboard::{Dashboard, Setting, router},
    notify::{self, Notifier, OwnReceiver, Reach, Sender},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use crate::world::{TEAM, World};

/// A token that the API server knows.
pub const TOKEN: &str = "token-of-an-admin";
/// A token that it knows, whose bearer may only read.
pub const READER: &str = "token-of-a-reader";
/// A token that it knows, whose bearer may only read what is ours.
pub const VIEWER: &str = "token-of-a-viewer";
/// A token that it knows, whose bearer may only read what is ours in the namespace of a team.
pub const MEMBER: &str = "token-of-a-member";
/// A token that it knows, whose bearer may also change tests there.
pub const OWNER: &str = "token-of-an-owner";
/// A token that it knows, whose bearer may only read tests, and no reports.
pub const CLERK: &str = "token-of-a-clerk";
/// A token that it knows, whose bearer may only read reports, and no tests.
pub const REPORTER: &str = "token-of-a-reporter";
/// A token that it knows, whose bearer may only read Schedules.
pub const PLANNER: &str = "token-of-a-planner";
/// A token that it knows, whose bearer may only list backups and namespaces.
pub const KEEPER: &str = "token-of-a-keeper";
/// A token that it knows, whose bearer may nothing.
pub const NOBODY: &str = "token-of-nobody";

/// Requests that changed something at the API server.
pub type Writes = Arc<Mutex<Vec<(String, Value)>>>;

/// The API server, and what was written to it. Without one: it does not answer.
pub fn api_server(is_up: bool) -> (Client, Writes) {
    let writes = Writes::default();
    let seen = writes.clone();
    let service = service_fn(move |request: Request<kube::client::Body>| {
        let seen = seen.clone();
        async move {
            if !is_up {
                let gone = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
                return Ok::<_, Infallible>(gone.body(kube::client::Body::empty()).unwrap());
            }
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect_bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let answer = answer(&path, &body, &seen);
            let bytes = serde_json::to_vec(&answer).unwrap();
            Ok(Response::new(kube::client::Body::from(bytes)))
        }
    });
    (Client::new(service, "default"), writes)
}

fn answer(path: &str, body: &Value, seen: &Writes) -> Value {
    if path.ends_with("/tokenreviews") {
        let token = body["spec"]["token"].as_str().unwrap();
        let is_known = [
            TOKEN, READER, VIEWER, MEMBER, OWNER, CLERK, REPORTER, PLANNER, KEEPER, NOBODY,
        ]
        .contains(&token);
        return json!({ "metadata": {}, "spec": {}, "status": { "authenticated": is_known, "user": { "username": token } } });
    }
    if path.ends_with("/subjectaccessreviews") {
        let asked = &body["spec"]["resourceAttributes"];
        let reads = ["get", "list", "watch"].map(Value::from).contains(&asked["verb"]);
        let may = match body["spec"]["user"].as_str().unwrap() {
            TOKEN => true,
            READER => reads,
            VIEWER => reads && asked["group"] == "restore.kymaros.io",
            MEMBER => reads && asked["group"] == "restore.kymaros.io" && asked["namespace"] == TEAM,
            OWNER => asked["group"] == "restore.kymaros.io" && asked["namespace"] == TEAM,
            CLERK => reads && asked["resource"] == "restoretests",
            REPORTER => reads && asked["resource"] == "restorereports",
            PLANNER => reads && asked["resource"] == "schedules",
            KEEPER => {
                reads
                    && ["backups", "namespaces"]
                        .map(Value::from)
                        .contains(&asked["resource"])
            }
            _ => false,
        };
        return json!({ "metadata": {}, "spec": {}, "status": { "allowed": may } });
    }
    seen.lock().unwrap().push((path.to_owned(), body.clone()));
    json!({ "metadata": { "name": "x", "namespace": "x" }, "spec": { "backupSource": { "provider": "velero", "namespaces": [] }, "schedule": { "cron": "@daily" } } })
}

/// By the rights of the cluster.
pub fn by_rights(client: &Client) -> Auth {
    Auth::Kubernetes {
        access: Access::new(client.clone()),
        anonymous: client.clone(),
    }
}

/// By one token.
pub fn by_token(token: &str) -> Auth {
    Auth::Token(ApiToken::new(token).unwrap())
}

/// The routes over a world.
pub fn app(world: &World, auth: Auth, client: Client) -> Router {
    within(world, auth, client, Limits::new(NonZeroU32::MAX))
}

/// The same within limits; beside the routes of the API, as the operator serves them.
pub fn within(world: &World, auth: Auth, client: Client, limits: Limits) -> Router {
    let setting = |name: &str, value: &str, source: &str, help: &str| Setting {
        group: "Operator".to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        source: source.to_owned(),
        help: help.to_owned(),
    };
    let settings = vec![
        setting(
            "concurrent-runs",
            "5",
            "default",
            "How many runs may have sandboxes at the same time",
        ),
        setting(
            "velero-namespace",
            "velero",
            "environment KYMAROS_VELERO_NAMESPACE",
            "Namespace in which Velero runs",
        ),
        setting("default-ttl", "30m", "command line", "Life of a sandbox"),
    ];
    let sender = Sender::new(Reach::default()).unwrap();
    let receivers = notify::Defaults {
        namespace: world.fleet.namespace.clone(),
        slack: Some(OwnReceiver {
            secret: "slack-of-the-operator".to_owned(),
            channel: Some("#alerts".to_owned()),
        }),
        webhook: None,
    };
    let api = Api {
        fleet: world.fleet.clone(),
        auth,
        notifier: Notifier::new(client.clone(), sender, receivers),
        client,
        about: Arc::new(About {
            kubernetes_version: "v1.35.0".to_owned(),
            pod: "kymaros-7d9c5b8f4-x2x7p".to_owned(),
            started: Timestamp::now() - jiff::SignedDuration::from_hours(76),
        }),
        limits,
        hosts: Hosts::new(&["kymaros".parse().unwrap()]),
        cors: None,
        stop: CancellationToken::new(),
    };
    api::router(api.clone()).merge(router(Dashboard::new(api, settings)))
}

/// The routes over a world, for everybody.
pub fn open(world: &World) -> Router {
    app(world, Auth::None, api_server(true).0)
}

/// Serves on the loopback until the test ends.
pub async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// An answer, read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Values of the cookies that it sets, by the parts of their names.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|line| line.to_str().unwrap());
        let found = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        let mut named = found.filter(|(known, _)| known.ends_with(name));
        named.next().map(|(_, value)| value.to_owned())
    }

    /// The proof in its form.
    pub fn proof(&self) -> String {
        let (_, rest) = self.text.split_once(r#"name="csrf" value=""#).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// Asks for a page.
pub async fn get(app: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(app, Request::get(path), headers, String::new()).await
}

/// How a page is answered, whose content may never end.
pub async fn status_of(app: &Router, path: &str, cookie: &str) -> StatusCode {
    opened(app, path, cookie).await.status()
}

/// The answer itself, which goes on as long as it is kept.
pub async fn opened(app: &Router, path: &str, cookie: &str) -> Response<Body> {
    let request = Request::get(path).header("cookie", cookie);
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await;
    answer.unwrap()
}

/// Sends a form.
pub async fn post(app: &Router, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    ask(app, request, headers, form.finish()).await
}

async fn ask(
    app: &Router,
    request: axum::http::request::Builder,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = app
        .clone()
        .oneshot(request.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, 16 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}
