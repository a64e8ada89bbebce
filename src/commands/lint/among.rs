//! What the files know of each other. Nobody else is asked, so nothing is ever known *not* to exist.

use std::{collections::BTreeMap, time::Duration};

use kymaros_crds::RestoreTestSpec;
use kymaros_webhooks::validate::{
    Home, Kind, Known, Licensed, NamespaceState, OtherTest, PolicyState, TestName, Usage, used,
};
use serde::Deserialize;

use super::object::Object;

/// Tests and policies among the files.
#[derive(Default)]
pub(super) struct Among {
    tests: Vec<(TestName, RestoreTestSpec)>,
    /// Number of checks.
    policies: BTreeMap<TestName, usize>,
}

impl Among {
    /// Looks through all objects. What cannot be read is told of when it is judged.
    pub(super) fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut among = Self::default();
        for object in objects {
            match object.kind {
                Ok(Kind::RestoreTest) => {
                    if let Ok(spec) = RestoreTestSpec::deserialize(&object.value["spec"]) {
                        among.tests.push((object.name(), spec));
                    }
                }
                Ok(Kind::HealthCheckPolicy) => {
                    let checks = object.value["spec"]["checks"].as_array().map_or(0, Vec::len);
                    among.policies.insert(object.name(), checks);
                }
                Err(_) => {}
            }
        }
        among
    }
}

impl Known for Among {
    fn home(&self) -> Option<Home<'_>> {
        None
    }

    fn namespace(&self, _: &str) -> Option<NamespaceState> {
        None
    }

    fn other_test(&self, usage: Usage, namespace: &str, but: &TestName) -> Option<OtherTest> {
        let others = self.tests.iter().filter(|(name, _)| name != but);
        let mut using = others.filter(|(_, spec)| used(spec, usage).any(|name| name == namespace));
        using.next().map(|(name, _)| OtherTest::Uses(name.clone()))
    }

    fn policy(&self, namespace: &str, name: &str) -> Option<PolicyState> {
        let name = TestName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.policies
            .get(&name)
            .map(|checks| PolicyState::Checks(*checks))
    }

    fn longest_run(&self, _: &TestName) -> Option<Duration> {
        None
    }

    fn license(&self) -> Option<Licensed> {
        None
    }
}
