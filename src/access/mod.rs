//! Who may do what: whatever the API server says of the bearer of a token.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{
        NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
    },
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// How long an answer holds: a right that is taken back works no longer than this.
const HOLDS: Duration = Duration::from_mins(1);
/// Answers that are held; more than any fleet of scrapers and browsers needs.
const MOST: usize = 4096;

/// Whether somebody may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Whoever it is may.
    Granted,
    /// The token is not valid.
    Unknown,
    /// Whoever it is may not.
    Denied,
}

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// `get` a path of ours.
    Path(&'static str),
    /// Something with objects of the API server.
    Objects {
        /// The verb.
        verb: &'static str,
        /// The API group.
        group: &'static str,
        /// The kind, as in URLs.
        resource: &'static str,
        /// Where; in all namespaces when there is none.
        namespace: Option<String>,
        /// Which; all when there is none.
        name: Option<String>,
    },
}

/// As `kubectl auth can-i` takes it.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "get {path}"),
            Self::Objects {
                verb,
                group,
                resource,
                namespace,
                name,
            } => {
                write!(f, "{verb} {resource}.{group}")?;
                if let Some(name) = name {
                    write!(f, "/{name}")?;
                }
                match namespace {
                    Some(namespace) => write!(f, " --namespace {namespace}"),
                    None => f.write_str(" --all-namespaces"),
                }
            }
        }
    }
}

/// The bearer token of a request.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The digest of one: tokens themselves are not kept.
type Token = [u8; 32];

/// Asks the API server.
#[derive(Clone)]
pub struct Access {
    client: Client,
    users: Held<Token, Option<UserInfo>>,
    rights: Held<(Token, Act), bool>,
}

impl Access {
    /// By the rights of the cluster.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            users: Held::default(),
            rights: Held::default(),
        }
    }

    /// Whether the bearer of a token may do something.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn may(&self, token: &str, act: &Act) -> Result<Permission, kube::Error> {
        let digest: Token = Sha256::digest(token).into();
        let Some(user) = self.user(token, digest).await? else {
            return Ok(Permission::Unknown);
        };
        let question = (digest, act.clone());
        let granted = match self.rights.get(&question) {
            Some(granted) => granted,
            None => self.rights.put(question, self.ask(user, act).await?),
        };
        Ok(if granted {
            Permission::Granted
        } else {
            Permission::Denied
        })
    }

    /// Whether a token is valid at all.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn knows(&self, token: &str) -> Result<bool, kube::Error> {
        let digest: Token = Sha256::digest(token).into();
        Ok(self.user(token, digest).await?.is_some())
    }

    /// The name of the account of a token; none when it is not valid.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn account(&self, token: &str) -> Result<Option<String>, kube::Error> {
        let user = self.user(token, Sha256::digest(token).into()).await?;
        Ok(user.and_then(|user| user.username))
    }

    /// The same of a token that was found valid a moment ago, without asking anybody.
    #[must_use]
    pub fn known_account(&self, token: &str) -> Option<String> {
        let user = self.users.get(&Sha256::digest(token).into())?;
        user.and_then(|user| user.username)
    }

    async fn user(&self, token: &str, digest: Token) -> Result<Option<UserInfo>, kube::Error> {
        if let Some(user) = self.users.get(&digest) {
            return Ok(user);
        }
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
        let user = status.user.filter(|_| status.authenticated == Some(true));
        Ok(self.users.put(digest, user))
    }

    async fn ask(&self, user: UserInfo, act: &Act) -> Result<bool, kube::Error> {
        let mut spec = SubjectAccessReviewSpec {
            user: user.username,
            groups: user.groups,
            uid: user.uid,
            extra: user.extra,
            ..SubjectAccessReviewSpec::default()
        };
        match act {
            Act::Path(path) => {
                spec.non_resource_attributes = Some(NonResourceAttributes {
                    path: Some((*path).to_owned()),
                    verb: Some("get".to_owned()),
                });
            }
            Act::Objects {
                verb,
                group,
                resource,
                namespace,
                name,
            } => {
                spec.resource_attributes = Some(ResourceAttributes {
                    verb: Some((*verb).to_owned()),
                    group: Some((*group).to_owned()),
                    resource: Some((*resource).to_owned()),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    ..ResourceAttributes::default()
                });
            }
        }
        let review = SubjectAccessReview {
            spec,
            ..SubjectAccessReview::default()
        };
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}

/// Answers that hold for a while.
struct Held<K, V>(Arc<Mutex<HashMap<K, (V, Instant)>>>);

impl<K, V> Clone for Held<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Held<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq, V: Clone> Held<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, since) = held.get(key)?;
        (since.elapsed() < HOLDS).then(|| value.clone())
    }

    /// Holds it, if there is room.
    fn put(&self, key: K, value: V) -> V {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.retain(|_, (_, since)| since.elapsed() < HOLDS);
        }
        if held.len() < MOST {
            held.insert(key, (value.clone(), Instant::now()));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn a_token_comes_as_a_bearer() {
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer  abc").as_deref(), Some("abc"));
        for other in ["Basic abc", "Bearer ", "Bearer", "abc"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn an_act_reads_as_kubectl_takes_it() {
        let act = |namespace: Option<&str>, name: Option<&str>| {
            let act = Act::Objects {
                verb: "get",
                group: "restore.kymaros.io",
                resource: "restoretests",
                namespace: namespace.map(Into::into),
                name: name.map(Into::into),
            };
            act.to_string()
        };
        assert_eq!(
            act(None, None),
            "get restoretests.restore.kymaros.io --all-namespaces"
        );
        assert_eq!(
            act(Some("ops"), Some("shop")),
            "get restoretests.restore.kymaros.io/shop --namespace ops"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_for_a_minute_and_there_are_not_too_many() {
        let held = Held::default();
        held.put(0, "yes");
        assert_eq!(held.get(&0), Some("yes"));
        tokio::time::advance(HOLDS).await;
        assert_eq!(held.get(&0), None);
        for key in 0..=MOST {
            held.put(key, "new");
        }
        assert_eq!(held.get(&MOST), None, "there was no room");
        tokio::time::advance(HOLDS).await;
        held.put(MOST, "newer");
        assert_eq!(held.get(&MOST), Some("newer"));
    }
}
