//! `kymaros run`: triggers a run and follows it.

mod follow;
mod patience;
mod trigger;
mod trouble;

use std::{collections::HashSet, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use futures::{Stream, StreamExt, future::ready};
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{
        WatchStreamExt,
        wait::await_condition,
        watcher::{self, Event, watcher},
    },
};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, RunResult, Trigger, domain::duration};
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    patience::{CLEAN_UP, Next, Patience},
    trouble::Trouble,
};
use super::{
    cluster::{Cluster, Scope, is_of, reports_of, selector},
    report::{Output, show},
    say,
};
use crate::{condition::unready, report::plain, run::observe};

/// How long the operator may take to begin.
const PICK_UP: Duration = Duration::from_secs(30);
/// What ends a command whose `--timeout` passed before the verdict.
const NO_VERDICT_IN_TIME: u8 = 6;

/// Which test.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 pass, 1 no run or no verdict, 2 wrong usage, 3 partial, 4 fail, 5 inconclusive, 6 no verdict within --timeout."
)]
pub(super) struct Args {
    /// Name of the `RestoreTest`
    test: String,
    #[command(flatten)]
    scope: Scope,
    /// Form of the report at the end; the phases before it go to standard error
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// How long to follow the run once it has begun, for example 30m; without it, until its verdict
    #[arg(long, value_parser = duration::parse)]
    timeout: Option<Duration>,
}

/// How following a run ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing of it goes on.
    Over,
    /// Its verdict is known, and its cleanup takes long.
    CleansUp,
    /// It has no verdict yet.
    NoVerdict,
}

/// Triggers a run, shows its phases as they come, and ends with its report. Whoever stops following does not stop the
/// run.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cluster = args.scope.connect().await?;
    let test = cluster.test(&args.test).await?;
    let before = reports_of(&cluster, &test).await?;
    if let Some(active) = before.iter().find(|report| goes_on(report)) {
        make_room(&cluster, active).await?;
    }
    let known: HashSet<String> = before.iter().filter_map(ResourceExt::uid).collect();
    let asked = trigger::put(&cluster.tests(), &args.test).await?;
    let config = watcher::Config::default().labels(&selector(&test));
    let changes = watcher(cluster.reports(), config).default_backoff();
    let is_ours = |event: &Event<RestoreReport>| match event {
        Event::Apply(report) | Event::InitApply(report) | Event::Delete(report) => {
            is_of(report, &test) && !report.uid().is_some_and(|uid| known.contains(&uid))
        }
        Event::Init | Event::InitDone => false,
    };
    let mut trouble = Trouble::default();
    let of_test = changes.filter_map(|event| {
        ready(match event {
            Ok(event) => is_ours(&event).then_some(Ok(event)),
            Err(error) => said(&mut trouble, &error).err().map(Err),
        })
    });
    let mut changes = std::pin::pin!(of_test);
    let report = match timeout(PICK_UP, first(changes.as_mut())).await {
        Ok(first) => first?,
        Err(_) => bail!("{}", nothing_began(&cluster, &test, &asked).await?),
    };
    let (report, end) = to_the_end(changes, report, args.timeout).await?;
    let (name, stands) = (report.name_any(), follow::standing(&report));
    let later = format!("`kymaros report {name} --namespace {}`", cluster.namespace);
    if end == End::NoVerdict {
        say::aside(&format!(
            "run {name} has no verdict in time ({stands}); it goes on, and {later} shows how it ends"
        ))?;
        return Ok(ExitCode::from(NO_VERDICT_IN_TIME));
    }
    show(&report, args.output)?;
    if end == End::CleansUp {
        say::aside(&format!(
            "run {name} still cleans up, which is not waited for any longer; {later} says what is left of it"
        ))?;
    }
    let result = report.status.as_ref().and_then(|status| status.result);
    Ok(result.map_or(ExitCode::FAILURE, code))
}

/// A run that goes on is in the way of another, unless all it does is clean up: that is waited for.
async fn make_room(cluster: &Cluster, active: &RestoreReport) -> anyhow::Result<()> {
    let name = active.name_any();
    if is_judged(active) {
        say::aside(&format!("run {name} cleans up"))?;
        let is_over = |report: Option<&RestoreReport>| report.is_none_or(|report| !goes_on(report));
        let over = await_condition(cluster.reports(), &name, is_over);
        if let Ok(over) = timeout(CLEAN_UP, over).await {
            over?;
            return Ok(());
        }
    }
    bail!(
        "run {name} of this test goes on ({}); try again when it is over",
        follow::standing(active)
    )
}

/// Exit codes say the result; 2 is what wrong usage ends with.
fn code(result: RunResult) -> ExitCode {
    match result {
        RunResult::Pass => ExitCode::SUCCESS,
        RunResult::Partial => ExitCode::from(3),
        RunResult::Fail => ExitCode::from(4),
        RunResult::Inconclusive => ExitCode::from(5),
    }
}

fn said(trouble: &mut Trouble, error: &watcher::Error) -> anyhow::Result<()> {
    if let Some(line) = trouble.with(error)? {
        say::aside(&line)?;
    }
    Ok(())
}

/// The run that was asked for, and no other that happened to begin now.
async fn first(
    mut changes: impl Stream<Item = anyhow::Result<Event<RestoreReport>>> + Unpin,
) -> anyhow::Result<RestoreReport> {
    while let Some(event) = changes.next().await {
        if let Event::Apply(report) | Event::InitApply(report) = event?
            && report.spec.trigger == Some(Trigger::Annotation)
        {
            return Ok(report);
        }
    }
    bail!("the watch over reports ended")
}

/// Until the run is over, or has been followed for long enough.
async fn to_the_end(
    mut changes: impl Stream<Item = anyhow::Result<Event<RestoreReport>>> + Unpin,
    mut report: RestoreReport,
    limit: Option<Duration>,
) -> anyhow::Result<(RestoreReport, End)> {
    say::aside(&format!("run {}", report.name_any()))?;
    let mut patience = Patience::new(Instant::now(), limit);
    let mut shown = RestoreReport::default();
    loop {
        for line in follow::lines(&shown, &report, Timestamp::now()) {
            say::aside(&line)?;
        }
        if !goes_on(&report) {
            return Ok((report, End::Over));
        }
        patience.news(Instant::now(), is_judged(&report));
        shown = report;
        report = loop {
            let until = match patience.next(Instant::now()) {
                Next::Wait(until) => until,
                Next::Quiet(span) => {
                    say::aside(&follow::silence(&shown, span))?;
                    continue;
                }
                Next::CleansUp => return Ok((shown, End::CleansUp)),
                Next::NoVerdict => return Ok((shown, End::NoVerdict)),
            };
            let Ok(event) = timeout_at(until, changes.next()).await else {
                continue;
            };
            match event.context("the watch over reports ended")?? {
                // A watch that is made anew brings what is known already.
                Event::Apply(next) | Event::InitApply(next) if is_new(&next, &shown) => break next,
                Event::Delete(gone) if gone.uid() == shown.uid() => {
                    bail!("the report was deleted before the run was over")
                }
                _ => {}
            }
        };
    }
}

fn is_new(next: &RestoreReport, shown: &RestoreReport) -> bool {
    next.uid() == shown.uid() && next.resource_version() != shown.resource_version()
}

fn is_judged(report: &RestoreReport) -> bool {
    let status = report.status.as_ref();
    status.is_some_and(|status| status.result.is_some())
}

fn goes_on(report: &RestoreReport) -> bool {
    observe::phase(report) != RunPhase::Completed
}

/// Nobody took the trigger up, so it is taken back: whoever reads this does not expect a run in an hour.
async fn nothing_began(cluster: &Cluster, test: &RestoreTest, asked: &str) -> anyhow::Result<String> {
    let name = test.name_any();
    let taken_back = trigger::take_back(&cluster.tests(), &name, asked).await;
    let why = why_nothing_began(cluster, test).await?;
    Ok(match taken_back {
        Ok(true) => format!("{why}; the trigger is taken off again"),
        // Somebody dealt with it meanwhile.
        Ok(false) => why,
        Err(error) => {
            format!("{why}; the trigger cannot be taken off again, so a run may begin later: {error}")
        }
    })
}

/// Nobody took the trigger up: somebody else's run came first, the test cannot be run, or there is nobody.
async fn why_nothing_began(cluster: &Cluster, test: &RestoreTest) -> anyhow::Result<String> {
    let reports = reports_of(cluster, test).await?;
    if let Some(active) = reports.iter().find(|report| goes_on(report)) {
        return Ok(format!(
            "run {} of this test began first; try again when it is over",
            active.name_any()
        ));
    }
    let unready = test
        .status
        .as_ref()
        .and_then(|status| unready(&status.conditions));
    Ok(unready.map_or_else(
        || {
            format!(
                "no run began within {} s: does the operator run, and does it lead?",
                PICK_UP.as_secs()
            )
        },
        |condition| format!("the test cannot be run: {}", plain(&condition.message)),
    ))
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use serde_json::{Value, json};

    use super::*;

    fn report(version: &str, status: &Value) -> RestoreReport {
        serde_json::from_value(json!({
            "metadata": { "name": "shop-1", "uid": "1", "resourceVersion": version },
            "spec": { "testRef": "shop" }, "status": status,
        }))
        .unwrap()
    }

    /// How following ends when these changes come, and nothing after them.
    async fn end(statuses: &[Value], limit: Option<Duration>) -> End {
        let reports = (1..)
            .zip(statuses)
            .map(|(version, status)| report(&format!("{version}"), status));
        let changes = reports.map(|report| Ok(Event::Apply(report)));
        let changes = stream::iter(changes).chain(stream::pending());
        let queued = report("0", &json!({ "phase": "Queued" }));
        to_the_end(changes, queued, limit).await.unwrap().1
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_whose_verdict_is_known_is_not_followed_for_ever() {
        let judged = json!({ "phase": "CleaningUp", "result": "pass", "score": 100 });
        assert_eq!(end(std::slice::from_ref(&judged), None).await, End::CleansUp);
        let completed = json!({ "phase": "Completed", "result": "pass", "score": 100 });
        assert_eq!(end(&[judged, completed], None).await, End::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_nobody_judges_is_followed_as_long_as_was_said() {
        let begun = Instant::now();
        let limit = Duration::from_mins(30);
        let restoring = json!({ "phase": "Restoring" });
        assert_eq!(end(&[restoring], Some(limit)).await, End::NoVerdict);
        assert_eq!(begun.elapsed(), limit);
    }
}
