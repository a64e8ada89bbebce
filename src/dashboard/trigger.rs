//! Asking for a run, in two steps: a page that asks back, and its form.

use axum::{
    body::Bytes,
    extract::Path,
    http::{StatusCode, Uri},
};

use super::{
    addresses,
    ask::{Answer, Ask, TESTS, one},
    missing::{elsewhere, no_test},
    pages::TriggerPage,
    query::Pairs,
    shell::Place,
    visit::{Visit, see},
};
use crate::{
    access::Act,
    api::{Problem, trigger as start},
    fleet::Fleet,
};

/// The page that asks whether to start a run.
pub(super) async fn page(Path((namespace, name)): Path<(String, String)>, ask: Ask) -> Answer {
    let of = (namespace.as_str(), name.as_str());
    let visit = ask.enter_to_change(&namespace, &change(of)).await?;
    answer(ask.fleet(), &visit, of, &ask.uri, None)
}

/// Starts a run.
pub(super) async fn start_run(
    Path((namespace, name)): Path<(String, String)>,
    ask: Ask,
    body: Bytes,
) -> Answer {
    let of = (namespace.as_str(), name.as_str());
    let visit = ask.enter_to_change(&namespace, &change(of)).await?;
    visit.take(&Pairs::parse(&body))?;
    if let Some(cluster) = visit.view.clusters.other() {
        return Err(visit.error(elsewhere(cluster, of), &ask.uri));
    }
    let fleet = ask.fleet();
    if fleet.test(&namespace, &name).is_none() {
        return Err(visit.error(no_test(of, None), &ask.uri));
    }
    match start(&visit.caller.client, fleet, &namespace, &name).await {
        Ok(()) => Ok(see(&addresses::test(None, &namespace, &name))),
        Err(problem) => answer(fleet, &visit, of, &ask.uri, Some(problem)),
    }
}

/// What somebody must be allowed to do who asks for a run.
fn change(of: (&str, &str)) -> [Act; 2] {
    [one("get", TESTS, of), one("patch", TESTS, of)]
}

fn answer(fleet: &Fleet, visit: &Visit, of: (&str, &str), uri: &Uri, refused: Option<Problem>) -> Answer {
    if let Some(cluster) = visit.view.clusters.other() {
        return Err(visit.error(elsewhere(cluster, of), uri));
    }
    let Some(test) = fleet.test(of.0, of.1) else {
        return Err(visit.error(no_test(of, None), uri));
    };
    let status = refused.as_ref().map_or(StatusCode::OK, Problem::status);
    let why = refused.map(|problem| match problem {
        Problem::Said(said) => said.error.clone(),
        Problem::Closed(closed) => closed.error.clone(),
    });
    let page = TriggerPage::new(&test, of, why, visit.shell(Place::Tests, uri));
    Ok(visit.answer_with(status, &page))
}
