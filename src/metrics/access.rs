//! Who may read the metrics: whoever the API server says may `get` the path `/metrics`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// How long an answer holds: a right that is taken back works no longer than this.
const HOLDS: Duration = Duration::from_mins(1);
/// Tokens whose answers are held; more than any fleet of scrapers has.
const MOST: usize = 256;

/// Whether somebody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Whoever it is may.
    Granted,
    /// There is no token, or it is not valid.
    Unknown,
    /// Whoever it is may not.
    Denied,
}

/// The digest of one: tokens themselves are not kept.
type Token = [u8; 32];

/// Asks the API server.
#[derive(Clone)]
pub struct Access {
    client: Client,
    known: Arc<Mutex<HashMap<Token, (Permission, Instant)>>>,
}

impl Access {
    /// By the rights of the cluster.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Arc::default(),
        }
    }

    /// What the bearer of a token may do.
    ///
    /// # Errors
    /// The API server does not answer.
    pub(super) async fn of(&self, token: &str) -> Result<Permission, kube::Error> {
        let digest: Token = Sha256::digest(token).into();
        if let Some(permission) = self.held(&digest) {
            return Ok(permission);
        }
        let permission = match self.bearer(token).await? {
            None => Permission::Unknown,
            Some(user) if self.may_read(&user).await? => Permission::Granted,
            Some(_) => Permission::Denied,
        };
        self.hold(digest, permission);
        Ok(permission)
    }

    fn held(&self, digest: &Token) -> Option<Permission> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (permission, since) = known.get(digest)?;
        (since.elapsed() < HOLDS).then_some(*permission)
    }

    fn hold(&self, digest: Token, permission: Permission) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, since)| since.elapsed() < HOLDS);
        if known.len() < MOST {
            known.insert(digest, (permission, Instant::now()));
        }
    }

    async fn bearer(&self, token: &str) -> Result<Option<UserInfo>, kube::Error> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let reviews = Api::<TokenReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await?;
        let status = answer.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may_read(&self, user: &UserInfo) -> Result<bool, kube::Error> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username.clone(),
                groups: user.groups.clone(),
                uid: user.uid.clone(),
                extra: user.extra.clone(),
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some("/metrics".to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
