//! Velero's server: found by what it runs, not by its name.

use k8s_openapi::api::apps::v1::Deployment;

/// Whether this Deployment runs `velero server`.
#[must_use]
pub fn is_server(deployment: &Deployment) -> bool {
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    pod.is_some_and(|pod| {
        pod.containers.iter().any(|container| {
            let words = container.command.iter().chain(&container.args).flatten();
            let words: Vec<&str> = words.map(String::as_str).collect();
            words.iter().any(|w| *w == "velero" || w.ends_with("/velero")) && words.contains(&"server")
        })
    })
}

/// Whether none of the server's pods is up.
#[must_use]
pub fn is_down(server: &Deployment) -> bool {
    let status = server.status.as_ref();
    status
        .and_then(|status| status.available_replicas)
        .unwrap_or_default()
        == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(command: &[&str], args: &[&str], available: Option<i32>) -> Deployment {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "any" },
            "spec": { "selector": {}, "template": { "spec": {
                "containers": [{ "name": "c", "command": command, "args": args }] } } },
            "status": { "availableReplicas": available },
        }))
        .unwrap()
    }

    #[test]
    fn the_server_is_known_by_what_it_runs() {
        assert!(is_server(&deployment(
            &["/velero"],
            &["server", "--features="],
            None
        )));
        assert!(!is_server(&deployment(&["/ui"], &["serve"], None)));
        assert!(!is_server(&deployment(
            &["/velero"],
            &["node-agent", "server"][..1],
            None
        )));
    }

    #[test]
    fn it_is_down_without_a_pod_that_is_up() {
        assert!(is_down(&deployment(&[], &[], None)));
        assert!(is_down(&deployment(&[], &[], Some(0))));
        assert!(!is_down(&deployment(&[], &[], Some(1))));
    }
}
