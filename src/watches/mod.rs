//! Watches that no stored object can stop, and who is woken by what they see.

mod first_list;
mod wakes;

pub use first_list::{FirstList, FirstLists};
pub use wakes::{Wakes, Woken};

use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;

/// A watch in which an object that does not parse is left out, and said so, instead of stopping it for all others.
pub fn tolerant<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    on_invalid: impl Fn(InvalidObject) + Send + 'static,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config).default_backoff().filter_map(move |event| {
        let event = match event {
            Ok(event) => readable(event, &on_invalid).map(Ok),
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "a watch is interrupted and will be resumed");
                None
            }
        };
        std::future::ready(event)
    })
}

fn readable<K>(event: Event<DeserializeGuard<K>>, on_invalid: &impl Fn(InvalidObject)) -> Option<Event<K>> {
    let take = |guard: DeserializeGuard<K>| guard.0.map_err(on_invalid).ok();
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::InitApply(guard) => take(guard).map(Event::InitApply),
        Event::Apply(guard) => take(guard).map(Event::Apply),
        Event::Delete(guard) => guard.0.ok().map(Event::Delete),
    }
}
