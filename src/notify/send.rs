//! One attempt to tell a receiver.

use std::{
    error::Error,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hmac::{Hmac, KeyInit, Mac};
use kymaros_crds::NotificationType;
use reqwest::{Certificate, Client, ClientBuilder, Response, StatusCode, header, redirect::Policy};
use rustls::CertificateError::{BadSignature, NotValidForNameContext, UnknownIssuer};
use sha2::Sha256;
use thiserror::Error;

use super::{
    address::{Address, Guarded},
    decide::Notice,
    message,
    secret::AUTHORITY,
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
    patience: Duration,
    cluster: Option<Arc<str>>,
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
        Ok(Self {
            client: builder(reach, patience).build()?,
            reach,
            patience,
            cluster: None,
        })
    }

    /// The same, whose messages name the cluster they come from.
    #[must_use]
    pub fn of_cluster(self, name: &str) -> Self {
        let cluster = Some(name.into());
        Self { cluster, ..self }
    }

    /// The same, which trusts these authorities too (PEM). `None`: they are no certificates.
    pub(super) fn trusting(&self, authorities: &[u8]) -> Option<Self> {
        let certificates = Certificate::from_pem_bundle(authorities).ok()?;
        // Text without any certificate in it is not refused by the library.
        if certificates.is_empty() {
            return None;
        }
        let client = builder(self.reach, self.patience).tls_certs_merge(certificates);
        Some(Self {
            client: client.build().ok()?,
            ..self.clone()
        })
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
        let cluster = self.cluster.as_deref();
        let document = match type_ {
            NotificationType::Slack => message::slack(notice, cluster),
            NotificationType::Webhook => message::webhook(notice, cluster),
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

fn builder(reach: Reach, patience: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("kymaros/", env!("CARGO_PKG_VERSION")))
        .timeout(patience)
        .redirect(Policy::none())
        // A proxy would look the name up by itself, behind the fence.
        .no_proxy()
        .dns_resolver(Arc::new(Guarded(reach)))
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
    let wish = response.headers().get(header::RETRY_AFTER);
    let retry_after = wish.and_then(|wish| wait(wish.to_str().ok()?, SystemTime::now()));
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

/// How long to wait: as many seconds, or until a date.
fn wait(wish: &str, now: SystemTime) -> Option<Duration> {
    let seconds = wish.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| httpdate::parse_http_date(wish).ok()?.duration_since(now).ok())
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
    match error.source() {
        Some(cause) => format!("it could not be reached: {}", innermost(cause)),
        None => "it could not be reached".to_owned(),
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    if let Some(cause) = error.source() {
        return innermost(cause);
    }
    match tls(error) {
        // Its own words show the name that was connected to.
        Some(rustls::Error::InvalidCertificate(NotValidForNameContext { .. })) => {
            "its certificate is for another name".to_owned()
        }
        // Of an authority with the same name and another key, such as one that was made anew, the signature is bad.
        Some(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => format!(
            "its certificate is of an authority that is not trusted; put that authority's certificate into the Secret, under \
             the key {AUTHORITY}"
        ),
        _ => error.to_string(),
    }
}

/// What went wrong with TLS. An error of input and output says what the one in it says, but does not hand that on.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    tls(error.downcast_ref::<io::Error>()?.get_ref()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_how_long_or_until_when_it_wants_to_be_left_alone() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:48:37 GMT").unwrap();
        for (wish, seconds) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:47:37 GMT", None),
            ("soon", None),
        ] {
            assert_eq!(wait(wish, now), seconds.map(Duration::from_secs), "{wish}");
        }
    }

    #[test]
    fn a_certificate_for_another_name_does_not_show_the_one_that_was_asked_for() {
        let other = NotValidForNameContext {
            expected: rustls::pki_types::ServerName::try_from("hooks.example.com").unwrap(),
            presented: vec!["DnsName(\"inside.example.com\")".to_owned()],
        };
        let tls = |of: rustls::CertificateError| {
            let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::from(of));
            innermost(&io::Error::other(error))
        };
        assert_eq!(tls(other), "its certificate is for another name");
        let expired = tls(rustls::CertificateError::Expired);
        assert!(expired.contains("Expired"), "{expired}");
    }

    #[test]
    fn a_body_is_signed_as_github_does() {
        // The example of GitHub's documentation.
        assert_eq!(
            signature(b"It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
