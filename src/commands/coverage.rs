//! `kymaros coverage`: which namespaces are proven to be restorable.

use std::{collections::BTreeSet, io::Write};

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, api::ListParams};
use kymaros_crds::{RestoreReport, RestoreTest, names};

use super::{
    cluster::Which,
    table::{Cell, roughly, table},
};
use crate::{
    coverage::{Covered, Standing, coverage},
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
    /// "text" or "json"
    #[arg(short, long, value_enum, default_value_t = super::Form::Text)]
    output: super::Form,
}

/// Shows every namespace.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let client = args
        .which
        .connect()
        .await
        .context("no cluster: set KUBECONFIG or --context")?;
    let covered = look(client, &args.velero_namespace).await?;
    let text = match args.output {
        super::Form::Text => text(&covered, Timestamp::now()),
        super::Form::Json => serde_json::to_string_pretty(&covered)? + "\n",
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}

async fn look(client: Client, velero: &str) -> anyhow::Result<Vec<Covered>> {
    let all = ListParams::default();
    let backups = Api::<Backup>::namespaced(client.clone(), velero);
    let (tests, reports) = (
        Api::<RestoreTest>::all(client.clone()),
        Api::<RestoreReport>::all(client.clone()),
    );
    let namespaces = Api::<Namespace>::all(client).list_metadata(&all).await?;
    let is_sandbox = |labels: &std::collections::BTreeMap<String, String>| {
        labels
            .get(names::MANAGED_BY_LABEL)
            .is_some_and(|by| by == names::MANAGED_BY)
    };
    let names: BTreeSet<String> = namespaces
        .iter()
        .filter(|namespace| !is_sandbox(namespace.labels()))
        .map(ResourceExt::name_any)
        .collect();
    let backups = backups.list(&all).await?.items;
    let (tests, reports) = (tests.list(&all).await?.items, reports.list(&all).await?.items);
    Ok(coverage(&names, &backups, &tests, &reports))
}

fn text(covered: &[Covered], now: Timestamp) -> String {
    let headings = ["NAMESPACE", "STANDING", "PROVEN", "LATEST BACKUP", "AGE", "TESTS"];
    let cells = |covered: &Covered| {
        let (word, style) = match covered.standing {
            Standing::Proven => ("proven", GOOD),
            Standing::Failing => ("failing", BAD),
            Standing::Undecided => ("undecided", DOUBT),
            Standing::Untested => ("untested", DOUBT),
            Standing::NoBackup => ("no backup", FAINT),
        };
        let gone = if covered.exists { "" } else { " (gone)" };
        let backup = covered.backup.as_ref();
        let started = backup.and_then(|backup| backup.started);
        let tests = Some(covered.tests.join(", ")).filter(|tests| !tests.is_empty());
        vec![
            Cell::new(format!("{}{gone}", covered.namespace)),
            Cell::styled(word, style),
            Cell::or_none(covered.proven_at.map(|at| format!("{} ago", roughly(at, now)))),
            Cell::or_none(backup.map(|backup| backup.name.clone())),
            Cell::or_none(started.map(|at| roughly(at, now))),
            Cell::or_none(tests),
        ]
    };
    let rows: Vec<_> = covered.iter().map(cells).collect();
    let count = |standing| covered.iter().filter(|c| c.standing == standing).count();
    format!(
        "{}\n{} of {} namespaces are proven; {} fail, {} are undecided, {} have a backup that nobody tests\n",
        table(&headings, &rows),
        count(Standing::Proven),
        covered.len(),
        count(Standing::Failing),
        count(Standing::Undecided),
        count(Standing::Untested),
    )
}

#[cfg(test)]
mod tests {
    use crate::coverage::Newest;

    use super::*;

    fn of(namespace: &str, standing: Standing) -> Covered {
        Covered {
            namespace: namespace.to_owned(),
            exists: true,
            standing,
            tests: Vec::new(),
            backup: None,
            proven_at: None,
            last: None,
        }
    }

    #[test]
    fn each_namespace_is_a_line_and_the_sum_is_said() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let shop = Covered {
            tests: vec!["ops/shop".to_owned(), "ops/all".to_owned()],
            backup: Some(Newest {
                name: "nightly-1".to_owned(),
                started: at("2026-01-01T03:00:00Z"),
            }),
            proven_at: at("2026-01-01T04:00:00Z"),
            ..of("shop", Standing::Proven)
        };
        let gone = Covered {
            exists: false,
            ..of("gone", Standing::Failing)
        };
        let covered = [gone, shop, of("blog", Standing::Untested)];
        let text = text(&covered, "2026-01-01T12:00:00Z".parse().unwrap());
        let text = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "NAMESPACE STANDING PROVEN LATEST BACKUP AGE TESTS",
                "gone (gone) failing – – – –",
                "shop proven 8h ago nightly-1 9h ops/shop, ops/all",
                "blog untested – – – –",
                "",
                "1 of 3 namespaces are proven; 1 fail, 0 are undecided, 1 have a backup that nobody tests",
            ]
        );
    }
}
