//! The exports of the API, for people: a browser has a cookie where the API wants a header.

use axum::{extract::Path, http::StatusCode};

use super::{
    ask::{Answer, Ask},
    pages::Wrong,
};
use crate::api::exported;

/// A file of the API under the name that it has there.
pub(super) async fn file(Path(name): Path<String>, ask: Ask) -> Answer {
    let visit = ask.led_on(ask.enter(&[]).await?).await;
    let (api, query, token) = (&ask.dashboard.api, ask.uri.query(), visit.token.as_deref());
    match exported(api, &name, query, token).await {
        Some(Ok(file)) => Ok(file),
        Some(Err(problem)) => Err(visit.error(refused(problem.status(), problem.message()), &ask.uri)),
        None => Err(visit.error(refused(StatusCode::NOT_FOUND, "There is no such file."), &ask.uri)),
    }
}

fn refused(status: StatusCode, why: &str) -> Wrong {
    Wrong {
        status,
        title: "This file cannot be had",
        what: why.to_owned(),
        remedy: "Go back to the page that it is of.".to_owned(),
        command: String::new(),
        narrows: false,
    }
}
