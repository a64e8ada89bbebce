//! What validation knows of the cluster.

use std::time::Duration;

use kube::{ResourceExt, runtime::reflector::ObjectRef};
use kymaros_crds::names;
use kymaros_webhooks::{
    Facts,
    validate::{Home, Known, Licensed, NamespaceState, OtherTest, PolicyState, TestName, Usage},
};

use super::ClusterFacts;

impl Known for ClusterFacts {
    fn home(&self) -> Option<Home<'_>> {
        Some(Home {
            operator: &self.operator.namespace,
            velero: &self.operator.velero_namespace,
        })
    }

    fn namespace(&self, name: &str) -> Option<NamespaceState> {
        let Some(found) = self.stores.namespaces.get(&ObjectRef::new(name)) else {
            return Some(NamespaceState::Absent);
        };
        if self.sandbox(name).is_none() {
            return Some(NamespaceState::Foreign);
        }
        let label = |key: &str| found.labels().get(key).cloned().unwrap_or_default();
        Some(NamespaceState::SandboxOf(TestName {
            namespace: label(names::TEST_NAMESPACE_LABEL),
            name: label(names::TEST_LABEL),
        }))
    }

    fn other_test(&self, usage: Usage, namespace: &str, but: &TestName) -> Option<OtherTest> {
        let other = self.stores.uses.other(usage, namespace, but);
        Some(other.map_or(OtherTest::None, OtherTest::Uses))
    }

    fn policy(&self, namespace: &str, name: &str) -> Option<PolicyState> {
        let found = self.stores.policies.get(&ObjectRef::new(name).within(namespace));
        Some(found.map_or(PolicyState::Absent, |policy| {
            PolicyState::Checks(policy.spec.checks.len())
        }))
    }

    fn longest_run(&self, test: &TestName) -> Option<Duration> {
        Some(self.stores.durations.longest(test))
    }

    fn license(&self) -> Option<Licensed> {
        self.license.borrow().known()
    }
}
