//! Which replica acts, as the flags have it.

use futures::{FutureExt, future::BoxFuture};
use kube::{Client, Config};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::settings::Args;
use crate::leader::{Candidate, Timing, contend as contend_for};

/// Whether this replica leads, and the work that sees to it, which ends when the lease is given back.
pub(super) async fn contend(
    args: &Args,
    give_back: CancellationToken,
) -> anyhow::Result<(watch::Receiver<bool>, BoxFuture<'static, ()>)> {
    if !args.leader_elect {
        let (sender, leading) = watch::channel(true);
        let hold = async move {
            give_back.cancelled().await;
            drop(sender);
        };
        return Ok((leading, hold.boxed()));
    }
    let mut config = Config::infer().await?;
    config.default_retry = false;
    let candidate = Candidate {
        namespace: args.namespace.clone(),
        lease: args.lease.clone(),
        identity: identity(),
        timing: Timing::default(),
    };
    let (leading, work) = contend_for(Client::try_from(config)?, candidate, give_back);
    Ok((leading, work.boxed()))
}

/// A process that led and leads no more ends: whatever it was about to do is for the next leader to do.
pub(super) async fn stop_when_lost(mut leading: watch::Receiver<bool>, stop: CancellationToken) {
    let lost = async {
        leading.wait_for(|leads| *leads).await.ok()?;
        leading.wait_for(|leads| !*leads).await.ok().map(|_| ())
    };
    let was_lost = stop.run_until_cancelled(lost).await.flatten().is_some();
    if was_lost {
        tracing::error!("the lease was lost; stops, and starts anew");
        stop.cancel();
    }
}

/// The pod, and this very process in it: a restarted container has the name of its pod again.
fn identity() -> String {
    let pod = super::identity::pod_name().unwrap_or_else(|| "kymaros".to_owned());
    let started = jiff::Timestamp::now().as_microsecond();
    format!("{pod}_{}_{started}", std::process::id())
}
