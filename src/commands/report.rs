//! `kymaros report`.

use anyhow::{Context as _, bail};
use kube::ResourceExt;
use kymaros_crds::RestoreReport;

use super::{
    cluster::{Cluster, Scope},
    say,
};

/// Which report.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Name of the report, or of a test: then it is the one with the latest verdict
    name: String,
    #[command(flatten)]
    scope: Scope,
    /// Form of the report
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For terminals
    Text,
    /// The object as the cluster keeps it
    Json,
    /// For tickets and evidence
    Markdown,
}

/// Prints a report.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let cluster = args.scope.connect().await?;
    let report = find(&cluster, &args.name).await?;
    if report.name_any() != args.name {
        say::aside(&format!(
            "{} is a test; its latest verdict is in report {}",
            args.name,
            report.name_any()
        ))?;
    }
    show(&report, args.output)
}

/// The report of this name, or that with the latest verdict on the test of this name: alerts name tests.
async fn find(cluster: &Cluster, name: &str) -> anyhow::Result<RestoreReport> {
    let namespace = &cluster.namespace;
    if let Some(report) = cluster.reports().get_opt(name).await? {
        return Ok(report);
    }
    let test = cluster.tests().get_opt(name).await.with_context(|| {
        format!(
            "there is no report {name} in namespace {namespace}; whether it is a test takes the right to get restoretests"
        )
    })?;
    let Some(test) = test else {
        bail!(
            "there is no report {name} in namespace {namespace}, and no test of that name; `kymaros tests --all-namespaces` lists \
             tests with their latest reports"
        )
    };
    let Some(latest) = test.status.and_then(|status| status.last_report_ref) else {
        bail!("test {name} has no verdict yet; `kymaros run {name} --namespace {namespace}` runs it now")
    };
    cluster.reports().get_opt(&latest).await?.with_context(|| {
        format!(
            "the latest report of test {name}, {latest}, was deleted; `kymaros run {name} --namespace {namespace}` makes another"
        )
    })
}

/// Writes a report to standard output; in colours if that is a terminal.
pub(super) fn show(report: &RestoreReport, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Text => crate::report::text(report)?,
        Output::Markdown => crate::report::markdown(report)?,
        Output::Json => {
            let mut report = report.clone();
            report.managed_fields_mut().clear();
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    say::answer(&text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::json;

    use super::*;

    /// A cluster with a report, and tests: one of it, one that never ran, one whose report is gone, one with its name.
    fn cluster() -> Cluster {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let path = request.uri().path().to_owned();
            let test = |latest: Option<&str>| {
                json!({
                    "metadata": { "name": "t", "namespace": "ops" },
                    "spec": { "backupSource": { "provider": "velero", "namespaces": [] }, "schedule": { "cron": "" } },
                    "status": { "lastReportRef": latest },
                })
            };
            let object = match path.rsplit_once("/namespaces/ops/").map(|(_, path)| path) {
                Some("restorereports/shop-1") => Some(json!({
                    "metadata": { "name": "shop-1", "namespace": "ops" }, "spec": { "testRef": "shop" },
                })),
                Some("restoretests/shop") => Some(test(Some("shop-1"))),
                Some("restoretests/shop-1") => Some(test(Some("shop-1-1"))),
                Some("restoretests/new") => Some(test(None)),
                Some("restoretests/old") => Some(test(Some("old-1"))),
                _ => None,
            };
            let code = if object.is_some() { 200 } else { 404 };
            let object =
                object.unwrap_or_else(|| json!({ "status": "Failure", "reason": "NotFound", "code": 404 }));
            let body = Body::from(serde_json::to_vec(&object).unwrap());
            Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
        });
        Cluster {
            client: Client::new(service, "ops"),
            namespace: "ops".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_name_of_a_test_gives_its_latest_report() {
        for name in ["shop-1", "shop"] {
            let report = find(&cluster(), name).await.unwrap();
            assert_eq!(report.name_any(), "shop-1", "{name}");
        }
    }

    #[tokio::test]
    async fn without_a_report_it_is_said_how_to_get_one() {
        for (name, remedy) in [
            ("new", "has no verdict yet; `kymaros run new --namespace ops`"),
            ("old", "old-1, was deleted; `kymaros run old --namespace ops`"),
            ("none", "no test of that name; `kymaros tests --all-namespaces`"),
        ] {
            let error = find(&cluster(), name).await.unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
