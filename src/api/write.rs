//! Changes: made through the API server with the rights of whoever asks, so that its admission and audit see them.

use std::time::Duration;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api as KubeApi, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use kymaros_crds::{
    RestoreTest,
    domain::{NamespaceName, Test},
    names,
};
use kymaros_webhooks::validate::TestName;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    input::TestInput,
    places::{home_of_test, home_to_change, no_test},
    problem::Problem,
    read::{json, with_notices},
    route::{Answering, Ask},
};
use crate::{
    fleet::{Fleet, Scope, sandbox_of},
    plan::{NoPlan, dry_run},
    sandbox::sweep::is_orphan,
    velero::artifacts::ArtifactError,
};

/// Whoever creates a test and asks for it at once finds it in memory, or does after this long.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// That something was done.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done {
    message: &'static str,
}

/// Sandboxes that were removed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Deleted {
    deleted: usize,
}

fn done(status: StatusCode, message: &'static str) -> Response {
    (status, axum::Json(Done { message })).into_response()
}

fn noticed(response: Response, line: Option<&str>) -> Response {
    with_notices(response, line.map(str::to_owned).as_slice())
}

pub(super) fn post_test(ask: Ask) -> Answering {
    Box::pin(async move {
        let input = TestInput::read(&ask.body)?;
        let home = match (&ask.view.scope, &input.namespace) {
            (Scope::Namespace(query), Some(body)) if query != body => {
                let error = format!("namespace: the body says {body:?}, and the address {query:?}");
                return Err(Problem::field("namespace", error));
            }
            (Scope::Namespace(namespace), _) => namespace.clone(),
            (Scope::All, Some(namespace)) => home_named(namespace)?,
            (Scope::All, None) => ask.api.fleet.namespace.clone(),
        };
        let name = create(&ask.caller.client, &home, &input).await?;
        seen(&ask.api.fleet, &home, &name).await;
        Ok(noticed(
            done(StatusCode::CREATED, "test created"),
            input.comes_to_nothing(None),
        ))
    })
}

fn home_named(text: &str) -> Result<String, Problem> {
    let name: Result<NamespaceName, _> = text.parse();
    let name = name.map_err(|error| Problem::field("namespace", format!("namespace: {text:?} {error}")))?;
    Ok(name.to_string())
}

async fn seen(fleet: &Fleet, namespace: &str, name: &str) {
    let look = async {
        while fleet.test(namespace, name).is_none() {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Another replica may be asked next, so this is a courtesy and no promise.
    let _ = tokio::time::timeout(SEEN_WITHIN, look).await;
}

pub(super) fn put_test(ask: Ask) -> Answering {
    Box::pin(async move {
        let input = TestInput::read(&ask.body)?;
        let home = home_to_change(&ask, "patch").await?;
        let fixed = [
            ("name", &input.name, &ask.name),
            ("namespace", &input.namespace, &home),
        ];
        for (field, given, is) in fixed {
            if given.as_ref().is_some_and(|given| given != is) {
                let error = format!("{field}: is {is:?} and cannot be changed; create another test instead");
                return Err(Problem::field(field, error));
            }
        }
        let test = ask.api.fleet.test(&home, &ask.name).ok_or_else(no_test)?;
        update(&ask.caller.client, &test, &input).await?;
        Ok(noticed(
            done(StatusCode::OK, "test updated"),
            input.comes_to_nothing(Some(&test.spec)),
        ))
    })
}

pub(super) fn delete_test(ask: Ask) -> Answering {
    Box::pin(async move {
        let home = home_to_change(&ask, "delete").await?;
        delete(&ask.caller.client, &home, &ask.name).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

pub(super) fn post_trigger(ask: Ask) -> Answering {
    Box::pin(async move {
        let home = home_to_change(&ask, "patch").await?;
        trigger(&ask.caller.client, &ask.api.fleet, &home, &ask.name).await?;
        Ok(done(StatusCode::OK, "test triggered"))
    })
}

pub(super) fn post_cleanup(ask: Ask) -> Answering {
    Box::pin(async move {
        let (api, client) = (&ask.api, &ask.caller.client);
        let mut deleted = 0;
        for (name, run_uid) in api.fleet.orphans(&ask.view.scope) {
            deleted += usize::from(remove(client, &api.client, &name, &run_uid).await?);
        }
        Ok(json(&Deleted { deleted }))
    })
}

/// Velero is asked by an object that is made for it, with the rights of whoever asks: the operator's account makes those
/// of its runs only.
pub(super) fn plan(ask: Ask) -> Answering {
    Box::pin(async move {
        let home = home_of_test(&ask)?;
        if !ask.caller.is_account {
            let error = "a plan is made with the rights of whoever asks, and in this mode callers have no account; \
                         `kymaros plan` makes one with yours";
            return Err(Problem::new(StatusCode::FORBIDDEN, error));
        }
        let fleet = &ask.api.fleet;
        let stored = fleet.test(&home, &ask.name).ok_or_else(no_test)?;
        let unprocessable = |error: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error);
        let test = Test::try_from(&fleet.defaults.filled(&stored.spec))
            .map_err(|error| unprocessable(error.to_string()))?;
        let asked_by = format!("kymaros-plan-{:x}", ask.view.now.as_nanosecond());
        let (client, velero) = (&ask.caller.client, &fleet.velero_namespace);
        match dry_run(client, velero, &test, &fleet.wanted, &asked_by).await {
            Ok(plans) => Ok(json(&plans)),
            Err(NoPlan::Cluster(error) | NoPlan::Contents(ArtifactError::Api { source: error, .. })) => {
                Err(error.into())
            }
            Err(error) => Err(unprocessable(error.to_string())),
        }
    })
}

/// Creates a test; its name.
///
/// # Errors
/// 400 for a mistake in the input, else what the API server says.
pub async fn create(client: &Client, namespace: &str, input: &TestInput) -> Result<String, Problem> {
    let (name, spec) = input.new_spec()?;
    let test = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    });
    // As JSON: what our own types would not read is for the API server to refuse, with its words.
    let request = kube::api::Request::new(<RestoreTest as kube::Resource>::url_path(&(), Some(namespace)));
    let request = request
        .create(&PostParams::default(), test.to_string().into_bytes())
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    client.request::<serde_json::Value>(request).await?;
    Ok(name)
}

/// Changes what was given of a test.
///
/// # Errors
/// What the API server says.
pub async fn update(client: &Client, test: &RestoreTest, input: &TestInput) -> Result<(), Problem> {
    // A list is replaced whole, so it must be the one that was looked at.
    let seen = input.namespaces.as_ref().and(test.resource_version());
    let patch = json!({ "metadata": { "resourceVersion": seen }, "spec": input.patch(&test.spec) });
    patch_test(client, &test.into(), &patch).await
}

/// Deletes a test.
///
/// # Errors
/// What the API server says.
pub async fn delete(client: &Client, namespace: &str, name: &str) -> Result<(), Problem> {
    let tests = KubeApi::<RestoreTest>::namespaced(client.clone(), namespace);
    tests.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

/// Starts a run of a test.
///
/// # Errors
/// 409 with the run that goes on already, else what the API server says.
pub async fn trigger(client: &Client, fleet: &Fleet, namespace: &str, name: &str) -> Result<(), Problem> {
    let test = TestName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    if let Some(run) = fleet.running(&test) {
        let error = format!("run {run} of this test goes on; its report tells when it has ended");
        return Err(Problem::new(StatusCode::CONFLICT, error));
    }
    let annotation = json!({ names::TRIGGER_NOW_ANNOTATION: names::TRIGGERED_BY_API });
    patch_test(
        client,
        &test,
        &json!({ "metadata": { "annotations": annotation } }),
    )
    .await
}

async fn patch_test(client: &Client, test: &TestName, patch: &serde_json::Value) -> Result<(), Problem> {
    let tests = KubeApi::<kube::api::DynamicObject>::namespaced_with(
        client.clone(),
        &test.namespace,
        &kube::core::ApiResource::erase::<RestoreTest>(&()),
    );
    tests
        .patch(&test.name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

/// Removes a sandbox that no report speaks for, if it still is one: memory may not know of the newest runs yet, so the
/// API server is asked for their reports, as the operator. What would outlive it is removed by the operator, as with every
/// sandbox of such a run that goes.
async fn remove(client: &Client, operator: &Client, name: &str, run_uid: &str) -> Result<bool, Problem> {
    let namespaces = KubeApi::<Namespace>::all(client.clone());
    let Some(found) = namespaces.get_metadata_opt(name).await? else {
        return Ok(false);
    };
    if sandbox_of(&found) != Some(run_uid) || !is_orphan(operator, found.labels(), run_uid).await? {
        return Ok(false);
    }
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: found.uid(),
        resource_version: found.resource_version(),
    });
    match namespaces.delete(name, &params).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
