//! `httpGet`: one request over a port-forward into a ready pod of the Service.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use super::{Failure, cut, endpoint};

pub(super) async fn check(
    client: &Client,
    sandbox: &str,
    service: &str,
    port: u16,
    path: &str,
    expected: u16,
) -> Result<String, Failure> {
    let endpoint = endpoint::find(client, sandbox, service, port).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), sandbox);
    let mut forward = pods.portforward(&endpoint.pod, &[endpoint.port]).await?;
    let url = format!("http://{service}:{port}{path}");
    let lost = || Failure::NotYet(format!("GET {url}: the connection was lost"));
    let stream = forward.take_stream(endpoint.port).ok_or_else(lost)?;
    let refused = endpoint::refusal(forward.take_error(endpoint.port).ok_or_else(lost)?);
    let request = Request::get(path)
        .header("host", format!("{service}:{port}"))
        .header("user-agent", concat!("kymaros/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Final(format!("GET {url}: {error}")))?;
    let answer = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            Ok::<_, hyper::Error>(response.status().as_u16())
        };
        tokio::pin!(exchange);
        tokio::select! {
            status = &mut exchange => status,
            ended = connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(error),
            },
        }
    };
    let result = tokio::select! {
        biased;
        status = answer => match status {
            Ok(status) if status == expected => Ok(format!("GET {url} → {status}")),
            Ok(status) => Err(Failure::NotYet(format!("GET {url}: expected status {expected}, got {status}"))),
            Err(error) => Err(Failure::NotYet(format!("GET {url}: {}", cut(&error.to_string())))),
        },
        reason = refused => Err(Failure::NotYet(format!("GET {url}: {}", cut(&reason)))),
    };
    forward.abort();
    result
}
