//! The processes of the cluster: one file each says how one is started and when it is ready.

mod api_server;
mod containerd;
mod controller_manager;
mod etcd;
mod kube_proxy;
mod kubelet;
mod netpol;
mod provisioner;
mod s3;
mod scheduler;

use std::path::PathBuf;

pub use s3::{ACCESS_KEY, SECRET_KEY};

use crate::places::{self, NODE_ADDRESS};
use crate::programs;

/// How to tell that a component does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// An address that answers with success. Certificates are not verified: it is our own process.
    Http(String),
    /// A TCP address that accepts connections.
    Tcp(String),
    /// A Unix socket that accepts connections.
    Socket(PathBuf),
    /// It runs.
    Running,
}

/// One process of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What it is called in the status and in the name of its log.
    pub name: &'static str,
    /// The program; a bare name is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables beside the machine's own.
    pub env: Vec<(&'static str, String)>,
    /// Components that must be ready first.
    pub needs: &'static [&'static str],
    /// When it is ready.
    pub ready: Ready,
    /// Configuration files: path in the state folder, content.
    pub files: Vec<(&'static str, String)>,
}

impl Component {
    fn new(name: &'static str, program: PathBuf, ready: Ready) -> Self {
        Self {
            name,
            program,
            args: Vec::new(),
            env: Vec::new(),
            needs: &[],
            ready,
            files: Vec::new(),
        }
    }

    fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

/// Every component, in the order of a table.
#[must_use]
pub fn all() -> Vec<Component> {
    vec![
        etcd::component(),
        api_server::component(),
        controller_manager::component(),
        scheduler::component(),
        containerd::component(),
        kubelet::component(),
        kube_proxy::component(),
        netpol::component(),
        s3::component(),
        s3::tls_component(),
        provisioner::component(),
    ]
}

fn kubernetes(name: &str) -> PathBuf {
    programs::program("kubernetes", name)
}

fn kubeconfig(user: &str) -> String {
    places::state_text(&format!("kubeconfigs/{user}"))
}

fn pki(file: &str) -> String {
    places::state_text(&format!("pki/{file}"))
}

/// Where the components find the API server.
fn api_server_url() -> String {
    format!("https://{NODE_ADDRESS}:{}", places::API_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_needs_exists_and_comes_before_it() {
        let all = all();
        for (index, component) in all.iter().enumerate() {
            for needed in component.needs {
                let found = all.iter().position(|other| other.name == *needed);
                assert!(
                    found.is_some_and(|found| found < index),
                    "{} needs {needed}",
                    component.name
                );
            }
        }
    }
}
