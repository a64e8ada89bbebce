//! What stands after the question mark.

use kymaros_crds::domain::NamespaceName;

use super::{
    parameters::{CLUSTER, NAMESPACE, Parameter},
    problem::Problem,
};
use crate::fleet::{ClusterName, ClusterScope, Scope};

/// Parameters; of one that is named twice the first counts, as in 0.6.9.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn read(raw: &str) -> Self {
        Self(form_urlencoded::parse(raw.as_bytes()).into_owned().collect())
    }

    /// A parameter that is there and not empty.
    pub(super) fn text(&self, of: &Parameter) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == of.name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A whole number.
    pub(super) fn number(&self, of: &Parameter) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(of) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| of.takes.holds(*number));
        number.ok_or_else(|| invalid(of)).map(Some)
    }

    /// `true` or `false`, in the spellings that Go reads.
    pub(super) fn flag(&self, of: &Parameter) -> Result<bool, Problem> {
        match self.text(of) {
            None | Some("false" | "False" | "FALSE" | "f" | "F" | "0") => Ok(false),
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => Ok(true),
            Some(_) => Err(invalid(of)),
        }
    }

    /// The clusters that are asked for.
    pub(super) fn clusters(&self) -> Result<ClusterScope, Problem> {
        match self.text(&CLUSTER) {
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
        let Some(text) = self.text(&NAMESPACE) else {
            return Ok(Scope::All);
        };
        let name: Result<NamespaceName, _> = text.parse();
        match name {
            Ok(name) => Ok(Scope::Namespace(name.to_string())),
            Err(error) => Err(Problem::field("namespace", format!("namespace {error}"))),
        }
    }
}

/// In the words of 0.6.9, and what to write.
fn invalid(of: &Parameter) -> Problem {
    Problem::field(of.name, format!("invalid '{}' parameter", of.name)).with_remedy(of.takes.remedy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::parameters::{DAYS, DAYS_OF_FIGURES, HOURS, LATEST, RUNNING, TEST, WORD};

    #[test]
    fn parameters_are_read_as_0_6_9_read_them() {
        let query = Query::read("days=3&latest=1&test=a%20b&days=9&q=");
        assert_eq!(query.number(&DAYS).unwrap(), Some(3));
        assert!(query.flag(&LATEST).unwrap() && !query.flag(&RUNNING).unwrap());
        assert_eq!((query.text(&TEST), query.text(&WORD)), (Some("a b"), None));
        let many = Query::read("days=400");
        assert_eq!(many.number(&DAYS_OF_FIGURES).unwrap(), Some(400));
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
    fn mistakes_name_the_parameter_and_what_to_write() {
        let query = Query::read("days=0&hours=x&latest=yes&namespace=UPPER&cluster=A/B");
        assert_eq!(query.number(&DAYS).unwrap(), Some(0));
        for (problem, text, remedy) in [
            (
                query.number(&DAYS_OF_FIGURES).unwrap_err(),
                "invalid 'days' parameter",
                Some("write a whole number from 1 to 365"),
            ),
            (
                query.number(&HOURS).unwrap_err(),
                "invalid 'hours' parameter",
                Some("write a whole number from 1 to 4294967295"),
            ),
            (
                query.flag(&LATEST).unwrap_err(),
                "invalid 'latest' parameter",
                Some("write true or false"),
            ),
            (query.scope().unwrap_err(), "namespace", None),
            (query.clusters().unwrap_err(), "cluster", None),
        ] {
            let Problem::Said(said) = problem else {
                panic!("said")
            };
            assert!(said.error.starts_with(text), "{said:?}");
            assert_eq!(said.remedy.as_deref(), remedy, "{said:?}");
        }
    }
}
