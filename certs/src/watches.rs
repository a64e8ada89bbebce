//! Watches on the Secret and on each configuration, each by its name: that is all that may be read.

use std::fmt::Debug;

use futures::{
    Stream, StreamExt,
    future::ready,
    stream::{BoxStream, select_all},
};
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    core::v1::Secret,
};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher::watch_object},
};
use serde::de::DeserializeOwned;

use crate::{
    cluster::Cluster,
    published::{Configuration, Kind, Live},
};

/// Something is there, is different, or is gone.
pub enum Seen {
    /// The Secret.
    Secret(Box<Option<Secret>>),
    /// A configuration.
    Configuration(Configuration, Option<Live>),
}

/// Everything that happens.
pub fn watch(
    cluster: &Cluster,
    configurations: &[Configuration],
) -> impl Stream<Item = Seen> + Unpin + use<> {
    let secret = objects(cluster.secrets(), cluster.secret_name());
    let secret = secret.map(|secret| Seen::Secret(Box::new(secret))).boxed();
    let configurations = configurations.iter().map(|c| configuration_changes(cluster, c));
    select_all(std::iter::once(secret).chain(configurations))
}

fn configuration_changes(cluster: &Cluster, configuration: &Configuration) -> BoxStream<'static, Seen> {
    let name = &configuration.name;
    let lives = match configuration.kind {
        Kind::Validating => {
            let objects = objects(cluster.all::<ValidatingWebhookConfiguration>(), name);
            objects.map(|object| object.map(Live::from)).boxed()
        }
        Kind::Mutating => {
            let objects = objects(cluster.all::<MutatingWebhookConfiguration>(), name);
            objects.map(|object| object.map(Live::from)).boxed()
        }
    };
    let configuration = configuration.clone();
    lives
        .map(move |live| Seen::Configuration(configuration.clone(), live))
        .boxed()
}

/// One object, whenever it changes; nothing when it is not there.
fn objects<K>(api: Api<K>, name: &str) -> impl Stream<Item = Option<K>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watch_object(api, name).default_backoff().filter_map(|object| {
        let object = object.inspect_err(|error| {
            tracing::warn!(kind = %K::kind(&()), %error, "a watch is interrupted and will be resumed");
        });
        ready(object.ok())
    })
}
