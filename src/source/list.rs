//! Looking through source namespaces: metadata only, all kinds side by side.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, PartialObjectMeta},
    core::ApiResource,
};

use super::{SourceObject, SourceObjects, Wanted, foreign};
use crate::{
    refusal::is_of_unknown_kind,
    retry::{PAGE, again, anew, each_page},
    velero::{results::ObjectId, types::EXCLUDE_FROM_BACKUP_LABEL},
};

/// Lists under way at once.
const AT_ONCE: usize = 8;
/// Volume claims, as Velero's lists name them.
const CLAIM: &str = "v1/PersistentVolumeClaim";

/// What becomes of a list of the cluster's own kinds that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is listed: the operator has these rights, or is installed wrongly.
    Fails,
    /// The kind is told, and the others are listed: people may have fewer rights.
    IsTold,
}

/// Lists what somebody made in these namespaces. One that does not exist holds nothing. An API server that cannot
/// answer at the moment is asked again.
///
/// # Errors
/// When it refuses, or does not answer. A refused kind of another product is only told.
pub async fn list(
    client: Client,
    namespaces: Vec<String>,
    wanted: Wanted,
    refusal: Refusal,
) -> Result<SourceObjects, kube::Error> {
    anew(|| once(&client, &namespaces, &wanted, refusal)).await
}

async fn once(
    client: &Client,
    namespaces: &[String],
    wanted: &Wanted,
    refusal: Refusal,
) -> Result<SourceObjects, kube::Error> {
    let foreign = foreign::served(client, &wanted.foreign).await?;
    let mut lists = Vec::new();
    for namespace in namespaces {
        let own = wanted.kinds.iter().map(|kind| (kind.resource(), Source::Cluster));
        let all = own.chain(foreign.wanted.iter().map(|kind| (kind.clone(), Source::Foreign)));
        lists.extend(all.map(|(kind, source)| (namespace.clone(), kind, source)));
    }
    let found: Vec<Found> = stream::iter(lists)
        .map(|(namespace, kind, source)| of_kind(client.clone(), namespace, kind, (source, refusal)))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut objects = SourceObjects {
        unlisted: foreign.others,
        ..SourceObjects::default()
    };
    for found in found {
        match found {
            Found::Made(namespace, mut of_kind) => {
                objects.objects.entry(namespace).or_default().append(&mut of_kind);
            }
            Found::Refused(kind) => drop(objects.unlisted.insert(kind)),
        }
    }
    let bound = match bound(client).await {
        // Whoever may not list volumes learns what a backup lacks all the same.
        Err(error) if is_told(&error, Source::Cluster, refusal) => BTreeMap::new(),
        bound => bound?,
    };
    for (namespace, of_namespace) in &mut objects.objects {
        of_namespace.sort_by(|a, b| a.id.cmp(&b.id));
        for claim in of_namespace.iter_mut().filter(|o| o.id.kind == CLAIM) {
            claim.bound = bound.get(&(namespace.clone(), claim.id.name.clone())).copied();
        }
    }
    Ok(objects)
}

/// Since when claims have their volumes, by namespace and name. A claim itself does not tell.
async fn bound(client: &Client) -> Result<BTreeMap<(String, String), Timestamp>, kube::Error> {
    let api = Api::<PersistentVolume>::all(client.clone());
    let mut bound = BTreeMap::new();
    each_page(&api, |page| bound.extend(page.iter().filter_map(bound_since))).await?;
    Ok(bound)
}

/// The claim of a volume, and since when it has it: Kubernetes writes the moment down from 1.29 on, and a volume that
/// is older or was provisioned for its claim was bound when it was made.
fn bound_since(volume: &PersistentVolume) -> Option<((String, String), Timestamp)> {
    let status = volume.status.as_ref()?;
    if status.phase.as_deref() != Some("Bound") {
        return None;
    }
    let claim = volume.spec.as_ref()?.claim_ref.as_ref()?;
    let since = status.last_phase_transition_time.clone();
    let since = since.or_else(|| volume.creation_timestamp())?;
    Some(((claim.namespace.clone()?, claim.name.clone()?), since.0))
}

/// Whose kind it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Cluster,
    Foreign,
}

enum Found {
    /// In this namespace.
    Made(String, Vec<SourceObject>),
    /// The kind may not be listed.
    Refused(String),
}

/// Whether an error only means that the kind is told.
fn is_told(error: &kube::Error, source: Source, refusal: Refusal) -> bool {
    let may_be = source == Source::Foreign || refusal == Refusal::IsTold;
    may_be && matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

async fn of_kind(
    client: Client,
    namespace: String,
    kind: ApiResource,
    (source, refusal): (Source, Refusal),
) -> Result<Found, kube::Error> {
    let api = Api::<DynamicObject>::namespaced_with(client, &namespace, &kind);
    let mut params = ListParams::default().limit(PAGE);
    let mut made = Vec::new();
    loop {
        let page = match again(|| api.list_metadata(&params)).await {
            Ok(page) => page,
            Err(error) if is_told(&error, source, refusal) => {
                return Ok(Found::Refused(foreign::name(&kind)));
            }
            // Its kind was removed since.
            Err(kube::Error::Api(status)) if source == Source::Foreign && is_of_unknown_kind(&status) => {
                return Ok(Found::Made(namespace, made));
            }
            Err(error) => return Err(error),
        };
        made.extend(
            page.items
                .iter()
                .filter_map(|object| made_by_somebody(&kind, object)),
        );
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(Found::Made(namespace, made)),
        }
    }
}

/// What a controller owns comes back with its owner, and what is kept out of backups on purpose is not missed.
fn made_by_somebody(kind: &ApiResource, object: &PartialObjectMeta<DynamicObject>) -> Option<SourceObject> {
    let kept_out = object
        .labels()
        .get(EXCLUDE_FROM_BACKUP_LABEL)
        .is_some_and(|value| value == "true");
    if kept_out || !object.owner_references().is_empty() || object.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(SourceObject {
        id: ObjectId {
            kind: format!("{}/{}", kind.api_version, kind.kind),
            name: object.name_any(),
        },
        labels: object.labels().clone(),
        bound: None,
        created: object.creation_timestamp()?.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::kinds::KINDS;
    use serde_json::json;
    use std::collections::VecDeque;

    fn made(metadata: &serde_json::Value) -> Option<SourceObject> {
        let object = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
        let deployment = KINDS.iter().find(|k| k.kind == "Deployment").unwrap();
        made_by_somebody(&deployment.resource(), &object)
    }

    #[test]
    fn what_is_owned_kept_out_or_going_is_not_looked_for() {
        let created = "2026-01-01T00:00:00Z";
        let plain = made(&json!({ "name": "web", "creationTimestamp": created })).unwrap();
        assert_eq!(plain.id.kind, "apps/v1/Deployment");
        for other in [
            json!({ "name": "web", "creationTimestamp": created,
                    "labels": { "velero.io/exclude-from-backup": "true" } }),
            json!({ "name": "web", "creationTimestamp": created, "deletionTimestamp": created }),
            json!({ "name": "web", "creationTimestamp": created, "ownerReferences": [
                { "apiVersion": "v1", "kind": "X", "name": "x", "uid": "u" }] }),
        ] {
            assert_eq!(made(&other), None, "{other}");
        }
    }

    #[test]
    fn a_claim_has_its_volume_since_the_two_were_bound() {
        let volume = |status: serde_json::Value| -> PersistentVolume {
            serde_json::from_value(json!({
                "metadata": { "name": "v", "creationTimestamp": "2026-01-01T00:00:00Z" },
                "spec": { "claimRef": { "namespace": "shop", "name": "data" } },
                "status": status,
            }))
            .unwrap()
        };
        let since = |status| bound_since(&volume(status)).map(|(_, at)| at.to_string());
        let late = "2026-01-02T00:00:00Z";
        assert_eq!(
            since(json!({ "phase": "Bound", "lastPhaseTransitionTime": late })).as_deref(),
            Some(late),
            "a volume that was there long before its claim"
        );
        assert_eq!(
            since(json!({ "phase": "Bound" })).as_deref(),
            Some("2026-01-01T00:00:00Z")
        );
        assert_eq!(since(json!({ "phase": "Available" })), None);
    }

    /// A cluster with two foreign kinds, whose lists are answered with these codes, one after the other.
    fn cluster(codes: &[u16]) -> Client {
        let codes = std::sync::Arc::new(std::sync::Mutex::new(VecDeque::from(codes.to_vec())));
        let resource = |plural: &str, kind: &str| {
            json!({ "resource": plural, "singularResource": "", "scope": "Namespaced", "verbs": ["list", "create"],
                    "responseKind": { "group": "example.com", "version": "v1", "kind": kind } })
        };
        let kinds = json!([{ "metadata": { "name": "example.com" }, "versions": [{ "version": "v1", "resources": [
            resource("widgets", "Widget"), resource("gadgets", "Gadget")] }] }]);
        let answer = move |uri: http::Uri| {
            let (code, body) = match uri.path() {
                "/api" | "/apis" => {
                    let items = if uri.path() == "/apis" {
                        kinds.clone()
                    } else {
                        json!([])
                    };
                    let list = json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                                       "metadata": {}, "items": items });
                    (200, list)
                }
                "/api/v1/persistentvolumes" => (200, json!({ "metadata": {}, "items": [] })),
                _ => match codes.lock().unwrap().pop_front().unwrap_or(200) {
                    200 => {
                        let one = json!({ "metadata": { "name": "one", "creationTimestamp": "2026-01-01T00:00:00Z" } });
                        (200, json!({ "metadata": {}, "items": [one] }))
                    }
                    code => (
                        code,
                        json!({ "kind": "Status", "status": "Failure", "code": code,
                                           "reason": if code == 403 { "Forbidden" } else { "InternalError" } }),
                    ),
                },
            };
            let code = http::StatusCode::from_u16(code).unwrap();
            std::future::ready((code, axum::Json(body)))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    fn refused(code: u16) -> kube::Error {
        let reason = if code == 403 { "Forbidden" } else { "InternalError" };
        let status = json!({ "status": "Failure", "code": code, "reason": reason });
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn a_refused_list_is_told_to_people_and_stops_the_operator() {
        let told = |code, source, refusal| is_told(&refused(code), source, refusal);
        assert!(told(403, Source::Cluster, Refusal::IsTold));
        assert!(!told(403, Source::Cluster, Refusal::Fails));
        assert!(told(403, Source::Foreign, Refusal::Fails));
        assert!(!told(500, Source::Cluster, Refusal::IsTold), "that is no refusal");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_not_list_a_kind_learns_which_and_the_rest() {
        let wanted = Wanted {
            kinds: KINDS[..2].to_vec(),
            foreign: vec![],
        };
        let ask = async |refusal| {
            list(
                cluster(&[403, 200]),
                vec!["shop".to_owned()],
                wanted.clone(),
                refusal,
            )
            .await
        };
        let objects = ask(Refusal::IsTold).await.unwrap();
        assert_eq!(objects.objects["shop"].len(), 1);
        let own = KINDS[..2].iter().map(|kind| foreign::name(&kind.resource()));
        assert_eq!(
            own.filter(|name| objects.unlisted.contains(name)).count(),
            1,
            "{objects:?}"
        );
        assert!(ask(Refusal::Fails).await.is_err());
    }

    async fn listed(codes: &[u16]) -> Result<SourceObjects, kube::Error> {
        let wanted = Wanted {
            kinds: vec![],
            foreign: vec!["widgets.example.com".parse().unwrap()],
        };
        list(cluster(codes), vec!["shop".to_owned()], wanted, Refusal::Fails).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_cannot_answer_at_the_moment_is_asked_again() {
        let objects = listed(&[500, 500, 200]).await.unwrap();
        assert_eq!(objects.objects["shop"][0].id.kind, "example.com/v1/Widget");
        assert_eq!(objects.unlisted, ["gadgets.example.com".to_owned()].into());
        assert!(listed(&[500; 10]).await.is_err(), "not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_foreign_kind_that_may_not_be_listed_is_told() {
        let objects = listed(&[403]).await.unwrap();
        assert!(objects.objects.is_empty());
        assert!(objects.unlisted.contains("widgets.example.com"), "{objects:?}");
    }
}
