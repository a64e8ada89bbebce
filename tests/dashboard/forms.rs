//! Signing in and out, and asking for a run: what is taken, and everything that is not.

use axum::http::StatusCode;
use kymaros::api::Auth;
use kymaros_crds::domain::Tier;

use crate::{
    serve::{READER, TOKEN, Writes, api_server, app, by_rights, by_token, get, open, post},
    world::{OPS, World},
};

const TRIGGER: &str = "/tests/kymaros-system/wordpress/trigger";

/// A browser that is signed in: its cookies and the proof of its forms.
async fn signed_in(app: &axum::Router, token: &str) -> (String, String) {
    let seed = get(app, "/sign-in", &[]).await.cookie("kymaros-seed").unwrap();
    let cookies = format!("kymaros-seed={seed}; kymaros-token={token}");
    let page = get(app, "/tests", &[("cookie", &cookies)]).await;
    let proof = page.proof();
    (cookies, proof)
}

fn written(writes: &Writes) -> usize {
    writes.lock().unwrap().len()
}

#[tokio::test]
async fn a_token_opens_the_door_and_leads_where_one_wanted_to_go() {
    let world = World::new(Tier::Team);
    for (door, token) in [
        (by_rights(&api_server(true).0), READER),
        (by_token("secret"), "secret"),
    ] {
        let app = app(&world, door, api_server(true).0);
        let page = get(&app, "/sign-in?next=%2Ftests%3Fq%3Da", &[]).await;
        let seed = page.cookie("kymaros-seed").unwrap();
        let cookie = format!("kymaros-seed={seed}");
        let fields = [
            ("csrf", page.proof()),
            ("token", format!(" {token}\n")),
            ("next", "/tests?q=a".to_owned()),
        ];
        let fields = fields.each_ref().map(|(key, value)| (*key, value.as_str()));
        let answer = post(&app, "/sign-in", &[("cookie", &cookie)], &fields).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, "/tests?q=a")
        );
        let line = answer.header("set-cookie");
        assert!(
            line.contains("HttpOnly; SameSite=Strict") && !line.contains("Secure"),
            "{line}"
        );
        let cookie = format!(
            "{cookie}; kymaros-token={}",
            answer.cookie("kymaros-token").unwrap()
        );
        let page = get(&app, "/tests", &[("cookie", &cookie)]).await;
        assert!(page.status.is_success() && page.text.contains("Sign out"));
        let out = post(
            &app,
            "/sign-out",
            &[("cookie", &cookie)],
            &[("csrf", &page.proof())],
        )
        .await;
        assert_eq!(out.cookie("kymaros-token").as_deref(), Some(""));
    }
}

#[tokio::test]
async fn behind_tls_the_cookie_is_of_this_host_only() {
    let world = World::new(Tier::Team);
    let app = app(&world, by_token("secret"), api_server(true).0);
    let tls = ("x-forwarded-proto", "https");
    let page = get(&app, "/sign-in", &[tls]).await;
    let cookie = format!("__Host-kymaros-seed={}", page.cookie("kymaros-seed").unwrap());
    let fields = [("csrf", page.proof()), ("token", "secret".to_owned())];
    let fields = fields.each_ref().map(|(key, value)| (*key, value.as_str()));
    let answer = post(&app, "/sign-in", &[tls, ("cookie", &cookie)], &fields).await;
    let line = answer.header("set-cookie");
    assert_eq!(
        line,
        "__Host-kymaros-token=secret; Path=/; HttpOnly; SameSite=Strict; Secure"
    );
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_says_why() {
    let world = World::new(Tier::Team);
    let long = "x".repeat(4000);
    let (up, down) = (by_rights(&api_server(true).0), by_rights(&api_server(false).0));
    for (door, token, status) in [
        (up.clone(), "unknown", 401),
        (by_token("secret"), "guess", 401),
        (up.clone(), "two words", 400),
        (up.clone(), "", 400),
        (up, long.as_str(), 400),
        (down, TOKEN, 503),
    ] {
        let app = app(&world, door, api_server(true).0);
        let page = get(&app, "/sign-in", &[]).await;
        let cookie = format!("kymaros-seed={}", page.cookie("kymaros-seed").unwrap());
        let answer = post(
            &app,
            "/sign-in",
            &[("cookie", &cookie)],
            &[("csrf", &page.proof()), ("token", token)],
        )
        .await;
        assert_eq!(answer.status.as_u16(), status, "{token:.20}");
        assert!(answer.cookie("kymaros-token").is_none(), "{token:.20}");
        assert!(answer.text.contains("role=\"alert\""), "{token:.20}");
        assert!(
            token.is_empty() || !answer.text.contains(token),
            "a token is not repeated"
        );
    }
}

#[tokio::test]
async fn nobody_is_led_elsewhere_after_signing_in() {
    let world = World::new(Tier::Team);
    let app = app(&world, by_token("secret"), api_server(true).0);
    let page = get(&app, "/sign-in?next=//evil.example", &[]).await;
    assert!(!page.text.contains("evil"));
    let cookie = format!("kymaros-seed={}", page.cookie("kymaros-seed").unwrap());
    let fields = [
        ("csrf", page.proof()),
        ("token", "secret".to_owned()),
        ("next", "//evil.example".to_owned()),
    ];
    let fields = fields.each_ref().map(|(key, value)| (*key, value.as_str()));
    let answer = post(&app, "/sign-in", &[("cookie", &cookie)], &fields).await;
    assert_eq!(answer.header("location"), "/");
}

#[tokio::test]
async fn a_run_is_asked_for_by_those_who_may_change_the_test() {
    let world = World::new(Tier::Team);
    let (client, writes) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let (cookies, proof) = signed_in(&app, TOKEN).await;
    let answer = post(&app, TRIGGER, &[("cookie", &cookies)], &[("csrf", &proof)]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/tests/kymaros-system/wordpress")
    );
    let (path, body) = writes.lock().unwrap()[0].clone();
    assert!(
        path.ends_with("/namespaces/kymaros-system/restoretests/wordpress"),
        "{path}"
    );
    assert!(
        body["metadata"]["annotations"]["kymaros.io/trigger-now"].is_string(),
        "{body}"
    );

    let (cookies, proof) = signed_in(&app, READER).await;
    let answer = post(&app, TRIGGER, &[("cookie", &cookies)], &[("csrf", &proof)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(written(&writes), 1, "who may only read has changed nothing");
}

#[tokio::test]
async fn forms_that_are_not_of_this_page_and_browser_do_nothing() {
    let world = World::new(Tier::Team);
    let (client, writes) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let (cookies, proof) = signed_in(&app, TOKEN).await;
    let (others, others_proof) = signed_in(&app, TOKEN).await;
    let without_seed = format!("kymaros-token={TOKEN}");
    let wrong = "0".repeat(proof.len());
    for (headers, fields) in [
        (vec![("cookie", cookies.as_str())], vec![]),
        (vec![("cookie", &cookies)], vec![("csrf", "")]),
        (vec![("cookie", &cookies)], vec![("csrf", wrong.as_str())]),
        (vec![("cookie", &cookies)], vec![("csrf", others_proof.as_str())]),
        (vec![("cookie", &others)], vec![("csrf", &proof)]),
        (vec![("cookie", &without_seed)], vec![("csrf", &proof)]),
        (
            vec![("cookie", &cookies), ("sec-fetch-site", "cross-site")],
            vec![("csrf", &proof)],
        ),
        (
            vec![
                ("cookie", &cookies),
                ("origin", "http://evil.example"),
                ("host", "kymaros"),
            ],
            vec![("csrf", &proof)],
        ),
    ] {
        for path in [TRIGGER, "/sign-out"] {
            let answer = post(&app, path, &headers, &fields).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path} {headers:?} {fields:?}"
            );
            assert!(answer.text.contains("Nothing was done."));
        }
        let fields: Vec<_> = fields.into_iter().chain([("token", TOKEN)]).collect();
        let answer = post(&app, "/sign-in", &headers, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?} {fields:?}");
        assert!(answer.cookie("kymaros-token").is_none());
    }
    assert_eq!(written(&writes), 0);
}

#[tokio::test]
async fn a_form_of_before_signing_in_is_good_for_nothing_afterwards() {
    let world = World::new(Tier::Team);
    let (client, writes) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let (cookies, _) = signed_in(&app, TOKEN).await;
    let (seed, _) = cookies.split_once(';').unwrap();
    let before = get(&app, "/sign-in", &[("cookie", seed)]).await.proof();
    let answer = post(&app, TRIGGER, &[("cookie", &cookies)], &[("csrf", &before)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(written(&writes), 0);
}

#[tokio::test]
async fn where_everybody_may_come_in_forms_are_guarded_too() {
    let world = World::new(Tier::Community);
    let (client, writes) = api_server(true);
    let app = app(&world, Auth::None, client);
    assert_eq!(post(&app, TRIGGER, &[], &[]).await.status, StatusCode::FORBIDDEN);
    let page = get(&app, TRIGGER, &[]).await;
    let cookie = format!("kymaros-seed={}", page.cookie("kymaros-seed").unwrap());
    let answer = post(&app, TRIGGER, &[("cookie", &cookie)], &[("csrf", &page.proof())]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(written(&writes), 1);
    assert_eq!(
        get(&app, "/sign-in", &[]).await.header("location"),
        "/",
        "there is nothing to sign in to"
    );
}

#[tokio::test]
async fn a_run_beside_a_run_is_refused_with_its_name() {
    let world = World::new(Tier::Community);
    let app = open(&world);
    let path = format!("/tests/{OPS}/vault/trigger");
    let page = get(&app, &path, &[]).await;
    let cookie = format!("kymaros-seed={}", page.cookie("kymaros-seed").unwrap());
    let answer = post(&app, &path, &[("cookie", &cookie)], &[("csrf", &page.proof())]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(
        answer
            .text
            .contains(&world.latest("vault").metadata.name.unwrap()),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_form_without_end_is_not_read() {
    let world = World::new(Tier::Community);
    let page = post(&open(&world), TRIGGER, &[], &[("csrf", &"x".repeat(64 * 1024))]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
}
