//! The REST API of the operator that the chart deployed, with tokens of real accounts.

mod story;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use kymaros_crds::{RunResult, Trigger};
use kymaros_testbed::scene::{NAMESPACE, Scene, apply, delete_backup, until_allowed};
use serde_json::{Value, json};
use story::{finished, small};

/// An account that works with tests of its namespace, and one that may nothing.
fn accounts(namespace: &str) -> String {
    format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: sre}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: stranger}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: tests}}
rules:
  - apiGroups: [restore.kymaros.io]
    resources: [restoretests, restorereports]
    verbs: [get, list, watch]
  - apiGroups: [restore.kymaros.io]
    resources: [restoretests]
    verbs: [create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: tests}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: tests}}
subjects: [{{kind: ServiceAccount, name: sre, namespace: {namespace}}}]
"
    )
}

async fn token(client: &Client, namespace: &str, account: &str) -> Result<String> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec::default(),
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    Ok(made.status.context("no token")?.token)
}

/// Somebody who calls the API of one replica.
struct Caller {
    client: Client,
    token: String,
}

impl Caller {
    /// A request over a connection of its own.
    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Response<Incoming>> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), NAMESPACE);
        let replicas = ListParams::default().labels("app.kubernetes.io/component=operator");
        let all = pods.list(&replicas).await?.items;
        let pod = all.iter().find(|pod| pod.metadata.deletion_timestamp.is_none());
        let pod = pod.context("no replica of the operator")?.name_any();
        let mut forward = pods.portforward(&pod, &[8080]).await?;
        let stream = forward.take_stream(8080).context("no stream")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            let _ = connection.await;
            drop(forward);
        });
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("host", "kymaros");
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        Ok(sender
            .send_request(request.body(Full::new(Bytes::from(body)))?)
            .await?)
    }

    /// Code and JSON.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let response = self.send(method, path, body).await?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok((code, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

/// Reads a live stream until it tells of this.
async fn told(mut stream: Incoming, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut text = String::new();
    let read = async {
        while let Some(frame) = stream.frame().await {
            if let Ok(data) = frame?.into_data() {
                text.push_str(&String::from_utf8_lossy(&data));
            }
            if wanted(&text) {
                return Ok(());
            }
        }
        bail!("the stream ended")
    };
    tokio::time::timeout(Duration::from_mins(2), read)
        .await
        .context("it was not told within two minutes")?
}

#[tokio::test]
async fn people_work_with_their_own_rights() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, backup) = small(&mut scene, "rest").await?;
    apply(&scene.client, &namespace, &accounts(&namespace)).await?;
    // The operator would remember for a minute that they were refused.
    let delete = json!({ "resourceAttributes": { "verb": "delete", "group": "restore.kymaros.io",
        "resource": "restoretests", "namespace": namespace } });
    let user = format!("system:serviceaccount:{namespace}:sre");
    until_allowed(&scene.client, &user, &delete).await?;
    let caller = async |account: &str| -> Result<Caller> {
        let (client, token) = (
            scene.client.clone(),
            token(&scene.client, &namespace, account).await?,
        );
        Ok(Caller { client, token })
    };
    let (sre, stranger) = (caller("sre").await?, caller("stranger").await?);
    let nobody = Caller {
        client: scene.client.clone(),
        token: String::new(),
    };
    let here = format!("?namespace={namespace}");
    let tests = format!("/tests{here}");

    let (code, said) = nobody.ask("GET", &tests, &Value::Null).await?;
    assert_eq!(code, 401, "{said}");
    assert!(
        said["error"]
            .as_str()
            .is_some_and(|e| e.contains("kubectl create token")),
        "{said}"
    );
    assert_eq!(stranger.ask("GET", &tests, &Value::Null).await?.0, 403);
    assert_eq!(
        sre.ask("GET", "/tests", &Value::Null).await?.0,
        403,
        "in all namespaces"
    );
    assert_eq!(sre.ask("GET", &tests, &Value::Null).await?, (200, json!([])));

    let new = |cron: &str| {
        json!({ "name": "rest", "provider": "velero", "backupName": backup, "namespaces": [namespace], "cron": cron,
                "ttl": "10m", "suspend": true })
    };
    let (code, said) = sre.ask("POST", &tests, &new("0 0 31 2 *")).await?;
    assert_eq!(code, 422, "{said}");
    assert!(
        said["error"]
            .as_str()
            .is_some_and(|e| e.contains("that day never comes")),
        "{said}"
    );
    assert_eq!(stranger.ask("POST", &tests, &new("0 3 1 1 *")).await?.0, 403);
    let (code, said) = sre.ask("POST", &tests, &new("0 3 1 1 *")).await?;
    assert_eq!((code, &said["message"]), (201, &json!("test created")), "{said}");
    assert_eq!(sre.ask("POST", &tests, &new("0 3 1 1 *")).await?.0, 409);

    let stream = sre.send("GET", &format!("/events{here}"), &Value::Null).await?;
    assert_eq!(stream.status(), 200);
    let seen = tokio::spawn(told(stream.into_body(), |text| {
        text.contains("event: run\n") && text.contains("\"phase\":\"Restoring\"")
    }));
    let trigger = format!("/tests/rest/trigger{here}");
    assert_eq!(stranger.ask("POST", &trigger, &Value::Null).await?.0, 403);
    let (code, said) = sre.ask("POST", &trigger, &Value::Null).await?;
    assert_eq!(
        (code, &said["message"]),
        (200, &json!("test triggered")),
        "{said}"
    );
    seen.await??;

    let report = finished(&scene.client, &namespace, "rest").await?;
    assert_eq!(report.spec.trigger, Some(Trigger::Api));
    let path = format!("/reports/{}{here}", report.name_any());
    let (code, shown) = sre.ask("GET", &path, &Value::Null).await?;
    let result = report.status.as_ref().and_then(|status| status.result);
    assert_eq!((code, shown["status"]["result"].clone()), (200, json!(result)));
    assert_ne!(result, Some(RunResult::Fail), "{shown}");
    assert_eq!(
        sre.ask("DELETE", &format!("/tests/rest{here}"), &Value::Null)
            .await?
            .0,
        204
    );
    delete_backup(&scene.client, &backup).await
}
