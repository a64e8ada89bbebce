//! Where the address of a receiver comes from. A Secret is read when a message is sent, and forgotten after it.

use std::{fmt, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use thiserror::Error;
use tokio::time::timeout;

use super::receiver::SecretName;

/// Keys of the address, as in 0.6.9: the first that is there.
const ADDRESS: [&str; 2] = ["url", "webhook-url"];
/// Key of what webhooks are signed with.
const SIGNING_KEY: &str = "signing-key";
/// Key of the authority that the receiver's certificate is of, where the system does not know it.
pub(super) const AUTHORITY: &str = "ca.crt";
/// How long reading one may take: a message is claimed for a while only.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an address cannot be had, and what to do about that.
#[derive(Debug, Error)]
pub enum SecretError {
    /// It is not there.
    #[error("there is no Secret {0}: create it with the address under the key url")]
    Missing(SecretName),
    /// The operator has no right to read it.
    #[error(
        "the operator may not read Secret {0}: add {{namespace: {namespace}, names: [{name}]}} to the chart's value \
         notifications.secrets",
        namespace = .0.namespace,
        name = .0.name
    )]
    Forbidden(SecretName),
    /// It holds no address.
    #[error("Secret {0} has no address: put it under the key url")]
    NoAddress(SecretName),
    /// The API server does not answer.
    #[error("Secret {0} cannot be read now: {1}")]
    Unreachable(SecretName, String),
}

/// What a Secret says of a receiver.
pub(super) struct Stored {
    pub address: String,
    pub signing_key: Option<Vec<u8>>,
    /// Certificates, PEM.
    pub authority: Option<Vec<u8>>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored")
    }
}

pub(super) async fn read(client: &Client, name: &SecretName) -> Result<Stored, SecretError> {
    let api = Api::<Secret>::namespaced(client.clone(), &name.namespace);
    let Ok(answer) = timeout(PATIENCE, api.get(&name.name)).await else {
        let why = "the API server does not answer".to_owned();
        return Err(SecretError::Unreachable(name.clone(), why));
    };
    match answer {
        Ok(secret) => stored(&secret).ok_or_else(|| SecretError::NoAddress(name.clone())),
        Err(kube::Error::Api(status)) if status.is_not_found() => Err(SecretError::Missing(name.clone())),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Err(SecretError::Forbidden(name.clone())),
        Err(error) => Err(SecretError::Unreachable(name.clone(), error.to_string())),
    }
}

fn stored(secret: &Secret) -> Option<Stored> {
    let value = |key: &str| {
        let value = secret.data.as_ref()?.get(key)?;
        Some(value.0.clone()).filter(|value| !value.is_empty())
    };
    let address = ADDRESS.iter().find_map(|key| value(key))?;
    Some(Stored {
        address: String::from_utf8(address).ok()?,
        signing_key: value(SIGNING_KEY).map(one_line).filter(|key| !key.is_empty()),
        authority: value(AUTHORITY),
    })
}

/// Files that Secrets are made from end with a line break, which whoever verifies does not know of.
fn one_line(mut key: Vec<u8>) -> Vec<u8> {
    if key.pop_if(|byte| *byte == b'\n').is_some() {
        key.pop_if(|byte| *byte == b'\r');
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: serde_json::Value) -> Option<(String, Option<Vec<u8>>)> {
        let mut secret = Secret::default();
        let data: std::collections::BTreeMap<String, String> = serde_json::from_value(data).unwrap();
        let bytes = |(key, value): (String, String)| (key, k8s_openapi::ByteString(value.into_bytes()));
        secret.data = Some(data.into_iter().map(bytes).collect());
        stored(&secret).map(|stored| (stored.address, stored.signing_key))
    }

    #[test]
    fn the_address_is_under_one_of_two_keys() {
        let address = |data| of(data).map(|(address, _)| address);
        let both = serde_json::json!({ "url": "https://a", "webhook-url": "https://b" });
        assert_eq!(address(both).as_deref(), Some("https://a"));
        let older = serde_json::json!({ "webhook-url": "https://b" });
        assert_eq!(address(older).as_deref(), Some("https://b"));
        assert_eq!(
            address(serde_json::json!({ "url": "", "address": "https://c" })),
            None
        );
        for (stored, key) in [
            ("k", "k"),
            ("k\n", "k"),
            ("k\r\n", "k"),
            ("k\n\n", "k\n"),
            ("k\r", "k\r"),
        ] {
            let signed = serde_json::json!({ "url": "https://a", "signing-key": stored });
            assert_eq!(of(signed).unwrap().1, Some(key.as_bytes().to_vec()), "{stored:?}");
        }
        let blank = serde_json::json!({ "url": "https://a", "signing-key": "\n" });
        assert_eq!(of(blank).unwrap().1, None, "a key that everybody has");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_answer_holds_up_nobody() {
        use kube::client::Body;
        type Answer = Result<http::Response<Body>, std::convert::Infallible>;
        let silent = tower::service_fn(|_: http::Request<Body>| std::future::pending::<Answer>());
        let client = Client::new(silent, "default");
        let name = SecretName {
            namespace: "ops".to_owned(),
            name: "hook".to_owned(),
        };
        let error = read(&client, &name).await.unwrap_err();
        assert!(matches!(error, SecretError::Unreachable(..)), "{error}");
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        let name = SecretName {
            namespace: "team-a".to_owned(),
            name: "slack".to_owned(),
        };
        let error = SecretError::Forbidden(name).to_string();
        assert!(
            error.contains(
                "add {namespace: team-a, names: [slack]} to the chart's value notifications.secrets"
            ),
            "{error}"
        );
    }
}
