//! Backends of several servers: who gets a request, who is left out, what is asked of another, who goes and comes.

mod checks;
mod choice;
mod names;
mod reloads;
mod retries;
mod trouble;

use std::net::SocketAddr;

use super::harness::{
    backend::{Backend, Latch, Step, ok},
    client::{get, request},
    gateway::{Gateway, Setup},
    until,
};

const RULES: &str = "[rules]\n\"* /open/**\" = \"guest\"\n";

const LOCAL: [u8; 4] = [127, 0, 0, 1];

/// Holds whoever asks for `/open/hold` until the latch is open.
fn holding(latch: &Latch, ip: [u8; 4], port: u16) -> Backend {
    let latch = latch.clone();
    Backend::at(SocketAddr::from((ip, port)), move |head| match head.word(1) {
        "/open/hold" => vec![Step::Body, Step::Wait(latch.clone()), Step::Write(ok("held"))],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    })
}

/// One worker before one backend of these servers; `more` are further keys of its table.
fn setup(servers: &[String], more: &str) -> Setup {
    let table = format!("{RULES}\n[backends.main]\nurl = {servers:?}\n{more}");
    Setup::new("main").key("workers", "1").tables(&table)
}

fn gateway(servers: &[String], more: &str) -> Gateway {
    setup(servers, more).start()
}

fn urls(backends: &[&Backend]) -> Vec<String> {
    backends.iter().map(|backend| backend.url()).collect()
}

/// Requests that came in for `path`.
fn came(backend: &Backend, path: &str) -> usize {
    backend.received().iter().filter(|received| received.line().ends_with(path)).count()
}

/// Whether the gateway says of a server that it gets requests.
fn is_up(gate: &Gateway, url: &str) -> bool {
    let series = format!(r#"tollgate_backend_server_up{{backend="main",server="{url}"}}"#);
    gate.metric(&series) == 1.0
}

fn wait_until_up(gate: &Gateway, url: &str, up: bool) {
    let what = if up { "a server to be back" } else { "a server to be left out" };
    until(what, || (is_up(gate, url) == up).then_some(()));
}
