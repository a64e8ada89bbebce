//! What this process holds for a run while it goes on: watches, fetches and checks under way. All of it is made
//! again after a restart.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use kube::ResourceExt;
use kymaros_crds::domain::Check;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    clock::RunClock,
    observed::{Came, Delay, Fetched, RestoreOutcome},
};
use crate::{
    checks::{Outcome, Target},
    logs::Collected,
    reason::RunReason,
    sandbox::{freed::Freed, leftovers::Removal, untamed::Untamed},
    source::SourceObjects,
    velero::results::BackupContents,
    workloads::{
        assess::assess,
        crash_loops,
        made_there::made_there,
        moments::Moments,
        outside, references,
        watch::{SandboxWatch, Wake},
    },
};

/// Something the cluster refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The reason for the report.
    pub reason: RunReason,
    /// One sentence.
    pub message: String,
}

/// The memory of one run.
pub struct RunMemory {
    wake: Wake,
    /// The time of the run.
    pub clock: Arc<RunClock>,
    watches: Mutex<Watches>,
    /// What each backup holds.
    pub contents: Fetches<BackupContents>,
    /// What the source namespaces of each backup hold.
    pub sources: Fetches<SourceObjects>,
    /// What each Restore did.
    pub outcomes: Fetches<RestoreOutcome>,
    /// What in the sandboxes of each Restore is not harmless.
    pub untamed: Fetches<Vec<Untamed>>,
    /// What each Restore that does not end in time may wait for.
    pub delays: Fetches<Delay>,
    /// Logs and events of all sandboxes together.
    pub logs: Fetches<Collected>,
    /// Cancelled when nothing more is to be asked of Velero.
    pub downloads_over: CancellationToken,
    checks: Mutex<Checks>,
    obstacle: Mutex<Option<Obstacle>>,
    freed: Mutex<BTreeSet<Freed>>,
    refused: Mutex<BTreeMap<String, String>>,
}

#[derive(Default)]
struct Watches {
    since: Option<Timestamp>,
    /// By sandbox, with the source namespace of each.
    of: BTreeMap<String, (String, SandboxWatch)>,
}

#[derive(Default)]
struct Checks {
    running: HashMap<String, AbortOnDropHandle<()>>,
    ended: Vec<Outcome>,
}

impl RunMemory {
    /// With nothing in it.
    #[must_use]
    pub fn new(wake: Wake, clock: RunClock) -> Self {
        Self {
            wake,
            clock: Arc::new(clock),
            watches: Mutex::default(),
            contents: Fetches::default(),
            sources: Fetches::default(),
            outcomes: Fetches::default(),
            untamed: Fetches::default(),
            delays: Fetches::default(),
            logs: Fetches::default(),
            downloads_over: CancellationToken::new(),
            checks: Mutex::default(),
            obstacle: Mutex::default(),
            freed: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Has the run looked at again.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Watches the sandboxes that are not watched yet.
    pub fn watch(&self, client: &kube::Client, targets: &[Target]) {
        let mut watches = lock(&self.watches);
        watches.since.get_or_insert_with(|| self.clock.now());
        for target in targets {
            watches.of.entry(target.sandbox.clone()).or_insert_with(|| {
                (
                    target.source.clone(),
                    SandboxWatch::start(client, &target.sandbox, &self.wake),
                )
            });
        }
    }

    /// What came up in `expected` sandboxes; `None` until all their watches are complete.
    #[must_use]
    pub fn came(&self, expected: usize) -> Option<Came> {
        let watches = lock(&self.watches);
        if watches.of.len() < expected {
            return None;
        }
        let mut came = Came::default();
        for (source, watch) in watches.of.values() {
            let objects = watch.objects()?;
            let place = |moment| self.clock.place(moment);
            let workloads = assess(source, &objects).into_iter();
            came.workloads.extend(workloads.map(|w| w.placed(place)));
            let pods = objects.pods.iter().map(|p| format!("Pod/{}", p.name_any()));
            came.pods.extend(pods.map(|pod| (source.clone(), pod)));
            let made = made_there(&objects).into_iter();
            came.made_there
                .extend(made.map(|object| (source.clone(), object)));
            came.moments = came
                .moments
                .and(Moments::of(&objects.pods, &objects.pulled).placed(place));
            let references = references::find(&objects).into_iter();
            came.references.extend(references.map(|r| (source.clone(), r)));
            let outside = outside::find(&objects).into_iter();
            came.outside.extend(outside.map(|o| (source.clone(), o)));
        }
        crash_loops::settle(&mut came.workloads);
        Some(came)
    }

    /// Since when the sandboxes are watched.
    #[must_use]
    pub fn watched_since(&self) -> Option<Timestamp> {
        lock(&self.watches).since
    }

    /// Ends the watches; a sandbox that is being removed needs none.
    pub fn stop_watching(&self) {
        lock(&self.watches).of.clear();
    }

    /// Ends what asks Velero for artifacts: when this returns, no `DownloadRequest` of this run is made any more, and what
    /// was made is taken back. To drop such a task would not do, for its request may be on the way.
    pub async fn end_downloads(&self) {
        self.downloads_over.cancel();
        tokio::join!(self.contents.ended(), self.outcomes.ended(), self.delays.ended());
    }

    /// Starts the checks that neither run nor have ended.
    pub fn start_checks(self: &Arc<Self>, client: &kube::Client, checks: &[Check], targets: &[Target]) {
        let mut state = lock(&self.checks);
        for check in checks {
            let known =
                state.running.contains_key(&check.name) || state.ended.iter().any(|o| o.name == check.name);
            if known {
                continue;
            }
            let memory = Arc::downgrade(self);
            let clock = self.clock.clone();
            let work = crate::checks::run(client.clone(), check.clone(), targets.to_vec(), move || {
                clock.now()
            });
            let task = tokio::spawn(async move {
                let outcome = work.await;
                if let Some(memory) = memory.upgrade() {
                    lock(&memory.checks).ended.push(outcome);
                    memory.wake();
                }
            });
            state
                .running
                .insert(check.name.clone(), AbortOnDropHandle::new(task));
        }
    }

    /// Checks that have ended.
    #[must_use]
    pub fn ended_checks(&self) -> Vec<Outcome> {
        lock(&self.checks).ended.clone()
    }

    /// Remembers what was freed of finalizers of other products.
    pub fn note_freed(&self, freed: Freed) {
        lock(&self.freed).insert(freed);
    }

    /// What was freed of finalizers of other products.
    #[must_use]
    pub fn freed(&self) -> BTreeSet<Freed> {
        lock(&self.freed).clone()
    }

    /// Remembers who refused a removal, until it is done.
    pub fn note_removal(&self, removal: Removal) {
        let mut refused = lock(&self.refused);
        match removal.refused {
            Some(why) => refused.insert(removal.object, why),
            None => refused.remove(&removal.object),
        };
    }

    /// Objects whose removal was refused when it was tried last, and in whose words.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, String> {
        lock(&self.refused).clone()
    }

    /// Remembers what the cluster refused for good.
    pub fn set_obstacle(&self, obstacle: Obstacle) {
        *lock(&self.obstacle) = Some(obstacle);
    }

    /// What the cluster refused for good.
    #[must_use]
    pub fn obstacle(&self) -> Option<Obstacle> {
        lock(&self.obstacle).clone()
    }
}

/// Fetches under way or done, by backup source.
pub struct Fetches<T>(Mutex<HashMap<usize, Slot<T>>>);

enum Slot<T> {
    Running(AbortOnDropHandle<()>),
    Done(Fetched<T>),
}

impl<T> Default for Fetches<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Fetches<T> {
    /// What has been fetched for a source.
    #[must_use]
    pub fn get(&self, source: usize) -> Fetched<T> {
        match lock(&self.0).get(&source) {
            Some(Slot::Done(Fetched::Here(value))) => Fetched::Here(value.clone()),
            Some(Slot::Done(Fetched::Unavailable(reason))) => Fetched::Unavailable(reason.clone()),
            _ => Fetched::Pending,
        }
    }

    /// Ends what is under way, and forgets the rest.
    pub fn forget(&self) {
        lock(&self.0).clear();
    }

    /// Waits for what is under way. What comes of it is dropped.
    async fn ended(&self) {
        let is_running = |_: &usize, slot: &mut Slot<T>| matches!(slot, Slot::Running(_));
        let running: Vec<_> = lock(&self.0).extract_if(is_running).collect();
        for (_, slot) in running {
            if let Slot::Running(task) = slot {
                // One that panicked has ended, too.
                let _ = task.await;
            }
        }
    }

    /// What nobody waits for any more is dropped.
    fn set(&self, source: usize, fetched: Fetched<T>) {
        if let Some(slot) = lock(&self.0).get_mut(&source) {
            *slot = Slot::Done(fetched);
        }
    }
}

impl<T: Send + Sync + 'static> Fetches<T> {
    /// Starts a fetch unless one is under way or done; `field` finds these fetches in the run's memory.
    pub fn start<E: std::fmt::Display>(
        memory: &Arc<RunMemory>,
        field: fn(&RunMemory) -> &Self,
        source: usize,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) {
        let mut slots = lock(&field(memory).0);
        slots.entry(source).or_insert_with(|| {
            let weak = Arc::downgrade(memory);
            let task = tokio::spawn(async move {
                let fetched = match work.await {
                    Ok(value) => Fetched::Here(Arc::new(value)),
                    Err(error) => Fetched::Unavailable(error.to_string()),
                };
                if let Some(memory) = weak.upgrade() {
                    field(&memory).set(source, fetched);
                    memory.wake();
                }
            });
            Slot::Running(AbortOnDropHandle::new(task))
        });
    }
}

/// A poisoned lock still holds good data: every holder leaves it whole at each step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use axum::{Json, extract::Path, routing};
    use serde_json::{Value, json};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::velero::{artifacts::Downloader, location::Access};

    /// An API server that takes its time to make what it is asked for.
    struct Slow {
        asked: Semaphore,
        may_make: Semaphore,
        made: Mutex<Vec<String>>,
        there: Mutex<HashSet<String>>,
    }

    impl Slow {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                asked: Semaphore::new(0),
                may_make: Semaphore::new(0),
                made: Mutex::default(),
                there: Mutex::default(),
            })
        }

        async fn make(&self, object: Value) -> Json<Value> {
            self.asked.add_permits(1);
            self.may_make.acquire().await.unwrap().forget();
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            lock(&self.made).push(name.clone());
            lock(&self.there).insert(name);
            Json(object)
        }

        fn client(self: &Arc<Self>) -> kube::Client {
            const ALL: &str = "/apis/velero.io/v1/namespaces/velero/downloadrequests";
            let (makes, removes) = (self.clone(), self.clone());
            let make = move |Json(object): Json<Value>| async move { makes.make(object).await };
            let remove = move |Path(name): Path<String>| async move {
                let was_there = lock(&removes.there).remove(&name);
                let (code, status) = if was_there {
                    (200, "Success")
                } else {
                    (404, "Failure")
                };
                let said = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": status,
                    "reason": if was_there { "" } else { "NotFound" }, "message": "", "code": code });
                (axum::http::StatusCode::from_u16(code).unwrap(), Json(said))
            };
            // It never tells of an address.
            let watch = || std::future::pending::<Json<Value>>();
            let router = axum::Router::new()
                .route(ALL, routing::post(make).get(watch))
                .route(&format!("{ALL}/{{name}}"), routing::delete(remove));
            kube::Client::new(router, "default")
        }

        fn fetches(self: &Arc<Self>, memory: &Arc<RunMemory>) {
            let access = Access {
                http: reqwest::Client::new(),
                trouble: None,
            };
            let over = memory.downloads_over.clone();
            let (labels, prefix) = (BTreeMap::new(), "d".to_owned());
            let downloader = Downloader::new(self.client(), access, "velero", labels, prefix, over);
            let work = async move { downloader.contents("nightly").await };
            Fetches::start(memory, |m| &m.contents, 0, work);
        }
    }

    fn memory() -> Arc<RunMemory> {
        let clock = RunClock::start(Timestamp::now(), None);
        Arc::new(RunMemory::new(Arc::new(|| {}), clock))
    }

    #[tokio::test]
    async fn what_is_asked_of_velero_when_downloads_end_is_taken_back() {
        let (server, memory) = (Slow::new(), memory());
        server.fetches(&memory);
        server.asked.acquire_many(2).await.unwrap().forget();
        let make = async { server.may_make.add_permits(2) };
        tokio::join!(memory.end_downloads(), make);
        assert_eq!(lock(&server.made).len(), 2, "both were on their way");
        assert_eq!(*lock(&server.there), HashSet::new(), "and neither stays");
        assert!(matches!(memory.contents.get(0), Fetched::Pending));
    }

    #[tokio::test]
    async fn nothing_more_is_asked_of_velero_once_downloads_have_ended() {
        let (server, memory) = (Slow::new(), memory());
        memory.end_downloads().await;
        server.may_make.add_permits(2);
        server.fetches(&memory);
        memory.contents.ended().await;
        assert_eq!(*lock(&server.made), Vec::<String>::new());
    }
}
