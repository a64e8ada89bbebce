//! One cluster, for as long as it is named: reached, lost, reached again.

#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use kube::{Client, config::Kubeconfig};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    connect::connect,
    lost::Lost,
    session::{self, Known},
};

/// Pauses between attempts to reach a cluster that is away: each is twice the last, up to the longest.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// Whatever lasted longer than this was no mistake: it was there, and is asked for again at once.
const STEADY: Duration = Duration::from_secs(30);

/// Follows a cluster, over whatever way its Secret says now, until `stop`. Then nothing of it is kept.
pub(super) async fn follow(mut known: Known, mut way: watch::Receiver<Kubeconfig>, stop: CancellationToken) {
    let following = async {
        loop {
            let kubeconfig = way.borrow_and_update().clone();
            tokio::select! {
                never = over(kubeconfig, &mut known) => match never {},
                changed = way.changed() => if changed.is_err() { return },
            }
        }
    };
    stop.run_until_cancelled(following).await;
    known.forget();
}

/// Over one way, for ever.
async fn over(kubeconfig: Kubeconfig, known: &mut Known) -> Infallible {
    match connect(kubeconfig).await {
        Ok(client) => attempts(&client, known).await,
        Err(refusal) => {
            known.lost(&refusal.into());
            std::future::pending().await
        }
    }
}

/// Follows a cluster, and again whenever it is lost.
async fn attempts(client: &Client, known: &mut Known) -> Infallible {
    let mut pause = SHORTEST;
    loop {
        let begun = Instant::now();
        if let Some(lost) = attempt(client, known).await {
            known.lost(&lost);
        }
        if begun.elapsed() > STEADY {
            pause = SHORTEST;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Follows a cluster while it is reached; why it is away, when it is. A connection that breaks does not say that: the
/// next attempt does.
async fn attempt(client: &Client, known: &mut Known) -> Option<Lost> {
    if let Err(lost) = session::ask(client).await {
        return Some(lost);
    }
    let begun = Instant::now();
    let lost = session::follow(client, known).await;
    let is_steady = known.is_whole() && begun.elapsed() > STEADY;
    (!is_steady).then_some(lost)
}
