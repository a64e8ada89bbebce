//! Drives messages from the reports: on the leader only, and never with anything remembered that is not in a report.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PostParams,
    runtime::{
        controller::Action,
        events::{Event, EventType},
    },
};
use kymaros_crds::{NotificationState, NotificationStatus, RestoreReport};
use thiserror::Error;

use super::{
    decide::{Notice, decide},
    notifier::{Notifier, NotifyError},
    record::{self, Step},
};
use crate::{reason::EventReason, stored::StoredReport, telemetry::events::Events};

/// Between two tries to write an outcome down: the sooner it is written, the smaller the window in which a message may be
/// sent twice.
const AGAIN: Duration = Duration::from_secs(1);
/// Tries to write an outcome down.
const TRIES: usize = 120;

/// What the controller works with.
pub struct NotifyContext {
    /// Talks to the API server.
    pub client: Client,
    /// Tells receivers.
    pub notifier: Notifier,
    /// Publishes Events.
    pub events: Arc<Events>,
    /// What time it is.
    pub clock: Clock,
}

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why nothing could be done now.
#[derive(Debug, Error)]
pub enum TellError {
    /// A claim or an outcome could not be written.
    #[error("writing what became of messages: {0}")]
    Write(#[source] kube::Error),
}

/// Tells whoever is to be told of one run now, and says when to look again.
///
/// # Errors
/// [`TellError`]; it is tried again later.
#[tracing::instrument(skip_all, fields(run = %stored.name_any(), namespace = stored.namespace()))]
pub async fn reconcile(stored: Arc<StoredReport>, context: Arc<NotifyContext>) -> Result<Action, TellError> {
    let Some(report) = stored.whole() else {
        return Ok(Action::await_change());
    };
    let wait = Box::pin(look(&report, &context)).await?;
    Ok(wait.map_or_else(Action::await_change, Action::requeue))
}

/// One look at a report; how long until the next one, if nothing happens before.
pub(super) async fn look(
    report: &RestoreReport,
    context: &NotifyContext,
) -> Result<Option<Duration>, TellError> {
    if report.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let now = (context.clock)();
    let due = decide(report, context.notifier.defaults(), now);
    let step = record::next(recorded(report), &due, now);
    if step.records == recorded(report) {
        let wait = step.wake.map(|at| Duration::try_from(at.duration_since(now)));
        return Ok(wait.map(Result::unwrap_or_default));
    }
    // When somebody else wrote first, or our own last write is not in the store yet, that change wakes us.
    if let Some(claimed) = claim(context, report, &step).await? {
        send(context, claimed, step.send).await?;
    }
    // What was written says when the next attempt is due.
    Ok(Some(AGAIN))
}

fn recorded(report: &RestoreReport) -> &[NotificationStatus] {
    report
        .status
        .as_ref()
        .map_or(&[], |status| status.notifications.as_slice())
}

/// Writes the claims, with the `resourceVersion` that they were decided on; `None` when that is no longer the newest.
async fn claim(
    context: &NotifyContext,
    report: &RestoreReport,
    step: &Step,
) -> Result<Option<RestoreReport>, TellError> {
    let claimed = with(report.clone(), step.records.clone());
    match write(context, &claimed).await {
        Ok(written) => Ok(Some(written)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(None),
        Err(error) => Err(TellError::Write(error)),
    }
}

/// Sends to all at once, and writes each outcome as it comes: a slow receiver does not hold up the others' records.
async fn send(
    context: &NotifyContext,
    mut report: RestoreReport,
    notices: Vec<Notice>,
) -> Result<(), TellError> {
    let attempt = |notice: Notice| async move {
        let outcome = context.notifier.send(&notice).await;
        (notice, outcome)
    };
    let mut attempts: FuturesUnordered<_> = notices.into_iter().map(attempt).collect();
    while let Some((notice, outcome)) = attempts.next().await {
        let error = outcome.as_ref().err().map(ToString::to_string);
        let Some(written) = settle(context, report, &notice, outcome).await? else {
            return Ok(());
        };
        report = written;
        tell(context, &report, &notice, error.as_deref()).await;
    }
    Ok(())
}

/// Writes an outcome into whatever the report has become meanwhile; `None` when it is gone.
async fn settle(
    context: &NotifyContext,
    mut report: RestoreReport,
    notice: &Notice,
    outcome: Result<(), NotifyError>,
) -> Result<Option<RestoreReport>, TellError> {
    let now = (context.clock)();
    let mut tries = 0;
    loop {
        let mut records = recorded(&report).to_vec();
        if let Some(record) = record::of(&mut records, &notice.id) {
            match &outcome {
                Ok(()) => record::delivered(record, now),
                Err(error) => {
                    let text = error.to_string();
                    record::refused(record, notice.since, &text, error.retry_after(), now);
                }
            }
        }
        let error = match write(context, &with(report.clone(), records)).await {
            Ok(written) => return Ok(Some(written)),
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
            Err(error) => error,
        };
        tries += 1;
        if tries >= TRIES {
            return Err(TellError::Write(error));
        }
        let is_conflict = matches!(&error, kube::Error::Api(status) if status.is_conflict());
        if !is_conflict {
            tokio::time::sleep(AGAIN).await;
        }
        match reports(context, &report).get_opt(&report.name_any()).await {
            Ok(Some(live)) => report = live,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::warn!(%error, "the report cannot be read; what became of a message is not written yet");
            }
        }
    }
}

fn with(mut report: RestoreReport, records: Vec<NotificationStatus>) -> RestoreReport {
    let generation = report.metadata.generation;
    let status = report.status.get_or_insert_default();
    record::condition(&mut status.conditions, &records, generation);
    status.notifications = records;
    report
}

async fn write(context: &NotifyContext, report: &RestoreReport) -> Result<RestoreReport, kube::Error> {
    let params = PostParams::default();
    reports(context, report)
        .replace_status(&report.name_any(), &params, report)
        .await
}

fn reports(context: &NotifyContext, report: &RestoreReport) -> Api<RestoreReport> {
    Api::namespaced(context.client.clone(), &report.namespace().unwrap_or_default())
}

/// Says once that a receiver was told, once that it could not be, and once that it was given up.
async fn tell(context: &NotifyContext, report: &RestoreReport, notice: &Notice, error: Option<&str>) {
    let record = recorded(report).iter().find(|record| record.id == notice.id);
    let Some(record) = record else { return };
    let (receiver, subject) = (&record.receiver, record::subject_name(notice.subject));
    let given_up = record.state == Some(NotificationState::Failed);
    let (type_, reason, note) = match error {
        None => (
            EventType::Normal,
            EventReason::Notified,
            format!("{receiver} was told of {subject}"),
        ),
        Some(error) if given_up => (
            EventType::Warning,
            EventReason::NotificationFailed,
            format!("{receiver} was not told of {subject}: {error}"),
        ),
        Some(error) if record.attempts == 1 => (
            EventType::Warning,
            EventReason::NotificationDelayed,
            format!("{receiver} could not be told of {subject}, and will be: {error}"),
        ),
        Some(_) => return,
    };
    tracing::info!(reason = reason.as_str(), "{note}");
    let event = Event {
        type_,
        reason: reason.into(),
        note: Some(note.chars().take(900).collect()),
        action: "Notify".to_owned(),
        secondary: None,
    };
    context.events.publish(&event, report.object_ref(&())).await;
}
