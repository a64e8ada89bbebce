//! What the manifests let the operator do and read, and its pods be.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::helm::{NAMESPACE, object, rendered, template};

/// The rules of a role of the chart.
fn rules(settings: &[&str], kind: &str, name: &str) -> Result<Vec<Value>> {
    let role = object(&rendered(settings)?, kind, name)?["rules"].clone();
    Ok(serde_json::from_value(role)?)
}

#[test]
fn kinds_and_secrets_that_are_named_are_opened_and_no_others() -> Result<()> {
    let named = "completeness.customResources={certificates.cert-manager.io,2.3.4},velero.caSecrets={ours,7}";
    let listed =
        |group: &str, kind: &str| json!({ "apiGroups": [group], "resources": [kind], "verbs": ["list"] });
    let rules_of = |settings: &[&str]| -> Result<_> {
        let (cluster, velero) = (
            rules(settings, "ClusterRole", "kymaros")?,
            rules(settings, "Role", "kymaros")?,
        );
        Ok((cluster, velero))
    };
    let (closed, open) = (rules_of(&[])?, rules_of(&["--set-string", named])?);
    let more = |before: &[Value], after: &[Value]| -> Vec<Value> {
        after
            .iter()
            .filter(|rule| !before.contains(rule))
            .cloned()
            .collect()
    };
    assert_eq!(
        more(&closed.0, &open.0),
        [listed("cert-manager.io", "certificates"), listed("3.4", "2")]
    );
    let read = json!({ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["ours", "7"], "verbs": ["get"] });
    assert_eq!(more(&closed.1, &open.1), [read]);
    Ok(())
}

#[test]
fn other_clusters_are_looked_for_in_the_operators_own_namespace_and_read_by_an_account_of_their_own()
-> Result<()> {
    let opens = |settings: &[&str]| -> Result<bool> {
        let own = rules(settings, "Role", "kymaros-own")?;
        let lists =
            |rule: &&Value| rule["resources"] == json!(["secrets"]) && rule["resourceNames"].is_null();
        let verbs: Vec<Value> = own
            .iter()
            .filter(lists)
            .map(|rule| rule["verbs"].clone())
            .collect();
        Ok(verbs.contains(&json!(["list", "watch"])))
    };
    assert!(!opens(&[])? && opens(&["--set=clusters.enabled=true"])?);
    let reader = rules(
        &["--set=clusters.reader.enabled=true"],
        "ClusterRole",
        "kymaros-cluster-reader",
    )?;
    let wanted = json!([{ "apiGroups": ["restore.kymaros.io"], "resources": ["restoretests", "restorereports"],
                          "verbs": ["get", "list", "watch"] }]);
    assert_eq!(json!(reader), wanted);
    Ok(())
}

/// Only where callers of the API have no account does the operator's change tests.
#[test]
fn the_operator_may_change_tests_only_where_callers_have_no_account() -> Result<()> {
    for (settings, may) in [
        ("replicas=2", false),
        ("auth.mode=none", true),
        ("auth.mode=token,auth.token=x", true),
        ("auth.mode=none,api.enabled=false", false),
    ] {
        let objects = rendered(&["--set", settings])?;
        let rules = object(&objects, "ClusterRole", "kymaros")?["rules"].to_string();
        let written = r#"["restoretests"],"verbs":["create","delete"]"#;
        assert_eq!(rules.contains(written), may, "{settings}: {rules}");
        let policy = object(&objects, "ValidatingAdmissionPolicy", "kymaros-guard")?["spec"].to_string();
        let allowance = "request.operation in ['CREATE', 'DELETE'] && variables.kind == 'restore.kymaros.io/restoretests'";
        assert_eq!(policy.contains(allowance), may, "{settings}");
    }
    Ok(())
}

#[test]
fn a_token_stands_in_its_secret_and_nowhere_else() -> Result<()> {
    let text = template(&["--set", "auth.mode=token,auth.token=very-secret"])?;
    assert!(!text.contains("very-secret"));
    let objects = rendered(&["--set", "auth.mode=token,auth.token=very-secret"])?;
    assert_eq!(
        object(&objects, "Secret", "kymaros-auth")?["data"]["token"],
        "dmVyeS1zZWNyZXQ="
    );
    let objects = rendered(&["--set", "auth.mode=token,auth.existingSecret=ours"])?;
    assert!(object(&objects, "Secret", "kymaros-auth").is_err());
    // Nobody is asked for a token by an API that is not there, and a pod would wait for its Secret for ever.
    let token = "auth.mode=token,auth.token=very-secret";
    assert!(template(&["--set", token])?.contains("KYMAROS_API_TOKEN"));
    let without_api = template(&["--set", token, "--set", "api.enabled=false"])?;
    assert!(!without_api.contains("KYMAROS_API_TOKEN") && !without_api.contains("kymaros-auth"));
    Ok(())
}

#[test]
fn another_token_starts_other_pods() -> Result<()> {
    let pods = |token: &str| -> Result<Value> {
        let objects = rendered(&["--set", &format!("auth.mode=token,auth.token={token}")])?;
        Ok(object(&objects, "Deployment", "kymaros")?["spec"]["template"].clone())
    };
    assert_eq!(pods("one")?, pods("one")?);
    assert_ne!(pods("one")?, pods("other")?);
    Ok(())
}

#[test]
fn only_the_secrets_that_are_named_may_be_read() -> Result<()> {
    let readable = |settings: &[&str]| -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for object in rendered(settings)? {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("everywhere");
            for rule in object["rules"].as_array().into_iter().flatten() {
                let of_secrets = rule["resources"] == json!(["secrets"]) && rule["verbs"] == json!(["get"]);
                if of_secrets {
                    found.insert(format!("{namespace} {}", rule["resourceNames"]));
                }
            }
        }
        Ok(found)
    };
    assert!(readable(&[])?.is_empty());
    let set = "notifications.slack.enabled=true,notifications.slack.webhookSecretRef=team,\
               notifications.webhook.webhookSecretRef=unused,\
               notifications.secrets[0].namespace=shop,notifications.secrets[0].names={slack,hook}";
    let expected = [
        format!("{NAMESPACE} [\"team\"]"),
        "shop [\"slack\",\"hook\"]".to_owned(),
    ];
    assert_eq!(readable(&["--set", set])?, expected.into());
    Ok(())
}

#[test]
fn the_operator_knows_no_root_no_capability_and_no_disk() -> Result<()> {
    let objects = rendered(&[])?;
    let pod = &object(&objects, "Deployment", "kymaros")?["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    assert!(pod["volumes"].is_null());
    Ok(())
}
