//! What is said when something does not work: JSON with `error`, as 0.6.9 had it, and where it helps the remedy, the field
//! or the choices.

use axum::{
    Json,
    http::{
        HeaderValue, Method, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use kube::core::Status;
use serde::Serialize;

use super::read::with_notices;
use crate::fleet::Closed;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// In words.
    Said(Box<Said>),
    /// The tier does not have it.
    Closed(Box<Closed>),
}

/// A problem in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Said {
    #[serde(skip)]
    status: StatusCode,
    /// What is wrong and what to do.
    pub error: String,
    /// What to do, where `error` has the words of 0.6.9, which do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The parameter or field it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would do instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// All errors, each with its field, as admission names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Mistake>,
    /// What the tier hides, one line each: it is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
}

/// One of several errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Mistake {
    /// The path, such as `spec.schedule.cron`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Said {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            remedy: None,
            field: None,
            choices: Vec::new(),
            causes: Vec::new(),
            hidden: Vec::new(),
        }
    }
}

impl Problem {
    /// A problem.
    #[must_use]
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self::Said(Box::new(Said::new(status, error)))
    }

    /// 400, about one parameter or field.
    pub(super) fn field(field: &str, error: impl Into<String>) -> Self {
        let mut said = Said::new(StatusCode::BAD_REQUEST, error);
        said.field = Some(field.to_owned());
        said.error.truncate(longest(&said.error));
        Self::Said(Box::new(said))
    }

    /// The same with what to do, where the words of 0.6.9 do not say it.
    pub(super) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        if let Self::Said(said) = &mut self {
            said.remedy = Some(remedy.into());
        }
        self
    }

    /// The same with the line about what the tier hides.
    pub(super) fn with_hidden(mut self, line: String) -> Self {
        if let Self::Said(said) = &mut self {
            said.hidden.push(line);
        }
        self
    }

    /// One of several is to be chosen by a parameter.
    pub(super) fn choose(
        status: StatusCode,
        field: &str,
        error: impl Into<String>,
        choices: Vec<String>,
    ) -> Self {
        Self::Said(Box::new(Said {
            field: Some(field.to_owned()),
            choices,
            ..Said::new(status, error)
        }))
    }

    /// What is wrong and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Said(said) => &said.error,
            Self::Closed(closed) => &closed.error,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Said(said) => said.status,
            Self::Closed(_) => StatusCode::FORBIDDEN,
        }
    }
}

/// Messages repeat what was sent; this much is enough.
fn longest(text: &str) -> usize {
    text.char_indices().nth(500).map_or(text.len(), |(at, _)| at)
}

impl From<Closed> for Problem {
    fn from(closed: Closed) -> Self {
        Self::Closed(Box::new(closed))
    }
}

/// What the API server said to a write. What admission refuses is 422 with its words, whatever it is in there.
impl From<kube::Error> for Problem {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            tracing::warn!(%error, "the API server does not answer");
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the API server does not answer; try again",
            );
        };
        let code = match status.code {
            400 | 422 => StatusCode::UNPROCESSABLE_ENTITY,
            403 if is_admission(&status) => StatusCode::UNPROCESSABLE_ENTITY,
            401 => StatusCode::UNAUTHORIZED,
            403 => StatusCode::FORBIDDEN,
            404 => StatusCode::NOT_FOUND,
            409 => StatusCode::CONFLICT,
            413 => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        Self::Said(Box::new(Said {
            causes: causes
                .map(|cause| Mistake {
                    field: cause.field.clone(),
                    message: cause.message.clone(),
                })
                .collect(),
            ..Said::new(code, status.message.clone())
        }))
    }
}

fn is_admission(status: &Status) -> bool {
    ["admission webhook", "ValidatingAdmissionPolicy"]
        .iter()
        .any(|by| status.message.contains(by))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = match self {
            Self::Said(said) => {
                let hidden = said.hidden.clone();
                with_notices((status, Json(said)).into_response(), &hidden)
            }
            Self::Closed(closed) => (status, Json(closed)).into_response(),
        };
        let header = match status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

pub(super) async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is no such route; /api/v1/openapi.json lists all",
    )
}

pub(super) async fn not_allowed(method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} does nothing here; the header Allow names what does"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_says_becomes_what_the_caller_can_act_on() {
        for (code, message, wanted) in [
            (
                422,
                "admission webhook \"validate.kymaros.io\" denied the request: x",
                422,
            ),
            (
                403,
                "admission webhook \"guard.kymaros.io\" denied the request: x",
                422,
            ),
            (
                403,
                "restoretests.restore.kymaros.io is forbidden: ValidatingAdmissionPolicy 'x' denied",
                422,
            ),
            (403, "restoretests is forbidden: User \"sre\" cannot create", 403),
            (409, "restoretests \"shop\" already exists", 409),
            (404, "not found", 404),
            (500, "etcd", 503),
        ] {
            let status = Status {
                code,
                message: message.to_owned(),
                ..Status::default()
            };
            let problem = Problem::from(kube::Error::Api(Box::new(status)));
            assert_eq!(problem.status().as_u16(), wanted, "{code} {message}");
        }
    }

    #[test]
    fn nobody_gets_back_more_than_a_few_lines() {
        let Problem::Said(said) = Problem::field("days", "ä".repeat(1000)) else {
            panic!("said")
        };
        assert_eq!(said.error.chars().count(), 500);
    }
}
