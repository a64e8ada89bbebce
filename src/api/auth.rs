//! Who asks, and what they may.

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use kube::Client;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    caller::{Caller, with_token},
    problem::Problem,
};
use crate::access::{Access, Act, Permission};

/// How callers are known.
#[derive(Clone)]
pub enum Auth {
    /// By the tokens of the cluster; what they may is what the cluster lets them.
    Kubernetes {
        /// Asks the API server.
        access: Access,
        /// Has no rights of its own.
        anonymous: Client,
    },
    /// By one token for all who write; everybody reads. As 0.6.9.
    Token(ApiToken),
    /// Not at all, for networks that are trusted.
    None,
}

/// The one token of [`Auth::Token`]. Only its digest is kept.
#[derive(Clone)]
pub struct ApiToken(Arc<[u8; 32]>);

impl ApiToken {
    /// A token; none when the text is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(Arc::new(Sha256::digest(text).into())))
    }

    /// In constant time, whatever is given.
    fn is(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken")
    }
}

/// How to get a token.
const HOW: &str = "send the token of an account of the cluster as a bearer token; `kubectl create token ACCOUNT \
                   --namespace NAMESPACE` makes one";

impl Auth {
    /// Lets a caller in who may do all of this, by the token of a request or of a cookie.
    ///
    /// # Errors
    /// 401 for a token that is missing or not valid, 403 for one that may not, 503 when nobody can say.
    pub async fn admit_token(
        &self,
        operator: &Client,
        token: Option<&str>,
        writes: bool,
        acts: &[Act],
    ) -> Result<Caller, Problem> {
        let operators = || Caller {
            client: operator.clone(),
            is_account: false,
        };
        match self {
            Self::None => Ok(operators()),
            Self::Token(_) if !writes => Ok(operators()),
            Self::Token(wanted) => match token {
                None => Err(Problem::new(StatusCode::UNAUTHORIZED, "authorization required")),
                Some(token) if wanted.is(token) => Ok(operators()),
                Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid token")),
            },
            Self::Kubernetes { access, anonymous } => {
                let token = token.ok_or_else(|| unauthorized("authorization required"))?;
                by_the_cluster(access, token, acts).await?;
                let client = with_token(anonymous, token).ok_or_else(|| unauthorized("invalid token"))?;
                Ok(Caller {
                    client,
                    is_account: true,
                })
            }
        }
    }

    /// Whether each caller has a token of their own.
    pub(super) fn has_accounts(&self) -> bool {
        matches!(self, Self::Kubernetes { .. })
    }

    /// The account of a token that was found valid a moment ago; nobody is asked.
    pub(super) fn known_account(&self, token: &str) -> Option<String> {
        match self {
            Self::Kubernetes { access, .. } => access.known_account(token),
            Self::Token(_) | Self::None => None,
        }
    }

    /// The account of a token, as the cluster names it. None also when nobody can say: whoever lets in asks again, and
    /// says so.
    pub(super) async fn account(&self, token: &str) -> Option<String> {
        match self {
            Self::Kubernetes { access, .. } => access.account(token).await.ok().flatten(),
            Self::Token(_) | Self::None => None,
        }
    }
}

async fn by_the_cluster(access: &Access, token: &str, acts: &[Act]) -> Result<(), Problem> {
    if !access.knows(token).await.map_err(unanswered)? {
        return Err(unauthorized("this token is not valid here"));
    }
    for act in acts {
        match access.may(token, act).await.map_err(unanswered)? {
            Permission::Granted => {}
            Permission::Unknown => return Err(unauthorized("this token is not valid here")),
            Permission::Denied => return Err(denied(act)),
        }
    }
    Ok(())
}

fn unauthorized(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, format!("{why}: {HOW}"))
}

pub(super) fn denied(act: &Act) -> Problem {
    let narrower = match act {
        Act::Objects {
            namespace: None,
            group,
            ..
        } if *group == kymaros_crds::names::GROUP => {
            "; with ?namespace= the right in that namespace is enough"
        }
        _ => "",
    };
    let error = format!("this account may not `{act}`; `kubectl auth can-i {act}` says so too{narrower}");
    Problem::new(StatusCode::FORBIDDEN, error)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn unanswered(error: kube::Error) -> Problem {
    tracing::warn!(%error, "nobody can say who asks");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the API server does not answer; try again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_the_right_one_and_is_never_shown() {
        let token = ApiToken::new("secret").unwrap();
        assert!(token.is("secret"));
        for other in ["", "Secret", "secret ", "secre"] {
            assert!(!token.is(other), "{other:?}");
        }
        assert!(ApiToken::new("").is_none());
        assert_eq!(format!("{token:?}"), "ApiToken");
    }
}
