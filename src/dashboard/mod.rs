//! The dashboard: pages that the server renders, embedded in the program, that work without a script.
//!
//! - `routes`: which page, for whom; `ask`, `door`, `cookies`, `csrf`: who comes in, and which forms are taken;
//!   `sign_in`, `trigger`: the forms; `missing`: what is answered for what is not there
//! - `pages`: what each page shows, by plain functions of the fleet's answers
//! - `templates`, `assets`: how it looks
//! - `charts`: figures as drawings
//!
//! What a tier hides is decided in the fleet alone, and who may do what in the API.

mod addresses;
mod ask;
mod assets;
mod charts;
mod cookies;
mod csrf;
mod door;
mod escape;
mod files;
mod headers;
mod live;
mod missing;
mod moments;
mod pages;
mod query;
mod routes;
mod shell;
mod sign_in;
mod standing;
mod table;
mod trigger;
mod visit;

pub use headers::POLICY;
pub use pages::Setting;
pub use routes::router;

use crate::api::{Api, Seats};

/// What pages are made of.
pub struct Dashboard {
    api: Api,
    settings: Vec<Setting>,
    streams: Seats,
}

impl Dashboard {
    /// Pages for those whom the API lets in; the settings are shown as they are given.
    #[must_use]
    pub fn new(api: Api, settings: Vec<Setting>) -> Self {
        Self {
            api,
            settings,
            streams: Seats::new(live::MOST),
        }
    }
}
