//! The chart on an API server of its own: what Helm finds there before it installs anything, and what it says afterwards.

mod helm;

use anyhow::Result;
use helm::{NAMESPACE, RELEASE, chart, text};
use kymaros_testbed::{cluster::Cluster, lone::ApiServer};

/// What Helm would do, held against the API server; its complaint as an error.
fn install(cluster: &Cluster, values: &[&str]) -> Result<String> {
    let mut args = vec!["install", RELEASE, text(chart()?)?, "--namespace", NAMESPACE];
    args.push("--dry-run=server");
    for value in values {
        args.extend(["--set", value]);
    }
    cluster.run("helm", &args)
}

#[tokio::test]
async fn where_velero_is_not_nothing_is_installed_and_where_it_is_the_next_steps_are_said() -> Result<()> {
    let server = ApiServer::start().await?;
    let cluster = server.cluster();
    for (values, named) in [(&[][..], "velero"), (&["velero.namespace=backup"], "backup")] {
        let refused = install(&cluster, values).err().map(|error| format!("{error:#}"));
        let refused = refused.unwrap_or_default();
        let says = format!(
            "there is no namespace {named}: install Velero first, or say where it is with velero.namespace"
        );
        assert!(refused.contains(&says), "{refused:?}");
    }
    for namespace in ["velero", "backup", NAMESPACE] {
        cluster.kubectl(&["create", "namespace", namespace])?;
    }

    let curl = "curl http://localhost:8080/api/v1/summary";
    let open = "auth.mode is none: whoever reaches the API can change tests.";
    let no_exec = "rbac.allowExec is false: checks of type exec cannot pass.";
    let no_kinds = "The kinds were left out.";
    let forward = "port-forward --namespace kymaros-system service/kymaros-api 8080:8080";
    for (values, said, unsaid) in [
        (
            &[][..],
            &[
                "is in namespace kymaros-system and reads backups of Velero in namespace velero.",
                "helm test kymaros --namespace kymaros-system",
                "name: shop\n       namespace: kymaros-system",
                forward,
                "Authorization: Bearer $(kubectl create token ACCOUNT --namespace NAMESPACE)",
            ][..],
            &[curl, open, no_exec, no_kinds, "older than Kubernetes 1.30"][..],
        ),
        (
            &["velero.namespace=backup", "service.port=80", "auth.mode=none"],
            &[
                "reads backups of Velero in namespace backup.",
                "service/kymaros-api 8080:80\n",
                curl,
                open,
            ],
            &["Bearer"],
        ),
        (
            &["auth.mode=token", "auth.token=x"],
            &[forward, curl],
            &["Bearer", open],
        ),
        (
            &["api.enabled=false", "rbac.allowExec=false"],
            &[no_exec],
            &["port-forward", curl],
        ),
        (&["crds.enabled=false"], &[no_kinds, "kymaros-crds"], &[]),
        (&["installCRDs=false"], &[no_kinds], &[]),
    ] {
        let output = install(&cluster, values)?;
        let (_, notes) = output.split_once("\nNOTES:\n").unwrap_or_default();
        for part in said {
            assert!(notes.contains(part), "{values:?}: no {part:?} in {notes}");
        }
        for part in unsaid {
            assert!(!notes.contains(part), "{values:?}: {part:?} in {notes}");
        }
    }
    Ok(())
}
