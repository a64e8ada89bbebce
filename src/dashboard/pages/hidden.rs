//! What is there and the tier does not show: nothing went wrong, so it is said in a line.

use askama::Template;

use crate::dashboard::shell::Shell;

/// The page.
#[derive(Template)]
#[template(path = "hidden.html")]
pub struct HiddenPage {
    /// Around it.
    pub shell: Shell,
    title: String,
    hidden: Vec<String>,
}

impl HiddenPage {
    /// The page of something by its name, with the line about it.
    #[must_use]
    pub fn new(title: &str, line: String, shell: Shell) -> Self {
        Self {
            shell,
            title: title.to_owned(),
            hidden: vec![line],
        }
    }
}
