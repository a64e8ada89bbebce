//! Does what was decided: one change of the Secret, and publications.

use std::fmt::Display;

use jiff::Timestamp;

use crate::{
    change::{Change, Rules},
    cluster::{Cluster, WriteError},
    decide::{Decision, decide},
    published::{Publication, Sight},
    stored::Stored,
    view::View,
};

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Done,
    /// Something changed: to be looked at again.
    Changed,
    /// Something went wrong.
    Failed(String),
}

/// Decides once and does it. A publication that is refused does not hold back the others, nor the Secret them.
pub async fn once(cluster: &Cluster, view: &mut View, rules: &Rules, now: Timestamp) -> Outcome {
    if !view.is_known() {
        return Outcome::Done;
    }
    let Decision { change, publications } = decide(view.stored(), &view.sights, rules, now);
    let written = match change {
        Some(change) => write(cluster, view, change, rules, now).await,
        None => Outcome::Done,
    };
    if written == Outcome::Changed || publications.is_empty() {
        return written;
    }
    // Only what follows from the Secret as it is now may be published: an older one may lack an authority that somebody
    // else has published already. The configurations were looked at before, and are written only as they were then.
    match look_again(cluster, view, rules).await {
        Outcome::Done => {}
        outcome => return outcome,
    }
    let mut all = written;
    for publication in publications {
        match publish(cluster, view, &publication).await {
            Outcome::Changed if all == Outcome::Done => all = Outcome::Changed,
            Outcome::Failed(error) => all = Outcome::Failed(error),
            Outcome::Changed | Outcome::Done => {}
        }
    }
    all
}

async fn write(cluster: &Cluster, view: &mut View, change: Change, rules: &Rules, now: Timestamp) -> Outcome {
    let after = match change.apply(view.stored(), rules, now) {
        Ok(after) => after,
        Err(error) => return failed(&error),
    };
    match cluster.write(view.secret(), &after).await {
        Ok(secret) => {
            tracing::info!(?change, "the Secret of the webhooks was written");
            view.see_secret(Some(secret), |data| Stored::read(data, &rules.names));
            Outcome::Changed
        }
        Err(WriteError::Outdated) => match look_again(cluster, view, rules).await {
            Outcome::Failed(error) => Outcome::Failed(error),
            Outcome::Done | Outcome::Changed => Outcome::Changed,
        },
        Err(WriteError::Refused(error)) => failed(&error),
    }
}

/// Reads the Secret anew; whether it differs.
async fn look_again(cluster: &Cluster, view: &mut View, rules: &Rules) -> Outcome {
    let secret = match cluster.secret().await {
        Ok(secret) => secret,
        Err(error) => return failed(&error),
    };
    let differs = view.see_secret(secret, |data| Stored::read(data, &rules.names));
    if differs { Outcome::Changed } else { Outcome::Done }
}

async fn publish(cluster: &Cluster, view: &mut View, publication: &Publication) -> Outcome {
    let configuration = &publication.configuration;
    let sight = match cluster.publish(publication).await {
        Ok(live) => {
            tracing::info!(%configuration, "a bundle was published");
            Sight::Present(live)
        }
        Err(WriteError::Outdated) => match cluster.configuration(configuration).await {
            Ok(live) => live.into(),
            Err(error) => return failed(&error),
        },
        Err(WriteError::Refused(error)) => return failed(&error),
    };
    view.sights.insert(configuration.clone(), sight);
    Outcome::Changed
}

fn failed(error: &impl Display) -> Outcome {
    tracing::warn!(%error, "certificates of the webhooks will be tried again");
    Outcome::Failed(error.to_string())
}
