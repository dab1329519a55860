//! TLS that the gateway ends itself, with real clients and real certificates.

mod certificates;
mod clients;
mod faulty;
mod handshake;
mod sessions;
mod tunnels;

use std::sync::Arc;

use rustls::ClientConfig;

use super::harness::{
    backend::Backend,
    client::{Answer, Client},
    gateway::{Gateway, Setup},
    pki::{Authority, Trust, shake},
};

const RULES: &str = "[rules]\n\"GET /**\" = \"public\"";

/// What every test begins with: a certificate for `shop.example`, which is the first, and one for
/// `other.example` and `*.wild.example`.
struct Stage {
    authority: Authority,
    backend: Backend,
    setup: Setup,
}

impl Stage {
    fn new() -> Self {
        Self::with("")
    }

    /// `more` are further keys of `[tls]`.
    fn with(more: &str) -> Self {
        Self::of(more, RULES)
    }

    /// The same with other rules.
    fn of(more: &str, rules: &str) -> Self {
        let backend = Backend::plain();
        let authority = Authority::new("our authority");
        let setup = Setup::new(&backend.url())
            .key("listen", r#"{ at = "127.0.0.1:0", tls = true }"#)
            .tables(&format!("{TLS}{more}\n{rules}"));
        authority.vouch(&["shop.example"]).write(setup.folder(), "shop");
        authority.vouch(&["other.example", "*.wild.example"]).write(setup.folder(), "other");
        Self { authority, backend, setup }
    }

    fn start(self) -> Running {
        let Self { authority, backend, setup } = self;
        Running { authority, backend, gate: setup.start() }
    }
}

const TLS: &str = r#"[tls]
certificates = [
    { certificate = "shop.pem", key = "shop.key" },
    { certificate = "other.pem", key = "other.key" },
]
"#;

struct Running {
    authority: Authority,
    backend: Backend,
    gate: Gateway,
}

impl Running {
    /// A client that trusts the gateway's authority.
    fn client(&self) -> Trust {
        self.authority.client()
    }

    fn connect(&self, config: &Arc<ClientConfig>, name: &str) -> Client {
        Client::connect_tls(shake(self.gate.address, config, name).unwrap())
    }

    /// A connection for `shop.example`.
    fn shop(&self) -> Client {
        self.connect(&Arc::new(self.client().config()), "shop.example")
    }

    fn handshakes(&self, result: &str) -> f64 {
        self.gate.metric(&format!("tollgate_tls_handshakes_total{{result=\"{result}\"}}"))
    }
}

/// Asks `host` for `/x`.
fn ask(client: &mut Client, host: &str) -> Answer {
    client.ask(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}
