//! What a framework asks, as a document for an auditor.

use super::{
    file,
    paper::{HEADING, ITEM, Paper, TEXT, TITLE},
};
use crate::{
    api::{
        read::{at_once, framework, with_notices},
        route::{Answer, Ask},
    },
    fleet::{Compliance, Standing},
};

at_once!(compliance, compliance_of);

fn compliance_of(ask: &Ask) -> Answer {
    let (framework, days) = framework(ask)?;
    let seen = ask.api.fleet.compliance(framework, days, &ask.view)?;
    let name = format!("compliance-{}.pdf", framework.as_str());
    let answer = file(&name, "application/pdf", document(&seen));
    Ok(with_notices(answer, &seen.hidden))
}

fn document(seen: &Compliance) -> Vec<u8> {
    let made = &seen.as_of;
    let mut paper = Paper::new();
    let title = format!("Restore tests held against {}", seen.title);
    paper.add(TITLE, &title);
    paper.add(TEXT, &format!("{}, as of {made}. {}", seen.period, seen.scope));
    let verdict = match seen.status {
        "compliant" => "Everything that can be judged is met.",
        "non-compliant" => "Not everything is met; what is not stands below.",
        _ => "There is nothing in this period to judge by.",
    };
    paper.add(TEXT, verdict);
    paper.add(HEADING, "Figures");
    for figure in figures(seen) {
        paper.add(TEXT, &figure);
    }
    paper.add(HEADING, "Requirements");
    for asked in &seen.requirements {
        let standing = match asked.standing {
            Standing::Met => "met",
            Standing::NotMet => "NOT MET",
            Standing::NoData => "no data",
        };
        paper.add(HEADING, &format!("{}: {}", asked.id, asked.title));
        paper.add(TEXT, &format!("{standing} - {}", asked.figure));
        for open in &asked.open {
            paper.add(ITEM, &format!("not met by {open}"));
        }
        let more = (asked.of - asked.met).saturating_sub(asked.open.len());
        if more > 0 {
            paper.add(ITEM, &format!("and by {more} more"));
        }
    }
    for line in seen.hidden.iter().chain(&seen.away) {
        paper.add(TEXT, line);
    }
    paper.add(
        TEXT,
        "These figures are evidence for an audit, not the audit. Each run behind them is a RestoreReport in the cluster.",
    );
    paper.written(&title, &format!("Kymaros, {made}"))
}

fn figures(seen: &Compliance) -> Vec<String> {
    let measured = |text: &str| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text.to_owned()
        }
    };
    vec![
        format!(
            "Runs with a verdict: {}, of which {} failed",
            seen.tests_executed, seen.issues_detected
        ),
        format!("Mean score: {:.1} of 100", seen.average_score),
        format!("Restored: {}", seen.namespaces_covered),
        format!(
            "Days with runs: {} of {}",
            seen.days_with_tests, seen.days_in_period
        ),
        format!(
            "Mean recovery time: {}, agreed: {}",
            measured(&seen.average_rto),
            measured(&seen.rto_target)
        ),
    ]
}
