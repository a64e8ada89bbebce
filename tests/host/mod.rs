//! An operator as a process on this machine, on an API server of its own.

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use kymaros_testbed::{
    lone::ApiServer,
    ports::free_ports,
    scene::{unique, until_allowed},
};
use serde_json::json;

use crate::helm::{NAMESPACE, pipe, template};

/// Between two looks at a process.
pub const LOOK: Duration = Duration::from_millis(20);

/// A running operator; it ends with the test.
pub struct Operator {
    pub child: Child,
    pub health: SocketAddr,
    pub log: PathBuf,
    pub begun: Instant,
}

impl Operator {
    pub fn start(server: &ApiServer) -> Result<Self> {
        Self::start_with(server, &["--metrics-bind-address=0"])
    }

    pub fn start_with(server: &ApiServer, args: &[&str]) -> Result<Self> {
        let all = [&["--api-bind-address=0"], args].concat();
        Self::start_as(&server.cluster().kubeconfig, &all, &[])
    }

    /// One with the rights of a kubeconfig, and variables.
    pub fn start_as(kubeconfig: &Path, args: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let [health, webhooks] = free_addresses()?;
        let log = std::env::temp_dir().join(unique("kymaros-process"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kymaros"));
        command
            .arg("operator")
            .arg(format!("--health-probe-bind-address={health}"))
            .arg(format!("--webhook-bind-address={webhooks}"))
            .args(args)
            .args(["--namespace", NAMESPACE, "--webhook-service", "kymaros-webhooks"])
            .env("KUBECONFIG", kubeconfig)
            .envs(variables.iter().copied())
            .env("POD_NAME", unique("kymaros"))
            .stderr(File::create(&log)?);
        let begun = Instant::now();
        let child = command.spawn()?;
        Ok(Self {
            child,
            health,
            log,
            begun,
        })
    }

    /// What `/readyz` answers; an error when nobody does.
    pub fn readyz(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.health)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub async fn ready(&mut self) -> Result<Duration> {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            let answer = self.readyz();
            if answer.as_ref().is_ok_and(|a| a.starts_with("HTTP/1.1 200")) {
                return Ok(self.begun.elapsed());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || self.begun.elapsed() > Duration::from_mins(1) {
                let log = std::fs::read_to_string(&self.log)?;
                bail!("not ready ({ended:?}): {answer:?}\n{log}");
            }
        }
    }

    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status()?;
        anyhow::ensure!(done.success(), "no signal could be sent");
        Ok(())
    }

    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("it still runs after {within:?}");
            }
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // What cannot be ended has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Addresses that nobody uses right now.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    Ok(free_ports()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
}

/// Everything the chart brings but pods, and the kinds of Velero.
pub fn install(server: &ApiServer) -> Result<()> {
    install_with(server, &[])
}

/// The same with values of the chart.
pub fn install_with(server: &ApiServer, values: &[&str]) -> Result<()> {
    let cluster = server.cluster();
    let velero = cluster.run(
        "velero",
        &["install", "--crds-only", "--dry-run", "--output", "yaml"],
    )?;
    let apply = ["apply", "--server-side", "--filename", "-"];
    pipe(&cluster, "kubectl", &apply, &velero)?;
    pipe(&cluster, "kubectl", &apply, &kymaros_crds::generate::yaml())?;
    for namespace in [NAMESPACE, "velero"] {
        cluster.kubectl(&["create", "namespace", namespace])?;
    }
    pipe(&cluster, "kubectl", &apply, &template(values)?)?;
    Ok(())
}

/// A token of a new service account.
pub fn token(server: &ApiServer, account: &str) -> Result<String> {
    let cluster = server.cluster();
    cluster.kubectl(&["create", "serviceaccount", account, "-n", NAMESPACE])?;
    let token = cluster.kubectl(&["create", "token", account, "-n", NAMESPACE])?;
    Ok(token.trim().to_owned())
}

/// A token of an account that may read metrics, as the manual makes one.
pub async fn metrics_reader(server: &ApiServer) -> Result<String> {
    let reader = token(server, "reader")?;
    let account = format!("--serviceaccount={NAMESPACE}:reader");
    let role = "--clusterrole=kymaros-metrics-reader";
    let binding = ["create", "clusterrolebinding", "reader", role, &account];
    server.cluster().kubectl(&binding)?;
    // The operator would remember for a minute that the reader was refused.
    let read = json!({ "nonResourceAttributes": { "path": "/metrics", "verb": "get" } });
    let user = format!("system:serviceaccount:{NAMESPACE}:reader");
    until_allowed(&server.client().await?, &user, &read).await?;
    Ok(reader)
}

/// A ready operator, and where it tells its metrics.
pub async fn start_with_metrics(server: &ApiServer, args: &[&str]) -> Result<(Operator, SocketAddr)> {
    let [there] = free_addresses()?;
    let at = format!("--metrics-bind-address={there}");
    let mut operator = Operator::start_with(server, &[&[at.as_str()], args].concat())?;
    operator.ready().await?;
    Ok((operator, there))
}
