//! Clusters: how each is reached, what is known of it, and how old that is.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cluster::{ClusterName, FleetTest},
    features::Feature,
    moments::{ago, duration_text, moment},
    remotes::{Reached, RefusedSecret, Remote, Roster},
    runs::Index,
    view::{Shown, View},
};

/// A cluster. Times and figures are missing where nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRow {
    /// Its name; `local` is this one.
    pub name: String,
    /// How it is reached.
    pub state: ClusterState,
    /// Since when that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When what is known of it was last seen to be current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// How long ago that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_age: Option<String>,
    /// That in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_age_seconds: Option<u64>,
    /// Its tests.
    pub tests: usize,
    /// Its reports.
    pub reports: usize,
    /// It holds more tests or reports than are kept here: the oldest are left out.
    pub cut: bool,
    /// Why it is away or refused, and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// The Secret that is no way to it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret: String,
}

/// How a cluster is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClusterState {
    /// It is this one, or what is known of it is followed.
    Reachable,
    /// It is asked for the first time.
    Connecting,
    /// Nothing new is heard of it: what is shown is as old as is said.
    Away,
    /// Its Secret is no way to it.
    Refused,
}

pub(super) fn clusters(
    (tests, reports): (usize, usize),
    roster: &Roster,
    view: &View,
) -> Shown<Vec<ClusterRow>> {
    let here = ClusterRow {
        state: ClusterState::Reachable,
        tests,
        reports,
        ..empty(ClusterName::HERE)
    };
    let others = roster.remotes.iter().map(|remote| row(remote, view.now));
    let refused = roster.refused.iter().map(refused);
    let all = std::iter::once(here).chain(others).chain(refused);
    let closed = (roster.closed > 0).then(|| closed_line(roster.closed));
    Shown {
        what: all.collect(),
        hidden: closed.into_iter().chain(roster.trouble.clone()).collect(),
    }
}

/// Whoever sees one namespace learns how much of that there is, and nothing of Secrets.
pub(super) fn narrow(rows: &mut Vec<ClusterRow>, tests: &[FleetTest], index: &Index, view: &View) {
    rows.retain(|row| row.state != ClusterState::Refused);
    for row in rows {
        let is_of = |cluster: Option<&ClusterName>| {
            cluster.map_or(ClusterName::HERE, ClusterName::as_str) == row.name
        };
        let (tests, runs) = (tests.iter(), index.all());
        let of_tests = tests.filter(|test| is_of(test.cluster.as_ref())).count();
        let in_scope = runs.filter(|run| view.scope.holds(&run.name.namespace));
        let of_reports = in_scope.filter(|run| is_of(run.name.cluster.as_ref())).count();
        (row.tests, row.reports) = (of_tests, of_reports);
    }
}

/// Clusters that are named are not shown at all without the tier for it, and that is said.
fn closed_line(count: usize) -> String {
    let named = match count {
        1 => "1 cluster is named by a Secret and not connected".to_owned(),
        count => format!("{count} clusters are named by Secrets and not connected"),
    };
    format!("{} {named}.", Feature::SeveralClusters.hidden())
}

fn empty(name: &str) -> ClusterRow {
    ClusterRow {
        name: name.to_owned(),
        state: ClusterState::Connecting,
        since: None,
        known_at: None,
        known_age: None,
        known_age_seconds: None,
        tests: 0,
        reports: 0,
        cut: false,
        problem: String::new(),
        secret: String::new(),
    }
}

fn row(remote: &Remote, now: Timestamp) -> ClusterRow {
    let contact = remote.contact.borrow().clone();
    let (state, since, problem) = match contact.reached {
        Reached::Connecting => (ClusterState::Connecting, None, String::new()),
        Reached::Since(since) => (ClusterState::Reachable, Some(since), String::new()),
        Reached::Away { since, why } => (ClusterState::Away, Some(since), why),
    };
    let age = contact.known.map(|at| ago(now, at));
    ClusterRow {
        state,
        since: since.map(moment),
        known_at: contact.known.map(moment),
        known_age: age.map(duration_text),
        known_age_seconds: age.map(|age| age.as_secs()),
        tests: remote.tests.len(),
        reports: remote.reports.len(),
        cut: contact.is_cut,
        problem,
        ..empty(remote.name.as_str())
    }
}

fn refused(refused: &RefusedSecret) -> ClusterRow {
    ClusterRow {
        state: ClusterState::Refused,
        problem: refused.why.clone(),
        secret: refused.secret.clone(),
        ..empty(refused.cluster.as_ref().map_or("", ClusterName::as_str))
    }
}

pub(super) fn away(roster: &Roster, view: &View) -> Vec<String> {
    let in_view = roster
        .remotes
        .iter()
        .filter(|remote| view.clusters.holds(Some(&remote.name)));
    in_view.filter_map(|remote| away_line(remote, view.now)).collect()
}

fn away_line(remote: &Remote, now: Timestamp) -> Option<String> {
    let contact = remote.contact.borrow();
    let Reached::Away { since, why } = &contact.reached else {
        return None;
    };
    let known = match contact.known {
        Some(at) => format!("what is shown of it is {} old", duration_text(ago(now, at))),
        None => "nothing is known of it yet".to_owned(),
    };
    Some(format!(
        "Cluster {} has been away since {}; {known}: {why}",
        remote.name,
        moment(*since)
    ))
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;
    use tokio::sync::watch;

    use super::*;
    use crate::fleet::{
        ClusterScope, Contact, Scope,
        sample::{at, fleet_tests, log, packed, report, store, test, view},
    };

    fn remote(name: &str, contact: Contact) -> Remote {
        Remote {
            name: name.parse().unwrap(),
            tests: store([test("ops", "shop")]),
            reports: packed([report("ops", "shop", 1, "pass", Some(95))]),
            contact: watch::channel(contact).1,
        }
    }

    fn away_since_day_3() -> Contact {
        let mut contact = Contact::new();
        contact.heard(at(2));
        contact.lost(at(3), "it could not be reached".into());
        contact
    }

    #[test]
    fn a_cluster_that_is_away_says_how_old_is_what_is_known() {
        let mut fresh = Contact::new();
        fresh.heard(at(5));
        let roster = Roster {
            remotes: [remote("eu", away_since_day_3()), remote("us", fresh)].into(),
            ..Roster::default()
        };
        let seen = clusters((3, 9), &roster, &view(Tier::Enterprise, 5));
        let states: Vec<(&str, ClusterState)> = seen
            .what
            .iter()
            .map(|row| (row.name.as_str(), row.state))
            .collect();
        assert_eq!(
            states,
            [
                ("local", ClusterState::Reachable),
                ("eu", ClusterState::Away),
                ("us", ClusterState::Reachable)
            ]
        );
        let eu = &seen.what[1];
        assert_eq!(
            (eu.known_age.as_deref(), eu.known_age_seconds),
            (Some("72h"), Some(259_200))
        );
        assert_eq!((eu.tests, eu.reports, eu.problem.is_empty()), (1, 1, false));
        let lines = away(&roster, &view(Tier::Enterprise, 5));
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains("eu") && lines[0].contains("72h old"),
            "{lines:?}"
        );
        let us = ClusterScope::Other("us".parse().unwrap());
        assert!(away(&roster, &view(Tier::Enterprise, 5).of_clusters(us)).is_empty());
    }

    #[test]
    fn whoever_sees_one_namespace_learns_of_that_alone() {
        let mut fresh = Contact::new();
        fresh.heard(at(5));
        let refused = RefusedSecret {
            secret: "cluster-ap".into(),
            cluster: None,
            why: "has no kubeconfig".into(),
        };
        let roster = Roster {
            remotes: [remote("eu", fresh)].into(),
            refused: [refused].into(),
            ..Roster::default()
        };
        let tests = fleet_tests([test("team", "blog")]);
        let runs = log([
            report("team", "blog", 1, "pass", Some(95)),
            report("ops", "shop", 1, "pass", Some(95)),
        ]);
        let seen = View::new(Tier::Enterprise, Scope::Namespace("team".into()), at(5));
        let mut rows = clusters((7, 9), &roster, &seen).what;
        runs.read(|index| narrow(&mut rows, &tests, index, &seen));
        let counts: Vec<_> = rows
            .iter()
            .map(|row| (&*row.name, row.tests, row.reports))
            .collect();
        assert_eq!(counts, [("local", 1, 1), ("eu", 0, 0)]);
    }

    #[test]
    fn what_is_refused_or_closed_is_said() {
        let roster = Roster {
            refused: [RefusedSecret {
                secret: "eu".into(),
                cluster: None,
                why: "has no kubeconfig".into(),
            }]
            .into(),
            closed: 2,
            ..Roster::default()
        };
        let seen = clusters((0, 0), &roster, &view(Tier::Team, 5));
        assert_eq!(seen.what[1].state, ClusterState::Refused);
        assert_eq!((seen.what[1].secret.as_str(), seen.hidden.len()), ("eu", 1));
        assert!(
            seen.hidden[0].contains("Enterprise") && seen.hidden[0].contains("2 clusters"),
            "{:?}",
            seen.hidden
        );
    }
}
