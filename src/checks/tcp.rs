//! `tcpSocket`: a connection over a port-forward into a ready pod of the Service.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::io::AsyncReadExt;

use super::{Failure, cut, endpoint};

/// A refused port is reported within milliseconds; a port that stays silent this long is open.
const SILENCE_MEANS_OPEN: Duration = Duration::from_millis(250);

pub(super) async fn check(
    client: &Client,
    sandbox: &str,
    service: &str,
    port: u16,
) -> Result<String, Failure> {
    let endpoint = endpoint::find(client, sandbox, service, port).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), sandbox);
    let mut forward = pods.portforward(&endpoint.pod, &[endpoint.port]).await?;
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
        () = tokio::time::sleep(SILENCE_MEANS_OPEN) => open(),
    };
    forward.abort();
    result
}
