//! Signing in with a token.

use askama::Template;

use crate::{
    api::{Api, Auth},
    dashboard::shell::Shell,
};

/// The page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// Around it.
    pub shell: Shell,
    next: String,
    refused: Option<&'static str>,
    label: &'static str,
    how: &'static str,
    command: String,
}

impl SignInPage {
    /// The page that leads on to an address, with why the last try did not work.
    #[must_use]
    pub fn new(api: &Api, next: String, refused: Option<&'static str>, shell: Shell) -> Self {
        let namespace = &api.fleet.namespace;
        let (label, how, command) = match api.auth {
            Auth::Token(_) => (
                "Token of this installation",
                "Everybody reads; changes need the token that whoever installed Kymaros set. It is in a Secret with the \
                 key token:",
                format!("kubectl get secrets --namespace {namespace}"),
            ),
            Auth::Kubernetes { .. } | Auth::None => (
                "Token of a user or service account",
                "Every bearer token that the cluster takes works, and what you see and may do is what its account may. \
                 One of a service account:",
                "kubectl create token ACCOUNT --namespace NAMESPACE --duration 8h".to_owned(),
            ),
        };
        Self {
            shell,
            next,
            refused,
            label,
            how,
            command,
        }
    }
}
