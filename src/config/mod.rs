//! The configuration: checked values. What the file says key for key is read in `file`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{
    auth::credential::Source,
    policy::RuleSet,
    request::{HeadLimits, path::PathPolicy},
    secret::Secret,
};

/// Everything the program runs on. Immutable; a reload makes a new one.
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// Every file and directory whose change may change it.
    pub sources: Vec<PathBuf>,
    pub listen: Vec<Address>,
    /// `/livez /readyz /metrics`. `None` when `health = "off"`.
    pub health: Option<Address>,
    /// Off unless named.
    pub admin: Option<Address>,
    /// Default: the cgroup's cores, at most 8.
    pub workers: Option<usize>,
    /// The first is `backend`.
    pub backends: Vec<Backend>,
    pub store: Store,
    /// The first signs, all verify. Empty only with a foreign layout.
    pub secrets: Vec<Secret>,
    pub rules: RuleSet,
    pub identity: Vec<IdentityField>,
    pub tokens: Tokens,
    pub paths: PathPolicy,
    pub trust: Vec<Network>,
    pub cors: Option<Cors>,
    pub limits: Limits,
    pub log: AccessLog,
    /// `ready-requires = ["store"]`.
    pub ready_requires_store: bool,
    /// How many `[expect]` lines hold (all of them, or there would be no `Config`).
    pub expectations: usize,
    /// What an operator should know although the file loads: audits that run, secrets that are short, …
    pub warnings: Vec<String>,
}

/// Where we listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `backend`, or the NAME of `[backends.NAME]`.
    pub name: String,
    /// One or more servers, asked in turn.
    pub servers: Vec<Server>,
    /// Leading segments cut from what is sent, canonical.
    pub strip: Option<String>,
    pub host: HostField,
    pub connect_timeout: Duration,
    pub first_byte_timeout: Duration,
    /// Longest silence inside a body.
    pub idle_timeout: Duration,
    /// Most open connections per process; further requests wait within the connect timeout, then 503.
    pub pool_max: usize,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
}

/// A server of a backend: plain TCP (a name is resolved when connecting) or a unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Which Host the backend receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostField {
    Client,
    Backend,
}

/// `store = …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    Redis(RedisStore),
    File(PathBuf),
    Memory,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStore {
    pub address: RedisAddress,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub database: i64,
    /// Before every key of ours: `tollgate:` by default.
    pub prefix: String,
    /// Longest wait for an answer (and for a connection).
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAddress {
    Tcp {
        host: String,
        port: u16,
    },
    /// `rediss://`; `ca` replaces the system's roots.
    Tls {
        host: String,
        port: u16,
        ca: Option<PathBuf>,
    },
    Unix(PathBuf),
}

/// `X-Auth-Subject = "{principal.id}"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityField {
    pub name: HeaderName,
    pub value: Vec<Piece>,
}

/// A part of an identity field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Kind,
    Id,
    Name,
    Email,
    Roles,
    Scopes,
}

/// `[tokens]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub from: Vec<Source>,
    pub near_entries: u64,
    pub near_ttl: Duration,
    pub near_ttl_without_push: Duration,
    pub grace: Duration,
    /// Default lifetime of `tollgate token issue`; `None` never expires.
    pub ttl: Option<Duration>,
    /// Records of another service. `None`: our own tokens.
    pub foreign: Option<Foreign>,
}

/// A foreign layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub key: Vec<KeyPiece>,
    pub record: ForeignRecord,
    pub subject: FieldAt,
    pub name: Option<FieldAt>,
    pub email: Option<FieldAt>,
    pub roles: Option<ListAt>,
    pub scopes: Option<ListAt>,
    pub expires: Option<ExpiresAt>,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPiece {
    Text(String),
    Token,
    Sha256,
}
/// `text`: the whole value is the subject and no other field exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignRecord {
    Json,
    Hash,
    Text,
}
/// JSON pointer (json) or field name (hash).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAt(pub String);
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAt {
    pub at: String,
    pub split: Option<String>,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiresAt {
    pub at: String,
    pub unit: TimeUnit,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    Rfc3339,
}

/// A trusted network, IPv4-mapped IPv6 unmapped; or every unix peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    Ip { address: std::net::IpAddr, prefix: u8 },
    Unix,
}

/// `[cors]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `None`: any origin (`"*"`), never with credentials.
    pub origins: Option<Vec<HeaderValue>>,
    pub credentials: bool,
    /// `None`: mirror what the preflight asks for.
    pub methods: Option<HeaderValue>,
    pub headers: Option<HeaderValue>,
    pub expose: Option<HeaderValue>,
    pub max_age: Duration,
}

/// `[limits]`: each has a reason beside its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub head: HeadLimits,
    /// Most connections; `None`: half of the descriptor limit.
    pub connections: Option<usize>,
    /// From the connection's first moment, or the first byte of a later request, to a complete head.
    pub head_time: Duration,
    /// A kept-alive connection without a request.
    pub keep_alive: Duration,
    /// Silence inside a request body.
    pub body_idle: Duration,
    /// Largest request body, bytes.
    pub body: u64,
    /// HTTP/2 streams per connection.
    pub streams: u32,
    /// HTTP/2 resets by the client accepted before the connection is closed.
    pub resets: usize,
    /// Unknown foreign tokens looked up per address and minute.
    pub unknown_tokens: u32,
    /// Time to finish what is open after SIGTERM.
    pub drain: Duration,
}

/// `[log] access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    Json,
    Text,
    Off,
}
