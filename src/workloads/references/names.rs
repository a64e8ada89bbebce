//! Names of Services in any text, with their namespace.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

/// A Service by a name that has its namespace in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The Service.
    pub service: String,
    /// The namespace it names.
    pub namespace: String,
    /// How sure it is that this is a Service.
    pub form: Form,
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `service.namespace.svc`, with or without the cluster's domain.
    Qualified,
    /// `service.namespace`: a Service only if there is such a namespace.
    Short,
}

/// Names of Services in a text. The short form counts only where a host name is expected: after `://` or `@`, before a
/// port, or as the whole text.
pub fn services(text: &str) -> BTreeSet<Name> {
    const LABEL: &str = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";
    static QUALIFIED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&format!(r"\b({LABEL})\.({LABEL})\.svc\b")).ok());
    static SHORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(&format!(
            r#"(?:(?:\bdns:///|://)(?:[^\s/@]*@)?({LABEL})\.({LABEL})(?:[:/\s"';,)]|\]|$))|(?:(?:^|[\s=@,"';(\[])({LABEL})\.({LABEL}):\d)|(?:^({LABEL})\.({LABEL})$)"#
        ))
        .ok()
    });
    let find = |regex: &'static LazyLock<Option<Regex>>, form: Form| {
        let found = regex.as_ref().map(|r| r.captures_iter(text));
        found.into_iter().flatten().filter_map(move |captures| {
            let mut parts = captures.iter().skip(1).flatten();
            Some(Name {
                service: parts.next()?.as_str().to_owned(),
                namespace: parts.next()?.as_str().to_owned(),
                form,
            })
        })
    };
    find(&QUALIFIED, Form::Qualified)
        .chain(find(&SHORT, Form::Short))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(String, String, Form)> {
        services(text)
            .into_iter()
            .map(|n| (n.service, n.namespace, n.form))
            .collect()
    }

    fn one(service: &str, namespace: &str, form: Form) -> Vec<(String, String, Form)> {
        vec![(service.into(), namespace.into(), form)]
    }

    #[test]
    fn every_form_of_a_name_is_found() {
        for text in [
            "db.data.svc",
            "postgres://db.data.svc.cluster.local:5432/x",
            "a=db.data.svc.example.org",
        ] {
            assert_eq!(named(text), one("db", "data", Form::Qualified), "{text}");
        }
        for text in [
            "db.data",
            "http://db.data",
            "http://db.data/x",
            "http://u:p@db.data:80",
            "host=db.data:5432",
            r#"{"url":"http://db.data"}"#,
            r#"{"host": "db.data:5432"}"#,
            "['db.data:9092']",
            "dns:///db.data:50051",
        ] {
            assert_eq!(named(text), one("db", "data", Form::Short), "{text}");
        }
        for text in [
            "www.example.com",
            "http://www.example.com",
            "use db.data for it",
            "v1.2.3",
            "db.svcs data",
        ] {
            assert_eq!(named(text), vec![], "{text}");
        }
    }
}
