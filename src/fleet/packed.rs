//! Whole reports of another cluster, packed: a hub keeps those of many clusters, and looks at few of them.

use std::{
    collections::HashMap,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use flate2::{Compress, Compression, FlushCompress, Status, read::ZlibDecoder};
use kube::ResourceExt;
use kymaros_crds::RestoreReport;

/// Largest report that is unpacked, bytes: the API server takes none that is larger.
const MOST: u64 = 4 << 20;

/// Packed reports by namespace and name. Cheap to clone.
#[derive(Clone)]
pub struct PackedReports {
    all: Arc<RwLock<Packed>>,
    /// Made once: it is much larger than what it packs.
    packer: Arc<Mutex<Compress>>,
}

/// By namespace and name.
type Packed = HashMap<(String, String), Arc<[u8]>>;

impl Default for PackedReports {
    fn default() -> Self {
        Self {
            all: Arc::default(),
            packer: Arc::new(Mutex::new(Compress::new(Compression::fast(), true))),
        }
    }
}

impl PackedReports {
    /// Takes a report.
    ///
    /// # Errors
    /// It cannot be packed.
    pub fn put(&self, report: &RestoreReport) -> io::Result<()> {
        let packed = self.packed(&serde_json::to_vec(report)?)?;
        let key = (report.namespace().unwrap_or_default(), report.name_any());
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(key, packed);
        Ok(())
    }

    fn packed(&self, text: &[u8]) -> io::Result<Arc<[u8]>> {
        let mut packer = self.packer.lock().unwrap_or_else(PoisonError::into_inner);
        packer.reset();
        // What does not get smaller gets a little larger.
        let mut made = Vec::with_capacity(text.len() + text.len() / 8 + 128);
        match packer.compress_vec(text, &mut made, FlushCompress::Finish)? {
            Status::StreamEnd => Ok(made.into()),
            Status::Ok | Status::BufError => Err(io::Error::other("it does not fit")),
        }
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
        let mut text = Vec::new();
        let mut whole = ZlibDecoder::new(packed.as_ref()).take(MOST);
        whole.read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok().map(Arc::new)
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
