//! One attempt to tell a receiver.

use std::{error::Error, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use kymaros_crds::NotificationType;
use reqwest::{Client, Response, StatusCode, header, redirect::Policy};
use sha2::Sha256;
use thiserror::Error;

use super::{
    address::{Address, Guarded},
    decide::Notice,
    message,
};
use crate::reach::Reach;

/// How long a receiver may take, as in 0.6.9.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names the message; the same when it is sent again.
const DELIVERY: &str = "X-Kymaros-Delivery";
/// The same under the name that gateways know.
const IDEMPOTENCY: &str = "Idempotency-Key";
/// `sha256=` and the HMAC of the body with the receiver's signing key.
const SIGNATURE: &str = "X-Kymaros-Signature-256";

/// Why an attempt did not succeed. Nothing in it shows the address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct SendError {
    /// In words.
    pub message: String,
    /// How long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Sends messages. It follows no redirect, uses no proxy, and connects to nothing that [`Reach`] does not allow.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client,
    reach: Reach,
}

impl Sender {
    /// A sender with this reach.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        Self::with_patience(reach, PATIENCE)
    }

    pub(super) fn with_patience(reach: Reach, patience: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("kymaros/", env!("CARGO_PKG_VERSION")))
            .timeout(patience)
            .redirect(Policy::none())
            // A proxy would look the name up by itself, behind the fence.
            .no_proxy()
            .dns_resolver(std::sync::Arc::new(Guarded(reach)))
            .build()?;
        Ok(Self { client, reach })
    }

    pub(super) const fn reach(&self) -> Reach {
        self.reach
    }

    pub(super) async fn send(
        &self,
        notice: &Notice,
        address: &Address,
        signing_key: Option<&[u8]>,
    ) -> Result<(), SendError> {
        let type_ = notice.receiver.type_;
        let document = match type_ {
            NotificationType::Slack => message::slack(notice),
            NotificationType::Webhook => message::webhook(notice),
        };
        let body = document.to_string();
        let mut request = self
            .client
            .post(address.url().clone())
            .header(header::CONTENT_TYPE, "application/json");
        if type_ == NotificationType::Webhook {
            request = request
                .header(DELIVERY, &notice.id)
                .header(IDEMPOTENCY, &notice.id);
            if let Some(key) = signing_key {
                request = request.header(SIGNATURE, signature(key, body.as_bytes()));
            }
        }
        match request.body(body).send().await {
            Ok(response) => judge(response, type_).await,
            Err(error) => Err(SendError {
                message: reason(&error),
                retry_after: None,
            }),
        }
    }
}

/// `sha256=<hex>` of a body, as GitHub signs its webhooks.
fn signature(key: &[u8], body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes
        .iter()
        .fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Slack says 200; webhooks say anything of the two hundreds.
async fn judge(response: Response, type_: NotificationType) -> Result<(), SendError> {
    let status = response.status();
    let taken = match type_ {
        NotificationType::Slack => status == StatusCode::OK,
        NotificationType::Webhook => status.is_success(),
    };
    if taken {
        return Ok(());
    }
    let seconds = response.headers().get(header::RETRY_AFTER);
    let retry_after = seconds
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let message = if status.is_redirection() {
        format!(
            "it answered {}, a redirect, which is never followed; put the final address into the Secret",
            status.as_u16()
        )
    } else {
        let said = match type_ {
            NotificationType::Slack => code(response).await,
            NotificationType::Webhook => None,
        };
        let said = said.map(|code| format!(" ({code})")).unwrap_or_default();
        format!("it answered {}{said}", status.as_u16())
    };
    Err(SendError { message, retry_after })
}

/// Slack says in one word what is wrong, such as `channel_not_found`. Any other text may hold what nobody should read.
async fn code(mut response: Response) -> Option<String> {
    let start = response.chunk().await.ok()??;
    let word = std::str::from_utf8(&start).ok()?.trim();
    let is_code = (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_code.then(|| word.to_owned())
}

/// The innermost cause: the outer ones only say that sending failed, and one of them shows the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if std::ptr::eq(inner, std::ptr::from_ref::<dyn Error>(error)) {
        return "it could not be reached".to_owned();
    }
    format!("it could not be reached: {inner}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_github_does() {
        // The example of GitHub's documentation.
        assert_eq!(
            signature(b"It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
