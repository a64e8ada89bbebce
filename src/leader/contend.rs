//! Contending for the Lease, until told to give it back.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Candidate,
    decide::{Action, Seen, View, decide},
    lease,
};

/// Whether this process leads, and the work that sees to it. When `give_back` is cancelled the Lease is given back,
/// and the work ends; cancel it only when nothing acts any more.
///
/// `client` should not retry by itself: an answer that comes late is worth nothing here.
pub fn contend(
    client: Client,
    candidate: Candidate,
    give_back: CancellationToken,
) -> (watch::Receiver<bool>, impl Future<Output = ()> + Send) {
    let (sender, leading) = watch::channel(false);
    let contender = Contender {
        api: Api::namespaced(client, &candidate.namespace),
        view: View::new(candidate.identity.clone(), candidate.timing),
        candidate,
        leading: sender,
        start: Instant::now(),
    };
    (leading, contender.run(give_back))
}

struct Contender {
    api: Api<Lease>,
    candidate: Candidate,
    view: View,
    leading: watch::Sender<bool>,
    start: Instant,
}

impl Contender {
    async fn run(mut self, give_back: CancellationToken) {
        let of_name = watcher::Config::default().fields(&format!("metadata.name={}", self.candidate.lease));
        let mut events = pin!(watcher(self.api.clone(), of_name).default_backoff());
        loop {
            let now = self.start.elapsed();
            let until = match decide(&self.view, now) {
                Action::Look => {
                    self.look().await;
                    continue;
                }
                Action::Write => {
                    self.write().await;
                    continue;
                }
                Action::StepDown => {
                    self.view.renewed_at = None;
                    self.tell(false);
                    continue;
                }
                Action::Wait(until) => until,
            };
            tokio::select! {
                () = give_back.cancelled() => return self.give_back().await,
                () = tokio::time::sleep(until.saturating_sub(now)) => {}
                event = events.next() => self.take(event),
            }
        }
    }

    /// While leading, an event may be older than our own last write: it only makes us look.
    fn take(&mut self, event: Option<watcher::Result<Event<Lease>>>) {
        let seen = match event {
            Some(Ok(Event::Apply(lease) | Event::InitApply(lease))) => lease::seen(&lease),
            Some(Ok(Event::Delete(_))) => Seen::Absent,
            Some(Ok(Event::Init | Event::InitDone) | Err(_)) | None => return,
        };
        if self.view.renewed_at.is_none() {
            self.view.look(seen, self.start.elapsed());
        } else if !matches!(&seen, Seen::Lease { holder, .. } if *holder == self.candidate.identity) {
            self.view.must_look = true;
        }
    }

    async fn look(&mut self) {
        let read = lease::read(&self.api, &self.candidate.lease);
        match timeout(self.patience(), read).await {
            Ok(Ok(seen)) => {
                self.view.look(seen, self.start.elapsed());
            }
            Ok(Err(error)) => self.failed(&error),
            Err(late) => self.failed(&late),
        }
    }

    async fn write(&mut self) {
        let begun = self.start.elapsed();
        let write = lease::write(
            &self.api,
            &self.candidate,
            &self.candidate.identity,
            &self.view.seen,
        );
        match timeout(self.patience(), write).await {
            Ok(Ok(seen)) => {
                self.view.wrote(begun, seen, self.start.elapsed());
                self.tell(true);
            }
            // Somebody was faster; who, is to be seen.
            Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
                self.view.must_look = true;
            }
            Ok(Err(error)) => self.failed(&error),
            Err(late) => self.failed(&late),
        }
    }

    /// No single request may use up the time that a leader has.
    fn patience(&self) -> Duration {
        let now = self.start.elapsed();
        let timing = self.candidate.timing;
        let left = self.view.renewed_at.map_or(timing.renew_deadline, |renewed| {
            (renewed + timing.renew_deadline).saturating_sub(now)
        });
        left.min(timing.renew_deadline / 2)
    }

    fn failed(&mut self, error: &dyn std::fmt::Display) {
        tracing::warn!(%error, lease = self.candidate.lease, "the lease cannot be read or written");
        self.view.failed(self.start.elapsed());
    }

    fn tell(&self, leads: bool) {
        let changed = self
            .leading
            .send_if_modified(|was| std::mem::replace(was, leads) != leads);
        if changed {
            let identity = &self.candidate.identity;
            if leads {
                tracing::info!(identity, "leads");
            } else {
                tracing::warn!(identity, "leads no longer");
            }
        }
    }

    async fn give_back(self) {
        if self.view.renewed_at.is_none() {
            return;
        }
        self.tell(false);
        let write = lease::write(&self.api, &self.candidate, "", &self.view.seen);
        match timeout(self.candidate.timing.retry, write).await {
            Ok(Ok(_)) => tracing::info!("gave the lease back"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be given back; it will run out"),
            Err(_) => tracing::warn!("the lease could not be given back in time; it will run out"),
        }
    }
}
