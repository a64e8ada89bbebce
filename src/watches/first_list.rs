//! Whether every watch has delivered its first full list.
//!
//! A store can be asked too (`Store::wait_until_ready`), but it wakes only the last of those who wait, and a
//! controller is always one of them.

use futures::future::{BoxFuture, FutureExt, Shared, join_all};
use kube::runtime::watcher::Event;
use tokio_util::sync::CancellationToken;

use crate::telemetry::health::Readiness;

/// Collects the first lists of all watches.
pub struct FirstLists {
    readiness: Readiness,
    seen: Vec<CancellationToken>,
}

/// The first list of one watch.
#[derive(Clone)]
pub struct FirstList {
    what: &'static str,
    readiness: Readiness,
    seen: CancellationToken,
}

impl FirstLists {
    /// Tells `readiness` of each list as it comes.
    #[must_use]
    pub fn new(readiness: Readiness) -> Self {
        Self {
            readiness,
            seen: Vec::new(),
        }
    }

    /// One more watch to wait for.
    pub fn of(&mut self, what: &'static str) -> FirstList {
        let seen = CancellationToken::new();
        self.seen.push(seen.clone());
        FirstList {
            what,
            readiness: self.readiness.clone(),
            seen,
        }
    }

    /// Ends when all of them have come; any number may wait.
    pub fn all(self) -> Shared<BoxFuture<'static, ()>> {
        let waits = self.seen.into_iter().map(CancellationToken::cancelled_owned);
        join_all(waits).map(|_| ()).boxed().shared()
    }
}

impl FirstList {
    /// Looks at an event that the store has taken already.
    pub fn look<K>(&self, event: &Event<K>) {
        if matches!(event, Event::InitDone) {
            self.readiness.done(self.what);
            self.seen.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_is_woken() {
        let mut lists = FirstLists::new(Readiness::default());
        let (a, b) = (lists.of("a"), lists.of("b"));
        let all = lists.all();
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(all.clone())).collect();
        tokio::task::yield_now().await;
        a.look(&Event::<()>::InitDone);
        b.look(&Event::<()>::Init);
        assert!(all.clone().now_or_never().is_none(), "one list is still missing");
        b.look(&Event::<()>::InitDone);
        for waiter in waiting {
            waiter.await.unwrap();
        }
    }
}
