//! The exports of the API, for people: a browser has a cookie where the API wants a header.

use axum::{extract::Path, http::StatusCode};

use super::{
    ask::{Answer, Ask},
    pages::{HiddenPage, Wrong},
    shell::Place,
};
use crate::api::{Problem, exported};

/// A file of the API under the name that it has there.
pub(super) async fn file(Path(name): Path<String>, ask: Ask) -> Answer {
    let visit = ask.led_on(ask.enter(&[]).await?).await;
    let (api, query, token) = (&ask.dashboard.api, ask.uri.query(), visit.token.as_deref());
    match exported(api, &name, query, token).await {
        Some(Ok(file)) => Ok(file),
        // What the tier hides is said in a line; the code is that of the API, for nobody is to keep the line as the file.
        Some(Err(Problem::Closed(closed))) => {
            let page = HiddenPage::new(&name, closed.line, visit.shell(Place::Elsewhere, &ask.uri));
            Ok(visit.answer_with(StatusCode::FORBIDDEN, &page))
        }
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
