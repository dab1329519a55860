//! A backend as the configuration describes it: its servers, what they speak, how long they are waited for.

use std::{path::PathBuf, time::Duration};

use rustls::pki_types::ServerName;

use super::{BackendTls, Balancing};

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `backend`, or the NAME of `[backends.NAME]`.
    pub name: String,
    /// One or more servers; a name with several addresses is several more.
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
    /// How requests are shared out among them.
    pub balancing: Balancing,
}

/// A server of a backend: TCP, TLS over it, or a unix socket.
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

impl Server {
    /// Its host and port; `None` for a socket file.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port, .. } => Some((host, *port)),
            Self::Unix(_) => None,
        }
    }

    /// The authority by which it is asked, without a port that goes without saying.
    #[must_use]
    pub fn authority(&self) -> String {
        let (host, port, usual) = match self {
            Self::Tcp { host, port } => (host.as_str(), *port, 80),
            Self::Tls { host, port, .. } => (host.as_str(), *port, 443),
            Self::Unix(_) => ("localhost", 80, 80),
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        if port == usual { host } else { format!("{host}:{port}") }
    }
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
