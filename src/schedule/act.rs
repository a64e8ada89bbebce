//! What the schedule does in the cluster: makes reports, takes annotations off, trims history.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use kymaros_crds::{
    HealthCheckPolicy, MissedTimes, PreviousRun, RestoreReport, RestoreReportSpec, RestoreTest,
    RestoreTestSpec, RunPhase, names,
};

use super::decide::Start;
use crate::run::observe;

/// What a run is made with; later changes do not touch it.
#[derive(Clone, Debug)]
pub struct Frozen<'a> {
    /// The test's spec, with everything that was left open filled in.
    pub spec: &'a RestoreTestSpec,
    /// The policy it names.
    pub policy: Option<&'a HealthCheckPolicy>,
    /// The run it will be compared with.
    pub previous: Option<PreviousRun>,
}

/// Makes the report of a run. It carries a copy of spec and policy, so that later edits never touch a run in
/// progress, and a finalizer, so that it cannot go before its sandboxes.
///
/// # Errors
/// When the API server refuses or does not answer; that the report exists already is success.
pub async fn create_report(
    client: &Client,
    test: &RestoreTest,
    frozen: Frozen<'_>,
    start: Start,
) -> Result<String, kube::Error> {
    let report = report(test, frozen, start);
    let name = report.name_any();
    let api = Api::<RestoreReport>::namespaced(client.clone(), &test.namespace().unwrap_or_default());
    match api.create(&PostParams::default(), &report).await {
        Ok(_) => Ok(name),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(name),
        Err(error) => Err(error),
    }
}

/// The report of a run: `<test>-YYYYMMDD-HHMMSS` as in 0.6.9, after the planned time, so that making it twice makes
/// one. It carries the test's own labels.
fn report(test: &RestoreTest, frozen: Frozen<'_>, start: Start) -> RestoreReport {
    let stamp = start.planned.strftime("%Y%m%d-%H%M%S").to_string();
    let name = names::object_name(&test.name_any(), &stamp);
    let mut labels = test.labels().clone();
    labels.insert(names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned());
    labels.insert(names::TEST_LABEL.to_owned(), names::label_value(&test.name_any()));
    let owner = OwnerReference {
        api_version: RestoreTest::api_version(&()).into_owned(),
        kind: RestoreTest::kind(&()).into_owned(),
        name: test.name_any(),
        uid: test.uid().unwrap_or_default(),
        controller: None,
        block_owner_deletion: None,
    };
    RestoreReport {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: test.namespace(),
            labels: Some(labels),
            finalizers: Some(vec![names::FINALIZER.to_owned()]),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: RestoreReportSpec {
            test_ref: test.name_any(),
            trigger: Some(start.trigger),
            scheduled_for: Some(Time(start.planned)),
            missed: start.missed.map(|missed| MissedTimes {
                times: missed.times,
                first: Time(missed.first),
            }),
            test: Some(frozen.spec.clone()),
            policy: frozen.policy.map(|p| p.spec.clone()),
            previous: frozen.previous,
        },
        status: None,
    }
}

/// Whether the live test still carries the trigger annotation.
///
/// # Errors
/// When the API server does not answer.
pub async fn is_triggered(client: &Client, test: &RestoreTest) -> Result<bool, kube::Error> {
    let api = Api::<RestoreTest>::namespaced(client.clone(), &test.namespace().unwrap_or_default());
    let live = api.get_metadata_opt(&test.name_any()).await?;
    Ok(live.is_some_and(|t| t.annotations().contains_key(names::TRIGGER_NOW_ANNOTATION)))
}

/// Whether the live report of a run says that it goes on.
///
/// # Errors
/// When the API server does not answer.
pub async fn goes_on(client: &Client, test: &RestoreTest, run: &str) -> Result<bool, kube::Error> {
    let api = Api::<RestoreReport>::namespaced(client.clone(), &test.namespace().unwrap_or_default());
    let live = api.get_opt(run).await?;
    Ok(live.is_some_and(|report| observe::phase(&report) != RunPhase::Completed))
}

/// Takes the trigger annotation off.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn clear_trigger(client: &Client, test: &RestoreTest) -> Result<(), kube::Error> {
    let patch = serde_json::json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: null } } });
    patch_test(client, test, &patch).await
}

/// Puts our finalizer on or takes it off; refused when somebody changed the test meanwhile.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn set_finalizer(client: &Client, test: &RestoreTest, wanted: bool) -> Result<(), kube::Error> {
    let mut finalizers: Vec<&str> = test
        .finalizers()
        .iter()
        .map(String::as_str)
        .filter(|f| *f != names::FINALIZER)
        .collect();
    if wanted {
        finalizers.push(names::FINALIZER);
    }
    let patch = serde_json::json!({
        "metadata": { "finalizers": finalizers, "resourceVersion": test.resource_version() },
    });
    patch_test(client, test, &patch).await
}

async fn patch_test(
    client: &Client,
    test: &RestoreTest,
    patch: &serde_json::Value,
) -> Result<(), kube::Error> {
    let api = Api::<RestoreTest>::namespaced(client.clone(), &test.namespace().unwrap_or_default());
    match api
        .patch_metadata(&test.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Deletes a report.
///
/// # Errors
/// When the API server refuses or does not answer; that it is gone is success.
pub async fn delete_report(client: &Client, namespace: &str, name: &str) -> Result<(), kube::Error> {
    let api = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    match api.delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::decide::Missed;
    use kymaros_crds::Trigger;

    #[test]
    fn a_report_is_named_after_its_planned_time_and_carries_the_labels_of_its_test() {
        let mut test: RestoreTest = serde_json::from_value(serde_json::json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": "shop", "namespace": "ops", "uid": "u",
                          "labels": { "kymaros.io/compliance": "dora" } },
            "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                      "schedule": { "cron": "0 3 * * *" }, "sandbox": {} },
        }))
        .unwrap();
        let start = Start {
            trigger: Trigger::Schedule,
            planned: "2026-01-02T03:04:05Z".parse().unwrap(),
            missed: Some(Missed {
                times: 2,
                first: "2025-12-31T03:04:05Z".parse().unwrap(),
            }),
        };
        let frozen = |test: &RestoreTest, start| {
            let frozen = Frozen {
                spec: &test.spec,
                policy: None,
                previous: None,
            };
            report(test, frozen, start)
        };
        let made = frozen(&test, start);
        assert_eq!(made.name_any(), "shop-20260102-030405");
        assert_eq!(made.labels()["kymaros.io/compliance"], "dora");
        assert_eq!(made.finalizers(), [names::FINALIZER]);
        let missed = serde_json::to_value(&made.spec.missed).unwrap();
        assert_eq!(
            missed,
            serde_json::json!({ "times": 2, "first": "2025-12-31T03:04:05Z" })
        );
        test.metadata.name = Some("x".repeat(253));
        let long = frozen(&test, start).name_any();
        assert!(long.len() <= 253 && long.ends_with("-20260102-030405"), "{long}");
    }
}
