//! What browsers are told, and what is not taken from them.

use std::fmt;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Api, problem::Problem, read::NOTICE};

/// The origin of pages that may read the API from a browser, such as `https://ops.example.com`; `*` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// An origin; none when the text is not one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_origin = text == "*"
            || text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"))
                .is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', ',']));
        let value = HeaderValue::from_str(text).ok()?;
        is_origin.then_some(Self(value))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Answers are data, never pages, and nobody keeps them.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Around every answer.
pub(super) async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let mut response = if method == Method::OPTIONS && api.cors.is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else if !method.is_safe() && is_foreign(request.headers(), api.cors.as_ref()) {
        Problem::new(
            StatusCode::FORBIDDEN,
            "a page of another origin may not change anything",
        )
        .into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(origin) = api.cors {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.0);
        let methods = HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let allowed = HeaderValue::from_static("Content-Type, Authorization");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from(NOTICE));
    }
    response
}

/// Whether a browser sends this for a page that is not ours: in the mode without accounts, any page that somebody with
/// access to the network visits could change tests.
fn is_foreign(headers: &HeaderMap, allowed: Option<&Origin>) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let of = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    let is_same = of.is_some() && of == host;
    let is_allowed = allowed.is_some_and(|allowed| allowed.0 == "*" || allowed.0 == origin);
    !is_same && !is_allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for text in ["*", "https://ops.example.com", "http://localhost:3000"] {
            assert_eq!(Origin::new(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "ops.example.com",
            "https://",
            "https://a/b",
            "https://a, https://b",
            "null",
        ] {
            assert_eq!(Origin::new(text), None, "{text}");
        }
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let foreign = |origin: Option<&'static str>, allowed: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("kymaros:8080"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            is_foreign(&headers, allowed.and_then(Origin::new).as_ref())
        };
        assert!(!foreign(None, None), "curl sends none");
        assert!(!foreign(Some("http://kymaros:8080"), None));
        assert!(foreign(Some("https://evil.example"), None));
        assert!(foreign(Some("null"), None));
        assert!(!foreign(Some("https://ops.example"), Some("https://ops.example")));
        assert!(foreign(Some("https://evil.example"), Some("https://ops.example")));
    }
}
