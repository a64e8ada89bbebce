//! The fences that the API server keeps by itself: each rule with a write it lets through and writes it refuses, made
//! with real tokens on a real API server. No webhook and no operator takes part.

mod helm;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use helm::{NAMESPACE, pipe, rendered, template};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client,
    api::{AttachParams, DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Request,
};
use kymaros_testbed::{lone::ApiServer, scene::apply};
use serde_json::{Value, json};

/// The world that the writes meet.
const WORLD: &str = include_str!("policies/world.yaml");
/// How long the API server may take until it knows of a new policy.
const PATIENCE: Duration = Duration::from_secs(30);

/// One try to write. Nothing is ever written: all of them are dry runs.
enum Write {
    Create(&'static str, Value),
    Patch(&'static str, &'static str, Value),
    PatchStatus(&'static str, &'static str, Value),
    Delete(&'static str, &'static str),
    DeleteAll(&'static str),
    Exec(&'static str),
    Forward(&'static str),
}

use Write::{Create, Delete, DeleteAll, Exec, Forward, Patch as Change, PatchStatus};

/// Who tries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Operator,
    Velero,
    Person,
}

const OWN: &str = "/api/v1/namespaces/kymaros-system";
const SANDBOX: &str = "/api/v1/namespaces/sandbox";
const PRODUCTION: &str = "/api/v1/namespaces/production";
const NAMESPACES: &str = "/api/v1/namespaces";
const VOLUMES: &str = "/api/v1/persistentvolumes";
const RESTORES: &str = "/apis/velero.io/v1/namespaces/velero/restores";
const DOWNLOADS: &str = "/apis/velero.io/v1/namespaces/velero/downloadrequests";
const MOVERS: &str = "/apis/velero.io/v1/namespaces/velero/podvolumerestores";
const TESTS: &str = "/apis/restore.kymaros.io/v1alpha1/namespaces/production/restoretests";
const REPORTS: &str = "/apis/restore.kymaros.io/v1alpha1/namespaces/production/restorereports";
const MAPS: [&str; 2] = [
    "/api/v1/namespaces/sandbox/configmaps",
    "/api/v1/namespaces/production/configmaps",
];

fn config_map(labels: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new", "labels": labels } })
}

fn namespace(labels: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "new", "labels": labels } })
}

fn marks() -> Value {
    json!({ "kymaros.io/managed-by": "kymaros", "kymaros.io/run-uid": "one" })
}

fn of_restore(name: &str) -> Value {
    json!({ "velero.io/restore-name": name })
}

fn secret(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } })
}

fn lease(name: &str) -> Value {
    json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name } })
}

/// The Restore that a run makes; `change` goes into its spec.
fn restore(change: Value) -> Value {
    let mut spec = json!({
        "backupName": "nightly", "includedNamespaces": ["production"],
        "namespaceMapping": { "production": "sandbox" }, "existingResourcePolicy": "none",
        "preserveNodePorts": false,
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "velero.io/v1", "kind": "Restore",
        "metadata": { "name": "kymaros-0123abcd-7", "labels": marks() }, "spec": spec,
    })
}

fn download(labels: Value) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "DownloadRequest", "metadata": { "name": "new", "labels": labels },
        "spec": { "target": { "kind": "BackupLog", "name": "nightly" } },
    })
}

fn event() -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "new" }, "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "kymaros", "reportingInstance": "one",
        "action": "Run", "reason": "Queued",
        "regarding": { "kind": "ConfigMap", "namespace": "production", "name": "there" },
    })
}

fn release(policy: &str) -> Value {
    json!({ "spec": { "persistentVolumeReclaimPolicy": policy } })
}

/// What must be let through.
fn allowed() -> Vec<(Who, Write)> {
    use Who::{Operator, Person, Velero};
    vec![
        // guard: sandboxes, and what the operator needs outside of them.
        (Operator, Create(MAPS[0], config_map(json!({})))),
        (
            Operator,
            Change(MAPS[0], "there", json!({ "data": { "a": "b" } })),
        ),
        (Operator, DeleteAll(MAPS[0])),
        (Operator, Exec(SANDBOX)),
        (Operator, Forward(SANDBOX)),
        (
            Operator,
            Create("/apis/events.k8s.io/v1/namespaces/production/events", event()),
        ),
        (
            Operator,
            Create(
                "/apis/coordination.k8s.io/v1/namespaces/kymaros-system/leases",
                lease("kymaros-leader"),
            ),
        ),
        (
            Operator,
            Change(
                "/api/v1/namespaces/kymaros-system/secrets",
                "kymaros-webhook-certificate",
                json!({ "data": { "ca.crt": "YQ==" } }),
            ),
        ),
        (
            Operator,
            Change(
                TESTS,
                "there",
                json!({ "metadata": { "finalizers": ["kymaros.io/sandbox-cleanup"] } }),
            ),
        ),
        (
            Operator,
            PatchStatus(TESTS, "there", json!({ "status": { "phase": "Idle" } })),
        ),
        (
            Operator,
            Change(REPORTS, "there", json!({ "metadata": { "finalizers": null } })),
        ),
        (
            Operator,
            PatchStatus(REPORTS, "there", json!({ "status": { "phase": "Queued" } })),
        ),
        (Operator, Delete(REPORTS, "there")),
        (
            Operator,
            Create(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" }),
            ),
        ),
        // guard-namespaces
        (Operator, Create(NAMESPACES, namespace(marks()))),
        (Operator, Delete(NAMESPACES, "sandbox")),
        // guard-restores, guard-velero
        (Operator, Create(RESTORES, restore(json!({})))),
        (
            Operator,
            Create(RESTORES, restore(json!({ "hooks": { "resources": [] } }))),
        ),
        (Operator, Delete(RESTORES, "kymaros-0123abcd-0")),
        (Operator, Create(DOWNLOADS, download(marks()))),
        (
            Operator,
            Change(MOVERS, "ours", json!({ "spec": { "cancel": true } })),
        ),
        // guard-volumes
        (Operator, Change(VOLUMES, "of-sandbox", release("Delete"))),
        // contain
        (
            Velero,
            Create(MAPS[0], config_map(of_restore("kymaros-0123abcd-0"))),
        ),
        (
            Velero,
            Create(MAPS[1], config_map(of_restore("kymaros-restore-of-a-person"))),
        ),
        (Velero, Create(MAPS[1], config_map(of_restore("nightly")))),
        (Velero, Create(VOLUMES, volume(of_restore("kymaros-0123abcd-0")))),
        (Velero, Create(MOVERS, mover(of_restore("kymaros-0123abcd-0")))),
        (
            Person,
            Change(MAPS[1], "labelled", json!({ "data": { "a": "b" } })),
        ),
        // fence
        (Person, Create(NAMESPACES, namespace(json!({ "team": "shop" })))),
        (
            Person,
            Change(
                NAMESPACES,
                "sandbox",
                json!({ "metadata": { "labels": { "team": "shop" } } }),
            ),
        ),
        (
            Person,
            Change(
                NAMESPACES,
                "sandbox",
                json!({ "metadata": { "labels": { "kymaros.io/run-uid": null } } }),
            ),
        ),
        (Person, Delete(NAMESPACES, "production")),
    ]
}

fn volume(labels: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "new", "labels": labels },
        "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                  "csi": { "driver": "example.com", "volumeHandle": "new" } },
    })
}

fn mover(labels: Value) -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "PodVolumeRestore", "metadata": { "name": "new", "labels": labels },
        "spec": { "backupStorageLocation": "default", "pod": {}, "repoIdentifier": "r", "snapshotID": "s",
                  "sourceNamespace": "production", "volume": "data" },
    })
}

/// What must be refused, and a part of what is said.
fn refused() -> Vec<(Who, Write, &'static str)> {
    use Who::{Operator, Person, Velero};
    let not_here = "Kymaros writes in sandboxes and not here";
    let mut all = vec![
        // guard
        (
            Operator,
            Create(MAPS[1], config_map(json!({}))),
            "CREATE of /configmaps new in namespace production",
        ),
        (
            Operator,
            Change(MAPS[1], "there", json!({ "data": { "a": "b" } })),
            "UPDATE of /configmaps",
        ),
        (Operator, Delete(MAPS[1], "there"), "DELETE of /configmaps"),
        (Operator, DeleteAll(MAPS[1]), not_here),
        (Operator, Exec(PRODUCTION), "CONNECT of /pods/exec"),
        (Operator, Forward(PRODUCTION), "CONNECT of /pods/portforward"),
        (Operator, Exec(OWN), not_here),
        (
            Operator,
            Create(
                "/apis/coordination.k8s.io/v1/namespaces/kymaros-system/leases",
                lease("other"),
            ),
            not_here,
        ),
        (
            Operator,
            Create(
                "/apis/coordination.k8s.io/v1/namespaces/production/leases",
                lease("kymaros-leader"),
            ),
            not_here,
        ),
        (
            Operator,
            Create("/api/v1/namespaces/kymaros-system/secrets", secret("other")),
            not_here,
        ),
        (
            Operator,
            Create(
                "/api/v1/namespaces/production/secrets",
                secret("kymaros-webhook-certificate"),
            ),
            not_here,
        ),
        (
            Operator,
            Delete(
                "/api/v1/namespaces/kymaros-system/secrets",
                "kymaros-webhook-certificate",
            ),
            not_here,
        ),
        (
            Operator,
            Create(
                "/api/v1/namespaces/production/serviceaccounts/powerful/token",
                json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": [] } }),
            ),
            "CREATE of /serviceaccounts/token",
        ),
        (Operator, Create(TESTS, test()), not_here),
        (Operator, Delete(TESTS, "there"), not_here),
        (
            Operator,
            Create(
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "new" } }),
            ),
            "CREATE of rbac.authorization.k8s.io/clusterroles new",
        ),
        (Operator, Create(VOLUMES, volume(json!({}))), not_here),
        (Operator, Delete(VOLUMES, "of-sandbox"), not_here),
        (
            Operator,
            PatchStatus(NAMESPACES, "sandbox", json!({ "status": { "phase": "Active" } })),
            not_here,
        ),
        (
            Operator,
            Create(
                "/apis/velero.io/v1/namespaces/velero/backups",
                json!({
                "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": { "name": "new" } }),
            ),
            not_here,
        ),
        // guard-namespaces
        (
            Operator,
            Create(NAMESPACES, namespace(json!({}))),
            "no labels of a sandbox",
        ),
        (
            Operator,
            Create(NAMESPACES, namespace(json!({ "kymaros.io/run-uid": "one" }))),
            "no labels of a sandbox",
        ),
        (
            Operator,
            Create(
                NAMESPACES,
                namespace(json!({ "kymaros.io/run-uid": "one", "kymaros.io/managed-by": "me" })),
            ),
            "no labels of a sandbox",
        ),
        (
            Operator,
            Change(
                NAMESPACES,
                "sandbox",
                json!({ "metadata": { "labels": { "a": "b" } } }),
            ),
            "changes no namespace",
        ),
        (
            Operator,
            Change(
                NAMESPACES,
                "production",
                json!({ "metadata": { "labels": marks() } }),
            ),
            "Kymaros",
        ),
        (
            Operator,
            Delete(NAMESPACES, "production"),
            "no labels of a sandbox",
        ),
        // guard-velero
        (
            Operator,
            Change(
                RESTORES,
                "kymaros-0123abcd-0",
                json!({ "spec": { "backupName": "other" } }),
            ),
            "changes none",
        ),
        (
            Operator,
            Delete(RESTORES, "of-a-person"),
            "carries the labels of its runs",
        ),
        (
            Operator,
            Create(DOWNLOADS, download(json!({}))),
            "carries the labels of its runs",
        ),
        (
            Operator,
            Change(MOVERS, "of-a-person", json!({ "spec": { "cancel": true } })),
            "of its own Restores",
        ),
        (
            Operator,
            Change(MOVERS, "ours", json!({ "spec": { "snapshotID": "other" } })),
            "and nothing else",
        ),
        (Operator, Delete(MOVERS, "ours"), "Kymaros"),
        // guard-volumes
        (
            Operator,
            Change(VOLUMES, "of-sandbox", release("Retain")),
            "sets the reclaim policy to Delete",
        ),
        (
            Operator,
            Change(VOLUMES, "of-production", release("Delete")),
            "belongs to none",
        ),
        (
            Operator,
            Change(VOLUMES, "of-nobody", release("Delete")),
            "belongs to none",
        ),
        // contain
        (
            Velero,
            Create(MAPS[1], config_map(of_restore("kymaros-0123abcd-0"))),
            "/configmaps in namespace production",
        ),
        (
            Velero,
            Change(
                MAPS[1],
                "there",
                json!({ "metadata": { "labels": of_restore("kymaros-0123abcd-0") } }),
            ),
            "outside of sandboxes",
        ),
        (
            Velero,
            Create(NAMESPACES, namespace(of_restore("kymaros-0123abcd-0"))),
            "outside of sandboxes: /namespaces",
        ),
        (
            Velero,
            Create(
                "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": { "name": "new", "labels": of_restore("kymaros-0123abcd-0") } }),
            ),
            "outside of sandboxes: rbac.authorization.k8s.io/clusterroles",
        ),
        // fence
        (
            Person,
            Create(NAMESPACES, namespace(marks())),
            "mark the sandboxes of Kymaros",
        ),
        (
            Person,
            Create(NAMESPACES, namespace(json!({ "kymaros.io/managed-by": "me" }))),
            "mark the sandboxes",
        ),
        (
            Person,
            Change(
                NAMESPACES,
                "production",
                json!({ "metadata": { "labels": marks() } }),
            ),
            "mark the sandboxes",
        ),
        (
            Person,
            Change(
                NAMESPACES,
                "sandbox",
                json!({ "metadata": { "labels": { "kymaros.io/run-uid": "two" } } }),
            ),
            "mark the sandboxes",
        ),
    ];
    // guard-restores
    let wrong = [
        (
            json!({ "includedNamespaces": null }),
            "names its namespaces one by one",
        ),
        (
            json!({ "includedNamespaces": [] }),
            "names its namespaces one by one",
        ),
        (
            json!({ "includedNamespaces": ["*"], "namespaceMapping": { "*": "sandbox" } }),
            "names its namespaces one by one",
        ),
        (
            json!({ "includedNamespaces": ["prod*"], "namespaceMapping": { "prod*": "sandbox" } }),
            "names its namespaces one by one",
        ),
        (json!({ "namespaceMapping": null }), "maps each of its namespaces"),
        (
            json!({ "includedNamespaces": ["production", "other"] }),
            "maps each of its namespaces",
        ),
        (
            json!({ "namespaceMapping": { "production": "production" } }),
            "maps each of its namespaces",
        ),
        (
            json!({ "includedNamespaces": ["production", "other"],
                    "namespaceMapping": { "production": "other", "other": "sandbox" } }),
            "maps each of its namespaces",
        ),
        (
            json!({ "namespaceMapping": { "production": "kube-system" } }),
            "no namespace of Kubernetes",
        ),
        (
            json!({ "namespaceMapping": { "production": "default" } }),
            "no namespace of Kubernetes",
        ),
        (
            json!({ "namespaceMapping": { "production": "velero" } }),
            "no namespace of Kubernetes",
        ),
        (
            json!({ "namespaceMapping": { "production": "kymaros-system" } }),
            "no namespace of Kubernetes",
        ),
        (
            json!({ "includeClusterResources": true }),
            "nothing back for the whole cluster",
        ),
        (json!({ "existingResourcePolicy": "update" }), "updates nothing"),
        (json!({ "preserveNodePorts": true }), "no node ports"),
        (
            json!({ "hooks": { "resources": [{ "name": "h" }] } }),
            "has no hooks",
        ),
    ];
    all.extend(
        wrong
            .into_iter()
            .map(|(change, says)| (Operator, Create(RESTORES, restore(change)), says)),
    );
    let mut unlabelled = restore(json!({}));
    unlabelled["metadata"]["labels"] = Value::Null;
    all.push((
        Operator,
        Create(RESTORES, unlabelled),
        "carries the labels of its runs",
    ));
    all
}

fn test() -> Value {
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "new" },
        "spec": { "schedule": { "cron": "@daily" },
                  "backupSource": { "provider": "velero", "namespaces": [{ "name": "production" }] } },
    })
}

impl Write {
    /// What the API server says to it; `None` when it lets it through.
    async fn try_by(&self, client: &Client) -> Result<Option<String>> {
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
        let bytes = |object: &Value| object.to_string().into_bytes();
        let request = match self {
            Create(path, object) => Request::new(*path).create(&post, bytes(object))?,
            Change(path, name, object) => Request::new(*path).patch(name, &change, &Patch::Merge(object))?,
            PatchStatus(path, name, object) => {
                Request::new(*path).patch_subresource("status", name, &change, &Patch::Merge(object))?
            }
            Delete(path, name) => Request::new(*path).delete(name, &delete)?,
            DeleteAll(path) => Request::new(*path).delete_collection(&delete, &ListParams::default())?,
            Exec(namespace) => {
                let exec = AttachParams::default().container("c");
                Request::new(format!("{namespace}/pods")).exec("p", ["true"], &exec)?
            }
            Forward(namespace) => Request::new(format!("{namespace}/pods")).portforward("p", &[80])?,
        };
        match client.request::<Value>(request).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Some(status.message.clone())),
            // There is no pod, and no node to run one: admission comes before that is noticed.
            Err(_) if matches!(self, Exec(_) | Forward(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn described(&self) -> String {
        match self {
            Create(path, object) => format!("create {path} {object}"),
            Change(path, name, object) => format!("change {path}/{name} {object}"),
            PatchStatus(path, name, object) => format!("change {path}/{name}/status {object}"),
            Delete(path, name) => format!("delete {path}/{name}"),
            DeleteAll(path) => format!("delete all {path}"),
            Exec(namespace) => format!("exec in {namespace}"),
            Forward(namespace) => format!("port-forward in {namespace}"),
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
    let serverside = ["apply", "--server-side", "--filename", "-"];
    pipe(&cluster, "kubectl", &serverside, &velero)?;
    pipe(&cluster, "kubectl", &serverside, &kymaros_crds::generate::yaml())?;
    cluster.kubectl(&[
        "wait",
        "--for=condition=Established",
        "customresourcedefinitions",
        "--all",
    ])?;
    apply(admin, "default", WORLD).await?;
    let mut policies = template(&["--show-only", "templates/policy-guard.yaml"])?;
    for file in ["templates/policy-contain.yaml", "templates/policy-fence.yaml"] {
        policies += &template(&["--show-only", file])?;
    }
    pipe(&cluster, "kubectl", &serverside, &policies)?;
    Ok(())
}

/// Tries until it is refused: the API server learns of a policy a moment after it was made.
async fn is_refused(write: &Write, client: &Client, says: &str) -> Result<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let said = write.try_by(client).await?;
        if let Some(said) = said.as_ref().filter(|said| said.contains(says)) {
            return Ok(said.clone());
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("is not refused with {says:?}, but {said:?}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn each_fence_refuses_what_it_must_and_nothing_else() -> Result<()> {
    let server = ApiServer::start().await?;
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
    let (mut wrong, mut refusals) = (Vec::new(), String::new());
    for (who, write, says) in refused() {
        match is_refused(&write, &clients[&who], says).await {
            Ok(said) => refusals += &said,
            Err(error) => wrong.push(format!("{who:?}: {}: {error}", write.described())),
        }
    }
    for (who, write) in allowed() {
        match write.try_by(&clients[&who]).await {
            Ok(None) => {}
            answer => wrong.push(format!(
                "{who:?}: {}: should be let through: {answer:?}",
                write.described()
            )),
        }
    }
    assert!(wrong.is_empty(), "{} writes:\n{}", wrong.len(), wrong.join("\n"));
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
