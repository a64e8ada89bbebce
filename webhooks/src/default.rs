//! What a test leaves open is filled in from the operator's settings, once, in plain sight.
//!
//! The controller fills in the very same when the webhook was away, so a test means the same either way.

use std::time::Duration;

use kymaros_crds::{
    Isolation, RestoreTestSpec,
    domain::{FieldError, Invalid, Test, duration},
};
use serde_json::{Map, Value, json};

use crate::{answer::Answer, request::Request};

/// Settings of the operator for what a test leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Life of a sandbox; longer when the test's timeout is.
    pub ttl: Duration,
    /// Who may talk to whom.
    pub isolation: Isolation,
    /// Start of every sandbox's name.
    pub namespace_prefix: String,
    /// Processors of a sandbox, a Kubernetes quantity.
    pub cpu: String,
    /// Memory of a sandbox, a Kubernetes quantity.
    pub memory: String,
    /// Storage of a sandbox, a Kubernetes quantity.
    pub storage: String,
    /// Pods of a sandbox.
    pub pods: u32,
    /// How long a run may take; not more than the test's TTL.
    pub timeout: Duration,
    /// How long start-up and checks may take.
    pub health_timeout: Duration,
    /// How many reports are kept.
    pub history_limit: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(30),
            isolation: Isolation::Strict,
            namespace_prefix: "rp-test".to_owned(),
            cpu: "2".to_owned(),
            memory: "4Gi".to_owned(),
            storage: "10Gi".to_owned(),
            pods: 20,
            timeout: Duration::from_hours(1),
            health_timeout: Duration::from_mins(10),
            history_limit: 10,
        }
    }
}

impl Defaults {
    /// Fills in what a raw spec leaves open. What is there stays, and what has the wrong shape is left to validation.
    pub fn fill(&self, spec: &mut Value) {
        let given = |spec: &Value, path: &str| {
            let text = spec.pointer(path).and_then(Value::as_str).unwrap_or_default();
            duration::parse(text).ok().filter(|d| !d.is_zero())
        };
        // TTL and timeout bound each other: a default must not make a test invalid that was valid without it.
        let ttl = self.ttl.max(given(spec, "/timeout").unwrap_or_default());
        let timeout = self.timeout.min(given(spec, "/sandbox/ttl").unwrap_or(ttl));
        let Some(spec) = spec.as_object_mut() else { return };
        put(spec, "timeout", json!(duration::format(timeout)));
        put(spec, "historyLimit", json!(self.history_limit));
        if let Some(health) = part(spec, "healthChecks") {
            put(health, "timeout", json!(duration::format(self.health_timeout)));
        }
        let Some(sandbox) = part(spec, "sandbox") else {
            return;
        };
        put(sandbox, "ttl", json!(duration::format(ttl)));
        put(sandbox, "networkIsolation", json!(self.isolation));
        put(sandbox, "namespacePrefix", json!(self.namespace_prefix));
        let Some(quota) = part(sandbox, "resourceQuota") else {
            return;
        };
        put(quota, "cpu", json!(self.cpu));
        put(quota, "memory", json!(self.memory));
        put(quota, "storage", json!(self.storage));
        put(quota, "pods", json!(self.pods));
    }

    /// Whether a test that leaves everything open is valid with these.
    ///
    /// # Errors
    /// Every default that no test may have, with the field it would fill.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut spec = json!({
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "any" }] },
            "schedule": { "cron": "@daily" },
        });
        self.fill(&mut spec);
        let spec: RestoreTestSpec = serde_json::from_value(spec).map_err(|error| {
            let (path, value, message) = ("spec".to_owned(), String::new(), error.to_string());
            Invalid(vec![FieldError { path, value, message }])
        })?;
        Test::try_from(&spec).map(|_| ())
    }

    /// The same for a spec that was read already.
    #[must_use]
    pub fn filled(&self, spec: &RestoreTestSpec) -> RestoreTestSpec {
        let filled = serde_json::to_value(spec).and_then(|mut value| {
            self.fill(&mut value);
            serde_json::from_value(value)
        });
        filled.unwrap_or_else(|_| spec.clone())
    }
}

/// Answers for the creation or change of a test. Nothing is filled into a test that is going, or by a write that leaves
/// the spec as it is: such a write must pass whatever is thought of the spec by now.
#[must_use]
pub fn default(request: &Request, defaults: &Defaults) -> Answer {
    let Some(object) = &request.object else {
        return Answer::allow();
    };
    let is_main = request.sub_resource.as_deref().unwrap_or_default().is_empty();
    let is_going = object.metadata.deletion_timestamp.is_some();
    let Some(before) = object.data.get("spec").filter(|_| is_main && !is_going) else {
        return Answer::allow();
    };
    let was = request.old_object.as_ref().and_then(|old| old.data.get("spec"));
    if was == Some(before) {
        return Answer::allow();
    }
    let mut after = before.clone();
    defaults.fill(&mut after);
    Answer::Patch(json_patch::diff(
        &json!({ "spec": before }),
        &json!({ "spec": after }),
    ))
}

/// A part of a spec; made when it is not there, `None` when it is not an object.
fn part<'a>(of: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let part = of.entry(name).or_insert(Value::Null);
    if part.is_null() {
        *part = json!({});
    }
    part.as_object_mut()
}

/// Go clients write an empty text for "not set".
fn put(into: &mut Map<String, Value>, field: &str, value: Value) {
    let there = into.entry(field).or_insert(Value::Null);
    if there.is_null() || there.as_str() == Some("") {
        *there = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(mut spec: Value) -> Value {
        Defaults::default().fill(&mut spec);
        spec
    }

    fn minimal() -> Value {
        json!({
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
        })
    }

    #[test]
    fn what_is_left_open_is_filled_in_and_valid() {
        let spec = filled(minimal());
        assert_eq!(spec["sandbox"]["ttl"], "30m");
        assert_eq!(spec["timeout"], "30m", "not above the TTL");
        assert_eq!(spec["sandbox"]["resourceQuota"]["pods"], 20);
        assert_eq!(spec["sandbox"]["networkIsolation"], "strict");
        let spec: RestoreTestSpec = serde_json::from_value(spec).unwrap();
        Test::try_from(&spec).unwrap();
    }

    #[test]
    fn what_is_there_stays() {
        let mut spec = minimal();
        spec["sandbox"] = json!({ "ttl": "5m", "resourceQuota": { "cpu": "7", "memory": "" } });
        spec["historyLimit"] = json!(3);
        let spec = filled(spec);
        assert_eq!(spec["sandbox"]["ttl"], "5m");
        assert_eq!(spec["timeout"], "5m");
        assert_eq!(spec["sandbox"]["resourceQuota"]["cpu"], "7");
        assert_eq!(
            spec["sandbox"]["resourceQuota"]["memory"], "4Gi",
            "an empty text is not a value"
        );
        assert_eq!(spec["historyLimit"], 3);
    }

    #[test]
    fn filling_twice_changes_nothing() {
        let once = filled(minimal());
        assert_eq!(filled(once.clone()), once);
    }

    #[test]
    fn a_write_that_leaves_the_spec_alone_is_left_alone() {
        use crate::sample::Asked;
        let test = |spec: Value| json!({ "metadata": { "name": "t" }, "spec": spec });
        let asked = |old: Value, new: Value| {
            let asked = Asked::new("sre", "UPDATE", "restoretests.restore.kymaros.io");
            default(
                &asked.old(test(old)).object(test(new)).request(),
                &Defaults::default(),
            )
        };
        assert_eq!(asked(minimal(), minimal()), Answer::allow());
        let mut changed = minimal();
        changed["suspend"] = json!(true);
        assert!(matches!(asked(minimal(), changed), Answer::Patch(patch) if !patch.0.is_empty()));
    }

    #[test]
    fn a_long_timeout_gets_a_sandbox_that_lives_as_long() {
        let mut spec = minimal();
        spec["timeout"] = json!("2h");
        assert_eq!(filled(spec)["sandbox"]["ttl"], "2h");
    }

    #[test]
    fn the_wrong_shape_is_left_alone() {
        let odd = json!({ "sandbox": "x", "healthChecks": [], "timeout": 5 });
        let spec = filled(odd.clone());
        assert_eq!(
            (&spec["sandbox"], &spec["healthChecks"], &spec["timeout"]),
            (&odd["sandbox"], &odd["healthChecks"], &odd["timeout"])
        );
        assert_eq!(filled(json!(null)), json!(null));
    }
}
