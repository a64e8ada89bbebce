//! Where metrics are served, and to whom, as the flags have it.

use std::net::TcpListener;

use kube::Client;
use kymaros_certs::Certificates;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::settings::{Address, MetricsArgs};
use crate::{
    access::Access,
    metrics::{self, Served},
};

/// None: they are served nowhere.
pub(super) fn listener(args: &MetricsArgs) -> anyhow::Result<Option<TcpListener>> {
    match args.metrics_bind_address {
        Address::At(address) => super::listen(address, "metrics").map(Some),
        Address::Nowhere => Ok(None),
    }
}

pub(super) fn served(args: &MetricsArgs, certificates: &Certificates, client: &Client) -> Served {
    if args.metrics_secure {
        Served::Secure(certificates.server_config(), Access::new(client.clone()))
    } else {
        Served::Plain
    }
}

/// Serves until `stop`.
pub(super) async fn serve(
    listener: Option<TcpListener>,
    registry: Registry,
    served: Served,
    stop: CancellationToken,
) -> std::io::Result<()> {
    if let Some(listener) = listener {
        return metrics::serve(listener, registry, served, stop).await;
    }
    stop.cancelled().await;
    Ok(())
}
