//! What the tests stand on: a gateway process, a backend, a Redis, and clients that repair nothing.
//!
//! Nothing here sleeps to let something happen: [`until`] asks again and again, up to [`PATIENCE`].

pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod dam;
pub(crate) mod fleets;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod http2;
pub(crate) mod pki;
pub(crate) mod redis;
pub(crate) mod streams;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod websocket;
pub(crate) mod wire;

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How long anything may take before the test has failed. Generous: machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `look` until it finds something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A loopback port for a server that cannot choose one itself, or must come back on the same. Below the
/// kernel's ephemeral range, so that no outgoing connection takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(131);
    loop {
        let step = first.wrapping_add(NEXT.fetch_add(1, Relaxed));
        let port = 10_000 + u16::try_from(step % 22_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A table's rows that did not hold, told together.
#[derive(Default)]
pub(crate) struct Rows(Vec<String>);

impl Rows {
    pub(crate) fn check(&mut self, row: &str, found: &str, expected: &str) {
        if found != expected {
            self.0.push(format!("{row}: {found}, not {expected}"));
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{:#?}", self.0);
        }
    }
}

/// A library to be loaded before all others, which every distribution keeps in a folder of its own.
pub(crate) fn library(name: &str) -> std::path::PathBuf {
    let roots = ["/usr/lib", "/usr/local/lib"].map(std::path::PathBuf::from);
    let found = roots.into_iter().flat_map(|root| {
        let deeper = std::fs::read_dir(&root).into_iter().flatten().flatten();
        let deeper: Vec<_> = deeper.map(|entry| entry.path()).collect();
        std::iter::once(root).chain(deeper)
    });
    let mut found = found.map(|folder| folder.join(name));
    found.find(|file| file.exists()).unwrap_or_else(|| {
        panic!("this test needs {name}: `make test` installs it");
    })
}
