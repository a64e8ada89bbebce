//! Who is told of verdicts, by receiver.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kymaros_crds::NotificationType;
use schemars::JsonSchema;
use serde::Serialize;

use super::cluster::FleetTest;

/// All receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Notified {
    /// Each once.
    pub channels: Vec<Channel>,
}

/// A receiver. Whether its Secret exists is not said: the operator may not read Secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// `slack` or `webhook`.
    #[serde(rename = "type")]
    pub type_: NotificationType,
    /// Slack channel.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// The Secret with its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_ref: String,
    /// Namespace of that and of the tests.
    pub namespace: String,
    /// Names of the tests.
    pub used_by_tests: Vec<String>,
}

pub(super) fn notified(tests: &[FleetTest]) -> Notified {
    let mut channels: BTreeMap<(String, String, String, String), Channel> = BTreeMap::new();
    for test in tests {
        let namespace = test.namespace().unwrap_or_default();
        let targets = test
            .spec
            .notifications
            .iter()
            .flat_map(|told| told.on_failure.iter().chain(&told.on_success));
        for target in targets {
            let channel = target.channel.clone().unwrap_or_default();
            let secret_ref = target.webhook_secret_ref.clone().unwrap_or_default();
            let key = (
                namespace.clone(),
                format!("{:?}", target.type_),
                channel.clone(),
                secret_ref.clone(),
            );
            let known = channels.entry(key).or_insert_with(|| Channel {
                type_: target.type_,
                channel,
                secret_ref,
                namespace: namespace.clone(),
                used_by_tests: Vec::new(),
            });
            let name = test.name_any();
            if known.used_by_tests.last() != Some(&name) {
                known.used_by_tests.push(name);
            }
        }
    }
    Notified {
        channels: channels.into_values().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{fleet_tests, read, test};

    #[test]
    fn a_receiver_is_named_once_with_all_its_tests() {
        let with = |namespace: &str, name: &str| {
            let mut test = test(namespace, name);
            let slack = json!({ "type": "slack", "channel": "#ops", "webhookSecretRef": "hook" });
            test.spec.notifications = Some(read(json!({ "onFailure": [slack], "onSuccess": [slack] })));
            test
        };
        let seen = notified(&fleet_tests([
            with("ops", "a"),
            with("ops", "b"),
            with("dev", "a"),
            test("ops", "c"),
        ]));
        let used: Vec<(&str, usize)> = seen
            .channels
            .iter()
            .map(|channel| (channel.namespace.as_str(), channel.used_by_tests.len()))
            .collect();
        assert_eq!(used, [("dev", 1), ("ops", 2)]);
        assert_eq!(notified(&[]).channels, []);
    }
}
