//! An API server of another version, alone with its etcd: enough to see whether definitions, webhook configurations and
//! policies are taken there. Nothing runs in it.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rcgen::KeyPair;
use tokio::process::{Child, Command};

use crate::{
    components::Ready,
    machine::Prober,
    programs::{self, Group},
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(1);
/// Good for this server alone, on loopback, as long as it runs.
const TOKEN: &str = "for-tests-only";

/// A running API server; dropping it ends it and removes what it stored.
pub struct LoneApiServer {
    folder: PathBuf,
    port: u16,
    processes: Vec<Child>,
}

impl LoneApiServer {
    /// Starts the API server of a group that is built.
    ///
    /// # Errors
    /// When it does not start within a minute; the error has the end of its log.
    pub async fn start(group: &Group) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("kymaros-{}-{}", group.name, std::process::id()));
        fs::create_dir_all(&folder)?;
        let [store, peers, port] = [free_port()?, free_port()?, free_port()?];
        let mut server = Self {
            folder,
            port,
            processes: Vec::new(),
        };
        let etcd = format!("http://127.0.0.1:{store}");
        let peer = format!("http://127.0.0.1:{peers}");
        server.spawn(
            &programs::program("etcd", "etcd"),
            &[
                format!("--data-dir={}", server.path("etcd")),
                format!("--listen-client-urls={etcd}"),
                format!("--advertise-client-urls={etcd}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        )?;
        let key = KeyPair::generate()?;
        fs::write(server.path("sa.key"), key.serialize_pem())?;
        fs::write(server.path("sa.pub"), key.public_key_pem())?;
        fs::write(server.path("tokens"), format!("{TOKEN},admin,1,system:masters\n"))?;
        server.spawn(
            &group.folder().join("kube-apiserver"),
            &[
                format!("--etcd-servers={etcd}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", server.path("certificates")),
                format!("--token-auth-file={}", server.path("tokens")),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.97.0.0/16".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", server.path("sa.pub")),
                format!("--service-account-signing-key-file={}", server.path("sa.key")),
            ],
        )?;
        server.wait_ready().await?;
        Ok(server)
    }

    /// Arguments for kubectl to reach it as an administrator. The certificate is the server's own and not verified.
    #[must_use]
    pub fn kubectl_args(&self) -> [String; 3] {
        [
            format!("--server=https://127.0.0.1:{}", self.port),
            format!("--token={TOKEN}"),
            "--insecure-skip-tls-verify=true".to_owned(),
        ]
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn spawn(&mut self, program: &Path, args: &[String]) -> Result<()> {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let log = fs::File::create(self.folder.join(format!("{name}.log")))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.processes.push(child);
        Ok(())
    }

    async fn wait_ready(&self) -> Result<()> {
        // Anonymous requests may ask for this by default.
        let ready = Ready::Http(format!("https://127.0.0.1:{}/readyz", self.port));
        let prober = Prober::new()?;
        let asked = async {
            while !prober.is_ready(&ready).await {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, asked).await.is_err() {
            let log = fs::read_to_string(self.folder.join("kube-apiserver.log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(20).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            bail!("not ready after {PATIENCE:?}:\n{}", end.join("\n"));
        }
        Ok(())
    }
}

impl Drop for LoneApiServer {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself.
            let _ = process.start_kill();
        }
        // What stays behind is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
