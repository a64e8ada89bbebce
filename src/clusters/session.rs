//! A cluster while it is reached: its tests and reports as they change.

mod listing;
#[cfg(test)]
mod tests;

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use kymaros_crds::{RestoreReport, RestoreTest};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

pub(super) use self::listing::STALLED;
use self::listing::{Listing, Sign};
use super::{
    kept::{Change, Kept},
    lost::Lost,
};
use crate::{
    fleet::{ClusterName, Contact, LiveRun, PackedReports, Reached, Remote, RunChange, RunLog, RunName},
    watches::readable,
};

/// How often a cluster is asked whether it still answers: a watch on which nothing comes says nothing about that.
const ASK: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Objects that are listed at once.
const PAGE: u32 = 100;
/// Most tests and reports of a cluster that are kept.
const MOST_TESTS: usize = 2_000;
const MOST_REPORTS: usize = 10_000;

/// What is known of a cluster, and who is told of changes.
pub(super) struct Known {
    cluster: ClusterName,
    tests: Kept,
    reports: Kept,
    stored: Stored,
    runs: RunLog,
    contact: watch::Sender<Contact>,
}

impl Known {
    /// Of a cluster of which nothing is known yet, and where people look it up.
    pub(super) fn new(cluster: ClusterName, runs: RunLog) -> (Self, Remote) {
        let (tests, writer) = reflector::store();
        let stored = Stored {
            tests: tests.clone(),
            writer,
            reports: PackedReports::default(),
        };
        let (contact, looked_at) = watch::channel(Contact::new());
        let remote = Remote {
            name: cluster.clone(),
            tests,
            reports: stored.reports.clone(),
            contact: looked_at,
        };
        let known = Self {
            cluster,
            tests: Kept::new(MOST_TESTS),
            reports: Kept::new(MOST_REPORTS),
            stored,
            runs,
            contact,
        };
        (known, remote)
    }

    /// Nothing new is heard of it. Each reason is logged once, however often the cluster is asked meanwhile.
    pub(super) fn lost(&self, lost: &Lost) {
        let said = lost.to_string();
        let is_known = matches!(&self.contact.borrow().reached, Reached::Away { why, .. } if *why == said);
        if !is_known {
            tracing::warn!(cluster = %self.cluster, why = said, "another cluster is away");
        }
        self.contact
            .send_modify(|contact| contact.lost(Timestamp::now(), said));
        self.runs.tell(RunChange::All);
    }

    /// Both lists have come, and are followed since.
    pub(super) fn is_whole(&self) -> bool {
        self.tests.is_whole() && self.reports.is_whole()
    }

    fn was_heard(&self) -> bool {
        self.contact.borrow().known.is_some()
    }

    fn heard(&self) {
        if matches!(self.contact.borrow().reached, Reached::Away { .. }) {
            tracing::info!(cluster = %self.cluster, "another cluster is back");
        }
        let is_cut = self.tests.is_cut() || self.reports.is_cut();
        self.contact.send_modify(|contact| {
            contact.heard(Timestamp::now());
            contact.is_cut = is_cut;
        });
    }

    fn interrupted(&mut self) {
        self.tests.interrupted();
        self.reports.interrupted();
    }

    fn test(&mut self, event: Event<RestoreTest>) {
        let is_list = matches!(event, Event::InitDone);
        let stored = &mut self.stored;
        self.tests.take(event, |change| stored.test(&change));
        if is_list && self.is_whole() {
            self.listed();
        }
    }

    fn report(&mut self, event: Event<RestoreReport>) {
        let is_list = matches!(event, Event::InitDone);
        let (runs, cluster, stored) = (&self.runs, &self.cluster, &self.stored);
        self.reports.take(event, |change| {
            stored.report(&change);
            record(runs, cluster, &change);
            if !is_list && runs.is_heard() {
                runs.tell(told(cluster, &change));
            }
        });
        if is_list && self.is_whole() {
            self.listed();
        }
    }

    fn listed(&self) {
        self.heard();
        self.runs.tell(RunChange::All);
    }

    /// Nothing of it is kept.
    pub(super) fn forget(mut self) {
        let (runs, cluster, mut stored) = (self.runs, self.cluster, self.stored);
        self.tests.clear(|change| stored.test(&change));
        self.reports.clear(|change| {
            stored.report(&change);
            record(&runs, &cluster, &change);
        });
        runs.tell(RunChange::All);
    }
}

/// Where people look it up.
struct Stored {
    tests: Store<RestoreTest>,
    writer: Writer<RestoreTest>,
    reports: PackedReports,
}

impl Stored {
    fn test(&mut self, change: &Change<'_, RestoreTest>) {
        match change {
            Change::Put(test) => self
                .writer
                .apply_watcher_event(&Event::Apply(RestoreTest::clone(test))),
            Change::Gone { namespace, name } => {
                if let Some(test) = self.tests.get(&ObjectRef::new(name).within(namespace)) {
                    self.writer
                        .apply_watcher_event(&Event::Delete(RestoreTest::clone(&test)));
                }
            }
        }
    }

    fn report(&self, change: &Change<'_, RestoreReport>) {
        match change {
            Change::Put(report) => {
                if let Err(error) = self.reports.put(report) {
                    tracing::error!(%error, "a report of another cluster cannot be kept");
                }
            }
            Change::Gone { namespace, name } => self.reports.forget(namespace, name),
        }
    }
}

fn record(runs: &RunLog, cluster: &ClusterName, change: &Change<'_, RestoreReport>) {
    match change {
        Change::Put(report) => runs.put_of(cluster, report),
        Change::Gone { namespace, name } => runs.forget_of(&run_name(cluster, namespace, name)),
    }
}

fn told(cluster: &ClusterName, change: &Change<'_, RestoreReport>) -> RunChange {
    match change {
        Change::Put(report) => RunChange::Changed(LiveRun::of(report, Some(cluster)).into()),
        Change::Gone { namespace, name } => RunChange::Gone(run_name(cluster, namespace, name)),
    }
}

fn run_name(cluster: &ClusterName, namespace: &str, name: &str) -> RunName {
    RunName {
        name: name.into(),
        namespace: namespace.into(),
        cluster: Some(cluster.clone()),
    }
}

/// Follows a cluster until it is lost.
pub(super) async fn follow(client: &Client, known: &mut Known) -> Lost {
    known.interrupted();
    let mut tests = pin!(events::<RestoreTest>(client, trim_test));
    let mut reports = pin!(events::<RestoreReport>(client, trim_report));
    let mut answers = pin!(stream::unfold((), |()| async {
        tokio::time::sleep(ASK).await;
        Some((ask(client).await, ()))
    }));
    let mut listing = Listing::begun(Instant::now());
    loop {
        tokio::select! {
            Some(event) = tests.next() => match event {
                Ok(event) => {
                    listing.saw(&event, Instant::now());
                    known.test(event);
                }
                Err(lost) => return lost,
            },
            Some(event) = reports.next() => match event {
                Ok(event) => {
                    listing.saw(&event, Instant::now());
                    known.report(event);
                }
                Err(lost) => return lost,
            },
            Some(answer) = answers.next() => match answer {
                Ok(()) => match listing.sign(known.is_whole(), Instant::now()) {
                    Sign::Current => known.heard(),
                    Sign::Slow if known.was_heard() => known.lost(&Lost::Slow),
                    Sign::Coming | Sign::Slow => {}
                    Sign::Stalled => return Lost::Stalled,
                },
                Err(lost) => return lost,
            },
            else => return Lost::Silent,
        }
        // A long list must not hold up whoever asks for a page.
        tokio::task::yield_now().await;
    }
}

/// Asks a cluster for very little.
pub(super) async fn ask(client: &Client) -> Result<(), Lost> {
    let tests = Api::<RestoreTest>::all(client.clone());
    let one = ListParams::default().limit(1);
    match timeout(PATIENCE, tests.list_metadata(&one)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err((&error).into()),
        Err(_) => Err(Lost::Silent),
    }
}

/// Objects of a kind as they change, without those that cannot be read.
fn events<K>(client: &Client, trim: fn(&mut K)) -> impl Stream<Item = Result<Event<K>, Lost>> + Send + use<K>
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let config = watcher::Config::default().page_size(PAGE);
    let all = watcher(Api::<DeserializeGuard<K>>::all(client.clone()), config);
    all.filter_map(move |event| {
        let event = match event {
            Ok(event) => readable(event, &unread::<K>).map(|event| Ok(event.modify(trim))),
            Err(error) => Some(Err(Lost::from(&error))),
        };
        std::future::ready(event)
    })
}

fn unread<K: kube::Resource<DynamicType = ()>>(invalid: InvalidObject) {
    let (name, namespace) = (invalid.metadata.name, invalid.metadata.namespace);
    tracing::warn!(kind = %K::kind(&()), name, namespace, error = invalid.error, "an object of another cluster cannot be read");
}

fn trim_test(test: &mut RestoreTest) {
    test.managed_fields_mut().clear();
}

/// Logs and events may hold what must not leave their cluster.
fn trim_report(report: &mut RestoreReport) {
    report.managed_fields_mut().clear();
    if let Some(status) = &mut report.status {
        status.pod_logs = Vec::new();
        status.events = Vec::new();
    }
}
