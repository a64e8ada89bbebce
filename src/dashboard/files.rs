//! The exports of the API, for people: a browser has a cookie where the API wants a header.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};

use super::{Dashboard, pages::Wrong, routes::enter};
use crate::api::exported;

/// A file of the API under the name that it has there.
pub(super) async fn file(
    State(dashboard): State<Arc<Dashboard>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let visit = match enter(&dashboard, headers, &uri, &[]).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    match exported(&dashboard.api, &name, uri.query(), visit.token.as_deref()).await {
        Some(Ok(file)) => file,
        Some(Err(problem)) => visit.error(refused(problem.status(), problem.message()), &uri),
        None => visit.error(refused(StatusCode::NOT_FOUND, "There is no such file."), &uri),
    }
}

fn refused(status: StatusCode, why: &str) -> Wrong {
    Wrong {
        status,
        title: "This file cannot be had",
        what: why.to_owned(),
        remedy: "Go back to the page that it is of.".to_owned(),
        command: String::new(),
    }
}
