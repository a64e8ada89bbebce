//! What finalizers of other products held in a sandbox, until they were taken off.

use std::fmt;

/// Something that was freed of finalizers of other products. In the order in which it is named: what holds the namespace of a
/// sandbox holds everything in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freed {
    /// The namespace of a sandbox.
    Namespace {
        /// Its name.
        name: String,
        /// All that were taken off.
        finalizers: Vec<String>,
    },
    /// An object in a sandbox.
    Object {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The first of those that were taken off.
        finalizer: String,
    },
}

/// Whoever is told of everything at the moment it is freed: what fails after that must not have it forgotten, since nothing is
/// left to be found when it is tried again.
pub type Note<'a> = &'a (dyn Fn(Freed) + Sync);

/// As findings name it.
impl fmt::Display for Freed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace { name, finalizers } => write!(f, "Namespace/{name} ({})", finalizers.join(", ")),
            Self::Object {
                kind,
                name,
                finalizer,
            } => write!(f, "{kind}/{name} ({finalizer})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_namespace_is_named_first_and_a_kind_of_that_name_is_an_object_like_any_other() {
        let object = |kind: &str, name: &str| Freed::Object {
            kind: kind.to_owned(),
            name: name.to_owned(),
            finalizer: "example.com/cloud".to_owned(),
        };
        let namespace = Freed::Namespace {
            name: "sb".to_owned(),
            finalizers: vec!["example.com/a".to_owned(), "example.com/b".to_owned()],
        };
        let all = [object("Namespace", "a"), object("ConfigMap", "page"), namespace];
        let named: Vec<String> = BTreeSet::from(all).iter().map(ToString::to_string).collect();
        assert_eq!(
            named,
            [
                "Namespace/sb (example.com/a, example.com/b)",
                "ConfigMap/page (example.com/cloud)",
                "Namespace/a (example.com/cloud)",
            ]
        );
    }
}
