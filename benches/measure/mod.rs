//! Times of two things that are asked in turn on the same kept-alive connections, so that whatever else the machine does,
//! it does to both.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::TryFutureExt;
use reqwest::RequestBuilder;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Times, sorted.
pub struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// A percentile, milliseconds.
    pub fn at(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

/// How often is asked.
#[derive(Clone, Copy)]
pub struct Load {
    /// Questions of each kind, after as many as `warm_up`.
    pub requests: usize,
    pub warm_up: usize,
    /// Connections they are asked on.
    pub connections: usize,
}

/// Asks both in turn.
pub async fn compare<A, B>(
    load: Load,
    own: impl Fn() -> A + Clone + Send + 'static,
    floor: impl Fn() -> B + Clone + Send + 'static,
) -> Result<(Times, Times), Failure>
where
    A: Future<Output = Result<(), Failure>> + Send,
    B: Future<Output = Result<(), Failure>> + Send,
{
    let each = move |all: usize| all / load.connections;
    let workers: Vec<_> = (0..load.connections)
        .map(|_| {
            let (own, floor) = (own.clone(), floor.clone());
            tokio::spawn(async move {
                let (mut owns, mut floors) = (Vec::new(), Vec::new());
                for round in 0..each(load.warm_up) + each(load.requests) {
                    let (a, b) = (timed(own()).await?, timed(floor()).await?);
                    if round >= each(load.warm_up) {
                        owns.push(a);
                        floors.push(b);
                    }
                }
                Ok::<_, Failure>((owns, floors))
            })
        })
        .collect();
    let (mut owns, mut floors) = (Vec::new(), Vec::new());
    for worker in workers {
        let (own, floor) = worker.await??;
        owns.extend(own);
        floors.extend(floor);
    }
    Ok((Times::of(owns), Times::of(floors)))
}

/// Gets one address and a floor in turn; also how large an answer of the one is, bytes.
#[allow(dead_code, reason = "admission posts what it asks")]
pub async fn compare_pages(
    load: Load,
    client: &reqwest::Client,
    own: String,
    floor: String,
) -> Result<(usize, Times, Times), Failure> {
    compare_requests(load, client.get(own), client.get(floor)).await
}

/// The same of any request and a floor.
#[allow(dead_code, reason = "admission posts what it asks")]
pub async fn compare_requests(
    load: Load,
    own: RequestBuilder,
    floor: RequestBuilder,
) -> Result<(usize, Times, Times), Failure> {
    let bytes = ask(own.try_clone()).await?;
    let asks = |request: RequestBuilder| {
        let request = Arc::new(request);
        move || ask(request.try_clone()).map_ok(drop)
    };
    let (own, floor) = compare(load, asks(own), asks(floor)).await?;
    Ok((bytes, own, floor))
}

/// The size of an answer, bytes. Nothing is kept of it: the memory of the process is to be the server's.
async fn ask(request: Option<RequestBuilder>) -> Result<usize, Failure> {
    let request = request.ok_or("a request that can be sent once only")?;
    let mut answer = request.send().await?.error_for_status()?;
    let mut bytes = 0;
    while let Some(part) = answer.chunk().await? {
        bytes += part.len();
    }
    Ok(bytes)
}

async fn timed(asked: impl Future<Output = Result<(), Failure>>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    asked.await?;
    Ok(begun.elapsed())
}
