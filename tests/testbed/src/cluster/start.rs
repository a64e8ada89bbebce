//! Starts the machine.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::host_address;
use crate::machine::{self, processes, status};
use crate::programs::GROUPS;
use crate::progress::Progress;
use crate::{components, pki, places};

const LIMIT: Duration = Duration::from_secs(90);

/// Starts the machine. The sockets of its gateway are made here, in the host's network, and handed over as its standard
/// input and output.
pub fn start(port: u16) -> Result<()> {
    let api = listen(port)?;
    host_address::add()?;
    let storage = TcpListener::bind((places::NODE_ADDRESS, places::S3_PORT))
        .with_context(|| format!("cannot listen on port {} of the node's address", places::S3_PORT))?;
    fs::create_dir_all(places::STATE).with_context(|| format!("cannot create {}", places::STATE))?;
    for folder in ["logs", "tmp", "s3", "volumes", "volume-plugins"] {
        fs::create_dir_all(places::state(folder))?;
    }
    pki::write_all(port)?;
    for component in components::all() {
        for (path, content) in component.files {
            let path = places::state(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, content)?;
        }
    }
    link_programs()?;
    let own = std::env::current_exe().context("where is this program?")?;
    fs::copy(own, places::machine_program()).context("cannot copy this program")?;

    let log = fs::File::create(places::log("machine"))?;
    // A session of its own, so that Ctrl-C in the terminal of `up` does not reach the cluster.
    Command::new("setsid")
        .args([
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
        ])
        .arg(places::machine_program())
        .arg(machine::INIT)
        .stdin(Stdio::from(OwnedFd::from(api)))
        .stdout(Stdio::from(OwnedFd::from(storage)))
        .stderr(log)
        .spawn()
        .context("cannot start the machine")?;
    Ok(())
}

/// Waits until every component is ready.
pub async fn wait_for_components(progress: &dyn Progress) -> Result<()> {
    wait_for(progress, |_| true).await
}

/// Waits until the named components are ready.
pub async fn wait_for(progress: &dyn Progress, is_meant: impl Fn(&str) -> bool) -> Result<()> {
    let started = Instant::now();
    loop {
        let components = status::read()?;
        let seconds = started.elapsed().as_secs();
        let total = components
            .iter()
            .filter(|component| is_meant(&component.name))
            .count();
        let missing: Vec<&str> = components
            .iter()
            .filter(|component| is_meant(&component.name) && !component.ready)
            .map(|component| component.name.as_str())
            .collect();
        if total > 0 && missing.is_empty() {
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(2) && processes::init().is_none() {
            let words = fs::read_to_string(places::log("machine")).unwrap_or_default();
            bail!("the machine ended: {}", words.trim());
        }
        let list = missing.join(", ");
        if started.elapsed() > LIMIT {
            bail!("not ready after {seconds} s: {list}; see `cargo xtask cluster logs COMPONENT`");
        }
        let ready = total - missing.len();
        progress.update(&format!(
            "starting components: {ready} of {total} ready, {seconds} s, waiting for {list}"
        ));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            anyhow::anyhow!(
                "port {port} is in use by {}; end it, or choose another port with --port",
                user_of(port)
            )
        } else {
            anyhow::Error::new(error).context(format!("cannot listen on port {port}"))
        }
    })
}

/// Who listens on the port, as far as `ss` knows.
fn user_of(port: u16) -> String {
    let answer = Command::new("ss")
        .args(["-H", "-ltnp", &format!("sport = :{port}")])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    parse_user(&answer).unwrap_or_else(|| "another process".to_owned())
}

/// The program and its id in a line of `ss`: `users:(("python3",pid=42,fd=3))`.
fn parse_user(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("((\"")?;
    let (name, rest) = rest.split_once('"')?;
    let (_, rest) = rest.split_once("pid=")?;
    let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{name} (process {pid})"))
}

/// One folder with every program, for `PATH`.
fn link_programs() -> Result<()> {
    let bin = places::bin();
    fs::create_dir_all(&bin)?;
    for group in GROUPS {
        for item in fs::read_dir(group.folder())? {
            let item = item?;
            symlink(item.path(), bin.join(item.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_port_is_named() {
        let line = r#"LISTEN 0 5 127.0.0.1:16443 0.0.0.0:* users:(("python3",pid=4242,fd=3))"#;
        assert_eq!(parse_user(line).as_deref(), Some("python3 (process 4242)"));
        assert_eq!(parse_user("LISTEN 0 5 127.0.0.1:16443 0.0.0.0:*"), None);
    }
}
