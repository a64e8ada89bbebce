//! The guides of the manual, done word for word on a real cluster: each finds what those before it left. They install,
//! upgrade and remove the operator that other tests use, and are run by hand; what needs no cluster is run with the rest.

mod helm;
mod page;
mod stage;
mod story;
mod world;

use std::{process::Output, time::Instant};

use anyhow::{Context, Result, ensure};
use helm::{NAMESPACE, RELEASE, pipe, template, text};
use kymaros_testbed::{
    cluster::{self, Cluster},
    scene::{Backup, Scene, VELERO, backup, delete_backup, deploy_shop},
};
use page::{GUIDES, Page, pages, root};
use serde_json::Value;
use stage::Stage;
use world::World;

/// The application that the manual speaks of, and its backups.
const SHOP: &str = "shop";
const BACKUPS: [&str; 2] = ["shop-nightly", "shop-now"];
/// The image that the manual pushes to a registry.
const IMAGE: &str = "registry.example.com/kymaroshq/kymaros";
/// What the guides make beside the release and its backups.
const MADE: [&str; 5] = [
    "namespace/shop",
    "namespace/kymaros-system",
    "clusterrole/kymaros-auditor",
    "clusterrolebinding/kymaros-auditor",
    "clusterrolebinding/prometheus-reads-kymaros",
];

#[tokio::test]
#[ignore = "takes many minutes; run it before a release: cargo test --test guides -- --ignored"]
async fn the_guides_do_what_they_say() -> Result<()> {
    let mut stage = Stage::set("helm").await?;
    let mut scene = Scene::new().await?;
    clear(&scene).await?;
    let done = guides(&stage, &mut scene).await;
    if done.is_err() {
        // It is in the way of everything else, and complains of what the guides have made.
        let _ = stage.clear().await;
    }
    let cleared = clear(&scene).await;
    stage.end().await?;
    done?;
    cleared
}

/// Takes away what the guides make, however far they came.
async fn clear(scene: &Scene) -> Result<()> {
    let kubectl = |args: &[&str]| scene.cluster.kubectl(args);
    for name in BACKUPS {
        let found = kubectl(&[
            "get",
            "backups.velero.io",
            name,
            "--namespace",
            VELERO,
            "--ignore-not-found",
            "--output=name",
        ])?;
        if !found.trim().is_empty() {
            delete_backup(&scene.client, name).await?;
            let gone = ["--for=delete", "--timeout=5m", "--namespace", VELERO];
            kubectl(&[&["wait", found.trim()], &gone[..]].concat())?;
        }
    }
    for object in MADE {
        kubectl(&["delete", object, "--ignore-not-found"])?;
    }
    Ok(())
}

async fn guides(stage: &Stage, scene: &mut Scene) -> Result<()> {
    name_image(&scene.cluster, stage.image())?;
    scene.namespace_called(SHOP).await?;
    deploy_shop(&scene.client, SHOP).await?;
    backup(&scene.client, BACKUPS[0], &Backup::of(&[SHOP])).await?;
    let world = World::new(&scene.cluster)?;
    for path in GUIDES {
        let begun = Instant::now();
        let followed = world.follow(&Page::read(path)?).await;
        println!("{:>6.1} s  {path}", begun.elapsed().as_secs_f64());
        followed?;
    }
    for document in ["evidence.md", "dora.csv", "runs.csv", "report.json", "lint.sarif"] {
        let path = world.folder().join(document);
        let length = std::fs::metadata(&path).map_or(0, |file| file.len());
        ensure!(length > 0, "{document}, which a guide writes, is empty");
    }
    Ok(())
}

/// Gives the operator's image the name that the manual pushes it under: nodes find it there.
fn name_image(cluster: &Cluster, image: &str) -> Result<()> {
    let name = format!("{IMAGE}:{}", env!("CARGO_PKG_VERSION"));
    let mut command = cluster.enter("ctr")?;
    command.args(["--namespace", "k8s.io", "images", "tag", "--force", image, &name]);
    let Output { status, stderr, .. } = command.output()?;
    ensure!(status.success(), "{}", String::from_utf8_lossy(&stderr).trim());
    Ok(())
}

#[test]
fn what_gitops_tools_are_told_is_taken() -> Result<()> {
    let cluster = cluster::find()?;
    let page = Page::read("docs/installing.md")?;
    let mut tools = Vec::new();
    for block in page
        .blocks
        .iter()
        .filter(|block| block.language == "yaml" && !block.is("values"))
    {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&block.text)?;
        for document in documents {
            let (chart, values) = match document["kind"].as_str() {
                Some("Application") => {
                    let source = &document["spec"]["source"];
                    (&source["path"], &source["helm"]["valuesObject"])
                }
                Some("HelmRelease") => (
                    &document["spec"]["chart"]["spec"]["chart"],
                    &document["spec"]["values"],
                ),
                _ => continue,
            };
            let chart = chart.as_str().context("no chart")?;
            ensure!(
                root().join(chart).join("Chart.yaml").is_file(),
                "there is no chart {chart}"
            );
            let namespace = [
                &document["spec"]["destination"]["namespace"],
                &document["spec"]["targetNamespace"],
            ];
            ensure!(namespace.iter().any(|n| **n == NAMESPACE), "it goes elsewhere");
            let name = [
                &document["spec"]["source"]["helm"]["releaseName"],
                &document["spec"]["releaseName"],
            ];
            ensure!(name.iter().any(|n| **n == RELEASE), "it has another name");
            is_taken(&cluster, values)?;
            tools.extend(document["kind"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(tools, ["Application", "HelmRelease"]);
    Ok(())
}

#[test]
fn values_of_the_manual_are_taken() -> Result<()> {
    let mut taken = 0;
    for page in pages()? {
        for block in page.blocks.iter().filter(|block| block.is("values")) {
            let values = serde_saphyr::from_str(&block.text)?;
            rendered(&values).with_context(|| page.at(block.line))?;
            taken += 1;
        }
    }
    assert!(taken >= 3, "only {taken} sets of values");
    Ok(())
}

/// The API server takes what the chart renders with these values.
fn is_taken(cluster: &Cluster, values: &Value) -> Result<()> {
    let manifests = rendered(values)?;
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--filename",
        "-",
    ];
    pipe(cluster, "kubectl", &apply, &manifests)?;
    Ok(())
}

/// What the chart renders with these values.
fn rendered(values: &Value) -> Result<String> {
    ensure!(values.is_object(), "no values");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), serde_saphyr::to_string(values)?)?;
    template(&["--values", text(file.path())?])
}
