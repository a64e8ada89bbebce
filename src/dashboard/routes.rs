//! Routes: each asks the door, makes its page, and renders it.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::{HeaderMap, StatusCode, Uri, header::SET_COOKIE, uri::PathAndQuery},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    Dashboard, addresses, assets,
    cookies::{Cookie, Reached, is_plain},
    csrf,
    door::{Entry, admit, shown},
    files, headers, live,
    pages::{
        ClustersPage, CompliancePage, Overview, ReportPage, SchedulesPage, SettingsPage, SignInPage,
        TestPage, TestsPage, TriggerPage, Wrong,
        clusters::{CLUSTER, scope},
    },
    query::Pairs,
    shell::Place,
    visit::{Visit, see},
};
use crate::{
    access::Act,
    api::{Auth, Problem, limited, trigger as start},
    fleet::{ClusterName, ClusterScope, Place as Home, View},
};

/// Longest form; a token is the longest field.
const FORM: usize = 16 * 1024;
/// Header of the script's requests: they want no page for signing in.
const SCRIPT: &str = "x-kymaros-live";

/// The dashboard's routes.
pub fn router(dashboard: Dashboard) -> Router {
    let api = dashboard.api.clone();
    let pages = Router::new()
        .route("/", get(overview))
        .route("/tests", get(tests))
        .route("/tests/{namespace}/{name}", get(test))
        .route(
            "/tests/{namespace}/{name}/trigger",
            get(ask_trigger).post(trigger),
        )
        .route("/reports/{namespace}/{name}", get(report))
        .route("/clusters", get(clusters))
        .route("/compliance", get(compliance))
        .route("/schedules", get(schedules))
        .route("/files/{name}", get(files::file))
        .route("/settings", get(settings))
        .route("/sign-in", get(ask_sign_in).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/live", get(stream))
        .route("/assets/{name}", get(asset))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(FORM))
        .with_state(Arc::new(dashboard));
    limited(&api, pages).layer(middleware::from_fn(headers::guard))
}

type Shared = State<Arc<Dashboard>>;
type Name = Path<(String, String)>;

/// Lets somebody in who may do all of this, or answers why not.
pub(super) async fn enter(
    dashboard: &Dashboard,
    headers: HeaderMap,
    uri: &Uri,
    acts: &[Act],
) -> Result<Visit, Response> {
    enter_to(dashboard, headers, uri, false, acts).await
}

/// The same for somebody who wants to change something.
async fn enter_to(
    dashboard: &Dashboard,
    headers: HeaderMap,
    uri: &Uri,
    writes: bool,
    acts: &[Act],
) -> Result<Visit, Response> {
    let token = shown(&dashboard.api, &headers);
    let entry = admit(&dashboard.api, token.as_deref(), writes, acts).await;
    let mut visit = Visit::new(&dashboard.api, headers, token, shown_clusters(uri))
        .map_err(IntoResponse::into_response)?;
    match entry {
        Entry::Admitted(caller) => {
            visit.caller = caller;
            Ok(visit)
        }
        Entry::Unknown => Err(to_sign_in(&visit, uri)),
        Entry::Denied => Err(visit.bare_error(denied(acts))),
        Entry::Unanswered => Err(visit.bare_error(unanswered())),
    }
}

fn denied(acts: &[Act]) -> Wrong {
    let lines: Vec<String> = acts
        .iter()
        .map(|act| format!("kubectl auth can-i {act}"))
        .collect();
    Wrong {
        status: StatusCode::FORBIDDEN,
        title: "You may not do this",
        what: "The cluster does not let the account of your token do what this page stands for.".to_owned(),
        remedy: "Ask whoever runs the cluster for a role with these rights, or sign in with another token. Each of these \
                 must answer yes:"
            .to_owned(),
        command: lines.join("\n"),
    }
}

fn unanswered() -> Wrong {
    Wrong {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "The API server does not answer",
        what: "Who you are is asked of the cluster's API server, which does not answer now.".to_owned(),
        remedy: "Load this page again in a moment. Tests run on as soon as the API server is back."
            .to_owned(),
        command: String::new(),
    }
}

fn to_sign_in(visit: &Visit, uri: &Uri) -> Response {
    if visit.headers.contains_key(SCRIPT) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    see(&addresses::sign_in(there(uri)))
}

fn there(uri: &Uri) -> &str {
    addresses::own(uri.path_and_query().map(PathAndQuery::as_str))
}

/// The clusters that an address asks for.
fn shown_clusters(uri: &Uri) -> ClusterScope {
    scope(pairs(uri.query()).get(CLUSTER))
}

fn pairs(query: Option<&str>) -> Pairs {
    Pairs::parse(query.unwrap_or_default().as_bytes())
}

const TESTS: &str = "restoretests";
const REPORTS: &str = "restorereports";

fn act(verb: &'static str, resource: &'static str, of: Option<(&str, &str)>) -> Act {
    Act::Objects {
        verb,
        group: kymaros_crds::names::GROUP,
        resource,
        namespace: of.map(|(namespace, _)| namespace.to_owned()),
        name: of.map(|(_, name)| name.to_owned()),
    }
}

fn list_velero(dashboard: &Dashboard, resource: &'static str) -> Act {
    Act::Objects {
        verb: "list",
        group: "velero.io",
        resource,
        namespace: Some(dashboard.api.fleet.velero_namespace.clone()),
        name: None,
    }
}

/// What is shown beside the rest of a page to those who may see it too.
async fn may_see(dashboard: &Dashboard, visit: &Visit, acts: &[Act]) -> bool {
    let entry = admit(&dashboard.api, visit.token.as_deref(), false, acts).await;
    matches!(entry, Entry::Admitted(_))
}

async fn overview(
    State(dashboard): Shared,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let acts = [act("list", TESTS, None), act("list", REPORTS, None)];
    let visit = match enter(&dashboard, headers, &uri, &acts).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let namespaces = Act::Objects {
        verb: "list",
        group: "",
        resource: "namespaces",
        namespace: None,
        name: None,
    };
    let covers = may_see(
        &dashboard,
        &visit,
        &[list_velero(&dashboard, "backups"), namespaces],
    )
    .await;
    let (fleet, query) = (&dashboard.api.fleet, pairs(query.as_deref()));
    visit.answer(&Overview::new(
        fleet,
        &visit.view,
        &query,
        covers,
        visit.shell(Place::Overview, &uri),
    ))
}

async fn tests(
    State(dashboard): Shared,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let visit = match enter(&dashboard, headers, &uri, &[act("list", TESTS, None)]).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let (fleet, query) = (&dashboard.api.fleet, pairs(query.as_deref()));
    visit.answer(&TestsPage::new(
        fleet,
        &visit.view,
        &query,
        visit.shell(Place::Tests, &uri),
    ))
}

async fn test(
    State(dashboard): Shared,
    Path((namespace, name)): Name,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let of = (namespace.as_str(), name.as_str());
    let visit = match enter(&dashboard, headers, &uri, &[act("get", TESTS, Some(of))]).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let (fleet, query) = (&dashboard.api.fleet, pairs(query.as_deref()));
    match TestPage::new(fleet, &visit.view, of, &query, visit.shell(Place::Tests, &uri)) {
        Some(page) => visit.answer(&page),
        None => visit.error(no_test(of, visit.view.clusters.other()), &uri),
    }
}

fn no_test((namespace, name): (&str, &str), cluster: Option<&ClusterName>) -> Wrong {
    Wrong {
        status: StatusCode::NOT_FOUND,
        title: "There is no such test",
        what: format!(
            "No RestoreTest {name} is in the namespace {namespace}{}.",
            in_cluster(cluster)
        ),
        remedy: "It may have been deleted since. Which there are:".to_owned(),
        command: format!("kubectl get restoretests --namespace {namespace}"),
    }
}

fn in_cluster(cluster: Option<&ClusterName>) -> String {
    cluster.map_or_else(String::new, |name| format!(" of cluster {name}"))
}

/// Other clusters are only read.
fn elsewhere(cluster: &ClusterName, (namespace, name): (&str, &str)) -> Wrong {
    Wrong {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Runs of other clusters are started there",
        what: format!("Cluster {cluster} is only read from here; nothing was done."),
        remedy: "Start the run in that cluster:".to_owned(),
        command: format!("kymaros run {name} --namespace {namespace}"),
    }
}

async fn report(
    State(dashboard): Shared,
    Path((namespace, name)): Name,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let of = (namespace.as_str(), name.as_str());
    let visit = match enter(&dashboard, headers, &uri, &[act("get", REPORTS, Some(of))]).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let home = Home {
        cluster: visit.view.clusters.other().cloned(),
        namespace: namespace.clone(),
    };
    match dashboard.api.fleet.report(&home, &name, &visit.view) {
        Some(shown) => visit.answer(&ReportPage::new(
            shown,
            &visit.others,
            &visit.view,
            visit.shell(Place::Tests, &uri),
        )),
        None => visit.error(no_report(&dashboard, of, &visit.view), &uri),
    }
}

/// A report that is too old for the tier is not gone.
fn no_report(dashboard: &Dashboard, (namespace, name): (&str, &str), view: &View) -> Wrong {
    let cluster = view.clusters.other();
    let stored = dashboard.api.fleet.stored(cluster, namespace, name);
    let line = stored.and_then(|_| view.since(None).1);
    Wrong {
        status: StatusCode::NOT_FOUND,
        title: "There is no such report",
        what: line.unwrap_or_else(|| {
            format!(
                "No RestoreReport {name} is in the namespace {namespace}{}.",
                in_cluster(cluster)
            )
        }),
        remedy: "Reports beyond a test's history limit are removed. Those that are kept:".to_owned(),
        command: format!("kubectl get restorereports --namespace {namespace}"),
    }
}

async fn ask_trigger(
    State(dashboard): Shared,
    Path((namespace, name)): Name,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let of = (namespace.as_str(), name.as_str());
    match enter_to(&dashboard, headers, &uri, true, &change(of)).await {
        Ok(visit) => trigger_page(&dashboard, &visit, of, &uri, None),
        Err(refused) => refused,
    }
}

/// What somebody must be allowed to do who asks for a run.
fn change(of: (&str, &str)) -> [Act; 2] {
    [act("get", TESTS, Some(of)), act("patch", TESTS, Some(of))]
}

fn trigger_page(
    dashboard: &Dashboard,
    visit: &Visit,
    of: (&str, &str),
    uri: &Uri,
    refused: Option<Problem>,
) -> Response {
    if let Some(cluster) = visit.view.clusters.other() {
        return visit.error(elsewhere(cluster, of), uri);
    }
    let Some(test) = dashboard.api.fleet.test(of.0, of.1) else {
        return visit.error(no_test(of, None), uri);
    };
    let status = refused.as_ref().map_or(StatusCode::OK, Problem::status);
    let why = refused.map(|problem| match problem {
        Problem::Said(said) => said.error.clone(),
        Problem::Closed(closed) => closed.error.clone(),
    });
    visit.answer_with(
        status,
        &TriggerPage::new(&test, of, why, visit.shell(Place::Tests, uri)),
    )
}

async fn trigger(
    State(dashboard): Shared,
    Path((namespace, name)): Name,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let of = (namespace.as_str(), name.as_str());
    let visit = match enter_to(&dashboard, headers, &uri, true, &change(of)).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    if let Some(refused) = forged(&visit, &Pairs::parse(&body)) {
        return refused;
    }
    if let Some(cluster) = visit.view.clusters.other() {
        return visit.error(elsewhere(cluster, of), &uri);
    }
    let fleet = &dashboard.api.fleet;
    if fleet.test(&namespace, &name).is_none() {
        return visit.error(no_test(of, None), &uri);
    }
    match start(&visit.caller.client, fleet, &namespace, &name).await {
        Ok(()) => see(&addresses::test(None, &namespace, &name)),
        Err(problem) => trigger_page(&dashboard, &visit, of, &uri, Some(problem)),
    }
}

/// The answer to a form that does not come from a page of ours.
fn forged(visit: &Visit, form: &Pairs) -> Option<Response> {
    let given = form.get(csrf::FIELD).unwrap_or_default();
    if !csrf::is_foreign(&visit.headers) && visit.proves(given) {
        return None;
    }
    Some(visit.bare_error(Wrong {
        status: StatusCode::FORBIDDEN,
        title: "This form is not from here, or too old",
        what: "Nothing was done. Forms are taken from pages of this dashboard only, in the browser that loaded them."
            .to_owned(),
        remedy: "Go back, load the page again, and send the form once more. Cookies must be allowed.".to_owned(),
        command: String::new(),
    }))
}

async fn clusters(State(dashboard): Shared, headers: HeaderMap, uri: Uri) -> Response {
    let acts = [act("list", TESTS, None), act("list", REPORTS, None)];
    let visit = match enter(&dashboard, headers, &uri, &acts).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    visit.answer(&ClustersPage::new(
        &dashboard.api.fleet,
        &visit.view,
        visit.shell(Place::Clusters, &uri),
    ))
}

async fn compliance(
    State(dashboard): Shared,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let acts = [act("list", TESTS, None), act("list", REPORTS, None)];
    let visit = match enter(&dashboard, headers, &uri, &acts).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let (fleet, query) = (&dashboard.api.fleet, pairs(query.as_deref()));
    visit.answer(&CompliancePage::new(
        fleet,
        &visit.view,
        &query,
        visit.shell(Place::Compliance, &uri),
    ))
}

async fn schedules(
    State(dashboard): Shared,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let visit = match enter(&dashboard, headers, &uri, &[list_velero(&dashboard, "schedules")]).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let (fleet, query) = (&dashboard.api.fleet, pairs(query.as_deref()));
    visit.answer(&SchedulesPage::new(
        fleet,
        &visit.view,
        &query,
        visit.shell(Place::Schedules, &uri),
    ))
}

async fn settings(State(dashboard): Shared, headers: HeaderMap, uri: Uri) -> Response {
    let visit = match enter(&dashboard, headers, &uri, &[act("list", TESTS, None)]).await {
        Ok(visit) => visit,
        Err(refused) => return refused,
    };
    let sees_velero = may_see(&dashboard, &visit, &[list_velero(&dashboard, "backups")]).await;
    let shell = visit.shell(Place::Settings, &uri);
    visit.answer(&SettingsPage::new(
        &dashboard.api,
        &visit.view,
        &dashboard.settings,
        sees_velero,
        shell,
    ))
}

async fn ask_sign_in(State(dashboard): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let next = pairs(query.as_deref());
    let next = addresses::own(next.get("next")).to_owned();
    if matches!(dashboard.api.auth, Auth::None) {
        return see(&next);
    }
    match Visit::new(&dashboard.api, headers, None, ClusterScope::All) {
        Ok(visit) => visit.answer(&SignInPage::new(&dashboard.api, next, None, visit.bare())),
        Err(failed) => failed.into_response(),
    }
}

async fn sign_in(State(dashboard): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let form = Pairs::parse(&body);
    let next = addresses::own(form.get("next")).to_owned();
    let visit = match Visit::new(&dashboard.api, headers, None, ClusterScope::All) {
        Ok(visit) => visit,
        Err(failed) => return failed.into_response(),
    };
    if let Some(refused) = forged(&visit, &form) {
        return refused;
    }
    let token = form.get("token").unwrap_or_default();
    let refuse = |status: StatusCode, why: &'static str| {
        visit.answer_with(
            status,
            &SignInPage::new(&dashboard.api, next.clone(), Some(why), visit.bare()),
        )
    };
    if !is_plain(token) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "This is no token: paste it whole, without quotes and line ends; 3800 characters at most.",
        );
    }
    match admit(&dashboard.api, Some(token), true, &[]).await {
        Entry::Admitted(_) => {
            let mut answer = see(&next);
            if let Some(line) = Cookie::Token.set(token, Reached::of(&visit.headers)) {
                answer.headers_mut().append(SET_COOKIE, line);
            }
            answer
        }
        Entry::Unanswered => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "The API server does not answer, so nobody can say whether this token is valid. Try again in a moment.",
        ),
        Entry::Unknown | Entry::Denied => refuse(
            StatusCode::UNAUTHORIZED,
            "This token is not valid here, or not any more.",
        ),
    }
}

async fn sign_out(State(dashboard): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let token = shown(&dashboard.api, &headers);
    let visit = match Visit::new(&dashboard.api, headers, token, ClusterScope::All) {
        Ok(visit) => visit,
        Err(failed) => return failed.into_response(),
    };
    if let Some(refused) = forged(&visit, &Pairs::parse(&body)) {
        return refused;
    }
    let mut answer = see("/sign-in");
    let reached = Reached::of(&visit.headers);
    for cookie in [Cookie::Token, Cookie::Seed] {
        if let Some(line) = cookie.clear(reached) {
            answer.headers_mut().append(SET_COOKIE, line);
        }
    }
    answer
}

async fn stream(State(dashboard): Shared, headers: HeaderMap) -> Response {
    let api = &dashboard.api;
    let token = shown(api, &headers);
    match admit(api, token.as_deref(), false, &[act("watch", REPORTS, None)]).await {
        Entry::Admitted(_) => live::stream(api.fleet.runs.changes(), &dashboard.streams, api.stop.clone())
            .unwrap_or_else(|| StatusCode::SERVICE_UNAVAILABLE.into_response()),
        Entry::Unknown => StatusCode::UNAUTHORIZED.into_response(),
        Entry::Denied => StatusCode::FORBIDDEN.into_response(),
        Entry::Unanswered => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn asset(Path(name): Path<String>) -> Response {
    assets::serve(&name)
}

async fn not_found(State(dashboard): Shared, headers: HeaderMap, uri: Uri) -> Response {
    let wrong = Wrong {
        status: StatusCode::NOT_FOUND,
        title: "There is no such page",
        what: format!("Nothing is at {}.", uri.path()),
        remedy: "Every page is one or two clicks from the overview.".to_owned(),
        command: String::new(),
    };
    match Visit::new(&dashboard.api, headers, None, ClusterScope::All) {
        Ok(visit) => visit.bare_error(wrong),
        Err(failed) => failed.into_response(),
    }
}
