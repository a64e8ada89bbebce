//! The S3 server that Velero keeps its backups in: a folder behind `versitygw`.

use super::{Component, Ready};
use crate::places::{self, NODE_ADDRESS, S3_PORT};
use crate::programs;

/// The access key of the S3 server. It can be reached only from inside the machine.
pub const ACCESS_KEY: &str = "kymaros";
/// The secret key of the S3 server.
pub const SECRET_KEY: &str = "kymaros-testbed";

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "s3",
        programs::program("s3", "versitygw"),
        Ready::Tcp(format!("{NODE_ADDRESS}:{S3_PORT}")),
    )
    .args([
        format!("--port={NODE_ADDRESS}:{S3_PORT}"),
        "--region=us-east-1".to_owned(),
        "posix".to_owned(),
        places::state_text("s3"),
    ]);
    component.env = vec![
        ("ROOT_ACCESS_KEY", ACCESS_KEY.to_owned()),
        ("ROOT_SECRET_KEY", SECRET_KEY.to_owned()),
    ];
    component
}
