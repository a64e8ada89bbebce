//! Reports as a process keeps them: those of runs that go on whole, all others packed, beside the facts that they are found by.
//! There are thousands of the latter, and somebody looks at one of them now and then.

mod packer;

pub use packer::{Packer, unpacked};

use std::{borrow::Cow, fmt, sync::Arc};

use kube::{
    Resource, ResourceExt,
    api::ObjectMeta,
    runtime::{
        reflector::{self, Store, store::Writer},
        watcher::Event,
    },
};
use kymaros_crds::{RestoreReport, RunPhase};
use serde::Deserialize;

use crate::run::{observe, remains};

/// A report as it is kept. Cheap to clone.
#[derive(Clone, Deserialize)]
#[serde(from = "RestoreReport")]
pub struct StoredReport {
    /// Its name and its namespace, and nothing else.
    metadata: ObjectMeta,
    /// Its UID.
    pub uid: Arc<str>,
    /// Name of its test.
    pub test: Arc<str>,
    /// Where its run stands.
    pub phase: RunPhase,
    /// UIDs of those it belongs to.
    owners: Arc<[String]>,
    is_settled: bool,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Whole(Arc<RestoreReport>),
    Packed(Arc<[u8]>),
}

impl StoredReport {
    /// A report as it is kept. One that cannot be packed is kept whole.
    #[must_use]
    pub fn of(report: &RestoreReport, packer: &mut Packer) -> Self {
        let is_settled = remains::is_settled(report);
        let body = match is_settled.then(|| packer.pack(report)) {
            Some(Ok(bytes)) => Body::Packed(bytes),
            Some(Err(error)) => {
                tracing::warn!(%error, report = report.name_any(), "a report takes more memory, for it cannot be packed");
                Body::Whole(Arc::new(report.clone()))
            }
            None => Body::Whole(Arc::new(report.clone())),
        };
        Self {
            metadata: ObjectMeta {
                name: report.metadata.name.clone(),
                namespace: report.metadata.namespace.clone(),
                ..ObjectMeta::default()
            },
            uid: report.metadata.uid.as_deref().unwrap_or_default().into(),
            test: report.spec.test_ref.as_str().into(),
            phase: observe::phase(report),
            owners: report
                .owner_references()
                .iter()
                .map(|owner| owner.uid.clone())
                .collect(),
            is_settled,
            body,
        }
    }

    /// The report.
    #[must_use]
    pub fn whole(&self) -> Option<Arc<RestoreReport>> {
        let packed = match &self.body {
            Body::Whole(report) => return Some(report.clone()),
            Body::Packed(packed) => packed,
        };
        let report = unpacked(packed);
        if let Err(error) = &report {
            tracing::error!(%error, report = self.name_any(), "a report in memory cannot be read");
        }
        report.ok().map(Arc::new)
    }

    /// Whether its run has ended and nothing of it is looked at any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether it belongs to the test of this UID: a test made anew under an old name starts afresh.
    #[must_use]
    pub fn is_of(&self, test: &str) -> bool {
        self.owners.iter().any(|owner| owner == test)
    }
}

/// Controllers ask that what they drive can be read.
impl From<RestoreReport> for StoredReport {
    fn from(report: RestoreReport) -> Self {
        Self::of(&report, &mut Packer::default())
    }
}

impl fmt::Debug for StoredReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredReport")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl Resource for StoredReport {
    type DynamicType = ();
    type Scope = <RestoreReport as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        RestoreReport::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        RestoreReport::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        RestoreReport::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        RestoreReport::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Fills a store with reports.
pub struct Keeper {
    writer: Writer<StoredReport>,
    packer: Packer,
}

/// A store of reports, and what fills it.
#[must_use]
pub fn store() -> (Store<StoredReport>, Keeper) {
    let (store, writer) = reflector::store();
    let packer = Packer::default();
    (store, Keeper { writer, packer })
}

impl Keeper {
    /// Takes an event of the watch, and hands it on as it is kept.
    pub fn take(&mut self, event: &Event<RestoreReport>) -> Event<StoredReport> {
        let packer = &mut self.packer;
        let kept = match event {
            Event::Init => Event::Init,
            Event::InitApply(report) => Event::InitApply(StoredReport::of(report, packer)),
            Event::InitDone => Event::InitDone,
            Event::Apply(report) => Event::Apply(StoredReport::of(report, packer)),
            Event::Delete(report) => Event::Delete(StoredReport::of(report, packer)),
        };
        self.writer.apply_watcher_event(&kept);
        kept
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::ObjectRef;
    use kymaros_crds::names;

    use super::*;
    use crate::fleet::sample::report;

    fn json(report: &RestoreReport) -> serde_json::Value {
        serde_json::to_value(report).unwrap()
    }

    fn is_packed(report: &RestoreReport) -> bool {
        let stored = StoredReport::of(report, &mut Packer::default());
        assert_eq!(json(&stored.whole().unwrap()), json(report));
        matches!(stored.body, Body::Packed(_))
    }

    #[test]
    fn a_report_is_packed_once_its_run_is_over_and_comes_back_as_it_was() {
        let mut over = report("ops", "shop", 1, "fail", Some(40));
        assert!(is_packed(&over));
        over.finalizers_mut().push(names::FINALIZER.to_owned());
        assert!(!is_packed(&over), "there is something to clean up");
        assert!(!is_packed(&report("ops", "shop", 1, "", None)));
    }

    #[test]
    fn a_store_has_what_the_watch_saw_last() {
        let (store, mut keeper) = store();
        let shop = ObjectRef::new("shop-1").within("ops");
        let of_shop = || store.get(&shop)?.whole()?.status.as_ref()?.score;
        keeper.take(&Event::Apply(report("ops", "shop", 1, "fail", Some(40))));
        assert_eq!(of_shop(), Some(40));
        keeper.take(&Event::Apply(report("ops", "shop", 1, "pass", Some(95))));
        assert_eq!(of_shop(), Some(95), "an old verdict is not shown");
        keeper.take(&Event::Init);
        keeper.take(&Event::InitApply(report("ops", "shop", 1, "pass", Some(90))));
        assert_eq!(of_shop(), Some(95), "until the new list is whole");
        keeper.take(&Event::InitDone);
        assert_eq!(of_shop(), Some(90));
        keeper.take(&Event::Delete(report("ops", "shop", 1, "pass", Some(95))));
        assert_eq!((of_shop(), store.len()), (None, 0));
    }

    #[test]
    fn a_report_is_of_the_test_that_owns_it() {
        let mut owned = report("ops", "shop", 1, "pass", Some(95));
        owned.metadata.owner_references = serde_json::from_value(serde_json::json!([
            { "apiVersion": "v1", "kind": "RestoreTest", "name": "shop", "uid": "old" }]))
        .unwrap();
        let stored = StoredReport::of(&owned, &mut Packer::default());
        assert!(stored.is_of("old") && !stored.is_of("new") && stored.is_settled());
        assert_eq!((&*stored.uid, &*stored.test), ("ops-shop-1", "shop"));
    }
}
