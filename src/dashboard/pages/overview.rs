//! The overview: what is unproven or failing first, then what is covered, what goes on, and what comes next.

use askama::Template;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use kymaros_crds::RunPhase;

use super::{
    Figure, Link,
    clusters::{ClusterMark, links},
    covered::{Covered, address, days, tabs},
    moment, plural, standing,
};
use crate::{
    dashboard::{
        addresses,
        charts::{Day, Days},
        moments::Moment,
        query::Pairs,
        shell::Shell,
        standing::Standing,
    },
    fleet::{ClusterName, Fleet, Glance, LiveRun, Results, Roster, TestRow, TestStanding, View},
};

/// Rows of what needs somebody, of what runs or waits, and of next runs.
const ATTENTION: usize = 12;
const NEXT: usize = 6;
/// Rows of what runs or waits behind those, which are folded.
const FOLDED: usize = 88;
/// Days of the chart.
const DAYS: u32 = 30;

/// The page.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct Overview {
    /// Around it.
    pub shell: Shell,
    lead: Vec<LeadPart>,
    figures: Vec<Figure>,
    tests: usize,
    attention: Vec<Attention>,
    attention_more: usize,
    /// What is said where nothing needs somebody.
    quiet: String,
    within: u32,
    within_tabs: Vec<Link>,
    coverage: Option<Covered>,
    live: Vec<LiveRow>,
    folded: Vec<LiveRow>,
    live_more: usize,
    upcoming: Vec<Next>,
    days: Days,
    legend: [Standing; 4],
    hidden: Vec<String>,
    /// None without other clusters.
    clusters: Vec<Link>,
}

struct LeadPart {
    text: String,
    is_strong: bool,
}

struct Attention {
    standing: Standing,
    name: String,
    namespace: String,
    cluster: Option<ClusterMark>,
    href: String,
    why: String,
    score: String,
    proven: Option<Moment>,
    judged: Option<Moment>,
    report: Option<String>,
}

struct LiveRow {
    standing: Standing,
    href: String,
    test: String,
    namespace: String,
    cluster: Option<ClusterMark>,
    note: String,
}

struct Next {
    at: Moment,
    href: String,
    test: String,
    namespace: String,
    cluster: Option<ClusterMark>,
}

impl Overview {
    /// The page as somebody sees it, who may or may not see what Velero backs up.
    #[must_use]
    pub fn new(fleet: &Fleet, view: &View, query: &Pairs, covers: bool, shell: Shell) -> Self {
        let within = query.number("within", 1..=365).unwrap_or(7);
        let others = fleet.others();
        let mark = |cluster: Option<&ClusterName>| mark(&others, cluster, view.now);
        let tests = fleet.glance(ATTENTION, view);
        let recent = fleet.results(DAYS, view);
        let attention = tests
            .needing
            .iter()
            .map(|row| attention(fleet, row, mark(row.cluster.as_ref()), view.now))
            .collect();
        let covered = covers.then(|| Covered::new(fleet, view, within, mark));
        let upcoming = fleet.upcoming(NEXT, view);
        let mut live: Vec<LiveRow> = fleet
            .live(view)
            .into_iter()
            .map(|run| live_row(mark(run.cluster.as_ref()), run))
            .collect();
        let mut folded = live.split_off(live.len().min(ATTENTION));
        let live_more = folded.len();
        folded.truncate(FOLDED);
        Self {
            lead: lead(&tests, covered.as_ref(), within),
            figures: figures(&tests, covered.as_ref(), &recent.what),
            tests: tests.tests,
            attention,
            attention_more: tests.need() - tests.needing.len(),
            quiet: quiet(&tests),
            within,
            within_tabs: tabs(view, within),
            clusters: links(&others, &view.clusters, |pairs| address(view, within, pairs)),
            coverage: covered,
            live,
            folded,
            live_more,
            upcoming: upcoming
                .into_iter()
                .filter_map(|row| next(&row, mark(row.cluster.as_ref()), view.now))
                .collect(),
            days: Days::draw(by_day(&recent.what, view.now)),
            legend: [
                Standing::Pass,
                Standing::Partial,
                Standing::Inconclusive,
                Standing::Fail,
            ],
            hidden: recent.hidden,
            shell,
        }
    }
}

/// Rows of this cluster are not marked: they are what every page was about before there were others.
fn mark(others: &Roster, cluster: Option<&ClusterName>, now: Timestamp) -> Option<ClusterMark> {
    cluster.map(|_| ClusterMark::of(others, cluster, now))
}

fn attention(fleet: &Fleet, row: &TestRow, cluster: Option<ClusterMark>, now: Timestamp) -> Attention {
    let report = (!row.last_report.is_empty()).then_some(row.last_report.as_str());
    let of = row.cluster.as_ref();
    let stored = report.and_then(|name| fleet.stored(of, &row.namespace, name));
    let message = stored.and_then(|report| report.status.as_ref()?.message.clone());
    let standing = standing(row);
    Attention {
        standing,
        why: match (standing, message) {
            _ if !row.problem.is_empty() => row.problem.clone(),
            (_, Some(message)) => message,
            (Standing::Unproven, None) => "It has not run yet.".to_owned(),
            (Standing::Suspended, None) => "It has not run yet, and is suspended.".to_owned(),
            (_, None) => String::new(),
        },
        score: row.score().map(|score| score.to_string()).unwrap_or_default(),
        proven: moment(&row.proven_at, now),
        judged: moment(&row.last_run_at, now),
        report: report.map(|name| addresses::report(of, &row.namespace, name)),
        href: addresses::test(of, &row.namespace, &row.name),
        cluster,
        name: row.name.clone(),
        namespace: row.namespace.clone(),
    }
}

/// What there is to say where no test needs somebody: one that has no verdict yet has not passed.
fn quiet(tests: &Glance) -> String {
    let first = tests.standing(TestStanding::Running);
    match (tests.tests, first) {
        (0, _) => String::new(),
        (_, 0) => "Every test passed its latest run. Nothing needs you.".to_owned(),
        (all, first) if all == first => format!(
            "No test has a verdict yet: {} for the first time.",
            plural(first, "test runs", "tests run")
        ),
        (_, first) => format!(
            "Every other test passed its latest run; {} for the first time.",
            plural(first, "test runs", "tests run")
        ),
    }
}

/// One sentence that an SRE reads first.
fn lead(tests: &Glance, coverage: Option<&Covered>, within: u32) -> Vec<LeadPart> {
    let count = |standing| tests.standing(standing);
    let unproven = count(TestStanding::Unproven) + count(TestStanding::Suspended);
    let failing = count(TestStanding::Fail);
    let (unclear, partial) = (count(TestStanding::Inconclusive), count(TestStanding::Partial));
    let said = |count: usize, one: &str, many: &str| (count > 0).then(|| plural(count, one, many));
    let strong: Vec<String> = [
        said(failing, "test fails", "tests fail"),
        said(
            unproven,
            "test has proved nothing yet",
            "tests have proved nothing yet",
        ),
        said(unclear, "is inconclusive", "are inconclusive"),
        said(partial, "comes back with losses", "come back with losses"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (open, covered) = coverage.map_or((0, 0), |coverage| (coverage.open, coverage.all));
    let (first, is_strong) = match (strong.is_empty(), tests.tests) {
        (false, _) => (format!("{}.", strong.join(", ")), true),
        (true, 0) => ("There is no test yet.".to_owned(), true),
        (true, all) if all == count(TestStanding::Pass) => {
            ("Every test passed its latest run.".to_owned(), false)
        }
        (true, _) => ("No test fails.".to_owned(), false),
    };
    let rest = match (open, covered) {
        (_, 0) => String::new(),
        (0, all) => format!(
            " All {} with a backup are proven in {}.",
            plural(all, "namespace", "namespaces"),
            days(within)
        ),
        (open, _) => format!(
            " {} a backup and no proof in {}.",
            plural(open, "namespace has", "namespaces have"),
            days(within)
        ),
    };
    vec![
        LeadPart {
            text: first,
            is_strong,
        },
        LeadPart {
            text: rest,
            is_strong: false,
        },
    ]
}

fn figures(tests: &Glance, coverage: Option<&Covered>, recent: &Results) -> Vec<Figure> {
    let proven = coverage.map(|coverage| {
        Figure::new(
            "Namespaces proven",
            coverage.all - coverage.open,
            format!("of {}", coverage.all),
            "with a backup and a recent proof",
        )
    });
    let others = [
        Figure::new(
            "Tests that pass",
            tests.passing,
            format!("of {}", tests.tests),
            tests
                .mean_score
                .map_or_else(String::new, |mean| format!("mean score {mean}")),
        ),
        Figure::new(
            "Runs in 24 hours",
            recent.last_day.all(),
            "",
            match recent.last_day.fail {
                0 => "none failed".to_owned(),
                failed => format!("{failed} failed"),
            },
        ),
        Figure::new(
            "Recovery time kept",
            tests.agreed - tests.slow,
            format!("of {}", tests.agreed),
            match tests.agreed {
                0 => "no test has an agreed one",
                _ => "tests with an agreed one",
            },
        ),
    ];
    proven.into_iter().chain(others).collect()
}

fn live_row(cluster: Option<ClusterMark>, run: LiveRun) -> LiveRow {
    LiveRow {
        standing: match run.phase {
            RunPhase::Queued => Standing::Queued,
            _ => Standing::Running,
        },
        href: addresses::report(run.cluster.as_ref(), &run.namespace, &run.report),
        cluster,
        note: progress(&run),
        test: run.test,
        namespace: run.namespace,
    }
}

/// Where a run stands, with the figures there are.
fn progress(run: &LiveRun) -> String {
    let objects = run
        .restores
        .iter()
        .filter_map(|restore| Some((restore.items_restored?, restore.total_items?)));
    let (done, all) = objects.fold((0, 0), |(a, b), (done, all)| (a + done, b + all));
    match run.phase {
        RunPhase::Queued => match &run.queue {
            Some(queue) => format!("place {}: {}", queue.position, queue.reason),
            None => "waits for its turn".to_owned(),
        },
        RunPhase::Restoring if all > 0 => format!("restores, {done} of {all} objects"),
        RunPhase::Checking => format!("checks, {} passed so far", run.checks_passed),
        phase => phase_word(phase).to_owned(),
    }
}

/// A phase as people read it.
pub(super) fn phase_word(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Queued => "queued",
        RunPhase::Preparing => "preparing",
        RunPhase::Restoring => "restoring",
        RunPhase::Starting => "starting",
        RunPhase::Checking => "checking",
        RunPhase::Judging => "judging",
        RunPhase::CleaningUp => "cleaning up",
        RunPhase::Completed => "completed",
    }
}

fn next(row: &crate::fleet::Upcoming, cluster: Option<ClusterMark>, now: Timestamp) -> Option<Next> {
    Some(Next {
        at: moment(&row.next_run_at, now)?,
        href: addresses::test(row.cluster.as_ref(), &row.namespace, &row.name),
        test: row.name.clone(),
        namespace: row.namespace.clone(),
        cluster,
    })
}

/// The last days up to today, each with what ended; days without a run are there too.
fn by_day(results: &Results, now: Timestamp) -> Vec<Day> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let first = today.saturating_sub(i64::from(DAYS - 1).days());
    let dates = first.series(1.day()).take_while(|date| *date <= today);
    dates
        .map(|date| match results.by_day.get(&date) {
            None => Day::empty(date),
            Some(count) => Day {
                date,
                pass: count.pass,
                partial: count.partial,
                inconclusive: count.inconclusive,
                fail: count.fail,
            },
        })
        .collect()
}
