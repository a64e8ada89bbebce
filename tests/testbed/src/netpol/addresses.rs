//! The addresses of pods, as the CNI plugin left them on disk.
//!
//! The API tells a pod's address after its first container has run for a while, too late to isolate it from its
//! first instant. The container runtime keeps the results of its CNI plugins in a folder, one file for each
//! sandbox, written before any container starts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use serde::Deserialize;

use super::intervals::Intervals;

/// Addresses by the unique id of the pod.
pub type ByPod = BTreeMap<String, BTreeSet<Ipv4Addr>>;

/// The folder of results, and what was read of it before.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
    known: BTreeMap<OsString, Known>,
}

/// A file that was read.
#[derive(Debug)]
struct Known {
    modified: SystemTime,
    length: u64,
    /// None as long as the file is half written, or if it is not about a pod.
    found: Option<(String, BTreeSet<Ipv4Addr>)>,
}

/// What is in a file, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    result: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    ips: Vec<Ip>,
}

#[derive(Deserialize)]
struct Ip {
    address: String,
}

impl Results {
    /// The results in `folder`, which need not exist before the first pod does.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            known: BTreeMap::new(),
        }
    }

    /// Reads what is new, and returns all addresses within `range`.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn read(&mut self, range: &Intervals) -> io::Result<ByPod> {
        let listing = match fs::read_dir(&self.folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ByPod::new()),
            Err(error) => return Err(error),
        };
        let mut current = BTreeMap::new();
        for item in listing {
            let item = item?;
            // Files come and go while we look.
            let Ok(metadata) = item.metadata() else { continue };
            let name = item.file_name();
            let (modified, length) = (metadata.modified()?, metadata.len());
            let known = self.known.remove(&name);
            let known = known.filter(|known| known.modified == modified && known.length == length);
            let known = known.filter(|known| known.found.is_some());
            let known = known.unwrap_or_else(|| Known {
                modified,
                length,
                found: read_file(&item.path()),
            });
            current.insert(name, known);
        }
        self.known = current;

        let mut addresses = ByPod::new();
        for (pod, found) in self.known.values().filter_map(|known| known.found.as_ref()) {
            // The loopback device of every pod has a result of its own.
            let found = found
                .iter()
                .copied()
                .filter(|address| range.contains((*address).into()));
            addresses.entry(pod.clone()).or_default().extend(found);
        }
        addresses.retain(|_, found| !found.is_empty());
        Ok(addresses)
    }
}

fn read_file(path: &Path) -> Option<(String, BTreeSet<Ipv4Addr>)> {
    let file: File = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let (_, pod) = file
        .cni_args
        .into_iter()
        .find(|(name, _)| name == "K8S_POD_UID")?;
    let addresses = file
        .result
        .ips
        .iter()
        .filter_map(|ip| ip.address.split('/').next()?.parse().ok());
    Some((pod, addresses.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(pod: &str, address: &str) -> String {
        json!({
            "kind": "cniCacheV1",
            "containerId": "c",
            "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_UID", pod]],
            "result": { "cniVersion": "1.0.0", "ips": [{ "address": address, "gateway": "10.244.0.1" }] },
        })
        .to_string()
    }

    #[test]
    fn results_are_followed_as_they_come_and_go() {
        let folder = std::env::temp_dir().join(format!("kymaros-cni-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let range = Intervals::block("10.244.0.0/24").unwrap();
        let mut results = Results::new(&folder);
        assert!(
            results.read(&range).unwrap().is_empty(),
            "the folder does not exist yet"
        );

        fs::create_dir(&folder).unwrap();
        let whole = result("one", "10.244.0.2/24");
        fs::write(folder.join("pods-1-eth0"), &whole[..whole.len() / 2]).unwrap();
        fs::write(folder.join("loopback-1-lo"), result("one", "127.0.0.1/8")).unwrap();
        fs::write(folder.join("pods-0-eth0"), r#"{"result": {}}"#).unwrap();
        assert!(
            results.read(&range).unwrap().is_empty(),
            "the file is half written"
        );

        fs::write(folder.join("pods-1-eth0"), &whole).unwrap();
        fs::write(folder.join("pods-2-eth0"), result("two", "10.244.0.3/24")).unwrap();
        let found = results.read(&range).unwrap();
        assert_eq!(found["one"], ["10.244.0.2".parse().unwrap()].into());
        assert_eq!(found["two"], ["10.244.0.3".parse().unwrap()].into());
        assert_eq!(found.len(), 2);

        // The sandbox of a pod is replaced: for a moment it has two.
        fs::write(folder.join("pods-3-eth0"), result("one", "10.244.0.4/24")).unwrap();
        assert_eq!(results.read(&range).unwrap()["one"].len(), 2);
        fs::remove_file(folder.join("pods-1-eth0")).unwrap();
        assert_eq!(
            results.read(&range).unwrap()["one"],
            ["10.244.0.4".parse().unwrap()].into()
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
