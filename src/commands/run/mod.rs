//! `kymaros run`: triggers a run and follows it.

mod follow;
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
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, RunResult, Trigger};
use tokio::time::timeout;

use self::trouble::Trouble;
use super::{
    cluster::{Cluster, Scope, is_of, reports_of, selector},
    report::{Output, show},
    say,
};
use crate::{condition::unready, report::plain, run::observe};

/// How long the operator may take to begin.
const PICK_UP: Duration = Duration::from_secs(30);
/// How long the run before, whose verdict people have read, may take to clean up.
const CLEAN_UP: Duration = Duration::from_mins(2);

/// Which test.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit codes: 0 pass, 1 no run or no verdict, 2 wrong usage, 3 partial, 4 fail, 5 inconclusive."
)]
pub(super) struct Args {
    /// Name of the `RestoreTest`
    test: String,
    #[command(flatten)]
    scope: Scope,
    /// Form of the report at the end; the phases before it go to standard error
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
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
    let report = to_the_end(changes, report).await?;
    show(&report, args.output)?;
    let result = report.status.as_ref().and_then(|status| status.result);
    Ok(result.map_or(ExitCode::FAILURE, code))
}

/// A run that goes on is in the way of another, unless all it does is clean up: that is waited for.
async fn make_room(cluster: &Cluster, active: &RestoreReport) -> anyhow::Result<()> {
    let name = active.name_any();
    let is_judged = active
        .status
        .as_ref()
        .is_some_and(|status| status.result.is_some());
    if is_judged {
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

async fn to_the_end(
    mut changes: impl Stream<Item = anyhow::Result<Event<RestoreReport>>> + Unpin,
    mut report: RestoreReport,
) -> anyhow::Result<RestoreReport> {
    say::aside(&format!("run {}", report.name_any()))?;
    let mut shown = RestoreReport::default();
    loop {
        for line in follow::lines(&shown, &report, Timestamp::now()) {
            say::aside(&line)?;
        }
        if !goes_on(&report) {
            return Ok(report);
        }
        shown = report;
        report = loop {
            let event = changes.next().await.context("the watch over reports ended")??;
            match event {
                Event::Apply(next) | Event::InitApply(next) if next.uid() == shown.uid() => break next,
                Event::Delete(gone) if gone.uid() == shown.uid() => {
                    bail!("the report was deleted before the run was over")
                }
                _ => {}
            }
        };
    }
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
