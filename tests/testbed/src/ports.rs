//! Ports for what a test starts.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context, Result};

/// The first of them. Between it and 32768, where Linux begins, the system gives no port to those who ask for any, so
/// that nobody takes one before it is used.
const FIRST: u16 = 17_000;
/// How many a process has for itself.
const EACH: u16 = 100;
/// How many processes have other ones.
const PROCESSES: u32 = 130;

/// Ports of the loopback address that nobody uses right now, and that nobody else is given soon.
///
/// # Errors
/// When all that this process has are in use.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % PROCESSES)? * EACH;
    let mut ports = [0; N];
    for port in &mut ports {
        let mut each = (0..EACH).map(|_| FIRST + own + NEXT.fetch_add(1, Ordering::Relaxed) % EACH);
        let free = each.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
        *port = free.context("no port is free")?;
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_in_use_is_not_free() {
        let [taken] = free_ports().unwrap();
        let _listener = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        for _ in 0..2 * EACH {
            assert_ne!(free_ports().unwrap(), [taken]);
        }
    }
}
