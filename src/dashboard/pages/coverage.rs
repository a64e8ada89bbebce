//! All namespaces with a backup: searched, filtered by the age of their proof, sorted, in pages.

use askama::Template;

use super::{
    Choice, Files, Heading,
    clusters::{CLUSTER, ClusterMark, choices as cluster_choices},
    covered::{AGES, CoveredRow, PROOF, WITHIN, days, held, is_asked_for, label, of_row, scoped},
    heading, sorts,
};
use crate::{
    dashboard::{
        addresses::NAMESPACE,
        charts::Percent,
        query::{Pairs, write},
        shell::Shell,
        table::{Column, Direction, Pager, TableState},
    },
    fleet::{CoveredNamespace, Feature, Fleet, View},
};

/// What namespaces are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Their name.
    Name,
    /// When a run of them last passed.
    Proof,
    /// When their newest backup was taken.
    Backup,
}

impl Column for By {
    const ALL: &'static [Self] = &[Self::Name, Self::Proof, Self::Backup];

    fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Proof => "proof",
            Self::Backup => "backup",
        }
    }

    fn starts_descending(self) -> bool {
        self == Self::Backup
    }
}

/// The page.
#[derive(Template)]
#[template(path = "coverage.html")]
pub struct CoveragePage {
    /// Around it.
    pub shell: Shell,
    state: TableState<By>,
    label: String,
    share: Percent,
    ages: Vec<Choice>,
    proofs: [Choice; 2],
    /// None without other clusters.
    clusters: Vec<Choice>,
    /// The namespace that is seen alone; empty where all are.
    only: String,
    columns: [Heading; 3],
    sorts: Vec<Choice>,
    rows: Vec<CoveredRow>,
    pager: Pager,
    files: Files,
}

impl CoveragePage {
    /// The page as somebody sees it.
    #[must_use]
    pub fn new(fleet: &Fleet, view: &View, query: &Pairs, shell: Shell) -> Self {
        let filters = [WITHIN, PROOF, CLUSTER, NAMESPACE];
        let state: TableState<By> = TableState::parse("/coverage".to_owned(), query, &filters);
        let within = query.number(WITHIN, 1..=365).unwrap_or(7);
        let (coverage, others) = (fleet.coverage(view), fleet.others());
        let held = held(&coverage);
        let (all, proven) = (
            held.len(),
            held.iter().filter(|row| row.is_proven_within(within)).count(),
        );
        let (shown, pager) = state.page_of(arranged(held, within, &state));
        let choice = |key: &str, value: String, name: String| Choice {
            is_set: state.filter(key) == value,
            value,
            name,
        };
        let columns = [
            heading(&state, By::Name, "Namespace", ""),
            heading(&state, By::Proof, "Last proof", ""),
            heading(&state, By::Backup, "Newest backup", ""),
        ];
        Self {
            label: label(proven, all, within),
            share: Percent::of(proven, all),
            ages: AGES
                .into_iter()
                // An audit leads here with a time of its own.
                .chain([within].into_iter().filter(|within| !AGES.contains(within)))
                .map(|age| Choice {
                    is_set: age == within,
                    value: age.to_string(),
                    name: days(age),
                })
                .collect(),
            proofs: [("none", "without a proof"), ("some", "with a proof")]
                .map(|(value, name)| choice(PROOF, value.to_owned(), name.to_owned())),
            clusters: cluster_choices(&others, state.filter(CLUSTER)),
            only: view.scope.namespace().unwrap_or_default().to_owned(),
            sorts: sorts(&state, &columns),
            columns,
            rows: shown
                .into_iter()
                .map(|row| {
                    let cluster = row.cluster.as_ref();
                    let mark = cluster.map(|_| ClusterMark::of(&others, cluster, view.now));
                    of_row(row, mark, view.now)
                })
                .collect(),
            pager,
            files: Files::new(
                view,
                [(
                    Feature::Csv,
                    "Coverage as CSV",
                    format!("/files/coverage.csv{}", write(&scoped(view))),
                )],
            ),
            state,
            shell,
        }
    }

    /// Whether anything is left out of the table that can be seen.
    fn is_narrowed(&self) -> bool {
        self.state.is_narrowed_by(&[PROOF, CLUSTER])
    }
}

fn arranged<'a>(
    mut rows: Vec<&'a CoveredNamespace>,
    within: u32,
    state: &TableState<By>,
) -> Vec<&'a CoveredNamespace> {
    let proof = state.filter(PROOF);
    rows.retain(|row| {
        is_asked_for(proof, row.is_proven_within(within))
            && (state.finds(&row.namespace) || row.tests.iter().any(|test| state.finds(test)))
    });
    let (by, direction) = state.sort.unwrap_or((By::Proof, Direction::Ascending));
    match by {
        By::Name => rows.sort_by(|a, b| (&a.namespace, &a.cluster).cmp(&(&b.namespace, &b.cluster))),
        By::Proof => rows.sort_by(|a, b| (&a.proven_at, &a.namespace).cmp(&(&b.proven_at, &b.namespace))),
        By::Backup => {
            rows.sort_by(|a, b| (&a.backup_taken_at, &a.namespace).cmp(&(&b.backup_taken_at, &b.namespace)));
        }
    }
    if direction == Direction::Descending {
        rows.reverse();
    }
    rows
}
