//! `kymaros lint` as a program: its exit codes, by which pipelines go on or stop.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

const GOOD: &str = "
apiVersion: restore.kymaros.io/v1alpha1
kind: RestoreTest
metadata: {name: shop, namespace: ops}
spec:
  backupSource: {provider: velero, namespaces: [{name: shop}]}
  schedule: {cron: '0 3 * * *'}
  healthChecks: {checks: [{name: web, type: podStatus, podStatus: {labelSelector: {app: web}, minReady: 1}}]}
  sla: {maxRTO: 15m}
";

/// The exit code of a call, and what it wrote.
fn lint(args: &[&str], input: &str) -> Result<(Option<i32>, String)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .arg("lint")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    // Whoever is given files reads none of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn the_exit_code_says_whether_all_is_well_something_is_wrong_or_something_could_not_be_read() -> Result<()> {
    let wrong = GOOD.replace("0 3 * * *", "never");
    let unwise = format!("{GOOD}  sandbox: {{networkIsolation: group}}\n");
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("good.yaml"), GOOD)?;
    fs::write(folder.path().join("wrong.yaml"), &wrong)?;
    let folder = folder.path().to_str().context("no text")?;
    let missing = format!("{folder}/missing.yaml");
    for output in ["human", "json", "sarif"] {
        for (args, input, code) in [
            (&["-"][..], GOOD, 0),
            (&["-"], wrong.as_str(), 1),
            (&["-"], unwise.as_str(), 0),
            (&["--strict", "-"], unwise.as_str(), 1),
            (&["-"], "a: [", 2),
            (&[folder], "", 1),
            (&[missing.as_str()], "", 2),
            (&[folder, missing.as_str()], "", 2),
        ] {
            let args = [&["--output", output], args].concat();
            let (found, text) = lint(&args, input)?;
            assert_eq!(found, Some(code), "{args:?} {input}: {text}");
        }
    }
    Ok(())
}
