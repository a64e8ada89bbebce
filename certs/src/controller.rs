//! The loop: look, decide, act, tell. Every replica runs it, without a leader: whoever is first writes, and the others,
//! whose writes are refused because they looked at an older version, see it and decide again.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    act::{self, Outcome},
    change::Rules,
    cluster::Cluster,
    decide::{self, is_settled},
    fence::Fence,
    pace::Pace,
    readiness::{self, Expiry, Readiness},
    resolver::Resolver,
    serve,
    settings::Names,
    stored::{Data, Stored},
    view::View,
    watches::Seen,
};

/// Longest time between two looks at the clock: machines sleep, and timers sleep with them.
const LOOK: Duration = Duration::from_mins(2);

/// Longest time the API server may take to do what was decided once; meanwhile nothing else is looked at.
const ANSWER: Duration = Duration::from_secs(10);

/// What we do about the certificates.
pub enum Duty {
    /// Make, keep and publish them.
    Keep(Rules),
    /// Only serve what somebody else keeps.
    Follow(Names),
}

impl Duty {
    /// The names in the certificate.
    pub fn names(&self) -> &Names {
        match self {
            Self::Keep(rules) => &rules.names,
            Self::Follow(names) => names,
        }
    }

    /// Reads the Secret.
    pub fn read(&self, data: &Data) -> Stored {
        match self {
            Self::Keep(rules) => Stored::read(data, &rules.names),
            Self::Follow(_) => Stored::read_foreign(data),
        }
    }
}

/// The loop and whom it tells.
pub struct Controller {
    /// What we do.
    pub duty: Duty,
    /// Webhooks that must be there as they were meant.
    pub fences: Vec<Fence>,
    /// The API server.
    pub cluster: Cluster,
    /// What was seen last.
    pub view: View,
    /// Shows the certificate to clients.
    pub resolver: Arc<Resolver>,
    /// Told whether the API server can talk to us.
    pub readiness: watch::Sender<Readiness>,
    /// Told how long the certificates last.
    pub expiry: watch::Sender<Expiry>,
    /// The last thing that went wrong and has not gone well since.
    pub error: Option<String>,
}

impl Controller {
    /// Runs until stopped. It may be stopped, or die, anywhere.
    pub async fn run(mut self, seen: impl Stream<Item = Seen> + Unpin, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_looking(seen)).await;
    }

    async fn keep_looking(&mut self, mut seen: impl Stream<Item = Seen> + Unpin) {
        let mut pace = Pace::default();
        loop {
            let now = Timestamp::now();
            // Neither of these waits for anything that is written.
            self.serve(now);
            let outcome = if pace.rest(Instant::now()).is_zero() {
                self.act(now, &mut pace).await
            } else {
                Outcome::Done
            };
            self.tell(now);
            let (rest, mut wait) = (pace.rest(Instant::now()), self.until_next(now));
            if outcome == Outcome::Changed || !rest.is_zero() {
                wait = wait.min(rest);
            }
            let event = tokio::time::timeout(wait, seen.next()).await;
            let more = std::iter::from_fn(|| seen.next().now_or_never().flatten());
            for event in event.ok().flatten().into_iter().chain(more) {
                self.view.see(event, &self.duty);
            }
        }
    }

    async fn act(&mut self, now: Timestamp, pace: &mut Pace) -> Outcome {
        let outcome = match &self.duty {
            Duty::Keep(rules) => {
                let acting = act::once(&self.cluster, &mut self.view, rules, now);
                let acted = tokio::time::timeout(ANSWER, acting).await;
                acted.unwrap_or_else(|_| Outcome::Failed("the API server does not answer".to_owned()))
            }
            Duty::Follow(_) => Outcome::Done,
        };
        let (moment, error) = (Instant::now(), &mut self.error);
        match &outcome {
            Outcome::Changed => pace.wrote(moment),
            Outcome::Done => {
                pace.succeeded();
                *error = None;
            }
            Outcome::Failed(why) => {
                pace.failed(moment);
                *error = Some(why.clone());
            }
        }
        outcome
    }

    /// Changes to the certificate in the Secret, when it is time.
    fn serve(&self, now: Timestamp) {
        let stored = self.view.stored();
        let Some(offered) = &stored.leaf else {
            return;
        };
        let settled = match &self.duty {
            Duty::Keep(rules) => stored
                .authority
                .as_ref()
                .is_some_and(|a| is_settled(a, rules, now)),
            Duty::Follow(_) => true,
        };
        let served = self.resolver.served();
        let (sights, names) = (&self.view.sights, self.duty.names());
        if serve::changes(served.as_deref(), offered, settled, sights, names, now) {
            tracing::info!(certificate = ?offered, "serves another certificate");
            self.resolver.serve(offered.clone());
        }
    }

    fn tell(&self, now: Timestamp) {
        let served = self.resolver.served();
        let readiness = if self.view.is_known() {
            let (sights, names) = (&self.view.sights, self.duty.names());
            readiness::readiness(served.as_deref(), sights, &self.fences, names, now)
        } else {
            Readiness::Starting
        };
        self.readiness.send_if_modified(|told| {
            let differs = *told != readiness;
            if differs {
                match readiness {
                    Readiness::Missing { .. } | Readiness::Weakened { .. } => {
                        tracing::warn!(%readiness, "nothing is restored meanwhile");
                    }
                    _ => tracing::info!(%readiness, "certificates of the webhooks"),
                }
                *told = readiness;
            }
            differs
        });
        let error = self.error.as_deref();
        let expiry = readiness::expiry(self.view.stored(), served.as_deref(), error, now);
        self.expiry.send_if_modified(|told| {
            let differs = *told != expiry;
            *told = expiry;
            differs
        });
    }

    /// How long nothing happens by itself.
    fn until_next(&self, now: Timestamp) -> Duration {
        let stored = self.view.stored();
        let served = self.resolver.served();
        let decided = match &self.duty {
            Duty::Keep(rules) => decide::wake(stored, rules, now),
            Duty::Follow(_) => None,
        };
        let told = readiness::wake(stored, served.as_deref(), now);
        let next = decided.into_iter().chain(told).min();
        let wait = next.map(|moment| Duration::try_from(moment.duration_since(now)));
        wait.and_then(Result::ok).map_or(LOOK, |wait| wait.min(LOOK))
    }
}
