//! Container images without a registry and without a container engine.
//!
//! The test cluster cannot pull anything, so every image it runs is put together here: an [`ImageSpec`] lists
//! what is in the image, [`archive::write`] turns it into a docker-archive that containerd imports.
//!
//! - [`busybox`]: a static busybox with its applet links; the application and the pause container of small tests
//! - [`binaries`]: busybox plus some static programs (Velero, its plugin, the cluster DNS)
//! - [`operator`]: a build of Kymaros with the libraries it is linked against
//! - [`shop`]: a small real application, a web front on a `PostgreSQL` database

pub mod archive;
pub mod binaries;
pub mod busybox;
pub(crate) mod debian;
mod entry;
mod layer;
mod libraries;
pub mod operator;
pub mod shop;
mod spec;

pub use entry::{Content, Entry};
pub use spec::{ImageSpec, Tag};
