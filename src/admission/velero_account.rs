//! Which account Velero's server works as: found, not assumed.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use crate::velero::server::is_server;

/// The user name of Velero's server, from the Deployment that runs `velero server`.
#[must_use]
pub(super) fn find<'a>(deployments: impl IntoIterator<Item = &'a Deployment>) -> Option<String> {
    deployments.into_iter().find_map(|deployment| {
        let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
        let account = pod.service_account_name.as_deref().unwrap_or("default");
        let namespace = deployment.namespace()?;
        is_server(deployment).then(|| format!("system:serviceaccount:{namespace}:{account}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(command: &[&str], args: &[&str], account: &str) -> Deployment {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "any", "namespace": "backup" },
            "spec": { "selector": {}, "template": { "spec": {
                "serviceAccountName": account,
                "containers": [{ "name": "c", "command": command, "args": args }] } } },
        }))
        .unwrap()
    }

    #[test]
    fn the_server_is_known_by_what_it_runs() {
        let other = deployment(&["/ui"], &["serve"], "ui");
        let server = deployment(&["/velero"], &["server", "--features="], "backup-operator");
        assert_eq!(
            find([&other, &server]).as_deref(),
            Some("system:serviceaccount:backup:backup-operator")
        );
        assert_eq!(find([&other]), None);
    }
}
