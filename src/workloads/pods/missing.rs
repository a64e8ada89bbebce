//! What a pod lacks, in the words of Kubernetes.

use std::sync::LazyLock;

use kymaros_crds::Cause;
use regex::Regex;

use crate::workloads::Trouble;

/// Reads "not found" texts of kubelet and controllers: `secret "x" not found`, `references non-existent secret key`.
#[must_use]
pub fn missing_object(message: &str) -> Option<Trouble> {
    static NOT_FOUND: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?i)\b(secret|configmap|serviceaccount|persistentvolumeclaim)s?\s+"(?:[^"/]+/)?([^"]+)" (?:is )?not found"#).ok()
    });
    static NO_KEY: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)").ok());
    // Of a volume, which is not named after what it is made of.
    static NO_FILE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"references non-existent (secret|config) key: (\S+)").ok());
    if let Some(found) = NOT_FOUND.as_ref().and_then(|r| r.captures(message)) {
        let kind = proper_kind(&found[1]);
        let name = found[2].to_owned();
        return Some(Trouble {
            cause: Cause::Unknown,
            message: format!("{kind} {name} is not there"),
            missing: Some((kind.to_owned(), name)),
            local: true,
        });
    }
    let lacks = |message: String| Trouble::of_application(true, message);
    let file = || NO_FILE.as_ref()?.captures(message);
    match NO_KEY.as_ref().and_then(|r| r.captures(message)) {
        Some(found) => Some(lacks(format!(
            "{} {} has no key {}",
            &found[2], &found[3], &found[1]
        ))),
        None => file().map(|found| {
            let kind = if &found[1] == "secret" {
                "Secret"
            } else {
                "ConfigMap"
            };
            lacks(format!("the {kind} of a volume has no key {}", &found[2]))
        }),
    }
}

fn proper_kind(lower: &str) -> &'static str {
    match lower.to_ascii_lowercase().as_str() {
        "secret" => "Secret",
        "configmap" => "ConfigMap",
        "serviceaccount" => "ServiceAccount",
        _ => "PersistentVolumeClaim",
    }
}
