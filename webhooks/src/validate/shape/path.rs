//! Where something stands in an object. It is written out only when something is to be said of it.

use std::fmt;

/// A place in an object.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// The object itself.
    Root,
    /// A field, such as `spec.schedule`.
    Field(&'a Path<'a>, &'a str),
    /// An entry of a map, such as `matchLabels[app]`.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list, such as `checks[0]`.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(above, name) => write!(f, "{above}.{name}"),
            Self::Key(above, name) => write!(f, "{above}[{name}]"),
            Self::Item(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_in_the_messages_of_the_api_server() {
        let spec = Path::Field(&Path::Root, "spec");
        let checks = Path::Field(&spec, "checks");
        let first = Path::Item(&checks, 0);
        let labels = Path::Field(&first, "labels");
        assert_eq!(Path::Root.to_string(), "");
        assert_eq!(
            Path::Key(&labels, "app").to_string(),
            "spec.checks[0].labels[app]"
        );
    }
}
