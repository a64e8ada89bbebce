//! Asks a component whether it is ready.

use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::components::Ready;

const PATIENCE: Duration = Duration::from_secs(2);

/// Asks components.
pub struct Prober(reqwest::Client);

impl Prober {
    pub fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .timeout(PATIENCE)
            .build()?;
        Ok(Self(client))
    }

    /// Whether it does its work; the process runs already.
    pub async fn is_ready(&self, ready: &Ready) -> bool {
        match ready {
            Ready::Running => true,
            Ready::Http(url) => {
                let response = self.0.get(url).send().await;
                response.is_ok_and(|response| response.status().is_success())
            }
            Ready::Tcp(address) => matches!(timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_))),
            Ready::Socket(path) => matches!(timeout(PATIENCE, UnixStream::connect(path)).await, Ok(Ok(_))),
        }
    }
}
