//! The license takes effect on a real API server without a restart, with the right to read one Secret and no more.

mod licensed;

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::ToSpan;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, ObjectList, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::await_condition,
};
use kymaros::license::{self, KeyLength, License, SigningSecret};
use kymaros_crds::{
    RestoreTest,
    domain::Tier,
    names::{LICENSE_SECRET, TRIGGER_NOW_ANNOTATION},
};
use kymaros_testbed::scene::{NAMESPACE, Scene, apply};
use serde_json::json;
use tokio::sync::watch::Receiver;

/// What the operator has in its own namespace.
const ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: license}
rules:
  - apiGroups: ['']
    resources: [secrets]
    resourceNames: [kymaros-license]
    verbs: [get, list, watch]
";

/// Gives the role to the default service account of the namespace.
fn binding(namespace: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: license}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: license}}
subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]
"
    )
}

/// A client with the rights of the namespace's default service account.
async fn least_of(scene: &Scene, namespace: &str) -> Result<Client> {
    let text = scene
        .cluster
        .kubectl(&["config", "view", "--raw", "--minify", "-o", "yaml"])?;
    let mut kubeconfig = Kubeconfig::from_yaml(&text)?;
    for named in &mut kubeconfig.auth_infos {
        let user = format!("system:serviceaccount:{namespace}:default");
        named.auth_info.get_or_insert_default().impersonate = Some(user);
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn becomes(
    license: &mut Receiver<License>,
    what: &str,
    wanted: impl Fn(&License) -> bool,
) -> Result<()> {
    let patience = Duration::from_mins(1);
    let found = tokio::time::timeout(patience, license.wait_for(wanted)).await;
    found.with_context(|| format!("not {what} within a minute"))??;
    Ok(())
}

fn is_refused(reason: &'static str) -> impl Fn(&License) -> bool {
    move |license| matches!(license, License::Community(refusal) if refusal.reason() == reason)
}

#[tokio::test]
async fn a_license_takes_effect_without_a_restart() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("license").await?;
    let client = least_of(&scene, &namespace).await?;
    let signing = SigningSecret::new("a signing secret").context("empty")?;
    let (mut license, follow) =
        license::watch(client.clone(), &namespace, LICENSE_SECRET, Some(signing.clone()));
    let follow = tokio::spawn(follow);

    becomes(
        &mut license,
        "unreadable without rights",
        is_refused("LicenseUnreadable"),
    )
    .await?;
    apply(
        &scene.client,
        &namespace,
        &format!("{ROLE}---{}", binding(&namespace)),
    )
    .await?;
    becomes(&mut license, "without a license", is_refused("NoLicense")).await?;

    let secrets = Api::<Secret>::namespaced(scene.client.clone(), &namespace);
    let write = async |tier: &str, expires: &str| {
        let key = license::sign(&signing, tier, expires, KeyLength::Short);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": LICENSE_SECRET },
            "stringData": { "tier": tier, "key": key, "expires": expires },
        });
        let params = PatchParams::apply("license-test").force();
        secrets
            .patch(LICENSE_SECRET, &params, &Patch::Apply(secret))
            .await
    };
    write("team", "2999-12-31").await?;
    becomes(&mut license, "Team", |l| l.tier() == Tier::Team).await?;
    write("enterprise", "").await?;
    becomes(&mut license, "Enterprise", |l| l.tier() == Tier::Enterprise).await?;
    write("team", "2020-01-01").await?;
    becomes(&mut license, "expired", is_refused("LicenseExpired")).await?;
    secrets.delete(LICENSE_SECRET, &DeleteParams::default()).await?;
    becomes(&mut license, "without a license again", is_refused("NoLicense")).await?;

    let others = Api::<Secret>::namespaced(client, &namespace);
    let refused = others.list(&ListParams::default()).await;
    assert!(
        matches!(&refused, Err(kube::Error::Api(status)) if status.is_forbidden()),
        "no other Secret can be read: {refused:?}"
    );
    follow.abort();
    Ok(())
}

/// A test with as many more backup sources as are named.
fn with_more(namespace: &str, name: &str, more: &[&str]) -> Result<RestoreTest> {
    let source = |name: &&str| json!({ "provider": "velero", "namespaces": [{ "name": name }] });
    Ok(serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "additionalSources": more.iter().map(source).collect::<Vec<_>>(),
            "schedule": { "cron": "0 3 1 1 *" }, "suspend": true,
        },
    }))?)
}

fn needs_team<T>(answer: &Result<T, kube::Error>) -> bool {
    matches!(answer, Err(error) if ["spec.additionalSources", "Team", "write a test for each"]
        .iter()
        .all(|said| error.to_string().contains(said)))
}

#[tokio::test]
async fn only_new_use_needs_a_license() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("licensed").await?;
    let client = scene.client.clone();
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
    let (dry, real) = (
        PostParams {
            dry_run: true,
            ..PostParams::default()
        },
        PostParams::default(),
    );
    let asked = with_more(&namespace, "asked", &["db"])?;
    let ask = async || tests.create(&dry, &asked).await;
    licensed::take(&client).await?;
    licensed::in_effect("none, and refused", ask, needs_team).await?;
    licensed::give(&client, "team", "2999-12-31").await?;
    licensed::in_effect("Team, and taken", ask, Result::is_ok).await?;
    tests
        .create(&real, &with_more(&namespace, "kept", &["db"])?)
        .await?;

    let events = Api::<Event>::namespaced(client.clone(), NAMESPACE);
    let expiries = ListParams::default().fields("reason=LicenseExpired");
    // A day of its own, so that no earlier event is taken for this one.
    let day = i64::from(std::process::id() % 3000).days();
    let expired = jiff::civil::date(2010, 1, 1).checked_add(day)?.to_string();
    licensed::give(&client, "team", &expired).await?;
    licensed::in_effect("expired, and refused", ask, needs_team).await?;
    licensed::in_effect(
        "an event",
        async || events.list(&expiries).await,
        |listed| {
            let names_it = |e: &Event| e.message.as_ref().is_some_and(|note| note.contains(&expired));
            let is_said = |said: &ObjectList<Event>| said.iter().any(names_it);
            listed.as_ref().is_ok_and(is_said)
        },
    )
    .await?;
    let patch = PatchParams::default();
    let other = Patch::Merge(json!({ "spec": { "historyLimit": 3 } }));
    tests
        .patch("kept", &patch, &other)
        .await
        .context("another field of an existing test")?;
    let more = with_more(&namespace, "kept", &["db", "files"])?
        .spec
        .additional_sources;
    let more = Patch::Merge(json!({ "spec": { "additionalSources": more } }));
    assert!(
        needs_team(&tests.patch("kept", &patch, &more).await),
        "more of it is new use"
    );
    let trigger = Patch::Merge(json!({ "metadata": { "annotations": { TRIGGER_NOW_ANNOTATION: "true" } } }));
    tests.patch("kept", &patch, &trigger).await?;
    let has_run = |t: Option<&RestoreTest>| {
        t.and_then(|t| t.status.as_ref())
            .is_some_and(|s| s.last_run_at.is_some())
    };
    let runs = await_condition(tests.clone(), "kept", has_run);
    tokio::time::timeout(Duration::from_mins(1), runs)
        .await
        .context("an existing test is run no more")??;
    tests.delete("kept", &DeleteParams::default()).await?;
    let going = await_condition(tests.clone(), "kept", |t: Option<&RestoreTest>| t.is_none());
    tokio::time::timeout(Duration::from_mins(1), going)
        .await
        .context("it cannot be deleted")??;
    licensed::take(&client).await
}
