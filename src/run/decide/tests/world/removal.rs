//! How the sandboxes of the world go, and what may stand in their way.

use super::*;

/// Of another product.
const FINALIZER: &str = "example.com/cloud";
/// The words of somebody who refuses something for a time.
const DENIED: &str = "admission webhook \"keep.example.com\" denied the request";

/// What stands in the way of sandboxes that are to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Hindrance {
    /// So many seconds pass until everything in one is gone.
    pub takes: u16,
    /// Another product holds the namespace of each.
    pub held: Option<Held>,
    /// Another product holds an object in each.
    pub guarded: bool,
    /// Somebody refuses that something of this kind goes, for so many seconds after it was asked for first.
    pub refused: Option<(&'static str, u16)>,
}

/// How long another product holds a namespace that is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Held {
    /// It tidies up, and lets it go after so many seconds.
    For(u16),
    /// Until somebody takes its finalizer off.
    Still,
}

/// A sandbox.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Sandbox {
    /// When it was asked to go.
    pub(super) asked: Option<Timestamp>,
    /// The finalizer of its namespace was taken off.
    let_go: bool,
    /// That of an object in it was taken off.
    unguarded: bool,
}

impl World {
    /// Somebody deletes the sandboxes.
    pub(in super::super) fn delete_sandboxes(&mut self) {
        self.were_deleted = true;
        for sandbox in self.sandboxes.values_mut() {
            sandbox.asked.get_or_insert(self.now);
        }
    }

    /// A finalizer was taken off, and this process knows it.
    fn note_freed(&mut self, freed: Freed) {
        self.taken_off.insert(freed.clone());
        self.memory.freed.insert(freed);
    }

    /// How many findings name what was freed.
    pub(in super::super) fn named(&self, freed: &Freed) -> usize {
        let text = freed.to_string();
        let names = |f: &&Finding| f.reason == "FinalizerRemoved" && f.message.contains(&text);
        self.status.findings.iter().filter(names).count()
    }

    /// Sandboxes that nothing holds any more are gone.
    pub(super) fn let_sandboxes_go(&mut self) {
        if self.sandboxes_stay {
            return;
        }
        let takes = seconds(self.script.hindrance.takes);
        let is_empty = |sandbox: &Sandbox| sandbox.asked.is_some_and(|asked| self.now >= asked + takes);
        let gone = self.sandboxes.iter();
        let gone = gone.filter(|(_, sandbox)| is_empty(sandbox) && !self.is_held(sandbox));
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.sandboxes.remove(&name);
        }
    }

    /// Objects are freed before anything else is asked for.
    pub(super) fn unguard(&mut self, name: &str) {
        let is_guarded = self.script.hindrance.guarded;
        let sandbox = self.sandboxes.get_mut(name);
        if let Some(sandbox) = sandbox.filter(|sandbox| is_guarded && !sandbox.unguarded) {
            sandbox.unguarded = true;
            self.note_freed(Freed::Object {
                kind: "ConfigMap".into(),
                name: "page".into(),
                finalizer: FINALIZER.into(),
            });
        }
    }

    pub(super) fn remove_sandbox(&mut self, name: &str) {
        self.unguard(name);
        if !self.sandboxes.contains_key(name) || self.is_refused("Namespace", "Namespace", name) {
            return;
        }
        if let Some(sandbox) = self.sandboxes.get_mut(name) {
            sandbox.asked.get_or_insert(self.now);
        }
    }

    /// Takes the finalizer off the namespace of a sandbox.
    pub(super) fn release_sandbox(&mut self, name: &str) {
        let is_held = self.sandboxes.get(name).is_some_and(|s| self.is_held(s));
        if self.is_refused("finalizers", "Namespace", name) || !is_held {
            return;
        }
        if let Some(sandbox) = self.sandboxes.get_mut(name) {
            sandbox.let_go = true;
        }
        self.note_freed(Freed::Namespace {
            name: name.to_owned(),
            finalizers: vec![FINALIZER.to_owned()],
        });
    }

    pub(super) fn remove_outside(&mut self, left: &Leftovers) {
        for restore in &left.restores {
            if !self.is_refused("Restore", "Restore", &restore.name) {
                self.restores_before += u8::from(self.restore.take().is_some());
            }
        }
        self.snapshots.retain(|content| !content.is_retained);
    }

    pub(super) fn leftovers(&self) -> Leftovers {
        let sandboxes = self.sandboxes.iter();
        Leftovers {
            namespaces: sandboxes.map(|(n, s)| (n.clone(), s.asked.is_some())).collect(),
            held: self.held(),
            restores: self
                .restore
                .iter()
                .map(|restore| LeftRestore {
                    name: "kymaros-1".to_owned(),
                    is_going: false,
                    is_under_way: restore.phase.is_under_way(),
                    version: None,
                })
                .collect(),
            snapshots: self.snapshots.clone(),
            ..Leftovers::default()
        }
    }

    fn held(&self) -> Vec<HeldSandbox> {
        let held = self.sandboxes.iter().filter(|(_, s)| self.is_held(s));
        held.filter_map(|(name, sandbox)| {
            Some(HeldSandbox {
                name: name.clone(),
                since: self.place_past(self.written(sandbox.asked?)),
            })
        })
        .collect()
    }

    /// Whether another product holds the namespace of a sandbox that is going.
    fn is_held(&self, sandbox: &Sandbox) -> bool {
        let holds = |asked: Timestamp| match self.script.hindrance.held {
            None => false,
            Some(Held::For(lapse)) => self.now < asked + seconds(lapse),
            Some(Held::Still) => !sandbox.let_go,
        };
        sandbox.asked.is_some_and(holds)
    }

    /// Whether somebody refuses what is asked for of an object. Their words are remembered as long as they do.
    fn is_refused(&mut self, what: &str, kind: &str, name: &str) -> bool {
        let object = format!("{kind}/{name}");
        if let Some(why) = self.refusal(what) {
            self.memory.refused.insert(object, why.to_owned());
            return true;
        }
        self.memory.refused.remove(&object);
        false
    }

    fn refusal(&mut self, what: &str) -> Option<&'static str> {
        if let Some((_, why)) = self.refuses.filter(|(refused, _)| *refused == what) {
            return Some(why);
        }
        let refused = self.script.hindrance.refused;
        let (_, lapse) = refused.filter(|(refused, _)| *refused == what)?;
        let since = *self.refused_since.get_or_insert(self.now);
        (self.now < since + seconds(lapse)).then_some(DENIED)
    }
}
