//! What a person at the command line is told at once, by the webhooks of the deployed operator.

mod story;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use kymaros_crds::{HealthCheckPolicy, RestoreTest, names};
use kymaros_testbed::scene::{Scene, delete_backup, unique};
use serde_json::{Value, json};

/// A test that is never made: the API server asks the webhooks and stores nothing.
async fn dry_run(client: &Client, namespace: &str, spec: Value) -> Result<RestoreTest, kube::Error> {
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "tried", "namespace": namespace }, "spec": spec,
    }))
    .map_err(kube::Error::SerdeError)?;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    Api::namespaced(client.clone(), namespace)
        .create(&params, &test)
        .await
}

fn minimal() -> Value {
    json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
        "schedule": { "cron": "0 3 * * *" },
    })
}

async fn refused(client: &Client, namespace: &str, spec: Value) -> Result<kube::core::Status> {
    match dry_run(client, namespace, spec).await {
        Err(kube::Error::Api(status)) => Ok(*status),
        Err(other) => Err(other.into()),
        Ok(_) => anyhow::bail!("it was taken"),
    }
}

#[tokio::test]
async fn everything_wrong_is_said_at_once_with_field_and_remedy() -> Result<()> {
    // One of them the schema knows too, and must not be the only one that is told.
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    let mut spec = minimal();
    spec["schedule"] = json!({ "cron": "0 0 31 2 *", "timezone": "Europe/Atlantis" });
    spec["backupSource"]["namespaces"] = json!([{ "name": "shop", "sandboxName": "kube-public" }]);
    spec["healthChecks"] = json!({ "checks": [
        { "name": "db", "type": "exec", "exec": { "podSelector": { "app": "db" }, "command": ["true"], "stdoutMatches": "(" } },
    ] });
    let status = refused(&scene.client, &namespace, spec).await?;
    assert_eq!(
        (status.code, status.reason.as_str()),
        (422, "Invalid"),
        "{status:?}"
    );
    let causes = status.details.context("no details")?.causes;
    let fields: Vec<&str> = causes.iter().map(|c| c.field.as_str()).collect();
    for field in [
        "spec.schedule.timezone",
        "spec.backupSource.namespaces[0].sandboxName",
        "spec.healthChecks.checks[0].exec.stdoutMatches",
    ] {
        assert!(fields.contains(&field), "{field} is not among {fields:?}");
        assert!(status.message.contains(field), "{}", status.message);
    }
    Ok(())
}

#[tokio::test]
async fn production_of_the_cluster_and_of_velero_are_no_sandboxes() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    for protected in ["kube-system", "velero", "kymaros-system"] {
        let mut spec = minimal();
        spec["backupSource"]["namespaces"] = json!([{ "name": "shop", "sandboxName": protected }]);
        let status = refused(&scene.client, &namespace, spec).await?;
        assert!(status.message.contains("sandboxName"), "{}", status.message);
    }
    let mut spec = minimal();
    spec["backupSource"]["namespaces"] = json!([{ "name": "shop", "sandboxName": namespace }]);
    let status = refused(&scene.client, &namespace, spec).await?;
    assert!(status.message.contains("sandboxName"), "{}", status.message);
    Ok(())
}

/// What is wrong with a test whose one source is this, as soon as the operator has seen what was just made.
async fn refused_for(client: &Client, namespace: &str, source: &Value, words: &str) -> Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let mut spec = minimal();
        spec["backupSource"]["namespaces"] = json!([source]);
        let said = match dry_run(client, namespace, spec).await {
            Ok(_) => "it was taken".to_owned(),
            Err(kube::Error::Api(status)) => status.message,
            Err(other) => return Err(other.into()),
        };
        if said.contains(words) {
            return Ok(());
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "{source}: {said}, not {words:?}"
        );
    }
}

#[tokio::test]
async fn namespaces_of_others_and_of_other_tests_are_left_alone() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    let theirs = scene.namespace("theirs").await?;
    let [source, sandbox] = ["source", "sandbox"].map(unique);
    let mut spec = minimal();
    spec["suspend"] = json!(true);
    spec["backupSource"]["namespaces"] = json!([{ "name": source, "sandboxName": sandbox }]);
    story::create_test(&scene.client, &theirs, "first", spec).await?;

    let of_first = format!("{theirs}/first");
    for (tried, words) in [
        (
            json!({ "name": "shop", "sandboxName": theirs }),
            "exists and is no sandbox".to_owned(),
        ),
        (
            json!({ "name": "shop", "sandboxName": sandbox }),
            format!("is a sandboxName of the test {of_first}"),
        ),
        (
            json!({ "name": "shop", "sandboxName": source }),
            format!("is production: it is restored by the test {of_first}"),
        ),
        (
            json!({ "name": sandbox }),
            format!("is a sandboxName of the test {of_first}, and production is never a sandbox"),
        ),
    ] {
        refused_for(&scene.client, &namespace, &tried, &words).await?;
    }
    Ok(())
}

/// What the API server says beside its answer to this, which it does not keep.
async fn warned(client: &Client, method: &str, path: &str, body: &Value) -> Result<Vec<String>> {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method)
        .uri(format!(
            "/apis/restore.kymaros.io/v1alpha1/namespaces/{path}?dryRun=All"
        ))
        .header("content-type", kind)
        .body(kube::client::Body::from(body.to_string().into_bytes()))?;
    let answer = client.send(request).await?;
    ensure!(answer.status().is_success(), "{path}: {}", answer.status());
    let warnings = answer.headers().get_all("warning").iter();
    Ok(warnings
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect())
}

#[tokio::test]
async fn whoever_is_let_through_is_warned() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    let mut spec = minimal();
    spec["healthChecks"] = json!({ "policyRef": "not-there" });
    let test = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "tried" }, "spec": spec,
    });
    let path = format!("{namespace}/restoretests");
    let warnings = warned(&scene.client, "POST", &path, &test).await?;
    let policy = |warning: &&String| {
        warning.contains("spec.healthChecks.policyRef") && warning.contains("no such HealthCheckPolicy yet")
    };
    assert_eq!(warnings.iter().filter(policy).count(), 1, "{warnings:?}");
    Ok(())
}

#[tokio::test]
async fn less_time_than_the_last_runs_took_is_warned_of() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, backup) = story::small(&mut scene, "longer").await?;
    let spec = story::spec(&[&namespace], &backup, json!({}));
    story::run(&scene, &namespace, "longer", spec).await?;
    let path = format!("{namespace}/restoretests/longer");
    let enough = json!({ "spec": { "timeout": "9m" } });
    let said = "the last runs took";
    let warnings = warned(&scene.client, "PATCH", &path, &enough).await?;
    assert!(!warnings.iter().any(|w| w.contains(said)), "{warnings:?}");
    let less = json!({ "spec": { "timeout": "1s", "sandbox": { "ttl": "1s" },
        "healthChecks": { "timeout": "1s", "settle": "0s" } } });
    let warnings = warned(&scene.client, "PATCH", &path, &less).await?;
    for field in ["spec.sandbox.ttl", "spec.timeout"] {
        let is_it = |warning: &String| warning.contains(field) && warning.contains(said);
        assert!(warnings.iter().any(is_it), "{field}: {warnings:?}");
    }
    delete_backup(&scene.client, &backup).await
}

#[tokio::test]
async fn what_was_filled_in_does_not_stand_in_the_way_of_a_change() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    let mut spec = minimal();
    spec["suspend"] = json!(true);
    story::create_test(&scene.client, &namespace, "longer", spec).await?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    let longer = json!({ "spec": { "timeout": "2h" } });
    let changed = tests
        .patch("longer", &PatchParams::default(), &Patch::Merge(&longer))
        .await?;
    assert_eq!(
        changed.spec.sandbox.and_then(|s| s.ttl).as_deref(),
        Some("2h"),
        "nobody wrote how long the sandbox lives"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_left_open_is_filled_in_where_everybody_sees_it() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    let taken = dry_run(&scene.client, &namespace, minimal()).await?;
    let sandbox = taken.spec.sandbox.context("no sandbox")?;
    assert_eq!(sandbox.ttl.as_deref(), Some("30m"));
    assert_eq!(
        sandbox.resource_quota.context("no quota")?.memory.as_deref(),
        Some("4Gi")
    );
    let mut own = minimal();
    own["sandbox"] = json!({ "ttl": "7m" });
    let taken = dry_run(&scene.client, &namespace, own).await?;
    assert_eq!(
        taken.spec.sandbox.context("no sandbox")?.ttl.as_deref(),
        Some("7m")
    );
    Ok(())
}

#[tokio::test]
async fn a_policy_is_looked_at_too() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("admission").await?;
    let policy: HealthCheckPolicy = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy",
        "metadata": { "name": "tried", "namespace": namespace },
        "spec": { "checks": [{ "name": "q", "type": "exec",
            "exec": { "podSelector": { "app": "db" }, "command": ["true"], "stdoutMatches": "[" } }] },
    }))?;
    let api = Api::<HealthCheckPolicy>::namespaced(scene.client.clone(), &namespace);
    let refused = api
        .create(&PostParams::default(), &policy)
        .await
        .err()
        .context("it was taken")?;
    assert!(refused.to_string().contains("stdoutMatches"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn nobody_makes_a_sandbox_of_a_namespace() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("precious").await?;
    let api = Api::<Namespace>::all(scene.client.clone());
    let marks = json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "some-run" });
    let patch = Patch::Merge(json!({ "metadata": { "labels": marks } }));
    let refused = api.patch(&namespace, &PatchParams::default(), &patch).await;
    let refused = refused
        .err()
        .context("a namespace of production became a sandbox")?;
    assert!(refused.to_string().contains("kymaros.io/managed-by"), "{refused}");
    let born: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": unique("born"), "labels": marks } }))?;
    let refused = api.create(&PostParams::default(), &born).await;
    assert!(refused.is_err(), "{} was born a sandbox", born.name_any());
    let other = Patch::Merge(json!({ "metadata": { "labels": { "team": "shop" } } }));
    api.patch(&namespace, &PatchParams::default(), &other).await?;
    Ok(())
}

#[tokio::test]
async fn a_restore_of_ours_cannot_leave_its_sandbox() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("precious").await?;
    let restored = |kind: &str, api_version: &str| {
        json!({ "apiVersion": api_version, "kind": kind,
                "metadata": { "name": unique("escaped"), "labels": { "velero.io/restore-name": "kymaros-0a1b2c3d-0" } } })
    };
    let config_maps =
        Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(scene.client.clone(), &namespace);
    let map = serde_json::from_value(restored("ConfigMap", "v1"))?;
    let refused = config_maps
        .create(&PostParams::default(), &map)
        .await
        .err()
        .context("it escaped")?;
    assert!(refused.to_string().contains("kymaros"), "{refused}");
    let roles = Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(scene.client.clone());
    let role = serde_json::from_value(restored("ClusterRole", "rbac.authorization.k8s.io/v1"))?;
    assert!(
        roles.create(&PostParams::default(), &role).await.is_err(),
        "it escaped"
    );
    let mut of_a_person = restored("ConfigMap", "v1");
    of_a_person["metadata"]["labels"]["velero.io/restore-name"] = json!("friday");
    config_maps
        .create(&PostParams::default(), &serde_json::from_value(of_a_person)?)
        .await?;
    Ok(())
}
