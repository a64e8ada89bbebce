//! `kymaros tests`: all tests at a glance.

use jiff::Timestamp;
use kube::{Api, ResourceExt, api::ListParams};
use kymaros_crds::{RestoreTest, RunResult};
use serde::Serialize;

use super::{
    cluster::Scope,
    say,
    table::{Cell, roughly, table},
};
use crate::{
    condition::unready,
    report::{plain, style, word},
};

/// Whose tests.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    scope: Scope,
    /// Of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// "text" or "json"
    #[arg(short, long, value_enum, default_value_t = super::Form::Text)]
    output: super::Form,
}

/// A test at a glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    name: String,
    phase: Option<String>,
    result: Option<RunResult>,
    score: Option<i32>,
    last_run_at: Option<Timestamp>,
    next_run_at: Option<Timestamp>,
    schedule: String,
    last_report_ref: Option<String>,
    suspended: bool,
    /// Why it cannot be run.
    problem: Option<String>,
}

/// Lists tests.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let cluster = args.scope.connect().await?;
    let api = if args.all_namespaces {
        Api::<RestoreTest>::all(cluster.client)
    } else {
        Api::namespaced(cluster.client, &cluster.namespace)
    };
    let rows: Vec<Row> = api.list(&ListParams::default()).await?.iter().map(row).collect();
    let text = match args.output {
        super::Form::Text => text(&rows, Timestamp::now()),
        super::Form::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    say::answer(&text)?;
    Ok(())
}

fn row(test: &RestoreTest) -> Row {
    let status = test.status.clone().unwrap_or_default();
    let zone = test
        .spec
        .schedule
        .timezone
        .as_ref()
        .filter(|zone| !zone.is_empty());
    let zone = zone.map(|zone| format!(" {zone}")).unwrap_or_default();
    Row {
        namespace: test.namespace().unwrap_or_default(),
        name: test.name_any(),
        phase: status.phase.map(|phase| format!("{phase:?}")),
        result: status.last_result,
        score: status
            .last_result
            .and_then(|result| result.score(status.last_score)),
        last_run_at: status.last_run_at.map(|time| time.0),
        next_run_at: status.next_run_at.map(|time| time.0),
        schedule: format!("{}{zone}", test.spec.schedule.cron),
        last_report_ref: status.last_report_ref,
        suspended: test.spec.suspend,
        problem: unready(&status.conditions).map(|condition| condition.message.clone()),
    }
}

fn text(rows: &[Row], now: Timestamp) -> String {
    if rows.is_empty() {
        return "there is no RestoreTest here; --all-namespaces looks everywhere\n".to_owned();
    }
    let headings = [
        "NAMESPACE",
        "NAME",
        "PHASE",
        "RESULT",
        "SCORE",
        "LAST RUN",
        "NEXT RUN",
        "SCHEDULE",
        "REPORT",
    ];
    let cells = |row: &Row| {
        let result = row.result.map_or_else(
            || Cell::or_none(None),
            |result| Cell::styled(word(result), style::of_result(result)),
        );
        let next = match (row.suspended, row.next_run_at) {
            (true, _) => Some("suspended".to_owned()),
            (false, next) => next.map(|at| format!("in {}", roughly(now, at))),
        };
        vec![
            Cell::new(&row.namespace),
            Cell::new(&row.name),
            Cell::or_none(row.phase.clone()),
            result,
            Cell::or_none(row.score.map(|score| score.to_string())),
            Cell::or_none(row.last_run_at.map(|at| format!("{} ago", roughly(at, now)))),
            Cell::or_none(next),
            Cell::new(&row.schedule),
            Cell::or_none(row.last_report_ref.clone()),
        ]
    };
    let mut out = table(&headings, &rows.iter().map(cells).collect::<Vec<_>>());
    for row in rows {
        if let Some(problem) = &row.problem {
            let mark = style::paint(style::BAD, "✘");
            out.extend([
                &mark,
                " ",
                &row.namespace,
                "/",
                &row.name,
                " cannot be run: ",
                &plain(problem),
                "\n",
            ]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row_of(name: &str, suspend: bool, status: &Value) -> Row {
        row(&serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": name, "namespace": "ops" },
            "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                      "schedule": { "cron": "0 3 * * *", "timezone": "Europe/Berlin" }, "suspend": suspend },
            "status": status,
        }))
        .unwrap())
    }

    #[test]
    fn each_test_is_a_line_and_what_cannot_be_run_says_why() {
        let rows = [
            row_of(
                "shop",
                false,
                &json!({ "phase": "Completed", "lastResult": "pass", "lastScore": 100,
                "lastRunAt": "2026-01-01T00:00:00Z", "nextRunAt": "2026-01-02T03:00:00Z",
                "lastReportRef": "shop-1" }),
            ),
            row_of(
                "blind",
                false,
                &json!({ "phase": "Completed", "lastResult": "inconclusive", "lastScore": 51,
                "lastRunAt": "2026-01-01T00:00:00Z", "nextRunAt": "2026-01-02T03:00:00Z" }),
            ),
            row_of("new", true, &json!(null)),
            row_of(
                "odd",
                false,
                &json!({ "conditions": [{ "type": "Ready", "status": "False", "reason": "InvalidSpec",
                "message": "spec.schedule.cron:\u{1b}no", "lastTransitionTime": "2026-01-01T00:00:00Z" }] }),
            ),
        ];
        let text = text(&rows, "2026-01-01T06:00:00Z".parse().unwrap());
        let text = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let expected = [
            "NAMESPACE NAME PHASE RESULT SCORE LAST RUN NEXT RUN SCHEDULE REPORT",
            "ops shop Completed PASS 100 6h ago in 21h 0 3 * * * Europe/Berlin shop-1",
            "ops blind Completed INCONCLUSIVE – 6h ago in 21h 0 3 * * * Europe/Berlin –",
            "ops new – – – – suspended 0 3 * * * Europe/Berlin –",
            "ops odd – – – – – 0 3 * * * Europe/Berlin –",
            "✘ ops/odd cannot be run: spec.schedule.cron: no",
        ];
        let joined: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        assert_eq!(joined, expected);
    }

    #[test]
    fn an_empty_list_says_where_else_to_look() {
        assert!(text(&[], Timestamp::UNIX_EPOCH).contains("--all-namespaces"));
    }
}
