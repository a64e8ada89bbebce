//! `tcpSocket`: a connection over a port-forward into a ready pod of the Service.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::io::AsyncReadExt;

use super::{Failure, cut, endpoint};

/// A refused port is reported within milliseconds; a port that stays silent this long, and long beside what it took to ask,
/// is open. A check has little time, though.
const SILENCE_MEANS_OPEN: Duration = Duration::from_millis(250);
const TIMES_AS_LONG: u32 = 5;
const AT_MOST: Duration = Duration::from_millis(750);

pub(super) async fn check(
    client: &Client,
    sandbox: &str,
    service: &str,
    port: u16,
) -> Result<String, Failure> {
    let endpoint = endpoint::find(client, sandbox, service, port).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), sandbox);
    let asked = Instant::now();
    let mut forward = pods.portforward(&endpoint.pod, &[endpoint.port]).await?;
    let silence = (asked.elapsed() * TIMES_AS_LONG).clamp(SILENCE_MEANS_OPEN, AT_MOST);
    let lost = || Failure::NotYet(format!("TCP {service}:{port}: the connection was lost"));
    let mut stream = forward.take_stream(endpoint.port).ok_or_else(lost)?;
    let refused = endpoint::refusal(forward.take_error(endpoint.port).ok_or_else(lost)?);
    let mut byte = [0_u8; 1];
    let open = || Ok(format!("TCP connect to {service}:{port} succeeded"));
    let result = tokio::select! {
        biased;
        reason = refused => Err(Failure::NotYet(format!("TCP connect to {service}:{port}: {}", cut(&reason)))),
        read = stream.read(&mut byte) => match read {
            Ok(1..) => open(),
            Ok(0) | Err(_) => Err(Failure::NotYet(format!("TCP connect to {service}:{port}: closed at once"))),
        },
        () = tokio::time::sleep(silence) => open(),
    };
    forward.abort();
    result
}
