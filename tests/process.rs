//! The program as a process, on an API server of its own: when it is ready, how it stops, what it says when it cannot
//! start, and that it takes changes at once.

mod helm;
mod host;

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use helm::{NAMESPACE, pipe, template};
use host::{LOOK, Operator, free_addresses, install, metrics_reader, start_with_metrics, token};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Secret};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use kymaros_crds::RestoreTest;
use kymaros_testbed::{
    lone::ApiServer,
    scene::{LEASE, unique},
};
use serde_json::json;

#[tokio::test]
async fn it_comes_up_goes_down_and_comes_up_again() -> Result<()> {
    let server = ApiServer::start().await?;
    install(&server)?;

    let mut operator = Operator::start(&server)?;
    println!("ready after {:?}, with nothing there", operator.ready().await?);
    operator.signal("TERM")?;
    let status = operator.ended(Duration::from_secs(15)).await?;
    assert!(status.success(), "{status}");
    let leases = Api::<Lease>::namespaced(server.client().await?, NAMESPACE);
    let holder = leases.get(LEASE).await?.spec.and_then(|s| s.holder_identity);
    assert_eq!(holder.unwrap_or_default(), "", "the lease was not given back");

    for _ in 0..3 {
        let mut operator = Operator::start(&server)?;
        println!(
            "ready after {:?}, with its certificate there",
            operator.ready().await?
        );
        operator.child.kill()?;
        operator.ended(Duration::from_secs(5)).await?;
    }

    // Farewell to the API server takes some seconds, which a second signal cuts short.
    let mut operator = Operator::start(&server)?;
    operator.ready().await?;
    operator.signal("INT")?;
    let mut ticks = tokio::time::interval(LOOK);
    while !std::fs::read_to_string(&operator.log)?.contains("a second signal ends at once") {
        ticks.tick().await;
        anyhow::ensure!(operator.child.try_wait()?.is_none(), "it ended by itself");
    }
    operator.signal("INT")?;
    let status = operator.ended(Duration::from_secs(3)).await?;
    assert_eq!(status.code(), Some(130), "it ended by itself");
    Ok(())
}

#[tokio::test]
async fn it_is_not_ready_while_the_api_server_cannot_call_it() -> Result<()> {
    let server = ApiServer::start().await?;
    install(&server)?;
    let cluster = server.cluster();
    for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        cluster.kubectl(&["delete", kind, "--all"])?;
    }
    let mut operator = Operator::start(&server)?;
    let mut ticks = tokio::time::interval(LOOK);
    let waits = loop {
        ticks.tick().await;
        let answer = operator.readyz().unwrap_or_default();
        if answer.ends_with("waits for webhooks\n") {
            break answer;
        }
        anyhow::ensure!(operator.begun.elapsed() < Duration::from_mins(1), "{answer}");
    };
    assert!(waits.starts_with("HTTP/1.1 503"), "{waits}");
    for webhooks in ["validating", "mutating"] {
        let webhooks = template(&["--show-only", &format!("templates/webhooks-{webhooks}.yaml")])?;
        pipe(
            &cluster,
            "kubectl",
            &["apply", "--server-side", "--filename", "-"],
            &webhooks,
        )?;
    }
    operator.ready().await?;
    Ok(())
}

#[tokio::test]
async fn a_schedule_that_is_edited_counts_at_once() -> Result<()> {
    let server = ApiServer::start().await?;
    install(&server)?;
    let mut operator = Operator::start(&server)?;
    operator.ready().await?;
    // This API server reaches no Service.
    for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        server.cluster().kubectl(&["delete", kind, "--all"])?;
    }
    let tests = Api::<RestoreTest>::namespaced(server.client().await?, NAMESPACE);
    let planned = async |at: &str| {
        let next = |test: Option<&RestoreTest>| {
            let status = test.and_then(|test| test.status.as_ref());
            status
                .and_then(|status| status.next_run_at.as_ref())
                .map(|next| next.0.to_string())
        };
        let is_planned = |test: Option<&RestoreTest>| next(test).is_some_and(|next| next.ends_with(at));
        let planned = await_condition(tests.clone(), "edited", is_planned);
        let planned = tokio::time::timeout(Duration::from_secs(30), planned).await;
        planned.with_context(|| format!("it is not planned for {at}"))??;
        anyhow::Ok(())
    };
    let test = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "edited" },
        "spec": { "backupSource": { "provider": "velero", "backupName": "none", "namespaces": [{ "name": "shop" }] },
                  "schedule": { "cron": "0 3 1 1 *" }, "sandbox": {} },
    });
    tests
        .create(&PostParams::default(), &serde_json::from_value(test)?)
        .await?;
    planned("-01-01T03:00:00Z").await?;
    let edit = json!({ "spec": { "schedule": { "cron": "30 4 2 2 *" } } });
    tests
        .patch("edited", &PatchParams::default(), &Patch::Merge(&edit))
        .await?;
    planned("-02-02T04:30:00Z").await
}

/// Asks for metrics; what is answered, and with which code.
async fn metrics(client: &reqwest::Client, address: &str, token: Option<&str>) -> Result<(u16, String)> {
    let mut request = client.get(format!("{address}/metrics"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn metrics_are_for_those_who_may_read_them() -> Result<()> {
    let server = ApiServer::start().await?;
    install(&server)?;
    let (_operator, there) = start_with_metrics(&server, &[]).await?;

    let (reader, nobody) = (metrics_reader(&server).await?, token(&server, "nobody")?);

    // As Prometheus does when it is told to verify.
    let secrets = Api::<Secret>::namespaced(server.client().await?, NAMESPACE);
    let secret = secrets.get("kymaros-webhook-certificate").await?;
    let authority = secret.data.and_then(|mut data| data.remove("ca.crt"));
    let authority = authority.context("no authority in the Secret")?;
    let host = format!("kymaros-webhooks.{NAMESPACE}.svc");
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority.0)?])
        .resolve(&host, there)
        .build()?;
    let address = format!("https://{host}:{}", there.port());

    assert_eq!(metrics(&client, &address, None).await?.0, 401);
    assert_eq!(metrics(&client, &address, Some("made-up")).await?.0, 401);
    let (code, said) = metrics(&client, &address, Some(&nobody)).await?;
    assert_eq!(code, 403);
    assert!(said.contains("nonResourceURLs"), "{said}");
    let (code, said) = metrics(&client, &address, Some(&reader)).await?;
    assert_eq!(code, 200);
    for expected in [
        "kymaros_certificate_expiry_timestamp_seconds{certificate=\"served\"} ",
        "kymaros_leader ",
        "kymaros_build_info{version=",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    Ok(())
}

/// As the manual makes the program that kubectl asks.
#[test]
fn the_plugin_completes_as_kubectl_asks() -> Result<()> {
    let page = std::fs::read_to_string("docs/command-line.md")?;
    let script = page
        .split("kubectl_complete-kymaros <<'END'\n")
        .nth(1)
        .and_then(|rest| rest.split("\nEND\n").next())
        .context("the manual has no such program")?;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kymaros"));
    let folder = program.parent().context("a program without a folder")?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
    for (typed, completed) in [
        (&["cov"][..], "coverage\n:4\n"),
        (&["tests", "--all"], "--all-namespaces\n:4\n"),
        (&["tests", "--output", ""], "text\njson\n:4\n"),
    ] {
        let output = Command::new("bash")
            .args(["-c", script, "kubectl_complete-kymaros"])
            .args(typed)
            .env("PATH", &path)
            .output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), completed, "{typed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn metrics_are_for_everybody_when_told_so() -> Result<()> {
    let server = ApiServer::start().await?;
    install(&server)?;
    let (_operator, there) = start_with_metrics(&server, &["--metrics-secure=false"]).await?;
    let client = reqwest::Client::new();
    let (code, said) = metrics(&client, &format!("http://{there}"), None).await?;
    assert_eq!(code, 200, "{said}");
    assert!(said.ends_with("# EOF\n"), "{said}");
    Ok(())
}

/// What it says when it cannot start.
fn complaint(args: &[&str], kubeconfig: &str) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .args(["operator", "--health-probe-bind-address=127.0.0.1:0"])
        .args([
            "--webhook-bind-address=127.0.0.1:0",
            "--metrics-bind-address=0",
            "--api-bind-address=0",
        ])
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .stdout(Stdio::null())
        .output()?;
    anyhow::ensure!(!output.status.success(), "it started");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn it_says_why_it_cannot_start() -> Result<()> {
    let said = complaint(&[], "/nonexistent")?;
    assert!(
        said.contains("neither a service account nor a kubeconfig works"),
        "{said}"
    );

    let [nobody] = free_addresses()?;
    let folder = std::env::temp_dir().join(unique("kymaros-kubeconfig"));
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": format!("https://{nobody}") } }],
        "users": [{ "name": "c", "user": { "token": "t" } }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
    });
    std::fs::write(&folder, kubeconfig.to_string())?;
    let said = complaint(&[], folder.to_str().context("a path that is no text")?);
    std::fs::remove_file(&folder)?;
    let said = said?;
    assert!(said.contains("the API server does not answer"), "{said}");

    let said = complaint(&["--default-ttl=soon"], "/nonexistent")?;
    assert!(said.contains("--default-ttl"), "{said}");

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("--webhook-bind-address={}", taken.local_addr()?);
    let output = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .args(["operator", "--health-probe-bind-address=127.0.0.1:0", &address])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("for webhooks"), "{said}");
    Ok(())
}

/// How it ends when nobody reads what it says, and what it complains of.
fn unread(args: &[&str]) -> Result<(Option<i32>, String)> {
    let (nobody, stdout) = std::io::pipe()?;
    drop(nobody);
    let output = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .args(args)
        .stdout(stdout)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), said))
}

#[test]
fn who_has_read_enough_makes_nothing_go_wrong_and_the_code_says_what_it_means() -> Result<()> {
    for args in [&["crds"][..], &["completions", "bash"], &["lint", "examples"]] {
        assert_eq!(unread(args)?, (Some(0), String::new()), "{args:?}");
    }
    let key = ["license", "verify", "--tier", "team", "--key", "KYM-TEAM-0"];
    assert_eq!(unread(&key)?, (Some(1), String::new()));
    let (nobody, stderr) = std::io::pipe()?;
    drop(nobody);
    let status = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .args(["license", "verify", "--file", "/nonexistent"])
        .stderr(stderr)
        .status()?;
    assert_eq!(status.code(), Some(1), "it ends with an error, not with a panic");
    Ok(())
}
