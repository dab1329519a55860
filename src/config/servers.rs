//! A backend as the configuration describes it: its servers, what they speak, how long they are waited for.

use std::{path::PathBuf, time::Duration};

use rustls::pki_types::ServerName;

use super::BackendTls;

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `backend`, or the NAME of `[backends.NAME]`.
    pub name: String,
    /// One or more servers, asked in turn.
    pub servers: Vec<Server>,
    /// Leading segments cut from what is sent, canonical.
    pub strip: Option<String>,
    /// Which Host its servers receive.
    pub host: HostField,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the head of an answer.
    pub first_byte_timeout: Duration,
    /// Longest silence inside a body.
    pub idle_timeout: Duration,
    /// Most open connections per process; further requests wait within the connect timeout, then 503.
    pub pool_max: usize,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
    /// What its servers speak.
    pub http: Http,
}

/// A server of a backend: TCP (a name is resolved when connecting), TLS over it, or a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A host by name or address, an IPv6 address without brackets.
    Tcp {
        /// In lower case.
        host: String,
        /// Never 0.
        port: u16,
    },
    /// The same, in secret.
    Tls {
        /// In lower case.
        host: String,
        /// Never 0.
        port: u16,
        /// What its certificate has to hold.
        name: ServerName<'static>,
        /// Whom we believe, and who we are.
        tls: BackendTls,
    },
    /// A socket file.
    Unix(PathBuf),
}

impl std::fmt::Display for Server {
    /// As it stands in the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, host, port) = match self {
            Self::Tcp { host, port } => ("http", host, port),
            Self::Tls { host, port, .. } => ("https", host, port),
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

/// Which HTTP a backend's servers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2: agreed on by ALPN over TLS, known beforehand elsewhere.
    Two,
}

impl Http {
    /// Its name in a handshake (RFC 7301 6).
    #[must_use]
    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::One => b"http/1.1",
            Self::Two => b"h2",
        }
    }
}

/// Which Host the backend receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostField {
    /// The one the client asked for.
    Client,
    /// The one in the backend's URL.
    Backend,
}
