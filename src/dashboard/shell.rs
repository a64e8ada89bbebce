//! What every page has around its content.

use super::assets::{ICON, SCRIPT, STYLE};

/// A page that the navigation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What needs somebody.
    Overview,
    /// All tests, one test, its reports.
    Tests,
    /// This cluster and others.
    Clusters,
    /// What frameworks ask.
    Compliance,
    /// Velero's Schedules.
    Schedules,
    /// What applies.
    Settings,
    /// None of these.
    Elsewhere,
}

/// An entry of the navigation.
pub struct NavLink {
    /// Its address.
    pub href: String,
    /// Its name.
    pub name: &'static str,
    /// Whether this page belongs to it.
    pub is_here: bool,
}

/// A line over every page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// The line.
    pub text: String,
    /// Whether something has ended already, or does within a day.
    pub is_last: bool,
}

/// What every page has around its content.
#[derive(Clone, Debug)]
pub struct Shell {
    /// Where the page belongs.
    pub place: Place,
    /// Whether pages may be seen at all.
    pub has_nav: bool,
    /// Where to sign in, for those who may read without and have not.
    pub sign_in: Option<String>,
    /// Whether there is something to sign out of.
    pub is_signed_in: bool,
    /// The tier that applies.
    pub tier: String,
    /// A line over the page.
    pub banner: Option<Banner>,
    /// Whether there are other clusters, or should be.
    pub has_clusters: bool,
    /// What each address ends with for those who see one namespace only.
    pub within: String,
    /// Where the script hears of changes.
    pub stream: String,
    /// Of each cluster on the page that is away, one line.
    pub away: Vec<String>,
    /// The proof for forms.
    pub proof: String,
}

#[expect(clippy::unused_self, reason = "templates ask the shell")]
impl Shell {
    /// The pages.
    #[must_use]
    pub fn links(&self) -> Vec<NavLink> {
        let link = |place, href: &str, name| NavLink {
            href: format!("{href}{}", self.within),
            name,
            is_here: self.place == place,
        };
        let clusters = self
            .has_clusters
            .then(|| link(Place::Clusters, "/clusters", "Clusters"));
        let first = [
            link(Place::Overview, "/", "Overview"),
            link(Place::Tests, "/tests", "Tests"),
        ];
        let last = [
            link(Place::Compliance, "/compliance", "Compliance"),
            link(Place::Schedules, "/schedules", "Schedules"),
            link(Place::Settings, "/settings", "Settings"),
        ];
        first.into_iter().chain(clusters).chain(last).collect()
    }

    /// Address of the style sheet.
    #[must_use]
    pub fn style(&self) -> &'static str {
        &STYLE.path
    }

    /// Address of the script.
    #[must_use]
    pub fn script(&self) -> &'static str {
        &SCRIPT.path
    }

    /// Address of the icon.
    #[must_use]
    pub fn icon(&self) -> &'static str {
        &ICON.path
    }

    /// The version that runs.
    #[must_use]
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
