//! The API server's record of what an account asked for, held against declared rights.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::{Context, Result};
use kymaros::rbac::{Place, Rule, Setting};
use kymaros_testbed::{places, scene::LISTED_KIND};
use serde::Deserialize;

/// One request, as the API server records it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    pub verb: String,
    user: User,
    object_ref: Target,
    response_status: Answer,
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    api_group: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: u16,
}

/// What the account asked for since `skip` lines were written.
pub fn requests_of(username: &str, skip: usize) -> Result<Vec<Request>> {
    let log = record()?;
    let all = log.lines().skip(skip).map(serde_json::from_str::<Request>);
    let mut requests = all.collect::<Result<Vec<_>, _>>()?;
    requests.retain(|request| request.user.username == username);
    Ok(requests)
}

/// How many requests are recorded by now.
pub fn recorded() -> Result<usize> {
    Ok(record()?.lines().count())
}

/// The whole record: the API server begins another file when one is full, and puts the time into the name of the full one.
fn record() -> Result<String> {
    let last = places::audit_log();
    let folder = last.parent().context("the record is in no folder")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
        let is_log = file.extension().is_some_and(|extension| extension == "log");
        is_log && name.is_some_and(|name| name.starts_with("audit-"))
    });
    files.sort();
    files.push(last);
    let mut whole = String::new();
    for file in files {
        whole += &std::fs::read_to_string(&file).context(
            "the API server of this cluster keeps no record; `cargo xtask cluster up` starts one that does",
        )?;
    }
    Ok(whole)
}

impl Request {
    fn is_forbidden(&self) -> bool {
        self.annotations
            .get("authorization.k8s.io/decision")
            .is_some_and(|d| d == "forbid")
    }

    fn resource(&self) -> String {
        let target = &self.object_ref;
        match target.subresource.as_str() {
            "" => target.resource.clone(),
            subresource => format!("{}/{subresource}", target.resource),
        }
    }

    /// Server-side apply asks for `patch`, and the API server for `create` too when nothing was there.
    fn uses(&self, verb: &str) -> bool {
        self.verb == verb || (verb == "create" && self.verb == "patch" && self.response_status.code == 201)
    }

    fn described(&self) -> String {
        let target = &self.object_ref;
        let group = if target.api_group.is_empty() {
            "core"
        } else {
            &target.api_group
        };
        format!(
            "{} {group} {} {:?} in {:?}",
            self.verb,
            self.resource(),
            target.name,
            target.namespace
        )
    }
}

/// Names of the sandboxes that were made.
pub fn sandboxes(requests: &[Request]) -> BTreeSet<String> {
    let made = requests
        .iter()
        .filter(|r| r.verb == "create" && r.resource() == "namespaces");
    made.map(|r| r.object_ref.name.clone()).collect()
}

/// What was refused for want of a right. A sandbox that goes takes the rights in it along before the last watch over
/// it has ended, so what is asked for in one after its deletion does not count.
pub fn missing(requests: &[Request], sandboxes: &BTreeSet<String>) -> Vec<String> {
    let mut going = BTreeSet::new();
    let mut missing = Vec::new();
    for request in requests {
        let target = &request.object_ref;
        if request.verb == "delete" && request.resource() == "namespaces" {
            going.insert(target.name.clone());
        }
        if request.is_forbidden()
            && !(sandboxes.contains(&target.namespace) && going.contains(&target.namespace))
        {
            missing.push(request.described());
        }
    }
    missing
}

/// Where a place is.
pub struct Map<'a> {
    pub own: &'a str,
    pub velero: &'a str,
    pub sandboxes: &'a BTreeSet<String>,
    /// Namespaces of tests whose receivers the operator may read.
    pub receivers: &'a [&'a str],
}

impl Map<'_> {
    fn is_in(&self, request: &Request, place: Place) -> bool {
        let namespace = &request.object_ref.namespace;
        match place {
            Place::Cluster | Place::Uninstall => true,
            Place::Sandbox => self.sandboxes.contains(namespace),
            Place::Velero => namespace == self.velero,
            Place::Own | Place::UninstallOwn => namespace == self.own,
            Place::Receivers => self.receivers.contains(&namespace.as_str()),
        }
    }
}

/// Rights that nothing asked for, but those that are declared to be needed rarely. Of what is there by one of these
/// settings, or for receivers of tests, nothing is rare.
pub fn unused(requests: &[Request], place: Place, map: &Map, settings: &[Setting]) -> Vec<String> {
    let there: Vec<&Request> = requests
        .iter()
        .filter(|r| !r.is_forbidden() && map.is_in(r, place))
        .collect();
    let mut unused = Vec::new();
    for rule in place.rules() {
        let is_wanted = match place {
            Place::Receivers => !map.receivers.is_empty(),
            _ => rule.when.is_some_and(|setting| settings.contains(&setting)),
        };
        let (groups, resources) = kinds(rule);
        for (resource, verb) in resources
            .iter()
            .flat_map(|r| verbs(rule, is_wanted).map(move |v| (*r, v)))
        {
            let is_it = |r: &&Request| {
                (resource == "*" || r.resource() == resource)
                    && (groups == ["*"] || groups.contains(&r.object_ref.api_group.as_str()))
                    && r.uses(verb)
            };
            if !there.iter().any(is_it) {
                unused.push(format!("{place:?}: {verb} {resource} ({})", rule.why));
            }
        }
    }
    unused
}

/// Groups and kinds of a rule. Those that the chart's user names are the one that tests name.
fn kinds(rule: &Rule) -> (Vec<&'static str>, Vec<&'static str>) {
    match (rule.when, LISTED_KIND.split_once('.')) {
        (Some(Setting::CompareResources), Some((plural, group))) => (vec![group], vec![plural]),
        _ => (rule.groups.to_vec(), rule.resources.to_vec()),
    }
}

/// What must have been asked for.
fn verbs(rule: &Rule, rare_too: bool) -> impl Iterator<Item = &'static str> {
    let is_rare = |verb: &str| rule.rarely.iter().any(|(rare, _)| *rare == verb);
    let verbs = rule.verbs.iter().copied();
    verbs.filter(move |verb| rare_too || !is_rare(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, resource: &str, namespace: &str) -> Request {
        Request {
            verb: verb.to_owned(),
            object_ref: Target {
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                ..Target::default()
            },
            ..Request::default()
        }
    }

    fn forbidden(mut request: Request) -> Request {
        request
            .annotations
            .insert("authorization.k8s.io/decision".to_owned(), "forbid".to_owned());
        request
    }

    fn of_namespace(verb: &str, name: &str) -> Request {
        let mut request = request(verb, "namespaces", name);
        request.object_ref.name = name.to_owned();
        request
    }

    #[test]
    fn a_refusal_is_a_missing_right_until_its_sandbox_goes() {
        let denied = || forbidden(request("watch", "pods", "sandbox"));
        let sandboxes = sandboxes(&[of_namespace("create", "sandbox")]);
        assert_eq!(
            missing(&[denied(), of_namespace("delete", "sandbox")], &sandboxes).len(),
            1
        );
        assert_eq!(
            missing(&[of_namespace("delete", "sandbox"), denied()], &sandboxes).len(),
            0
        );
        let elsewhere = forbidden(request("watch", "pods", "production"));
        assert_eq!(
            missing(&[of_namespace("delete", "production"), elsewhere], &sandboxes).len(),
            1
        );
    }

    #[test]
    fn a_right_counts_as_used_where_it_holds_and_nowhere_else() {
        let sandboxes = BTreeSet::new();
        let map = Map {
            own: "own",
            velero: "velero",
            sandboxes: &sandboxes,
            receivers: &[],
        };
        let mut list = request("list", "backups", "velero");
        list.object_ref.api_group = "velero.io".to_owned();
        let names_it = |requests: &[Request]| {
            unused(requests, Place::Velero, &map, &[])
                .iter()
                .any(|right| right.starts_with("Velero: list backups ("))
        };
        assert!(!names_it(&[list.clone()]));
        assert!(names_it(&[forbidden(list.clone())]));
        list.object_ref.namespace = "other".to_owned();
        assert!(names_it(&[list]));
    }
    #[test]
    fn a_rare_right_counts_when_its_setting_is_there() {
        let sandboxes = BTreeSet::new();
        let map = Map {
            own: "own",
            velero: "velero",
            sandboxes: &sandboxes,
            receivers: &["shop"],
        };
        let of =
            |requests: &[Request], place, settings: &[Setting]| unused(requests, place, &map, settings).len();
        assert_eq!(
            of(&[], Place::Own, &[Setting::Clusters]),
            of(&[], Place::Own, &[]) + 2
        );
        let made = [request("get", "secrets", "shop")];
        assert_eq!(
            (of(&[], Place::Receivers, &[]), of(&made, Place::Receivers, &[])),
            (1, 0)
        );
        let mut listed = request("list", "widgets", "shop");
        listed.object_ref.api_group = "example.com".to_owned();
        let compared = |requests: &[Request]| of(requests, Place::Cluster, &[Setting::CompareResources]);
        assert_eq!(compared(&[]), compared(&[listed]) + 1);
    }
}
