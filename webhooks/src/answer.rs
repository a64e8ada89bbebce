//! What is answered.

use kube::core::{
    Status,
    admission::AdmissionResponse,
    response::{StatusCause, StatusDetails, StatusSummary},
};
use kymaros_crds::domain::FieldError;

use crate::{request::Request, rule::Rule};

/// Warnings beyond this length may be cut by the API server.
const MAX_WARNING: usize = 120;
/// More causes than this help nobody.
const MAX_CAUSES: usize = 50;

/// An answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It may be stored as it is; the warnings are shown to the caller.
    Allow(Vec<String>),
    /// It may be stored after these changes.
    Patch(json_patch::Patch),
    /// It may not be stored.
    Deny(Denial),
    /// It may not be stored as far as is known now; what is missing may be on its way here from the API server.
    DenyUnlessKnownSoon(Denial),
}

impl Answer {
    /// Nothing is wrong.
    #[must_use]
    pub fn allow() -> Self {
        Self::Allow(Vec::new())
    }

    /// Whether the object may be stored.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_) | Self::Patch(_))
    }
}

/// Why something is refused, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    kind: DenialKind,
    rule: Rule,
    message: String,
    causes: Vec<FieldError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenialKind {
    /// The object is wrong: 422, as the API server says it of its own kinds.
    Invalid,
    /// The caller may not do this: 403.
    Forbidden,
}

impl Denial {
    /// The object is wrong; the message lists every error.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let message = errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        let first = errors.first().map(|error| error.path.as_str());
        Self {
            kind: DenialKind::Invalid,
            rule: Rule::of_path(first.unwrap_or_default()),
            message,
            causes: errors,
        }
    }

    /// The caller may not do this. `remedy` is one sentence of what to do.
    #[must_use]
    pub fn forbidden(rule: Rule, what: impl std::fmt::Display, remedy: &str) -> Self {
        Self {
            kind: DenialKind::Forbidden,
            rule,
            message: format!("{what}; {remedy}"),
            causes: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> DenialKind {
        self.kind
    }

    /// The rule that refuses it; of several errors, that of the first.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `again` is when another try may help, in seconds; 0 when none will.
    fn status(self, again: u32) -> Status {
        let (code, reason) = match self.kind {
            DenialKind::Invalid => (422, "Invalid"),
            DenialKind::Forbidden => (403, "Forbidden"),
        };
        let causes: Vec<StatusCause> = self
            .causes
            .into_iter()
            .take(MAX_CAUSES)
            .map(|error| StatusCause {
                reason: "FieldValueInvalid".to_owned(),
                message: format!("{:?}: {}", error.value, error.message),
                field: error.path,
            })
            .collect();
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes,
            retry_after_seconds: again,
        };
        Status {
            status: Some(StatusSummary::Failure),
            code,
            message: self.message,
            metadata: None,
            reason: reason.to_owned(),
            details: (again > 0 || !details.causes.is_empty()).then_some(details),
        }
    }
}

/// The answer in the API server's words.
#[must_use]
pub fn respond(request: &Request, answer: Answer) -> AdmissionResponse {
    let mut response = AdmissionResponse::from(request);
    match answer {
        Answer::Allow(warnings) => {
            let warnings: Vec<String> = warnings.iter().map(|w| shortened(w)).collect();
            response.warnings = (!warnings.is_empty()).then_some(warnings);
            response
        }
        Answer::Patch(patch) if patch.0.is_empty() => response,
        Answer::Patch(patch) => response.clone().with_patch(patch).unwrap_or_else(|error| {
            // A patch that cannot be written down must not let the object through unchanged.
            let denial = Denial::forbidden(Rule::Defect, error, "report this defect of Kymaros");
            deny(response, denial, 0)
        }),
        Answer::Deny(denial) => deny(response, denial, 0),
        Answer::DenyUnlessKnownSoon(denial) => deny(response, denial, 1),
    }
}

fn deny(mut response: AdmissionResponse, denial: Denial, again: u32) -> AdmissionResponse {
    response.allowed = false;
    response.result = denial.status(again);
    response
}

fn shortened(warning: &str) -> String {
    if warning.chars().count() <= MAX_WARNING {
        return warning.to_owned();
    }
    let start: String = warning.chars().take(MAX_WARNING - 1).collect();
    format!("{start}…")
}
