//! Routes: each asks to come in, makes its page, and renders it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    Dashboard,
    addresses::{self, NAMESPACE},
    ask::{Answer, Ask, REPORTS, TESTS, all, denied, one},
    assets,
    door::{Entry, admit, shown, signed_in},
    files, headers, live,
    missing::{no_page, no_report, no_test, too_old},
    pages::{
        ClustersPage, CompliancePage, CoveragePage, HiddenPage, Overview, ReportPage, SchedulesPage, Sees,
        SettingsPage, TestPage, TestsPage, framework,
    },
    shell::Place,
    sign_in, trigger,
};
use crate::{
    api::{Listener, limited},
    fleet::{Place as Home, Scope},
};

/// Longest form; a token is the longest field.
const FORM: usize = 16 * 1024;

/// The dashboard's routes.
pub fn router(dashboard: Dashboard) -> Router {
    let api = dashboard.api.clone();
    let pages = Router::new()
        .route("/", get(overview))
        .route("/coverage", get(coverage))
        .route("/tests", get(tests))
        .route("/tests/{namespace}/{name}", get(test))
        .route(
            "/tests/{namespace}/{name}/trigger",
            get(trigger::page).post(trigger::start_run),
        )
        .route("/reports/{namespace}/{name}", get(report))
        .route("/clusters", get(clusters))
        .route("/compliance", get(compliance))
        .route("/schedules", get(schedules))
        .route("/files/{name}", get(files::file))
        .route("/settings", get(settings))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route(addresses::STREAM, get(stream))
        .route("/assets/{name}", get(asset))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(FORM))
        .with_state(Arc::new(dashboard));
    limited(&api, pages, signed_in).layer(middleware::from_fn(headers::guard))
}

type Name = Path<(String, String)>;

async fn overview(ask: Ask) -> Answer {
    let visit = ask.enter_lists(&[TESTS, REPORTS]).await?;
    let covers = ask.may_see(&visit, &ask.list_held()).await;
    let shell = visit.shell(Place::Overview, &ask.uri);
    Ok(visit.answer(&Overview::new(
        ask.fleet(),
        &visit.view,
        &ask.query(),
        covers,
        shell,
    )))
}

async fn coverage(ask: Ask) -> Answer {
    let visit = ask.enter_lists(&[TESTS, REPORTS]).await?;
    let held = ask.list_held();
    if !ask.may_see(&visit, &held).await {
        return Err(visit.error(denied(&held), &ask.uri));
    }
    let shell = visit.shell(Place::Overview, &ask.uri);
    Ok(visit.answer(&CoveragePage::new(ask.fleet(), &visit.view, &ask.query(), shell)))
}

async fn tests(ask: Ask) -> Answer {
    let mut visit = ask.enter_lists(&[TESTS, REPORTS]).await?;
    let shell = visit.shell(Place::Tests, &ask.uri);
    if visit.near.is_none() {
        // Whoever sees all narrows the table, and is offered the others.
        visit.view.scope = Scope::All;
    }
    Ok(visit.answer(&TestsPage::new(ask.fleet(), &visit.view, &ask.query(), shell)))
}

async fn test(Path((namespace, name)): Name, ask: Ask) -> Answer {
    let of = (namespace.as_str(), name.as_str());
    let reports = all("list", REPORTS, Some(&namespace));
    let visit = ask
        .enter_in(&namespace, &[one("get", TESTS, of), reports])
        .await?;
    let shell = visit.shell(Place::Tests, &ask.uri);
    match TestPage::new(ask.fleet(), &visit.view, of, &ask.query(), shell) {
        Some(page) => Ok(visit.answer(&page)),
        None => Err(visit.error(no_test(of, visit.view.clusters.other()), &ask.uri)),
    }
}

async fn report(Path((namespace, name)): Name, ask: Ask) -> Answer {
    let of = (namespace.as_str(), name.as_str());
    let visit = ask.enter_in(&namespace, &[one("get", REPORTS, of)]).await?;
    let home = Home {
        cluster: visit.view.clusters.other().cloned(),
        namespace: namespace.clone(),
    };
    let shell = visit.shell(Place::Tests, &ask.uri);
    match ask.fleet().report(&home, &name, &visit.view) {
        Some(shown) => Ok(visit.answer(&ReportPage::new(shown, &visit.others, &visit.view, shell))),
        None => match too_old(ask.fleet(), of, &visit.view) {
            Some(line) => Ok(visit.answer(&HiddenPage::new(&name, line, shell))),
            None => Err(visit.error(no_report(of, visit.view.clusters.other()), &ask.uri)),
        },
    }
}

async fn clusters(ask: Ask) -> Answer {
    let visit = ask.enter_lists(&[TESTS, REPORTS]).await?;
    let shell = visit.shell(Place::Clusters, &ask.uri);
    Ok(visit.answer(&ClustersPage::new(ask.fleet(), &visit.view, shell)))
}

async fn compliance(ask: Ask) -> Answer {
    let visit = ask.enter_lists(&[TESTS, REPORTS]).await?;
    let backups = [ask.list_velero("backups")];
    let needs_them = framework(&ask.query()).is_for_those_who_list_backups(&visit.view.scope);
    if needs_them && !ask.may_see(&visit, &backups).await {
        return Err(visit.error(denied(&backups), &ask.uri));
    }
    let shell = visit.shell(Place::Compliance, &ask.uri);
    Ok(visit.answer(&CompliancePage::new(
        ask.fleet(),
        &visit.view,
        &ask.query(),
        shell,
    )))
}

async fn schedules(ask: Ask) -> Answer {
    let visit = ask
        .led_on(ask.enter(&[ask.list_velero("schedules")]).await?)
        .await;
    let scope = &visit.view.scope;
    let tests = [all("list", TESTS, scope.namespace())];
    let seen = ask.may_see(&visit, &tests).await.then_some(scope);
    let shell = visit.shell(Place::Schedules, &ask.uri);
    Ok(visit.answer(&SchedulesPage::new(
        ask.fleet(),
        seen,
        &visit.view,
        &ask.query(),
        shell,
    )))
}

async fn settings(ask: Ask) -> Answer {
    let visit = ask.enter_lists(&[TESTS]).await?;
    let sees = Sees {
        velero: ask.may_see(&visit, &[ask.list_velero("backups")]).await,
        all: visit.near.is_none(),
    };
    let (api, settings) = (&ask.dashboard.api, &ask.dashboard.settings);
    let shell = visit.shell(Place::Settings, &ask.uri);
    Ok(visit.answer(&SettingsPage::new(api, &visit.view, settings, sees, shell)))
}

async fn stream(connection: Option<Extension<ConnectInfo<SocketAddr>>>, ask: Ask) -> Response {
    let (api, query) = (&ask.dashboard.api, ask.query());
    let token = shown(api, &ask.headers);
    let watches = all("watch", REPORTS, query.get(NAMESPACE));
    match admit(api, token.as_deref(), false, &[watches]).await {
        Entry::Admitted(_) => {
            let address = connection.map(|Extension(ConnectInfo(from))| from.ip());
            let listener = Listener::of(api, token.as_deref(), address).await;
            match ask.dashboard.streams.take(listener) {
                Ok(seat) => live::stream(api.fleet.runs.changes(), seat, api.stop.clone()),
                Err(problem) => problem.into_response(),
            }
        }
        Entry::Unknown => StatusCode::UNAUTHORIZED.into_response(),
        Entry::Denied => StatusCode::FORBIDDEN.into_response(),
        Entry::Unanswered => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn asset(Path(name): Path<String>) -> Response {
    assets::serve(&name)
}

async fn not_found(ask: Ask) -> Answer {
    Ok(ask.stranger()?.bare_error(no_page(&ask.uri)))
}
