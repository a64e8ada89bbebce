//! `cargo xtask compatibility`: are definitions, webhooks and policies taken by API servers of other versions?

use std::{fs, io::Write, path::Path, process::Stdio};

use anyhow::{Context, Result, bail};
use kymaros_testbed::{
    lone::ApiServer,
    programs::{API_SERVERS, GROUPS, Group, build_missing, program},
};

use crate::{operator::root, terminal::Terminal};

/// A test that only the schema's own rules can refuse: no webhook is there.
const WRONG: &str = "
apiVersion: restore.kymaros.io/v1alpha1
kind: RestoreTest
metadata: {name: wrong, namespace: default}
spec:
  backupSource: {provider: velero, namespaces: [{name: shop}]}
  schedule: {cron: '0 3 * * *'}
  sandbox: {ttl: soon}
";

/// Tries every version and writes what was found to docs/compatibility.md.
pub async fn run() -> Result<()> {
    let terminal = Terminal::new();
    build_missing(&GROUPS, &terminal).await?;
    build_missing(&API_SERVERS, &terminal).await?;
    let mut rows = Vec::new();
    for group in &API_SERVERS {
        let version = group.version();
        println!("▸ Kubernetes {version}");
        let found = try_version(group)
            .await
            .with_context(|| format!("Kubernetes {version}"))?;
        rows.push(format!("| {version} | {} |", found.join(" | ")));
    }
    let page = format!(
        "# Compatibility\n\n\
         Written by `cargo xtask compatibility`, which starts the API server of each version, applies the definitions,\n\
         tries the examples and a wrong manifest, has the server check everything the chart renders, and tries its policies with\n\
         every write that they must refuse or let through. Everything else is tested on {}.\n\n\
         | Kubernetes | definitions | examples | wrong manifest refused by its schema | chart | policies |\n|---|---|---|---|---|---|\n{}\n",
        GROUPS
            .iter()
            .find(|g| g.name == "kubernetes")
            .map_or("", Group::version),
        rows.join("\n")
    );
    fs::write(root().join("docs/compatibility.md"), page)?;
    println!("written to docs/compatibility.md");
    Ok(())
}

async fn try_version(group: &Group) -> Result<[String; 5]> {
    let server = ApiServer::start_program(&group.folder().join("kube-apiserver")).await?;
    let root = root();
    let definitions = root.join("crds/generated").display().to_string();
    kubectl(&server, &["apply", "--server-side", "-f", &definitions], None)?;
    kubectl(
        &server,
        &[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "-f",
            &definitions,
        ],
        None,
    )?;
    let mut examples = 0;
    for file in fs::read_dir(root.join("examples"))? {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        for document in text
            .split("\n---\n")
            .filter(|d| d.contains("restore.kymaros.io/"))
        {
            try_example(&server, document).with_context(|| format!("{}", path.display()))?;
            examples += 1;
        }
    }
    let refused = kubectl(&server, &["apply", "--dry-run=server", "-f", "-"], Some(WRONG));
    if refused.is_ok() {
        bail!("the wrong manifest was taken");
    }
    let objects = chart(&server, &root, group.version())?;
    Ok([
        "taken".to_owned(),
        format!("{examples} taken"),
        "yes".to_owned(),
        format!("{objects} objects taken"),
        policies(group)?,
    ])
}

/// What the policies do on this version: the test of them, with another API server.
fn policies(group: &Group) -> Result<String> {
    if group.version().starts_with("v1.29.") {
        return Ok("from 1.30 on".to_owned());
    }
    let test = std::process::Command::new("cargo")
        .args(["test", "--locked", "--workspace", "--test", "policies"])
        .env("KYMAROS_API_SERVER", group.folder().join("kube-apiserver"))
        .current_dir(root())
        .status()
        .context("cannot run cargo")?;
    if !test.success() {
        bail!("a policy does not do what it is for");
    }
    Ok("as they must".to_owned())
}

/// Examples name namespaces of their own, which do not exist here.
fn try_example(server: &ApiServer, document: &str) -> Result<()> {
    let lines = document
        .lines()
        .filter(|line| !line.trim_start().starts_with("namespace:"));
    let document = lines.collect::<Vec<_>>().join("\n");
    kubectl(server, &["apply", "--dry-run=server", "-f", "-"], Some(&document)).map(|_| ())
}

/// How many objects of the chart the server would take.
fn chart(server: &ApiServer, root: &Path, version: &str) -> Result<usize> {
    for namespace in ["kymaros-system", "velero"] {
        kubectl(server, &["create", "namespace", namespace], None)?;
    }
    let chart = root.join("charts/kymaros").display().to_string();
    helm(&["dependency", "build", &chart])?;
    let manifests = helm(&[
        "template",
        "kymaros",
        &chart,
        "--namespace=kymaros-system",
        &format!("--kube-version={version}"),
        "--set=crds.enabled=false",
    ])?;
    let said = kubectl(
        server,
        &["apply", "--server-side", "--dry-run=server", "-f", "-"],
        Some(&manifests),
    )?;
    Ok(said
        .lines()
        .filter(|line| line.contains("serverside-applied"))
        .count())
}

fn helm(args: &[&str]) -> Result<String> {
    let output = std::process::Command::new(program("helm", "helm"))
        .args(args)
        .output()
        .context("cannot run helm")?;
    if !output.status.success() {
        bail!(
            "helm {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn kubectl(server: &ApiServer, args: &[&str], input: Option<&str>) -> Result<String> {
    let mut child = std::process::Command::new(program("kubernetes", "kubectl"))
        .args(args)
        .env("KUBECONFIG", server.cluster().kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.unwrap_or_default().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "kubectl {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
