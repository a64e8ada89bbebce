//! The world that the guides of the manual speak of: a folder with this repository's charts and examples, the programs
//! that people have, and an application that Velero has a backup of.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use kymaros_testbed::cluster::Cluster;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::page::{Block, Page, root};

/// Longest time that a block of commands may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// Longest time until a command that stays says that it has begun.
const BEGIN: Duration = Duration::from_secs(30);
/// People go through a page in one shell: what an earlier block has set is there.
const BEFORE: &str = "if [ -f \"$KEPT\" ]; then . \"$KEPT\"; fi";
const AFTER: &str =
    "names=$(compgen -v | grep '^[a-z]' || true); [ -z \"$names\" ] || declare -p $names > \"$KEPT\"";

pub struct World {
    folder: TempDir,
    cluster: Cluster,
    path: OsString,
}

/// What came of a block.
struct Ended {
    status: ExitStatus,
    said: String,
}

impl World {
    pub fn new(cluster: &Cluster) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for part in ["charts", "examples"] {
            crate::helm::copy_folder(&root().join(part), &folder.path().join(part))?;
        }
        let program = folder.path().join("target/release/kymaros");
        fs::create_dir_all(program.parent().context("no folder")?)?;
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kymaros"), program)?;
        let home = folder.path().join("home");
        fs::create_dir_all(&home)?;
        let own = env::var_os("PATH").unwrap_or_default();
        let places = [home.join(".local/bin"), cluster.bin_dir.clone()];
        let path = env::join_paths(places.into_iter().chain(env::split_paths(&own)))?;
        Ok(Self {
            folder,
            cluster: cluster.clone(),
            path,
        })
    }

    /// Does everything that a page says, in its order.
    pub async fn follow(&self, page: &Page) -> Result<()> {
        // The next page begins in a shell of its own.
        let _ = fs::remove_file(self.kept());
        // They end with the page.
        let mut staying = Vec::new();
        for block in &page.blocks {
            let place = page.at(block.line);
            match block.language.as_str() {
                "yaml" => {
                    if let Some(name) = block.mark("file") {
                        fs::write(self.folder.path().join(name), &block.text)?;
                    }
                }
                "sh" if block.is("elsewhere") => {}
                "sh" if block.is("stays") => staying.push(self.stay(block).await.context(place)?),
                "sh" => self.run(block).await.context(place)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs a block to its end, which must be good, or bad where the page says so.
    async fn run(&self, block: &Block) -> Result<()> {
        let Ended { status, said } = timeout(PATIENCE, self.ended(block))
            .await
            .with_context(|| format!("not within {PATIENCE:?}:\n{}", block.text))??;
        if status.success() == block.is("refused") {
            bail!("{status}:\n{}\n{said}", block.text);
        }
        Ok(())
    }

    async fn ended(&self, block: &Block) -> Result<Ended> {
        let output = self.shell(&format!("{}\n{AFTER}", block.text)).output().await?;
        let said = [output.stdout, output.stderr].concat();
        Ok(Ended {
            status: output.status,
            said: String::from_utf8_lossy(&said).into_owned(),
        })
    }

    /// Starts a block of one command that goes on, and waits for its first words. It ends when it is dropped.
    async fn stay(&self, block: &Block) -> Result<Child> {
        // In place of the shell, which would leave it behind.
        let command = format!("exec {}", block.text);
        let mut child = self
            .shell(&command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let begun = timeout(BEGIN, lines.next_line()).await;
        if !matches!(begun, Ok(Ok(Some(_)))) {
            child.start_kill()?;
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                errors.read_to_string(&mut said).await?;
            }
            bail!("it does not begin:\n{}\n{said}", block.text);
        }
        // What it says later must not stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(child)
    }

    fn shell(&self, commands: &str) -> Command {
        let mut command = Command::new("bash");
        let script = format!("{BEFORE}\n{commands}");
        command
            .args(["-euo", "pipefail", "-c", &script])
            .env("KEPT", self.kept())
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join(".variables")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
