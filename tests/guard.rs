//! The operator's own account, with every right in the cluster, tries to write everything everywhere: nothing lands.
//!
//! Rights are given on purpose, so that what refuses is the guard and not the lack of rights. Every attempt is a dry
//! run: the API server asks admission as always, and stores nothing even if a fence had a hole.

mod story;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::{SelfSubjectAccessReview, SubjectAccessReview},
    core::v1::ServiceAccount,
    rbac::v1::ClusterRoleBinding,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::Request,
    discovery::{ApiCapabilities, ApiResource, Discovery, Scope, verbs},
};
use kymaros_crds::{RestoreTest, names};
use kymaros_testbed::scene::{Scene, delete_backup, unique};
use serde_json::json;
use story::{gone, run, small, spec};

const NAMESPACE: &str = "kymaros-system";
const ACCOUNT: &str = "kymaros";
/// How long the API server may take until it knows of a right.
const PATIENCE: Duration = Duration::from_secs(30);
/// Subresources that are no objects; see [`tunnels`].
const TUNNELS: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// A fence of ours said no.
    Refused,
    /// The API server said no for a reason of its own, such as an object that is not valid.
    NotPossible,
    /// It would have been stored.
    Landed,
}

fn outcome<T>(result: Result<T, kube::Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Landed,
        Err(kube::Error::Api(status)) if status.is_forbidden() && is_by_a_fence(&status.message) => {
            Outcome::Refused
        }
        Err(_) => Outcome::NotPossible,
    }
}

/// A refusal by RBAC has the operator's name in it, too.
fn is_by_a_fence(refusal: &str) -> bool {
    refusal.contains(".kymaros.io\" denied the request")
        || refusal.contains("ValidatingAdmissionPolicy 'kymaros")
}

#[test]
fn only_a_fence_is_taken_for_a_fence() {
    assert!(is_by_a_fence(
        "admission webhook \"guard.kymaros.io\" denied the request: CREATE of pods"
    ));
    assert!(is_by_a_fence(
        "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'kymaros-guard' with binding 'kymaros-guard' denied request"
    ));
    assert!(!is_by_a_fence(
        "pods is forbidden: User \"system:serviceaccount:kymaros-system:kymaros\" cannot create resource \"pods\""
    ));
    assert!(!is_by_a_fence(
        "admission webhook \"guard.example.com\" denied the request: kymaros"
    ));
}

/// Where something is tried.
#[derive(Clone)]
enum Place {
    /// In no namespace.
    Cluster,
    /// Where nothing of a run belongs.
    Outside(String),
    /// The sandbox of a run that has ended: it is only taken away.
    Ended(String),
}

impl Place {
    fn namespace(&self) -> Option<&str> {
        match self {
            Self::Cluster => None,
            Self::Outside(namespace) | Self::Ended(namespace) => Some(namespace),
        }
    }
}

/// One attempt, and what became of it.
#[derive(Clone)]
struct Tried {
    what: String,
    outcome: Outcome,
    /// The operator is meant to be able to do it anywhere.
    is_its_business: bool,
}

impl Tried {
    fn lands_outside(&self) -> bool {
        self.outcome == Outcome::Landed && !self.is_its_business
    }
}

/// Kinds that the operator is meant to write anywhere; each is fenced by what it may say. Reviews are never stored.
fn is_its_business(group: &str, resource: &str, subresource: &str) -> bool {
    matches!(
        (group, resource, subresource),
        ("" | "events.k8s.io", "events", "")
            | (names::GROUP, "restorereports", "" | "status")
            | (names::GROUP, "restoretests", "status")
            | ("authorization.k8s.io" | "authentication.k8s.io", _, "")
    )
}

#[test]
fn reviews_are_its_business_and_roles_are_not() {
    assert!(is_its_business(
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        ""
    ));
    assert!(!is_its_business("rbac.authorization.k8s.io", "roles", ""));
    assert!(!is_its_business("apps", "events", ""));
}

fn is_going(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

/// A client with the operator's own token.
async fn as_operator(scene: &Scene) -> Result<Client> {
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), NAMESPACE);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(ACCOUNT, &PostParams::default(), &request)
        .await?;
    let token = made.status.context("no token")?.token;
    let kubeconfig = Kubeconfig::read_from(&scene.cluster.kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info = kube::config::AuthInfo {
        token: Some(token.into()),
        ..kube::config::AuthInfo::default()
    };
    Ok(Client::try_from(config)?)
}

/// Every right, for as long as this lives.
struct EveryRight {
    api: Api<ClusterRoleBinding>,
    name: String,
}

impl EveryRight {
    /// Gives it and waits until the API server knows of it: what RBAC refuses says nothing about a fence.
    async fn give(client: &Client, operator: &Client) -> Result<Self> {
        let name = unique("kymaros-test-every-right");
        let api = Api::<ClusterRoleBinding>::all(client.clone());
        let binding = serde_json::from_value(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
        }))?;
        api.create(&PostParams::default(), &binding).await?;
        let given = Self { api, name };
        if let Err(error) = Self::is_known(operator).await {
            given.take_back().await?;
            return Err(error);
        }
        Ok(given)
    }

    async fn is_known(operator: &Client) -> Result<()> {
        let review: SelfSubjectAccessReview = serde_json::from_value(json!({
            "spec": { "resourceAttributes": { "verb": "*", "group": "*", "resource": "*" } },
        }))?;
        let reviews = Api::<SelfSubjectAccessReview>::all(operator.clone());
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answered = reviews.create(&PostParams::default(), &review).await?;
            if answered.status.is_some_and(|status| status.allowed) {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the operator's account did not get every right"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn take_back(self) -> Result<()> {
        self.api.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }
}

/// One kind in one place.
struct Attempt {
    resource: ApiResource,
    /// What is below its objects, with what can be done to it.
    subresources: Vec<(ApiResource, ApiCapabilities)>,
    place: Place,
}

impl Attempt {
    fn api(&self, client: &Client) -> Api<DynamicObject> {
        match self.place.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }

    /// What the operator may write: its own Lease and certificate, and what it made for the run of another test.
    fn is_own(&self, object: &DynamicObject) -> bool {
        let own = ["kymaros-leader", "kymaros-webhook-certificate"];
        let is_named = object
            .metadata
            .name
            .as_deref()
            .is_some_and(|name| own.contains(&name));
        let is_of_a_run = object.labels().contains_key(names::RUN_UID_LABEL);
        let is_ended = matches!(self.place, Place::Ended(_));
        (is_of_a_run && !is_ended) || (is_named && self.place.namespace() == Some(NAMESPACE))
    }

    /// What became of doing this to an object, or to what is below it.
    fn tried(&self, verb: &str, subresource: &str, outcome: Outcome) -> Tried {
        let (group, plural) = (&self.resource.group, &self.resource.plural);
        let below = if subresource.is_empty() { "" } else { "/" };
        let place = self.place.namespace().unwrap_or("the cluster");
        let takes_away = verb.starts_with("delete") && matches!(self.place, Place::Ended(_));
        Tried {
            what: format!("{verb} {plural}.{group}{below}{subresource} in {place}"),
            outcome,
            is_its_business: takes_away || is_its_business(group, plural, subresource),
        }
    }

    /// Every write to what is below an object.
    async fn try_below(&self, operator: &Client, object: &DynamicObject) -> Result<Vec<Tried>, kube::Error> {
        let request = Request::new(self.api(operator).resource_url());
        let name = object.name_any();
        let name = name.as_str();
        let create = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let patch = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let change = Patch::Merge(json!({ "metadata": { "annotations": { "kymaros.test/tried": "true" } } }));
        let mut tried = Vec::new();
        for (kind, can) in &self.subresources {
            let below = kind.plural.as_str();
            if TUNNELS.contains(&below) {
                continue;
            }
            if can.supports_operation(verbs::PATCH) {
                let asked = request
                    .patch_subresource(below, name, &patch, &change)
                    .map_err(kube::Error::BuildRequest)?;
                let result = operator.request_text(asked).await;
                tried.push(self.tried(&format!("patch \"{name}\""), below, outcome(result)));
            }
            if can.supports_operation(verbs::UPDATE) {
                let whole = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
                let asked = request
                    .replace_subresource(below, name, &create, whole)
                    .map_err(kube::Error::BuildRequest)?;
                let result = operator.request_text(asked).await;
                tried.push(self.tried(&format!("update \"{name}\""), below, outcome(result)));
            }
            if can.supports_operation(verbs::CREATE) {
                // Without a kind it is taken for the one that belongs here.
                let object = json!({
                    "metadata": { "name": name, "namespace": self.place.namespace() },
                    "target": { "kind": "Node", "name": name },
                });
                let asked = request
                    .create_subresource(below, name, &create, object.to_string().into_bytes())
                    .map_err(kube::Error::BuildRequest)?;
                let result = operator.request_text(asked).await;
                tried.push(self.tried(&format!("create \"{name}\""), below, outcome(result)));
            }
        }
        Ok(tried)
    }

    /// Every write of this kind here, each with what became of it.
    async fn try_all(&self, admin: &Client, operator: &Client) -> Result<Vec<Tried>, kube::Error> {
        let api = self.api(operator);
        // The API server deletes nothing twice, and does not ask about what is going already.
        let existing = self.api(admin).list(&ListParams::default()).await;
        let stays = |object: &DynamicObject| !is_going(object) && !self.is_own(object);
        let existing = existing.ok().and_then(|list| list.items.into_iter().find(stays));
        let mut tried = Vec::new();
        let create = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let result = api.create(&create, &self.new_object(existing.as_ref())).await;
        tried.push(self.tried("create", "", outcome(result)));
        let apply = PatchParams {
            dry_run: true,
            ..PatchParams::apply("kymaros-test").force()
        };
        let fresh = self.new_object(None);
        let name = fresh.metadata.name.clone().unwrap_or_default();
        let result = api.patch(&name, &apply, &Patch::Apply(&fresh)).await;
        tried.push(self.tried("apply", "", outcome(result)));
        if let Some(existing) = existing {
            let name = existing.name_any();
            let patch = PatchParams {
                dry_run: true,
                ..PatchParams::default()
            };
            let change =
                Patch::Merge(json!({ "metadata": { "annotations": { "kymaros.test/tried": "true" } } }));
            let result = api.patch(&name, &patch, &change).await;
            tried.push(self.tried(&format!("patch \"{name}\""), "", outcome(result)));
            // What others change meanwhile is no reason to say no.
            let mut whole = existing.clone();
            whole.metadata.resource_version = None;
            whole
                .annotations_mut()
                .insert("kymaros.test/tried".to_owned(), "true".to_owned());
            let result = api.replace(&name, &create, &whole).await;
            tried.push(self.tried(&format!("update \"{name}\""), "", outcome(result)));
            tried.extend(self.try_below(operator, &whole).await?);
            let delete = DeleteParams {
                dry_run: true,
                ..DeleteParams::default()
            };
            let result = api.delete(&name, &delete).await;
            tried.push(self.tried(&format!("delete \"{name}\""), "", outcome(result)));
            let this = ListParams::default().fields(&format!("metadata.name={name}"));
            let all = api.delete_collection(&delete, &this).await;
            // Of a collection it lists what there is and asks about each; maybe there was nothing left to ask about.
            let listed = all.as_ref().ok().and_then(|all| all.as_ref().left());
            let nobody_was_asked = listed.is_some_and(|list| list.items.iter().all(is_going));
            let outcome = if nobody_was_asked {
                Outcome::NotPossible
            } else {
                outcome(all)
            };
            tried.push(self.tried(&format!("delete all (\"{name}\")"), "", outcome));
        }
        Ok(tried)
    }

    /// What another test removes in this very moment may go through unasked: a hole in a fence is there a second time.
    async fn try_twice(&self, admin: &Client, operator: &Client) -> Result<Vec<Tried>, kube::Error> {
        let tried = self.try_all(admin, operator).await?;
        let landed: Vec<&str> = tried
            .iter()
            .filter(|t| t.lands_outside())
            .map(|t| t.what.as_str())
            .collect();
        if landed.is_empty() {
            return Ok(tried);
        }
        println!("landed, and tried again: {}", landed.join(", "));
        self.try_all(admin, operator).await
    }

    /// An object of this kind that the API server would take, as far as one can know: a copy of an existing one.
    fn new_object(&self, like: Option<&DynamicObject>) -> DynamicObject {
        let mut object = DynamicObject::new(&unique("tried"), &self.resource);
        object.metadata.namespace = self.place.namespace().map(str::to_owned);
        if let Some(like) = like {
            object.data = like.data.clone();
            object.metadata.labels.clone_from(&like.metadata.labels);
        }
        object
    }
}

/// Nobody's admission is asked about policies and their bindings: what keeps the operator from them is that it has no
/// right to them, which is looked at apart.
fn is_beyond_admission(resource: &ApiResource) -> bool {
    resource.group == "admissionregistration.k8s.io" && resource.plural.contains("admissionpolic")
}

/// Whether the operator itself, without rights given by a test, may do this in the whole cluster.
async fn may(client: &Client, verb: &str, group: &str, resource: &str) -> Result<bool> {
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "spec": { "user": format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"),
                  "resourceAttributes": { "verb": verb, "group": group, "resource": resource } },
    }))?;
    let answered = Api::<SubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok(answered.status.is_some_and(|status| status.allowed))
}

/// Whoever can change the fences is not held by them.
async fn the_fences_themselves_are_beyond_its_rights(client: &Client) -> Result<()> {
    let fences = [
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        (
            "admissionregistration.k8s.io",
            "validatingadmissionpolicybindings",
        ),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ];
    for (group, resource) in fences {
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert!(!may(client, verb, group, resource).await?, "{verb} {resource}");
        }
    }
    assert!(
        may(client, "create", "", "namespaces").await?,
        "or this test proves nothing"
    );
    Ok(())
}

#[tokio::test]
async fn nothing_that_the_operator_writes_lands_outside_of_sandboxes() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (production, backup) = small(&mut scene, "production").await?;
    let ended = kept_sandbox(&scene, &production, &backup).await?;
    let operator = as_operator(&scene).await?;
    the_fences_themselves_are_beyond_its_rights(&scene.client).await?;

    let discovery = Discovery::new(scene.client.clone()).run_aggregated().await?;
    let attempts: Vec<Attempt> = discovery
        .groups()
        .flat_map(|group| group.versioned_resources(group.preferred_version_or_latest()))
        .filter(|(_, can)| can.supports_operation(verbs::CREATE) || can.supports_operation(verbs::PATCH))
        .filter(|(resource, _)| !is_beyond_admission(resource))
        .flat_map(|(resource, can)| {
            let places = match can.scope {
                Scope::Cluster => vec![Place::Cluster],
                Scope::Namespaced => [production.as_str(), "kube-system", "velero", NAMESPACE, "default"]
                    .into_iter()
                    .map(|namespace| Place::Outside(namespace.to_owned()))
                    .chain([Place::Ended(ended.clone())])
                    .collect(),
            };
            places.into_iter().map(move |place| Attempt {
                resource: resource.clone(),
                subresources: can.subresources.clone(),
                place,
            })
        })
        .collect();
    let (admin, client) = (&scene.client, &operator);
    let rights = EveryRight::give(admin, client).await?;
    let tried: Result<Vec<Vec<Tried>>, kube::Error> = stream::iter(&attempts)
        .map(|attempt| attempt.try_twice(admin, client))
        .buffer_unordered(8)
        .try_collect()
        .await;
    let outside = tunnels(&operator, &scene, &production).await;
    let inside = tunnels(&operator, &scene, &ended).await;
    rights.take_back().await?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &production);
    tests.delete("kept", &DeleteParams::default()).await?;
    gone(tests, "kept").await?;
    delete_backup(&scene.client, &backup).await?;

    let (tried, tunnels) = (tried?, [outside?, inside?].concat());
    let all: Vec<&Tried> = tried.iter().flatten().chain(&tunnels).collect();
    let count = |wanted: Outcome| all.iter().filter(|tried| tried.outcome == wanted).count();
    println!(
        "{} writes tried on {} kinds and places: {} refused by a fence, {} not possible anyway, {} landed",
        all.len(),
        attempts.len(),
        count(Outcome::Refused),
        count(Outcome::NotPossible),
        count(Outcome::Landed),
    );
    let landed: Vec<&str> = all
        .iter()
        .filter(|tried| tried.lands_outside())
        .map(|tried| tried.what.as_str())
        .collect();
    assert_eq!(landed, Vec::<&str>::new(), "these writes would have landed");
    assert!(
        count(Outcome::Refused) > 300,
        "too little was really tried to prove anything"
    );
    Ok(())
}

/// A sandbox that stays after its run.
async fn kept_sandbox(scene: &Scene, production: &str, backup: &str) -> Result<String> {
    let never = json!({ "name": "never", "type": "httpGet", "required": true,
        "httpGet": { "service": "web", "port": 80, "path": "/absent", "expectedStatus": 200, "timeout": "2s" } });
    let kept = json!({ "timeout": "2m", "sandbox": { "ttl": "30m", "retention": "OnFailure" },
        "healthChecks": { "settle": "0s", "timeout": "1m", "checks": [never] } });
    let report = run(scene, production, "kept", spec(&[production], backup, kept)).await?;
    let sandboxes = report.status.unwrap_or_default().sandboxes;
    let sandbox = sandboxes.first().context("no sandbox")?;
    ensure!(sandbox.state.as_deref() == Some("Retained"), "{sandbox:?}");
    Ok(sandbox.name.clone())
}

/// Ways into running pods and nodes, which are not objects.
async fn tunnels(operator: &Client, scene: &Scene, production: &str) -> Result<Vec<Tried>> {
    use k8s_openapi::api::core::v1::{Node, Pod};
    let pods = Api::<Pod>::namespaced(scene.client.clone(), production);
    let pod = pods
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .next()
        .context("no pod")?;
    let pod = pod.metadata.name.unwrap_or_default();
    let nodes = Api::<Node>::all(scene.client.clone())
        .list(&ListParams::default())
        .await?;
    let node = nodes
        .items
        .into_iter()
        .next()
        .and_then(|n| n.metadata.name)
        .context("no node")?;
    let paths = [
        format!("/api/v1/namespaces/{production}/pods/{pod}/exec?command=true&stdout=true"),
        format!("/api/v1/namespaces/{production}/pods/{pod}/attach?stdout=true"),
        format!("/api/v1/namespaces/{production}/pods/{pod}/portforward?ports=8080"),
        format!("/api/v1/namespaces/{production}/pods/{pod}:8080/proxy/"),
        format!("/api/v1/namespaces/{production}/services/web:80/proxy/"),
        format!("/api/v1/nodes/{node}/proxy/healthz"),
    ];
    let mut tried = Vec::new();
    for path in paths {
        for method in ["GET", "POST", "PUT"] {
            let request = http::Request::builder()
                .method(method)
                .uri(&path)
                .body(Vec::new())?;
            let result = operator.request_text(request).await;
            tried.push(Tried {
                what: format!("{method} {path}"),
                outcome: outcome(result),
                is_its_business: false,
            });
        }
    }
    Ok(tried)
}
