//! `kymaros coverage`: which namespaces are proven to be restorable.

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::ListParams};
use kymaros_crds::{RestoreReport, RestoreTest};
use kymaros_webhooks::validate::Home;

use super::{
    cluster::Which,
    say,
    table::{Cell, roughly, table},
};
use crate::{
    fleet::{Coverage, CoveredNamespace, Proof, coverage_of_lists},
    report::style::{BAD, DOUBT, FAINT, GOOD},
    velero::Backup,
};

/// Of which cluster.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Namespace in which Velero runs
    #[arg(long, default_value = "velero")]
    velero_namespace: String,
    /// Namespace in which the operator runs
    #[arg(long, default_value = "kymaros-system")]
    operator_namespace: String,
    /// "text" or "json"
    #[arg(short, long, value_enum, default_value_t = super::Form::Text)]
    output: super::Form,
}

/// Shows every namespace with a backup or a test.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let client = args
        .which
        .connect()
        .await
        .context("no cluster: set KUBECONFIG or --context")?;
    let home = Home {
        operator: &args.operator_namespace,
        velero: &args.velero_namespace,
    };
    let now = Timestamp::now();
    let seen = look(client, home, now).await?;
    let text = match args.output {
        super::Form::Text => text(&seen, now),
        super::Form::Json => serde_json::to_string_pretty(&seen)? + "\n",
    };
    say::answer(&text)?;
    Ok(())
}

async fn look(client: Client, home: Home<'_>, now: Timestamp) -> Result<Coverage, kube::Error> {
    let all = ListParams::default();
    let backups = Api::<Backup>::namespaced(client.clone(), home.velero);
    let tests = Api::<RestoreTest>::all(client.clone());
    let reports = Api::<RestoreReport>::all(client.clone());
    let namespaces = Api::<Namespace>::all(client);
    let (tests, reports, backups, namespaces) = tokio::try_join!(
        tests.list(&all),
        reports.list(&all),
        backups.list(&all),
        namespaces.list_metadata(&all),
    )?;
    let (tests, reports) = (tests.items, reports.items);
    Ok(coverage_of_lists(
        tests,
        reports,
        backups.items,
        namespaces.items,
        home,
        now,
    ))
}

fn text(seen: &Coverage, now: Timestamp) -> String {
    let headings = ["NAMESPACE", "STANDING", "PROVEN", "LATEST BACKUP", "AGE", "TESTS"];
    let age = |moment: Option<&String>| Some(roughly(moment?.parse().ok()?, now));
    let cells = |row: &CoveredNamespace| {
        let (word, style) = match row.standing {
            Proof::Proven => ("proven", GOOD),
            Proof::Failing => ("failing", BAD),
            Proof::Undecided => ("undecided", DOUBT),
            Proof::Untested => ("untested", FAINT),
        };
        let tests = Some(row.tests.join(", ")).filter(|tests| !tests.is_empty());
        vec![
            Cell::new(row.namespace.clone()),
            Cell::styled(word, style),
            Cell::or_none(age(row.proven_at.as_ref()).map(|age| format!("{age} ago"))),
            Cell::or_none(row.backup.clone()),
            Cell::or_none(age(row.backup_taken_at.as_ref())),
            Cell::or_none(tests),
        ]
    };
    let rows: Vec<_> = seen.namespaces.iter().map(cells).collect();
    let count = |standing| seen.namespaces.iter().filter(|c| c.standing == standing).count();
    format!(
        "{}\n{} of {} namespaces are proven; {} fail, {} are undecided, {} have a backup that nobody tests\n",
        table(&headings, &rows),
        count(Proof::Proven),
        rows.len(),
        count(Proof::Failing),
        count(Proof::Undecided),
        count(Proof::Untested),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(namespace: &str, standing: Proof) -> CoveredNamespace {
        CoveredNamespace {
            namespace: namespace.to_owned(),
            backup: None,
            backup_taken_at: None,
            standing,
            tests: Vec::new(),
            proven_at: None,
            proof_age: None,
            proof_age_seconds: None,
            cluster: None,
        }
    }

    #[test]
    fn each_namespace_is_a_line_and_the_sum_is_said() {
        let shop = CoveredNamespace {
            tests: vec!["ops/shop".to_owned(), "ops/all".to_owned()],
            backup: Some("nightly-1".to_owned()),
            backup_taken_at: Some("2026-01-01T03:00:00Z".to_owned()),
            proven_at: Some("2026-01-01T04:00:00Z".to_owned()),
            ..of("shop", Proof::Proven)
        };
        let seen = Coverage {
            namespaces: vec![of("gone", Proof::Failing), shop, of("blog", Proof::Untested)],
            ..Coverage::default()
        };
        let text = text(&seen, "2026-01-01T12:00:00Z".parse().unwrap());
        let text = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "NAMESPACE STANDING PROVEN LATEST BACKUP AGE TESTS",
                "gone failing – – – –",
                "shop proven 8h ago nightly-1 9h ops/shop, ops/all",
                "blog untested – – – –",
                "",
                "1 of 3 namespaces are proven; 1 fail, 0 are undecided, 1 have a backup that nobody tests",
            ]
        );
    }
}
