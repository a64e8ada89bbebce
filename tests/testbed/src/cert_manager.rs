//! cert-manager beside the cluster: its controller as a process of one test, and its kinds. Its own webhook, which would check
//! what people write, is not there, nor is its injector: that of this version knows no `matchConditions`, and takes them
//! off the webhooks that it writes its bundle into.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    cluster::Cluster,
    places,
    programs::{CERT_MANAGER, build_missing},
    progress::Progress,
};

/// It works as long as this is kept; its kinds go with it.
pub struct CertManager {
    cluster: Cluster,
    definitions: String,
    processes: Vec<Child>,
}

impl CertManager {
    /// Builds it when it is not there yet, which takes minutes, and starts it.
    ///
    /// # Errors
    /// When it does not build or start, or the API server does not take its kinds.
    pub async fn start(cluster: &Cluster, progress: &dyn Progress) -> Result<Self> {
        build_missing(&[CERT_MANAGER], progress).await?;
        let definitions = definitions().await?;
        let mut started = Self {
            cluster: cluster.clone(),
            definitions,
            processes: Vec::new(),
        };
        started.kubectl(&["apply", "--server-side", "--filename"])?;
        started.kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "--filename",
        ])?;
        started.spawn("controller", &["--metrics-listen-address=127.0.0.1:0"])?;
        Ok(started)
    }

    /// Which version it is.
    #[must_use]
    pub fn version() -> &'static str {
        CERT_MANAGER.version()
    }

    fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[args, &[&self.definitions]].concat())
    }

    fn spawn(&mut self, program: &str, more: &[&str]) -> Result<()> {
        let log = std::fs::File::create(Path::new(&self.definitions).join(format!("{program}.log")))?;
        // It ends with the thread that started it, even when that is killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(CERT_MANAGER.folder().join(program))
            .arg(format!("--kubeconfig={}", self.cluster.kubeconfig.display()))
            .arg("--leader-elect=false")
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start cert-manager's {program}"))?;
        self.processes.push(child);
        Ok(())
    }
}

impl Drop for CertManager {
    fn drop(&mut self) {
        // What cannot be ended has ended.
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = self.kubectl(&["delete", "--ignore-not-found", "--wait=false", "--filename"]);
    }
}

/// A folder with its kinds as they come with its sources, without the labels that its own chart fills in.
async fn definitions() -> Result<String> {
    let module = places::cache("cert-manager-module");
    let folder = places::cache("cert-manager-kinds");
    for place in [&module, &folder] {
        std::fs::create_dir_all(place)?;
    }
    for (name, content) in CERT_MANAGER.module_files() {
        std::fs::write(module.join(name), content)?;
    }
    let sources = tokio::process::Command::new("go")
        .args([
            "list",
            "-mod=readonly",
            "-m",
            "-f",
            "{{.Dir}}",
            CERT_MANAGER.module(),
        ])
        .current_dir(&module)
        .output()
        .await?;
    ensure!(
        sources.status.success(),
        "go list failed:\n{}",
        String::from_utf8_lossy(&sources.stderr).trim()
    );
    let sources = String::from_utf8(sources.stdout)?;
    for file in std::fs::read_dir(Path::new(sources.trim()).join("deploy/crds"))? {
        let file = file?;
        if file
            .path()
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(file.path())?;
            let lines = text.lines().filter(|line| !line.contains("{{"));
            std::fs::write(
                folder.join(file.file_name()),
                lines.collect::<Vec<_>>().join("\n"),
            )?;
        }
    }
    Ok(folder.display().to_string())
}
