//! A kubeconfig with everything inside it.

use serde_json::json;

use super::Identity;

/// A kubeconfig for one cluster and one user. JSON, which every reader of YAML takes; certificates are inside, so the
/// file can be copied anywhere.
pub fn render(server: &str, authority: &str, identity: &Identity) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kymaros-testbed", "cluster": {
            "server": server,
            "certificate-authority-data": base64(authority.as_bytes()),
        }}],
        "users": [{"name": "kymaros-testbed", "user": {
            "client-certificate-data": base64(identity.certificate.as_bytes()),
            "client-key-data": base64(identity.key.as_bytes()),
        }}],
        "contexts": [{"name": "kymaros-testbed", "context": {"cluster": "kymaros-testbed", "user": "kymaros-testbed"}}],
        "current-context": "kymaros-testbed",
    });
    format!("{config:#}\n")
}

/// Base64 with padding, through the one type of the Kubernetes API that is serialised so.
fn base64(bytes: &[u8]) -> serde_json::Value {
    json!(k8s_openapi::ByteString(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_read_by_the_client() {
        let identity = Identity {
            certificate: "certificate".into(),
            key: "key".into(),
        };
        let text = render("https://127.0.0.1:16443", "authority", &identity);
        let config = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("kymaros-testbed"));
        let user = config.auth_infos[0].auth_info.clone().unwrap();
        assert_eq!(user.client_certificate_data.as_deref(), Some("Y2VydGlmaWNhdGU="));
    }
}
