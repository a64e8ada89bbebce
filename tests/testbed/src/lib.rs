//! A real one-node Kubernetes with a real Velero, for tests only.
//!
//! There is one on a machine, shared by every clone. It is started by `cargo xtask cluster up`, or by [`cluster::up`];
//! tests call [`cluster::find`], which starts nothing:
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = kymaros_testbed::cluster::find()?;
//! let client = cluster.client().await?;
//! println!("{}", cluster.kubectl(&["get", "pods", "--all-namespaces"])?);
//! # Ok(())
//! # }
//! ```
//!
//! - [`cluster`]: what to call
//! - [`machine`]: the namespaces that everything runs in, and what keeps it running
//! - [`components`]: the processes of the cluster, one file each
//! - [`addons`]: what runs inside: images, DNS, storage class, Velero
//! - [`programs`]: where the programs come from
//! - [`pki`]: certificates and kubeconfigs
//! - [`images`]: container images without a registry
//! - [`scene`]: what tests and the demo play on: namespaces, the shop, backups, the operator
//! - [`between`]: between an operator and the API server, for faults
//! - [`cert_manager`]: cert-manager, for the one test of it
//! - [`lone`]: an API server of its own for one test
//! - [`netpol`]: what enforces `NetworkPolicy`
//! - [`ports`]: ports for what a test starts
//! - [`signals`]: signals to processes of the cluster, for tests that stop or kill one

pub mod addons;
pub mod between;
pub mod cert_manager;
pub mod cluster;
pub mod components;
mod host;
pub mod images;
pub mod lone;
pub mod machine;
pub mod netpol;
mod pki;
pub mod places;
pub mod ports;
pub mod programs;
pub mod progress;
pub mod scene;
pub mod signals;
