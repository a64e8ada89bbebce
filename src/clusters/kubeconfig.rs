//! A kubeconfig out of a Secret: what of it is taken, and what is refused. Whoever writes the Secret must not make the
//! operator run a program, read a file, or give a token to somebody who is not the cluster.

use axum::http::{HeaderValue, Uri};
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use secrecy::{ExposeSecret, SecretString};

use super::refusal::Refusal;
use crate::reach::Reach;

/// Largest kubeconfig, bytes: one cluster and one account with certificates have a tenth of that.
pub(super) const MOST: usize = 64 << 10;
/// Clusters are reached over TLS. Ways to some lead over a proxy in the same pod, so this machine is allowed.
pub(super) const REACH: Reach = Reach {
    http: false,
    loopback: true,
};
/// The one name of what is left of it.
const ONE: &str = "cluster";

/// What is needed of a kubeconfig, and nothing else.
pub(super) fn checked(text: &[u8]) -> Result<Kubeconfig, Refusal> {
    if text.len() > MOST {
        return Err(Refusal::TooLarge {
            size: text.len(),
            most: MOST,
        });
    }
    let text = std::str::from_utf8(text).map_err(|_| Refusal::Unreadable(String::new()))?;
    let (cluster, user) = current(read(text)?)?;
    Ok(Kubeconfig {
        current_context: Some(ONE.to_owned()),
        contexts: vec![NamedContext {
            name: ONE.to_owned(),
            context: Some(Context {
                cluster: ONE.to_owned(),
                user: Some(ONE.to_owned()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        clusters: vec![NamedCluster {
            name: ONE.to_owned(),
            cluster: Some(of_cluster(cluster)?),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: ONE.to_owned(),
            auth_info: Some(of_user(user)?),
            ..NamedAuthInfo::default()
        }],
        ..Kubeconfig::default()
    })
}

/// The words of the parser quote what they stumble over, so only the place is taken.
fn read(text: &str) -> Result<Kubeconfig, Refusal> {
    serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().map(|at| format!(" (line {})", at.line()));
        Refusal::Unreadable(at.unwrap_or_default())
    })
}

fn current(of: Kubeconfig) -> Result<(Cluster, AuthInfo), Refusal> {
    let wanted = of.current_context.filter(|name| !name.is_empty());
    let wanted = wanted.ok_or(Refusal::Dangling("current-context is missing; name a context"))?;
    let context = of.contexts.into_iter().find(|context| context.name == wanted);
    let context = context
        .and_then(|context| context.context)
        .ok_or(Refusal::Dangling(
            "current-context names no context; add it to contexts",
        ))?;
    let cluster = of
        .clusters
        .into_iter()
        .find(|cluster| cluster.name == context.cluster);
    let cluster = cluster
        .and_then(|cluster| cluster.cluster)
        .ok_or(Refusal::Dangling(
            "the cluster of the current context is missing; add it to clusters",
        ))?;
    let user = of
        .auth_infos
        .into_iter()
        .find(|user| Some(&user.name) == context.user.as_ref())
        .and_then(|user| user.auth_info)
        .ok_or(Refusal::NoAccount)?;
    Ok((cluster, user))
}

fn is_set(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn of_cluster(cluster: Cluster) -> Result<Cluster, Refusal> {
    let server = cluster.server.as_deref().unwrap_or_default().trim();
    let uri: Uri = server.parse().map_err(|_| Refusal::NoAddress)?;
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or(Refusal::NoAddress)?;
    if uri.scheme_str() != Some("https") {
        return Err(Refusal::Plain);
    }
    // A name is judged when it is looked up; numbers never are.
    let number = host.trim_start_matches('[').trim_end_matches(']').parse();
    if number.is_ok_and(|ip| !REACH.allows(ip)) {
        return Err(Refusal::Place);
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(Refusal::Insecure);
    }
    if is_set(cluster.certificate_authority.as_ref()) {
        return Err(Refusal::File {
            field: "cluster.certificate-authority",
            instead: "cluster.certificate-authority-data",
        });
    }
    if is_set(cluster.proxy_url.as_ref()) {
        return Err(Refusal::Proxy);
    }
    Ok(Cluster {
        server: Some(server.to_owned()),
        certificate_authority_data: cluster.certificate_authority_data,
        tls_server_name: cluster.tls_server_name,
        ..Cluster::default()
    })
}

fn of_user(user: AuthInfo) -> Result<AuthInfo, Refusal> {
    if user.exec.is_some() {
        return Err(Refusal::Program("exec"));
    }
    if user.auth_provider.is_some() {
        return Err(Refusal::Program("auth-provider"));
    }
    for (file, field, instead) in [
        (&user.token_file, "user.tokenFile", "user.token"),
        (
            &user.client_certificate,
            "user.client-certificate",
            "user.client-certificate-data",
        ),
        (&user.client_key, "user.client-key", "user.client-key-data"),
    ] {
        if is_set(file.as_ref()) {
            return Err(Refusal::File { field, instead });
        }
    }
    for (is_set, field) in [
        (
            is_set(user.username.as_ref()) || user.password.is_some(),
            "username",
        ),
        (is_set(user.impersonate.as_ref()), "as"),
        (is_set(user.impersonate_uid.as_ref()), "as-uid"),
        (user.impersonate_groups.is_some(), "as-groups"),
        (user.impersonate_user_extra.is_some(), "as-user-extra"),
    ] {
        if is_set {
            return Err(Refusal::SignIn(field));
        }
    }
    let has_certificate = is_set(user.client_certificate_data.as_ref()) && user.client_key_data.is_some();
    let token = user.token.map_or(Ok(None), |token| of_token(&token))?;
    if token.is_none() && !has_certificate {
        return Err(Refusal::NoAccount);
    }
    Ok(AuthInfo {
        token,
        client_certificate_data: user.client_certificate_data,
        client_key_data: user.client_key_data,
        ..AuthInfo::default()
    })
}

/// Files that tokens come from end with a line break. What cannot stand in a header is no token.
fn of_token(token: &SecretString) -> Result<Option<SecretString>, Refusal> {
    let token = token.expose_secret().trim();
    if HeaderValue::from_str(token).is_err() {
        return Err(Refusal::Token);
    }
    Ok(Some(token)
        .filter(|token| !token.is_empty())
        .map(SecretString::from))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A kubeconfig of one cluster and one account.
    pub fn of(cluster: &Value, user: &Value) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "clusters": [{ "name": "c", "cluster": cluster }],
            "users": [{ "name": "u", "user": user }],
        })
        .to_string()
    }

    /// One that is taken.
    pub fn fine() -> String {
        of(
            &json!({ "server": "https://eu.example.com:6443" }),
            &json!({ "token": "SECRET" }),
        )
    }

    fn refused(text: &str) -> Refusal {
        checked(text.as_bytes()).map(drop).unwrap_err()
    }

    #[test]
    fn a_token_or_a_certificate_over_tls_is_taken_and_nothing_else_is_left_of_it() {
        let taken = checked(fine().as_bytes()).unwrap();
        assert_eq!((taken.clusters.len(), taken.auth_infos.len()), (1, 1));
        let server = json!({ "server": "https://10.1.2.3:6443", "certificate-authority-data": "eA==",
                             "tls-server-name": "eu" });
        let user = json!({ "client-certificate-data": "eA==", "client-key-data": "eA==" });
        let taken = checked(of(&server, &user).as_bytes()).unwrap();
        let cluster = taken.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.tls_server_name.as_deref(), Some("eu"));
        for proxy_in_the_same_pod in ["https://127.0.0.1:8443", "https://[::1]:8443"] {
            let server = json!({ "server": proxy_in_the_same_pod });
            assert!(checked(of(&server, &json!({ "token": "t" })).as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_line_break_after_a_token_is_none_of_it() {
        let server = json!({ "server": "https://eu.example.com" });
        let taken = checked(of(&server, &json!({ "token": "t\r\n" })).as_bytes()).unwrap();
        let user = taken.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.token.as_ref().unwrap().expose_secret(), "t");
    }

    fn is_refused(cluster: &Value, user: &Value, field: &str, remedy: &str) {
        let said = refused(&of(cluster, user)).to_string();
        assert!(
            said.contains(field) && said.contains(remedy),
            "{cluster} {user}: {said}"
        );
        assert!(!said.contains("SECRET"), "{said}");
    }

    #[test]
    fn an_account_that_would_run_or_read_something_is_refused_with_its_field_and_a_remedy() {
        let cluster = json!({ "server": "https://eu.example.com:6443" });
        for (user, field, remedy) in [
            (
                json!({ "exec": { "command": "SECRET" } }),
                "user.exec",
                "user.token",
            ),
            (
                json!({ "token": "SECRET", "exec": {} }),
                "user.exec",
                "user.token",
            ),
            (
                json!({ "auth-provider": { "name": "gcp" } }),
                "user.auth-provider",
                "user.token",
            ),
            (json!({ "tokenFile": "/SECRET" }), "user.tokenFile", "user.token"),
            (
                json!({ "client-certificate": "/SECRET" }),
                "user.client-certificate",
                "-data",
            ),
            (
                json!({ "token": "SECRET", "client-key": "/SECRET" }),
                "user.client-key",
                "-data",
            ),
            (
                json!({ "username": "SECRET", "password": "SECRET" }),
                "user.username",
                "user.token",
            ),
            (
                json!({ "token": "SECRET", "as": "SECRET" }),
                "user.as",
                "user.token",
            ),
            (
                json!({ "token": "SECRET", "as-groups": ["SECRET"] }),
                "user.as-groups",
                "user.token",
            ),
            (json!({ "token": "SEC\nRET" }), "user.token", "one line"),
            (json!({ "token": " \n" }), "no account", "user.token"),
            (json!({}), "no account", "user.token"),
            (
                json!({ "client-certificate-data": "SECRET" }),
                "no account",
                "user.token",
            ),
        ] {
            is_refused(&cluster, &user, field, remedy);
        }
    }

    #[test]
    fn a_server_that_is_none_or_could_be_somebody_else_is_refused_with_its_field_and_a_remedy() {
        let user = json!({ "token": "SECRET" });
        let server = |address: &str| json!({ "server": address });
        for (cluster, field, remedy) in [
            (json!({}), "cluster.server", "https://"),
            (server("eu SECRET"), "cluster.server", "https://"),
            (server("http://SECRET"), "cluster.server is not https", "https://"),
            (server("https://169.254.169.254"), "cluster.server", "never"),
            (server("https://[fe80::1]"), "cluster.server", "never"),
            (server("https://0.0.0.0"), "cluster.server", "never"),
            (
                json!({ "server": "https://x", "insecure-skip-tls-verify": true }),
                "cluster.insecure-skip-tls-verify",
                "certificate-authority-data",
            ),
            (
                json!({ "server": "https://x", "certificate-authority": "/SECRET" }),
                "cluster.certificate-authority",
                "certificate-authority-data",
            ),
            (
                json!({ "server": "https://x", "proxy-url": "http://SECRET" }),
                "cluster.proxy-url",
                "directly",
            ),
        ] {
            is_refused(&cluster, &user, field, remedy);
        }
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused_without_quoting_it() {
        for text in [
            "clusters: [SECRET",
            "SECRET",
            "users: {SECRET: 1}",
            "clusters:\n- SECRET",
        ] {
            let refusal = refused(text);
            let said = refusal.to_string();
            assert!(
                !said.contains("SECRET") && said.contains("kubeconfig"),
                "{text}: {said}"
            );
        }
        assert!(matches!(
            checked(&[0xff, 0xfe]).map(drop),
            Err(Refusal::Unreadable(_))
        ));
        let padded = format!("{}#{}", fine(), "x".repeat(MOST));
        assert!(matches!(refused(&padded), Refusal::TooLarge { .. }));
        for (from, to, says) in [
            (
                "\"current-context\":\"c\"",
                "\"current-context\":\"\"",
                "current-context is missing",
            ),
            (
                "\"current-context\":\"c\"",
                "\"current-context\":\"d\"",
                "names no context",
            ),
            ("\"cluster\":\"c\"", "\"cluster\":\"d\"", "add it to clusters"),
            ("\"user\":\"u\"", "\"user\":\"v\"", "no account"),
        ] {
            let text = fine();
            assert!(text.contains(from), "{text}");
            assert!(
                refused(&text.replace(from, to)).to_string().contains(says),
                "{to}"
            );
        }
    }
}
