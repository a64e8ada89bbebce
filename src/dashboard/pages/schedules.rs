//! Velero's Schedules, and the tests that prove what they make.

use askama::Template;

use super::{
    Choice, Heading, Link,
    clusters::CLUSTER,
    covered::{PROOF, is_asked_for},
    heading, moment, sorts, test_link,
};
use crate::{
    dashboard::{
        addresses::NAMESPACE,
        moments::Moment,
        query::Pairs,
        shell::Shell,
        table::{Column, Direction, Pager, TableState},
    },
    fleet::{Fleet, ScheduleRow, Scope, View},
};

/// Tests that are named beside a Schedule.
const MOST: usize = 4;

/// What Schedules are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Their name.
    Name,
    /// Their cron expression.
    Cron,
    /// When they last made a backup.
    Last,
}

impl Column for By {
    const ALL: &'static [Self] = &[Self::Name, Self::Cron, Self::Last];

    fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cron => "cron",
            Self::Last => "last",
        }
    }

    fn starts_descending(self) -> bool {
        self == Self::Last
    }
}

/// The page.
#[derive(Template)]
#[template(path = "schedules.html")]
pub struct SchedulesPage {
    /// Around it.
    pub shell: Shell,
    state: TableState<By>,
    proofs: [Choice; 2],
    columns: Vec<Heading>,
    sorts: Vec<Choice>,
    rows: Vec<Row>,
    pager: Pager,
    velero: String,
    /// The namespace whose tests are seen alone; empty where all are, or none.
    only: String,
    /// What is not said of tests; empty when all are seen.
    unseen: String,
    /// Whether there are others whose Schedules are not known.
    has_others: bool,
    /// The one of them that is asked for.
    elsewhere: Option<String>,
}

struct Row {
    name: String,
    cron: String,
    paused: bool,
    phase: String,
    last: Option<Moment>,
    namespaces: String,
    tests: Vec<Link>,
    more: usize,
}

impl SchedulesPage {
    /// The page as somebody sees it, with the tests of `seen`, or none.
    #[must_use]
    pub fn new(fleet: &Fleet, seen: Option<&Scope>, view: &View, query: &Pairs, shell: Shell) -> Self {
        let state: TableState<By> =
            TableState::parse("/schedules".to_owned(), query, &[PROOF, NAMESPACE, CLUSTER]);
        let proof = |value: &str, name: &str| Choice {
            value: value.to_owned(),
            name: name.to_owned(),
            is_set: state.filter(PROOF) == value,
        };
        let elsewhere = view.clusters.other().map(ToString::to_string);
        let known = match elsewhere {
            Some(_) => Vec::new(),
            None => fleet.schedules(seen),
        };
        let (shown, pager) = state.page_of(arranged(known, &state));
        let columns = vec![
            heading(&state, By::Name, "Schedule", ""),
            heading(&state, By::Cron, "Cron", ""),
            heading(&state, By::Last, "Last backup", ""),
        ];
        Self {
            proofs: [proof("none", "no test"), proof("some", "with a test")],
            sorts: sorts(&state, &columns),
            columns,
            rows: shown
                .into_iter()
                .map(|row| Row {
                    more: row.tests.len().saturating_sub(MOST),
                    last: moment(&row.last_backup, view.now),
                    namespaces: row.namespaces.join(", "),
                    tests: row
                        .tests
                        .iter()
                        .take(MOST)
                        .filter_map(|test| test_link(test))
                        .collect(),
                    name: row.name,
                    cron: row.cron,
                    paused: row.paused,
                    phase: if row.phase == "Enabled" {
                        String::new()
                    } else {
                        row.phase
                    },
                })
                .collect(),
            pager,
            velero: fleet.velero_namespace.clone(),
            only: view.scope.namespace().unwrap_or_default().to_owned(),
            unseen: match seen {
                Some(Scope::All) => String::new(),
                Some(Scope::Namespace(namespace)) => {
                    format!("Tests of other namespaces than {namespace} are not shown.")
                }
                None => "Tests are not shown: your account may not list them.".to_owned(),
            },
            elsewhere,
            has_others: !fleet.others().remotes.is_empty(),
            state,
            shell,
        }
    }
}

impl SchedulesPage {
    /// Whether anything is left out of the table that can be seen.
    fn is_narrowed(&self) -> bool {
        self.elsewhere.is_some() || self.state.is_narrowed_by(&[PROOF])
    }
}

fn arranged(mut rows: Vec<ScheduleRow>, state: &TableState<By>) -> Vec<ScheduleRow> {
    let proof = state.filter(PROOF);
    rows.retain(|row| {
        let is_proven = !row.tests.is_empty();
        is_asked_for(proof, is_proven)
            && (state.finds(&row.name) || row.namespaces.iter().any(|namespace| state.finds(namespace)))
    });
    let (by, direction) = state.sort.unwrap_or((By::Name, Direction::Ascending));
    match by {
        By::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        By::Cron => rows.sort_by(|a, b| (&a.cron, &a.name).cmp(&(&b.cron, &b.name))),
        By::Last => rows.sort_by(|a, b| (&a.last_backup, &a.name).cmp(&(&b.last_backup, &b.name))),
    }
    if direction == Direction::Descending {
        rows.reverse();
    }
    rows
}
