//! The webhooks and policies as they are registered.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kymaros::admission::Installation;
use kymaros_certs::{Kind, Registration, flaw};
use serde_json::{Value, json};

use crate::{
    arguments,
    helm::{NAMESPACE, object, rendered},
};

fn webhooks(objects: &[Value]) -> Result<Vec<&Value>> {
    let mut all = Vec::new();
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        all.extend(
            object(objects, kind, "kymaros")?["webhooks"]
                .as_array()
                .context("no webhooks")?,
        );
    }
    Ok(all)
}

#[test]
fn the_webhooks_are_the_ones_that_were_meant() -> Result<()> {
    let objects = rendered(&[])?;
    let mut found: Vec<(&str, &str, &str)> = webhooks(&objects)?
        .into_iter()
        .map(|webhook| {
            let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
            let client = &webhook["clientConfig"];
            assert!(
                client["caBundle"].is_null(),
                "whoever applies this again would take the bundle away"
            );
            assert_eq!(client["service"]["name"], "kymaros-webhooks");
            assert_eq!(client["service"]["namespace"], NAMESPACE);
            assert_eq!(webhook["sideEffects"], "None");
            assert_eq!(webhook["matchPolicy"], "Equivalent");
            assert_eq!(webhook["timeoutSeconds"], 5);
            assert!(text(&webhook["name"]).ends_with(".kymaros.io"));
            (
                webhook["name"].as_str().unwrap_or_default(),
                client["service"]["path"].as_str().unwrap_or_default(),
                webhook["failurePolicy"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("contain-namespaces.kymaros.io", "/contain", "Ignore"),
            ("contain.kymaros.io", "/contain", "Fail"),
            ("default.kymaros.io", "/default", "Ignore"),
            ("fence.kymaros.io", "/fence", "Fail"),
            ("guard.kymaros.io", "/guard", "Fail"),
            ("neutralise.kymaros.io", "/neutralise", "Fail"),
            ("validate.kymaros.io", "/validate", "Fail"),
        ]
    );
    Ok(())
}

/// Everything that a configuration registers, by name.
fn registered(objects: &[Value], kind: Kind, name: &str) -> Result<Vec<(String, Registration)>> {
    Ok(match kind {
        Kind::Validating => {
            let found = object(objects, "ValidatingWebhookConfiguration", name)?.clone();
            let found: ValidatingWebhookConfiguration = serde_json::from_value(found)?;
            let webhooks = found.webhooks.iter().flatten();
            webhooks.map(|w| (w.name.clone(), w.into())).collect()
        }
        Kind::Mutating => {
            let found = object(objects, "MutatingWebhookConfiguration", name)?.clone();
            let found: MutatingWebhookConfiguration = serde_json::from_value(found)?;
            let webhooks = found.webhooks.iter().flatten();
            webhooks.map(|w| (w.name.clone(), w.into())).collect()
        }
    })
}

/// The operator restores nothing unless these are as it knows them, so that both must say the same.
#[test]
fn the_fences_are_what_the_operator_waits_for() -> Result<()> {
    for (settings, name, account, velero) in [
        ("replicas=2", "kymaros", "kymaros", "velero"),
        (
            "fullnameOverride=restore-tests,velero.namespace=backup",
            "restore-tests",
            "restore-tests",
            "backup",
        ),
        (
            "serviceAccount.name=tester,webhooks.certManager.enabled=true,leaderElection.enabled=false,replicas=1",
            "kymaros",
            "tester",
            "velero",
        ),
        (
            "auth.mode=none,webhooks.defaulting.failurePolicy=Fail,webhooks.timeoutSeconds=9",
            "kymaros",
            "kymaros",
            "velero",
        ),
    ] {
        let objects = rendered(&["--set", settings])?;
        let told = arguments(&object(&objects, "Deployment", name)?["spec"]["template"]["spec"]);
        let flag = |flag: &str| {
            let mut values = told.iter().filter_map(|told| told.strip_prefix(flag));
            values
                .next()
                .with_context(|| format!("no {flag} with {settings}"))
        };
        let username = format!("system:serviceaccount:{NAMESPACE}:{account}");
        let installation = Installation {
            configuration: flag("--webhook-configuration=")?,
            service: flag("--webhook-service=")?,
            username: &username,
            namespace: NAMESPACE,
            velero_namespace: flag("--velero-namespace=")?,
            lease: flag("--lease=")?,
            certificate_secret: flag("--certificate-secret=")?,
        };
        assert_eq!(installation.velero_namespace, velero);
        for fence in installation.fences() {
            let kind = fence.configuration.kind;
            let all = registered(&objects, kind, &fence.configuration.name)?;
            let live = all.iter().find(|(name, _)| *name == fence.webhook);
            let (_, live) =
                live.with_context(|| format!("{} has no {}", fence.configuration, fence.webhook))?;
            assert_eq!(
                flaw(&fence.meant, live),
                None,
                "{} with {settings}",
                fence.webhook
            );
            // Nor does the chart know less than the operator.
            assert_eq!(
                flaw(live, &fence.meant),
                None,
                "{} with {settings}",
                fence.webhook
            );
        }
        let another = Installation {
            username: "system:serviceaccount:default:default",
            ..installation
        };
        let fences = another.fences();
        let guard = fences.iter().find(|fence| fence.webhook == "guard.kymaros.io");
        let guard = guard.context("no guard")?;
        let all = registered(&objects, Kind::Validating, name)?;
        let live = all.iter().find(|(name, _)| *name == guard.webhook);
        let (_, live) = live.context("no guard in the chart")?;
        assert!(
            flaw(&guard.meant, live).is_some(),
            "it guards an account of others"
        );
    }
    Ok(())
}

/// Whatever becomes of the operator, people can delete what is theirs, and Kubernetes can clean up.
#[test]
fn no_webhook_stands_in_the_way_of_deleting() -> Result<()> {
    let objects = rendered(&[])?;
    for webhook in webhooks(&objects)? {
        let conditions = webhook["matchConditions"].as_array().context("no conditions")?;
        let only_the_operator = conditions
            .iter()
            .any(|condition| condition["name"] == "by-the-operator");
        let rules = webhook["rules"].as_array().context("no rules")?;
        let operations = rules
            .iter()
            .filter_map(|rule| rule["operations"].as_array())
            .flatten();
        let about_changes = operations.into_iter().all(|o| *o == "CREATE" || *o == "UPDATE");
        assert!(
            about_changes || only_the_operator,
            "{} is asked about deletions of others",
            webhook["name"]
        );
        let about_updates = rules
            .iter()
            .any(|rule| rule["operations"].to_string().contains("UPDATE"));
        let lets_go = conditions.iter().any(|condition| condition["name"] == "stays");
        // A namespace that is going keeps the marks it has, and nothing else is asked about.
        let about_namespaces = webhook["name"] == "fence.kymaros.io";
        assert!(
            !about_updates || lets_go || about_namespaces,
            "{} keeps what is being deleted",
            webhook["name"]
        );
    }
    Ok(())
}

/// Tests that the operator writes for callers without an account are judged as those of others are.
#[test]
fn the_operators_own_tests_are_judged_where_it_writes_any() -> Result<()> {
    for (settings, judged) in [
        ("replicas=2", false),
        ("auth.mode=none", true),
        ("auth.mode=token,auth.token=x", true),
        ("auth.mode=none,api.enabled=false", false),
    ] {
        let objects = rendered(&["--set", settings])?;
        for name in ["validate.kymaros.io", "default.kymaros.io"] {
            let all = webhooks(&objects)?;
            let webhook = all.iter().find(|webhook| webhook["name"] == name);
            let conditions = webhook.context(name)?["matchConditions"].as_array();
            let mut names = conditions.context("no conditions")?.iter().map(|c| &c["name"]);
            let skipped = names.any(|condition| condition == "not-by-the-operator");
            assert_eq!(skipped, !judged, "{name} with {settings}");
        }
    }
    Ok(())
}

#[test]
fn with_cert_manager_somebody_else_keeps_the_certificate() -> Result<()> {
    let objects = rendered(&["--set", "webhooks.certManager.enabled=true"])?;
    let certificate = object(&objects, "Certificate", "kymaros-webhooks")?;
    assert_eq!(certificate["spec"]["secretName"], "kymaros-webhook-certificate");
    assert_eq!(
        certificate["spec"]["dnsNames"],
        json!(["kymaros-webhooks.kymaros-system.svc"])
    );
    // What the API server trusts outlives each certificate.
    let signs = &object(&objects, "Issuer", "kymaros-webhooks")?["spec"]["ca"]["secretName"];
    let authority = &object(&objects, "Certificate", "kymaros-webhooks-ca")?["spec"];
    assert_eq!(
        (&authority["secretName"], &authority["isCA"]),
        (signs, &json!(true))
    );
    object(&objects, "Issuer", "kymaros-webhooks-ca")?;
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let annotations = &object(&objects, kind, "kymaros")?["metadata"]["annotations"];
        assert_eq!(
            annotations["cert-manager.io/inject-ca-from"],
            "kymaros-system/kymaros-webhooks"
        );
    }
    let own = object(&objects, "Role", "kymaros-own")?["rules"].to_string();
    assert!(!own.contains(r#"["secrets"],"verbs":["create"]"#), "{own}");
    let cluster = object(&objects, "ClusterRole", "kymaros")?["rules"].to_string();
    assert!(
        !cluster.contains(r#"mutatingwebhookconfigurations"],"verbs":["patch"]"#),
        "{cluster}"
    );

    let other = rendered(&[
        "--set",
        "webhooks.certManager.enabled=true,webhooks.certManager.issuerRef.name=ours,webhooks.certManager.issuerRef.kind=ClusterIssuer",
    ])?;
    for made in ["kymaros-webhooks", "kymaros-webhooks-ca"] {
        assert!(object(&other, "Issuer", made).is_err());
    }
    let issuer = &object(&other, "Certificate", "kymaros-webhooks")?["spec"]["issuerRef"];
    assert_eq!(*issuer, json!({ "name": "ours", "kind": "ClusterIssuer" }));
    Ok(())
}

#[test]
fn old_clusters_get_no_policies_and_very_old_ones_nothing() -> Result<()> {
    let kinds = |version| -> Result<BTreeSet<String>> {
        let objects = rendered(&["--kube-version", version])?;
        Ok(objects
            .iter()
            .filter_map(|o| o["kind"].as_str().map(str::to_owned))
            .collect())
    };
    assert!(kinds("1.30.0")?.contains("ValidatingAdmissionPolicy"));
    assert!(kinds("1.31.4-gke.100")?.contains("ValidatingAdmissionPolicy"));
    assert!(
        !kinds("1.29.9")?
            .iter()
            .any(|kind| kind.starts_with("ValidatingAdmissionPolicy"))
    );
    assert!(kinds("1.29.9")?.contains("ValidatingWebhookConfiguration"));
    assert!(kinds("1.28.0").is_err());
    Ok(())
}
