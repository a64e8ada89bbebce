//! Reacts to changes in the cluster.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::stream::{BoxStream, select_all};
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod as ApiPod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::runtime::reflector::{Store, reflector, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::addresses::{ByPod, Results};
use super::intervals::Intervals;
use super::snapshot::{Pod, Snapshot, has_own_network, is_finished};
use super::{nft, rules};

/// How long after a change further ones are waited for: a few come together when a pod or a policy is made.
const SETTLE: Duration = Duration::from_millis(2);

/// How often the folder of CNI results is looked at while a pod has no address yet. Nothing tells when a file
/// appears there, and the pod stays cut off until it is read.
const LOOK: Duration = Duration::from_millis(10);

/// How long to wait before rules that were refused are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Where things are on the node.
#[derive(Debug, Clone)]
pub struct Options {
    /// The block that pods get their addresses from, for example `10.244.0.0/16`.
    pub pod_range: String,
    /// Where the container runtime keeps the results of its CNI plugins.
    pub results: PathBuf,
    /// How to run `nft` in the network namespace of the node.
    pub nft: Vec<String>,
}

impl Options {
    /// The usual places, for a process that runs in the network namespace of the node.
    #[must_use]
    pub fn new(pod_range: &str) -> Self {
        Self {
            pod_range: pod_range.to_owned(),
            results: Path::new("/var/lib/cni/results").to_owned(),
            nft: vec!["nft".to_owned()],
        }
    }
}

/// Enforces the policies of the cluster until it is dropped. Everything between pods is closed from the start until
/// the cluster is known. The table stays in the kernel in the end: without its keeper, new pods are cut off.
///
/// # Errors
///
/// When the options make no sense, or the first rules are refused. Later failures are written to standard error, which
/// is the log of this process, and tried again.
pub async fn run(client: Client, options: Options) -> Result<()> {
    let pod_range = Intervals::block(&options.pod_range).context("the range of pod addresses")?;
    let closed = rules::render(&Snapshot {
        pod_range: pod_range.clone(),
        ..Snapshot::default()
    });
    nft::apply(&options.nft, &closed).await?;

    let (policies, policy_changes) = follow::<NetworkPolicy>(&client);
    let (pods, pod_changes) = follow::<ApiPod>(&client);
    let (namespaces, namespace_changes) = follow::<Namespace>(&client);
    let mut changes = select_all([policy_changes, pod_changes, namespace_changes]);
    let cluster = Cluster {
        policies,
        pods,
        namespaces,
        pod_range,
    };
    let mut results = Results::new(&options.results);
    let mut applied = closed;

    loop {
        let mut wait = None;
        if cluster.is_known() {
            let addresses = results
                .read(&cluster.pod_range)
                .with_context(|| format!("cannot read {}", options.results.display()))?;
            if cluster.is_waiting_for_addresses(&addresses) {
                wait = Some(LOOK);
            }
            let rules = rules::render(&cluster.snapshot(&addresses));
            if rules != applied {
                match nft::apply(&options.nft, &rules).await {
                    Ok(()) => applied = rules,
                    Err(error) => {
                        eprintln!("{error:#}\n{rules}");
                        wait = Some(RETRY);
                    }
                }
            }
        }
        next_change(&mut changes, wait).await?;
    }
}

/// Waits for a change, no longer than `wait`, and for those that come with it.
async fn next_change(changes: &mut (impl Stream<Item = ()> + Unpin), wait: Option<Duration>) -> Result<()> {
    let next = match wait {
        None => changes.next().await,
        Some(wait) => match tokio::time::timeout(wait, changes.next()).await {
            Ok(next) => next,
            // Nobody said anything: time to look again.
            Err(_) => return Ok(()),
        },
    };
    if next.is_none() {
        bail!("the watches ended");
    }
    tokio::time::sleep(SETTLE).await;
    while let Some(Some(())) = changes.next().now_or_never() {}
    Ok(())
}

/// Keeps a copy of all objects of a kind, and tells of each change.
fn follow<K>(client: &Client) -> (Store<K>, BoxStream<'static, ()>)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = store();
    let changes = watcher(Api::<K>::all(client.clone()), watcher::Config::default());
    let changes = reflector(writer, changes).default_backoff().map(|event| {
        // The watch goes on by itself, from where it was.
        if let Err(error) = event {
            eprintln!("watching {}: {error}", K::kind(&()));
        }
    });
    (store, changes.boxed())
}

/// The cluster, as it is told by the watches.
struct Cluster {
    policies: Store<NetworkPolicy>,
    pods: Store<ApiPod>,
    namespaces: Store<Namespace>,
    pod_range: Intervals,
}

impl Cluster {
    /// Whether everything has been listed once: before that, a pod may have policies that are not known.
    fn is_known(&self) -> bool {
        self.policies.wait_until_ready().now_or_never().is_some()
            && self.pods.wait_until_ready().now_or_never().is_some()
            && self.namespaces.wait_until_ready().now_or_never().is_some()
    }

    fn snapshot(&self, addresses: &ByPod) -> Snapshot {
        let mut policies = self.policies.state();
        // In an order of their own, so that the same cluster gives the same rules.
        policies.sort_by_key(|policy| (policy.metadata.namespace.clone(), policy.metadata.name.clone()));
        Snapshot {
            policies,
            pods: live_pods(&self.pods, addresses, &self.pod_range),
            namespaces: self
                .namespaces
                .state()
                .iter()
                .map(|namespace| {
                    let metadata = &namespace.metadata;
                    (
                        metadata.name.clone().unwrap_or_default(),
                        metadata.labels.clone().unwrap_or_default(),
                    )
                })
                .collect(),
            pod_range: self.pod_range.clone(),
        }
    }

    /// Whether a pod is about to get an address.
    fn is_waiting_for_addresses(&self, addresses: &ByPod) -> bool {
        self.pods.state().iter().any(|pod| {
            let is_on_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            is_on_node && has_own_network(pod) && !is_finished(pod) && !addresses.contains_key(uid)
        })
    }
}

/// The pods that policies concern, in an order of their own.
fn live_pods(pods: &Store<ApiPod>, addresses: &ByPod, range: &Intervals) -> Vec<Pod> {
    // An address that the CNI plugin gave to one pod is not another's, whatever the API still says of that.
    let taken: BTreeSet<Ipv4Addr> = addresses.values().flatten().copied().collect();
    let mut pods = pods.state();
    pods.sort_by(|one, other| one.metadata.uid.cmp(&other.metadata.uid));
    pods.iter()
        .filter_map(|pod| {
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            let own = addresses.get(uid).cloned().unwrap_or_else(|| {
                let status = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
                let told = status.and_then(|address| address.parse::<Ipv4Addr>().ok());
                told.into_iter()
                    .filter(|address| range.contains((*address).into()) && !taken.contains(address))
                    .collect()
            });
            Pod::from_api(pod, own)
        })
        .collect()
}
