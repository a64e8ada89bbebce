//! Lists as CSV, for spreadsheets.

use std::{borrow::Cow, collections::HashMap};

use kymaros_crds::RunResult;

use crate::api::{
    problem::Problem,
    read::{at_once, filter, found, framework, with_notices},
    route::{Answer, Ask},
};
use crate::fleet::{ClusterName, ClusterScope, Run, cluster_word, duration_text, moment};

at_once!(tests, tests_of);
at_once!(reports, reports_of);
at_once!(compliance, compliance_of);
at_once!(coverage, coverage_of);

fn tests_of(ask: &Ask) -> Answer {
    let head = [
        "namespace",
        "name",
        "schedule",
        "timezone",
        "suspended",
        "lastResult",
        "lastScore",
        "lastRunAt",
        "nextRunAt",
        "provenAt",
        "rtoTarget",
        "lastRTO",
        "sourceNamespaces",
    ];
    let rows = found(ask)?.into_iter().map(|row| {
        let score = row.score().map(|score| score.to_string()).unwrap_or_default();
        let cluster = row.cluster;
        let cells = vec![
            row.namespace,
            row.name,
            row.schedule,
            row.timezone,
            row.suspended.to_string(),
            row.last_result,
            score,
            row.last_run_at,
            row.next_run_at,
            row.proven_at,
            row.rto_target,
            row.last_rto,
            row.source_namespaces.join(" "),
        ];
        (cluster, cells)
    });
    csv(ask, "tests", &head, rows)
}

fn reports_of(ask: &Ask) -> Answer {
    let head = [
        "namespace",
        "report",
        "test",
        "createdAt",
        "completedAt",
        "phase",
        "result",
        "score",
        "cause",
        "rto",
        "rtoTarget",
        "withinSLA",
        "regressed",
        "leftovers",
        "backups",
        "sourceNamespaces",
    ];
    let seen = ask.api.fleet.reports(&filter(ask)?, &ask.view);
    let rows = seen
        .what
        .iter()
        .map(|run| (run.name.cluster.clone(), cells_of(run)));
    Ok(with_notices(csv(ask, "reports", &head, rows)?, &seen.hidden))
}

/// There are many thousands of them, so what is text already is not copied.
fn cells_of(run: &Run) -> Vec<Cow<'_, str>> {
    let made = |text: Option<String>| Cow::Owned(text.unwrap_or_default());
    let truth = |is_so: bool| if is_so { "true" } else { "false" };
    let cause = run.cause().and_then(|cause| serde_json::to_value(cause).ok());
    vec![
        (&*run.name.namespace).into(),
        (&*run.name.name).into(),
        (&*run.test).into(),
        moment(run.created).into(),
        made(run.ended.map(|ended| moment(ended.at))),
        format!("{:?}", run.phase).into(),
        run.result().map(RunResult::word).unwrap_or_default().into(),
        made(run.score().map(|score| score.to_string())),
        made(cause.and_then(|cause| Some(cause.as_str()?.to_owned()))),
        made(run.rto().map(duration_text)),
        made(run.rto_target.map(duration_text)),
        run.within_sla.map(truth).unwrap_or_default().into(),
        truth(run.regressed).into(),
        made(run.leftovers.map(|left| left.to_string())),
        spaced(&run.backups),
        spaced(&run.sources),
    ]
}

fn spaced<T: AsRef<str>>(all: &[T]) -> Cow<'_, str> {
    match all {
        [one] => one.as_ref().into(),
        all => all.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ").into(),
    }
}

fn compliance_of(ask: &Ask) -> Answer {
    let (framework, days) = framework(ask)?;
    let seen = ask.api.fleet.compliance(framework, days, &ask.view)?;
    let head = [
        "framework",
        "period",
        "requirement",
        "title",
        "standing",
        "met",
        "of",
        "figure",
        "open",
        "asOf",
        "scope",
        "status",
        "notes",
    ];
    let notes = [seen.hidden.as_slice(), seen.away.as_slice()].concat().join(" ");
    let rows = seen.requirements.iter().map(|asked| {
        vec![
            seen.title.to_owned(),
            seen.period.clone(),
            asked.id.to_owned(),
            asked.title.to_owned(),
            format!("{:?}", asked.standing),
            asked.met.to_string(),
            asked.of.to_string(),
            asked.figure.clone(),
            asked.open.join(" "),
            seen.as_of.clone(),
            seen.scope.clone(),
            seen.status.to_owned(),
            notes.clone(),
        ]
    });
    Ok(with_notices(file("compliance", &head, rows)?, &seen.hidden))
}

fn coverage_of(ask: &Ask) -> Answer {
    let head = [
        "namespace",
        "backup",
        "backupTakenAt",
        "provenAt",
        "proofAge",
        "standing",
        "tests",
    ];
    let seen = ask.api.fleet.coverage(&ask.view);
    let rows = seen.namespaces.into_iter().map(|row| {
        let cells = vec![
            row.namespace,
            row.backup.unwrap_or_default(),
            row.backup_taken_at.unwrap_or_default(),
            row.proven_at.unwrap_or_default(),
            row.proof_age.unwrap_or_default(),
            format!("{:?}", row.standing),
            row.tests.join(" "),
        ];
        (row.cluster, cells)
    });
    csv(ask, "coverage", &head, rows)
}

/// Rows of clusters, each with the line about its own when that is away. Where there is only this one they have no columns
/// for that, as before there could be others.
fn csv<C: AsRef<str> + From<String>>(
    ask: &Ask,
    name: &str,
    head: &[&str],
    rows: impl Iterator<Item = (Option<ClusterName>, Vec<C>)>,
) -> Answer {
    let (fleet, others) = (&ask.api.fleet, ask.api.fleet.others());
    if others.remotes.is_empty() {
        return file(name, head, rows.map(|(_, cells)| cells));
    }
    let away = |name: &ClusterName| {
        let only = ClusterScope::Other(name.clone());
        fleet.away(&ask.view.clone().of_clusters(only)).join(" ")
    };
    let names = others.remotes.iter().map(|remote| &remote.name);
    let away: HashMap<&ClusterName, String> = names.map(|name| (name, away(name))).collect();
    let head: Vec<&str> = head.iter().copied().chain(["cluster", "away"]).collect();
    let rows = rows.map(|(cluster, mut cells)| {
        let line = cluster.as_ref().and_then(|name| away.get(name)).cloned();
        cells.extend([
            cluster_word(cluster.as_ref()).to_owned().into(),
            line.unwrap_or_default().into(),
        ]);
        cells
    });
    file(name, &head, rows)
}

fn file<C: AsRef<str>>(name: &str, head: &[&str], rows: impl Iterator<Item = Vec<C>>) -> Answer {
    let text = table(head, rows).map_err(|error| {
        tracing::error!(%error, name, "an export could not be written");
        Problem::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "the export could not be written",
        )
    })?;
    Ok(super::file(
        &format!("{name}.csv"),
        "text/csv; charset=utf-8",
        text,
    ))
}

fn table<C: AsRef<str>>(head: &[&str], rows: impl Iterator<Item = Vec<C>>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(head)?;
    for row in rows {
        for cell in &row {
            writer.write_field(&*harmless(cell.as_ref()))?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

/// Spreadsheets take a cell that begins like this for a formula.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}").into()
    } else {
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_two_cells() {
        let rows = [
            vec!["=1+1".to_owned(), "a,b".to_owned()],
            vec!["say \"hi\"".to_owned(), "@x".to_owned()],
        ];
        let text = String::from_utf8(table(&["one", "two"], rows.into_iter()).unwrap()).unwrap();
        assert_eq!(text, "one,two\r\n'=1+1,\"a,b\"\r\n\"say \"\"hi\"\"\",'@x\r\n");
    }
}
