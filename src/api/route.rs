//! One route: what it needs, what it answers, and the way from a request to its handler.

use std::{collections::HashMap, net::IpAddr};

use axum::{
    body::Bytes,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use futures::future::BoxFuture;
use kymaros_crds::names::GROUP;
use schemars::{Schema, SchemaGenerator};

use super::{
    Api,
    caller::Caller,
    limits,
    parameters::{FRAMEWORK, Parameter},
    problem::Problem,
    query::Query,
    read::with_notices,
};
use crate::{
    access::{Act, bearer},
    fleet::{ClusterName, ClusterScope, Feature, Framework, Scope, View},
};

/// What somebody must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it holds nothing of the cluster.
    Nothing,
    /// A valid token.
    Token,
    /// These rights.
    Rights(&'static [Right]),
    /// These rights, and the last where the framework that is asked for tells of backups.
    OfFramework(&'static [Right], Right),
    /// What the API server asks for: it is done with the caller's own rights.
    Write,
    /// The same, and these rights first.
    WriteAfter(&'static [Right]),
    /// The same, and this verb first, where the test of the path is.
    Change(&'static str),
}

/// A right to objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Right {
    pub verb: &'static str,
    pub what: What,
}

/// Objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All tests in view.
    Tests,
    /// The test of the path.
    Test,
    /// All reports in view.
    Reports,
    /// The report of the path.
    Report,
    /// Velero's Backups.
    Backups,
    /// Velero's Schedules.
    Schedules,
    /// Namespaces.
    Namespaces,
}

impl Need {
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Write | Self::WriteAfter(_) | Self::Change(_))
    }

    /// Whether the answer is of objects of namespaces and clusters.
    pub(super) fn narrows(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Token)
    }

    fn acts(self, ask: &Asked<'_>) -> Vec<Act> {
        let act = |right: &Right| right.act(ask.velero, ask.scope, ask.name);
        match self {
            Self::Rights(rights) | Self::WriteAfter(rights) => rights.iter().map(act).collect(),
            Self::OfFramework(rights, backups) => {
                let backups = Some(backups).filter(|_| is_for_those_who_list_backups(ask));
                rights.iter().chain(&backups).map(act).collect()
            }
            // Without a namespace the test is to be found first.
            Self::Change(verb) if *ask.scope != Scope::All => vec![act(&Right::to_test(verb))],
            Self::Nothing | Self::Token | Self::Write | Self::Change(_) => Vec::new(),
        }
    }
}

/// What of a request decides which rights it needs.
struct Asked<'a> {
    velero: &'a str,
    scope: &'a Scope,
    name: Option<&'a str>,
    query: &'a Query,
}

/// Whether the framework that is asked for is.
fn is_for_those_who_list_backups(ask: &Asked<'_>) -> bool {
    let framework = ask.query.text(&FRAMEWORK).and_then(|text| text.parse().ok());
    framework.is_some_and(|framework: Framework| framework.is_for_those_who_list_backups(ask.scope))
}

impl Right {
    /// To the test of the path.
    pub(super) fn to_test(verb: &'static str) -> Self {
        let what = What::Test;
        Self { verb, what }
    }

    /// In words, such as `list restoretests.restore.kymaros.io`.
    pub(super) fn described(self) -> String {
        let act = self.act("velero", &Scope::All, None).to_string();
        // The core group has no name.
        act.split(" --")
            .next()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_owned()
    }

    pub(super) fn act(self, velero: &str, scope: &Scope, name: Option<&str>) -> Act {
        let (group, resource) = match self.what {
            What::Tests | What::Test => (GROUP, "restoretests"),
            What::Reports | What::Report => (GROUP, "restorereports"),
            What::Backups => ("velero.io", "backups"),
            What::Schedules => ("velero.io", "schedules"),
            What::Namespaces => ("", "namespaces"),
        };
        let namespace = match self.what {
            What::Backups | What::Schedules => Some(velero.to_owned()),
            What::Namespaces => None,
            _ => scope.namespace().map(str::to_owned),
        };
        let is_one = matches!(self.what, What::Test | What::Report);
        Act::Objects {
            verb: self.verb,
            group,
            resource,
            namespace,
            name: name.filter(|_| is_one).map(str::to_owned),
        }
    }
}

/// What somebody asks, once they were let in.
pub(super) struct Ask {
    pub api: Api,
    pub caller: Caller,
    /// What they were known by.
    pub token: Option<String>,
    /// Where they come from.
    pub address: Option<IpAddr>,
    pub view: View,
    pub query: Query,
    /// The one name in the path; empty without one.
    pub name: String,
    pub body: Bytes,
}

impl Ask {
    /// Whether whoever asks may do something beside what the route stands for.
    pub(super) async fn may(&self, act: &Act) -> Result<bool, Problem> {
        let (auth, token) = (&self.api.auth, self.token.as_deref());
        let acts = std::slice::from_ref(act);
        match auth.admit_token(&self.api.client, token, false, acts).await {
            Ok(_) => Ok(true),
            Err(problem) if problem.status() == StatusCode::FORBIDDEN => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Something with the test of the path.
    pub(super) fn act_on_test(&self, verb: &'static str, scope: &Scope) -> Act {
        Right::to_test(verb).act(&self.api.fleet.velero_namespace, scope, Some(&self.name))
    }

    /// Something with all tests in view.
    pub(super) fn act_on_tests(&self, verb: &'static str) -> Act {
        let what = What::Tests;
        Right { verb, what }.act(&self.api.fleet.velero_namespace, &self.view.scope, None)
    }
}

pub(super) type Answer = Result<Response, Problem>;
/// An answer on its way.
pub(super) type Answering = BoxFuture<'static, Answer>;

/// What the documentation says of an answer.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// JSON.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Some other type of content.
    Other(&'static str),
    /// Nothing.
    Empty,
}

/// A route.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub need: Need,
    /// What a tier must have for it.
    pub feature: Option<Feature>,
    /// In one line.
    pub summary: &'static str,
    /// Parameters beside `namespace` and `cluster`.
    pub parameters: &'static [Parameter],
    /// Takes a body of this shape.
    pub body: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// The code of success, and its shape.
    pub success: (u16, Shape),
    /// Codes of the mistakes that are its own.
    pub mistakes: &'static [u16],
    pub handle: fn(Ask) -> Answering,
}

/// The names in a path.
type Names = Path<HashMap<String, String>>;

/// The way from a request to an answer: read, let in, answer.
pub(super) fn handler(route: Route) -> MethodRouter<Api> {
    let filter = Method::from_bytes(route.method.as_bytes())
        .ok()
        .and_then(|method| MethodFilter::try_from(method).ok())
        .unwrap_or(MethodFilter::GET);
    on(
        filter,
        move |State(api): State<Api>, path: Result<Names, PathRejection>, request: Request| async move {
            let answer = match path {
                Ok(Path(path)) => answer(route, api, path, request).await,
                Err(_) => Err(Problem::field("name", "name: is no text; write it in UTF-8")),
            };
            match answer {
                Ok(response) => response,
                Err(problem) => problem.into_response(),
            }
        },
    )
}

/// Whoever asks for a cluster that nobody knows is told which there are.
fn known(api: &Api, clusters: &ClusterScope) -> Result<(), Problem> {
    let ClusterScope::Other(name) = clusters else {
        return Ok(());
    };
    let others = api.fleet.others();
    if others.remote(name).is_some() {
        return Ok(());
    }
    let all = others.remotes.iter().map(|remote| remote.name.to_string());
    let choices = std::iter::once(ClusterName::HERE.to_owned()).chain(all).collect();
    Err(Problem::choose(
        StatusCode::NOT_FOUND,
        "cluster",
        format!("there is no cluster {name} here; /api/v1/clusters says which there are"),
        choices,
    ))
}

/// Other clusters are only read.
pub(super) fn elsewhere(cluster: &ClusterName) -> Problem {
    let error = format!(
        "cluster {cluster} is not this one, and others are only read from here; make this change in that cluster"
    );
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error)
}

pub(super) async fn answer(
    route: Route,
    api: Api,
    mut path: HashMap<String, String>,
    request: Request,
) -> Answer {
    let query = Query::read(request.uri().query().unwrap_or_default());
    let (scope, clusters) = if route.need.narrows() {
        (query.scope()?, query.clusters()?)
    } else {
        (Scope::All, ClusterScope::All)
    };
    let name = path.remove("name").unwrap_or_default();
    let named = Some(name.as_str()).filter(|name| !name.is_empty());
    let acts = route.need.acts(&Asked {
        velero: &api.fleet.velero_namespace,
        scope: &scope,
        name: named,
        query: &query,
    });
    let token = bearer(request.headers()).map(str::to_owned);
    let address = limits::address(request.extensions());
    let caller = match route.need {
        Need::Nothing => Caller {
            client: api.client.clone(),
            is_account: false,
        },
        need => {
            let (operator, token) = (&api.client, token.as_deref());
            api.auth
                .admit_token(operator, token, need.writes(), &acts)
                .await?
        }
    };
    let body = match route.body {
        Some(_) => limits::body(request.into_body()).await?,
        None => Bytes::new(),
    };
    // Whether a cluster is followed is for those of whom a right was looked at: the API server, which looks at those of
    // writers later, is not asked about other clusters.
    if !(api.auth.has_accounts() && acts.is_empty()) {
        known(&api, &clusters)?;
    }
    if let (true, ClusterScope::Other(name)) = (route.need.writes(), &clusters) {
        return Err(elsewhere(name));
    }
    let view = api.fleet.view(scope).of_clusters(clusters);
    if let Some(feature) = route.feature {
        view.require(feature)?;
    }
    let away = if route.need.narrows() && !route.need.writes() {
        api.fleet.away(&view)
    } else {
        Vec::new()
    };
    let ask = Ask {
        api,
        caller,
        token,
        address,
        view,
        query,
        name,
        body,
    };
    let answer = (route.handle)(ask).await?;
    Ok(with_notices(answer, &away))
}
