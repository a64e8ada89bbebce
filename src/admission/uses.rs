//! Which tests use which namespaces, fed by the watch over tests.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use kube::runtime::watcher::Event;
use kymaros_crds::RestoreTest;
use kymaros_webhooks::validate::{TestName, Usage, used};

/// Tests by the namespaces they restore and the sandbox names they ask for.
#[derive(Clone, Default)]
pub struct Uses(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    known: Index,
    /// The next full list while it comes in.
    coming: Index,
}

#[derive(Default)]
struct Index {
    sources: HashMap<String, BTreeSet<TestName>>,
    sandboxes: HashMap<String, BTreeSet<TestName>>,
    /// What each test uses, to take it out again.
    of_test: HashMap<TestName, Vec<(Usage, String)>>,
}

impl Uses {
    /// Takes an event of the watch.
    pub fn look(&self, event: &Event<RestoreTest>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => state.coming = Index::default(),
            Event::InitApply(test) => state.coming.put(test),
            Event::InitDone => state.known = std::mem::take(&mut state.coming),
            Event::Apply(test) => state.known.put(test),
            Event::Delete(test) => state.known.forget(&test.into()),
        }
    }

    /// The first test, but for one, that uses a namespace in this way.
    #[must_use]
    pub fn other(&self, usage: Usage, namespace: &str, but: &TestName) -> Option<TestName> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let tests = state.known.by(usage).get(namespace)?;
        tests.iter().find(|test| *test != but).cloned()
    }
}

impl Index {
    fn by(&self, usage: Usage) -> &HashMap<String, BTreeSet<TestName>> {
        match usage {
            Usage::Source => &self.sources,
            Usage::Sandbox => &self.sandboxes,
        }
    }

    fn by_mut(&mut self, usage: Usage) -> &mut HashMap<String, BTreeSet<TestName>> {
        match usage {
            Usage::Source => &mut self.sources,
            Usage::Sandbox => &mut self.sandboxes,
        }
    }

    fn put(&mut self, test: &RestoreTest) {
        let name = TestName::from(test);
        self.forget(&name);
        let of = |usage| used(&test.spec, usage).map(move |namespace| (usage, namespace.to_owned()));
        let all: Vec<_> = of(Usage::Source).chain(of(Usage::Sandbox)).collect();
        for (usage, namespace) in &all {
            let tests = self.by_mut(*usage).entry(namespace.clone()).or_default();
            tests.insert(name.clone());
        }
        self.of_test.insert(name, all);
    }

    fn forget(&mut self, test: &TestName) {
        for (usage, namespace) in self.of_test.remove(test).unwrap_or_default() {
            let index = self.by_mut(usage);
            if let Some(tests) = index.get_mut(&namespace) {
                tests.remove(test);
                if tests.is_empty() {
                    index.remove(&namespace);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn test(name: &str, namespace: &str) -> RestoreTest {
        serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": name, "namespace": "ops" },
            "spec": {
                "backupSource": { "provider": "velero", "namespaces": [{ "name": namespace, "sandboxName": "try" }] },
                "schedule": { "cron": "0 3 * * *" } },
        }))
        .unwrap()
    }

    #[test]
    fn a_namespace_is_known_by_the_tests_that_use_it() {
        let uses = Uses::default();
        let name = |name: &str| TestName {
            namespace: "ops".into(),
            name: name.into(),
        };
        uses.look(&Event::Apply(test("a", "shop")));
        assert_eq!(uses.other(Usage::Source, "shop", &name("b")), Some(name("a")));
        assert_eq!(
            uses.other(Usage::Source, "shop", &name("a")),
            None,
            "it may use what it uses"
        );
        assert_eq!(uses.other(Usage::Sandbox, "try", &name("b")), Some(name("a")));
        uses.look(&Event::Apply(test("a", "other")));
        assert_eq!(uses.other(Usage::Source, "shop", &name("b")), None);
        uses.look(&Event::Delete(test("a", "other")));
        assert_eq!(uses.other(Usage::Sandbox, "try", &name("b")), None);
    }
}
