//! Answers as files: lists for spreadsheets, and what an auditor keeps on paper.

mod compliance;
mod csv;
mod paper;

pub(super) use compliance::compliance as compliance_pdf;
pub(super) use csv::{compliance, coverage, reports, tests};

use std::collections::HashMap;

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderValue,
        header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};

use super::{Api, Problem, route, table};

/// What comes as a file.
const TYPES: [&str; 2] = ["text/csv", "application/pdf"];

/// An export by its name, such as `tests.csv`, as the API answers whoever has this token. None: there is no such export.
///
/// # Errors
/// What the API answers instead.
pub async fn exported(
    api: &Api,
    name: &str,
    query: Option<&str>,
    token: Option<&str>,
) -> Option<Result<Response, Problem>> {
    let path = format!("/api/v1/{name}");
    let is_wanted = |route: &route::Route| {
        let is_file = matches!(route.success.1, route::Shape::Other(content) if TYPES.contains(&content));
        is_file && route.path == path
    };
    let found = table::routes().into_iter().find(is_wanted)?;
    let mut request = Request::builder().uri(format!("{path}?{}", query.unwrap_or_default()));
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).ok()?;
    Some(route::answer(found, api.clone(), HashMap::new(), request).await)
}

/// A file to keep: `kymaros-compliance.pdf`.
fn file(name: &str, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response: Response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(file) = HeaderValue::from_str(&format!("attachment; filename=\"kymaros-{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, file);
    }
    response
}
