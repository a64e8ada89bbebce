//! What this process holds for each run that goes on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use super::memory::{RunMemory, lock};

/// The memories of all runs that go on.
#[derive(Default)]
pub struct Memories(Mutex<HashMap<String, (i32, Arc<RunMemory>)>>);

impl Memories {
    /// The memory of a run; made when there is none. What was seen in one try says nothing about the next. Those of runs
    /// that do not go on any more, whose reports somebody deleted by force, are forgotten then.
    #[must_use]
    pub fn of(
        &self,
        uid: &str,
        attempt: i32,
        unfinished: impl FnOnce() -> HashSet<String>,
        new: impl FnOnce() -> RunMemory,
    ) -> Arc<RunMemory> {
        let mut memories = lock(&self.0);
        match memories.get(uid) {
            Some((of, memory)) if *of == attempt => memory.clone(),
            _ => {
                let unfinished = unfinished();
                memories.retain(|uid, _| unfinished.contains(uid));
                let memory = Arc::new(new());
                memories.insert(uid.to_owned(), (attempt, memory.clone()));
                memory
            }
        }
    }

    /// Forgets a run; its watches, fetches and checks end.
    pub fn forget(&self, uid: &str) {
        lock(&self.0).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::run::clock::RunClock;

    fn memory() -> RunMemory {
        RunMemory::new(Arc::new(|| {}), RunClock::start(Timestamp::MIN, None))
    }

    #[test]
    fn a_run_keeps_its_memory_for_one_try() {
        let memories = Memories::default();
        let of = |attempt| memories.of("a", attempt, || HashSet::from(["a".to_owned()]), memory);
        let first = of(1);
        assert!(Arc::ptr_eq(&first, &of(1)));
        assert!(!Arc::ptr_eq(&first, &of(2)));
    }

    #[test]
    fn what_is_held_for_a_run_whose_report_is_gone_is_let_go() {
        let memories = Memories::default();
        let of = |uid: &str, unfinished: &[&str]| {
            let unfinished = unfinished.iter().map(|uid| (*uid).to_owned()).collect();
            Arc::downgrade(&memories.of(uid, 1, || unfinished, memory))
        };
        let (gone, goes_on) = (of("gone", &["gone"]), of("goes-on", &["gone", "goes-on"]));
        assert!(gone.upgrade().is_some());
        let newest = of("newest", &["goes-on", "newest"]);
        assert!(gone.upgrade().is_none());
        assert!(goes_on.upgrade().is_some() && newest.upgrade().is_some());
    }
}
