//! What stands after the question mark.

use kymaros_crds::domain::NamespaceName;

use super::problem::Problem;
use crate::fleet::{ClusterName, ClusterScope, Scope};

/// Parameters; of one that is named twice the first counts, as in 0.6.9.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn read(raw: &str) -> Self {
        Self(form_urlencoded::parse(raw.as_bytes()).into_owned().collect())
    }

    /// A parameter that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A whole number, at least `least`.
    pub(super) fn number(&self, name: &str, least: u32) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number >= least);
        let number = number.ok_or_else(|| Problem::field(name, format!("invalid '{name}' parameter")));
        number.map(Some)
    }

    /// `true` or `false`, in the spellings that Go reads.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false" | "False" | "FALSE" | "f" | "F" | "0") => Ok(false),
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => Ok(true),
            Some(_) => Err(Problem::field(name, format!("invalid '{name}' parameter"))),
        }
    }

    /// The clusters that are asked for.
    pub(super) fn clusters(&self) -> Result<ClusterScope, Problem> {
        match self.text("cluster") {
            None => Ok(ClusterScope::All),
            Some(ClusterName::HERE) => Ok(ClusterScope::Here),
            Some(other) => match other.parse() {
                Ok(name) => Ok(ClusterScope::Other(name)),
                Err(error) => Err(Problem::field("cluster", format!("cluster {error}"))),
            },
        }
    }

    /// The namespaces that are asked for.
    pub(super) fn scope(&self) -> Result<Scope, Problem> {
        let Some(text) = self.text("namespace") else {
            return Ok(Scope::All);
        };
        let name: Result<NamespaceName, _> = text.parse();
        match name {
            Ok(name) => Ok(Scope::Namespace(name.to_string())),
            Err(error) => Err(Problem::field("namespace", format!("namespace {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_0_6_9_read_them() {
        let query = Query::read("days=3&latest=1&test=a%20b&days=9&empty=");
        assert_eq!(query.number("days", 1).unwrap(), Some(3));
        assert!(query.flag("latest").unwrap() && !query.flag("other").unwrap());
        assert_eq!((query.text("test"), query.text("empty")), (Some("a b"), None));
        assert_eq!(query.scope().unwrap(), Scope::All);
    }

    #[test]
    fn a_cluster_is_this_one_or_another() {
        let clusters = |raw: &str| Query::read(raw).clusters().unwrap();
        assert_eq!(clusters(""), ClusterScope::All);
        assert_eq!(clusters("cluster=local"), ClusterScope::Here);
        assert_eq!(clusters("cluster=eu"), ClusterScope::Other("eu".parse().unwrap()));
    }

    #[test]
    fn mistakes_name_the_parameter() {
        let query = Query::read("days=0&hours=x&latest=yes&namespace=UPPER&cluster=A/B");
        for (problem, text) in [
            (query.number("days", 1).unwrap_err(), "invalid 'days' parameter"),
            (query.number("hours", 1).unwrap_err(), "invalid 'hours' parameter"),
            (query.flag("latest").unwrap_err(), "invalid 'latest' parameter"),
            (query.scope().unwrap_err(), "namespace"),
            (query.clusters().unwrap_err(), "cluster"),
        ] {
            let Problem::Said(said) = problem else {
                panic!("said")
            };
            assert!(said.error.starts_with(text), "{said:?}");
        }
    }
}
