//! Every write by the operator's own account: inside a sandbox of a live run, or on a short list of exact writes.
//!
//! The rules do not trust the operator's code: they hold when it has a defect and when its token is stolen.

mod outside;
mod restores;
mod sandboxes;
mod volumes;

#[cfg(test)]
mod tests;

use crate::{
    answer::{Answer, Denial},
    facts::Facts,
    request::{Request, described, name, namespace, username},
    rule::Rule,
};

pub use restores::ARTIFACTS;

const DEFECT: &str = "report this as a defect of Kymaros, and renew its token if nothing of yours uses it";
/// Somebody deletes a test while its run is in the middle of something.
const TOO_LATE: &str = "it was under way when that happened, and nothing is to be done";
const PERHAPS_DELETED: &str = "if somebody deleted that just now, nothing is to be done; otherwise report this \
     as a defect of Kymaros, and renew its token if nothing of yours uses it";

/// What a rule says about a write.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ruling {
    /// It is one of the operator's writes.
    Fine,
    /// It is not, for this reason.
    Refused(String),
    /// It was until its run ended, or until somebody deleted it.
    TooLate(String),
    /// It may be, when something becomes known that is on its way.
    Unknown(String),
    /// The same of the report of its run, which may as well be gone.
    NoReport(String),
}

impl Ruling {
    fn fine_if(fine: bool, else_why: &str) -> Self {
        if fine {
            Self::Fine
        } else {
            Self::Refused(else_why.to_owned())
        }
    }
}

/// Answers for any write by the operator's account.
#[must_use]
pub fn guard(request: &Request, facts: &dyn Facts) -> Answer {
    if username(request) != facts.operator().username {
        return Answer::allow();
    }
    let (rule, ruling) = ruling(request, facts);
    match ruling {
        Ruling::Fine => Answer::allow(),
        Ruling::Refused(why) => Answer::Deny(denial(request, rule, &why, DEFECT)),
        Ruling::TooLate(why) => Answer::Deny(denial(request, Rule::RunOver, &why, TOO_LATE)),
        Ruling::Unknown(why) => Answer::DenyUnlessKnownSoon(denial(request, rule, &why, DEFECT)),
        Ruling::NoReport(why) => Answer::DenyUnlessKnownSoon(denial(request, rule, &why, PERHAPS_DELETED)),
    }
}

fn ruling(request: &Request, facts: &dyn Facts) -> (Rule, Ruling) {
    if let Some(ruling) = outside::rule(request, facts.operator()) {
        return (Rule::OwnObjects, ruling);
    }
    let target = crate::request::target(request);
    let in_velero = namespace(request) == Some(&facts.operator().velero_namespace);
    match (target.group, target.resource, target.subresource) {
        ("", "namespaces", "") => (Rule::Namespaces, sandboxes::namespace(request, facts)),
        ("", "persistentvolumes", "") => (Rule::Volumes, volumes::rule(request, facts)),
        ("snapshot.storage.k8s.io", "volumesnapshotcontents", "") => {
            (Rule::Volumes, volumes::snapshot(request))
        }
        ("velero.io", "restores", "") if in_velero => (Rule::Restores, restores::restore(request, facts)),
        ("velero.io", "downloadrequests", "") if in_velero => {
            (Rule::Restores, restores::download(request, facts))
        }
        ("velero.io", "podvolumerestores" | "datadownloads", "") if in_velero => {
            (Rule::DataMovers, restores::data_mover(request, facts))
        }
        _ => {
            if let Some(namespace) = namespace(request) {
                (Rule::OutsideSandbox, sandboxes::inside(request, namespace, facts))
            } else {
                let why = "the operator changes nothing of this kind for the whole cluster";
                (Rule::ClusterWide, Ruling::Refused(why.to_owned()))
            }
        }
    }
}

fn denial(request: &Request, rule: Rule, why: &str, remedy: &str) -> Denial {
    let place = namespace(request).map_or_else(|| "the cluster".to_owned(), |n| format!("namespace {n}"));
    let operation = serde_json::to_value(&request.operation).unwrap_or_default();
    let what = format!(
        "{} of {} {:?} in {place} by the operator's own account: {why}",
        operation.as_str().unwrap_or_default(),
        described(request),
        name(request),
    );
    Denial::forbidden(rule, what, remedy)
}
