//! Follows the Secret and the clock, so that a license takes effect, and ends, without a restart.

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt, future};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use tokio::sync::watch::{self, Receiver, Sender};

use super::{License, LicenseSecret, Refusal, SigningSecret, verify};

/// The clock of the machine may be set while we wait for a moment.
const LONGEST_NAP: Duration = Duration::from_hours(1);

/// The license of a namespace, and the work that keeps it up to date. The watch is of one Secret by name, which a role
/// limited to that name allows.
pub fn watch(
    client: Client,
    namespace: &str,
    name: &str,
    signing: Option<SigningSecret>,
) -> (Receiver<License>, impl Future<Output = ()> + Send + use<>) {
    let api = Api::<Secret>::namespaced(client, namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(api, config).default_backoff();
    let (sender, receiver) = watch::channel(License::Community(Refusal::NotRead));
    (receiver, follow(events, signing, Timestamp::now, sender))
}

/// Judges anew whenever the Secret changes or the license ends.
async fn follow(
    events: impl Stream<Item = watcher::Result<Event<Secret>>> + Send,
    signing: Option<SigningSecret>,
    clock: impl Fn() -> Timestamp + Send,
    license: Sender<License>,
) {
    let mut events = pin!(events);
    let mut stored = Stored::default();
    loop {
        let now = clock();
        let judged = stored.judge(signing.as_ref(), now);
        let nap = until_end(&judged, now);
        publish(&license, judged);
        let end = async {
            match nap {
                Some(nap) => tokio::time::sleep(nap).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            event = events.next() => match event {
                Some(event) => stored.take(event),
                None => return,
            },
            () = end => {}
        }
    }
}

/// How long to wait for the end of a license, or for the next look at the clock.
fn until_end(license: &License, now: Timestamp) -> Option<Duration> {
    let License::Valid {
        expires: Some(end), ..
    } = license
    else {
        return None;
    };
    let rest = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    // It has ended one moment after its last.
    Some(rest.saturating_add(Duration::from_millis(1)).min(LONGEST_NAP))
}

fn publish(sender: &Sender<License>, license: License) {
    sender.send_if_modified(|current| {
        if *current == license {
            return false;
        }
        match &license {
            License::Community(refusal) if refusal.is_trouble() => {
                tracing::warn!(reason = refusal.reason(), %license, "license");
            }
            _ => tracing::info!(%license, "license"),
        }
        *current = license;
        true
    });
}

/// What is known of the Secret.
#[derive(Debug)]
struct Stored {
    secret: Result<LicenseSecret, Refusal>,
    /// What a list that goes on has brought so far.
    listed: Result<LicenseSecret, Refusal>,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            secret: Err(Refusal::NotRead),
            listed: Err(Refusal::NoSecret),
        }
    }
}

impl Stored {
    fn take(&mut self, event: watcher::Result<Event<Secret>>) {
        match event {
            Ok(Event::Init) => self.listed = Err(Refusal::NoSecret),
            Ok(Event::InitApply(secret)) => self.listed = LicenseSecret::read(&secret),
            Ok(Event::InitDone) => self.secret = self.listed.clone(),
            Ok(Event::Apply(secret)) => self.secret = LicenseSecret::read(&secret),
            Ok(Event::Delete(_)) => self.secret = Err(Refusal::NoSecret),
            Err(error) => self.interrupted(&error),
        }
    }

    /// A license that was read stays as it was: nothing closes because the API server is away.
    fn interrupted(&mut self, error: &watcher::Error) {
        tracing::warn!(%error, "the watch of the license is interrupted and will be resumed");
        if matches!(self.secret, Err(Refusal::NotRead | Refusal::Unreadable(_))) {
            let why = error.to_string().chars().take(200).collect();
            self.secret = Err(Refusal::Unreadable(why));
        }
    }

    fn judge(&self, signing: Option<&SigningSecret>, now: Timestamp) -> License {
        match &self.secret {
            Ok(secret) => verify(secret, signing, now),
            Err(refusal) => License::Community(refusal.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::channel::mpsc;
    use jiff::SignedDuration;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::license::{KeyLength, sign};

    type Events = mpsc::UnboundedSender<watcher::Result<Event<Secret>>>;

    fn signing() -> SigningSecret {
        SigningSecret::new("s").unwrap()
    }

    fn secret(tier: &str, expires: &str) -> Secret {
        let key = sign(&signing(), tier, expires, KeyLength::Full);
        let data = [("tier", tier), ("key", key.as_str()), ("expires", expires)];
        Secret {
            string_data: Some(data.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            ..Secret::default()
        }
    }

    /// A follower whose clock starts at a moment.
    fn follower(start: &str) -> (Events, Receiver<License>) {
        let (events, stream) = mpsc::unbounded();
        let (sender, receiver) = watch::channel(License::Community(Refusal::NotRead));
        let (start, begun) = (start.parse::<Timestamp>().unwrap(), Instant::now());
        let clock = move || start + SignedDuration::try_from(begun.elapsed()).unwrap();
        tokio::spawn(follow(stream, Some(signing()), clock, sender));
        (events, receiver)
    }

    async fn becomes(license: &mut Receiver<License>, wanted: impl Fn(&License) -> bool) {
        let found = tokio::time::timeout(Duration::from_secs(10), license.wait_for(wanted)).await;
        found.expect("in time").expect("still followed");
    }

    fn is_refused(reason: &'static str) -> impl Fn(&License) -> bool {
        move |license| matches!(license, License::Community(refusal) if refusal.reason() == reason)
    }

    #[tokio::test]
    async fn it_follows_the_secret_without_a_restart() {
        let (events, mut license) = follower("2026-01-01T00:00:00Z");
        assert_eq!(license.borrow().tier(), Tier::Community);
        events.unbounded_send(Ok(Event::Init)).unwrap();
        events.unbounded_send(Ok(Event::InitDone)).unwrap();
        becomes(&mut license, is_refused("NoLicense")).await;
        events
            .unbounded_send(Ok(Event::Apply(secret("team", "2027-12-31"))))
            .unwrap();
        becomes(&mut license, |l| l.tier() == Tier::Team).await;
        events
            .unbounded_send(Ok(Event::Apply(secret("enterprise", ""))))
            .unwrap();
        becomes(&mut license, |l| l.tier() == Tier::Enterprise).await;
        events
            .unbounded_send(Ok(Event::Delete(secret("enterprise", ""))))
            .unwrap();
        becomes(&mut license, is_refused("NoLicense")).await;
    }

    #[tokio::test]
    async fn it_ends_at_its_moment_although_nothing_happens() {
        let (events, mut license) = follower("2027-12-30T23:59:59.7Z");
        events
            .unbounded_send(Ok(Event::Apply(secret("team", "2027-12-31"))))
            .unwrap();
        becomes(&mut license, |l| l.tier() == Tier::Team).await;
        becomes(&mut license, is_refused("LicenseExpired")).await;
    }

    #[tokio::test]
    async fn an_interrupted_watch_closes_nothing() {
        let gone = || {
            let forbidden = Status {
                message: Some("forbidden".into()),
                code: Some(403),
                ..Status::default()
            };
            watcher::Error::WatchError(Box::new(
                serde_json::from_value(serde_json::to_value(forbidden).unwrap()).unwrap(),
            ))
        };
        let (events, mut license) = follower("2026-01-01T00:00:00Z");
        events.unbounded_send(Err(gone())).unwrap();
        becomes(&mut license, is_refused("LicenseUnreadable")).await;
        events.unbounded_send(Ok(Event::Init)).unwrap();
        events
            .unbounded_send(Ok(Event::InitApply(secret("team", ""))))
            .unwrap();
        events.unbounded_send(Ok(Event::InitDone)).unwrap();
        becomes(&mut license, |l| l.tier() == Tier::Team).await;
        events.unbounded_send(Err(gone())).unwrap();
        events.unbounded_send(Ok(Event::Init)).unwrap();
        events
            .unbounded_send(Ok(Event::InitApply(secret("enterprise", ""))))
            .unwrap();
        events.unbounded_send(Ok(Event::InitDone)).unwrap();
        becomes(&mut license, |l| {
            assert_ne!(l.tier(), Tier::Community, "{l}");
            l.tier() == Tier::Enterprise
        })
        .await;
    }

    #[test]
    fn the_wait_is_exact_and_bounded() {
        let end: Timestamp = "2027-12-31T00:00:00Z".parse().unwrap();
        let license = License::Valid {
            tier: Tier::Team,
            expires: Some(end),
        };
        let before = |seconds| end - SignedDuration::from_secs(seconds);
        assert_eq!(
            until_end(&license, before(10)),
            Some(Duration::from_millis(10_001))
        );
        assert_eq!(until_end(&license, before(1_000_000)), Some(LONGEST_NAP));
        assert_eq!(until_end(&License::Community(Refusal::NoSecret), end), None);
    }
}
