//! As much of a cluster's objects as there is room for: the newest. However much a cluster holds, the memory it takes
//! here has a limit.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use kube::{ResourceExt, runtime::watcher::Event};

/// Namespace and name.
type Name = (Arc<str>, Arc<str>);

/// Which objects of one kind are kept. Where they are kept is told by [`Change`].
#[derive(Default)]
pub(super) struct Kept {
    most: usize,
    made: HashMap<Name, Timestamp>,
    by_age: BTreeSet<(Timestamp, Name)>,
    /// Those of them that a list that is coming in has brought.
    coming: HashSet<Name>,
    is_whole: bool,
    is_cut: bool,
    is_list_cut: bool,
}

/// What becomes of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'a, K> {
    /// It is new or has changed.
    Put(&'a K),
    /// It is not there any more, or not kept any more.
    Gone {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
}

fn name<K: ResourceExt>(object: &K) -> Name {
    let namespace = object.namespace().unwrap_or_default();
    (namespace.into(), object.name_any().into())
}

impl Kept {
    /// Room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// A whole list has come, and is followed since.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether some are left out.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Nothing is followed for now; what is known stays.
    pub(super) fn interrupted(&mut self) {
        self.is_whole = false;
    }

    /// Takes an event of a watch. Objects of a list are kept as they come, so that there is never a second whole list beside
    /// what is known.
    pub(super) fn take<K: ResourceExt>(&mut self, event: Event<K>, mut each: impl FnMut(Change<'_, K>)) {
        match event {
            Event::Init => {
                self.coming.clear();
                (self.is_whole, self.is_list_cut) = (false, false);
            }
            Event::InitApply(object) => {
                self.coming.insert(name(&object));
                self.put(&object, each);
            }
            Event::InitDone => {
                let coming = std::mem::take(&mut self.coming);
                let gone: Vec<Name> = self
                    .made
                    .keys()
                    .filter(|name| !coming.contains(*name))
                    .cloned()
                    .collect();
                for name in &gone {
                    self.forget(name, &mut each);
                }
                self.is_whole = true;
                self.is_cut = self.is_list_cut;
            }
            Event::Apply(object) => self.put(&object, each),
            Event::Delete(object) => self.forget(&name(&object), &mut each),
        }
    }

    fn put<K: ResourceExt>(&mut self, object: &K, mut each: impl FnMut(Change<'_, K>)) {
        let name = name(object);
        let made = object.creation_timestamp().map_or(Timestamp::MIN, |at| at.0);
        // One that was made anew under the same name is another.
        if let Some(before) = self.made.insert(name.clone(), made) {
            self.by_age.remove(&(before, name.clone()));
        }
        self.by_age.insert((made, name.clone()));
        let oldest = self.by_age.first().filter(|_| self.by_age.len() > self.most);
        let Some((_, oldest)) = oldest.cloned() else {
            return each(Change::Put(object));
        };
        (self.is_cut, self.is_list_cut) = (true, true);
        if oldest != name {
            each(Change::Put(object));
        }
        self.forget(&oldest, &mut each);
    }

    fn forget<K>(&mut self, name: &Name, each: &mut impl FnMut(Change<'_, K>)) {
        if let Some(made) = self.made.remove(name) {
            self.by_age.remove(&(made, name.clone()));
            self.coming.remove(name);
            let (namespace, name) = (&*name.0, &*name.1);
            each(Change::Gone { namespace, name });
        }
    }

    /// Forgets everything.
    pub(super) fn clear<K>(&mut self, mut each: impl FnMut(Change<'_, K>)) {
        let all: Vec<Name> = self.made.keys().cloned().collect();
        for name in &all {
            self.forget(name, &mut each);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kymaros_crds::RestoreReport;

    use super::*;
    use crate::fleet::sample::report;

    struct World {
        kept: Kept,
        stored: BTreeSet<String>,
        told: Vec<String>,
    }

    impl World {
        fn with_room_for(most: usize) -> Self {
            Self {
                kept: Kept::new(most),
                stored: BTreeSet::new(),
                told: Vec::new(),
            }
        }

        fn take(&mut self, event: Event<RestoreReport>) {
            let (told, stored) = (&mut self.told, &mut self.stored);
            self.kept.take(event, |change| match change {
                Change::Put(report) => {
                    stored.insert(report.name_any());
                    told.push(format!("+{}", report.name_any()));
                }
                Change::Gone { name, .. } => {
                    stored.remove(name);
                    told.push(format!("-{name}"));
                }
            });
        }

        fn list(&mut self, days: &[i64]) {
            self.take(Event::Init);
            for day in days {
                self.take(Event::InitApply(of(*day)));
            }
            self.take(Event::InitDone);
        }

        fn stored(&self) -> Vec<&str> {
            self.stored.iter().map(String::as_str).collect()
        }
    }

    fn of(day: i64) -> RestoreReport {
        report("ops", "shop", day, "pass", Some(95))
    }

    #[test]
    fn the_newest_are_kept_in_whatever_order_they_come() {
        let mut world = World::with_room_for(2);
        world.list(&[3, 1, 2]);
        assert_eq!(world.stored(), ["shop-2", "shop-3"]);
        assert!(world.kept.is_cut() && world.kept.is_whole());
        world.take(Event::Apply(of(4)));
        assert_eq!(world.stored(), ["shop-3", "shop-4"]);
        world.told.clear();
        world.take(Event::Apply(of(1)));
        assert_eq!(world.stored(), ["shop-3", "shop-4"]);
        assert_eq!(world.told, ["-shop-1"], "an old one that changes stays out");
        world.take(Event::Delete(of(3)));
        world.take(Event::Delete(of(1)));
        assert_eq!(world.stored(), ["shop-4"]);
        world.list(&[5]);
        assert!(!world.kept.is_cut());
        assert_eq!(world.stored(), ["shop-5"]);
    }

    #[test]
    fn a_list_takes_no_more_room_than_what_is_kept_of_it() {
        let mut world = World::with_room_for(2);
        world.take(Event::Init);
        for day in [4, 1, 2, 5, 3] {
            world.take(Event::InitApply(of(day)));
        }
        assert_eq!(world.kept.coming.len(), 2);
        world.take(Event::InitDone);
        assert_eq!(world.stored(), ["shop-4", "shop-5"]);
    }

    #[test]
    fn a_list_that_breaks_off_takes_nothing_away_and_the_next_one_tells_what_is_gone() {
        let mut world = World::with_room_for(9);
        world.list(&[1, 2]);
        world.take(Event::Init);
        assert!(!world.kept.is_whole(), "another list is coming");
        world.take(Event::InitApply(of(3)));
        world.kept.interrupted();
        assert_eq!((world.stored().len(), world.kept.is_whole()), (3, false));
        world.told.clear();
        world.list(&[2, 3]);
        assert_eq!(world.told, ["+shop-2", "+shop-3", "-shop-1"]);
        let mut gone = 0;
        world.kept.clear::<RestoreReport>(|change| {
            assert!(matches!(change, Change::Gone { .. }), "{change:?}");
            gone += 1;
        });
        assert_eq!(gone, 2);
    }

    #[test]
    fn one_that_is_made_anew_under_its_name_is_not_taken_for_the_old_one() {
        let mut world = World::with_room_for(2);
        world.list(&[1]);
        let mut anew = of(3);
        anew.metadata.name = Some("shop-1".into());
        world.list(&[]);
        world.take(Event::Apply(anew));
        world.take(Event::Apply(of(2)));
        world.take(Event::Apply(of(4)));
        assert_eq!(world.stored(), ["shop-1", "shop-4"], "it is younger than shop-2");
    }
}
