//! The S3 server that Velero keeps its backups in: a folder behind `versitygw`. A second one answers over TLS for the
//! same folder, as storage with an authority of its own does.

use super::{Component, Ready, pki};
use crate::places::{self, NODE_ADDRESS, S3_PORT, S3_TLS_PORT};
use crate::programs;

/// The access key of the S3 server. It can be reached only from inside the machine.
pub const ACCESS_KEY: &str = "kymaros";
/// The secret key of the S3 server.
pub const SECRET_KEY: &str = "kymaros-testbed";

pub(super) fn component() -> Component {
    serving("s3", S3_PORT, [])
}

pub(super) fn tls_component() -> Component {
    let certificate = [
        format!("--cert={}", pki("s3.crt")),
        format!("--key={}", pki("s3.key")),
    ];
    serving("s3-tls", S3_TLS_PORT, certificate)
}

fn serving<const N: usize>(name: &'static str, port: u16, options: [String; N]) -> Component {
    let mut component = Component::new(
        name,
        programs::program("s3", "versitygw"),
        Ready::Tcp(format!("{NODE_ADDRESS}:{port}")),
    )
    .args([
        format!("--port={NODE_ADDRESS}:{port}"),
        "--region=us-east-1".to_owned(),
    ])
    .args(options)
    .args(["posix".to_owned(), places::state_text("s3")]);
    component.env = vec![
        ("ROOT_ACCESS_KEY", ACCESS_KEY.to_owned()),
        ("ROOT_SECRET_KEY", SECRET_KEY.to_owned()),
    ];
    component
}
