//! What the program writes to a terminal, and to anything else. An API server of a few lines is enough for that.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// A kubeconfig that leads to an API server with one test.
fn one_test() -> Result<NamedTempFile> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = format!("http://{}", listener.local_addr()?);
    let test = json!({
        "metadata": { "name": "shop", "namespace": "ops" },
        "spec": { "backupSource": { "provider": "velero", "namespaces": [] }, "schedule": { "cron": "0 3 * * *" } },
    });
    let list = json!({ "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTestList", "metadata": {}, "items": [test] });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever has gone needs no answer.
            let _ = answer(stream, &list);
        }
    });
    let file = NamedTempFile::new()?;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": {} }],
    });
    std::fs::write(file.path(), kubeconfig.to_string())?;
    Ok(file)
}

fn answer(mut stream: TcpStream, list: &Value) -> Result<()> {
    for line in BufReader::new(stream.try_clone()?).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let list = list.to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{list}", list.len())?;
    Ok(())
}

/// What a list of tests looks like.
fn tests(on_terminal: bool, variables: &[(&str, &str)]) -> Result<String> {
    let kubeconfig = one_test()?;
    let program = env!("CARGO_BIN_EXE_kymaros");
    let mut command = if on_terminal {
        let mut script = Command::new("script");
        let call = format!("'{program}' tests --all-namespaces");
        script.args(["--quiet", "--return", "--command", &call, "/dev/null"]);
        script
    } else {
        let mut own = Command::new(program);
        own.args(["tests", "--all-namespaces"]);
        own
    };
    for of_people in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(of_people);
    }
    let output = command
        .env("KUBECONFIG", kubeconfig.path())
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .context("the program `script` is part of util-linux")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("shop"), "{text}{errors}");
    Ok(text)
}

#[test]
fn colours_are_for_terminals_and_for_whoever_wants_them() -> Result<()> {
    for (on_terminal, variables, has_colours) in [
        (true, &[][..], true),
        (true, &[("NO_COLOR", "1")], false),
        (true, &[("TERM", "dumb")], false),
        (false, &[], false),
    ] {
        let text = tests(on_terminal, variables)?;
        assert_eq!(
            text.contains('\u{1b}'),
            has_colours,
            "on a terminal: {on_terminal}, with {variables:?}: {text:?}"
        );
    }
    Ok(())
}
