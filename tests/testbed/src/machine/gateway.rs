//! The way in: connections to the host's end go to the API server and to the S3 server. The listening sockets were made in
//! the host's network and handed over as standard input and output, which have no other use here.

use std::net::TcpListener as StdListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::places::{API_PORT, NODE_ADDRESS, S3_PORT};

/// Serves both until the process ends.
pub fn start() -> Result<()> {
    tokio::spawn(serve(listener(std::io::stdin().as_fd())?, API_PORT));
    tokio::spawn(serve(listener(std::io::stdout().as_fd())?, S3_PORT));
    Ok(())
}

fn listener(socket: BorrowedFd<'_>) -> Result<TcpListener> {
    let listener = StdListener::from(socket.try_clone_to_owned()?);
    listener
        .local_addr()
        .context("the gateway's socket was not handed over")?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

async fn serve(listener: TcpListener, port: u16) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client, port));
            }
            Err(error) => {
                eprintln!("the gateway cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn forward(mut client: TcpStream, port: u16) {
    // While the server is away, clients see a connection that ends, and try again.
    let Ok(mut server) = TcpStream::connect((NODE_ADDRESS, port)).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    // Either side may break off at any time; there is nobody to tell.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
