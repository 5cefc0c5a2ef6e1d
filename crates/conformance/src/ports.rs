//! Ports for servers that tests start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that a connection does not get as its own: those of Linux begin at 32,768.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;
/// Processes that run together look for theirs at different places.
const EACH: u16 = 100;

/// Ports of this machine that nobody listens on, none of them given twice by this process. Another process
/// may take one before it is used.
///
/// # Errors
/// If there is none.
pub fn free<const N: usize>() -> std::io::Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free_port()?;
    }
    Ok(ports)
}

fn free_port() -> std::io::Result<u16> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let begin = u32::from(EACH) * std::process::id();
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed) % COUNT;
        let at = (begin + u32::from(tried)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(at).unwrap_or_default();
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) if tried == COUNT - 1 => return Err(error),
            Err(_) => {}
        }
    }
}
