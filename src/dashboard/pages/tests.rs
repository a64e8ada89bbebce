//! All tests: searched, filtered, sorted, in pages.

use std::{collections::BTreeSet, time::Duration};

use askama::Template;
use jiff::Timestamp;
use kymaros_crds::{LevelResult, RunPhase, domain::duration};
use kymaros_webhooks::validate::TestName;

use super::{
    Choice, Files, Heading,
    clusters::{CLUSTER, ClusterMark, choices as cluster_choices},
    heading, moment, or_dash, sorts, spanned, standing,
};
use crate::{
    dashboard::{
        addresses,
        charts::LEVELS,
        moments::Moment,
        query::{Pairs, write},
        shell::Shell,
        standing::Standing,
        table::{Column, Direction, Pager, TableState},
    },
    fleet::{Feature, Fleet, Roster, TestKey, TestRow, TestStanding, View},
    run::observe,
};

/// Filters of this page.
const FILTERS: [&str; 3] = ["status", "namespace", CLUSTER];

/// Namespaces that are offered.
const OFFERED: usize = 100;

/// What tests are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// How they stand, the worst first.
    Standing,
    /// Their name.
    Name,
    /// The score of the latest verdict.
    Score,
    /// The recovery time of the latest verdict.
    Recovery,
    /// When a run last passed.
    Proof,
    /// When they run next.
    Next,
}

impl Column for By {
    const ALL: &'static [Self] = &[
        Self::Standing,
        Self::Name,
        Self::Score,
        Self::Recovery,
        Self::Proof,
        Self::Next,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Standing => "status",
            Self::Name => "name",
            Self::Score => "score",
            Self::Recovery => "rto",
            Self::Proof => "proof",
            Self::Next => "next",
        }
    }

    fn starts_descending(self) -> bool {
        self == Self::Recovery
    }
}

/// The page.
#[derive(Template)]
#[template(path = "tests.html")]
pub struct TestsPage {
    /// Around it.
    pub shell: Shell,
    state: TableState<By>,
    statuses: Vec<Choice>,
    /// Those that are offered; any other can be written.
    namespaces: Vec<String>,
    /// None without other clusters.
    clusters: Vec<Choice>,
    columns: Vec<Heading>,
    sorts: Vec<Choice>,
    rows: Vec<Row>,
    pager: Pager,
    files: Files,
}

struct Row {
    standing: Standing,
    name: String,
    namespace: String,
    cluster: ClusterMark,
    href: String,
    score: String,
    rto: String,
    proven: Option<Moment>,
    next: Option<Moment>,
    no_next: &'static str,
    running: Option<String>,
    levels: Vec<LevelMark>,
}

struct LevelMark {
    name: &'static str,
    standing: Standing,
}

impl TestsPage {
    /// The page as somebody sees it.
    #[must_use]
    pub fn new(fleet: &Fleet, view: &View, query: &Pairs, shell: Shell) -> Self {
        let state = TableState::parse("/tests".to_owned(), query, &FILTERS);
        let all = fleet.rows(view);
        let others = fleet.others();
        let namespaces: BTreeSet<&str> = all.iter().map(|row| row.namespace.as_str()).collect();
        let namespaces = namespaces.into_iter().take(OFFERED).map(str::to_owned).collect();
        let (shown, pager) = state.page_of(arranged(all, &state));
        let columns = vec![
            heading(&state, By::Standing, "Status", ""),
            heading(&state, By::Name, "Test", ""),
            heading(&state, By::Score, "Score", "num"),
            heading(&state, By::Recovery, "Recovery", "num wide"),
            heading(&state, By::Proof, "Last proof", "wide"),
            heading(&state, By::Next, "Next run", "wide"),
        ];
        Self {
            statuses: TestStanding::ALL
                .into_iter()
                .map(|standing| choice(&state, "status", standing.key(), Standing::from(standing).word()))
                .collect(),
            namespaces,
            clusters: cluster_choices(&others, state.filter(CLUSTER)),
            sorts: sorts(&state, &columns),
            columns,
            rows: shown
                .into_iter()
                .map(|row| of_row(fleet, &others, row, view.now))
                .collect(),
            pager,
            files: Files::new(
                view,
                [
                    (Feature::Csv, "Tests as CSV", tests_file(&state)),
                    (Feature::Csv, "Reports as CSV", reports_file(&state)),
                ],
            ),
            state,
            shell,
        }
    }
}

/// The tests of the table, on all of its pages.
fn tests_file(state: &TableState<By>) -> String {
    let asked = state.search.iter().map(|search| ("q", search.as_str()));
    let asked: Vec<_> = asked.chain(set(state, &FILTERS)).collect();
    format!("/files/tests.csv{}", write(&asked))
}

/// The reports of the namespace and the cluster that are shown.
fn reports_file(state: &TableState<By>) -> String {
    let asked: Vec<_> = set(state, &["namespace", CLUSTER]).collect();
    format!("/files/reports.csv{}", write(&asked))
}

/// Those of these filters that are set.
fn set<'a>(state: &'a TableState<By>, filters: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = filters.iter().map(|key| (*key, state.filter(key)));
    all.filter(|(_, value)| !value.is_empty())
}

fn choice(state: &TableState<By>, key: &str, value: &str, name: &str) -> Choice {
    Choice {
        value: value.to_owned(),
        name: name.to_owned(),
        is_set: state.filter(key) == value,
    }
}

/// The tests that are asked for, in the order that is asked for; else the worst first.
fn arranged(mut rows: Vec<TestRow>, state: &TableState<By>) -> Vec<TestRow> {
    let (status, namespace) = (state.filter("status"), state.filter("namespace"));
    rows.retain(|row| {
        (status.is_empty() || row.standing.key() == status)
            && (namespace.is_empty() || row.namespace == namespace)
            && state.search.as_ref().is_none_or(|word| row.has(word))
    });
    let (by, direction) = state.sort.unwrap_or((By::Standing, Direction::Ascending));
    match by {
        By::Standing => rows.sort_by_cached_key(|row| (standing(row), row.last_score)),
        By::Name => {
            rows.sort_by(|a, b| {
                (&a.name, &a.namespace, &a.cluster).cmp(&(&b.name, &b.namespace, &b.cluster))
            });
        }
        By::Score => rows.sort_by_key(|row| row.score().unwrap_or(-1)),
        By::Recovery => rows.sort_by_cached_key(recovery),
        By::Proof => rows.sort_by(|a, b| a.proven_at.cmp(&b.proven_at)),
        // Tests without a next run come last.
        By::Next => rows.sort_by_cached_key(|row| (row.next_run_at.is_empty(), row.next_run_at.clone())),
    }
    if direction == Direction::Descending {
        rows.reverse();
    }
    rows
}

fn recovery(row: &TestRow) -> Duration {
    duration::parse(&row.last_rto).unwrap_or_default()
}

fn of_row(fleet: &Fleet, others: &Roster, row: TestRow, now: Timestamp) -> Row {
    let cluster = row.cluster.as_ref();
    let key = TestKey {
        cluster: row.cluster.clone(),
        test: TestName {
            namespace: row.namespace.clone(),
            name: row.name.clone(),
        },
    };
    Row {
        standing: shown_standing(fleet, &row),
        cluster: ClusterMark::of(others, cluster, now),
        href: addresses::test(cluster, &row.namespace, &row.name),
        score: or_dash(row.score()),
        rto: or_dash(spanned(&row.last_rto)),
        proven: moment(&row.proven_at, now),
        next: moment(&row.next_run_at, now),
        no_next: if row.suspended {
            "suspended"
        } else {
            "none planned"
        },
        running: (!row.running.is_empty()).then(|| addresses::report(cluster, &row.namespace, &row.running)),
        levels: fleet.levels(&key).map(marks).unwrap_or_default(),
        name: row.name,
        namespace: row.namespace,
    }
}

/// A first run that still waits for its turn does not run.
fn shown_standing(fleet: &Fleet, row: &TestRow) -> Standing {
    let is_queued = || {
        let report = fleet.stored(row.cluster.as_ref(), &row.namespace, &row.running);
        report.is_some_and(|report| observe::phase(&report) == RunPhase::Queued)
    };
    match standing(row) {
        Standing::Running if is_queued() => Standing::Queued,
        standing => standing,
    }
}

fn marks(levels: [LevelResult; 6]) -> Vec<LevelMark> {
    let named = LEVELS.into_iter().zip(levels);
    named
        .map(|(name, level)| LevelMark {
            name,
            standing: level.into(),
        })
        .collect()
}
