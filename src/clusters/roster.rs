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
    planned::planned,
    secret::{Described, Way},
    session::Known,
};
use crate::{
    fleet::{ClusterName, Feature, Features, Remote, Roster, RunLog},
    license::License,
};

/// Longest complaint of the API server that is shown, characters.
const LONGEST: usize = 300;

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
                let why: String = error.to_string().chars().take(LONGEST).collect();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::channel::mpsc;
    use k8s_openapi::ByteString;
    use kube::core::Status;
    use kymaros_crds::domain::Tier;
    use serde_json::json;

    use super::*;
    use crate::{clusters::kubeconfig::tests::of, fleet::Reached, license::Refusal};

    struct World {
        events: mpsc::UnboundedSender<watcher::Result<Event<Secret>>>,
        license: watch::Sender<License>,
        roster: watch::Receiver<Roster>,
    }

    impl World {
        fn new() -> Self {
            let (events, stream) = mpsc::unbounded();
            let (license, followed) = watch::channel(License::Community(Refusal::NoSecret));
            let (roster, looked_at) = watch::channel(Roster::default());
            let hub = Hub {
                secrets: Secrets::default(),
                followed: BTreeMap::new(),
                runs: RunLog::default(),
                roster,
            };
            tokio::spawn(keep(stream, followed, hub));
            Self {
                events,
                license,
                roster: looked_at,
            }
        }

        fn tell(&self, event: watcher::Result<Event<Secret>>) {
            self.events.unbounded_send(event).unwrap();
        }

        fn license(&self, tier: Tier) {
            let expires = None;
            self.license.send_replace(License::Valid { tier, expires });
        }

        async fn until(&mut self, is_so: impl Fn(&Roster) -> bool) -> Roster {
            let found = tokio::time::timeout(Duration::from_secs(10), self.roster.wait_for(is_so)).await;
            found.expect("in time").expect("still followed").clone()
        }
    }

    /// Nobody answers at this port of this machine.
    fn secret(port: u16) -> Secret {
        let server = json!({ "server": format!("https://127.0.0.1:{port}") });
        let kubeconfig = of(&server, &json!({ "token": "t" }));
        let mut secret = Secret {
            data: Some([("kubeconfig".to_owned(), ByteString(kubeconfig.into_bytes()))].into()),
            ..Secret::default()
        };
        secret.metadata.name = Some("cluster-eu".into());
        secret
            .labels_mut()
            .insert(CLUSTER_LABEL.to_owned(), "eu".to_owned());
        secret
    }

    #[tokio::test]
    async fn clusters_come_and_go_with_their_secrets_and_the_license() {
        let mut world = World::new();
        world.tell(Ok(Event::Init));
        world.tell(Ok(Event::InitApply(secret(1))));
        world.tell(Ok(Event::InitDone));
        let noted = world.until(|roster| roster.closed == 1).await;
        assert!(noted.remotes.is_empty(), "nothing is connected");

        world.license(Tier::Enterprise);
        let followed = world.until(|roster| roster.remotes.len() == 1).await;
        assert_eq!(followed.closed, 0);
        let mut contact = followed.remotes[0].contact.clone();
        let away = contact.wait_for(|contact| matches!(contact.reached, Reached::Away { .. }));
        let away = tokio::time::timeout(Duration::from_secs(10), away)
            .await
            .expect("in time");
        let Reached::Away { why, .. } = &away.unwrap().reached else {
            panic!("it is away")
        };
        assert!(
            why.contains("could not be reached") && !why.contains("127.0.0.1"),
            "{why}"
        );

        world.tell(Ok(Event::Apply(Secret::default())));
        let refused = world.until(|roster| roster.refused.len() == 1).await;
        assert_eq!(refused.remotes.len(), 1, "the others go on");
        world.tell(Ok(Event::Delete(secret(1))));
        world.until(|roster| roster.remotes.is_empty()).await;
        world.tell(Ok(Event::Apply(secret(2))));
        world.until(|roster| roster.remotes.len() == 1).await;
        world.license(Tier::Team);
        world
            .until(|roster| roster.remotes.is_empty() && roster.closed == 1)
            .await;
    }

    #[tokio::test]
    async fn a_right_that_is_missing_is_said_and_takes_nothing_away() {
        let mut world = World::new();
        world.license(Tier::Enterprise);
        world.tell(Ok(Event::Apply(secret(1))));
        world.until(|roster| roster.remotes.len() == 1).await;
        let forbidden = Status {
            code: 403,
            message: "secrets is forbidden".into(),
            ..Status::default()
        };
        world.tell(Err(watcher::Error::WatchError(Box::new(forbidden))));
        let seen = world.until(|roster| roster.trouble.is_some()).await;
        assert_eq!(seen.remotes.len(), 1);
        assert!(
            seen.trouble
                .as_ref()
                .is_some_and(|why| why.contains("secrets is forbidden")),
            "{:?}",
            seen.trouble
        );
        world.tell(Ok(Event::Apply(secret(1))));
        world.until(|roster| roster.trouble.is_none()).await;
    }
}
