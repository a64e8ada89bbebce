//! Coverage: which namespaces with data have no recent proof.

use super::{
    Link,
    clusters::{CLUSTER, ClusterMark, value},
    files::Files,
    moment, plural, test_link,
};
use crate::{
    dashboard::{addresses::narrowed, charts::Percent, moments::Moment, query::write},
    fleet::{ClusterName, Coverage, Feature, View},
};

/// Rows at most.
const NAMESPACES: usize = 10;
/// Ages of proofs that are one click away.
const AGES: [u32; 4] = [1, 7, 30, 90];

/// Namespaces that have data, and no recent proof.
pub(super) struct Covered {
    pub(super) label: String,
    pub(super) share: Percent,
    pub(super) all: usize,
    pub(super) rows: Vec<CoveredRow>,
    pub(super) more: usize,
    pub(super) files: Files,
}

pub(super) struct CoveredRow {
    pub(super) namespace: String,
    pub(super) cluster: Option<ClusterMark>,
    pub(super) proven: Option<Moment>,
    pub(super) taken: Option<Moment>,
    pub(super) tests: Vec<Link>,
}

impl Covered {
    /// What is covered by proofs of so many days.
    pub(super) fn new(
        coverage: &Coverage,
        view: &View,
        within: u32,
        mark: impl Fn(Option<&ClusterName>) -> Option<ClusterMark>,
    ) -> Self {
        let now = view.now;
        let oldest = u64::from(within) * 86_400;
        let held: Vec<_> = coverage
            .namespaces
            .iter()
            .filter(|row| row.backup.is_some())
            .collect();
        let is_recent = |age: Option<u64>| age.is_some_and(|age| age <= oldest);
        let open: Vec<_> = held
            .iter()
            .filter(|row| !is_recent(row.proof_age_seconds))
            .collect();
        let (all, proven) = (held.len(), held.len() - open.len());
        Self {
            label: format!(
                "{proven} of {} with a backup proven in {}",
                plural(all, "namespace", "namespaces"),
                days(within)
            ),
            share: Percent::of(proven, all),
            all,
            files: Files::new(
                view,
                [(
                    Feature::Csv,
                    "Coverage as CSV",
                    format!("/files/coverage.csv{}", write(&scoped(view))),
                )],
            ),
            more: open.len().saturating_sub(NAMESPACES),
            rows: open
                .into_iter()
                .take(NAMESPACES)
                .map(|row| CoveredRow {
                    namespace: row.namespace.clone(),
                    cluster: mark(row.cluster.as_ref()),
                    proven: row.proven_at.as_deref().and_then(|at| moment(at, now)),
                    taken: row.backup_taken_at.as_deref().and_then(|at| moment(at, now)),
                    tests: row
                        .tests
                        .iter()
                        .take(3)
                        .filter_map(|test| test_link(test))
                        .collect(),
                })
                .collect(),
        }
    }
}

/// A number of days in words.
pub(super) fn days(count: u32) -> String {
    match count {
        1 => "the last day".to_owned(),
        _ => format!("{count} days"),
    }
}

/// The overview with proofs of so many days.
pub(super) fn address(view: &View, within: u32, pairs: &[(&str, &str)]) -> String {
    let within = within.to_string();
    let all: Vec<(&str, &str)> = [("within", within.as_str())]
        .into_iter()
        .chain(pairs.iter().copied())
        .chain(narrowed(&view.scope))
        .collect();
    format!("/{}", write(&all))
}

/// The ages, of the clusters that are shown.
pub(super) fn tabs(view: &View, within: u32) -> Vec<Link> {
    let chosen = value(&view.clusters).map(|value| (CLUSTER, value));
    let tab = |age: u32| Link {
        name: format!("{age} d"),
        href: address(view, age, chosen.as_slice()),
        is_here: age == within,
    };
    AGES.into_iter().map(tab).collect()
}

/// What a view is narrowed to, as an address says it.
fn scoped(view: &View) -> Vec<(&str, &str)> {
    let cluster = value(&view.clusters).map(|value| (CLUSTER, value));
    cluster.into_iter().chain(narrowed(&view.scope)).collect()
}
