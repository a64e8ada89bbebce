//! Who is told of verdicts, by receiver.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use kymaros_crds::{NotificationType, domain::Notifications};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cluster::FleetTest,
    view::{Scope, View},
};
use crate::notify::{Defaults, Receiver, Receivers};

/// All receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Notified {
    /// Each once.
    pub channels: Vec<Channel>,
}

/// A receiver. Whether its Secret exists is not said, as 0.6.9 did: of most the operator may not know, and of the others each
/// look would be a question to the API server in its name. To try the receiver says it.
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
    /// Namespace of the tests; of the operator, for a receiver of its own that no test uses.
    pub namespace: String,
    /// Namespace of the Secret, where it is not that: the receiver is the operator's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_namespace: String,
    /// Names of the tests.
    pub used_by_tests: Vec<String>,
}

/// Whoever sees all sees the operator's own receivers though no test uses them.
pub(super) fn notified(tests: &[FleetTest], own: &Defaults, view: &View) -> Notified {
    // By namespace, then by how the receiver is written.
    let mut told: BTreeMap<(String, String), (Receiver, BTreeSet<String>)> = BTreeMap::new();
    for test in tests {
        let namespace = test.namespace().unwrap_or_default();
        let asked = Notifications::valid(test.spec.notifications.as_ref());
        for receiver in Receivers::of(&asked, &namespace, own).all() {
            let key = (namespace.clone(), receiver.to_string());
            let (_, tests) = told
                .entry(key)
                .or_insert_with(|| (receiver.clone(), BTreeSet::new()));
            tests.insert(test.name_any());
        }
    }
    if view.scope == Scope::All {
        for receiver in own.receivers() {
            if !told.values().any(|(known, _)| *known == receiver) {
                let key = (own.namespace.clone(), receiver.to_string());
                told.insert(key, (receiver, BTreeSet::new()));
            }
        }
    }
    let channels = told
        .into_iter()
        .map(|((namespace, _), (receiver, tests))| channel(namespace, receiver, tests));
    Notified {
        channels: channels.collect(),
    }
}

fn channel(namespace: String, receiver: Receiver, tests: BTreeSet<String>) -> Channel {
    let (secret_namespace, secret_ref) = receiver
        .secret
        .map(|secret| (secret.namespace, secret.name))
        .unwrap_or_default();
    Channel {
        type_: receiver.type_,
        channel: receiver.channel.unwrap_or_default(),
        secret_ref,
        secret_namespace: if secret_namespace == namespace {
            String::new()
        } else {
            secret_namespace
        },
        namespace,
        used_by_tests: tests.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;
    use serde_json::json;

    use super::*;
    use crate::{
        fleet::sample::{fleet_tests, read, test, view},
        notify::OwnReceiver,
    };

    #[test]
    fn a_receiver_is_named_once_with_all_its_tests() {
        let with = |namespace: &str, name: &str| {
            let mut test = test(namespace, name);
            let slack = json!({ "type": "slack", "channel": "#ops", "webhookSecretRef": "hook" });
            test.spec.notifications = Some(read(json!({ "onFailure": [slack], "onSuccess": [slack] })));
            test
        };
        let tests = fleet_tests([
            with("ops", "a"),
            with("ops", "b"),
            with("dev", "a"),
            test("ops", "c"),
        ]);
        let seen = notified(&tests, &Defaults::default(), &view(Tier::Team, 1));
        let used: Vec<(&str, usize)> = seen
            .channels
            .iter()
            .map(|channel| (channel.namespace.as_str(), channel.used_by_tests.len()))
            .collect();
        assert_eq!(used, [("dev", 1), ("ops", 2)]);
        let none = notified(&[], &Defaults::default(), &view(Tier::Team, 1));
        assert_eq!(none.channels, []);
    }

    #[test]
    fn a_receiver_that_cannot_be_read_hides_no_other() {
        let mut test = test("ops", "a");
        test.spec.notifications = Some(read(json!({ "onFailure": [
            { "type": "webhook", "webhookSecretRef": "https://example.com" },
            { "type": "webhook", "webhookSecretRef": "hook" },
        ] })));
        let seen = notified(&fleet_tests([test]), &Defaults::default(), &view(Tier::Team, 1));
        let secrets = seen.channels.into_iter().map(|channel| channel.secret_ref);
        assert_eq!(secrets.collect::<Vec<_>>(), ["hook"]);
    }

    #[test]
    fn the_operators_own_receivers_are_those_of_tests_that_name_none() {
        let own = Defaults {
            namespace: "kymaros-system".to_owned(),
            slack: Some(OwnReceiver {
                secret: "slack".to_owned(),
                channel: Some("#alerts".to_owned()),
            }),
            webhook: None,
        };
        let mut silent = test("ops", "silent");
        silent.spec.notifications = Some(read(json!({})));
        let mut without_secret = test("dev", "other-channel");
        without_secret.spec.notifications = Some(read(
            json!({ "onFailure": [{ "type": "slack", "channel": "#dev" }] }),
        ));
        let tests = fleet_tests([test("ops", "a"), test("dev", "b"), silent, without_secret]);
        let lines = |tests: &[FleetTest], view: &View| {
            let seen = notified(tests, &own, view);
            let line = |channel: Channel| {
                assert_eq!(
                    (channel.type_, channel.secret_ref.as_str()),
                    (NotificationType::Slack, "slack")
                );
                let tests = channel.used_by_tests.join(",");
                format!(
                    "{}>{}:{} {tests}",
                    channel.namespace, channel.secret_namespace, channel.channel
                )
            };
            seen.channels.into_iter().map(line).collect::<Vec<_>>()
        };
        let all = view(Tier::Team, 1);
        assert_eq!(
            lines(&tests, &all),
            [
                "dev>kymaros-system:#alerts b",
                "dev>kymaros-system:#dev other-channel",
                "ops>kymaros-system:#alerts a",
            ]
        );
        assert_eq!(
            lines(&[], &all),
            ["kymaros-system>:#alerts "],
            "nobody uses it yet"
        );
        let one = View {
            scope: Scope::Namespace("dev".to_owned()),
            ..all
        };
        assert!(lines(&[], &one).is_empty(), "it is nothing of that namespace");
    }
}
