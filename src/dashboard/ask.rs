//! Asking for a page: whoever asks is let in by the rights that the page stands for, or answered why not.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, Uri, request::Parts, uri::PathAndQuery},
    response::{IntoResponse, Response},
};

use super::{
    Dashboard,
    addresses::{self, NAMESPACE},
    door::{Entry, admit, shown},
    pages::{
        Wrong,
        clusters::{CLUSTER, scope},
    },
    query::Pairs,
    visit::{Refused, Visit, see},
};
use crate::{
    access::Act,
    fleet::{ClusterScope, Fleet, Scope},
};

/// Header of the script's requests: they want no page for signing in.
const SCRIPT: &str = "x-kymaros-live";

pub(super) const TESTS: &str = "restoretests";
pub(super) const REPORTS: &str = "restorereports";

/// What a handler gives: a page, or why there is none.
pub(super) type Answer = Result<Response, Refused>;

/// Somebody asks for a page.
pub(super) struct Ask {
    pub dashboard: Arc<Dashboard>,
    pub headers: HeaderMap,
    pub uri: Uri,
}

impl FromRequestParts<Arc<Dashboard>> for Ask {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        dashboard: &Arc<Dashboard>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self {
            dashboard: dashboard.clone(),
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
        })
    }
}

impl Ask {
    pub(super) fn fleet(&self) -> &Fleet {
        &self.dashboard.api.fleet
    }

    pub(super) fn query(&self) -> Pairs {
        Pairs::parse(self.uri.query().unwrap_or_default().as_bytes())
    }

    /// Lets somebody in who may do all of this.
    pub(super) async fn enter(&self, acts: &[Act]) -> Result<Visit, Refused> {
        self.enter_as(false, Scope::All, acts).await
    }

    /// The same in a namespace. Whoever may not list what is ours elsewhere is led on within it.
    pub(super) async fn enter_in(&self, namespace: &str, acts: &[Act]) -> Result<Visit, Refused> {
        let visit = self.enter(acts).await?;
        Ok(self.led_within(visit, Some(namespace)).await)
    }

    /// The same for somebody who wants to change something there.
    pub(super) async fn enter_to_change(&self, namespace: &str, acts: &[Act]) -> Result<Visit, Refused> {
        let visit = self.enter_as(true, Scope::All, acts).await?;
        Ok(self.led_within(visit, Some(namespace)).await)
    }

    /// Links of a page that is of no namespace: within the one that the address names, for those who see no more.
    pub(super) async fn led_on(&self, visit: Visit) -> Visit {
        let query = self.query();
        self.led_within(visit, query.get(NAMESPACE)).await
    }

    async fn led_within(&self, mut visit: Visit, namespace: Option<&str>) -> Visit {
        let wide = [all("list", TESTS, None), all("list", REPORTS, None)];
        if let Some(namespace) = namespace
            && !self.may_see(&visit, &wide).await
        {
            visit.view.scope = Scope::Namespace(namespace.to_owned());
        }
        visit
    }

    /// Lets somebody in who may list these kinds of ours. Where the address names a namespace they see that one, and need
    /// no right to others.
    pub(super) async fn enter_lists(&self, kinds: &[&'static str]) -> Result<Visit, Refused> {
        let query = self.query();
        let lists = |namespace: Option<&str>| -> Vec<Act> {
            kinds.iter().map(|kind| all("list", kind, namespace)).collect()
        };
        let Some(namespace) = query.get(NAMESPACE) else {
            return self.enter(&lists(None)).await;
        };
        let (api, scope) = (&self.dashboard.api, Scope::Namespace(namespace.to_owned()));
        let token = shown(api, &self.headers);
        match admit(api, token.as_deref(), false, &lists(None)).await {
            Entry::Denied => self.enter_as(false, scope, &lists(Some(namespace))).await,
            known => self.let_in(known, token, scope, &lists(None)),
        }
    }

    async fn enter_as(&self, writes: bool, scope: Scope, acts: &[Act]) -> Result<Visit, Refused> {
        let api = &self.dashboard.api;
        let token = shown(api, &self.headers);
        let entry = admit(api, token.as_deref(), writes, acts).await;
        self.let_in(entry, token, scope, acts)
    }

    fn let_in(
        &self,
        entry: Entry,
        token: Option<String>,
        scope: Scope,
        acts: &[Act],
    ) -> Result<Visit, Refused> {
        let mut visit = self.visit(token, scope, self.clusters())?;
        match entry {
            Entry::Admitted(caller) => {
                visit.caller = caller;
                visit.near = acts.iter().find_map(of_namespace).map(str::to_owned);
                Ok(visit)
            }
            Entry::Unknown => Err(self.to_sign_in().into()),
            Entry::Denied => Err(visit.bare_error(denied(acts)).into()),
            Entry::Unanswered => Err(visit.bare_error(unanswered()).into()),
        }
    }

    /// A page for which nobody is let in: the door itself.
    pub(super) fn stranger(&self) -> Result<Visit, Refused> {
        self.visit(None, Scope::All, ClusterScope::All)
    }

    /// The same for somebody with a token, whatever it is worth.
    pub(super) fn bearer(&self) -> Result<Visit, Refused> {
        let token = shown(&self.dashboard.api, &self.headers);
        self.visit(token, Scope::All, ClusterScope::All)
    }

    fn visit(&self, token: Option<String>, scope: Scope, clusters: ClusterScope) -> Result<Visit, Refused> {
        let (api, headers) = (&self.dashboard.api, self.headers.clone());
        Visit::new(api, headers, token, scope, clusters).map_err(|status| status.into_response().into())
    }

    /// What is shown beside the rest of a page to those who may see it too.
    pub(super) async fn may_see(&self, visit: &Visit, acts: &[Act]) -> bool {
        let entry = admit(&self.dashboard.api, visit.token.as_deref(), false, acts).await;
        matches!(entry, Entry::Admitted(_))
    }

    /// Velero's objects of a kind.
    pub(super) fn list_velero(&self, resource: &'static str) -> Act {
        Act::Objects {
            verb: "list",
            group: "velero.io",
            resource,
            namespace: Some(self.fleet().velero_namespace.clone()),
            name: None,
        }
    }

    /// What must be listed to see what Velero holds: its backups, and the namespaces there are.
    pub(super) fn list_held(&self) -> [Act; 2] {
        let namespaces = Act::Objects {
            verb: "list",
            group: "",
            resource: "namespaces",
            namespace: None,
            name: None,
        };
        [self.list_velero("backups"), namespaces]
    }

    /// The clusters that an address asks for.
    fn clusters(&self) -> ClusterScope {
        scope(self.query().get(CLUSTER))
    }

    fn to_sign_in(&self) -> Response {
        if self.headers.contains_key(SCRIPT) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let here = self.uri.path_and_query().map(PathAndQuery::as_str);
        see(&addresses::sign_in(addresses::own(here)))
    }
}

/// Something with one object of ours.
pub(super) fn one(verb: &'static str, resource: &'static str, (namespace, name): (&str, &str)) -> Act {
    Act::Objects {
        verb,
        group: kymaros_crds::names::GROUP,
        resource,
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
    }
}

/// Something with all objects of a kind of ours, perhaps of one namespace.
pub(super) fn all(verb: &'static str, resource: &'static str, namespace: Option<&str>) -> Act {
    Act::Objects {
        verb,
        group: kymaros_crds::names::GROUP,
        resource,
        namespace: namespace.map(str::to_owned),
        name: None,
    }
}

/// The namespace of an act with objects of ours.
fn of_namespace(act: &Act) -> Option<&str> {
    match act {
        Act::Objects { group, namespace, .. } if *group == kymaros_crds::names::GROUP => namespace.as_deref(),
        _ => None,
    }
}

/// Why somebody does not come in, and which rights they lack.
pub(super) fn denied(acts: &[Act]) -> Wrong {
    let lines: Vec<String> = acts
        .iter()
        .map(|act| format!("kubectl auth can-i {act}"))
        .collect();
    let lists = |act: &Act| matches!(act, Act::Objects { verb: "list", group, .. } if *group == kymaros_crds::names::GROUP);
    Wrong {
        status: StatusCode::FORBIDDEN,
        title: "You may not do this",
        what: "The cluster does not let the account of your token do what this page stands for.".to_owned(),
        remedy: "Ask whoever runs the cluster for a role with these rights, or sign in with another token. Each of these \
                 must answer yes:"
            .to_owned(),
        command: lines.join("\n"),
        narrows: !acts.is_empty() && acts.iter().all(lists),
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
        narrows: false,
    }
}
