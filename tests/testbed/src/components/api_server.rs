//! The API server.

use super::{Component, Ready, api_server_url, etcd, kubernetes, pki};
use crate::places::{self, API_PORT, NODE_ADDRESS, SERVICE_RANGE};

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "apiserver",
        kubernetes("kube-apiserver"),
        Ready::Http(format!("{}/readyz", api_server_url())),
    )
    .args([
        format!("--etcd-servers={}", etcd::CLIENT_URL),
        format!("--advertise-address={NODE_ADDRESS}"),
        format!("--bind-address={NODE_ADDRESS}"),
        format!("--secure-port={API_PORT}"),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        format!(
            "--kubelet-client-certificate={}",
            pki("apiserver-kubelet-client.crt")
        ),
        format!("--kubelet-client-key={}", pki("apiserver-kubelet-client.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        // Aggregated API servers recognise the API server by this certificate.
        format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", pki("front-proxy-client.crt")),
        format!("--proxy-client-key-file={}", pki("front-proxy-client.key")),
        "--shutdown-delay-duration=0s".to_owned(),
        format!("--audit-policy-file={}", places::state_text(AUDIT_POLICY)),
        format!("--audit-log-path={}", places::audit_log().display()),
        "--audit-log-maxsize=100".to_owned(),
        "--audit-log-maxbackup=1".to_owned(),
    ]);
    component.needs = &["etcd"];
    component.files = vec![(AUDIT_POLICY, audit_policy())];
    component
}

const AUDIT_POLICY: &str = "audit-policy.json";

/// What the operator asks for, and what it is answered: a test holds its rights against that. All others ask too much
/// to be recorded.
fn audit_policy() -> String {
    serde_json::json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            { "level": "Metadata", "userGroups": ["system:serviceaccounts:kymaros-system"] },
            { "level": "None" },
        ],
    })
    .to_string()
}
