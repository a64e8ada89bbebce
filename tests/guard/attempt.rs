//! Every way to write one kind in one place.

use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::Request,
    discovery::{ApiCapabilities, ApiResource, verbs},
};
use kymaros_crds::names;
use kymaros_testbed::scene::unique;
use serde_json::json;

use crate::{
    NAMESPACE,
    outcome::{Outcome, Place, Tried, is_its_business, outcome},
};

/// Subresources that are no objects; see [`crate::tunnels`].
const TUNNELS: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

fn is_going(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

/// One kind in one place.
pub struct Attempt {
    pub resource: ApiResource,
    /// What is below its objects, with what can be done to it.
    pub subresources: Vec<(ApiResource, ApiCapabilities)>,
    pub place: Place,
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
    pub async fn try_twice(&self, admin: &Client, operator: &Client) -> Result<Vec<Tried>, kube::Error> {
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
