//! What the webhooks know of the cluster, out of the stores that the controllers work with too.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, PersistentVolume},
};
use kube::{
    ResourceExt,
    core::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};
use kymaros_crds::{HealthCheckPolicy, names};
use kymaros_webhooks::{
    Facts, Operator, RestoreOwner, Run, Sandbox, VolumeUse,
    contain::{Place, place},
    default::Defaults,
    validate::Known,
};
use tokio::sync::watch;

use super::{Durations, RunIndex, Uses, velero_account};
use crate::{
    license::License,
    velero::{
        Restore,
        restore::{RestorePhase, run_of, targets},
    },
};

/// Names, labels and annotations of all namespaces.
pub type Namespaces = Store<PartialObjectMeta<Namespace>>;

/// Where the facts come from.
pub struct Stores {
    /// Which namespaces tests use.
    pub uses: Uses,
    /// All policies.
    pub policies: Store<HealthCheckPolicy>,
    /// How long runs took.
    pub durations: Durations,
    /// Runs that still have sandboxes.
    pub runs: RunIndex,
    /// Restores in Velero's namespace.
    pub restores: Store<Restore>,
    /// All namespaces.
    pub namespaces: Namespaces,
    /// Where volumes are kept.
    pub volumes: Store<PersistentVolume>,
    /// Deployments in Velero's namespace.
    pub velero: Store<Deployment>,
}

/// [`Facts`] from stores.
pub struct ClusterFacts {
    /// Who we are.
    pub operator: Operator,
    /// Settings for what tests leave open.
    pub defaults: Defaults,
    /// The license that applies.
    pub license: watch::Receiver<License>,
    /// What the watches brought.
    pub stores: Stores,
    /// Counts changes of the stores.
    pub changes: watch::Receiver<u64>,
}

impl Facts for ClusterFacts {
    fn operator(&self) -> &Operator {
        &self.operator
    }

    fn sandbox(&self, namespace: &str) -> Option<Sandbox> {
        let found = self.stores.namespaces.get(&ObjectRef::new(namespace))?;
        Some(Sandbox {
            run_uid: names::run_uid(found.labels())?.to_owned(),
        })
    }

    fn run(&self, uid: &str) -> Option<Run> {
        self.stores.runs.get(uid)
    }

    fn run_of_sandbox_name(&self, namespace: &str) -> Option<String> {
        let run = self.stores.runs.of_sandbox(namespace);
        run.or_else(|| restored_into(&self.stores.restores, namespace))
    }

    fn restore(&self, name: &str) -> Option<RestoreOwner> {
        let key = ObjectRef::new(name).within(&self.operator.velero_namespace);
        let found = self.stores.restores.get(&key)?;
        Some(match run_of(&found) {
            Some(uid) => RestoreOwner::Run(uid.to_owned()),
            None => RestoreOwner::Other,
        })
    }

    fn volume_in_place(&self, wanted: &str, except: &str) -> Option<String> {
        let kept_there = |volume: &PersistentVolume| {
            let spec = serde_json::to_value(&volume.spec).unwrap_or_default();
            volume.name_any() != except && place(&spec) == Place::At(wanted.to_owned())
        };
        self.stores.volumes.find(kept_there).map(|v| v.name_any())
    }

    fn volume_use(&self, volume: &str) -> Option<VolumeUse> {
        let found = self.stores.volumes.get(&ObjectRef::new(volume))?;
        let claim = found.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        let namespace = claim.and_then(|claim| claim.namespace.clone());
        Some(namespace.map_or(VolumeUse::Unclaimed, VolumeUse::ClaimedIn))
    }

    fn velero_account(&self) -> Option<String> {
        let deployments = self.stores.velero.state();
        velero_account::find(deployments.iter().map(AsRef::as_ref))
    }

    fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    fn known(&self) -> &dyn Known {
        self
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

/// The run whose Restore Velero works on, and that has a sandbox of this name: its report may have been taken away meanwhile.
fn restored_into(restores: &Store<Restore>, namespace: &str) -> Option<String> {
    let restores_into = |restore: &Restore| {
        run_of(restore).is_some()
            && RestorePhase::of(restore).is_under_way()
            && targets(restore).any(|target| target == namespace)
    };
    let found = restores.find(restores_into)?;
    run_of(&found).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher::Event};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sandbox_that_velero_restores_into_has_a_run_also_without_a_report() {
        let run_of = |name: &str, manager: &str, phase: &str| {
            let labels = json!({ names::MANAGED_BY_LABEL: manager, names::RUN_UID_LABEL: "u" });
            let restore = json!({ "metadata": { "name": "kymaros-0a1b2c3d-0", "namespace": "velero", "labels": labels },
                "spec": { "namespaceMapping": { "shop": "sb" } }, "status": { "phase": phase } });
            let (restores, mut writer) = reflector::store();
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(restore).unwrap()));
            restored_into(&restores, name)
        };
        let ours = names::MANAGED_BY;
        assert_eq!(run_of("sb", ours, "InProgress").as_deref(), Some("u"));
        assert_eq!(run_of("shop", ours, "InProgress"), None, "production");
        assert_eq!(run_of("sb", ours, "Completed"), None);
        assert_eq!(run_of("sb", "Helm", "InProgress"), None);
    }
}
