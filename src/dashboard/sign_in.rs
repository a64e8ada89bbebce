//! Signing in and out.

use axum::{
    body::Bytes,
    http::{StatusCode, header::SET_COOKIE},
};

use super::{
    addresses,
    ask::{Answer, Ask},
    cookies::{Cookie, Reached, is_plain},
    door::{Entry, admit},
    pages::SignInPage,
    query::Pairs,
    visit::see,
};
use crate::api::Auth;

/// The page that asks for a token.
pub(super) async fn page(ask: Ask) -> Answer {
    let query = ask.query();
    let next = addresses::own(query.get("next"));
    let api = &ask.dashboard.api;
    if matches!(api.auth, Auth::None) {
        return Ok(see(next));
    }
    let visit = ask.stranger()?;
    Ok(visit.answer(&SignInPage::new(api, next.to_owned(), None, visit.bare())))
}

/// Takes a token.
pub(super) async fn sign_in(ask: Ask, body: Bytes) -> Answer {
    let form = Pairs::parse(&body);
    let next = addresses::own(form.get("next")).to_owned();
    let api = &ask.dashboard.api;
    let visit = ask.stranger()?;
    visit.take(&form)?;
    let token = form.get("token").unwrap_or_default();
    let refuse = |status: StatusCode, why: &'static str| {
        visit.answer_with(
            status,
            &SignInPage::new(api, next.clone(), Some(why), visit.bare()),
        )
    };
    if !is_plain(token) {
        return Ok(refuse(
            StatusCode::BAD_REQUEST,
            "This is no token: paste it whole, without quotes and line ends; 3800 characters at most.",
        ));
    }
    match admit(api, Some(token), true, &[]).await {
        Entry::Admitted(_) => {
            let mut answer = see(&next);
            if let Some(line) = Cookie::Token.set(token, Reached::of(&visit.headers)) {
                answer.headers_mut().append(SET_COOKIE, line);
            }
            Ok(answer)
        }
        Entry::Unanswered => Ok(refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "The API server does not answer, so nobody can say whether this token is valid. Try again in a moment.",
        )),
        Entry::Unknown | Entry::Denied => Ok(refuse(
            StatusCode::UNAUTHORIZED,
            "This token is not valid here, or not any more.",
        )),
    }
}

/// Forgets the token.
pub(super) async fn sign_out(ask: Ask, body: Bytes) -> Answer {
    let visit = ask.bearer()?;
    visit.take(&Pairs::parse(&body))?;
    let mut answer = see("/sign-in");
    let reached = Reached::of(&visit.headers);
    for cookie in [Cookie::Token, Cookie::Seed] {
        if let Some(line) = cookie.clear(reached) {
            answer.headers_mut().append(SET_COOKIE, line);
        }
    }
    Ok(answer)
}
