//! The words, and the payloads: those of 0.6.9, with keys beside them that its receivers do not look at.

use std::fmt::Write;

use jiff::Timestamp;
use kube::ResourceExt;
use kymaros_crds::{
    CheckResult, MissedTimes, NotificationSubject, RestoreReport, RestoreReportStatus, RunResult,
};
use serde::Serialize;

use super::decide::{Notice, Reason};
use crate::report::missed;

/// Longest message, characters. Slack takes 40,000, and nobody reads them.
const MOST: usize = 3000;
/// Checks that are named.
const NAMED: usize = 10;

/// What a receiver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The test.
    pub test: String,
    /// Its namespace.
    pub namespace: String,
    /// The report.
    pub report: String,
    /// What it says.
    pub outcome: Outcome,
    /// A few lines.
    pub text: String,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A verdict and its score.
    Verdict(RunResult, i32),
    /// A run did not begin in time, or was not made at all.
    Missed,
    /// Somebody wants to see whether messages arrive.
    Test,
}

/// The message of a verdict.
pub(super) fn of_verdict(report: &RestoreReport, result: RunResult, reasons: &[Reason]) -> Message {
    let status = report.status.clone().unwrap_or_default();
    let score = status.score.unwrap_or_default();
    let mut lines: Vec<String> = reasons.iter().map(|reason| line(reason, score)).collect();
    lines.extend(status.message.clone());
    lines.extend(failed_checks(&status));
    if let Some(cause) = status.cause.filter(|_| result != RunResult::Pass) {
        lines.push(format!("Cause: {cause:?}"));
    }
    message(report, Outcome::Verdict(result, score), &lines)
}

/// The message of times that got no run, and of a run that did not begin in time: when it was due, and when it began.
pub(super) fn of_missed(
    report: &RestoreReport,
    before: Option<&MissedTimes>,
    late: Option<(Timestamp, Option<Timestamp>)>,
) -> Message {
    let before = before.map(|times| format!("Missed schedule: {}", missed(times)));
    let late = late.map(|(planned, begun)| {
        let waits = report.status.as_ref().and_then(|status| status.queue.as_ref());
        match (begun, waits) {
            (Some(begun), _) => {
                format!("Missed schedule: planned for {planned}, begun {}", whole(begun))
            }
            (None, Some(queue)) => {
                format!(
                    "Missed schedule: planned for {planned}, and has not begun: {}",
                    queue.reason
                )
            }
            (None, None) => format!("Missed schedule: planned for {planned}, and has not begun"),
        }
    });
    let lines: Vec<String> = before.into_iter().chain(late).collect();
    message(report, Outcome::Missed, &lines)
}

/// A message that says nothing but that it arrived.
pub(super) fn of_test(namespace: &str) -> Message {
    Message {
        test: "notification-test".to_owned(),
        namespace: namespace.to_owned(),
        report: String::new(),
        outcome: Outcome::Test,
        text: "This is a test of notifications: messages of Kymaros arrive here".to_owned(),
    }
}

fn message(report: &RestoreReport, outcome: Outcome, lines: &[String]) -> Message {
    Message {
        test: report.spec.test_ref.clone(),
        namespace: report.namespace().unwrap_or_default(),
        report: report.name_any(),
        outcome,
        text: lines.join("\n").chars().take(MOST).collect(),
    }
}

fn line(reason: &Reason, score: i32) -> String {
    match reason {
        Reason::Ended(RunResult::Fail) => format!("Restore test failed with score {score}/100"),
        Reason::Ended(RunResult::Partial) => format!("Restore test was partial with score {score}/100"),
        Reason::Ended(RunResult::Inconclusive) => {
            "Restore test was inconclusive: nothing was learned of the backup".to_owned()
        }
        Reason::Ended(RunResult::Pass) => format!("Restore test passed with score {score}/100"),
        Reason::PointsLost { before, now } => {
            format!("Score regression: {before} → {now} ({} points)", now - before)
        }
        Reason::Worse(sentence) => format!("Worse than before: {sentence}"),
        Reason::RtoExceeded { measured, agreed } => format!("RTO exceeded: {measured}, agreed {agreed}"),
        Reason::Skipped { times: 1, first } => {
            format!("Missed schedule: the run planned for {first} was skipped, for this one went on")
        }
        Reason::Skipped { times, first } => {
            format!(
                "Missed schedule: {times} planned runs, the first for {first}, were skipped, for this one went on"
            )
        }
    }
}

fn failed_checks(status: &RestoreReportStatus) -> Option<String> {
    let failed = status
        .checks
        .iter()
        .filter(|check| check.status == CheckResult::Fail);
    let names: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
    let (first, rest) = names.split_at(names.len().min(NAMED));
    if first.is_empty() {
        return None;
    }
    let mut line = format!("Failed checks: {}", first.join(", "));
    if !rest.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, " and {} more", rest.len());
    }
    Some(line)
}

fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What a webhook is sent. The first five keys are those of 0.6.9.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    test_name: &'a str,
    score: i32,
    result: &'static str,
    report_ref: &'a str,
    message: &'a str,
    namespace: &'a str,
    subject: &'static str,
    #[serde(rename = "DeliveryID")]
    delivery_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
}

/// The document for a webhook, from a cluster of this name.
pub(super) fn webhook(notice: &Notice, cluster: Option<&str>) -> serde_json::Value {
    let message = &notice.message;
    let (result, score) = result_and_score(message.outcome);
    serde_json::json!(Document {
        test_name: &message.test,
        score,
        result,
        report_ref: &message.report,
        message: &message.text,
        namespace: &message.namespace,
        subject: subject(notice),
        delivery_id: &notice.id,
        cluster,
    })
}

/// What Slack's incoming webhooks take.
#[derive(Serialize)]
struct Post<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    text: String,
}

/// The document for Slack, from a cluster of this name.
pub(super) fn slack(notice: &Notice, cluster: Option<&str>) -> serde_json::Value {
    let message = &notice.message;
    let place = cluster.map(|cluster| format!(" in {}", escaped(cluster)));
    let from = format!("*Kymaros*{}", place.unwrap_or_default());
    let (name_of_test, said) = (escaped(&message.test), escaped(&message.text));
    let text = match message.outcome {
        Outcome::Verdict(result, score) => {
            let result_name = result.word();
            let emoji = match result {
                RunResult::Fail => "x",
                RunResult::Partial => "warning",
                RunResult::Pass => "white_check_mark",
                RunResult::Inconclusive => "grey_question",
            };
            format!(":{emoji}: {from} — `{name_of_test}` score: *{score}/100* ({result_name})\n{said}")
        }
        Outcome::Missed => format!(":warning: {from} — `{name_of_test}`\n{said}"),
        Outcome::Test => format!(":white_check_mark: {from}\n{said}"),
    };
    serde_json::json!(Post {
        channel: notice.receiver.channel.as_deref(),
        text: text + &how_to_look(message),
    })
}

/// Where the rest stands. A webhook has it in fields of their own.
fn how_to_look(message: &Message) -> String {
    let (report, namespace) = (escaped(&message.report), escaped(&message.namespace));
    if report.is_empty() {
        String::new()
    } else {
        format!("\n`kymaros report {report} --namespace {namespace}`")
    }
}

fn subject(notice: &Notice) -> &'static str {
    match (notice.message.outcome, notice.subject) {
        (Outcome::Test, _) => "Test",
        (_, NotificationSubject::Verdict) => "Verdict",
        (_, NotificationSubject::MissedSchedule) => "MissedSchedule",
    }
}

const fn result_and_score(outcome: Outcome) -> (&'static str, i32) {
    match outcome {
        Outcome::Verdict(result, score) => (result.word(), score),
        Outcome::Missed => ("missed", 0),
        Outcome::Test => ("test", 0),
    }
}

/// What Slack would take for a mention or a link: messages hold words of restored applications.
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
