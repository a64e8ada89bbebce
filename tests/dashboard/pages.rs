//! Each page, for each tier, at each door, and with hostile names.

use std::num::NonZeroU32;

use axum::http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros::{
    api::{Auth, Limits},
    dashboard::POLICY,
};
use kymaros_crds::{MissedTimes, domain::Tier};

use crate::{
    serve::{
        CLERK, KEEPER, MEMBER, NOBODY, OWNER, PLANNER, READER, REPORTER, TOKEN, VIEWER, api_server, app,
        by_rights, by_token, get, open, opened, status_of, within,
    },
    world::{OPS, TEAM, World},
};

/// Every page of a world.
pub fn all(world: &World) -> Vec<(&'static str, String)> {
    let report = |test: &str, namespace: &str| {
        format!(
            "/reports/{namespace}/{}",
            world.latest(test).metadata.name.unwrap()
        )
    };
    vec![
        ("overview", "/".to_owned()),
        ("coverage", "/coverage".to_owned()),
        ("tests", "/tests".to_owned()),
        ("test", format!("/tests/{TEAM}/payments-db")),
        ("report", report("payments-db", TEAM)),
        ("report-live", report("vault", OPS)),
        ("trigger", format!("/tests/{OPS}/wordpress/trigger")),
        ("compliance", "/compliance?framework=dora&period=90".to_owned()),
        ("schedules", "/schedules".to_owned()),
        ("settings", "/settings".to_owned()),
        ("clusters", "/clusters".to_owned()),
        ("not-found", "/nowhere".to_owned()),
    ]
}

#[tokio::test]
async fn each_page_is_there_in_each_tier_and_loads_nothing_from_elsewhere() {
    for tier in [Tier::Community, Tier::Team, Tier::Enterprise] {
        let world = World::new(tier);
        let app = open(&world);
        for (name, path) in all(&world) {
            let page = get(&app, &path, &[]).await;
            let wanted = if name == "not-found" { 404 } else { 200 };
            assert_eq!(page.status.as_u16(), wanted, "{tier} {name}");
            assert_eq!(page.header("content-security-policy"), POLICY);
            assert_eq!(page.header("cache-control"), "no-store");
            assert_eq!(page.header("x-content-type-options"), "nosniff");
            assert_eq!(page.header("referrer-policy"), "same-origin");
            assert_eq!(page.header("x-frame-options"), "DENY");
            for inline in [
                "style=",
                "onclick",
                "javascript:",
                "<style",
                "//fonts",
                "http://",
                "https://",
            ] {
                assert!(!page.text.contains(inline), "{inline} in {name}");
            }
            assert_eq!(page.text.matches("<h1>").count(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn what_becomes_old_while_a_page_is_open_is_kept_up_to_date() {
    let world = World::new(Tier::Team);
    let app = open(&world);
    // What somebody writes into, what says itself when it was made, and what is not there.
    let fixed = ["trigger", "compliance", "not-found"];
    for (name, path) in all(&world) {
        let page = get(&app, &path, &[]).await.text;
        assert_eq!(page.contains(" data-live>"), !fixed.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn what_needs_somebody_comes_first() {
    let world = World::new(Tier::Team);
    let page = get(&open(&world), "/", &[]).await.text;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not there"));
    let order = ["payments-db", "analytics", "harbor", "ledger"].map(|name| place(&format!("/{name}\">")));
    assert!(order.is_sorted(), "{order:?}");
    for said in [
        "1 test fails, 1 test has proved nothing yet, 1 is inconclusive, 3 come back with losses.",
        "the backup holds no data of volume claim data-payments-db-0",
        "this date never comes",
        "legacy-crm",
        "no test restores it",
        "restores, 41 of 68 objects",
        "place 1: Velero restores vault",
    ] {
        place(said);
    }
}

#[tokio::test]
async fn what_a_page_shows_can_be_had_as_a_file_by_whose_tier_has_it() {
    let paper = "/files/compliance.pdf?framework=dora";
    for (tier, csv, pdf) in [
        (Tier::Community, false, false),
        (Tier::Team, true, false),
        (Tier::Enterprise, true, true),
    ] {
        let world = World::new(tier);
        let app = open(&world);
        let tests = get(&app, "/tests?namespace=ops", &[]).await.text;
        assert_eq!(tests.contains("/files/tests.csv?namespace=ops"), csv, "{tier}");
        assert_eq!(
            tests.contains("Export as CSV is part of the Team tier."),
            !csv,
            "{tier}"
        );
        let compliance = get(&app, "/compliance?framework=dora&period=90", &[]).await.text;
        assert_eq!(compliance.contains(paper), pdf, "{tier}");
        for (file, is_there, content) in [
            ("/files/tests.csv", csv, "text/csv; charset=utf-8"),
            ("/files/reports.csv", csv, "text/csv; charset=utf-8"),
            ("/files/compliance.pdf?framework=dora", pdf, "application/pdf"),
        ] {
            let answer = get(&app, file, &[]).await;
            let seen = (answer.status.as_u16(), answer.header("content-type") == content);
            assert_eq!(
                seen,
                (if is_there { 200 } else { 403 }, is_there),
                "{tier} {file}"
            );
            let is_attached = answer.header("content-disposition").starts_with("attachment");
            assert_eq!(is_attached, is_there, "{tier} {file}");
            let line = if file.contains("pdf") {
                "Export as PDF is part of the Enterprise tier."
            } else {
                "Export as CSV is part of the Team tier."
            };
            assert_eq!(answer.text.contains(line), !is_there, "{tier} {file}");
            assert!(!answer.text.contains("cannot be had"), "{tier} {file}");
        }
        assert_eq!(
            get(&app, "/files/summary", &[]).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn a_file_is_for_those_who_may_see_what_is_in_it() {
    let world = World::new(Tier::Enterprise);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let of = |token: &str| format!("Bearer {token}");
    for (token, code) in [(Some(READER), 200), (Some(NOBODY), 403), (None, 303)] {
        let headers: Vec<(&str, String)> = token
            .map(|token| ("authorization", of(token)))
            .into_iter()
            .collect();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = get(&app, "/files/reports.csv", &headers).await;
        assert_eq!(answer.status.as_u16(), code, "{token:?}");
        assert_eq!(answer.text.contains("payments-db"), code == 200, "{token:?}");
    }
}

#[tokio::test]
async fn a_tier_hides_in_one_line_what_it_hides_and_nothing_that_keeps_data_safe() {
    let lines = [
        ("report", "The timeline of a run is part of the Team tier."),
        ("report", "Points by level are part of the Team tier."),
        ("test", "Recovery times over many runs are part of the Team tier."),
        (
            "compliance",
            "Figures by framework (SOC 2, ISO 27001, DORA) are part of the Team tier.",
        ),
        ("test", "The Community tier shows 7 days of history"),
        ("overview", "The Community tier shows 7 days of history"),
    ];
    for tier in [Tier::Community, Tier::Team, Tier::Enterprise] {
        let world = World::new(tier);
        let app = open(&world);
        for (name, path) in all(&world) {
            let page = get(&app, &path, &[]).await.text;
            for (_, line) in lines.iter().filter(|(of, _)| *of == name) {
                assert_eq!(
                    page.contains(line),
                    tier == Tier::Community,
                    "{tier} {name}: {line}"
                );
            }
            if name == "report" {
                for always in [
                    "the backup holds no data",
                    "cause: backup",
                    "VolumeWithoutData",
                    "GET /login answered 500",
                    "Nothing of this run is left",
                ] {
                    assert!(page.contains(always), "{tier}: {always}");
                }
                assert_eq!(page.contains("12 of 25"), tier > Tier::Community, "{tier}");
                assert_eq!(page.contains("image and start"), tier > Tier::Community, "{tier}");
            }
            if name == "test" {
                let is_left_out = page.contains("Recovery times of many runs are not shown here");
                assert_eq!(is_left_out, tier == Tier::Community, "{tier}");
            }
            if name == "compliance" {
                assert_eq!(page.contains("Article 12(2)"), tier > Tier::Community, "{tier}");
            }
        }
    }
}

#[tokio::test]
async fn frameworks_show_what_each_of_them_asks() {
    let world = World::new(Tier::Enterprise);
    let app = open(&world);
    let mut seen = Vec::new();
    for (framework, asks) in [("soc2", "A1."), ("iso27001", "A.8.13"), ("dora", "Article 11(6)")] {
        let page = get(&app, &format!("/compliance?framework={framework}"), &[])
            .await
            .text;
        assert!(page.contains(asks), "{framework}");
        let (_, table) = page.split_once("What it asks").unwrap();
        assert!(!seen.contains(&table.to_owned()), "{framework}");
        seen.push(table.to_owned());
    }
}

#[tokio::test]
async fn only_requirements_that_are_met_are_counted_as_met() {
    let asked = "/compliance?framework=soc2";
    // Where nothing failed, nothing can be followed up.
    let page = get(&open(&World::young(0, 0, 2)), asked, &[]).await.text;
    let said = "2 requirements are met; 1 has no data to judge by.";
    assert!(page.contains(said), "{page}");
    let page = get(&open(&World::new(Tier::Team)), asked, &[]).await.text;
    assert!(page.contains("of 3 requirements are not met."), "{page}");
}

#[tokio::test]
async fn a_license_that_ends_is_said_on_every_page_from_30_days_before() {
    let world = World::new(Tier::Team);
    let app = open(&world);
    for (days, said) in [
        (40, None),
        (30, Some("in less than 30 days")),
        (7, Some("in less than 7 days")),
        (1, Some("in less than a day")),
    ] {
        world.license(Tier::Team, days);
        for path in ["/", "/tests", "/settings"] {
            let page = get(&app, path, &[]).await.text;
            assert_eq!(page.contains("license ends on"), said.is_some(), "{days} {path}");
            assert!(said.is_none_or(|said| page.contains(said)), "{days} {path}");
            assert_eq!(page.contains("banner-last"), days == 1, "{days} {path}");
        }
    }
}

#[tokio::test]
async fn tables_are_searched_filtered_and_sorted_by_their_address() {
    let world = World::new(Tier::Team);
    let app = open(&world);
    let names = |page: &str| {
        let rows = page.split("<th scope=\"row\"").skip(1);
        rows.map(|row| {
            row.split_once("\">")
                .unwrap()
                .1
                .split_once("\">")
                .unwrap()
                .1
                .split_once('<')
                .unwrap()
                .0
                .to_owned()
        })
        .collect::<Vec<_>>()
    };
    let asked = async |query: &str| names(&get(&app, &format!("/tests{query}"), &[]).await.text);
    assert_eq!(asked("?status=fail").await, ["payments-db"]);
    assert_eq!(asked("?q=PAYMENTS").await.len(), 3);
    assert_eq!(
        asked("?namespace=team-payments&sort=-name").await,
        ["payments-db", "ledger", "checkout"]
    );
    assert_eq!(asked("?sort=name").await[0], "analytics");
    assert!(asked("?q=no-such-test").await.is_empty());
    for (path, count) in [("/tests", 12), ("/coverage", 6), ("/schedules", 6)] {
        let page = get(&app, path, &[]).await.text;
        let (_, form) = page.split_once(r#"<select id="sort" name="sort">"#).unwrap();
        let (form, _) = form.split_once("</select>").unwrap();
        assert_eq!(form.matches("<option").count(), 1 + count, "{path}: {form}");
        assert!(!form.contains("selected"), "{path}: {form}");
    }
    let page = get(&app, "/tests?sort=-score&status=pass", &[]).await.text;
    let chosen = r#"<option value="-score" selected>score, descending</option>"#;
    assert!(page.contains(chosen), "{page}");
    assert!(
        page.contains(r#"aria-sort="descending"><a href="/tests?status=pass&#38;sort=score""#),
        "{page}"
    );
}

#[tokio::test]
async fn texts_of_others_are_shown_and_never_obeyed() {
    let long = "x".repeat(253);
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title></style><svg/onload=alert(1)>",
        "{{ 7*7 }}{% raw %}",
        "safe\u{202e}gnp.exe\u{200b}",
        long.as_str(),
    ] {
        for tier in [Tier::Community, Tier::Enterprise] {
            let world = World::hostile(tier, text);
            let app = open(&world);
            let part: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let part = part.replace('+', "%20");
            for path in [
                "/".to_owned(),
                "/tests".to_owned(),
                format!("/tests?q={part}"),
                format!("/tests/{part}/{part}"),
                format!("/tests/{part}/{part}/trigger"),
                format!("/reports/{part}/{part}"),
                "/compliance?framework=dora".to_owned(),
                "/schedules".to_owned(),
                "/settings".to_owned(),
                format!("/nowhere/{part}"),
            ] {
                let page = get(&app, &path, &[]).await;
                assert!(
                    page.status.is_success() || path.starts_with("/nowhere"),
                    "{path}: {}",
                    page.status
                );
                for obeyed in [
                    "<script>alert",
                    "<img",
                    "onerror=alert(1)>",
                    "' onmouseover='",
                    "<svg/onload",
                    "\u{202e}",
                    "\u{200b}",
                ] {
                    assert!(!page.text.contains(obeyed), "{obeyed:?} in {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn strangers_are_led_to_sign_in_and_back() {
    let world = World::new(Tier::Team);
    let app = app(&world, by_rights(&api_server(true).0), api_server(true).0);
    for (_, path) in all(&world).into_iter().filter(|(name, _)| *name != "not-found") {
        for headers in [vec![], vec![("cookie", "kymaros-token=stolen-or-old")]] {
            let page = get(&app, &path, &headers).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
            let there = page.header("location");
            assert!(there.starts_with("/sign-in?next=%2F"), "{there}");
            assert!(page.text.is_empty());
        }
    }
    assert_eq!(
        get(&app, "/", &[("x-kymaros-live", "1")]).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(get(&app, "/live", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn with_one_token_for_all_everybody_reads_and_changes_ask_for_it() {
    let world = World::new(Tier::Team);
    let app = app(&world, by_token("secret"), api_server(true).0);
    for (name, path) in all(&world).into_iter().filter(|(name, _)| *name != "not-found") {
        let page = get(&app, &path, &[]).await;
        let wanted = if name == "trigger" {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::OK
        };
        assert_eq!(page.status, wanted, "{path}");
        assert_eq!(page.text.contains("Sign in</a>"), name != "trigger", "{path}");
        let page = get(&app, &path, &[("cookie", "kymaros-token=secret")]).await;
        assert!(
            page.status.is_success() && page.text.contains("Sign out"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn who_may_not_look_is_told_what_is_missing() {
    let world = World::new(Tier::Team);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let cookie = format!("kymaros-token={NOBODY}");
    for (_, path) in all(&world).into_iter().filter(|(name, _)| *name != "not-found") {
        let page = get(&app, &path, &[("cookie", &cookie)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(page.text.contains("kubectl auth can-i"), "{path}");
        assert!(
            !page.text.contains("payments-db") || path.contains("payments-db"),
            "{path}"
        );
    }
    assert_eq!(status_of(&app, "/live", &cookie).await, StatusCode::FORBIDDEN);
    for (token, not) in [(TOKEN, ""), (READER, "trigger")] {
        let cookie = format!("kymaros-token={token}");
        for (name, path) in all(&world).into_iter().filter(|(name, _)| *name != "not-found") {
            let status = get(&app, &path, &[("cookie", &cookie)]).await.status;
            assert_eq!(status.is_success(), name != not, "{token} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn whoever_has_the_rights_of_one_namespace_sees_that_one() {
    let world = World::new(Tier::Enterprise);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let page = async |token: &str, path: &str| {
        let cookie = format!("kymaros-token={token}");
        get(&app, path, &[("cookie", &cookie)]).await
    };
    let lists = [
        "/",
        "/tests",
        "/compliance?framework=dora",
        "/compliance?framework=iso27001",
        "/settings",
        "/clusters",
    ];
    for path in lists {
        let refused = page(MEMBER, path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(
            refused.text.contains(r#"name="namespace""#),
            "{path} does not say how to see one namespace"
        );
        let sign = if path.contains('?') { '&' } else { '?' };
        let narrowed = format!("{path}{sign}namespace={TEAM}");
        let shown = page(MEMBER, &narrowed).await;
        assert_eq!(shown.status, StatusCode::OK, "{narrowed}");
        for other in ["wordpress", "legacy-crm"] {
            assert!(
                !shown.text.contains(other),
                "{narrowed} shows another namespace, {other}"
            );
        }
        let kept = format!("/tests?namespace={TEAM}");
        assert!(
            shown.text.contains(&kept),
            "{narrowed} leads where they may not look"
        );
        let elsewhere = page(MEMBER, &format!("{path}{sign}namespace={OPS}")).await;
        assert_eq!(elsewhere.status, StatusCode::FORBIDDEN, "{path}");
    }
    let overview = page(MEMBER, &format!("/?namespace={TEAM}")).await.text;
    assert!(overview.contains("payments-db") && overview.contains(&format!("/live?namespace={TEAM}")));
    let shared = page(READER, &format!("/?namespace={TEAM}")).await.text;
    assert!(
        shared.contains(&format!("within=30&#38;namespace={TEAM}")),
        "tabs keep the namespace"
    );
    let file = format!("/files/coverage.csv?namespace={TEAM}");
    assert!(shared.contains(&file), "and so does what can be had as a file");
    let compliance = page(MEMBER, &format!("/compliance?namespace={TEAM}")).await.text;
    assert!(
        compliance.contains(&format!("&#38;namespace={TEAM}")),
        "and so do files"
    );
    let file = format!("/files/tests.csv?namespace={TEAM}");
    assert!(page(MEMBER, &file).await.text.contains("payments-db"));
    for (path, status) in [
        ("/live".to_owned(), StatusCode::FORBIDDEN),
        (format!("/live?namespace={OPS}"), StatusCode::FORBIDDEN),
        (format!("/live?namespace={TEAM}"), StatusCode::OK),
    ] {
        let cookie = format!("kymaros-token={MEMBER}");
        assert_eq!(status_of(&app, &path, &cookie).await, status, "{path}");
    }
    let all = page(TOKEN, &format!("/tests?namespace={TEAM}")).await.text;
    assert!(
        all.contains(&format!(r#"<option value="{OPS}""#)),
        "who sees all is offered the others"
    );
}

#[tokio::test]
async fn from_one_test_or_report_links_lead_where_one_may_look() {
    let world = World::new(Tier::Enterprise);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let page = async |token: &str, path: &str| {
        let cookie = format!("kymaros-token={token}");
        get(&app, path, &[("cookie", &cookie)]).await
    };
    let report = world.latest("payments-db").metadata.name.unwrap();
    let test = format!("/tests/{TEAM}/payments-db");
    let narrowed = format!(r#"href="/tests?namespace={TEAM}""#);
    for path in [
        &test,
        &format!("{test}/trigger"),
        &format!("/reports/{TEAM}/{report}"),
        &format!("/tests/{TEAM}/none"),
    ] {
        let seen = page(OWNER, path).await.text;
        assert!(seen.contains(&narrowed), "{path}");
        let links = seen
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"'));
        let links = links.map(|(link, _)| link).filter(|link| link.starts_with('/'));
        // Velero's Schedules are not of the namespace.
        for link in links.filter(|link| !link.starts_with("/schedules")) {
            let there = page(OWNER, link).await.status;
            assert_ne!(there, StatusCode::FORBIDDEN, "{path} leads to {link}");
        }
        let all = page(TOKEN, path).await.text;
        assert!(
            !all.contains(&narrowed) && all.contains(r#"href="/tests""#),
            "who sees all is not held in: {path}"
        );
    }
    let list = page(VIEWER, &format!("/coverage?namespace={TEAM}")).await;
    assert_eq!(list.status, StatusCode::FORBIDDEN);
    assert!(
        list.text.contains("can-i list backups.velero.io"),
        "{}",
        list.text
    );
}

#[tokio::test]
async fn the_overview_says_that_all_passed_only_where_all_passed() {
    let all_passed = "Every test passed its latest run. Nothing needs you.";
    for ((first, suspended, passed), said) in [
        ((0, 0, 2), all_passed),
        (
            (2, 0, 0),
            "No test has a verdict yet: 2 tests run for the first time.",
        ),
        (
            (1, 0, 1),
            "Every other test passed its latest run; 1 test runs for the first time.",
        ),
        ((0, 1, 1), "It has not run yet, and is suspended."),
        ((0, 1, 0), "1 test has proved nothing yet."),
    ] {
        let page = get(&open(&World::young(first, suspended, passed)), "/", &[])
            .await
            .text;
        assert!(page.contains(said), "{first} {suspended} {passed}: {said}");
        assert_eq!(
            page.contains(all_passed),
            said == all_passed,
            "{first} {suspended} {passed}"
        );
    }
}

#[tokio::test]
async fn what_the_overview_leaves_out_is_counted_and_one_click_away() {
    let mut world = World::with_untested(Tier::Enterprise, 60);
    world.queue(30);
    let app = open(&world);
    let page = get(&app, "/", &[]).await.text;
    let rest = "/coverage?within=7&#38;proof=none";
    assert!(page.contains("… and 50 more") && page.contains(rest), "{page}");
    assert!(page.contains("20 more run or wait"), "{page}");
    assert!(page.contains("waiting-000") && page.contains("waiting-029"));
    let rest = get(&app, "/coverage?within=7&proof=none&page=2", &[]).await.text;
    assert!(
        rest.contains("51–60 of 60 namespaces") && rest.contains("untested-059"),
        "{rest}"
    );
    assert!(
        rest.contains("/coverage?within=7&#38;proof=none\""),
        "the page before: {rest}"
    );
    let found = get(&app, "/coverage?q=untested-05&sort=-name", &[]).await.text;
    let place = |name: &str| found.find(name).unwrap();
    assert!(found.contains("1–10 of 10 namespaces") && place("untested-059") < place("untested-050"));
    let none = get(&app, "/coverage?proof=some", &[]).await.text;
    assert!(none.contains("No namespace is like that."), "{none}");
}

#[tokio::test]
async fn what_does_not_meet_a_requirement_is_named_or_one_click_away() {
    let world = World::with_untested(Tier::Enterprise, 130);
    let app = open(&world);
    let page = get(&app, "/compliance?framework=iso27001&period=30", &[])
        .await
        .text;
    assert!(page.contains("untested-099") && !page.contains("untested-100"));
    assert!(
        page.contains(r#"and 30 more: <a href="/coverage?within=30&#38;proof=none">all namespaces</a>"#),
        "{page}"
    );
    let world = World::new(Tier::Enterprise);
    let failed = world.latest("payments-db").metadata.name.unwrap();
    let page = get(&open(&world), "/compliance?framework=dora", &[]).await.text;
    let link = format!(r#"href="/reports/{TEAM}/{failed}""#);
    assert!(page.contains(&link), "{page}");
    let report_like = "shop-20260101-120000";
    let world = World::hostile(Tier::Enterprise, report_like);
    let page = get(&open(&world), "/compliance?framework=dora", &[]).await.text;
    assert!(page.contains(&format!(r#"href="/tests/{report_like}/{report_like}""#)));
    assert!(
        !page.contains(&format!(r#"href="/reports/{report_like}/{report_like}""#)),
        "{page}"
    );
}

#[tokio::test]
async fn tables_have_pages_that_keep_what_is_asked_of_them() {
    let mut world = World::large(Tier::Enterprise, 120, 60);
    world.schedule(60);
    let app = open(&world);
    let of_test = format!("/tests/{OPS}/application-0000");
    for (address, shown, before) in [
        (
            "/tests?status=pass&sort=-name&page=2".to_owned(),
            "51–100 of 112 tests",
            "/tests?status=pass&#38;sort=-name\"",
        ),
        (
            format!("{of_test}?result=pass&sort=score&page=2"),
            "51–59 of 59 runs",
            "application-0000?result=pass&#38;sort=score\"",
        ),
        (
            "/schedules?proof=none&sort=-last&page=2".to_owned(),
            "51–60 of 60 Schedules",
            "/schedules?proof=none&#38;sort=-last\"",
        ),
    ] {
        let page = get(&app, &address, &[]).await.text;
        assert!(page.contains(shown), "{address}: {page}");
        assert!(page.contains(before), "{address}: {page}");
    }
    let first = async |address: String, wanted: &str| {
        let page = get(&app, &address, &[]).await.text;
        let (_, rows) = page.split_once("<tbody>").unwrap();
        let (row, _) = rows.split_once("</tr>").unwrap();
        assert!(row.contains(wanted), "{address}: {row}");
    };
    first("/schedules?sort=-name".to_owned(), "nightly-059").await;
    first("/schedules?sort=name".to_owned(), "nightly-000").await;
    let fails = get(&app, &format!("{of_test}?result=fail"), &[]).await.text;
    assert!(fails.contains("1–1 of 1 runs"), "{fails}");
    let none = get(&app, &format!("{of_test}?result=partial"), &[]).await.text;
    assert!(none.contains("No run is like that."), "{none}");
    let runs = |page: &str| {
        let (_, table) = page.split_once("Runs of this test").unwrap();
        let dates = table.split("\">").filter(|part| part.starts_with("20"));
        dates.map(|part| part[..10].to_owned()).collect::<Vec<_>>()
    };
    let newest = runs(&get(&app, &of_test, &[]).await.text);
    let oldest = runs(&get(&app, &format!("{of_test}?sort=time"), &[]).await.text);
    assert!(
        newest.first() > newest.last() && oldest.first() < oldest.last(),
        "{newest:?} {oldest:?}"
    );
}

#[tokio::test]
async fn a_file_has_the_tests_of_the_table_on_all_of_its_pages() {
    let few = open(&World::new(Tier::Team));
    let many = open(&World::large(Tier::Team, 120, 1));
    for (app, query, count) in [
        (&few, "", 14),
        (&few, "?q=PAY", 3),
        (&few, "?status=fail", 1),
        (&few, "?namespace=kymaros-system&status=pass&sort=-name", 6),
        (&few, "?q=no-test-is-like-that", 0),
        (&many, "?status=pass&sort=-name&page=2", 112),
        (&many, "?q=-001", 10),
    ] {
        let page = get(app, &format!("/tests{query}"), &[]).await.text;
        let shown = match count {
            0 => "no tests".to_owned(),
            _ => format!(" of {count} tests"),
        };
        assert!(page.contains(&shown), "{query}: {page}");
        let (_, link) = page.split_once("href=\"/files/tests.csv").unwrap();
        let link = link.split('"').next().unwrap().replace("&#38;", "&");
        let file = get(app, &format!("/files/tests.csv{link}"), &[]).await.text;
        assert_eq!(file.lines().count() - 1, count, "{query}: {link}: {file}");
    }
}

#[tokio::test]
async fn planned_times_that_got_no_run_are_said_with_the_run_that_came_after() {
    let mut world = World::new(Tier::Community);
    let mut report = world.latest("keycloak");
    report.spec.missed = Some(MissedTimes {
        times: 3,
        first: Time("2026-01-01T02:00:00Z".parse().unwrap()),
    });
    let name = report.metadata.name.clone().unwrap();
    world.put(report);
    let app = open(&world);
    for path in [format!("/reports/{OPS}/{name}"), format!("/tests/{OPS}/keycloak")] {
        let page = get(&app, &path, &[]).await.text;
        let said = "nothing ran for 3 planned times, the first 2026-01-01T02:00:00Z";
        assert!(page.contains(said), "{path}: {page}");
    }
    let other = get(&app, &format!("/tests/{OPS}/gitlab"), &[]).await.text;
    assert!(!other.contains("Missed schedule"), "{other}");
}

#[tokio::test]
async fn whoever_is_signed_in_is_not_held_up_by_others_of_their_address() {
    let world = World::new(Tier::Team);
    let (client, _) = api_server(true);
    let app = within(&world, by_rights(&client), client, Limits::new(NonZeroU32::MIN));
    let tests = async |token: &str| {
        let cookie = format!("kymaros-token={token}");
        get(&app, "/tests", &[("cookie", &cookie)]).await.status
    };
    assert_eq!(
        (tests(TOKEN).await, tests(READER).await),
        (StatusCode::OK, StatusCode::OK)
    );
    for number in 0..40 {
        tests(&format!("invented-{number}")).await;
    }
    assert_eq!(tests("invented-last").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (tests(TOKEN).await, tests(READER).await),
        (StatusCode::OK, StatusCode::OK)
    );
    for _ in 0..10 {
        tests(TOKEN).await;
    }
    assert_eq!(
        (tests(TOKEN).await, tests(READER).await),
        (StatusCode::TOO_MANY_REQUESTS, StatusCode::OK)
    );
}

#[tokio::test]
async fn where_nobody_is_known_pages_are_shown_under_names_of_this_installation_only() {
    let world = World::new(Tier::Team);
    let everybody = open(&world);
    for (host, status) in [
        ("kymaros:8080", StatusCode::OK),
        ("127.0.0.1:8080", StatusCode::OK),
        ("evil.example:8080", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let page = get(&everybody, "/tests", &[("host", host)]).await;
        assert_eq!(page.status, status, "{host}");
        assert_eq!(page.text.contains("payments-db"), status.is_success(), "{host}");
        assert!(
            page.header("content-security-policy").contains("'none'"),
            "{host}"
        );
    }
    let one_token = app(&world, by_token("secret"), api_server(true).0);
    let page = get(&one_token, "/tests", &[("host", "restore.example.com")]).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_tests_need_the_rights_to_the_reports_in_them() {
    let world = World::new(Tier::Team);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    for (token, status) in [
        (CLERK, StatusCode::FORBIDDEN),
        (REPORTER, StatusCode::FORBIDDEN),
        (VIEWER, StatusCode::OK),
    ] {
        let cookie = format!("kymaros-token={token}");
        for path in [
            "/tests".to_owned(),
            format!("/tests?namespace={TEAM}"),
            format!("/tests/{TEAM}/payments-db"),
        ] {
            let page = get(&app, &path, &[("cookie", &cookie)]).await;
            assert_eq!(page.status, status, "{token} {path}");
        }
    }
    let own = format!("kymaros-token={MEMBER}");
    let own = get(&app, &format!("/tests/{TEAM}/payments-db"), &[("cookie", &own)]).await;
    assert_eq!(own.status, StatusCode::OK, "reports of its namespace are enough");
}

#[tokio::test]
async fn what_the_operator_is_told_is_shown_to_those_who_see_all() {
    let world = World::new(Tier::Team);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    for (token, sees) in [(VIEWER, true), (MEMBER, false)] {
        let cookie = format!("kymaros-token={token}");
        let path = format!("/settings?namespace={TEAM}");
        let page = get(&app, &path, &[("cookie", &cookie)]).await;
        assert_eq!(page.status, StatusCode::OK, "{token}");
        for part in ["concurrent-runs", r#"id="sandboxes""#, "of live runs"] {
            assert_eq!(page.text.contains(part), sees, "{token} {part}");
        }
    }
    let all = get(
        &app,
        "/settings",
        &[("cookie", &format!("kymaros-token={VIEWER}"))],
    )
    .await
    .text;
    assert!(
        all.contains("slack-of-the-operator") && all.contains("none yet"),
        "the operator's own receivers: {all}"
    );
}

#[tokio::test]
async fn what_velero_holds_is_shown_to_those_who_may_see_it_there() {
    let world = World::new(Tier::Team);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    for (token, sees) in [(READER, true), (VIEWER, false)] {
        let cookie = format!("kymaros-token={token}");
        let page = async |path: &str| get(&app, path, &[("cookie", &cookie)]).await;
        let overview = page("/").await.text;
        assert!(overview.contains("/tests/team-payments/payments-db"), "{token}");
        assert_eq!(overview.contains("legacy-crm"), sees, "{token}");
        assert_eq!(
            overview.contains("Not shown: your account may not list"),
            !sees,
            "{token}"
        );
        assert_eq!(page("/settings").await.text.contains("v1.17.1"), sees, "{token}");
        assert_eq!(page("/schedules").await.status.is_success(), sees, "{token}");
        // Which namespaces have a backup is told by one framework.
        for (framework, is_told) in [("soc2", true), ("iso27001", sees)] {
            let page = page(&format!("/compliance?framework={framework}")).await;
            assert_eq!(page.status.is_success(), is_told, "{token}: {framework}");
        }
    }
    for (token, sees) in [(READER, true), (VIEWER, false), (KEEPER, false)] {
        let cookie = format!("kymaros-token={token}");
        let page = get(&app, "/coverage", &[("cookie", &cookie)]).await;
        assert_eq!(page.status.is_success(), sees, "{token}");
    }
    for (token, sees) in [(READER, true), (PLANNER, false)] {
        let cookie = format!("kymaros-token={token}");
        let page = get(&app, "/schedules", &[("cookie", &cookie)]).await;
        assert!(page.status.is_success(), "{token}");
        let links = page.text.contains("href=\"/tests/team-");
        assert_eq!(links, sees, "{token}");
        assert_eq!(page.text.contains("Tests are not shown"), !sees, "{token}");
        assert_eq!(page.text.contains("No test"), sees, "{token}: nobody knows that");
    }
    let cookie = format!("kymaros-token={PLANNER}");
    let narrowed = format!("/schedules?namespace={TEAM}&proof=some");
    let page = get(&app, &narrowed, &[("cookie", &cookie)]).await.text;
    for kept in [
        format!("namespace={TEAM}&#38;sort="),
        format!(r#"name="namespace" value="{TEAM}""#),
    ] {
        assert!(page.contains(&kept), "{kept} is not in {page}");
    }
}

#[tokio::test]
async fn pages_stand_beside_the_api_and_have_its_limits() {
    let world = World::new(Tier::Team);
    let app = within(
        &world,
        Auth::None,
        api_server(true).0,
        Limits::new(NonZeroU32::MIN),
    );
    let health = get(&app, "/api/v1/health", &[]).await;
    assert!(health.status.is_success() && health.header("content-type").contains("json"));
    assert!(
        get(&app, "/api/none", &[])
            .await
            .header("content-type")
            .contains("json")
    );
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(get(&app, "/", &[]).await.status);
    }
    assert_eq!(answers[0], StatusCode::OK);
    assert!(answers.contains(&StatusCode::TOO_MANY_REQUESTS), "{answers:?}");
}

#[tokio::test]
async fn without_an_api_server_the_page_says_so() {
    let world = World::new(Tier::Team);
    let (client, _) = api_server(false);
    let app = app(&world, by_rights(&client), client);
    let page = get(&app, "/", &[("cookie", "kymaros-token=any")]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text.contains("The API server does not answer"));
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_to_do() {
    let world = World::new(Tier::Community);
    let app = open(&world);
    for (path, said) in [
        ("/tests/ops/none", "kubectl get restoretests --namespace ops"),
        (
            "/tests/ops/none/trigger",
            "kubectl get restoretests --namespace ops",
        ),
        ("/reports/ops/none", "kubectl get restorereports --namespace ops"),
        ("/nowhere", "Nothing is at /nowhere."),
    ] {
        let page = get(&app, path, &[]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.text.contains(said), "{path}");
    }
    let old = world
        .fleet
        .reports
        .state()
        .iter()
        .filter_map(|report| report.whole())
        .min_by_key(|report| report.metadata.creation_timestamp.clone())
        .unwrap();
    let path = format!(
        "/reports/{}/{}",
        old.metadata.namespace.as_deref().unwrap(),
        old.metadata.name.as_deref().unwrap()
    );
    let page = get(&app, &path, &[]).await;
    assert_eq!(page.status, StatusCode::OK, "{path}");
    assert!(
        page.text.contains("The Community tier shows 7 days of history")
            && !page.text.contains("There is no such report"),
        "a report that is hidden is not said to be gone"
    );
    assert_eq!(
        get(&app, "/assets/none.css", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn an_account_has_its_share_of_open_pages_that_are_told_and_others_have_theirs() {
    let world = World::new(Tier::Community);
    let (client, _) = api_server(true);
    let app = app(&world, by_rights(&client), client);
    let [reader, other] = [READER, TOKEN].map(|token| format!("kymaros-token={token}"));
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(opened(&app, "/live", &reader).await);
    }
    assert!(open.iter().all(|page| page.status() == StatusCode::OK));
    let refused = opened(&app, "/live", &reader).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(status_of(&app, "/live", &other).await, StatusCode::OK);
}

#[tokio::test]
async fn the_heaviest_page_is_light_however_large_the_fleet() {
    const MOST: usize = 150_000;
    let mut world = World::large(Tier::Enterprise, 120, 60);
    let app = open(&world);
    let first = get(&app, "/", &[]).await.text;
    let assets = first.split(['"']).filter(|part| part.starts_with("/assets/"));
    let mut assets: Vec<&str> = assets.collect();
    assets.dedup();
    let mut around = 0;
    for asset in assets {
        let file = get(&app, asset, &[]).await;
        assert!(file.header("cache-control").contains("immutable"), "{asset}");
        around += file.text.len();
    }
    let mut full = world.latest("application-0000");
    let report = full.metadata.name.clone().unwrap();
    // As much as a report takes.
    let lines = "2026-01-01T02:00:00Z GET /login 500 in 3 ms\n".repeat(96 * 1024 / 44);
    full.status.as_mut().unwrap().pod_logs[0].containers[0].log = lines;
    world.put(full);
    let of_test = format!("/tests/{OPS}/application-0000");
    let report = format!("/reports/{OPS}/{report}");
    let pages = [
        "/",
        "/tests",
        "/compliance?framework=iso27001",
        "/coverage",
        "/schedules",
        "/settings",
    ];
    let wide = open(&World::large(Tier::Enterprise, 1000, 1));
    let all = pages.map(|path| (&wide, path)).into_iter();
    let all = all.chain(
        pages
            .into_iter()
            .chain([of_test.as_str(), &report])
            .map(|path| (&app, path)),
    );
    for (app, path) in all {
        let page = get(app, path, &[]).await;
        assert!(page.status.is_success(), "{path}");
        let bytes = page.text.len() + around;
        println!(
            "{path}: {} bytes, with style, script and icon {bytes}",
            page.text.len()
        );
        assert!(bytes < MOST, "{path}: {bytes} bytes");
    }
}

#[tokio::test]
async fn receivers_and_namespaces_beyond_what_a_page_holds_are_counted_or_can_be_written() {
    let many = open(&World::large(Tier::Team, 120, 1));
    let settings = get(&many, "/settings", &[]).await.text;
    assert!(settings.contains("… and 71 more, all of them at"), "{settings}");
    let tests = get(&many, "/tests?namespace=team-0119", &[]).await.text;
    assert!(
        tests.contains("1–1 of 1 tests") && tests.contains(r#"value="team-0119""#),
        "{tests}"
    );
    assert!(!tests.contains(r#"<option value="team-0119""#), "{tests}");
    let few = get(&open(&World::new(Tier::Team)), "/settings", &[]).await.text;
    let rest = format!(r#"and 8 more: <a href="/tests?namespace={OPS}">"#);
    assert!(few.contains(&rest), "{few}");
}
