//! The server of API and pages.

use std::{
    future::{Ready, ready},
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    time::Duration,
};

use axum::Router;
use axum_server::{Handle, accept::Accept};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// How long the head of a request may take to come, as in 0.6.9.
const HEAD_COMES: Duration = Duration::from_secs(10);
/// Largest head, bytes.
const MOST_HEAD: usize = 64 << 10;
/// How long nothing of an answer may be taken, as in 0.6.9: whoever stops reading must not hold it in memory for ever.
const STALLS: Duration = Duration::from_mins(1);
/// How long answers under way may take after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> io::Result<()> {
    serve_within(listener, app, stop, STALLS).await
}

async fn serve_within(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
    stalls: Duration,
) -> io::Result<()> {
    let handle = Handle::new();
    let ends = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        ends.graceful_shutdown(Some(GRACE));
    });
    // Over HTTP/2 a connection is never stalled: whoever takes nothing says so, and none of these limits would end it.
    let mut server = axum_server::from_tcp(listener)?
        .http1_only()
        .handle(handle)
        .acceptor(Impatient(stalls));
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_COMES)
        .max_buf_size(MOST_HEAD);
    server
        .serve(app.into_make_service_with_connect_info::<SocketAddr>())
        .await
}

/// Ends connections whose other side takes nothing for this long.
#[derive(Clone, Copy)]
struct Impatient(Duration);

impl<S> Accept<TcpStream, S> for Impatient {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.0));
        ready(Ok((Box::pin(stream), service)))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use axum::{
        body::{Body, Bytes},
        routing::get,
    };
    use futures::{Stream, StreamExt, stream};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Asks a server that waits for no reader at all for its one answer.
    async fn ask(body: impl Stream<Item = Bytes> + Send + 'static) -> TcpStream {
        say(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n", body).await
    }

    async fn say(words: &[u8], body: impl Stream<Item = Bytes> + Send + 'static) -> TcpStream {
        let body = Arc::new(Mutex::new(Some(body.map(Ok::<_, Infallible>))));
        let answer = move || {
            ready(
                body.lock()
                    .unwrap()
                    .take()
                    .map(Body::from_stream)
                    .unwrap_or_default(),
            )
        };
        let app = Router::new().route("/", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_within(
            listener,
            app,
            CancellationToken::new(),
            Duration::ZERO,
        ));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(words).await.unwrap();
        client
    }

    #[tokio::test]
    async fn whoever_stops_reading_holds_no_answer() {
        let (held, mut let_go) = mpsc::channel::<()>(1);
        let endless = stream::repeat(Bytes::from(vec![b'x'; 1 << 16])).inspect(move |_| {
            let _ = &held;
        });
        let _client = ask(endless).await;
        let gone = tokio::time::timeout(PATIENCE, let_go.recv()).await;
        assert_eq!(gone.expect("in time"), None);
    }

    #[tokio::test]
    async fn whoever_speaks_a_protocol_without_these_limits_is_sent_away() {
        // The start of HTTP/2, and settings that nothing is said in.
        let begins = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let mut client = say(begins, stream::empty()).await;
        let mut said = Vec::new();
        // A reset says no, too.
        let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut said)).await;
        drop(read.expect("in time"));
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{said:?}");
    }

    #[tokio::test]
    async fn whoever_reads_is_served_however_long_it_takes() {
        let (say, said) = mpsc::channel::<Bytes>(1);
        let words = stream::unfold(said, |mut said| async { Some((said.recv().await?, said)) });
        let mut client = ask(words).await;
        for word in ["one", "two", "three"] {
            say.send(Bytes::from_static(word.as_bytes())).await.unwrap();
            let mut read = String::new();
            while !read.contains(word) {
                let mut buffer = [0; 1024];
                let count = tokio::time::timeout(PATIENCE, client.read(&mut buffer))
                    .await
                    .expect("in time")
                    .unwrap();
                assert_ne!(count, 0, "the answer goes on");
                read += &String::from_utf8_lossy(&buffer[..count]);
            }
        }
    }
}
