//! Answers from memory.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use kymaros_crds::RestoreReport;
use schemars::JsonSchema;
use serde::Serialize;

use super::{complete::complete, problem::Problem, route::Ask};
use crate::fleet::{Fleet, Framework, Logs, ReportFilter, Run, Shown, View, duration_text, moment};

/// What the tier hides, one line each.
pub(super) const NOTICE: HeaderName = HeaderName::from_static("kymaros-notice");
/// Reports that are made into text at once; more of them are sent as they are made.
const AT_ONCE: usize = 64;

/// Wraps a handler that waits for nothing.
macro_rules! at_once {
    ($name:ident, $answer:expr) => {
        pub(super) fn $name(ask: $crate::api::route::Ask) -> $crate::api::route::Answering {
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
        if let Ok(line) = HeaderValue::from_str(line) {
            response.headers_mut().append(NOTICE, line);
        }
    }
    response
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
    let days = ask.query.number("days", 1)?.unwrap_or(7);
    Ok(shown(&ask.api.fleet.daily(days, &ask.view)))
});
at_once!(tests, |ask| Ok(json(&ask.api.fleet.rows(&ask.view))));
at_once!(test, |ask| {
    let home = home_of_test(ask)?;
    let detail = ask
        .api
        .fleet
        .detail(&home, &ask.name, &ask.view)
        .ok_or_else(no_test)?;
    Ok(with_notices(json(&detail), &detail.hidden))
});
at_once!(report, |ask| {
    let report = the_report(ask)?;
    let whole = complete(report.what);
    Ok(with_notices(json(whole.as_ref()), &report.hidden))
});
at_once!(logs, |ask| Ok(json(&Logs::of(&the_report(ask)?.what))));
at_once!(alerts, |ask| {
    let hours = ask.query.number("hours", 1)?.unwrap_or(48);
    Ok(shown(&ask.api.fleet.alerts(hours, &ask.view)))
});
at_once!(upcoming, |ask| Ok(json(&ask.api.fleet.upcoming(&ask.view))));
at_once!(schedules, |ask| Ok(json(&ask.api.fleet.schedules())));
at_once!(coverage, |ask| Ok(json(&ask.api.fleet.coverage(&ask.view))));
at_once!(compliance, |ask| {
    let (framework, days) = framework(ask)?;
    let seen = ask.api.fleet.compliance(framework, days, &ask.view)?;
    Ok(with_notices(json(&seen), &seen.hidden))
});
at_once!(license, |ask| Ok(json(&ask.api.fleet.license(&ask.view))));
at_once!(provider, |ask| Ok(json(&ask.api.fleet.provider(&ask.view))));
at_once!(notifications, |ask| Ok(json(&ask.api.fleet.notified(&ask.view))));
at_once!(sandbox, |ask| Ok(json(&ask.api.fleet.sandboxes())));
at_once!(runs, |ask| Ok(json(&ask.api.fleet.live(&ask.view))));
at_once!(reports, |ask| {
    let seen = ask.api.fleet.reports(&filter(ask)?, &ask.view);
    let response = list(&ask.api.fleet, &seen.what, &ask.view);
    Ok(with_notices(response, &seen.hidden))
});

/// Which framework, and how many days.
pub(super) fn framework(ask: &Ask) -> Result<(Framework, u32), Problem> {
    let text = ask.query.text("framework").unwrap_or("soc2");
    let framework = text
        .parse()
        .map_err(|error| Problem::field("framework", format!("framework {text:?} {error}")))?;
    let days = ask.query.number("period", 1)?.unwrap_or(90);
    Ok((framework, days))
}

pub(super) fn filter(ask: &Ask) -> Result<ReportFilter, Problem> {
    let latest = ask.query.flag("latest")?;
    let days = ask.query.number("days", 0)?;
    let limit = ask.query.number("limit", 1)?;
    Ok(ReportFilter {
        test: ask.query.text("test").map(str::to_owned),
        days,
        latest,
        running: ask.query.flag("running")?,
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
    })
}

/// The namespace of the test of the path.
pub(super) fn home_of_test(ask: &Ask) -> Result<String, Problem> {
    let homes = ask.api.fleet.homes_of_test(&ask.name, &ask.view);
    one_of(homes, "test", no_test)
}

fn the_report(ask: &Ask) -> Result<Shown<Arc<RestoreReport>>, Problem> {
    let homes = ask.api.fleet.homes_of_report(&ask.name, &ask.view);
    let home = one_of(homes, "report", no_report)?;
    ask.api
        .fleet
        .report(&home, &ask.name, &ask.view)
        .ok_or_else(no_report)
}

fn one_of(mut homes: Vec<String>, what: &str, none: fn() -> Problem) -> Result<String, Problem> {
    match homes.len() {
        0 => Err(none()),
        1 => Ok(homes.remove(0)),
        count => {
            let error = format!("{count} namespaces have a {what} of this name; say which with ?namespace=");
            Err(Problem::which(error, homes))
        }
    }
}

pub(super) fn no_test() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "test not found")
}

fn no_report() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "report not found")
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
    let reports = runs.iter().filter_map(|run| fleet.whole(run, view));
    for report in reports {
        let before = text.len();
        if !(first && text.is_empty()) {
            text.push(b',');
        }
        // A report that came in as JSON goes out as JSON; were one not to, it is left out.
        if serde_json::to_writer(&mut text, complete(report).as_ref()).is_err() {
            text.truncate(before);
        }
    }
    text
}
