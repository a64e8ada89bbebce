//! From a Service to a ready pod behind it, through the `EndpointSlices` as kube-proxy sees them.

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{Api, Client, api::ListParams};

use super::Failure;

/// A ready pod and the numeric port behind a Service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub pod: String,
    pub port: u16,
}

pub(super) async fn find(
    client: &Client,
    sandbox: &str,
    service: &str,
    port: u16,
) -> Result<Endpoint, Failure> {
    let services = Api::<Service>::namespaced(client.clone(), sandbox);
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), sandbox);
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let (found, slices) = tokio::try_join!(services.get_opt(service), slices.list(&of_service))?;
    let found = found.ok_or_else(|| Failure::Missing(format!("service {service} does not exist")))?;
    choose(&found, &slices.items, service, port)
}

/// Why a forwarded port takes no connection; without a reason it does not come back. A closed port shows only here: who
/// speaks to it merely sees the stream end.
pub(super) async fn refusal(reason: impl Future<Output = Option<String>>) -> String {
    match reason.await {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

fn choose(found: &Service, slices: &[EndpointSlice], service: &str, port: u16) -> Result<Endpoint, Failure> {
    let ports = found.spec.as_ref().and_then(|s| s.ports.as_ref());
    let service_port = ports
        .into_iter()
        .flatten()
        .find(|p| p.port == i32::from(port))
        .ok_or_else(|| Failure::Final(format!("service {service} has no port {port}")))?;
    let port_name = service_port.name.as_deref().unwrap_or_default();
    for slice in slices {
        let number = slice
            .ports
            .iter()
            .flatten()
            .find(|p| p.name.as_deref().unwrap_or_default() == port_name)
            .and_then(|p| p.port)
            .and_then(|p| u16::try_from(p).ok());
        let ready = slice.endpoints.iter().find_map(|e| {
            let is_ready = e.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true);
            let pod = e.target_ref.as_ref().filter(|t| t.kind.as_deref() == Some("Pod"));
            pod.filter(|_| is_ready).and_then(|t| t.name.clone())
        });
        if let (Some(port), Some(pod)) = (number, ready) {
            return Ok(Endpoint { pod, port });
        }
    }
    Err(Failure::NotYet(format!(
        "service {service} has no ready pod behind it"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn service() -> Service {
        from_value(json!({ "spec": { "ports": [
            { "name": "web", "port": 80, "targetPort": "http" }, { "name": "admin", "port": 81 }] } }))
        .unwrap()
    }

    fn slice(ready: bool) -> EndpointSlice {
        from_value(json!({
            "metadata": {}, "addressType": "IPv4",
            "ports": [{ "name": "web", "port": 8080 }],
            "endpoints": [{ "addresses": ["10.0.0.1"], "conditions": { "ready": ready },
                            "targetRef": { "kind": "Pod", "name": "web-1" } }],
        }))
        .unwrap()
    }

    #[test]
    fn a_named_target_port_is_resolved_by_the_slice() {
        let found = choose(&service(), &[slice(true)], "web", 80).unwrap();
        assert_eq!(
            found,
            Endpoint {
                pod: "web-1".into(),
                port: 8080
            }
        );
    }

    #[test]
    fn says_what_is_missing() {
        assert!(matches!(
            choose(&service(), &[slice(false)], "web", 80),
            Err(Failure::NotYet(_))
        ));
        assert!(matches!(
            choose(&service(), &[], "web", 80),
            Err(Failure::NotYet(_))
        ));
        assert!(matches!(
            choose(&service(), &[slice(true)], "web", 82),
            Err(Failure::Final(_))
        ));
        assert!(matches!(
            choose(&service(), &[slice(true)], "web", 81),
            Err(Failure::NotYet(_))
        ));
    }
}
