//! One request: who it is from, what they see, and the page that answers it.

use askama::Template;
use axum::{
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{CONTENT_TYPE, LOCATION, SET_COOKIE},
        uri::PathAndQuery,
    },
    response::{IntoResponse, Response},
};

use super::{
    addresses::{self, NAMESPACE},
    cookies::{Cookie, Reached},
    csrf::{self, Seed},
    pages::{ErrorPage, Wrong},
    query::{self, Pairs},
    shell::{Banner, Place, Shell},
};
use crate::{
    api::{Api, Auth, Caller},
    fleet::{ClusterScope, LicenseView, Roster, Scope, View},
};

/// Somebody who came in, or a stranger whose page is made all the same.
pub struct Visit {
    /// Of the request.
    pub headers: HeaderMap,
    /// What they signed in with.
    pub token: Option<String>,
    /// With whose rights changes are made.
    pub caller: Caller,
    /// How they see the fleet.
    pub view: View,
    /// Other clusters.
    pub others: Roster,
    away: Vec<String>,
    license: LicenseView,
    seed: Seed,
    /// The seed is new to the browser.
    is_new: bool,
    /// The namespace in which they were let in; none where they see all.
    pub near: Option<String>,
    /// There is something to sign in to.
    has_accounts: bool,
}

impl Visit {
    /// A request of somebody.
    ///
    /// # Errors
    /// The machine has no random numbers.
    pub fn new(
        api: &Api,
        headers: HeaderMap,
        token: Option<String>,
        scope: Scope,
        clusters: ClusterScope,
    ) -> Result<Self, StatusCode> {
        let known = Cookie::Seed.read(&headers).and_then(|text| Seed::parse(&text));
        let is_new = known.is_none();
        let seed = match known {
            Some(seed) => seed,
            None => Seed::random().map_err(|error| {
                tracing::error!(%error, "there are no random numbers");
                StatusCode::INTERNAL_SERVER_ERROR
            })?,
        };
        let view = api.fleet.view(scope).of_clusters(clusters);
        Ok(Self {
            license: api.fleet.license(&view),
            others: api.fleet.others(),
            away: api.fleet.away(&view),
            caller: Caller {
                client: api.client.clone(),
                is_account: false,
            },
            has_accounts: !matches!(api.auth, Auth::None),
            headers,
            token,
            view,
            seed,
            is_new,
            near: None,
        })
    }

    /// Whether a form carries the proof that it is of a page of this browser.
    fn proves(&self, given: &str) -> bool {
        !self.is_new && self.seed.proves(self.token.as_deref(), given)
    }

    /// Takes a form of a page of ours.
    ///
    /// # Errors
    /// The page that refuses any other.
    pub fn take(&self, form: &Pairs) -> Result<(), Refused> {
        let given = form.get(csrf::FIELD).unwrap_or_default();
        if !csrf::is_foreign(&self.headers) && self.proves(given) {
            return Ok(());
        }
        let refused = self.bare_error(Wrong {
            status: StatusCode::FORBIDDEN,
            title: "This form is not from here, or too old",
            what: "Nothing was done. Forms are taken from pages of this dashboard only, in the browser that loaded them."
                .to_owned(),
            remedy: "Go back, load the page again, and send the form once more. Cookies must be allowed.".to_owned(),
            command: String::new(),
            narrows: false,
        });
        Err(refused.into())
    }

    /// What is around a page.
    #[must_use]
    pub fn shell(&self, place: Place, uri: &Uri) -> Shell {
        let is_signed_in = self.token.is_some();
        let here = uri.path_and_query().map(PathAndQuery::as_str);
        Shell {
            place,
            has_nav: true,
            sign_in: (self.has_accounts && !is_signed_in).then(|| addresses::sign_in(addresses::own(here))),
            is_signed_in,
            tier: self.view.tier.to_string(),
            banner: self.license.warning.as_deref().map(|text| Banner {
                is_last: self.license.is_expired || text.contains("less than a day"),
                text: sentence(text),
            }),
            has_clusters: !self.others.is_empty(),
            within: query::write(addresses::narrowed(&self.view.scope).as_slice()),
            stream: self.near.as_deref().map_or_else(
                || addresses::STREAM.to_owned(),
                |namespace| addresses::STREAM.to_owned() + &query::write(&[(NAMESPACE, namespace)]),
            ),
            away: self.away.clone(),
            proof: self.seed.proof(self.token.as_deref()),
        }
    }

    /// What is around a page for somebody who has not come in.
    #[must_use]
    pub fn bare(&self) -> Shell {
        Shell {
            place: Place::Elsewhere,
            has_nav: false,
            sign_in: None,
            is_signed_in: false,
            tier: String::new(),
            banner: None,
            has_clusters: false,
            within: String::new(),
            stream: addresses::STREAM.to_owned(),
            away: Vec::new(),
            proof: self.seed.proof(None),
        }
    }

    /// A page.
    pub fn answer(&self, page: &impl Template) -> Response {
        self.answer_with(StatusCode::OK, page)
    }

    /// A page that is no success.
    pub fn answer_with(&self, status: StatusCode, page: &impl Template) -> Response {
        let html = match page.render() {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(%error, "a page cannot be rendered");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut answer = (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
        if self.is_new
            && let Some(line) = Cookie::Seed.set(self.seed.as_str(), Reached::of(&self.headers))
        {
            answer.headers_mut().append(SET_COOKIE, line);
        }
        answer
    }

    /// What went wrong, for somebody who came in.
    pub fn error(&self, wrong: Wrong, uri: &Uri) -> Refused {
        let status = wrong.status;
        let page = ErrorPage::new(wrong, self.shell(Place::Elsewhere, uri));
        self.answer_with(status, &page).into()
    }

    /// The same for somebody who did not.
    pub fn bare_error(&self, wrong: Wrong) -> Response {
        self.answer_with(wrong.status, &ErrorPage::new(wrong, self.bare()))
    }
}

/// An answer that stands for a page that there is not; boxed, as it is rare and large.
pub struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(answer: Response) -> Self {
        Self(Box::new(answer))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Leads elsewhere, to be loaded as a page.
pub fn see(address: &str) -> Response {
    let Ok(there) = HeaderValue::from_str(address) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (StatusCode::SEE_OTHER, [(LOCATION, there)]).into_response()
}

/// A line of the fleet as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}
