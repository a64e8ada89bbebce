//! The fences that the API server keeps by itself: each rule with writes it lets through and writes it refuses, made
//! with real tokens on a real API server. No webhook and no operator takes part.

mod helm;

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use helm::{NAMESPACE, pipe, rendered, template};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{AttachParams, DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Request,
};
use kymaros_testbed::{lone::ApiServer, scene::apply};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the writes meet.
const WORLD: &str = include_str!("policies/world.yaml");
/// Kinds of other products in it.
const KINDS: &str = include_str!("policies/kinds.yaml");
/// The writes, and what is said to them.
const WRITES: &str = include_str!("policies/writes.yaml");
/// How long the API server may take until it knows of a new policy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who tries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Who {
    Operator,
    Velero,
    Person,
}

/// What is done; the text is where.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Create(String),
    Change(String),
    ChangeStatus(String),
    Delete(String),
    DeleteAll(String),
    Exec(String),
    Forward(String),
    Restore(Value),
}

/// One try to write. Nothing is ever written: all of them are dry runs.
#[derive(Debug, Deserialize)]
struct Write {
    by: Who,
    #[serde(flatten)]
    what: What,
    #[serde(default)]
    object: Value,
    /// A part of the refusal; without it the write is let through.
    refused: Option<String>,
}

/// The Restore that a run makes; `change` goes into its spec.
fn restore(change: &Value) -> Value {
    let mut restore = json!({
        "apiVersion": "velero.io/v1", "kind": "Restore",
        "metadata": {
            "name": "kymaros-0123abcd-7",
            "labels": { "kymaros.io/managed-by": "kymaros", "kymaros.io/run-uid": "one" },
        },
        "spec": {
            "backupName": "nightly", "includedNamespaces": ["production"],
            "namespaceMapping": { "production": "sandbox" }, "existingResourcePolicy": "none",
            "preserveNodePorts": false,
        },
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        restore["spec"][key] = value.clone();
    }
    restore
}

impl Write {
    /// What the API server says to it; `None` when it lets it through.
    async fn answer(&self, client: &Client) -> Result<Option<String>> {
        let post = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let change = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let delete = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        let merge = Patch::Merge(&self.object);
        let split = |path: &str| -> Result<(Request, String)> {
            let (folder, name) = path.rsplit_once('/').context("a path without a name")?;
            Ok((Request::new(folder), name.to_owned()))
        };
        let request = match &self.what {
            What::Create(path) => Request::new(path).create(&post, self.object.to_string().into_bytes())?,
            What::Restore(with) => {
                let path = "/apis/velero.io/v1/namespaces/velero/restores";
                Request::new(path).create(&post, restore(with).to_string().into_bytes())?
            }
            What::Change(path) => split(path).and_then(|(at, name)| Ok(at.patch(&name, &change, &merge)?))?,
            What::ChangeStatus(path) => split(path)
                .and_then(|(at, name)| Ok(at.patch_subresource("status", &name, &change, &merge)?))?,
            What::Delete(path) => split(path).and_then(|(at, name)| Ok(at.delete(&name, &delete)?))?,
            What::DeleteAll(path) => Request::new(path).delete_collection(&delete, &ListParams::default())?,
            What::Exec(path) => Request::new(path).exec("p", ["true"], &AttachParams::default())?,
            What::Forward(path) => Request::new(path).portforward("p", &[80])?,
        };
        match client.request::<Value>(request).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Some(status.message.clone())),
            // There is no pod, and no node to run one: admission comes before that is noticed.
            Err(_) if matches!(self.what, What::Exec(_) | What::Forward(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries until it is refused with these words: the API server learns of a policy a moment after it was made.
    async fn refusal(&self, client: &Client, says: &str) -> Result<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let said = self.answer(client).await?;
            if let Some(said) = said.as_ref().filter(|said| said.contains(says)) {
                return Ok(said.clone());
            }
            if tokio::time::Instant::now() >= deadline {
                bail!("is not refused with {says:?}, but {said:?}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A client with a real token of a service account.
async fn account(server: &ApiServer, admin: &Client, namespace: &str, name: &str) -> Result<Client> {
    let accounts = Api::<ServiceAccount>::namespaced(admin.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec::default(),
        ..TokenRequest::default()
    };
    let issued = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await?;
    server.client_with(&issued.status.context("no token")?.token)
}

/// The world, and then the policies: they would not let a person make a sandbox.
async fn install(server: &ApiServer, admin: &Client) -> Result<()> {
    let cluster = server.cluster();
    let velero = cluster.run(
        "velero",
        &["install", "--crds-only", "--dry-run", "--output", "yaml"],
    )?;
    let apply_all = ["apply", "--server-side", "--filename", "-"];
    pipe(&cluster, "kubectl", &apply_all, &velero)?;
    pipe(&cluster, "kubectl", &apply_all, &kymaros_crds::generate::yaml())?;
    pipe(&cluster, "kubectl", &apply_all, KINDS)?;
    cluster.kubectl(&[
        "wait",
        "--for=condition=Established",
        "customresourcedefinitions",
        "--all",
    ])?;
    apply(admin, "default", WORLD).await?;
    for going in ["going", "going-production"] {
        let namespaces = Api::<Namespace>::all(admin.clone());
        namespaces.delete(going, &DeleteParams::default()).await?;
    }
    for file in ["guard", "contain", "fence"] {
        let policies = template(&["--show-only", &format!("templates/policy-{file}.yaml")])?;
        pipe(&cluster, "kubectl", &apply_all, &policies)?;
    }
    Ok(())
}

/// The `kube-apiserver` of another version, on which `cargo xtask compatibility` tries the fences.
const OTHER_VERSION: &str = "KYMAROS_API_SERVER";

#[tokio::test]
async fn each_fence_refuses_what_it_must_and_nothing_else() -> Result<()> {
    let server = match std::env::var_os(OTHER_VERSION) {
        Some(program) => ApiServer::start_program(Path::new(&program)).await?,
        None => ApiServer::start().await?,
    };
    let admin = server.client().await?;
    install(&server, &admin).await?;
    let clients = BTreeMap::from([
        (
            Who::Operator,
            account(&server, &admin, NAMESPACE, "kymaros").await?,
        ),
        (Who::Velero, account(&server, &admin, "velero", "velero").await?),
        (Who::Person, admin),
    ]);
    let writes: Vec<Write> = serde_saphyr::from_str(WRITES)?;
    let (to_refuse, to_allow): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(|w| w.refused.is_some());
    let (mut wrong, mut refusals) = (Vec::new(), String::new());
    for write in to_refuse {
        let says = write.refused.as_deref().unwrap_or_default();
        match write.refusal(&clients[&write.by], says).await {
            Ok(said) => refusals += &said,
            Err(error) => wrong.push(format!("{write:?}: {error}")),
        }
    }
    // By now every policy is known.
    for write in to_allow {
        match write.answer(&clients[&write.by]).await {
            Ok(None) => {}
            answer => wrong.push(format!("{write:?}: should be let through: {answer:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} writes:\n{}",
        wrong.len(),
        writes.len(),
        wrong.join("\n")
    );
    for policy in rendered(&[])?
        .iter()
        .filter(|o| o["kind"] == "ValidatingAdmissionPolicy")
    {
        let name = policy["metadata"]["name"]
            .as_str()
            .context("a policy without a name")?;
        assert!(
            refusals.contains(&format!("'{name}'")),
            "no write here is refused by {name}"
        );
    }
    Ok(())
}
