//! What went wrong, and what to do.

use askama::Template;
use axum::http::StatusCode;

use crate::dashboard::shell::Shell;

/// The page.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// Around it.
    pub shell: Shell,
    status: String,
    title: &'static str,
    what: String,
    remedy: String,
    command: String,
    narrows: bool,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// For the browser.
    pub status: StatusCode,
    /// In a few words.
    pub title: &'static str,
    /// In a sentence.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// What to type.
    pub command: String,
    /// Whether it is there for each namespace, for those who may see that.
    pub narrows: bool,
}

impl ErrorPage {
    /// The page of something that went wrong.
    #[must_use]
    pub fn new(wrong: Wrong, shell: Shell) -> Self {
        Self {
            shell,
            status: wrong.status.to_string(),
            title: wrong.title,
            what: wrong.what,
            remedy: wrong.remedy,
            command: wrong.command,
            narrows: wrong.narrows,
        }
    }
}
