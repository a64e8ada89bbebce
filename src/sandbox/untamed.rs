//! What of a sandbox does work by itself, is reached from outside, opens it or displaces others, because admission was not asked about
//! it or was weakened when it was stored.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::{
    batch::v1::{CronJob, Job, JobCondition},
    core::v1::{Pod, Service},
    networking::v1::NetworkPolicy,
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams, core::NamespaceResourceScope};
use kymaros_webhooks::neutralise;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use tokio::time::timeout;

use super::{objects::OWN_POLICIES, remove::OwnedSandbox};
use crate::retry::again;

/// No verdict waits longer for a look into the sandboxes.
const PATIENCE: Duration = Duration::from_mins(2);

/// Why sandboxes were not looked into.
#[derive(Debug, Error)]
pub enum NotSeen {
    /// The API server refuses.
    #[error(transparent)]
    Refused(#[from] kube::Error),
    /// It does not answer.
    #[error("the API server does not answer within {} s", PATIENCE.as_secs())]
    Late,
}

/// An object of a sandbox that is not harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untamed {
    /// The sandbox.
    pub sandbox: String,
    /// `Kind/name`.
    pub object: String,
    /// What admission would have changed.
    pub fields: Vec<String>,
}

impl Untamed {
    fn of<K>(sandbox: &str, object: &K) -> Option<Self>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let stored = serde_json::to_value(object).ok()?;
        let fields = neutralise::untamed(&K::group(&()), &K::plural(&()), &stored);
        (!fields.is_empty()).then(|| Self {
            sandbox: sandbox.to_owned(),
            object: format!("{}/{}", K::kind(&()), object.name_any()),
            fields,
        })
    }

    /// In a sentence.
    #[must_use]
    pub fn display(&self) -> String {
        format!(
            "{} in sandbox {} was not made harmless ({})",
            self.object,
            self.sandbox,
            self.fields.join(", ")
        )
    }
}

/// Looks through these sandboxes of a run, in the cluster itself. One that is gone holds nothing.
///
/// # Errors
/// When the API server refuses, or does not answer in time.
pub async fn within(
    client: Client,
    sandboxes: Vec<String>,
    run_uid: String,
) -> Result<Vec<Untamed>, NotSeen> {
    let looks = sandboxes
        .iter()
        .map(|sandbox| of_sandbox(&client, sandbox, &run_uid));
    let all = timeout(PATIENCE, try_join_all(looks))
        .await
        .map_err(|_| NotSeen::Late)?;
    Ok(all?.concat())
}

async fn of_sandbox(client: &Client, sandbox: &str, run_uid: &str) -> Result<Vec<Untamed>, kube::Error> {
    let find = || OwnedSandbox::find(client, sandbox, run_uid);
    if again(find).await?.is_none() {
        return Ok(Vec::new());
    }
    let (pods, services, crons, jobs, policies) = tokio::try_join!(
        list::<Pod>(client, sandbox),
        list::<Service>(client, sandbox),
        list::<CronJob>(client, sandbox),
        list::<Job>(client, sandbox),
        list::<NetworkPolicy>(client, sandbox),
    )?;
    let pods = pods.iter().filter_map(|p| Untamed::of(sandbox, p));
    let services = services.iter().filter_map(|s| Untamed::of(sandbox, s));
    let crons = crons.iter().filter_map(|c| Untamed::of(sandbox, c));
    let jobs = jobs.iter().filter(|job| !came_done(job));
    let jobs = jobs.filter_map(|j| Untamed::of(sandbox, j));
    let is_of_others = |p: &&NetworkPolicy| !OWN_POLICIES.contains(&p.name_any().as_str());
    let policies = policies.iter().filter(is_of_others);
    let policies = policies.filter_map(|p| Untamed::of(sandbox, p));
    let all = crons.chain(jobs).chain(services).chain(policies).chain(pods);
    Ok(all.collect())
}

async fn list<K>(client: &Client, sandbox: &str) -> Result<Vec<K>, kube::Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), sandbox);
    let params = ListParams::default();
    Ok(again(|| api.list(&params)).await?.items)
}

/// Whether a Job was at its end when it came, so that it did nothing here: one that has ended, and not begun since it was
/// made.
fn came_done(job: &Job) -> bool {
    let status = job.status.as_ref();
    let has_ended =
        |c: &JobCondition| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True";
    let mut conditions = status.iter().flat_map(|s| s.conditions.iter().flatten());
    let began = status.and_then(|s| s.start_time.as_ref()).map(|t| t.0);
    let made = job.creation_timestamp().map(|t| t.0);
    conditions.any(has_ended) && began.is_none_or(|began| made.is_some_and(|made| began < made))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kymaros_crds::names;
    use serde_json::{Value, json};

    use super::*;

    /// A cluster with a sandbox, and with these objects in it by the path of their list.
    fn cluster(lists: BTreeMap<&'static str, Value>) -> Client {
        let answer = move |uri: http::Uri| {
            let labels = json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "u" });
            let (code, body) = match (uri.path(), lists.get(uri.path())) {
                ("/api/v1/namespaces/sb", _) => {
                    (200, json!({ "metadata": { "name": "sb", "labels": labels } }))
                }
                (_, Some(items)) => (
                    200,
                    json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items }),
                ),
                ("/api/v1/namespaces/gone", None) => (
                    404,
                    json!({ "status": "Failure", "code": 404, "reason": "NotFound" }),
                ),
                (_, None) => (
                    403,
                    json!({ "status": "Failure", "code": 403, "reason": "Forbidden" }),
                ),
            };
            let code = http::StatusCode::from_u16(code).unwrap();
            std::future::ready((code, axum::Json(body)))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    const PODS: &str = "/api/v1/namespaces/sb/pods";
    const SERVICES: &str = "/api/v1/namespaces/sb/services";
    const CRONS: &str = "/apis/batch/v1/namespaces/sb/cronjobs";
    const JOBS: &str = "/apis/batch/v1/namespaces/sb/jobs";

    const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/sb/networkpolicies";

    /// In a sandbox with a policy of the operator, one that allows something besides, and one that does not.
    async fn seen(pods: Value, services: Value, crons: Value, jobs: Value) -> Vec<String> {
        let allows = json!({ "podSelector": {}, "egress": [{}] });
        let policies = json!([
            { "metadata": { "name": "deny-all" }, "spec": allows },
            { "metadata": { "name": "open" }, "spec": allows },
            { "metadata": { "name": "closed" }, "spec": { "podSelector": {}, "policyTypes": ["Egress"] } },
        ]);
        let workloads = [(PODS, pods), (SERVICES, services), (CRONS, crons), (JOBS, jobs)];
        let client = cluster(workloads.into_iter().chain([(POLICIES, policies)]).collect());
        let found = within(client, vec!["sb".into(), "gone".into()], "u".into()).await;
        found.unwrap().iter().map(Untamed::display).collect()
    }

    #[tokio::test]
    async fn what_is_not_harmless_is_named_with_the_reason() {
        let pods = json!([
            { "metadata": { "name": "first" }, "spec": { "priority": 1000, "containers": [] } },
            { "metadata": { "name": "last" }, "spec": { "priority": -10, "containers": [] } },
        ]);
        let services = json!([
            { "metadata": { "name": "front" }, "spec": { "type": "NodePort", "ports": [{ "port": 80, "nodePort": 30080 }] } },
            { "metadata": { "name": "web" }, "spec": { "type": "ClusterIP", "ports": [{ "port": 80 }] } },
        ]);
        let crons = json!([
            { "metadata": { "name": "mailer" }, "spec": { "schedule": "* * * * *", "suspend": false, "jobTemplate": {} } },
            { "metadata": { "name": "tame" }, "spec": { "schedule": "* * * * *", "suspend": true, "jobTemplate": {} } },
        ]);
        let by_cron = json!([{ "apiVersion": "batch/v1", "kind": "CronJob", "name": "mailer", "uid": "c" }]);
        let jobs = json!([
            { "metadata": { "name": "mailer-1", "ownerReferences": by_cron }, "spec": { "suspend": false, "template": {} } },
            { "metadata": { "name": "mailer-2", "ownerReferences": by_cron }, "spec": { "suspend": true, "template": {} } },
        ]);
        assert_eq!(
            seen(pods, services, crons, jobs).await,
            [
                "CronJob/mailer in sandbox sb was not made harmless (spec.suspend)",
                "Job/mailer-1 in sandbox sb was not made harmless (spec.suspend)",
                "Service/front in sandbox sb was not made harmless (spec.ports.0.nodePort, spec.type)",
                "NetworkPolicy/open in sandbox sb was not made harmless (spec.egress.0)",
                "Pod/first in sandbox sb was not made harmless (spec.priority)",
            ]
        );
    }

    #[tokio::test]
    async fn a_job_counts_unless_it_did_nothing_here() {
        let job = |began: Value, ended: Value| {
            let metadata = json!({ "name": "report", "creationTimestamp": "2026-01-01T00:00:10Z" });
            let conditions = json!([{ "type": ended, "status": "True" }]);
            json!([{ "metadata": metadata, "spec": { "suspend": false, "template": {} },
                     "status": { "startTime": began, "conditions": conditions } }])
        };
        let counts = async |job: Value| {
            let found = seen(json!([]), json!([]), json!([]), job).await;
            found.iter().any(|said| said.starts_with("Job/"))
        };
        let before = json!("2026-01-01T00:00:09Z");
        for ended in ["Complete", "Failed"] {
            assert!(
                !counts(job(before.clone(), json!(ended))).await,
                "{ended} elsewhere"
            );
            assert!(!counts(job(Value::Null, json!(ended))).await, "{ended} nowhere");
            let here = json!("2026-01-01T00:00:10Z");
            assert!(counts(job(here, json!(ended))).await, "{ended} here");
        }
        assert!(
            counts(job(before, json!("Suspended"))).await,
            "it goes on whenever somebody looks at it"
        );
    }

    #[tokio::test]
    async fn what_may_not_be_looked_at_is_not_taken_for_harmless() {
        let client = cluster([(PODS, json!([])), (SERVICES, json!([])), (CRONS, json!([]))].into());
        let refused = within(client, vec!["sb".into()], "u".into()).await;
        assert!(refused.is_err(), "{refused:?}");
    }

    #[tokio::test]
    async fn of_another_run_nothing_is_looked_at() {
        let found = within(cluster(BTreeMap::new()), vec!["sb".into()], "other".into()).await;
        assert!(found.unwrap().is_empty());
    }
}
