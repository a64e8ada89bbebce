//! The way in: connections to a port of the host's loopback address go to the API server. The listening socket was
//! made in the host's network and handed over as standard input.

use std::net::TcpListener as StdListener;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::places::{API_PORT, NODE_ADDRESS};

/// The socket on standard input.
pub fn inherited() -> Result<TcpListener> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    let listener = StdListener::from(socket);
    listener.local_addr().context("standard input is no socket")?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client));
            }
            Err(error) => {
                eprintln!("the gateway cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn forward(mut client: TcpStream) {
    // While the API server is away, clients see a connection that ends, and try again.
    let Ok(mut server) = TcpStream::connect((NODE_ADDRESS, API_PORT)).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    // Either side may break off at any time; there is nobody to tell.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
