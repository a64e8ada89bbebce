//! What became of an attempt to write, and whether it may land.

use kymaros_crds::names;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A fence of ours said no.
    Refused,
    /// The API server said no for a reason of its own, such as an object that is not valid.
    NotPossible,
    /// It would have been stored.
    Landed,
}

pub fn outcome<T>(result: Result<T, kube::Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Landed,
        Err(kube::Error::Api(status)) if status.is_forbidden() && is_by_a_fence(&status.message) => {
            Outcome::Refused
        }
        Err(_) => Outcome::NotPossible,
    }
}

/// A refusal by RBAC has the operator's name in it, too.
fn is_by_a_fence(refusal: &str) -> bool {
    refusal.contains(".kymaros.io\" denied the request")
        || refusal.contains("ValidatingAdmissionPolicy 'kymaros")
}

#[test]
fn only_a_fence_is_taken_for_a_fence() {
    assert!(is_by_a_fence(
        "admission webhook \"guard.kymaros.io\" denied the request: CREATE of pods"
    ));
    assert!(is_by_a_fence(
        "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'kymaros-guard' with binding 'kymaros-guard' denied request"
    ));
    assert!(!is_by_a_fence(
        "pods is forbidden: User \"system:serviceaccount:kymaros-system:kymaros\" cannot create resource \"pods\""
    ));
    assert!(!is_by_a_fence(
        "admission webhook \"guard.example.com\" denied the request: kymaros"
    ));
}

/// Where something is tried.
#[derive(Clone)]
pub enum Place {
    /// In no namespace.
    Cluster,
    /// Where nothing of a run belongs.
    Outside(String),
    /// The sandbox of a run that has ended: it is only taken away.
    Ended(String),
}

impl Place {
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Cluster => None,
            Self::Outside(namespace) | Self::Ended(namespace) => Some(namespace),
        }
    }
}

/// One attempt, and what became of it.
#[derive(Clone)]
pub struct Tried {
    pub what: String,
    pub outcome: Outcome,
    /// The operator is meant to be able to do it anywhere.
    pub is_its_business: bool,
}

impl Tried {
    pub fn lands_outside(&self) -> bool {
        self.outcome == Outcome::Landed && !self.is_its_business
    }
}

/// Kinds that the operator is meant to write anywhere; each is fenced by what it may say. Reviews are never stored.
pub fn is_its_business(group: &str, resource: &str, subresource: &str) -> bool {
    matches!(
        (group, resource, subresource),
        ("" | "events.k8s.io", "events", "")
            | (names::GROUP, "restorereports", "" | "status")
            | (names::GROUP, "restoretests", "status")
            | ("authorization.k8s.io" | "authentication.k8s.io", _, "")
    )
}

#[test]
fn reviews_are_its_business_and_roles_are_not() {
    assert!(is_its_business(
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        ""
    ));
    assert!(!is_its_business("rbac.authorization.k8s.io", "roles", ""));
    assert!(!is_its_business("apps", "events", ""));
}
