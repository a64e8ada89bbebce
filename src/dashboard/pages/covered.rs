//! Coverage: which namespaces with data have no recent proof.

use jiff::Timestamp;

use super::{
    Link,
    clusters::{CLUSTER, ClusterMark, value},
    files::Files,
    moment, plural, test_link,
};
use crate::{
    dashboard::{addresses::narrowed, charts::Percent, moments::Moment, query::write},
    fleet::{ClusterName, Coverage, CoveredNamespace, Feature, Fleet, View},
};

/// Rows on the overview.
const NAMESPACES: usize = 10;
/// Tests that are named beside a namespace.
const TESTS: usize = 3;
/// Ages of proofs that are one click away.
pub(super) const AGES: [u32; 4] = [1, 7, 30, 90];
/// The parameter that says how old a proof may be, days.
pub(super) const WITHIN: &str = "within";
/// The parameter that leaves out what has a proof, or what has none.
pub(super) const PROOF: &str = "proof";

/// Namespaces that have data, and no recent proof.
pub(super) struct Covered {
    pub(super) label: String,
    pub(super) share: Percent,
    pub(super) all: usize,
    /// Namespaces without a recent proof; the first of them are shown.
    pub(super) open: usize,
    pub(super) rows: Vec<CoveredRow>,
    /// The page of all that are open.
    pub(super) more: String,
    /// The page of all that have a backup.
    pub(super) whole: String,
    pub(super) files: Files,
}

pub(super) struct CoveredRow {
    pub(super) namespace: String,
    pub(super) cluster: Option<ClusterMark>,
    pub(super) proven: Option<Moment>,
    pub(super) taken: Option<Moment>,
    pub(super) tests: Vec<Link>,
    pub(super) more: usize,
}

impl Covered {
    /// What is covered by proofs of so many days.
    pub(super) fn new(
        fleet: &Fleet,
        view: &View,
        within: u32,
        mark: impl Fn(Option<&ClusterName>) -> Option<ClusterMark>,
    ) -> Self {
        let unproven = fleet.unproven(within, NAMESPACES, view);
        let all = unproven.with_backup;
        let proven = all - unproven.open;
        Self {
            label: label(proven, all, within),
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
            open: unproven.open,
            more: whole(view, within, &[(PROOF, "none")]),
            whole: whole(view, within, &[]),
            rows: unproven
                .first
                .iter()
                .map(|row| of_row(row, mark(row.cluster.as_ref()), view.now))
                .collect(),
        }
    }
}

/// How many namespaces are proven, in words.
pub(super) fn label(proven: usize, all: usize, within: u32) -> String {
    format!(
        "{proven} of {} with a backup proven in {}",
        plural(all, "namespace", "namespaces"),
        days(within)
    )
}

/// Whether a row is asked for by the value of [`PROOF`]; without one that is known, all are.
pub(super) fn is_asked_for(proof: &str, is_proven: bool) -> bool {
    match proof {
        "some" => is_proven,
        "none" => !is_proven,
        _ => true,
    }
}

/// Namespaces that have a backup.
pub(super) fn held(coverage: &Coverage) -> Vec<&CoveredNamespace> {
    let rows = coverage.namespaces.iter();
    rows.filter(|row| row.backup.is_some()).collect()
}

pub(super) fn of_row(row: &CoveredNamespace, cluster: Option<ClusterMark>, now: Timestamp) -> CoveredRow {
    CoveredRow {
        namespace: row.namespace.clone(),
        cluster,
        proven: row.proven_at.as_deref().and_then(|at| moment(at, now)),
        taken: row.backup_taken_at.as_deref().and_then(|at| moment(at, now)),
        more: row.tests.len().saturating_sub(TESTS),
        tests: row
            .tests
            .iter()
            .take(TESTS)
            .filter_map(|test| test_link(test))
            .collect(),
    }
}

/// The page of all namespaces with a backup.
pub(super) fn whole(view: &View, within: u32, pairs: &[(&str, &str)]) -> String {
    let within = within.to_string();
    let all: Vec<(&str, &str)> = [(WITHIN, within.as_str())]
        .into_iter()
        .chain(pairs.iter().copied())
        .chain(scoped(view))
        .collect();
    format!("/coverage{}", write(&all))
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
    let all: Vec<(&str, &str)> = [(WITHIN, within.as_str())]
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
pub(super) fn scoped(view: &View) -> Vec<(&str, &str)> {
    let cluster = value(&view.clusters).map(|value| (CLUSTER, value));
    cluster.into_iter().chain(narrowed(&view.scope)).collect()
}
