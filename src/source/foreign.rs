//! Kinds of other products. They are not known beforehand, so whoever installs the operator names those that it may
//! list; of the others it says that it did not look.

use std::{collections::BTreeSet, str::FromStr};

use kube::{
    Client,
    discovery::{ApiCapabilities, ApiGroup, ApiResource, Discovery, Scope, verbs},
};
use kymaros_crds::names;
use thiserror::Error;

use crate::{retry::again, velero::results::is_foreign_group};

/// A kind as its `CustomResourceDefinition` is named: plural and group, `certificates.cert-manager.io`. Having a group,
/// it is never a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignKind(String);

/// Why a text does not name a kind of another product.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} does not name a kind; write plural and group as `kubectl get crds` shows them, for example \
     certificates.cert-manager.io"
)]
pub struct InvalidForeignKind(String);

impl FromStr for ForeignKind {
    type Err = InvalidForeignKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || text.split('.');
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if parts().count() > 1 && parts().all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidForeignKind(text.to_owned()))
        }
    }
}

/// What the cluster has of the kinds of other products.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// Those to look through.
    pub(super) wanted: Vec<ApiResource>,
    /// Names of the others.
    pub(super) others: BTreeSet<String>,
}

/// Asks the cluster what kinds there are. One that it does not have has no objects.
pub(super) async fn served(client: &Client, wanted: &[ForeignKind]) -> Result<Served, kube::Error> {
    let discover = || Discovery::new(client.clone()).run_aggregated();
    let discovery = again(discover).await?;
    let kinds = discovery.groups().flat_map(ApiGroup::recommended_resources);
    Ok(sort(kinds, wanted))
}

fn sort(kinds: impl Iterator<Item = (ApiResource, ApiCapabilities)>, wanted: &[ForeignKind]) -> Served {
    let mut served = Served::default();
    for (resource, capabilities) in kinds.filter(|(_, c)| c.scope == Scope::Namespaced) {
        let name = name(&resource);
        let can = |verb| capabilities.supports_operation(verb);
        if wanted.iter().any(|kind| kind.0 == name) {
            served.wanted.push(resource);
        } else if is_missed(&resource.group) && can(verbs::LIST) && can(verbs::CREATE) {
            served.others.insert(name);
        }
    }
    served
}

/// As in [`ForeignKind`]; of a kind without a group the plural.
pub(super) fn name(resource: &ApiResource) -> String {
    match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    }
}

/// Velero's own kinds and ours are about backups, and not in them.
fn is_missed(group: &str) -> bool {
    is_foreign_group(group) && group != names::GROUP && group != "velero.io"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(plural: &str, group: &str, operations: &[&str]) -> (ApiResource, ApiCapabilities) {
        let resource = ApiResource {
            group: group.into(),
            version: "v1".into(),
            api_version: format!("{group}/v1"),
            kind: "Kind".into(),
            plural: plural.into(),
        };
        let capabilities = ApiCapabilities {
            scope: Scope::Namespaced,
            subresources: vec![],
            operations: operations.iter().map(ToString::to_string).collect(),
        };
        (resource, capabilities)
    }

    #[test]
    fn a_name_has_a_plural_and_a_group() {
        for good in ["widgets.example.com", "httproutes.gateway.networking.k8s.io"] {
            assert!(good.parse::<ForeignKind>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "secrets",
            "secrets.",
            ".example.com",
            "Widgets.example.com",
            "*.example.com",
            "a/b.c",
        ] {
            assert!(bad.parse::<ForeignKind>().is_err(), "{bad}");
        }
    }

    #[test]
    fn kinds_are_looked_through_when_named_and_else_told() {
        let all = &["list", "create"];
        let kinds = vec![
            kind("widgets", "example.com", all),
            kind("gadgets", "example.com", all),
            kind("pods", "metrics.example.com", &["list"]),
            kind("httproutes", "gateway.networking.k8s.io", all),
            kind("ingresses", "networking.k8s.io", all),
            kind("deployments", "apps", all),
            kind("backups", "velero.io", all),
            kind("restoretests", names::GROUP, all),
        ];
        let named = [
            "widgets.example.com".parse().unwrap(),
            "gone.example.com".parse().unwrap(),
        ];
        let served = sort(kinds.into_iter(), &named);
        let wanted: Vec<String> = served.wanted.iter().map(name).collect();
        assert_eq!(wanted, ["widgets.example.com"]);
        let others = ["gadgets.example.com", "httproutes.gateway.networking.k8s.io"];
        assert_eq!(served.others, others.map(str::to_owned).into());
    }
}
