//! Each page as a real browser sees it: at three widths, light and dark, by keyboard, without the script, and live.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use kymaros_crds::{RunPhase, domain::Tier};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Screen},
    clusters, pages,
    serve::{api_server, app, by_rights, by_token, open, serve},
    world::{OPS, World},
};

const CHECKS: &str = include_str!("accessibility.js");
const WIDTHS: [u32; 3] = [360, 768, 1440];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// Most bytes of a page with everything it loads.
const MOST_BYTES: f64 = 150_000.0;

fn screen(width: u32, scheme: &'static str) -> Screen {
    let height = if width < 600 { 780 } else { 900 };
    Screen {
        width,
        height,
        scheme,
    }
}

/// Looks at pages in every way, and says all that is wrong.
async fn wrong_with(browser: &mut Browser, origin: &str, paths: &[(&'static str, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, path) in paths {
        for width in WIDTHS {
            for scheme in SCHEMES {
                browser.look(screen(width, scheme)).await;
                browser.load(&format!("{origin}{path}")).await;
                browser.settle().await;
                let found = browser.evaluate(CHECKS).await;
                let found: Vec<String> = serde_json::from_value(found).unwrap();
                let elsewhere = browser
                    .requests()
                    .into_iter()
                    .filter(|address| !address.starts_with(origin));
                let elsewhere = elsewhere.map(|address| format!("asks for {address}"));
                let expected = |said: &String| *name == "not-found" && said.contains("404");
                let complaints = browser.complaints().into_iter().filter(|said| !expected(said));
                let all = found.into_iter().chain(elsewhere).chain(complaints);
                wrong.extend(all.map(|said| format!("{name} {width} {scheme}: {said}")));
            }
        }
        let bytes = browser.bytes();
        if bytes > MOST_BYTES {
            wrong.push(format!("{name}: {bytes} bytes"));
        }
    }
    wrong
}

#[tokio::test]
async fn in_a_browser_each_page_is_for_everybody() {
    let world = World::new(Tier::Team);
    let address = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    let wrong = wrong_with(&mut browser, &format!("http://{address}"), &pages::all(&world)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn in_a_browser_pages_of_several_clusters_are_for_everybody_too() {
    let world = World::with_others(Tier::Enterprise);
    let address = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    let wrong = wrong_with(
        &mut browser,
        &format!("http://{address}"),
        &clusters::pages(&world),
    )
    .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn in_a_browser_pages_of_strangers_and_of_the_community_are_for_everybody_too() {
    let world = World::new(Tier::Community);
    let (client, _) = api_server(true);
    let locked = serve(app(&world, by_rights(&client), client)).await;
    let unlocked = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    let sign_in = [("sign-in", "/tests".to_owned())];
    let mut wrong = wrong_with(&mut browser, &format!("http://{locked}"), &sign_in).await;
    let paths: Vec<_> = pages::all(&world)
        .into_iter()
        .filter(|(name, _)| ["report", "test", "compliance"].contains(name))
        .collect();
    wrong.extend(wrong_with(&mut browser, &format!("http://{unlocked}"), &paths).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn in_a_browser_long_and_hostile_names_break_nothing() {
    for text in [&"x".repeat(253), "<b>\"'&\u{202e}evil"] {
        let world = World::hostile(Tier::Enterprise, text);
        let address = serve(open(&world)).await;
        let part: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let paths = [
            ("overview", "/".to_owned()),
            ("tests", "/tests".to_owned()),
            ("test", format!("/tests/{part}/{part}")),
            ("report", format!("/reports/{part}/{part}")),
            ("trigger", format!("/tests/{part}/{part}/trigger")),
            ("schedules", "/schedules".to_owned()),
            ("settings", "/settings".to_owned()),
        ];
        let mut browser = Browser::start().await;
        let wrong = wrong_with(&mut browser, &format!("http://{address}"), &paths).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The checks themselves: a page that is wrong in each way is found to be.
#[tokio::test]
async fn in_a_browser_the_checks_find_what_is_wrong() {
    let page = r##"<!doctype html><title></title><main></main><main></main><h1>a</h1><h3>b</h3><i id=x></i><i id=x></i>
        <input><a href="/"></a><a href="#none">none</a><img src=data:,><svg></svg><table><tr><th>a<th>b</table><nav></nav>
        <p tabindex=3>x</p><p style="color:#aaa;background:#fff">faint</p><div style="width:3000px">wide</div>
        <p style="clip-path:inset(50%)"><a href="/">cut</a></p>"##;
    let app = axum::Router::new().route(
        "/",
        axum::routing::get(move || async move { axum::response::Html(page) }),
    );
    let address = serve(app).await;
    let mut browser = Browser::start().await;
    browser.look(screen(360, "light")).await;
    browser.load(&format!("http://{address}/")).await;
    let found: Vec<String> = serde_json::from_value(browser.evaluate(CHECKS).await).unwrap();
    for said in [
        "no language",
        "no title",
        "not one main",
        "h3 after h1",
        "id x is there 2 times",
        "field without label",
        "without a name",
        "link to nothing",
        "image without text",
        "drawing without text",
        "table without caption",
        "head without scope",
        "table without heads",
        "navigation without a name",
        "order of focus is forced",
        "reached and not seen",
        "contrast 2.3",
        "pixels wide on 360",
    ] {
        assert!(
            found.iter().any(|line| line.contains(said)),
            "{said} was not found in {found:#?}"
        );
    }
}

/// Signs in, asks for a run and signs out with the keyboard alone.
#[tokio::test]
async fn in_a_browser_everything_can_be_done_by_keyboard() {
    let world = World::new(Tier::Team);
    let (client, writes) = api_server(true);
    let address = serve(app(&world, by_token("secret"), client)).await;
    let origin = format!("http://{address}");
    let mut browser = Browser::start().await;
    browser.look(screen(1440, "light")).await;
    let trigger = format!("/tests/{OPS}/wordpress/trigger");
    browser.load(&format!("{origin}{trigger}")).await;
    tab_to(&mut browser, "#token").await;
    browser
        .call("Input.insertText", json!({ "text": "secret" }))
        .await;
    tab_to(&mut browser, "main button").await;
    press(&mut browser, "Enter").await;
    arrive(&mut browser, &trigger).await;
    tab_to(&mut browser, "main button").await;
    press(&mut browser, "Enter").await;
    arrive(&mut browser, &format!("/tests/{OPS}/wordpress")).await;
    assert_eq!(writes.lock().unwrap().len(), 1);
    let cookies = browser.call("Network.getCookies", json!({})).await;
    let cookies = cookies["cookies"].as_array().unwrap();
    assert!(
        cookies.len() == 2 && cookies.iter().all(|cookie| cookie["httpOnly"] == json!(true)),
        "{cookies:?}"
    );
    tab_to(&mut browser, ".who button").await;
    let ring = browser
        .evaluate("getComputedStyle(document.activeElement).outlineStyle")
        .await;
    assert_eq!(ring, "solid", "what has the focus is seen");
    press(&mut browser, "Enter").await;
    arrive(&mut browser, "/sign-in").await;
}

async fn press(browser: &mut Browser, key: &str) {
    let code = if key == "Enter" { 13 } else { 9 };
    let text = if key == "Enter" { "\r" } else { "" };
    for type_ in ["keyDown", "keyUp"] {
        let event =
            json!({ "type": type_, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        // A page that the key has led away from answers no more.
        let pressed = browser.attempt("Input.dispatchKeyEvent", event).await;
        assert!(pressed.is_ok() || type_ == "keyUp", "{key}: {pressed:?}");
    }
}

async fn tab_to(browser: &mut Browser, selector: &str) {
    for _ in 0..60 {
        press(browser, "Tab").await;
        let is_there = browser
            .evaluate(&format!("document.activeElement.matches({selector:?})"))
            .await;
        if is_there == json!(true) {
            return;
        }
    }
    panic!("{selector} is not reached");
}

async fn arrive(browser: &mut Browser, path: &str) {
    until(
        browser,
        &format!("location.pathname === {path:?} && document.readyState === 'complete'"),
    )
    .await;
}

/// Waits until something is so in the page; a page that is just being replaced answers with an error, and is asked again.
async fn until(browser: &mut Browser, condition: &str) -> Duration {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    while begun.elapsed() < Duration::from_secs(20) {
        ticks.tick().await;
        let params = json!({ "expression": condition, "returnByValue": true });
        let answer = browser.attempt("Runtime.evaluate", params).await;
        if answer.is_ok_and(|answer| answer["result"]["value"] == json!(true)) {
            return begun.elapsed();
        }
    }
    panic!("{condition} does not become true");
}

#[tokio::test]
async fn in_a_browser_an_open_report_follows_its_run_within_a_second() {
    let mut world = World::new(Tier::Team);
    let address = serve(open(&world)).await;
    let mut report = world.latest("vault");
    let path = format!("/reports/{OPS}/{}", report.metadata.name.as_deref().unwrap());
    let mut browser = Browser::start().await;
    browser.look(screen(1440, "light")).await;
    browser.load(&format!("http://{address}{path}")).await;
    let phase = "document.querySelector('.phases [aria-current]')?.textContent";
    assert_eq!(browser.evaluate(phase).await, "restoring");
    browser
        .evaluate("window.spoken = document.querySelector('#standing[role=status]')")
        .await;
    browser.answered("/live").await;
    let mut times = Vec::new();
    for (next, word) in [
        (RunPhase::Starting, "starting"),
        (RunPhase::Checking, "checking"),
        (RunPhase::Judging, "judging"),
    ] {
        report.status.as_mut().unwrap().phase = Some(next);
        world.put(report.clone());
        times.push(until(&mut browser, &format!("{phase} === '{word}'")).await);
    }
    // Screen readers speak what changes in a part that stays.
    let spoken = browser.evaluate("spoken.isConnected && spoken.textContent").await;
    assert_eq!(spoken, "This run is judging.");
    println!("changes of a run are seen in an open page after {times:?}");
    // A machine that is busy for a moment is not the page's fault.
    assert!(times.iter().min() < Some(&Duration::from_secs(1)), "{times:?}");
}

#[tokio::test]
async fn in_a_browser_an_open_page_follows_what_is_around_its_content_too() {
    let mut world = World::new(Tier::Team);
    let address = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    browser
        .load(&format!("http://{address}/tests/{OPS}/wordpress"))
        .await;
    browser.answered("/live").await;
    let shown =
        "['.head .button', '#tier', '#notices'].map(what => document.querySelector(what).textContent.trim())";
    assert_eq!(
        browser.evaluate(shown).await,
        json!(["Run now…", "Team tier", ""])
    );
    world.license(Tier::Enterprise, 1);
    let mut report = world.latest("vault");
    report.spec.test_ref = "wordpress".to_owned();
    report.metadata.name = Some("wordpress-now".to_owned());
    report.metadata.uid = Some("wordpress-now".to_owned());
    world.put(report);
    let is_there = format!(
        "(([run, tier, line]) => run === 'Watch the run' && tier === 'Enterprise tier' && line.includes('ends'))({shown})"
    );
    until(&mut browser, &is_there).await;
}

#[tokio::test]
async fn in_a_browser_paper_has_what_is_folded_on_the_screen_and_which_clusters_are_away() {
    let world = World::with_others(Tier::Enterprise);
    let address = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    browser.look(screen(1440, "light")).await;
    browser
        .load(&format!("http://{address}/compliance?framework=dora"))
        .await;
    let seen = "['.printed li', '.banner:not(.stale)'].map(what => {
        const all = [...document.querySelectorAll(what)];
        return all.length > 0 && all.every(one => one.checkVisibility()); })";
    assert_eq!(browser.evaluate(seen).await, json!([false, true]));
    browser
        .call("Emulation.setEmulatedMedia", json!({ "media": "print" }))
        .await;
    assert_eq!(browser.evaluate(seen).await, json!([true, true]));
}

#[tokio::test]
async fn in_a_browser_without_a_script_every_page_is_whole() {
    let world = World::new(Tier::Team);
    let address = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    browser.look(screen(768, "light")).await;
    for (name, path) in pages::all(&world) {
        let mut texts = Vec::new();
        for disabled in [false, true] {
            browser
                .call(
                    "Emulation.setScriptExecutionDisabled",
                    json!({ "value": disabled }),
                )
                .await;
            browser.load(&format!("http://{address}{path}")).await;
            let text = "(() => { const main = document.querySelector('main').cloneNode(true);
                main.querySelectorAll('noscript').forEach(part => part.remove());
                return main.textContent.replace(/[0-9]+|min|now|ago|[shd]|\\s+/g, ''); })()";
            let params = json!({ "expression": text, "returnByValue": true });
            let text = browser.call("Runtime.evaluate", params).await["result"]["value"].take();
            texts.push(text);
        }
        assert!(texts[0] != Value::Null && texts[0] == texts[1], "{name}");
    }
}

/// Pictures for the documentation, when `KYMAROS_SCREENSHOTS` names a folder.
#[tokio::test]
async fn in_a_browser_pictures_of_every_page_are_taken_on_request() {
    let Some(folder) = std::env::var_os("KYMAROS_SCREENSHOTS").map(PathBuf::from) else {
        return;
    };
    let world = World::new(Tier::Team);
    let (client, _) = api_server(true);
    let locked = serve(app(&world, by_rights(&client), client)).await;
    let address = serve(open(&world)).await;
    let mut browser = Browser::start().await;
    let all = pages::all(&world)
        .into_iter()
        .filter(|(name, _)| *name != "not-found");
    let all = all.map(|(name, path)| (name, format!("http://{address}{path}")));
    for (name, address) in all.chain([("sign-in", format!("http://{locked}/sign-in"))]) {
        let is_first = ["overview", "report"].contains(&name);
        let looks = [
            ("", 1280, "light", true),
            ("-dark", 1280, "dark", is_first),
            ("-phone", 390, "light", is_first),
        ];
        for (suffix, width, scheme, _) in looks.into_iter().filter(|(.., is_taken)| *is_taken) {
            let height = 800;
            browser
                .look(Screen {
                    width,
                    height,
                    scheme,
                })
                .await;
            browser.load(&address).await;
            browser.settle().await;
            let picture = browser.picture().await;
            fs::write(folder.join(format!("{name}{suffix}.png")), picture).unwrap();
        }
    }
}
