//! What a test leaves open is filled in from the operator's settings, once, in plain sight.
//!
//! The controller fills in the very same when the webhook was away, so a test means the same either way.

use std::{borrow::Cow, time::Duration};

use kube::{ResourceExt, core::DynamicObject};
use kymaros_crds::{
    Isolation, RestoreTestSpec,
    domain::{FieldError, Invalid, Test, duration},
};
use serde_json::{Map, Value, json};

use crate::{answer::Answer, request::Request};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const TTL: &str = "/sandbox/ttl";
const TIMEOUT: &str = "/timeout";

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
        // TTL and timeout bound each other: a default must not make a test invalid that was valid without it.
        let ttl = self.ttl.max(given(spec, TIMEOUT).unwrap_or_default());
        let timeout = self.timeout.min(given(spec, TTL).unwrap_or(ttl));
        let Some(spec) = spec.as_object_mut() else { return };
        put_duration(spec, "timeout", timeout);
        put(spec, "historyLimit", json!(self.history_limit));
        if let Some(health) = part(spec, "healthChecks") {
            put_duration(health, "timeout", self.health_timeout);
        }
        let Some(sandbox) = part(spec, "sandbox") else {
            return;
        };
        put_duration(sandbox, "ttl", ttl);
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

    /// Which of TTL and timeout was filled in for `was` and fits no more, since the other one was changed: whoever changes one
    /// of them need not know of the other.
    fn misfit(&self, was: &Value, spec: &Value) -> Option<&'static str> {
        let fits = given(spec, TTL).zip(given(spec, TIMEOUT));
        if fits.is_none_or(|(ttl, timeout)| ttl >= timeout) {
            return None;
        }
        let stays = |field| given(was, field) == given(spec, field);
        let mut pairs = [(TTL, TIMEOUT), (TIMEOUT, TTL)].into_iter();
        let misfit = pairs.find(|(field, other)| stays(field) && !stays(other));
        misfit
            .map(|(field, _)| field)
            .filter(|field| self.filled_in(was, field))
    }

    /// Whether a duration of a spec is what it would get if it were left open.
    fn filled_in(&self, spec: &Value, field: &str) -> bool {
        let mut left_open = spec.clone();
        open(&mut left_open, field);
        self.fill(&mut left_open);
        given(&left_open, field) == given(spec, field)
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
    let Some(before) = changed_spec(request) else {
        return Answer::allow();
    };
    let mut after = left_open(request, defaults).unwrap_or_else(|| before.clone());
    defaults.fill(&mut after);
    Answer::Patch(json_patch::diff(
        &json!({ "spec": before }),
        &json!({ "spec": after }),
    ))
}

/// The request as it would be if nothing had been filled into the stored test that stands in its way: this is what is held
/// against the rules, for the rest nobody wrote.
#[must_use]
pub fn as_written<'a>(request: &'a Request, defaults: &Defaults) -> Cow<'a, Request> {
    let Some(spec) = left_open(request, defaults) else {
        return Cow::Borrowed(request);
    };
    let mut request = request.clone();
    if let Some(object) = &mut request.object {
        object.data["spec"] = spec;
    }
    Cow::Owned(request)
}

/// The spec that a write brings, when it changes one.
fn changed_spec(request: &Request) -> Option<&Value> {
    let object = request.object.as_ref()?;
    let is_main = request.sub_resource.as_deref().unwrap_or_default().is_empty();
    let is_going = object.metadata.deletion_timestamp.is_some();
    let spec = object.data.get("spec").filter(|_| is_main && !is_going)?;
    (old_spec(request) != Some(spec)).then_some(spec)
}

fn old_spec(request: &Request) -> Option<&Value> {
    request.old_object.as_ref().and_then(|old| old.data.get("spec"))
}

/// The changed spec without what was filled in once and does not fit any more; `None` when all of it fits.
fn left_open(request: &Request, defaults: &Defaults) -> Option<Value> {
    let (object, spec, was) = (
        request.object.as_ref()?,
        changed_spec(request)?,
        old_spec(request)?,
    );
    let misfit = defaults
        .misfit(was, spec)
        .filter(|field| !is_written(object, field))?;
    let mut spec = spec.clone();
    open(&mut spec, misfit);
    Some(spec)
}

/// Whether a field of the spec stands in what somebody applied: as `kubectl apply` writes it down, or as the API server does
/// for an apply on its side. What was filled in stands in neither.
fn is_written(object: &DynamicObject, field: &str) -> bool {
    let applied = object.annotations().get(LAST_APPLIED);
    let applied = applied.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let by_client = applied.is_some_and(|object| object.pointer(&format!("/spec{field}")).is_some());
    let owned = format!("/spec{field}").replace('/', "/f:");
    let by_server = object.managed_fields().iter().any(|entry| {
        let fields = entry.fields_v1.as_ref();
        entry.operation.as_deref() == Some("Apply") && fields.is_some_and(|f| f.0.pointer(&owned).is_some())
    });
    by_client || by_server
}

/// A part of a spec; made when it is not there, `None` when it is not an object.
fn part<'a>(of: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let part = of.entry(name).or_insert(Value::Null);
    if part.is_null() {
        *part = json!({});
    }
    part.as_object_mut()
}

/// A duration of a spec that is set: nothing, no text and zero are all "not set".
fn given(spec: &Value, path: &str) -> Option<Duration> {
    let text = spec.pointer(path).and_then(Value::as_str)?;
    duration::parse(text).ok().filter(|d| !d.is_zero())
}

/// Leaves a field open that is there.
fn open(spec: &mut Value, path: &str) {
    if let Some(value) = spec.pointer_mut(path) {
        *value = Value::Null;
    }
}

/// As [`put`], over a zero as well: Go clients write it for "not set".
fn put_duration(into: &mut Map<String, Value>, field: &str, value: Duration) {
    let there = into.get(field).and_then(Value::as_str).map(duration::parse);
    if there.is_some_and(|there| there.is_ok_and(|d| d.is_zero())) {
        into.remove(field);
    }
    put(into, field, json!(duration::format(value)));
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

    /// What `default` makes of a change of a stored spec, by somebody who wrote one field and never the other.
    fn changed(old: &Value, field: &str, value: &str) -> Value {
        changed_with(&json!({ "name": "t" }), old, field, value)
    }

    fn changed_with(metadata: &Value, old: &Value, field: &str, value: &str) -> Value {
        use crate::sample::Asked;
        let test = |spec: &Value| json!({ "metadata": metadata, "spec": spec });
        let mut new = old.clone();
        *new.pointer_mut(field).unwrap() = json!(value);
        let asked = Asked::new("sre", "UPDATE", "restoretests.restore.kymaros.io");
        let asked = asked.old(test(old)).object(test(&new)).request();
        let Answer::Patch(patch) = default(&asked, &Defaults::default()) else {
            panic!("no patch")
        };
        let mut test = test(&new);
        json_patch::patch(&mut test, &patch).unwrap();
        test["spec"].take()
    }

    #[test]
    fn what_was_filled_in_follows_a_change_of_the_other_one() {
        let stored = filled(minimal());
        let longer = changed(&stored, TIMEOUT, "2h");
        assert_eq!(
            (&longer["timeout"], &longer["sandbox"]["ttl"]),
            (&json!("2h"), &json!("2h"))
        );
        let shorter = changed(&stored, TTL, "10m");
        assert_eq!(
            (&shorter["timeout"], &shorter["sandbox"]["ttl"]),
            (&json!("10m"), &json!("10m"))
        );
        let fits = changed(&longer, TIMEOUT, "1h");
        assert_eq!(fits["sandbox"]["ttl"], "2h", "the two fit, so nothing is touched");
    }

    #[test]
    fn what_somebody_wrote_follows_nothing() {
        let mut spec = minimal();
        spec["sandbox"] = json!({ "ttl": "40m" });
        spec["timeout"] = json!("20m");
        let stored = filled(spec);
        assert_eq!(changed(&stored, TIMEOUT, "2h")["sandbox"]["ttl"], "40m");

        // With the timeout that is filled in for it, it looks like one that was filled in.
        let mut spec = minimal();
        spec["sandbox"] = json!({ "ttl": "40m" });
        let applied = json!({ "spec": spec }).to_string();
        let stored = filled(spec);
        let by_client = json!({ "name": "t", "annotations": { LAST_APPLIED: applied } });
        let by_server = json!({ "name": "t", "managedFields": [{
            "operation": "Apply", "fieldsType": "FieldsV1",
            "fieldsV1": { "f:spec": { "f:sandbox": { "f:ttl": {} } } },
        }] });
        for metadata in [by_client, by_server] {
            let longer = changed_with(&metadata, &stored, TIMEOUT, "2h");
            assert_eq!(longer["sandbox"]["ttl"], "40m", "{metadata}");
        }
    }

    #[test]
    fn a_duration_of_zero_is_not_set() {
        let mut spec = minimal();
        spec["timeout"] = json!("0s");
        spec["sandbox"] = json!({ "ttl": "0s" });
        spec["healthChecks"] = json!({ "timeout": "0s" });
        let settings = Defaults {
            health_timeout: Duration::from_mins(7),
            ..Defaults::default()
        };
        settings.fill(&mut spec);
        assert_eq!(spec["timeout"], "30m");
        assert_eq!(spec["sandbox"]["ttl"], "30m");
        assert_eq!(spec["healthChecks"]["timeout"], "7m");
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
