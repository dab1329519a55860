//! What handshakes are made with, and what one of them proved.

use std::sync::Arc;

use rustls::{
    Error, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs::Ticketer,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use super::{
    names::{self, Names},
    pem::provider,
    sites::{Sites, host},
};
use crate::principal::Certificate;

/// What `[tls]` says, checked.
#[derive(Debug)]
pub struct Settings {
    /// The certificates that we show.
    pub sites: Arc<Sites>,
    /// Whoever vouches for clients; `None` asks them for nothing.
    pub client_ca: Option<ClientCa>,
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
}

/// Whoever vouches for clients.
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// The file's bytes: what a reload compares.
    pem: Vec<u8>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientCa {
    /// The authorities of `pem`, which is where `roots` were read. A client need not have a certificate;
    /// whoever shows one that they do not vouch for gets no connection.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(pem: Vec<u8>, roots: RootCertStore) -> Result<Self, Error> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { pem, verifier })
    }
}

/// What handshakes are made with. All workers share one, and so one set of ticket keys.
#[derive(Debug)]
pub struct Server {
    /// For the handshakes.
    pub config: Arc<ServerConfig>,
    sites: Arc<Sites>,
    client_ca: Option<Vec<u8>>,
}

impl Server {
    /// Ticket keys of `before` stay, so that a reload costs no client its session; not where others
    /// vouch for clients now: a resumed session would outlive whoever vouched for it.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(settings: &Settings, before: Option<&Self>) -> Result<Self, Error> {
        let client_ca = settings.client_ca.as_ref().map(|ca| ca.pem.clone());
        let versions: &[_] = if settings.tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
        // The provider's suites are forward-secret and AEAD, every one; a test holds that.
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        let builder = match &settings.client_ca {
            Some(ca) => builder.with_client_cert_verifier(Arc::clone(&ca.verifier)),
            None => builder.with_no_client_auth(),
        };
        let resolver = Arc::clone(&settings.sites);
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = match before.filter(|before| before.client_ca == client_ca) {
            Some(before) => Arc::clone(&before.config.ticketer),
            None => Ticketer::new()?,
        };
        // Tickets are all that a session is kept in: nothing grows here with the clients that were.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // 0-RTT can be replayed.
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), sites: Arc::clone(&settings.sites), client_ca })
    }

    /// What the handshake of `connection`, which is complete, has shown.
    #[must_use]
    pub fn session(&self, connection: &ServerConnection) -> Session {
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        Session {
            server_name: connection.server_name().map(host),
            names: Arc::clone(&self.sites.choose(connection.server_name()).names),
            certificate: leaf.and_then(|leaf| names::of_client(leaf)),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// What a client's handshake has shown.
#[derive(Debug)]
pub struct Session {
    /// Whom the client wanted to reach.
    server_name: Option<String>,
    /// What the certificate is for that it was shown.
    names: Arc<Names>,
    /// Its own, verified; `None` when it has none.
    pub certificate: Option<Certificate>,
    /// Whether it came back with a ticket.
    pub resumed: bool,
}

impl Session {
    /// Whether a request for `host`, which is canonical, belongs on this connection (RFC 9110 7.4). A
    /// client that named nobody may ask for anything.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.server_name.as_ref().is_none_or(|name| name == host || self.names.cover(host))
    }
}
