//! Between an operator and the API server: every request passes, is counted, and can be refused, or kept from coming
//! back. A test part, for faults that no real API server can be asked for. It listens on the loopback address, and asks
//! with an identity of its own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use futures::StreamExt;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header, server,
};
use hyper_util::rt::TokioIo;
use kube::{Client, Config, client::Body};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::Cluster;

/// What is done with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It passes.
    Pass,
    /// It is done, and its answer never comes back.
    Swallow,
    /// It is not done; this is the answer.
    Refuse(u16),
}

type Rule = Box<dyn FnMut(usize, &str) -> Treatment + Send>;
type Trouble = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Trouble>>;

/// The proxy; it ends when it is dropped.
pub struct Between {
    address: SocketAddr,
    state: Arc<State>,
    _task: AbortOnDropHandle<()>,
}

/// What becomes of reads.
#[derive(Default)]
struct Reads {
    /// So many were asked for since they are refused.
    asked: usize,
    /// One in so many is refused, with this code.
    refused: Option<(usize, u16)>,
}

struct State {
    client: Client,
    /// Writes since the last [`Between::rule`], in words.
    writes: watch::Sender<Vec<String>>,
    rule: Mutex<Rule>,
    reads: Mutex<Reads>,
    /// Goes up when all watches are cut.
    cuts: watch::Sender<u32>,
}

impl Between {
    /// Starts listening; whoever asks here asks the API server with this token.
    ///
    /// # Errors
    /// When the cluster's address is not known, or no port is free.
    pub async fn start(cluster: &Cluster, token: &str) -> Result<Self> {
        let kubeconfig = kube::config::Kubeconfig::read_from(&cluster.kubeconfig)?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
        config.auth_info = kube::config::AuthInfo {
            token: Some(token.to_owned().into()),
            ..kube::config::AuthInfo::default()
        };
        config.read_timeout = None;
        let state = Arc::new(State {
            client: Client::try_from(config)?,
            writes: watch::Sender::new(Vec::new()),
            rule: Mutex::new(Box::new(|_, _| Treatment::Pass)),
            reads: Mutex::default(),
            cuts: watch::Sender::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, state.clone()));
        Ok(Self {
            address,
            state,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// A kubeconfig that leads here.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             clusters: [{{name: c, cluster: {{server: 'http://{}'}}}}], users: [{{name: u, user: {{}}}}]}}\n",
            self.address
        )
    }

    /// From now on, writes are counted from 1 and treated as `rule` says of each (its number and what it is).
    pub fn rule(&self, rule: impl FnMut(usize, &str) -> Treatment + Send + 'static) {
        *lock(&self.state.rule) = Box::new(rule);
        self.state.writes.send_replace(Vec::new());
    }

    /// From now on, one in so many reads gets this code for an answer: of objects, lists and watches, and of ways into
    /// pods.
    pub fn refuse_reads(&self, one_in: usize, code: u16) {
        let refused = Some((one_in, code));
        *lock(&self.state.reads) = Reads { asked: 0, refused };
    }

    /// From now on, every read passes; how many were refused.
    #[must_use]
    pub fn let_reads_pass(&self) -> usize {
        let reads = std::mem::take(&mut *lock(&self.state.reads));
        reads.refused.map_or(0, |(one_in, _)| reads.asked / one_in)
    }

    /// The writes since then.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        self.state.writes.borrow().clone()
    }

    /// Waits until there have been so many.
    ///
    /// # Errors
    /// When the proxy has ended.
    pub async fn written(&self, count: usize) -> Result<()> {
        let mut writes = self.state.writes.subscribe();
        writes
            .wait_for(|w| w.len() >= count)
            .await
            .context("the proxy ended")?;
        Ok(())
    }

    /// Ends every watch that is open now; how many there are.
    #[must_use]
    pub fn cut_watches(&self) -> usize {
        let open = self.state.cuts.receiver_count();
        self.state.cuts.send_modify(|n| *n += 1);
        open
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let state = state.clone();
                async move { Ok::<_, Infallible>(state.answer(request).await) }
            });
            let connection = server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // The other side may be killed at any moment; that is what this is for.
            let _ = connection.await;
        });
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_write {
            let refusal = lock(&self.reads).refuse();
            return match refusal {
                Some(code) => refused(code),
                None => self.forward(request).await,
            };
        }
        let what = format!("{} {}", request.method(), request.uri().path());
        let number = self.writes.borrow().len() + 1;
        let treatment = (lock(&self.rule))(number, &what);
        let answer = match treatment {
            Treatment::Refuse(code) => refused(code),
            Treatment::Pass | Treatment::Swallow => self.forward(request).await,
        };
        self.writes.send_modify(|writes| writes.push(what));
        if treatment == Treatment::Swallow {
            return std::future::pending().await;
        }
        answer
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Answer {
        let is_watch = request.uri().query().is_some_and(|q| q.contains("watch=true"));
        let ours = request
            .headers()
            .contains_key(header::UPGRADE)
            .then(|| hyper::upgrade::on(&mut request));
        request.headers_mut().remove(header::HOST);
        let (head, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let answer = self
            .client
            .send(Request::from_parts(head, Body::from(body)))
            .await;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => return plain(StatusCode::BAD_GATEWAY, error.to_string()),
        };
        if let (Some(ours), StatusCode::SWITCHING_PROTOCOLS) = (ours, answer.status()) {
            let theirs = hyper::upgrade::on(&mut answer);
            tokio::spawn(async move {
                if let Ok((ours, theirs)) = tokio::try_join!(ours, theirs) {
                    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
                    // Either side may go first.
                    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
                }
            });
        }
        if !is_watch {
            return answer.map(|body| UnsyncBoxBody::new(body.map_err(Into::into)));
        }
        let mut cuts = self.cuts.subscribe();
        let cut = async move { cuts.changed().await };
        answer.map(|body| {
            let frames = BodyStream::new(body).take_until(Box::pin(cut));
            UnsyncBoxBody::new(StreamBody::new(frames).map_err(Into::into))
        })
    }
}

impl Reads {
    /// The answer to the next one, when it does not pass.
    fn refuse(&mut self) -> Option<u16> {
        let (one_in, code) = self.refused?;
        self.asked += 1;
        self.asked.is_multiple_of(one_in).then_some(code)
    }
}

/// As the API server words it.
fn refused(code: u16) -> Answer {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = serde_json::json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": "refused by the test" });
    let mut answer = plain(
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        status.to_string(),
    );
    if code == 429 {
        let headers = answer.headers_mut();
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

fn plain(code: StatusCode, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = code;
    answer
}

/// A poisoned lock still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
