//! Where API and pages are served, and to whom, as the flags have it.

use std::{net::TcpListener, sync::Arc};

use anyhow::{Context as _, bail};
use axum::Router;
use jiff::Timestamp;
use kube::Client;
use tokio_util::sync::CancellationToken;

use super::{
    effective,
    identity::pod_name,
    settings::{Address, ApiArgs, ApiAuth},
};
use crate::{
    access::Access,
    api::{self, About, Api, ApiToken, Auth, Hosts, Limits, Origin, anonymous},
    dashboard::{self, Dashboard},
    fleet::Fleet,
    notify::Notifier,
};

/// The token of the mode `token`. No flag: whoever sees the process would see it.
const TOKEN: &str = "KYMAROS_API_TOKEN";

/// None: they are served nowhere.
pub(super) fn listener(args: &ApiArgs) -> anyhow::Result<Option<TcpListener>> {
    match args.api_bind_address {
        Address::At(address) => super::listen(address, "the API").map(Some),
        Address::Nowhere => Ok(None),
    }
}

pub(super) async fn api(
    args: &ApiArgs,
    fleet: Fleet,
    notifier: Notifier,
    client: &Client,
    stop: CancellationToken,
) -> anyhow::Result<Api> {
    let auth = match args.api_auth {
        ApiAuth::Kubernetes => Auth::Kubernetes {
            access: Access::new(client.clone()),
            anonymous: anonymous().await?,
        },
        ApiAuth::Token => match ApiToken::new(&std::env::var(TOKEN).unwrap_or_default()) {
            Some(token) => Auth::Token(token),
            None => bail!("--api-auth is token, but {TOKEN} is not set: nobody could change anything"),
        },
        ApiAuth::None => Auth::None,
    };
    let cors = match args.cors_origin.as_deref().filter(|origin| !origin.is_empty()) {
        Some(origin) => Some(Origin::new(origin).with_context(|| {
            format!("--cors-origin is {origin:?}; write a scheme and a host, such as https://ops.example.com")
        })?),
        None => None,
    };
    let version = client.apiserver_version().await;
    Ok(Api {
        fleet,
        auth,
        notifier,
        client: client.clone(),
        about: Arc::new(About {
            kubernetes_version: version.map(|version| version.git_version).unwrap_or_default(),
            pod: pod_name().unwrap_or_default(),
            started: Timestamp::now(),
        }),
        limits: Limits::new(args.api_requests_per_second),
        hosts: Hosts::new(&args.api_hosts),
        cors,
        stop,
    })
}

/// Everything on that port: pages beside the routes of the API.
fn app(api: Api) -> Router {
    let pages = Dashboard::new(api.clone(), effective::settings());
    api::router(api).merge(dashboard::router(pages))
}

/// Serves until `stop`.
pub(super) async fn serve(
    listener: Option<TcpListener>,
    api: Api,
    stop: CancellationToken,
) -> std::io::Result<()> {
    if let Some(listener) = listener {
        return api::serve(listener, app(api), stop).await;
    }
    stop.cancelled().await;
    Ok(())
}
