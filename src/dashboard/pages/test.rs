//! One test: how it stands, its history as charts and as a table, what it restores.

use askama::Template;
use jiff::Timestamp;
use kymaros_crds::{
    BackupSource, RestoreTestSpec,
    domain::{Source, duration},
};

use super::{
    Fact, Figure, Heading, Link,
    clusters::{CLUSTER, ClusterMark},
    heading, moment, or_dash, spanned, standing, why_it_ran,
};
use crate::{
    dashboard::{
        addresses,
        charts::{History, Observation},
        moments::Moment,
        query::Pairs,
        shell::Shell,
        standing::{self as word, Standing},
        table::{Column, Direction, Pager, TableState},
    },
    fleet::{Feature, Fleet, HistoryEntry, Place, RtoAnalytics, TestDetail, View},
    report::missed,
};

/// What runs are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// When they were made.
    Time,
    /// How they ended.
    Standing,
    /// Their score.
    Score,
    /// Their recovery time.
    Recovery,
}

impl Column for By {
    const ALL: &'static [Self] = &[Self::Time, Self::Standing, Self::Score, Self::Recovery];

    fn key(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Standing => "result",
            Self::Score => "score",
            Self::Recovery => "rto",
        }
    }

    fn starts_descending(self) -> bool {
        matches!(self, Self::Time | Self::Recovery)
    }
}

/// The parameter that narrows runs to those that ended so.
const RESULT: &str = "result";
/// How runs end.
const ENDS: [Standing; 4] = [
    Standing::Pass,
    Standing::Partial,
    Standing::Inconclusive,
    Standing::Fail,
];

/// The page.
#[derive(Template)]
#[template(path = "test.html")]
pub struct TestPage {
    /// Around it.
    pub shell: Shell,
    name: String,
    namespace: String,
    /// None: it is of another cluster.
    trigger: Option<String>,
    cluster: Option<ClusterMark>,
    running: Option<String>,
    problem: String,
    standing: Standing,
    notes: String,
    message: String,
    /// Planned times that got no run before the latest.
    missed: Option<String>,
    figures: Vec<Figure>,
    scores: History,
    recovery: Option<History>,
    analytics: Option<Analytics>,
    legend: [Standing; 4],
    results: Vec<Link>,
    has_runs: bool,
    columns: Vec<Heading>,
    rows: Vec<Row>,
    pager: Pager,
    spec: Vec<Fact>,
    conditions: Vec<Condition>,
    hidden: Vec<String>,
}

struct Analytics {
    median: String,
    p95: String,
    longest: String,
    kept: Option<f64>,
}

struct Row {
    at: Moment,
    href: String,
    standing: Standing,
    score: String,
    rto: String,
    cause: &'static str,
    regressed: bool,
    trigger: &'static str,
}

struct Condition {
    name: String,
    status: String,
    reason: String,
    message: String,
}

impl TestPage {
    /// The page as somebody sees it; nothing when there is no such test.
    #[must_use]
    pub fn new(
        fleet: &Fleet,
        view: &View,
        (namespace, name): (&str, &str),
        query: &Pairs,
        shell: Shell,
    ) -> Option<Self> {
        let cluster = view.clusters.other();
        let place = Place {
            cluster: cluster.cloned(),
            namespace: namespace.to_owned(),
        };
        let detail = fleet.detail(&place, name, view)?;
        let state = TableState::parse(addresses::test(None, namespace, name), query, &[CLUSTER, RESULT]);
        let row = &detail.row;
        let latest = fleet.stored(cluster, namespace, &row.last_report);
        let (shown, pager) = state.page_of(arranged(&detail.history, &state));
        let is_open = view.features.has(Feature::RtoAnalytics);
        let target = duration::parse(&row.rto_target).ok();
        Some(Self {
            name: row.name.clone(),
            namespace: row.namespace.clone(),
            trigger: cluster.is_none().then(|| addresses::trigger(namespace, name)),
            cluster: cluster.map(|_| ClusterMark::of(&fleet.others(), cluster, view.now)),
            running: (!row.running.is_empty()).then(|| addresses::report(cluster, namespace, &row.running)),
            problem: row.problem.clone(),
            standing: standing(row),
            notes: notes(&detail),
            missed: latest
                .as_ref()
                .and_then(|report| report.spec.missed.as_ref().map(missed)),
            message: latest
                .and_then(|report| report.status.as_ref()?.message.clone())
                .unwrap_or_default(),
            figures: figures(&detail, view.now),
            scores: History::of_scores(scores(&detail.history)),
            recovery: is_open.then(|| History::of_recovery(recoveries(&detail.history), target)),
            analytics: detail.rto.as_ref().map(analytics),
            legend: ENDS,
            results: results(&state),
            has_runs: !detail.history.is_empty(),
            columns: vec![
                heading(&state, By::Time, "Run", ""),
                heading(&state, By::Standing, "Result", ""),
                heading(&state, By::Score, "Score", "num"),
                heading(&state, By::Recovery, "Recovery", "num"),
            ],
            rows: shown
                .into_iter()
                .filter_map(|entry| of_entry(entry, &place, view.now))
                .collect(),
            pager,
            spec: facts(&detail.spec),
            conditions: detail
                .conditions
                .iter()
                .map(|c| Condition {
                    name: c.type_.clone(),
                    status: c.status.clone(),
                    reason: c.reason.clone(),
                    message: c.message.clone(),
                })
                .collect(),
            hidden: detail.hidden,
            shell,
        })
    }
}

fn notes(detail: &TestDetail) -> String {
    let row = &detail.row;
    let notes = [
        (!row.running.is_empty()).then(|| "a run goes on".to_owned()),
        row.suspended.then(|| "suspended: no scheduled runs".to_owned()),
        row.last_cause
            .map(|cause| format!("cause: {}", word::cause(cause))),
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn figures(detail: &TestDetail, now: Timestamp) -> Vec<Figure> {
    let row = &detail.row;
    let relative = |text: &str| moment(text, now).map(|at| at.relative);
    let utc = |text: &str| moment(text, now).map(|at| at.utc).unwrap_or_default();
    let agreed = match spanned(&row.rto_target) {
        Some(target) => format!("agreed {target}"),
        None => "none agreed".to_owned(),
    };
    let schedule = format!("{} {}", row.schedule, row.timezone);
    vec![
        Figure::new(
            "Score",
            or_dash(row.score()),
            "of 100",
            format!("judged {}", utc(&row.last_run_at)),
        ),
        Figure::new("Recovery time", or_dash(spanned(&row.last_rto)), "", agreed),
        Figure::new(
            "Last proof",
            relative(&row.proven_at).unwrap_or_else(|| "never".to_owned()),
            "",
            utc(&row.proven_at),
        ),
        Figure::new(
            "Next run",
            relative(&row.next_run_at).unwrap_or_else(|| "none".to_owned()),
            "",
            schedule,
        ),
    ]
}

fn entry_standing(entry: &HistoryEntry) -> Standing {
    match entry.result {
        Some(result) => result.into(),
        None if entry.phase == kymaros_crds::RunPhase::Queued => Standing::Queued,
        None => Standing::Running,
    }
}

/// Links to all runs, and to those that ended in each way.
fn results(state: &TableState<By>) -> Vec<Link> {
    let link = |value: &str, name: &str| Link {
        name: name.to_owned(),
        href: state.filtered(RESULT, value),
        is_here: state.filter(RESULT) == value,
    };
    let ends = ENDS.into_iter().map(|end| link(end.key(), end.word()));
    std::iter::once(link("", "All")).chain(ends).collect()
}

fn arranged<'a>(history: &'a [HistoryEntry], state: &TableState<By>) -> Vec<&'a HistoryEntry> {
    let result = state.filter(RESULT);
    let is_asked = |entry: &&HistoryEntry| result.is_empty() || entry_standing(entry).key() == result;
    let mut rows: Vec<&HistoryEntry> = history.iter().filter(is_asked).collect();
    let (by, direction) = state.sort.unwrap_or((By::Time, Direction::Descending));
    match by {
        By::Time => rows.sort_by(|a, b| (&a.created_at, &a.report).cmp(&(&b.created_at, &b.report))),
        By::Standing => rows.sort_by_key(|entry| entry_standing(entry)),
        By::Score => rows.sort_by_key(|entry| entry.score),
        By::Recovery => rows.sort_by(|a, b| {
            a.rto_seconds
                .unwrap_or(-1.0)
                .total_cmp(&b.rto_seconds.unwrap_or(-1.0))
        }),
    }
    if direction == Direction::Descending {
        rows.reverse();
    }
    rows
}

fn of_entry(entry: &HistoryEntry, place: &Place, now: Timestamp) -> Option<Row> {
    Some(Row {
        at: moment(&entry.created_at, now)?,
        href: addresses::report(place.cluster.as_ref(), &place.namespace, &entry.report),
        standing: entry_standing(entry),
        score: or_dash(entry.score),
        rto: or_dash(entry.rto.as_deref().and_then(spanned)),
        cause: entry.cause.map(word::cause).unwrap_or_default(),
        regressed: entry.regressed,
        trigger: why_it_ran(entry.trigger),
    })
}

fn observe(entry: &HistoryEntry, value: f64, said: &str) -> Option<Observation> {
    let at: Timestamp = entry.created_at.parse().ok()?;
    Some(Observation {
        at,
        value,
        standing: entry_standing(entry),
        title: format!(
            "{}: {said}, {}",
            at.strftime("%Y-%m-%d %H:%M"),
            entry_standing(entry).word().to_lowercase()
        ),
    })
}

fn scores(history: &[HistoryEntry]) -> Vec<Observation> {
    let scored = |entry: &HistoryEntry| {
        let score = entry.score?;
        observe(entry, f64::from(score), &format!("{score} of 100"))
    };
    history.iter().rev().filter_map(scored).collect()
}

fn recoveries(history: &[HistoryEntry]) -> Vec<Observation> {
    let measured =
        |entry: &HistoryEntry| observe(entry, entry.rto_seconds?, &spanned(entry.rto.as_deref()?)?);
    history.iter().rev().filter_map(measured).collect()
}

fn analytics(of: &RtoAnalytics) -> Analytics {
    let read = |text: &str| spanned(text).unwrap_or_default();
    Analytics {
        median: read(&of.median),
        p95: read(&of.p95),
        longest: read(&of.longest),
        kept: of.within_sla_percent,
    }
}

/// What a test restores and how it judges, as far as its spec says.
fn facts(spec: &RestoreTestSpec) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Source::specs(spec)
        .map(|(_, source)| source_fact(source))
        .collect();
    let sandbox = spec.sandbox.as_ref();
    let checks = spec.health_checks.as_ref();
    let optional = [
        ("Schedule", Some(spec.schedule.cron.clone())),
        ("Time zone", spec.schedule.timezone.clone()),
        (
            "Agreed recovery time",
            spec.sla
                .as_ref()
                .map(|sla| super::moments::stored_span(&sla.max_rto)),
        ),
        (
            "Checks by policy",
            checks.and_then(|checks| checks.policy_ref.clone()),
        ),
        (
            "Checks of its own",
            checks.filter(|checks| !checks.checks.is_empty()).map(|checks| {
                let names: Vec<&str> = checks.checks.iter().map(|check| check.name.as_str()).collect();
                names.join(", ")
            }),
        ),
        (
            "Life of sandboxes",
            sandbox.and_then(|sandbox| sandbox.ttl.as_deref().map(super::moments::stored_span)),
        ),
        (
            "Longest run",
            spec.timeout.as_deref().map(super::moments::stored_span),
        ),
        ("Reports kept", spec.history_limit.map(|limit| limit.to_string())),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.trim().is_empty())?;
        Some(Fact::new(name, value))
    }));
    facts
}

fn source_fact(source: &BackupSource) -> Fact {
    let namespaces: Vec<&str> = source
        .namespaces
        .iter()
        .map(|namespace| namespace.name.as_str())
        .collect();
    let set = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let from = match (set(&source.schedule_name), set(&source.backup_name)) {
        (Some(schedule), _) => format!("the newest backup of Schedule {schedule}"),
        (None, Some(name)) if name != "latest" => format!("backup {name}"),
        (None, _) => "the newest backup".to_owned(),
    };
    Fact::new("Restores", format!("{} from {from}", namespaces.join(", ")))
}
