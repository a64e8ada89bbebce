//! Clusters: how each is reached, and how old is what is known of it.

use askama::Template;
use jiff::Timestamp;

use super::{Choice, Fact, Link, moment};
use crate::{
    dashboard::{
        moments::{Moment, relative, stored_span},
        query::write,
        shell::Shell,
        standing::Standing,
    },
    fleet::{ClusterName, ClusterRow, ClusterScope, ClusterState, Fleet, Reached, Roster, View},
};

/// The parameter that chooses a cluster.
pub const CLUSTER: &str = "cluster";

/// The page.
#[derive(Template)]
#[template(path = "clusters.html")]
pub struct ClustersPage {
    /// Around it.
    pub shell: Shell,
    rows: Vec<Row>,
    hidden: Vec<String>,
    how: Vec<Fact>,
}

struct Row {
    standing: Standing,
    word: &'static str,
    name: String,
    href: Option<String>,
    since: Option<Moment>,
    known: String,
    tests: usize,
    reports: String,
    problem: String,
}

impl ClustersPage {
    /// The page as somebody sees it.
    #[must_use]
    pub fn new(fleet: &Fleet, view: &View, shell: Shell) -> Self {
        let seen = fleet.clusters(view);
        Self {
            rows: seen
                .what
                .into_iter()
                .map(|cluster| row(cluster, view.now))
                .collect(),
            hidden: seen.hidden,
            how: vec![
                Fact::new(
                    "A cluster is named by",
                    "a Secret in the operator's namespace with the label kymaros.io/cluster",
                ),
                Fact::new("What is read there", "tests and reports; nothing is ever written"),
            ],
            shell,
        }
    }
}

fn row(cluster: ClusterRow, now: Timestamp) -> Row {
    let (standing, word) = match cluster.state {
        ClusterState::Reachable => (Standing::Pass, "Reachable"),
        ClusterState::Connecting => (Standing::Running, "Connecting"),
        ClusterState::Away => (Standing::Partial, "Away"),
        ClusterState::Refused => (Standing::Fail, "Refused"),
    };
    let is_here = cluster.name == ClusterName::HERE;
    let is_shown = !matches!(cluster.state, ClusterState::Refused);
    Row {
        standing,
        word,
        href: is_shown.then(|| format!("/tests{}", write(&[(CLUSTER, &cluster.name)]))),
        since: cluster.since.as_deref().and_then(|at| moment(at, now)),
        known: match (is_here, &cluster.known_age) {
            (true, _) => "now".to_owned(),
            (false, Some(age)) => format!("{} ago", stored_span(age)),
            (false, None) => "never".to_owned(),
        },
        tests: cluster.tests,
        reports: if cluster.cut {
            format!("{}, the oldest are left out", cluster.reports)
        } else {
            cluster.reports.to_string()
        },
        problem: if cluster.secret.is_empty() {
            cluster.problem
        } else {
            format!("Secret {}: {}", cluster.secret, cluster.problem)
        },
        name: if is_here {
            "this cluster".to_owned()
        } else {
            cluster.name
        },
    }
}

/// The cluster of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMark {
    /// As people read it.
    pub name: String,
    /// How old is what is known of it, when it is away.
    pub away: Option<String>,
}

impl ClusterMark {
    /// Of one of these clusters; none is this one.
    #[must_use]
    pub fn of(others: &Roster, cluster: Option<&ClusterName>, now: Timestamp) -> Self {
        let Some(name) = cluster else {
            return Self {
                name: "this cluster".to_owned(),
                away: None,
            };
        };
        let contact = others.remote(name).map(|remote| remote.contact.borrow().clone());
        let contact = contact.filter(|contact| matches!(contact.reached, Reached::Away { .. }));
        let age = contact.map(|contact| match contact.known {
            Some(at) => relative(at, now),
            None => "nothing known".to_owned(),
        });
        Self {
            name: name.to_string(),
            away: age,
        }
    }
}

/// The clusters to choose from; none without others.
#[must_use]
pub fn choices(others: &Roster, chosen: &str) -> Vec<Choice> {
    if others.remotes.is_empty() {
        return Vec::new();
    }
    let choice = |value: &str, name: &str| Choice {
        value: value.to_owned(),
        name: name.to_owned(),
        is_set: value == chosen,
    };
    let here = choice(ClusterName::HERE, "this cluster");
    let names = others.remotes.iter().map(|remote| remote.name.as_str());
    std::iter::once(here)
        .chain(names.map(|name| choice(name, name)))
        .collect()
}

/// The clusters that an address asks for; one that is no name asks for all.
#[must_use]
pub fn scope(chosen: Option<&str>) -> ClusterScope {
    match chosen {
        Some(ClusterName::HERE) => ClusterScope::Here,
        Some(other) => other.parse().map_or(ClusterScope::All, ClusterScope::Other),
        None => ClusterScope::All,
    }
}

/// What an address says to ask for these clusters; nothing for all.
#[must_use]
pub fn value(clusters: &ClusterScope) -> Option<&str> {
    match clusters {
        ClusterScope::All => None,
        ClusterScope::Here => Some(ClusterName::HERE),
        ClusterScope::Other(name) => Some(name.as_str()),
    }
}

/// Links that show one cluster or all; none without others.
#[must_use]
pub fn links(
    others: &Roster,
    shown: &ClusterScope,
    address: impl Fn(&[(&str, &str)]) -> String,
) -> Vec<Link> {
    if others.remotes.is_empty() {
        return Vec::new();
    }
    let link = |name: &str, value: &str, is_here: bool| Link {
        name: name.to_owned(),
        href: if value.is_empty() {
            address(&[])
        } else {
            address(&[(CLUSTER, value)])
        },
        is_here,
    };
    let fixed = [
        link("all clusters", "", *shown == ClusterScope::All),
        link("this cluster", ClusterName::HERE, *shown == ClusterScope::Here),
    ];
    let names = others.remotes.iter().map(|remote| &remote.name);
    let each = names.map(|name| link(name.as_str(), name.as_str(), shown.other() == Some(name)));
    fixed.into_iter().chain(each).collect()
}
