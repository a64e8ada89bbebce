//! Watches that no stored object can stop, and who is woken by what they see.

mod first_list;
mod wakes;

pub use first_list::{FirstList, FirstLists};
pub use wakes::{Wakes, Woken};

use std::fmt::Debug;

use futures::{
    Stream, StreamExt,
    channel::mpsc::{self, UnboundedReceiver},
};
use kube::{
    Api, Resource,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;

/// Keeps a watch going as long as the process lives, and hands on what it brings for as long as somebody listens:
/// admission answers from what it fills, also after the controllers have stopped.
pub fn keep_going<T: Send + 'static>(watch: impl Stream<Item = T> + Send + 'static) -> UnboundedReceiver<T> {
    let (sender, receiver) = mpsc::unbounded();
    tokio::spawn(watch.for_each(move |item| {
        // Nobody listens any more, which is no reason to stop.
        let _ = sender.unbounded_send(item);
        std::future::ready(())
    }));
    receiver
}

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

/// An event of what can be read; what cannot is told of, and goes unseen.
pub(crate) fn readable<K>(
    event: Event<DeserializeGuard<K>>,
    on_invalid: &impl Fn(InvalidObject),
) -> Option<Event<K>> {
    let take = |guard: DeserializeGuard<K>| guard.0.map_err(on_invalid).ok();
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::InitApply(guard) => take(guard).map(Event::InitApply),
        Event::Apply(guard) => take(guard).map(Event::Apply),
        Event::Delete(guard) => guard.0.ok().map(Event::Delete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watch_goes_on_when_nobody_listens_any_more() {
        let (sender, items) = mpsc::unbounded();
        let (seen, mut looked) = tokio::sync::watch::channel(0);
        let mut handed = keep_going(items.inspect(move |item: &u32| {
            seen.send_replace(*item);
        }));
        sender.unbounded_send(1).unwrap();
        assert_eq!(handed.next().await, Some(1));
        drop(handed);
        sender.unbounded_send(2).unwrap();
        sender.unbounded_send(3).unwrap();
        let patience = std::time::Duration::from_secs(10);
        let last = tokio::time::timeout(patience, looked.wait_for(|item| *item == 3)).await;
        assert!(last.unwrap().is_ok());
    }
}
