//! The REST API under `/api/v1`: routes, names and codes of 0.6.9, and more.
//!
//! - `table`: every route once, with the rights it stands for and what it answers; router, documentation and tests are
//!   made from it
//! - `auth`, `caller`: who asks, what they may, and whose rights a write is made with
//! - `places`: where the object of a path is
//! - `read`, `export`, `live`: what is answered from [`crate::fleet`]; `write`: changes, made through the API server;
//!   `try_receiver`: a message to try a receiver of notifications
//! - `input`, `parameters`, `query`, `problem`: what is taken and what is said about mistakes
//! - `limits`, `seats`, `hosts`, `headers`, `serve`: around all of it

mod auth;
mod caller;
mod complete;
mod export;
mod headers;
mod hosts;
mod input;
mod limits;
mod live;
mod openapi;
mod parameters;
mod places;
mod problem;
mod query;
mod read;
mod route;
mod seats;
mod serve;
mod table;
#[cfg(test)]
mod tests;
mod try_receiver;
mod write;

pub use auth::{ApiToken, Auth};
pub use caller::{Caller, anonymous};
pub use export::exported;
pub use headers::Origin;
pub use hosts::{HostName, Hosts};
pub use input::TestInput;
pub use limits::Limits;
pub use openapi::document;
pub use problem::Problem;
pub use seats::{Listener, Seat, Seats};
pub use serve::serve;
pub use write::{create, delete, trigger, update};

use std::sync::Arc;

use axum::{Router, http::HeaderMap, middleware};
use jiff::Timestamp;
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{fleet::Fleet, notify::Notifier};

/// What the routes answer with. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// What people look at.
    pub fleet: Fleet,
    /// Who may.
    pub auth: Auth,
    /// The operator's own client: for reads, and for writes where the mode has no callers.
    pub client: Client,
    /// Tells receivers of notifications.
    pub notifier: Notifier,
    /// What `/health` says of the process.
    pub about: Arc<About>,
    /// How much of it anybody may use.
    pub limits: Limits,
    /// The names that it is asked for under, where nobody is known.
    pub hosts: Hosts,
    /// The pages of another origin that may read it.
    pub cors: Option<Origin>,
    /// Live streams end with it.
    pub stop: CancellationToken,
}

/// The process.
#[derive(Clone, Debug)]
pub struct About {
    /// Version of the API server; empty when it did not say.
    pub kubernetes_version: String,
    /// Its pod.
    pub pod: String,
    /// When it started.
    pub started: Timestamp,
}

/// All routes. Anything else under `/api/` is not found; other paths are left to others.
pub fn router(api: Api) -> Router {
    let routes = table::routes().into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route::handler(route))
    });
    routes
        .route("/api/{*rest}", axum::routing::any(problem::not_found))
        .route("/api", axum::routing::any(problem::not_found))
        .method_not_allowed_fallback(problem::not_allowed)
        .layer(middleware::from_fn_with_state(api.clone(), limits::within))
        .layer(middleware::from_fn_with_state(api.clone(), hosts::named))
        .layer(middleware::from_fn_with_state(api.clone(), headers::around))
        .with_state(api)
}

/// Routes of others within the limits of the API, and under its names: who asks too often waits, whatever they ask for.
/// Whoever is signed in there is known by their session.
pub fn limited(api: &Api, routes: Router, session: fn(&HeaderMap) -> Option<String>) -> Router {
    let state = (api.clone(), session);
    routes
        .layer(middleware::from_fn_with_state(state, limits::with_sessions))
        .layer(middleware::from_fn_with_state(api.clone(), hosts::named))
}
