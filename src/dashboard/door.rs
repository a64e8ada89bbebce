//! Who comes in: whoever the API lets in, by the token of a cookie or of a request.

use axum::http::{HeaderMap, StatusCode};

use super::cookies::Cookie;
use crate::{
    access::{Act, bearer},
    api::{Api, Auth, Caller},
};

/// What becomes of somebody at the door.
pub enum Entry {
    /// They come in; with whose rights changes are made.
    Admitted(Caller),
    /// They have no token, or none that is valid.
    Unknown,
    /// They may not do this.
    Denied,
    /// Nobody can say.
    Unanswered,
}

/// Whether somebody may do all of this; in the mode with one token for all, whether they may change something.
pub async fn admit(api: &Api, token: Option<&str>, writes: bool, acts: &[Act]) -> Entry {
    match api.auth.admit_token(&api.client, token, writes, acts).await {
        Ok(caller) => Entry::Admitted(caller),
        Err(problem) => match problem.status() {
            StatusCode::UNAUTHORIZED => Entry::Unknown,
            StatusCode::FORBIDDEN => Entry::Denied,
            _ => Entry::Unanswered,
        },
    }
}

/// The token of a request: of its cookie, or as clients of the API send it. None where nobody is asked for one.
#[must_use]
pub fn shown(api: &Api, headers: &HeaderMap) -> Option<String> {
    if matches!(api.auth, Auth::None) {
        return None;
    }
    signed_in(headers).or_else(|| bearer(headers).map(str::to_owned))
}

/// The token that a browser is signed in with.
#[must_use]
pub fn signed_in(headers: &HeaderMap) -> Option<String> {
    Cookie::Token.read(headers)
}

/// How people sign in, in words.
#[must_use]
pub fn described(auth: &Auth) -> &'static str {
    match auth {
        Auth::Kubernetes { .. } => "with a token of the cluster, and its rights",
        Auth::Token(_) => "with the installation's token, for changes; everybody reads",
        Auth::None => "nobody is asked; everybody may do everything",
    }
}
