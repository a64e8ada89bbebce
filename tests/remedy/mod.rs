//! What the operator says to do about webhooks that do not fence: whoever does just that has runs go on.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use kymaros_testbed::scene::{NAMESPACE, RELEASE, Scene, delete_backup};
use serde_json::{Value, json};

use crate::{
    ONE_AT_A_TIME, checked,
    helm::{chart, helm, object, pipe, text},
    pass,
    story::{
        answers, small,
        webhooks::{as_it_is, put_back, take_away},
    },
    wait_in_the_queue,
};

const NEUTRALISE: &str = "neutralise.kymaros.io";

/// Of two ways that the operator names.
#[derive(Clone, Copy, Debug)]
enum Way {
    First,
    Second,
}

/// Does what is said to do about the configuration that is named first, in these very words.
fn carry_out(scene: &Scene, told: &str, way: Way) -> Result<()> {
    let mut words = told.split([' ', ',']);
    let named = words.next().zip(words.next());
    let (kind, name) = named.with_context(|| format!("no configuration is named: {told}"))?;
    let (_, remedy) = told
        .rsplit_once("; ")
        .with_context(|| format!("it is not said what to do: {told}"))?;
    for step in remedy.split(", and ") {
        let step = match (step.split_once(", or "), way) {
            (Some((one, _)), Way::First) | (Some((_, one)), Way::Second) => one,
            (None, _) => step,
        };
        println!("{kind} {name}: {step}");
        match step {
            "delete it" => drop(scene.cluster.kubectl(&["delete", kind, name])?),
            "upgrade the release with its chart again" => upgrade()?,
            "apply what the chart renders" => apply(scene, kind, name)?,
            other => bail!("nobody knows how to do this: {other}"),
        }
    }
    Ok(())
}

/// As people upgrade, with the values that they gave.
fn upgrade() -> Result<()> {
    let mut args = vec!["upgrade", RELEASE, text(chart()?)?, "--namespace", NAMESPACE];
    args.extend(["--reuse-values", "--wait", "--timeout", "2m"]);
    helm(&args).map(drop)
}

/// Of all that the chart renders, the rest is there, and stays Helm's own.
fn apply(scene: &Scene, kind: &str, name: &str) -> Result<()> {
    let rendered = helm(&["get", "manifest", RELEASE, "--namespace", NAMESPACE])?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered)?;
    let object = object(&objects, kind, name)?.to_string();
    let apply = ["apply", "--server-side", "--filename", "-"];
    pipe(&scene.cluster, "kubectl", &apply, &object).map(drop)
}

/// Does what a run says. Where that fails, the configuration is made as it was before, for those who come after.
async fn mended(
    scene: &Scene,
    before: &MutatingWebhookConfiguration,
    told: Result<String>,
    way: Way,
) -> Result<()> {
    let mended = told.and_then(|told| carry_out(scene, &told, way));
    if mended.is_err() {
        // It may be gone already.
        let _ = take_away::<MutatingWebhookConfiguration>(&scene.client).await;
        put_back(&scene.client, before).await?;
    }
    mended
}

/// Lets objects through that nobody has made harmless, those of one namespace in any case. An upgrade does not take away
/// what somebody added.
async fn weaken(client: &Client) -> Result<()> {
    let spared = json!({ "name": "not-in-mine", "expression": "request.namespace != 'mine'" });
    let weaker = json!({ "name": NEUTRALISE, "failurePolicy": "Ignore", "matchConditions": [spared] });
    let weaker = Patch::Strategic(json!({ "webhooks": [weaker] }));
    Api::<MutatingWebhookConfiguration>::all(client.clone())
        .patch(RELEASE, &PatchParams::default(), &weaker)
        .await?;
    Ok(())
}

#[tokio::test]
async fn whoever_does_what_is_said_of_weakened_webhooks_has_runs_go_on() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "remedy").await?;
    let tested = checked(&namespace, &name);

    // The validating ones are there, and asked: the operator writes what is wrong past its own guard.
    let tests = &["missing"];
    let before = take_away::<MutatingWebhookConfiguration>(&client).await?;
    let wrong = format!("MutatingWebhookConfiguration {RELEASE} does not exist; ");
    let told = wait_in_the_queue(&client, &namespace, tests, &tested, &wrong).await;
    mended(&scene, &before, told, Way::Second).await?;
    pass(&client, &namespace, tests).await?;

    // Here the other way, which has it belong to Helm again.
    let tests = &["weakened"];
    let before = as_it_is::<MutatingWebhookConfiguration>(&client).await?;
    weaken(&client).await?;
    let wrong = format!(
        "MutatingWebhookConfiguration {RELEASE}, webhook {NEUTRALISE}: its failurePolicy is Ignore, not Fail; "
    );
    let told = wait_in_the_queue(&client, &namespace, tests, &tested, &wrong).await;
    mended(&scene, &before, told, Way::First).await?;
    pass(&client, &namespace, tests).await?;
    answers(&client, &namespace).await?;
    delete_backup(&client, &name).await
}
