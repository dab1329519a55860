//! What an operator sees at the start: what listens, whether backend and store are there, what is
//! fenced, and what deserves attention.

use std::{fmt::Write as _, io::IsTerminal, sync::Arc, time::Duration};

use super::App;
use crate::{
    config::{Address, Backend, Server},
    gateway::Generation,
    store::{HealthState, Store},
    telemetry::log::{Level, event},
    tick,
    upstream::{Upstream, UpstreamError},
};

/// Longest wait for the store's first connection before the banner says what is known.
const STORE_WAIT: Duration = Duration::from_millis(500);

/// Prints which version serves which file, and where: a line for a person on a terminal, an event in a
/// pipe.
pub(super) fn listening(app: &App) {
    let version = env!("CARGO_PKG_VERSION");
    let workers = app.workers.len();
    let generation = app.generation();
    let file = generation.config.file.display();
    say("tollgate", &format!("{version} · {file} · {workers} workers"));
    say("listening", &addresses(app));
}

/// Prints whether what we need is there, in the time that it takes to find out.
pub(super) async fn parts(generation: Arc<Generation>, store: Store) {
    let config = &generation.config;
    for backend in &config.backends {
        let line = format!("{}   {}", servers(backend), reachable(backend).await);
        say(&backend.name, &line);
    }
    say("store", &store_line(&store).await);
    let fence: Vec<&str> = config.identity.iter().map(|field| field.name.as_str()).collect();
    if !fence.is_empty() {
        let names = fence.join(", ");
        say("fence", &format!("{names}: removed from every request in every spelling"));
    }
    for warning in &config.warnings {
        say("warning", warning);
    }
}

fn say(label: &str, text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{label:<11} {text}");
    } else {
        event(Level::Info, label, &[("is", &text)]);
    }
}

/// `127.0.0.1:8080 (HTTP/1.1, HTTP/2)   health 127.0.0.1:9100`.
pub(super) fn addresses(app: &App) -> String {
    let clients: Vec<String> = app.addresses().map(Address::to_string).collect();
    let mut line = format!("{} (HTTP/1.1, HTTP/2)", clients.join(", "));
    let (health, admin) = app.side_doors();
    for (name, door) in [("health", health), ("admin", admin)] {
        if let Some(address) = door {
            let _ = write!(line, "   {name} {address}");
        }
    }
    line
}

fn servers(backend: &Backend) -> String {
    let servers = backend.servers.iter().map(Server::to_string);
    servers.collect::<Vec<_>>().join(", ")
}

async fn reachable(backend: &Backend) -> String {
    let started = std::time::Instant::now();
    match Upstream::alone(backend).probe().await {
        Ok(()) => format!("reachable in {:.1} ms", started.elapsed().as_secs_f64() * 1e3),
        // Why is not in its text, which clients get to see.
        Err(UpstreamError::Tls(why)) => format!("not reachable yet: TLS: {why}"),
        Err(error) => format!("not reachable yet: {error}"),
    }
}

async fn store_line(store: &Store) -> String {
    let give_up = tick::now() + STORE_WAIT;
    while store.health().state != HealthState::Up && tick::now() < give_up {
        tick::sleep(tick::PERIOD).await;
    }
    let health = store.health();
    match health.state {
        HealthState::Up => format!("{}   {}", health.store, health.facts),
        HealthState::Down { cause, .. } => {
            format!("{}   not reachable yet: {cause}; public routes work", health.store)
        }
    }
}
