//! One file for each page: what it shows, made of answers of the fleet by plain functions. Templates only lay it out.

pub mod clusters;
mod compliance;
mod coverage;
mod covered;
mod error;
mod files;
mod hidden;
mod overview;
mod report;
mod schedules;
mod settings;
mod sign_in;
mod test;
mod tests;
mod trigger;

use jiff::Timestamp;
use kymaros_crds::Trigger;

pub use clusters::ClustersPage;
pub use compliance::{CompliancePage, framework};
pub use coverage::CoveragePage;
pub use error::{ErrorPage, Wrong};
pub use files::Files;
pub use hidden::HiddenPage;
pub use overview::Overview;
pub use report::ReportPage;
pub use schedules::SchedulesPage;
pub use settings::{Sees, Setting, SettingsPage};
pub use sign_in::SignInPage;
pub use test::TestPage;
pub use tests::TestsPage;
pub use trigger::TriggerPage;

use super::{
    addresses,
    moments::{self, Moment},
    standing::Standing,
    table::{Column, Direction, TableState},
};
use crate::fleet::TestRow;

/// A number that a page puts first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// The number.
    pub value: String,
    /// What stands beside it.
    pub unit: String,
    /// One line about it.
    pub note: String,
}

impl Figure {
    fn new(
        name: &'static str,
        value: impl std::fmt::Display,
        unit: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self {
            name,
            value: value.to_string(),
            unit: unit.into(),
            note: note.into(),
        }
    }
}

/// Something with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// The value.
    pub value: String,
}

impl Fact {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As in the address.
    pub value: String,
    /// As people read it.
    pub name: String,
    /// Whether it is chosen.
    pub is_set: bool,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its text.
    pub name: String,
    /// Its address.
    pub href: String,
    /// Whether it leads to what is shown.
    pub is_here: bool,
}

impl Link {
    fn new(name: impl Into<String>, href: String) -> Self {
        Self {
            name: name.into(),
            href,
            is_here: false,
        }
    }
}

/// A test that the fleet names so.
fn test_link(test: &str) -> Option<Link> {
    let (cluster, namespace, name) = addresses::parts(test)?;
    Some(Link::new(
        test,
        addresses::test(cluster.as_ref(), namespace, name),
    ))
}

/// The head of a column that sorts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Its name.
    pub name: &'static str,
    /// Classes of its cell.
    pub class: &'static str,
    /// How it is sorted, as `aria-sort` has it.
    pub aria: &'static str,
    /// The address that sorts by it.
    pub href: String,
}

fn heading<C: Column>(state: &TableState<C>, column: C, name: &'static str, class: &'static str) -> Heading {
    Heading {
        name,
        class,
        aria: state.aria_sort(column),
        href: state.sorted_by(column),
    }
}

/// What a table can be sorted by, for its form: on a phone there are no heads to press.
fn sorts<C: Column>(state: &TableState<C>, columns: &[Heading]) -> Vec<Choice> {
    let both = |(column, head): (&C, &Heading)| {
        [Direction::Ascending, Direction::Descending].map(|direction| Choice {
            value: direction.of(*column),
            name: format!("{}, {}", head.name.to_lowercase(), direction.aria()),
            is_set: state.sort == Some((*column, direction)),
        })
    };
    C::ALL.iter().zip(columns).flat_map(both).collect()
}

/// A moment as the fleet writes it.
fn moment(text: &str, now: Timestamp) -> Option<Moment> {
    Some(Moment::of(text.parse().ok()?, now))
}

fn standing(row: &TestRow) -> Standing {
    row.standing.into()
}

fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| text.to_string())
}

/// A recovery time as the fleet writes it, for people.
fn spanned(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| moments::stored_span(text))
}

fn why_it_ran(trigger: Option<Trigger>) -> &'static str {
    match trigger {
        Some(Trigger::Schedule) => "its schedule",
        Some(Trigger::Annotation) => "somebody asked for it",
        Some(Trigger::Api) => "asked for here or by the API",
        Some(Trigger::Created) => "the test was new",
        None => "",
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}
