//! Where the object of a path is: its name may be there in several namespaces and clusters.

use std::{collections::BTreeSet, sync::Arc};

use axum::http::StatusCode;
use kymaros_crds::RestoreReport;

use super::{
    auth::denied,
    problem::Problem,
    route::{Ask, elsewhere},
};
use crate::fleet::{ClusterName, Place, Scope, Shown, cluster_word};

/// Where the test of the path is.
pub(super) fn place_of_test(ask: &Ask) -> Result<Place, Problem> {
    let places = ask.api.fleet.places_of_test(&ask.name, &ask.view);
    one_of(places, "test", no_test)
}

/// The namespace of the test of the path, which is to be of this cluster.
pub(super) fn home_of_test(ask: &Ask) -> Result<String, Problem> {
    let (here, other): (Vec<_>, Vec<_>) = ask
        .api
        .fleet
        .places_of_test(&ask.name, &ask.view)
        .into_iter()
        .partition(|place| place.cluster.is_none());
    match other.into_iter().next().and_then(|place| place.cluster) {
        Some(cluster) if here.is_empty() => Err(elsewhere(&cluster)),
        _ => one_of(here, "test", no_test).map(|place| place.namespace),
    }
}

/// The same for whoever may do this to it there. To others it is not said where tests of this name are, nor whether
/// there is one at all.
pub(super) async fn home_to_change(ask: &Ask, verb: &'static str) -> Result<String, Problem> {
    let anywhere = ask.act_on_test(verb, &ask.view.scope);
    // A namespace that is named was looked at when they were let in.
    if ask.view.scope != Scope::All || ask.may(&anywhere).await? {
        return home_of_test(ask);
    }
    let mut seen = Vec::new();
    for place in ask.api.fleet.places_of_test(&ask.name, &ask.view) {
        if place.cluster.is_none() && sees(ask, verb, &place).await? {
            seen.push(place);
        }
    }
    let place = one_of(seen, "test", || denied(&anywhere))?;
    let there = ask.act_on_test(verb, &Scope::Namespace(place.namespace.clone()));
    if ask.may(&there).await? {
        Ok(place.namespace)
    } else {
        Err(denied(&there))
    }
}

async fn sees(ask: &Ask, verb: &'static str, place: &Place) -> Result<bool, Problem> {
    let there = Scope::Namespace(place.namespace.clone());
    Ok(ask.may(&ask.act_on_test("get", &there)).await? || ask.may(&ask.act_on_test(verb, &there)).await?)
}

/// The report of the path, and where it is.
pub(super) fn the_report(ask: &Ask) -> Result<(Place, Shown<Arc<RestoreReport>>), Problem> {
    let places = ask.api.fleet.places_of_report(&ask.name, &ask.view);
    let place = one_of(places, "report", || no_report(ask))?;
    let report = ask.api.fleet.report(&place, &ask.name, &ask.view);
    Ok((place, report.ok_or_else(|| no_report(ask))?))
}

/// One place, or the question which: first of which cluster, then of which namespace.
fn one_of(mut places: Vec<Place>, what: &str, none: impl FnOnce() -> Problem) -> Result<Place, Problem> {
    let clusters: BTreeSet<Option<&ClusterName>> =
        places.iter().map(|place| place.cluster.as_ref()).collect();
    let which = |field: &str, of: &str, choices: Vec<String>| {
        let count = choices.len();
        let error = format!("{count} {of} have a {what} of this name; say which with ?{field}=");
        Problem::choose(StatusCode::CONFLICT, field, error, choices)
    };
    match (places.len(), clusters.len()) {
        (0, _) => Err(none()),
        (1, _) => Ok(places.remove(0)),
        (_, 1) => {
            let namespaces = places.into_iter().map(|place| place.namespace);
            Err(which("namespace", "namespaces", namespaces.collect()))
        }
        _ => {
            let names = clusters.into_iter().map(|name| cluster_word(name).to_owned());
            Err(which("cluster", "clusters", names.collect()))
        }
    }
}

pub(super) fn no_test() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "test not found").with_remedy("GET /api/v1/tests lists them")
}

/// Not found, as in 0.6.9, also where the tier hides it; that is said beside.
fn no_report(ask: &Ask) -> Problem {
    let problem = Problem::new(StatusCode::NOT_FOUND, "report not found");
    match ask.api.fleet.too_old(&ask.name, &ask.view) {
        Some(line) => problem.with_hidden(line),
        None => problem.with_remedy("GET /api/v1/reports lists them"),
    }
}
