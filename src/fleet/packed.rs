//! Whole reports of another cluster, packed: a hub keeps those of many clusters, and looks at few of them.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use kube::ResourceExt;
use kymaros_crds::RestoreReport;

use crate::stored::{Packer, unpacked};

/// Packed reports by namespace and name. Cheap to clone.
#[derive(Clone, Default)]
pub struct PackedReports {
    all: Arc<RwLock<Packed>>,
    packer: Arc<Mutex<Packer>>,
}

/// By namespace and name.
type Packed = HashMap<(String, String), Arc<[u8]>>;

impl PackedReports {
    /// Takes a report.
    ///
    /// # Errors
    /// It cannot be packed, and what it was before is forgotten.
    pub fn put(&self, report: &RestoreReport) -> io::Result<()> {
        let packed = self
            .packer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pack(report);
        let key = (report.namespace().unwrap_or_default(), report.name_any());
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&key);
        all.insert(key, packed?);
        Ok(())
    }

    /// Forgets a report.
    pub fn forget(&self, namespace: &str, name: &str) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// A report.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<RestoreReport>> {
        let key = (namespace.to_owned(), name.to_owned());
        let packed = {
            let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
            all.get(&key)?.clone()
        };
        unpacked(&packed).ok().map(Arc::new)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::report;

    #[test]
    fn a_report_comes_back_as_it_was() {
        let all = PackedReports::default();
        let (one, other) = (
            report("ops", "shop", 1, "fail", Some(40)),
            report("dev", "shop", 1, "", None),
        );
        all.put(&one).unwrap();
        all.put(&other).unwrap();
        let json = |report: &RestoreReport| serde_json::to_value(report).unwrap();
        assert_eq!(json(&all.get("ops", "shop-1").unwrap()), json(&one));
        assert_eq!(json(&all.get("dev", "shop-1").unwrap()), json(&other));
        all.forget("ops", "shop-1");
        assert!(all.get("ops", "shop-1").is_none() && all.len() == 1 && !all.is_empty());
    }
}
