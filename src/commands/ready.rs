//! `kymaros ready`: whether an operator is ready. `helm test` runs it.

use std::time::Duration;

use anyhow::bail;
use kymaros_crds::domain::duration;
use tokio::time::Instant;

use super::say;

/// Between two questions.
const AGAIN: Duration = Duration::from_millis(500);

/// Which operator, and how long to wait for it.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Host and port of its probes
    #[arg(long, default_value = "127.0.0.1:8081")]
    address: String,
    /// How long it may take, for example 30s
    #[arg(long, default_value = "1m", value_parser = duration::parse)]
    timeout: Duration,
}

/// Asks until it is ready.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let url = format!("http://{}/readyz", args.address);
    let deadline = Instant::now() + args.timeout;
    loop {
        let answer = match client.get(&url).send().await {
            Ok(response) if response.status().is_success() => {
                say::verbatim(format!("{}: ready\n", args.address))?;
                return Ok(());
            }
            Ok(response) => response.text().await.unwrap_or_default(),
            Err(error) => format!("no answer ({})", error.without_url()),
        };
        if Instant::now() >= deadline {
            bail!("{} is not ready: {}", args.address, answer.trim());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::telemetry::health::{self, Readiness};

    async fn ask(readiness: Readiness) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let args = Args {
            address: listener.local_addr()?.to_string(),
            timeout: Duration::ZERO,
        };
        let server = tokio::spawn(health::serve(listener, readiness, std::future::pending()));
        let answer = run(args).await;
        server.abort();
        answer
    }

    #[tokio::test]
    async fn says_what_an_operator_waits_for() {
        assert!(ask(Readiness::waiting_for(&[])).await.is_ok());
        let error = ask(Readiness::waiting_for(&["backups"])).await.unwrap_err();
        assert!(
            error.to_string().ends_with("is not ready: waits for backups"),
            "{error}"
        );
    }
}
