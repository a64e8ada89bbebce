//! A small known world and requests in it, for tests of decisions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kymaros_crds::names;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    default::Defaults,
    facts::{Facts, Operator, RestoreOwner, Run, RunState, Sandbox, VolumeUse},
    request::Request,
    validate::{Home, Known, Licensed, NamespaceState, OtherTest, PolicyState, TestName, Usage},
};

pub(crate) const OPERATOR: &str = "system:serviceaccount:kymaros-system:kymaros";
pub(crate) const VELERO: &str = "system:serviceaccount:velero:velero-server";
/// Sandbox of a run that goes on, of one in cleanup, and of one whose report is gone.
pub(crate) const LIVE: &str = "rp-live";
pub(crate) const ENDING: &str = "rp-ending";
pub(crate) const ORPHAN: &str = "rp-orphan";

/// What is known in tests.
pub(crate) struct World {
    pub operator: Operator,
    defaults: Defaults,
    pub sandboxes: BTreeMap<String, Sandbox>,
    pub runs: BTreeMap<String, Run>,
    pub restores: BTreeMap<String, RestoreOwner>,
    pub volumes: BTreeMap<String, String>,
    pub claimed: BTreeMap<String, VolumeUse>,
    changes: watch::Sender<u64>,
}

impl World {
    pub(crate) fn new() -> Self {
        let run = |state, sandbox: &str| Run {
            state,
            sandboxes: BTreeSet::from([sandbox.to_owned()]),
            knows_volumes: BTreeSet::from([0]),
        };
        let sandbox = |uid: &str| Sandbox { run_uid: uid.into() };
        Self {
            operator: Operator {
                username: OPERATOR.into(),
                namespace: "kymaros-system".into(),
                velero_namespace: "velero".into(),
                lease: "kymaros-leader".into(),
                certificate_secret: "kymaros-webhook-certificate".into(),
                priority_class: "kymaros-sandbox".into(),
                writes_tests: false,
            },
            defaults: Defaults::default(),
            sandboxes: BTreeMap::from([
                ("rp-live".into(), sandbox("live")),
                ("rp-ending".into(), sandbox("ending")),
                ("rp-orphan".into(), sandbox("gone")),
            ]),
            runs: BTreeMap::from([
                ("live".into(), run(RunState::Active, "rp-live")),
                ("ending".into(), run(RunState::Ending, "rp-ending")),
            ]),
            restores: BTreeMap::from([
                ("kymaros-0a1b2c3d-0".into(), RestoreOwner::Run("live".into())),
                ("kymaros-of-a-person".into(), RestoreOwner::Other),
            ]),
            volumes: BTreeMap::from([("csi ebs vol-1".into(), "pv-production".into())]),
            claimed: BTreeMap::from([
                ("pv-production".into(), VolumeUse::ClaimedIn("production".into())),
                ("pv-copy".into(), VolumeUse::ClaimedIn(LIVE.into())),
                ("pv-free".into(), VolumeUse::Unclaimed),
            ]),
            changes: watch::channel(0).0,
        }
    }

    /// Makes something known and says so.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }
}

impl Facts for World {
    fn operator(&self) -> &Operator {
        &self.operator
    }

    fn sandbox(&self, namespace: &str) -> Option<Sandbox> {
        self.sandboxes.get(namespace).cloned()
    }

    fn run(&self, uid: &str) -> Option<Run> {
        self.runs.get(uid).cloned()
    }

    fn run_of_sandbox_name(&self, namespace: &str) -> Option<String> {
        let run = self
            .runs
            .iter()
            .find(|(_, run)| run.sandboxes.contains(namespace));
        run.map(|(uid, _)| uid.clone())
    }

    fn restore(&self, name: &str) -> Option<RestoreOwner> {
        self.restores.get(name).cloned()
    }

    fn volume_in_place(&self, place: &str, except: &str) -> Option<String> {
        self.volumes.get(place).filter(|name| *name != except).cloned()
    }

    fn volume_use(&self, volume: &str) -> Option<VolumeUse> {
        self.claimed.get(volume).cloned()
    }

    fn velero_account(&self) -> Option<String> {
        Some(VELERO.into())
    }

    fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    fn known(&self) -> &dyn Known {
        self
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Validation has tests of its own.
impl Known for World {
    fn home(&self) -> Option<Home<'_>> {
        Some(Home {
            operator: &self.operator.namespace,
            velero: &self.operator.velero_namespace,
        })
    }

    fn namespace(&self, _: &str) -> Option<NamespaceState> {
        Some(NamespaceState::Absent)
    }

    fn other_test(&self, _: Usage, _: &str, _: &TestName) -> Option<OtherTest> {
        Some(OtherTest::None)
    }

    fn policy(&self, _: &str, _: &str) -> Option<PolicyState> {
        Some(PolicyState::Absent)
    }

    fn longest_run(&self, _: &TestName) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn license(&self) -> Option<Licensed> {
        None
    }
}

/// Labels of a sandbox of a run.
pub(crate) fn marks(uid: &str) -> Value {
    json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: uid })
}

/// A request, as the API server writes it.
pub(crate) struct Asked(Value);

impl Asked {
    /// `resource` is `plural.group/subresource`; the last two parts may be left out.
    pub(crate) fn new(user: &str, operation: &str, resource: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        Self(json!({
            "uid": "u", "name": "", "operation": operation, "userInfo": { "username": user },
            "kind": { "group": group, "version": "v1", "kind": "Any" },
            "resource": { "group": group, "version": "v1", "resource": resource },
            "subResource": subresource, "object": null, "oldObject": null,
        }))
    }

    pub(crate) fn by_operator(operation: &str, resource: &str) -> Self {
        Self::new(OPERATOR, operation, resource)
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.0["name"] = name.into();
        self
    }

    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.0["namespace"] = namespace.into();
        self
    }

    pub(crate) fn object(mut self, object: Value) -> Self {
        self.0["object"] = object;
        self
    }

    pub(crate) fn old(mut self, object: Value) -> Self {
        self.0["oldObject"] = object;
        self
    }

    pub(crate) fn json(self) -> Value {
        self.0
    }

    pub(crate) fn request(self) -> Request {
        serde_json::from_value(self.0).unwrap()
    }
}
