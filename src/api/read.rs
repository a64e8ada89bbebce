//! Answers from memory.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kymaros_crds::RestoreReport;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    complete::complete,
    parameters::{
        DAYS, DAYS_OF_FIGURES, FRAMEWORK, HOURS, LATEST, LIMIT, PERIOD, RUNNING, STATUS, TEST, WORD,
    },
    places::{no_test, place_of_test, the_report},
    problem::Problem,
    route::{Answering, Ask},
};
use crate::fleet::{
    ClusterName, Fleet, Framework, Logs, ReportFilter, Run, ScheduleRow, Shown, TestRow, TestStanding, View,
    cluster_word, duration_text, left_out, moment,
};

/// What the tier hides, one line each.
pub(super) const NOTICE: HeaderName = HeaderName::from_static("kymaros-notice");
/// Reports that are made into text at once; more of them are sent as they are made.
const AT_ONCE: usize = 64;

/// Wraps a handler that waits for nothing.
macro_rules! at_once {
    ($name:ident, $answer:expr) => {
        pub(in crate::api) fn $name(ask: $crate::api::route::Ask) -> $crate::api::route::Answering {
            let answer: fn(&$crate::api::route::Ask) -> $crate::api::route::Answer = $answer;
            Box::pin(async move { answer(&ask) })
        }
    };
}
pub(super) use at_once;

pub(super) fn json(what: &impl Serialize) -> Response {
    Json(what).into_response()
}

pub(super) fn with_notices(mut response: Response, hidden: &[String]) -> Response {
    for line in hidden {
        if let Ok(line) = HeaderValue::from_str(&as_header(line)) {
            response.headers_mut().append(NOTICE, line);
        }
    }
    response
}

/// What a header cannot hold, such as a word of another language in what a cluster says, is replaced: no line is lost.
fn as_header(line: &str) -> String {
    let held = |c: char| match c {
        ' '..='~' => c,
        _ if c.is_whitespace() => ' ',
        _ => '?',
    };
    line.chars().map(held).collect()
}

/// A whole report, with its cluster when that is another one.
#[derive(Serialize)]
#[serde(untagged)]
enum OfCluster<'a> {
    Here(&'a RestoreReport),
    Other {
        cluster: &'a ClusterName,
        #[serde(flatten)]
        report: &'a RestoreReport,
    },
}

impl<'a> OfCluster<'a> {
    fn new(cluster: Option<&'a ClusterName>, report: &'a RestoreReport) -> Self {
        match cluster {
            None => Self::Here(report),
            Some(cluster) => Self::Other { cluster, report },
        }
    }
}

/// The same for the documentation: the schema of the kind is without what every kind has.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RestoreReport")]
#[expect(dead_code, reason = "a shape")]
pub(super) struct ReportOfCluster {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    #[serde(flatten)]
    report: RestoreReport,
    /// The cluster it is of; none: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterName>,
}

fn shown<T: Serialize>(shown: &Shown<T>) -> Response {
    with_notices(json(&shown.what), &shown.hidden)
}

/// The process, as 0.6.9 told of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    kubernetes_version: String,
    namespace: String,
    uptime: String,
    pod: String,
    started_at: String,
}

at_once!(health, |ask| {
    let about = &ask.api.about;
    let uptime = std::time::Duration::try_from(ask.view.now.duration_since(about.started));
    Ok(json(&Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        kubernetes_version: about.kubernetes_version.clone(),
        namespace: ask.api.fleet.namespace.clone(),
        uptime: duration_text(uptime.unwrap_or_default()),
        pod: about.pod.clone(),
        started_at: moment(about.started),
    }))
});

at_once!(summary, |ask| Ok(json(&ask.api.fleet.summary(&ask.view))));
at_once!(daily, |ask| {
    let days = ask.query.number(&DAYS_OF_FIGURES)?.unwrap_or(7);
    Ok(shown(&ask.api.fleet.daily(days, &ask.view)))
});
at_once!(tests, |ask| Ok(json(&ask.api.fleet.rows(&ask.view))));
at_once!(test, |ask| {
    let place = place_of_test(ask)?;
    let detail = ask
        .api
        .fleet
        .detail(&place, &ask.name, &ask.view)
        .ok_or_else(no_test)?;
    Ok(with_notices(json(&detail), &detail.hidden))
});
at_once!(report, |ask| {
    let (place, report) = the_report(ask)?;
    let whole = complete(report.what);
    let whole = json(&OfCluster::new(place.cluster.as_ref(), whole.as_ref()));
    Ok(with_notices(whole, &report.hidden))
});
at_once!(logs, |ask| match the_report(ask)? {
    (place, report) if place.cluster.is_none() => Ok(json(&Logs::of(&report.what))),
    (place, _) => {
        let cluster = cluster_word(place.cluster.as_ref());
        let error =
            format!("logs and events stay in their cluster; ask the API of cluster {cluster} for them");
        Err(Problem::new(StatusCode::NOT_FOUND, error))
    }
});
at_once!(alerts, |ask| {
    let hours = ask.query.number(&HOURS)?.unwrap_or(48);
    Ok(shown(&ask.api.fleet.alerts(hours, &ask.view)))
});
at_once!(upcoming, |ask| Ok(json(
    &ask.api.fleet.upcoming(usize::MAX, &ask.view)
)));
at_once!(clusters, |ask| Ok(shown(&ask.api.fleet.clusters(&ask.view))));
at_once!(coverage, |ask| Ok(json(&ask.api.fleet.coverage(&ask.view))));
at_once!(compliance, |ask| {
    let (framework, days) = framework(ask)?;
    let seen = ask.api.fleet.compliance(framework, days, &ask.view)?;
    Ok(with_notices(json(&seen), &seen.hidden))
});
at_once!(license, |ask| Ok(json(&ask.api.fleet.license(&ask.view))));
at_once!(provider, |ask| Ok(json(&ask.api.fleet.provider(&ask.view))));
at_once!(notifications, |ask| Ok(json(
    &ask.api.fleet.notified(ask.api.notifier.defaults(), &ask.view)
)));
at_once!(sandbox, |ask| Ok(json(
    &ask.api.fleet.sandboxes_of(&ask.view.scope)
)));
at_once!(runs, |ask| Ok(json(&ask.api.fleet.live(&ask.view))));
at_once!(reports, |ask| {
    let seen = ask.api.fleet.reports(&filter(ask)?, &ask.view);
    let response = list(&ask.api.fleet, &seen.what, &ask.view);
    let hidden = [seen.hidden, left_out(&seen.what, &ask.view)].concat();
    Ok(with_notices(response, &hidden))
});

/// Velero's Schedules, with the tests in view for those who may list these.
pub(super) fn schedules(ask: Ask) -> Answering {
    Box::pin(async move {
        if !ask.view.clusters.holds(None) {
            let line = "Velero's Schedules of other clusters are not known here.".to_owned();
            return Ok(with_notices(json(&Vec::<ScheduleRow>::new()), &[line]));
        }
        let sees_tests = ask.may(&ask.act_on_tests("list")).await?;
        let rows = ask.api.fleet.schedules(sees_tests.then_some(&ask.view.scope));
        let line = "Tests are left out, for this account may not list them.".to_owned();
        let hidden: Vec<String> = Some(line).filter(|_| !sees_tests).into_iter().collect();
        Ok(with_notices(json(&rows), &hidden))
    })
}

/// Which framework, and how many days.
pub(super) fn framework(ask: &Ask) -> Result<(Framework, u32), Problem> {
    let text = ask.query.text(&FRAMEWORK).unwrap_or("soc2");
    let framework = text
        .parse()
        .map_err(|error| Problem::field("framework", format!("framework {text:?} {error}")))?;
    let days = ask.query.number(&PERIOD)?.unwrap_or(90);
    Ok((framework, days))
}

pub(super) fn filter(ask: &Ask) -> Result<ReportFilter, Problem> {
    let latest = ask.query.flag(&LATEST)?;
    let days = ask.query.number(&DAYS)?;
    let limit = ask.query.number(&LIMIT)?;
    Ok(ReportFilter {
        test: ask.query.text(&TEST).map(str::to_owned),
        days,
        latest,
        running: ask.query.flag(&RUNNING)?,
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
    })
}

/// The tests that a search and a standing leave over.
pub(super) fn found(ask: &Ask) -> Result<Vec<TestRow>, Problem> {
    let word = ask.query.text(&WORD);
    let standing = ask.query.text(&STATUS).map(standing).transpose()?;
    let mut rows = ask.api.fleet.rows(&ask.view);
    rows.retain(|row| {
        standing.is_none_or(|standing| row.standing == standing) && word.is_none_or(|word| row.has(word))
    });
    Ok(rows)
}

fn standing(text: &str) -> Result<TestStanding, Problem> {
    let mut all = TestStanding::ALL.into_iter();
    all.find(|standing| standing.key() == text).ok_or_else(|| {
        let choices = TestStanding::ALL.map(|standing| standing.key().to_owned());
        let error = "status: no test stands like that; it is one of the choices";
        Problem::choose(StatusCode::BAD_REQUEST, "status", error, choices.into())
    })
}

/// Whole reports. Many of them are sent as they are made, so that memory does not grow with their number.
fn list(fleet: &Fleet, runs: &[Arc<Run>], view: &View) -> Response {
    let content = [(CONTENT_TYPE, "application/json")];
    if runs.len() <= AT_ONCE {
        let text = [b"[".to_vec(), some(fleet, runs, view, true), b"]".to_vec()].concat();
        return (content, text).into_response();
    }
    let (fleet, view) = (fleet.clone(), view.clone());
    let parts: Vec<Vec<Arc<Run>>> = runs.chunks(AT_ONCE).map(<[_]>::to_vec).collect();
    let mut first = true;
    let made = stream::iter(parts).map(move |runs| {
        let text = some(&fleet, &runs, &view, first);
        first &= text.is_empty();
        Bytes::from(text)
    });
    let begin = stream::iter([Bytes::from_static(b"[")]);
    let end = stream::iter([Bytes::from_static(b"]")]);
    let all = begin
        .chain(made)
        .chain(end)
        .map(Ok::<_, std::convert::Infallible>);
    (content, Body::from_stream(all)).into_response()
}

fn some(fleet: &Fleet, runs: &[Arc<Run>], view: &View, first: bool) -> Vec<u8> {
    let mut text = Vec::new();
    let reports = runs.iter().filter_map(|run| Some((run, fleet.whole(run, view)?)));
    for (run, report) in reports {
        let before = text.len();
        if !(first && text.is_empty()) {
            text.push(b',');
        }
        // A report that came in as JSON goes out as JSON; were one not to, it is left out.
        let report = complete(report);
        let report = OfCluster::new(run.name.cluster.as_ref(), report.as_ref());
        if serde_json::to_writer(&mut text, &report).is_err() {
            text.truncate(before);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_lost_whatever_is_in_it() {
        let lines = ["plain", "Zertifikat ungültig\n\u{7f}x"].map(str::to_owned);
        let response = with_notices(Response::default(), &lines);
        let held: Vec<_> = response.headers().get_all(NOTICE).iter().collect();
        assert_eq!(held, ["plain", "Zertifikat ung?ltig ?x"]);
    }
}
