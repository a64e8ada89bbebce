//! Ways into running pods and nodes, which are not objects.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, api::ListParams};
use kymaros_testbed::scene::Scene;

use crate::outcome::{Tried, outcome};

/// Each of them tried with each method.
pub async fn tunnels(operator: &Client, scene: &Scene, production: &str) -> Result<Vec<Tried>> {
    let pods = Api::<Pod>::namespaced(scene.client.clone(), production);
    let pod = pods
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .next()
        .context("no pod")?;
    let pod = pod.metadata.name.unwrap_or_default();
    let nodes = Api::<Node>::all(scene.client.clone())
        .list(&ListParams::default())
        .await?;
    let node = nodes
        .items
        .into_iter()
        .next()
        .and_then(|n| n.metadata.name)
        .context("no node")?;
    let paths = [
        format!("/api/v1/namespaces/{production}/pods/{pod}/exec?command=true&stdout=true"),
        format!("/api/v1/namespaces/{production}/pods/{pod}/attach?stdout=true"),
        format!("/api/v1/namespaces/{production}/pods/{pod}/portforward?ports=8080"),
        format!("/api/v1/namespaces/{production}/pods/{pod}:8080/proxy/"),
        format!("/api/v1/namespaces/{production}/services/web:80/proxy/"),
        format!("/api/v1/nodes/{node}/proxy/healthz"),
    ];
    let mut tried = Vec::new();
    for path in paths {
        for method in ["GET", "POST", "PUT"] {
            let request = http::Request::builder()
                .method(method)
                .uri(&path)
                .body(Vec::new())?;
            let result = operator.request_text(request).await;
            tried.push(Tried {
                what: format!("{method} {path}"),
                outcome: outcome(result),
                is_its_business: false,
            });
        }
    }
    Ok(tried)
}
