//! What a framework asks, held against the runs of a period.

use askama::Template;

use super::{
    Figure, Files, Link,
    clusters::{CLUSTER, links, value},
    covered::{PROOF, scoped, whole},
    plural, spanned, test_link,
};
use crate::{
    dashboard::{
        addresses::{self, narrowed, parts},
        charts::Percent,
        moments::Moment,
        query::{Pairs, write},
        shell::Shell,
        standing::Standing,
    },
    fleet::{Compliance, Feature, Fleet, Framework, Requirement, Standing as Met, View},
};

/// Periods that are one click away, days.
const PERIODS: [u32; 4] = [30, 90, 180, 365];

/// The page.
#[derive(Template)]
#[template(path = "compliance.html")]
pub struct CompliancePage {
    /// Around it.
    pub shell: Shell,
    title: String,
    scope: String,
    frameworks: Vec<Link>,
    periods: Vec<Link>,
    /// None without other clusters.
    clusters: Vec<Link>,
    standing: Standing,
    word: &'static str,
    verdict: String,
    figures: Vec<Figure>,
    requirements: Vec<Row>,
    hidden: Vec<String>,
    made: String,
    files: Files,
}

struct Row {
    id: &'static str,
    title: &'static str,
    figure: String,
    share: Percent,
    standing: Standing,
    word: &'static str,
    open: Vec<Link>,
    open_count: usize,
    /// Those that have no name here, and where they have one.
    open_more: usize,
    elsewhere: Link,
}

/// The framework that is asked for.
#[must_use]
pub fn framework(query: &Pairs) -> Framework {
    query
        .get("framework")
        .and_then(|text| text.parse().ok())
        .unwrap_or(Framework::Soc2)
}

impl CompliancePage {
    /// The page as somebody sees it; without figures, and with one line about that, where the tier has none.
    #[must_use]
    pub fn new(fleet: &Fleet, view: &View, query: &Pairs, shell: Shell) -> Self {
        let framework = framework(query);
        let days = query.number("period", 1..=3650).unwrap_or(90);
        let chosen = value(&view.clusters).map(|value| (CLUSTER, value));
        let address = |framework: Framework, days: u32| of_clusters(view, framework, days, chosen.as_slice());
        let found = fleet.compliance(framework, days, view).ok();
        let (standing, word, verdict) = found
            .as_ref()
            .map_or((Standing::Unproven, "", String::new()), verdict);
        Self {
            title: framework.title().to_owned(),
            scope: found
                .as_ref()
                .map(|found| format!("{}. {}", found.period, found.scope))
                .unwrap_or_default(),
            frameworks: Framework::ALL
                .into_iter()
                .map(|each| Link {
                    name: each.title().to_owned(),
                    href: address(each, days),
                    is_here: each == framework,
                })
                .collect(),
            periods: PERIODS
                .into_iter()
                .map(|each| Link {
                    name: format!("{each} days"),
                    href: address(framework, each),
                    is_here: each == days,
                })
                .collect(),
            clusters: links(&fleet.others(), &view.clusters, |pairs| {
                of_clusters(view, framework, days, pairs)
            }),
            standing,
            word,
            verdict,
            figures: found.as_ref().map(figures).unwrap_or_default(),
            requirements: found
                .iter()
                .flat_map(|found| &found.requirements)
                .map(|asked| row(fleet, asked, (view, days)))
                .collect(),
            hidden: match &found {
                Some(found) => found.hidden.clone(),
                None => vec![Feature::Compliance.hidden()],
            },
            made: Moment::of(view.now, view.now).utc,
            files: Files::new(
                view,
                [
                    (
                        Feature::Csv,
                        "CSV",
                        file(view, "compliance.csv", (framework, days), chosen.as_slice()),
                    ),
                    (
                        Feature::Pdf,
                        "PDF",
                        file(view, "compliance.pdf", (framework, days), chosen.as_slice()),
                    ),
                ],
            ),
            shell,
        }
    }
}

fn of_clusters(view: &View, framework: Framework, days: u32, pairs: &[(&str, &str)]) -> String {
    format!("/compliance{}", asked(view, framework, days, pairs))
}

fn file(view: &View, name: &str, (framework, days): (Framework, u32), pairs: &[(&str, &str)]) -> String {
    format!("/files/{name}{}", asked(view, framework, days, pairs))
}

fn asked(view: &View, framework: Framework, days: u32, pairs: &[(&str, &str)]) -> String {
    let days = days.to_string();
    let fixed = [("framework", framework.as_str()), ("period", days.as_str())];
    let all: Vec<(&str, &str)> = fixed
        .into_iter()
        .chain(pairs.iter().copied())
        .chain(narrowed(&view.scope))
        .collect();
    write(&all)
}

fn verdict(found: &Compliance) -> (Standing, &'static str, String) {
    let count = |standing: Met| {
        let asked = found.requirements.iter();
        asked.filter(|asked| asked.standing == standing).count()
    };
    let (met, open, unknown) = (count(Met::Met), count(Met::NotMet), count(Met::NoData));
    let unjudged = match unknown {
        0 => String::new(),
        1 => "; 1 has no data to judge by".to_owned(),
        _ => format!("; {unknown} have no data to judge by"),
    };
    match found.status {
        "compliant" => (
            Standing::Pass,
            "Met",
            format!(
                "{} met{unjudged}.",
                plural(met, "requirement is", "requirements are")
            ),
        ),
        "non-compliant" => (
            Standing::Fail,
            "Not met",
            format!(
                "{open} of {} not met{unjudged}.",
                plural(met + open, "requirement is", "requirements are")
            ),
        ),
        _ => (
            Standing::Unproven,
            "No data",
            "There is nothing in this period to judge by.".to_owned(),
        ),
    }
}

fn figures(found: &Compliance) -> Vec<Figure> {
    let rto = spanned(&found.average_rto).unwrap_or_else(|| "–".to_owned());
    vec![
        Figure::new(
            "Runs judged",
            found.tests_executed,
            "",
            found.namespaces_covered.clone(),
        ),
        Figure::new(
            "Mean score",
            format!("{:.1}", found.average_score),
            "of 100",
            format!("{} failed", found.issues_detected),
        ),
        Figure::new(
            "Days with runs",
            found.days_with_tests,
            format!("of {}", found.days_in_period),
            "",
        ),
        Figure::new(
            "Mean recovery time",
            rto,
            "",
            spanned(&found.rto_target).map_or_else(
                || "none agreed".to_owned(),
                |target| format!("agreed {target} on average"),
            ),
        ),
    ]
}

fn row(fleet: &Fleet, asked: &Requirement, (view, days): (&View, u32)) -> Row {
    let (standing, word) = match asked.standing {
        Met::Met => (Standing::Pass, "Met"),
        Met::NotMet => (Standing::Fail, "Not met"),
        Met::NoData => (Standing::Unproven, "No data"),
    };
    Row {
        id: asked.id,
        title: asked.title,
        figure: asked.figure.clone(),
        share: Percent::of(asked.met, asked.of),
        standing,
        word,
        open: asked.open.iter().map(|name| open_link(fleet, name)).collect(),
        elsewhere: elsewhere(asked, view, days),
        open_more: (asked.of - asked.met).saturating_sub(asked.open.len()),
        open_count: asked.of - asked.met,
    }
}

/// The table of all that a requirement is held against.
fn elsewhere(asked: &Requirement, view: &View, days: u32) -> Link {
    if asked.open.iter().any(|name| name.contains('/')) {
        let here = write(&scoped(view));
        Link::new("all tests", format!("/tests{here}"))
    } else {
        Link::new("all namespaces", whole(view, days.min(365), &[(PROOF, "none")]))
    }
}

/// Tests and reports are named alike, as `namespace/name` or `cluster/namespace/name`, and a test can be named as a report
/// is: which of them there is tells.
fn open_link(fleet: &Fleet, name: &str) -> Link {
    let Some((cluster, namespace, of)) = parts(name) else {
        return Link::new(name, String::new());
    };
    let cluster = cluster.as_ref();
    let is_test = fleet.test_of(cluster, namespace, of).is_some();
    if !is_test && fleet.has_report(cluster, namespace, of) {
        Link::new(name, addresses::report(cluster, namespace, of))
    } else {
        test_link(name).unwrap_or_else(|| Link::new(name, String::new()))
    }
}
