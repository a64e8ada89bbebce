//! Manifests.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{
    all_stand_up_to,
    commands::values,
    is_found,
    page::{Block, Page},
};

/// The group of our kinds.
const GROUP: &str = "restore.kymaros.io/";

/// Values that are objects of Kubernetes, handed on as they are.
const HANDED_ON: [&str; 3] = ["resources", "podSecurityContext", "securityContext"];

/// Blocks of YAML that are not what they are said to be.
fn wrong(page: &Page) -> Vec<String> {
    let blocks = page.blocks.iter().filter(|block| block.language == "yaml");
    let wrong = blocks.filter_map(|block| Some((block, trouble(block).err()?)));
    wrong
        .map(|(block, why)| format!("{}: {why:#}", page.at(block.line)))
        .collect()
}

fn trouble(block: &Block) -> Result<()> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&block.text).context("is not YAML")?;
    if block.is("values") {
        for document in &documents {
            known_values(document)?;
        }
        return Ok(());
    }
    if block.is("part") {
        let manifests: Vec<Value> = documents.into_iter().map(test_with).collect();
        return lint(&manifests);
    }
    for document in &documents {
        for field in ["apiVersion", "kind"] {
            anyhow::ensure!(document[field].is_string(), "a manifest without {field}");
        }
        anyhow::ensure!(
            document["metadata"]["name"].is_string(),
            "a manifest without a name"
        );
    }
    let is_ours = |document: &&Value| {
        document["apiVersion"]
            .as_str()
            .is_some_and(|v| v.starts_with(GROUP))
    };
    let ours: Vec<Value> = documents.iter().filter(is_ours).cloned().collect();
    let verdict = if ours.is_empty() { Ok(()) } else { lint(&ours) };
    match (block.is("refused"), verdict) {
        (false, verdict) => verdict,
        (true, Err(_)) => Ok(()),
        (true, Ok(())) => anyhow::bail!("is said to be refused, and lint takes it"),
    }
}

/// A test with a part of its own.
fn test_with(part: Value) -> Value {
    let mut test = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "shop", "namespace": "kymaros-system" },
        "spec": {
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
        },
    });
    merge(&mut test, part);
    test
}

fn merge(base: &mut Value, part: Value) {
    match (base, part) {
        (Value::Object(base), Value::Object(part)) => {
            for (key, value) in part {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, part) => *base = part,
    }
}

/// What our own program says of these.
fn lint(manifests: &[Value]) -> Result<()> {
    let texts: Result<Vec<String>, _> = manifests.iter().map(serde_saphyr::to_string).collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .args(["lint", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    input.write_all(texts?.join("\n---\n").as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout).trim()
    );
    Ok(())
}

/// Every value exists.
fn known_values(values_of_block: &Value) -> Result<()> {
    fn walk(value: &Value, before: &str, known: &std::collections::BTreeSet<String>) -> Result<()> {
        for (key, below) in value.as_object().into_iter().flatten() {
            let path = if before.is_empty() {
                key.clone()
            } else {
                format!("{before}.{key}")
            };
            anyhow::ensure!(known.contains(&path), "there is no value {path}");
            let is_section = known.iter().any(|k| k.starts_with(&format!("{path}.")));
            if is_section && !HANDED_ON.contains(&path.as_str()) {
                walk(below, &path, known)?;
            }
        }
        Ok(())
    }
    anyhow::ensure!(values_of_block.is_object(), "is no set of values");
    walk(values_of_block, "", &values())
}

/// What a page shows lint to say of its own files, and it does not.
fn unsaid(page: &Page) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    for block in &page.blocks {
        if let Some(name) = block.mark("file") {
            fs::write(folder.path().join(name), &block.text)?;
        }
    }
    let mut unsaid = Vec::new();
    for block in page.blocks.iter().filter(|block| block.language == "console") {
        let mut lines = block.text.lines();
        let Some(file) = lines.next().and_then(|line| line.strip_prefix("$ kymaros lint ")) else {
            continue;
        };
        let output = Command::new(env!("CARGO_BIN_EXE_kymaros"))
            .args(["lint", file])
            .current_dir(folder.path())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let missing = lines.filter(|line| !said.lines().any(|is| is == *line));
        unsaid.extend(missing.map(|line| format!("{}: lint does not say: {line}", page.at(block.line))));
    }
    Ok(unsaid)
}

#[test]
fn lint_says_what_it_is_shown_to_say() -> Result<()> {
    all_stand_up_to(|page| unsaid(page).unwrap_or_else(|error| vec![format!("{error:#}")]))?;
    let wrong = "```yaml file=a.yaml\nkind: x\n```\n```console\n$ kymaros lint a.yaml\nthat it is blue\n```";
    let found = unsaid(&Page::of("docs/wrong.md", wrong))?;
    assert_eq!(found, ["docs/wrong.md:4: lint does not say: that it is blue"]);
    Ok(())
}

#[test]
fn every_manifest_is_taken() -> Result<()> {
    all_stand_up_to(wrong)?;
    let test = "apiVersion: restore.kymaros.io/v1alpha1\nkind: RestoreTest\nmetadata: {name: a, namespace: b}\nspec:\n  \
                backupSource: {provider: velero, namespaces: [{name: shop}]}\n  schedule: {cron: '0 3 * * *'}";
    for (wrong_block, named) in [
        ("```yaml\na: [\n```".to_owned(), "is not YAML"),
        (
            "```yaml\nkind: Secret\nmetadata: {name: a}\n```".to_owned(),
            "without apiVersion",
        ),
        (
            "```yaml\napiVersion: v1\nkind: Secret\n```".to_owned(),
            "without a name",
        ),
        (
            format!("```yaml\n{test}\n  sla: {{maxRTO: soon}}\n```"),
            "spec.sla.maxRTO",
        ),
        (format!("```yaml refused\n{test}\n```"), "lint takes it"),
        ("```yaml part\nspec: {timeot: 1h}\n```".to_owned(), "spec.timeot"),
        (
            "```yaml values\nimage: {regstry: x}\n```".to_owned(),
            "no value image.regstry",
        ),
    ] {
        is_found(wrong, &wrong_block, named);
    }
    let fine = format!("```yaml\n{test}\n```\n```yaml values\nresources: {{limits: {{cpu: 1}}}}\n```");
    assert_eq!(wrong(&Page::of("docs/fine.md", &fine)), [""; 0]);
    Ok(())
}
