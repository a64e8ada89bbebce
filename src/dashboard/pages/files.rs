//! What of a page can be had as a file, and in which tier.

use super::Link;
use crate::fleet::{Feature, View};

/// Links to files, and one line for each kind of file that the tier does not have.
pub struct Files {
    /// To be fetched.
    pub links: Vec<Link>,
    /// What is not there.
    pub hidden: Vec<String>,
}

impl Files {
    /// Files by their names in words and their addresses.
    #[must_use]
    pub fn new<const N: usize>(view: &View, files: [(Feature, &str, String); N]) -> Self {
        let mut hidden: Vec<String> = files
            .iter()
            .filter(|(feature, ..)| !view.features.has(*feature))
            .map(|(feature, ..)| feature.hidden())
            .collect();
        hidden.dedup();
        let links = files
            .into_iter()
            .filter(|(feature, ..)| view.features.has(*feature))
            .map(|(_, name, href)| Link::new(name, href))
            .collect();
        Self { links, hidden }
    }
}
