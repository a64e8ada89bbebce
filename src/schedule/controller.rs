//! Drives each `RestoreTest`: finalizer, triggers, due runs, history, status.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PostParams,
    runtime::{
        controller::Action,
        events::{Event, EventType},
        reflector::Store,
    },
};
use kymaros_crds::{
    HealthCheckPolicy, RestoreReport, RestoreTest, RunPhase, Trigger,
    domain::{Test, duration},
    names,
};
use kymaros_webhooks::{default::Defaults, validate::TestName};
use thiserror::Error;

use super::{
    act::{self, Frozen},
    decide::{Decision, Facts, Past, Start, decide},
    summary::{self, Readiness},
};

use crate::{
    condition::unready,
    fleet::RunLog,
    notify::record,
    reason::EventReason,
    run::{observe, observed::after},
    stored::StoredReport,
    telemetry::events::Events,
    verdict,
};

/// The clock of the machine may be set while a test waits for its time.
const LONGEST_NAP: Duration = Duration::from_mins(5);
/// A store is rarely further behind.
const BEHIND: Duration = Duration::from_secs(1);

/// What the schedule controller works with.
pub struct ScheduleContext {
    /// Talks to the API server.
    pub client: Client,
    /// All reports.
    pub reports: Store<StoredReport>,
    /// Which of them are of which test.
    pub log: RunLog,
    /// All policies.
    pub policies: Store<HealthCheckPolicy>,
    /// Publishes Events.
    pub events: Arc<Events>,
    /// What tests leave open.
    pub defaults: Defaults,
}

/// Why a test could not be dealt with now.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// Making or removing a report.
    #[error("report: {0}")]
    Report(#[source] kube::Error),
    /// Changing the test's finalizer or annotation.
    #[error("metadata of the test: {0}")]
    Metadata(#[source] kube::Error),
    /// Writing the test's status.
    #[error("status of the test: {0}")]
    Status(#[source] kube::Error),
}

/// Deals with one test.
///
/// # Errors
/// [`ScheduleError`]; the test is tried again later.
#[tracing::instrument(skip_all, fields(test = %test.name_any(), namespace = test.namespace()))]
pub async fn reconcile(
    test: Arc<RestoreTest>,
    context: Arc<ScheduleContext>,
) -> Result<Action, ScheduleError> {
    let mut reports = reports_of(&context, &test);
    reports.sort_by_key(|r| (r.creation_timestamp(), r.name_any()));
    if test.metadata.deletion_timestamp.is_some() {
        return delete(&context, &test, &reports).await;
    }
    // Filled in already, unless the webhook was away when the test was written.
    let spec = context.defaults.filled(&test.spec);
    let parsed = match Test::try_from(&spec) {
        Ok(parsed) => parsed,
        Err(invalid) => {
            hold(&context, &test, holding(&reports).next().is_some()).await?;
            let readiness = Readiness::Invalid(&invalid);
            write_status(&context, &test, &reports, &readiness).await?;
            return Ok(Action::await_change());
        }
    };
    let now = Timestamp::now();
    let policy = parsed
        .health
        .policy
        .as_ref()
        .and_then(|name| policy(&context, &test, name));
    let past: Vec<Past> = reports.iter().map(|r| past(r)).collect();
    let decision = decide(
        &Facts {
            test: &parsed,
            created: test.creation_timestamp().map_or(now, |t| t.0),
            trigger: test
                .annotations()
                .get(names::TRIGGER_NOW_ANNOTATION)
                .map(String::as_str),
            runs: &past,
            last_run: test
                .status
                .as_ref()
                .and_then(|s| s.last_run_at.as_ref())
                .map(|t| t.0),
            policy_exists: parsed.health.policy.is_none() || policy.is_some(),
            followed: is_followed(&test),
        },
        now,
    );
    let previous = reports
        .iter()
        .rev()
        .find_map(|r| verdict::previous(&r.name_any(), r.status.as_ref()?));
    let frozen = Frozen {
        spec: &spec,
        policy: policy.as_deref(),
        previous,
    };
    let goes_on = decision.start.is_some() || holding(&reports).next().is_some();
    hold(&context, &test, goes_on).await?;
    let is_done = carry_out(&context, &test, frozen, &decision).await?;
    let warnings = parsed.schedule.warnings();
    let readiness = Readiness::Ready {
        decision: &decision,
        suspended: parsed.suspend,
        warnings,
    };
    write_status(&context, &test, &reports, &readiness).await?;
    Ok(if is_done {
        wait(decision.wake, now)
    } else {
        Action::requeue(BEHIND)
    })
}

fn wait(wake: Option<Timestamp>, now: Timestamp) -> Action {
    match wake {
        None => Action::await_change(),
        Some(at) => {
            let rest = Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
            Action::requeue(rest.min(LONGEST_NAP))
        }
    }
}

/// The run is made first and the annotation removed after it: a crash in between triggers nothing twice, because
/// the run is then in progress. `false` when what was decided on is not so any more.
async fn carry_out(
    context: &ScheduleContext,
    test: &RestoreTest,
    frozen: Frozen<'_>,
    decision: &Decision,
) -> Result<bool, ScheduleError> {
    let client = &context.client;
    // A store may lag behind our own removal of the annotation: only the live object decides a second run, or that it is refused.
    let answered = decision.clear_trigger
        && !act::is_triggered(client, test)
            .await
            .map_err(ScheduleError::Metadata)?;
    let is_answered = |start: &Start| answered && start.trigger == Trigger::Annotation;
    if let Some(start) = decision.start.filter(|start| !is_answered(start)) {
        let name = act::create_report(client, test, frozen, start)
            .await
            .map_err(ScheduleError::Report)?;
        tracing::info!(run = %name, trigger = ?start.trigger, "run started");
        let note = format!("run {name} ({:?})", start.trigger);
        tell(context, test, EventType::Normal, EventReason::RunStarted, note).await;
    }
    if let Some(run) = decision.refused_by.as_ref().filter(|_| !answered) {
        // A store may not have seen yet that the run is over, and a trigger that is taken off for it is lost.
        if !act::goes_on(client, test, run)
            .await
            .map_err(ScheduleError::Report)?
        {
            return Ok(false);
        }
        tell(
            context,
            test,
            EventType::Warning,
            EventReason::TriggerRefused,
            format!("run {run} goes on; trigger again after it"),
        )
        .await;
    }
    if decision.clear_trigger && !answered {
        act::clear_trigger(client, test)
            .await
            .map_err(ScheduleError::Metadata)?;
    }
    let namespace = test.namespace().unwrap_or_default();
    for name in &decision.forget {
        act::delete_report(client, &namespace, name)
            .await
            .map_err(ScheduleError::Report)?;
    }
    Ok(true)
}

/// A test goes when nothing of its runs is left: its unfinished runs are deleted first, and each cleans up.
async fn delete(
    context: &ScheduleContext,
    test: &RestoreTest,
    reports: &[Arc<RestoreReport>],
) -> Result<Action, ScheduleError> {
    if !names::is_held(test.finalizers()) {
        return Ok(Action::await_change());
    }
    if holding(reports).next().is_none() {
        hold(context, test, false).await?;
        return Ok(Action::await_change());
    }
    for report in holding(reports).filter(|r| r.metadata.deletion_timestamp.is_none()) {
        let namespace = report.namespace().unwrap_or_default();
        act::delete_report(&context.client, &namespace, &report.name_any())
            .await
            .map_err(ScheduleError::Report)?;
    }
    Ok(Action::await_change())
}

/// A test is held while one of its runs has something to clean up, and no longer: whoever deletes an idle one, or its
/// namespace, waits for nobody.
async fn hold(context: &ScheduleContext, test: &RestoreTest, held: bool) -> Result<(), ScheduleError> {
    if names::is_held(test.finalizers()) == held {
        return Ok(());
    }
    let written = act::set_finalizer(&context.client, test, held).await;
    written.map_err(ScheduleError::Metadata)
}

/// Runs that have something to clean up.
fn holding(reports: &[Arc<RestoreReport>]) -> impl Iterator<Item = &Arc<RestoreReport>> {
    reports
        .iter()
        .filter(|report| names::is_held(report.finalizers()))
}

fn reports_of(context: &ScheduleContext, test: &RestoreTest) -> Vec<Arc<RestoreReport>> {
    let uid = test.uid().unwrap_or_default();
    let runs = context.log.of_test(TestName::from(test));
    let stored = runs.iter().filter_map(|run| context.reports.get(&run.stored()));
    let of_it = stored.filter(|report| report.is_of(&uid));
    of_it.filter_map(|report| report.whole()).collect()
}

/// Whether the schedule was followed as it is now. What a test that was just changed or resumed would have been due for before
/// was never planned.
fn is_followed(test: &RestoreTest) -> bool {
    let conditions = test.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| {
        condition.type_ == "Scheduled"
            && condition.status == "True"
            && condition.observed_generation == test.metadata.generation
    })
}

fn policy(context: &ScheduleContext, test: &RestoreTest, name: &str) -> Option<Arc<HealthCheckPolicy>> {
    context
        .policies
        .find(|p| p.namespace() == test.namespace() && p.name_any() == name)
}

fn past(report: &RestoreReport) -> Past {
    let status = report.status.clone().unwrap_or_default();
    let created = report.creation_timestamp().map_or(Timestamp::MIN, |t| t.0);
    let is_held = names::is_held(report.finalizers());
    let phase = observe::phase(report);
    Past {
        name: report.name_any(),
        phase,
        created,
        planned: report.spec.scheduled_for.as_ref().map_or(created, |t| t.0),
        ended: status.completed_at.as_ref().map(|t| t.0),
        at_most: at_most(report),
        untold: status.notifications.iter().any(record::is_open),
        keeps_sandboxes: phase == RunPhase::Completed && is_held,
    }
}

/// When a run is over by its timeout, whether or not an operator is there to end it.
fn at_most(report: &RestoreReport) -> Option<Timestamp> {
    let started = report.status.as_ref()?.started_at.as_ref()?.0;
    let timeout = report.spec.test.as_ref()?.timeout.as_deref()?;
    Some(after(started, duration::parse(timeout).ok()?))
}

async fn write_status(
    context: &ScheduleContext,
    test: &RestoreTest,
    reports: &[Arc<RestoreReport>],
    readiness: &Readiness<'_>,
) -> Result<(), ScheduleError> {
    let old = test.status.clone().unwrap_or_default();
    let reports: Vec<&RestoreReport> = reports.iter().map(AsRef::as_ref).collect();
    let new = summary::status(&old, &reports, readiness, test.metadata.generation);
    if test.status.as_ref() == Some(&new) {
        return Ok(());
    }
    let invalid_before = unready(&old.conditions).is_some();
    let mut wanted = test.clone();
    wanted.status = Some(new);
    let api = Api::<RestoreTest>::namespaced(context.client.clone(), &test.namespace().unwrap_or_default());
    match api
        .replace_status(&test.name_any(), &PostParams::default(), &wanted)
        .await
    {
        Ok(_) => {}
        // Somebody changed the test meanwhile: that change brings us back.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => return Ok(()),
        Err(error) => return Err(ScheduleError::Status(error)),
    }
    if let (Readiness::Invalid(invalid), false) = (readiness, invalid_before) {
        tracing::warn!(%invalid, "the spec is not valid");
        tell(
            context,
            test,
            EventType::Warning,
            EventReason::InvalidSpec,
            invalid.to_string(),
        )
        .await;
    }
    Ok(())
}

async fn tell(
    context: &ScheduleContext,
    test: &RestoreTest,
    type_: EventType,
    reason: EventReason,
    note: String,
) {
    let note = note.chars().take(250).collect();
    let event = Event {
        type_,
        reason: reason.into(),
        note: Some(note),
        action: "Schedule".to_owned(),
        secondary: None,
    };
    context.events.publish(&event, test.object_ref(&())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_waits_looks_at_the_clock_now_and_then() {
        let now = Timestamp::UNIX_EPOCH;
        let until = |wait: Duration| crate::run::observed::after(now, wait);
        let soon = Duration::from_secs(7);
        assert_eq!(super::wait(Some(until(soon)), now), Action::requeue(soon));
        let tomorrow = until(Duration::from_hours(24));
        assert_eq!(super::wait(Some(tomorrow), now), Action::requeue(LONGEST_NAP));
        assert_eq!(super::wait(None, now), Action::await_change());
    }

    #[test]
    fn a_schedule_is_followed_once_its_test_says_so() {
        let is_followed = |status: serde_json::Value| {
            let test = serde_json::json!({
                "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
                "metadata": { "name": "shop", "generation": 2 },
                "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                          "schedule": { "cron": "0 3 * * *" } },
                "status": status,
            });
            super::is_followed(&serde_json::from_value(test).unwrap())
        };
        let scheduled = |status: &str, generation: i64| {
            serde_json::json!({ "conditions": [{ "type": "Scheduled", "status": status, "reason": "x", "message": "",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z" }] })
        };
        assert!(is_followed(scheduled("True", 2)));
        assert!(!is_followed(scheduled("True", 1)), "it was changed");
        assert!(!is_followed(scheduled("False", 2)), "it was suspended");
        assert!(!is_followed(serde_json::Value::Null), "it is new");
    }
}
