//! Names of Kubernetes objects. The rules are those of Kubernetes: RFC 1123 labels and subdomains.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidName {
    /// There is none.
    #[error("is empty; write a name")]
    Empty,
    /// It is longer than Kubernetes allows.
    #[error("is {length} characters long; {most} is the most")]
    TooLong {
        /// Its length, bytes.
        length: usize,
        /// The limit, bytes.
        most: usize,
    },
    /// It has other characters than a name may have.
    #[error("is not a name; write small letters, digits and '-'{more}, with a letter or digit at both ends")]
    Characters {
        /// What else is allowed.
        more: &'static str,
    },
}

/// The name of a namespace: an RFC 1123 label of at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it belongs to Kubernetes itself (`kube-system` and its like) or to Velero: nothing of these is ever
    /// copied into a sandbox, and no sandbox takes their name.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with("kube-") || self.0 == "velero"
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NamespaceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        label(text).map(|()| Self(text.to_owned()))
    }
}

impl TryFrom<String> for NamespaceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        label(&text).map(|()| Self(text))
    }
}

impl From<NamespaceName> for String {
    fn from(name: NamespaceName) -> Self {
        name.0
    }
}

/// An RFC 1123 label: namespaces, Services and containers.
pub(super) fn label(text: &str) -> Result<(), InvalidName> {
    length(text, 63)?;
    if is_label(text) {
        Ok(())
    } else {
        Err(InvalidName::Characters { more: "" })
    }
}

/// An RFC 1123 subdomain: most other objects.
pub(super) fn subdomain(text: &str) -> Result<(), InvalidName> {
    length(text, 253)?;
    if text.split('.').all(is_label) {
        Ok(())
    } else {
        Err(InvalidName::Characters { more: " and '.'" })
    }
}

fn length(text: &str, most: usize) -> Result<(), InvalidName> {
    match text.len() {
        0 => Err(InvalidName::Empty),
        length if length > most => Err(InvalidName::TooLong { length, most }),
        _ => Ok(()),
    }
}

fn is_label(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_label() {
        for good in ["shop", "shop-2", "1", &"a".repeat(63)] {
            assert_eq!(good.parse::<NamespaceName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "Shop",
            "shop.eu",
            "-shop",
            "shop-",
            "sh op",
            "shöp",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<NamespaceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_object_name_is_a_subdomain() {
        for good in ["nightly", "nightly.eu-1", &"a".repeat(253)] {
            assert_eq!(subdomain(good), Ok(()), "{good:?}");
        }
        for bad in ["", "nightly.", ".nightly", "a..b", "a.-b", "A", &"a".repeat(254)] {
            assert!(subdomain(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn knows_the_namespaces_nobody_copies() {
        for (name, system) in [
            ("kube-system", true),
            ("kube-public", true),
            ("velero", true),
            ("kubernetes", false),
        ] {
            assert_eq!(
                name.parse::<NamespaceName>().unwrap().is_system(),
                system,
                "{name}"
            );
        }
    }
}
