//! An API server with nothing behind it, on the loopback address: for tests of schemas and admission, which need no
//! node, no controller, and nothing that others have installed. It ends with the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use kube::{Client, Config};
use rcgen::KeyPair;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cluster::{Cluster, client_from},
    places,
    ports::free_ports,
    programs,
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is started with other ports, when somebody took one that was free a moment before.
const TRIES: u32 = 3;

/// A running API server and its etcd.
pub struct ApiServer {
    folder: PathBuf,
    processes: Vec<Child>,
    address: String,
    /// The administrator's, which no other API server knows.
    token: String,
    /// The API server, to be started again.
    program: (PathBuf, Vec<String>),
}

impl ApiServer {
    /// Starts one of the cluster's version and waits until it answers.
    ///
    /// # Errors
    /// When its programs are not built (`cargo xtask cluster up` builds them), or it does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_program(&programs::program("kubernetes", "kube-apiserver")).await
    }

    /// Starts this `kube-apiserver` and waits until it answers.
    ///
    /// # Errors
    /// As [`ApiServer::start`].
    pub async fn start_program(api_server: &Path) -> Result<Self> {
        let mut tries = 1;
        loop {
            let mut server = Self::begin(api_server)?;
            let Err(error) = server.wait().await else {
                return Ok(server);
            };
            if tries == TRIES || !server.has_ended()? {
                return Err(error);
            }
            tries += 1;
        }
    }

    /// Starts its processes, on ports that are free.
    fn begin(api_server: &Path) -> Result<Self> {
        let etcd = programs::program("etcd", "etcd");
        if !etcd.is_file() {
            bail!("its programs are not built; `cargo xtask cluster up` builds them");
        }
        let folder = std::env::temp_dir().join(crate::scene::unique("kymaros-lone-api-server"));
        fs::create_dir_all(&folder)?;
        let [port, client, peer] = free_ports()?;
        let mut server = Self {
            address: format!("https://127.0.0.1:{port}"),
            folder,
            processes: Vec::new(),
            token: crate::scene::unique("administrator"),
            program: (api_server.to_owned(), Vec::new()),
        };
        server.write_identities()?;
        let (client, peer) = (
            format!("http://127.0.0.1:{client}"),
            format!("http://127.0.0.1:{peer}"),
        );
        server.spawn(
            &etcd,
            &[
                format!("--data-dir={}", server.path("etcd")),
                "--unsafe-no-fsync".to_owned(),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
            ],
        )?;
        server.program.1 = vec![
            format!("--etcd-servers={client}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", server.path("certificates")),
            format!("--service-cluster-ip-range={}", places::SERVICE_RANGE),
            "--authorization-mode=RBAC".to_owned(),
            // Nobody makes the default accounts that it asks for.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--token-auth-file={}", server.path("tokens.csv")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", server.path("sa.pub")),
            format!("--service-account-signing-key-file={}", server.path("sa.key")),
        ];
        server.spawn_program()?;
        Ok(server)
    }

    fn spawn_program(&mut self) -> Result<()> {
        let (program, args) = self.program.clone();
        self.spawn(&program, &args)
    }

    /// Starts the API server that [`Self::stop`] ended, at the same address and with what it had.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.spawn_program()?;
        self.wait().await
    }

    /// Ends the API server: nobody answers at its address any more. Its etcd keeps what it has.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn stop(&mut self) -> Result<()> {
        ensure!(self.processes.len() > 1, "it does not run");
        let mut process = self.processes.pop().context("it does not run")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Lets the API server hang: its connections stay open, and nothing comes over them.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.processes.get(1).context("it does not run")?;
        kill_process(Pid::from_child(process), signal)?;
        Ok(())
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The authority that its certificate is signed by, PEM.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn authority(&self) -> Result<String> {
        Ok(fs::read_to_string(
            self.folder.join("certificates/apiserver.crt"),
        )?)
    }

    /// The same as a cluster, for its programs.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        Cluster {
            kubeconfig: self.folder.join("kubeconfig"),
            bin_dir: places::bin(),
        }
    }

    /// A client with the administrator's rights.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        client_from(&self.folder.join("kubeconfig")).await
    }

    /// A client with the rights of whoever owns a token.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn client_with(&self, token: &str) -> Result<Client> {
        let mut config = Config::new(self.address.parse()?);
        config.accept_invalid_certs = true;
        config.auth_info.token = Some(token.to_owned().into());
        Ok(Client::try_from(config)?)
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    fn write_identities(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        fs::write(self.folder.join("sa.pub"), key.public_key_pem())?;
        fs::write(self.folder.join("sa.key"), key.serialize_pem())?;
        fs::write(
            self.folder.join("tokens.csv"),
            format!("{},administrator,0,system:masters\n", self.token),
        )?;
        // Certificates are not verified: it is our own process.
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lone",
            "clusters": [{ "name": "lone", "cluster": { "server": self.address, "insecure-skip-tls-verify": true } }],
            "users": [{ "name": "administrator", "user": { "token": self.token } }],
            "contexts": [{ "name": "lone", "context": { "cluster": "lone", "user": "administrator" } }],
        });
        fs::write(self.folder.join("kubeconfig"), kubeconfig.to_string())?;
        Ok(())
    }

    fn spawn(&mut self, program: &Path, args: &[String]) -> Result<()> {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let log = fs::File::create(self.folder.join(format!("{name}.log")))?;
        // It ends with the thread that started it, even when that is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.processes.push(child);
        Ok(())
    }

    /// Whether one of its processes has ended by itself, for example because somebody has its port.
    fn has_ended(&mut self) -> Result<bool> {
        for process in &mut self.processes {
            if process.try_wait()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn wait(&mut self) -> Result<()> {
        let client = self.client().await?;
        let answers = async {
            // Whatever it answers, it has come up when it knows its administrator.
            while client.apiserver_version().await.is_err() {
                ensure!(!self.has_ended()?, "it has ended");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            ensure!(!self.has_ended()?, "its etcd has ended");
            Ok(())
        };
        let answered = tokio::time::timeout(PATIENCE, answers).await;
        if !matches!(answered, Ok(Ok(()))) {
            let log = fs::read_to_string(self.folder.join("kube-apiserver.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            bail!(
                "a lone API server did not come up: {answered:?}; it says:\n{}",
                last.join("\n")
            );
        }
        Ok(())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // The API server before its etcd. What cannot be ended has ended.
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
