//! A client of another cluster. It sends nothing but GET, so that nothing here can change anything there, whatever its
//! account may; it follows no redirect and no proxy, and takes no answer without an end.

use std::{
    future::ready,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use axum::http::{Method, Request, Response};
use futures::future::BoxFuture;
use http_body_util::Limited;
use hyper::body::{Body as HttpBody, Bytes};
use hyper_util::{
    client::legacy::{
        Client as HttpClient,
        connect::{HttpConnector, dns::Name},
    },
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
    config::{KubeConfigOptions, Kubeconfig},
};
use thiserror::Error;
use tokio::time::timeout;
use tower::{BoxError, Layer, Service, ServiceExt, util::option_layer};

use super::{kubeconfig::REACH, refusal::Refusal, session::STALLED};
use crate::reach::allowed;

/// How long a connection may take to come about.
const CONNECTS: Duration = Duration::from_secs(5);
/// A connection on which nothing comes is asked whether it still is one.
const ALIVE: Duration = Duration::from_secs(15);
/// Largest answer, bytes: a hundred of the largest reports, and what a watch brings in the minutes it lasts. Beyond it
/// the answer breaks off, and everything is listed anew.
const MOST: usize = 64 << 20;

/// Something else than a question was to be sent.
#[derive(Debug, Error)]
#[error("other clusters are only read; {0} is not sent to them")]
struct NotARead(Method);

/// A client that reads, with what was taken of a kubeconfig.
pub(super) async fn connect(kubeconfig: Kubeconfig) -> Result<Client, Refusal> {
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|_| Refusal::Undecodable)?;
    // Of the environment: it would look names up by itself, behind the fence.
    config.proxy_url = None;
    let mut http = HttpConnector::new_with_resolver(Guarded);
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECTS));
    http.set_keepalive(Some(ALIVE));
    http.set_keepalive_interval(Some(ALIVE));
    http.set_keepalive_retries(Some(2));
    let https = config
        .rustls_https_connector_with_connector(http)
        .map_err(|_| Refusal::Undecodable)?;
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(https);
    let auth = config.auth_layer().map_err(|_| Refusal::Undecodable)?;
    let signed = option_layer(auth).layer(client.map_err(BoxError::from));
    let based = config.base_uri_layer().layer(signed);
    Ok(reading(based, config.default_namespace))
}

/// Sends on what reads, and bounds what comes back, and how long it takes to begin.
fn reading<S, B>(service: S, namespace: String) -> Client
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let reads = tower::service_fn(move |request: Request<Body>| -> BoxFuture<'static, _> {
        if request.method() != Method::GET {
            let refused = NotARead(request.method().clone());
            return Box::pin(ready(Err(BoxError::from(refused))));
        }
        // A watch that never began would be taken for one on which nothing comes.
        let sent = timeout(STALLED, service.clone().oneshot(request));
        Box::pin(async move { Ok(sent.await??.map(|body| Limited::new(body, MOST))) })
    });
    Client::new(reads, namespace)
}

/// Looks names up, and hands on what may be connected to.
#[derive(Clone, Copy)]
struct Guarded;

impl Service<Name> for Guarded {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(allowed(found, REACH)?.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use http_body_util::Full;
    use kube::{
        Api,
        api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
    };
    use kymaros_crds::RestoreTest;
    use serde_json::json;

    use super::*;
    use crate::{
        clusters::{
            kubeconfig::{checked, tests::of},
            lost::Lost,
        },
        fleet::sample::test,
    };

    /// A client over an API server that answers everything alike, and how often it was asked.
    fn over(answer: Vec<u8>) -> (Client, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (asked.clone(), Bytes::from(answer));
        let server = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            ready(Ok::<_, BoxError>(Response::new(Full::new(answer.clone()))))
        });
        (reading(server, "default".into()), asked)
    }

    #[tokio::test]
    async fn nothing_but_reads_is_sent() {
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": [] });
        let (client, asked) = over(list.to_string().into_bytes());
        let tests = Api::<RestoreTest>::namespaced(client, "ops");
        let patch = Patch::Merge(json!({}));
        let refused = [
            tests
                .create(&PostParams::default(), &test("ops", "shop"))
                .await
                .err(),
            tests.patch("shop", &PatchParams::default(), &patch).await.err(),
            tests.delete("shop", &DeleteParams::default()).await.err(),
            tests
                .delete_collection(&DeleteParams::default(), &ListParams::default())
                .await
                .err(),
        ];
        for error in refused {
            let kube::Error::Service(error) = error.unwrap() else {
                panic!("it was not stopped here")
            };
            assert!(error.to_string().contains("only read"), "{error}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        assert!(tests.list(&ListParams::default()).await.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_broken_off() {
        let (client, _) = over(vec![b' '; MOST + 1]);
        let tests = Api::<RestoreTest>::namespaced(client, "ops");
        let error = tests.list(&ListParams::default()).await.unwrap_err();
        assert!(format!("{error:?}").contains("LengthLimit"), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_never_begins_is_given_up() {
        // A fake API server that never answers.
        let server =
            tower::service_fn(|_: Request<Body>| pending::<Result<Response<Full<Bytes>>, BoxError>>());
        let tests = Api::<RestoreTest>::all(reading(server, "default".into()));
        let params = WatchParams::default();
        let watch = timeout(STALLED * 2, tests.watch(&params, "1")).await;
        let error = watch.expect("it is given up").map(drop).unwrap_err();
        assert_eq!(Lost::from(&error), Lost::Stalled);
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_stands_for() {
        // Numbers in a way that only the system reads.
        let metadata: Name = "0xa9fea9fe".parse().unwrap();
        let refused = Guarded.call(metadata).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains("never connected to"), "{refused}");
        let here: Name = "localhost".parse().unwrap();
        assert!(Guarded.call(here).await.unwrap().next().is_some());
    }

    #[tokio::test]
    async fn what_does_not_decode_is_refused() {
        let server = json!({ "server": "https://eu.example.com", "certificate-authority-data": "SECRET" });
        let kubeconfig = checked(of(&server, &json!({ "token": "t" })).as_bytes()).unwrap();
        let refused = connect(kubeconfig).await.map(drop).unwrap_err();
        assert_eq!(refused, Refusal::Undecodable);
        assert!(!refused.to_string().contains("SECRET"));
    }
}
