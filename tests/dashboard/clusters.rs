//! Other clusters beside this one: a column, a filter, how old is what is shown, and nothing that changes them.

use kymaros_crds::domain::Tier;

use crate::{
    serve::{api_server, app, by_token, get, open, post},
    world::{OPS, TEAM, World},
};

/// Pages that show more than one cluster.
pub fn pages(world: &World) -> Vec<(&'static str, String)> {
    let report = world.latest("payments-db").metadata.name.unwrap();
    vec![
        ("overview", "/".to_owned()),
        ("overview of one", "/?within=30&cluster=us".to_owned()),
        ("coverage", "/coverage".to_owned()),
        ("tests", "/tests".to_owned()),
        ("test", format!("/tests/{TEAM}/payments-db?cluster=us")),
        ("report", format!("/reports/{TEAM}/{report}?cluster=us")),
        ("clusters", "/clusters".to_owned()),
        ("compliance", "/compliance?framework=dora&cluster=eu".to_owned()),
        ("schedules", "/schedules".to_owned()),
    ]
}

#[tokio::test]
async fn without_other_clusters_no_page_speaks_of_them() {
    let world = World::new(Tier::Enterprise);
    let app = open(&world);
    for path in ["/", "/tests", "/compliance", "/schedules"] {
        let page = get(&app, path, &[]).await.text;
        assert!(!page.to_lowercase().contains("cluster"), "{path}");
    }
}

#[tokio::test]
async fn rows_of_all_clusters_are_shown_and_each_says_which_it_is_of() {
    let world = World::with_others(Tier::Enterprise);
    let app = open(&world);
    let page = get(&app, "/tests?q=payments-db", &[]).await.text;
    let links =
        ["\"", "?cluster=eu\"", "?cluster=us\""].map(|of| format!("href=\"/tests/{TEAM}/payments-db{of}"));
    for link in &links {
        assert!(page.contains(link), "{link} is not in {page}");
    }
    assert!(
        page.contains("<th scope=\"col\">Cluster</th>") && page.contains("3 of 3 tests"),
        "{page}"
    );
    for (cluster, shown) in [("eu", 1), ("local", 0)] {
        let page = get(&app, &format!("/tests?q=payments-db&cluster={cluster}"), &[])
            .await
            .text;
        assert!(
            page.contains("1 of 1 tests") && page.contains(&links[shown]),
            "{cluster}: {page}"
        );
        assert!(
            page.contains(&format!("value=\"{cluster}\" selected")),
            "{cluster}: {page}"
        );
    }
    let page = get(&app, "/", &[]).await.text;
    assert!(page.contains("in eu") && page.contains("3 tests fail"), "{page}");
    let page = get(&app, "/?cluster=eu&within=30", &[]).await.text;
    assert!(
        page.contains("1 test fails") && page.contains("/?within=7&#38;cluster=eu"),
        "{page}"
    );
}

#[tokio::test]
async fn what_is_old_is_marked_wherever_it_is_shown() {
    let world = World::with_others(Tier::Enterprise);
    let app = open(&world);
    for (name, path) in pages(&world) {
        let page = get(&app, &path, &[]).await;
        assert_eq!(page.status, 200, "{name}");
        let is_marked = page.text.contains("Cluster us has been away since");
        assert_eq!(is_marked, name != "compliance", "{name}: it shows eu alone");
    }
    let page = get(&app, "/tests?q=payments-db", &[]).await.text;
    assert!(page.contains("away, 12 min ago"), "{page}");
    let page = get(&app, "/clusters", &[]).await.text;
    for said in [
        "Reachable",
        "Away",
        "12 min",
        "Refused",
        "cluster-asia",
        "put a kubeconfig there",
    ] {
        assert!(page.contains(said), "{said} is not in {page}");
    }
}

#[tokio::test]
async fn schedules_are_of_this_cluster_and_of_no_other() {
    let world = World::with_others(Tier::Enterprise);
    let app = open(&world);
    for (query, is_here) in [("", true), ("?cluster=local", true), ("?cluster=us", false)] {
        let page = get(&app, &format!("/schedules{query}"), &[]).await.text;
        assert_eq!(page.contains("payments-hourly"), is_here, "{query}: {page}");
        let said = "Schedules in us are not read.";
        assert_eq!(page.contains(said), !is_here, "{query}: {page}");
    }
}

#[tokio::test]
async fn runs_of_another_cluster_are_not_started_here() {
    let world = World::with_others(Tier::Enterprise);
    let (client, writes) = api_server(true);
    let page = get(&open(&world), &format!("/tests/{OPS}/wordpress?cluster=eu"), &[]).await;
    assert!(
        !page.text.contains("Run now") && page.text.contains("in its own cluster"),
        "{}",
        page.text
    );
    let app = app(&world, by_token("secret"), client);
    let path = format!("/tests/{OPS}/wordpress/trigger?cluster=eu");
    let page = get(&app, &path, &[("authorization", "Bearer secret")]).await;
    assert_eq!(page.status, 422, "{}", page.text);
    assert!(page.text.contains("only read from here"), "{}", page.text);
    let seed = get(&app, "/sign-in", &[]).await.cookie("kymaros-seed").unwrap();
    let cookie = format!("kymaros-seed={seed}");
    let headers = [("authorization", "Bearer secret"), ("cookie", cookie.as_str())];
    let proof = get(&app, "/tests", &headers).await.proof();
    let answer = post(&app, &path, &headers, &[("csrf", &proof)]).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(writes.lock().unwrap().is_empty());
    let (here, _) = path.split_once('?').unwrap();
    let answer = post(&app, here, &headers, &[("csrf", &proof)]).await;
    assert_eq!(answer.status, 303, "the form itself is good: {}", answer.text);
}
