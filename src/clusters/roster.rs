//! Starts and stops following clusters as their Secrets come, change and go, and as the license does. No restart.

use std::{collections::BTreeMap, pin::pin};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    config::Kubeconfig,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use kymaros_crds::names::CLUSTER_LABEL;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    follow,
    lost::Lost,
    planned::planned,
    secret::{Described, Way},
    session::Known,
};
use crate::{
    fleet::{ClusterName, Feature, Features, Remote, Roster, RunLog},
    license::License,
};

/// The clusters that Secrets of a namespace name, and the work that follows them. Their runs go into `runs`.
pub fn watch(
    client: Client,
    namespace: &str,
    license: watch::Receiver<License>,
    runs: RunLog,
) -> (watch::Receiver<Roster>, impl Future<Output = ()> + Send + use<>) {
    let secrets = Api::<Secret>::namespaced(client, namespace);
    let config = watcher::Config::default().labels(CLUSTER_LABEL);
    let events = watcher(secrets, config).default_backoff();
    let (roster, looked_at) = watch::channel(Roster::default());
    let hub = Hub {
        secrets: Secrets::default(),
        followed: BTreeMap::new(),
        runs,
        roster,
    };
    (looked_at, keep(events, license, hub))
}

async fn keep(
    events: impl Stream<Item = watcher::Result<Event<Secret>>> + Send,
    mut license: watch::Receiver<License>,
    mut hub: Hub,
) {
    let mut events = pin!(events);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => hub.secrets.take(event),
                None => return,
            },
            changed = license.changed() => if changed.is_err() { return },
        }
        let tier = license.borrow_and_update().tier();
        let has_several = Features::of(tier).has(Feature::SeveralClusters);
        hub.agree(has_several).await;
    }
}

/// The Secrets there are, by name.
#[derive(Default)]
struct Secrets {
    known: BTreeMap<String, Described>,
    /// A list that is coming in.
    coming: BTreeMap<String, Described>,
    trouble: Option<String>,
}

impl Secrets {
    fn take(&mut self, event: watcher::Result<Event<Secret>>) {
        match event {
            Ok(event) => {
                self.trouble = None;
                self.look(&event);
            }
            Err(error) => {
                tracing::warn!(%error, "the watch of other clusters' Secrets is interrupted and will be resumed");
                let Lost(why) = (&error).into();
                self.trouble = Some(format!("Secrets that name other clusters cannot be read: {why}"));
            }
        }
    }

    fn look(&mut self, event: &Event<Secret>) {
        match event {
            Event::Init => self.coming.clear(),
            Event::InitApply(secret) => {
                self.coming.insert(secret.name_any(), Described::of(secret));
            }
            Event::InitDone => self.known = std::mem::take(&mut self.coming),
            Event::Apply(secret) => {
                self.known.insert(secret.name_any(), Described::of(secret));
            }
            Event::Delete(secret) => {
                self.known.remove(&secret.name_any());
            }
        }
    }
}

/// A cluster that is followed.
struct Followed {
    digest: [u8; 32],
    way: watch::Sender<Kubeconfig>,
    remote: Remote,
    stop: DropGuard,
    work: JoinHandle<()>,
}

/// All clusters that are followed.
struct Hub {
    secrets: Secrets,
    followed: BTreeMap<ClusterName, Followed>,
    runs: RunLog,
    roster: watch::Sender<Roster>,
}

impl Hub {
    /// Follows what is to be followed, and nothing else.
    async fn agree(&mut self, has_several: bool) {
        let planned = planned(&self.secrets.known, has_several);
        let gone: Vec<ClusterName> = self
            .followed
            .keys()
            .filter(|name| !planned.follow.contains_key(*name))
            .cloned()
            .collect();
        let mut ended = Vec::new();
        for name in gone {
            if let Some(followed) = self.followed.remove(&name) {
                tracing::info!(cluster = %name, "another cluster is not followed any more");
                drop(followed.stop);
                ended.push(followed.work);
            }
        }
        for (name, (_, way)) in planned.follow {
            match self.followed.get_mut(&name) {
                Some(followed) if followed.digest == way.digest => {}
                Some(followed) => {
                    tracing::info!(cluster = %name, "the way to another cluster has changed");
                    followed.digest = way.digest;
                    followed.way.send_replace(way.kubeconfig);
                }
                None => {
                    tracing::info!(cluster = %name, "another cluster is followed");
                    let followed = start(name.clone(), way, self.runs.clone());
                    self.followed.insert(name, followed);
                }
            }
        }
        self.publish(&Roster {
            remotes: self
                .followed
                .values()
                .map(|followed| followed.remote.clone())
                .collect(),
            refused: planned.refused.into(),
            closed: planned.closed,
            trouble: self.secrets.trouble.clone(),
        });
        // One that comes back under its name must not find what is still being forgotten.
        for work in ended {
            if work.await.is_err() {
                tracing::error!("following another cluster ended badly");
            }
        }
    }

    fn publish(&self, roster: &Roster) {
        let before = self.roster.send_replace(roster.clone());
        if before.closed != roster.closed && roster.closed > 0 {
            tracing::warn!(
                clusters = roster.closed,
                "Secrets name other clusters, which are part of the Enterprise tier and are not connected"
            );
        }
        for refused in roster
            .refused
            .iter()
            .filter(|refused| !before.refused.contains(refused))
        {
            tracing::warn!(
                secret = refused.secret,
                why = refused.why,
                "a Secret is no way to another cluster"
            );
        }
    }
}

fn start(name: ClusterName, way: Way, runs: RunLog) -> Followed {
    let (known, remote) = Known::new(name, runs);
    let (sender, ways) = watch::channel(way.kubeconfig);
    let stop = CancellationToken::new();
    let work = tokio::spawn(follow::follow(known, ways, stop.clone()));
    Followed {
        digest: way.digest,
        way: sender,
        remote,
        stop: stop.drop_guard(),
        work,
    }
}
