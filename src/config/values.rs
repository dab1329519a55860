//! The values a configuration is made of. Whoever reads the file has checked them: nothing here can be
//! wrong in itself.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{auth::credential::Source, fences::Lives, request::HeadLimits, secret::Secret};

/// Where we listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket file.
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

/// Where clients come in, and how they speak there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// How; a reload changes it on the open socket, for connections accepted from then on.
    pub manner: Manner,
}

/// What comes on a connection before HTTP does. Without any of it: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Manner {
    /// A TLS handshake.
    pub tls: bool,
    /// A line of a proxy that says whom it speaks for, before all else.
    pub proxy_protocol: bool,
}

/// `store = …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A Redis, shared by all gateways.
    Redis(Box<RedisStore>),
    /// The embedded file.
    File(PathBuf),
    /// This process's memory: gone when it ends.
    Memory,
}

/// A Redis and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStore {
    /// Where it is.
    pub address: RedisAddress,
    /// With `rediss…://`.
    pub tls: Option<RedisTls>,
    /// Who we are there.
    pub login: RedisLogin,
    /// Who we are to its sentinels.
    pub sentinel_login: RedisLogin,
    /// The number after the last `/`.
    pub database: i64,
    /// Before every key of ours: `tollgate:` by default.
    pub prefix: String,
    /// Longest wait for an answer (and for a connection).
    pub timeout: Duration,
    /// Most look-ups of a worker that are there at once.
    pub questions: usize,
    /// Most look-ups of a worker that wait for that.
    pub waiting: usize,
    /// Which replicas must have a write before it is acknowledged.
    pub wait_replicas: WaitReplicas,
}

/// How many replicas must have a write before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReplicas {
    /// One, of what takes access away, while the server has any; none of what gives it.
    Auto,
    /// None.
    Never,
    /// So many, of whatever takes access away and of what gives it.
    Always(u8),
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAddress {
    /// `redis://`: one server.
    One(RedisNode),
    /// `redis+unix://`: a socket file.
    Unix(PathBuf),
    /// `redis+sentinel://`: whichever server the sentinels name.
    Sentinel {
        /// Whom to ask.
        sentinels: Vec<RedisNode>,
        /// What they call the server that we mean.
        master: String,
    },
    /// `redis+cluster://`: the nodes that hold the slots.
    Cluster {
        /// Whom to ask for the others.
        seeds: Vec<RedisNode>,
    },
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// By name or address, an IPv6 address without brackets.
    pub host: String,
    /// 6379 unless named; a sentinel's is 26379.
    pub port: u16,
}

impl std::fmt::Display for RedisNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Name and password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisLogin {
    /// `default` where there is only a password.
    pub username: Option<String>,
    /// And how we prove it.
    pub password: Option<Secret>,
}

/// What a Redis has to prove, and what we show it. The files were there when the file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// PEM file that replaces the system's roots.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate, its leaf first, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// `X-Auth-Subject = "{principal.id}"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityField {
    /// What it is called.
    pub name: HeaderName,
    /// What it says.
    pub value: Vec<Piece>,
}

/// A part of an identity field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal text: visible ASCII and blanks.
    Text(String),
    /// `{principal.kind}`
    Kind,
    /// `{principal.id}`
    Id,
    /// `{principal.name}`
    Name,
    /// `{principal.email}`
    Email,
    /// `{principal.roles}`
    Roles,
    /// `{principal.scopes}`
    Scopes,
}

/// `[usergrid]`: tenants, and the endpoints that the clients of Usergrid know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usergrid {
    /// Lifetime of a token when neither its request nor its application says another.
    pub default_ttl: Duration,
    /// Longest lifetime that a request may ask for where its application says no other.
    pub max_ttl: Duration,
    /// Longest `accesstokenttl` of an application.
    pub application_ttl_max: Duration,
    /// Whether `ttl=0` and `accesstokenttl=0` make tokens that never expire; refused otherwise.
    pub never_expire: bool,
    /// Where `/management/**` is answered.
    pub management: Management,
    /// `registration = "open"`: anybody may create organizations and admins.
    pub open_registration: bool,
    /// `jsonp = true`: `?callback=` is honoured on what we answer ourselves.
    pub jsonp: bool,
    /// `open-roles = true`: wildcards reach roles, permissions and credentials, as on the platform.
    pub open_roles: bool,
    /// How long what is known of a tenant counts for guests while the store cannot be reached.
    pub guest_grace: Duration,
    /// Wrong passwords of one account from one address within a quarter of an hour until 429.
    pub wrong_passwords: u32,
    /// Wrong passwords and secrets from one address within a minute until 429.
    pub wrong_passwords_per_address: u32,
    /// Passwords hashed at a time.
    pub hashes: usize,
    /// What is created at the first start.
    pub bootstrap: Option<Bootstrap>,
}

/// Where `/management/**` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Management {
    /// To clients, like everything else.
    Public,
    /// On the admin listener only.
    Admin,
    /// Nowhere.
    Off,
}

/// `[usergrid.bootstrap]`: a first tenant, made once and never changed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Name of the organization.
    pub organization: String,
    /// Name of an application besides its sandbox.
    pub application: Option<String>,
    /// Username of its first admin.
    pub username: String,
    /// And the e-mail address.
    pub email: String,
    /// And the name.
    pub name: Option<String>,
    /// And the password.
    pub password: Secret,
}

/// `[tokens]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Where a request may carry its credential; at least one.
    pub from: Vec<Source>,
    /// Most records kept near.
    pub near_entries: u64,
    /// How long one counts while the store pushes changes.
    pub near_ttl: Duration,
    /// How long one counts while it does not; never longer than `near_ttl`.
    pub near_ttl_without_push: Duration,
    /// How long a confirmed identity outlives an unreachable store.
    pub grace: Duration,
    /// Default lifetime of `tollgate token issue`; `None` never expires.
    pub ttl: Option<Duration>,
    /// Records of another service. `None`: our own tokens.
    pub foreign: Option<Foreign>,
}

impl Tokens {
    /// How long what was read from the store counts.
    #[must_use]
    pub fn lives(&self) -> Lives {
        Lives { alone: self.near_ttl_without_push.min(self.near_ttl), heard: self.near_ttl }
    }
}

/// A foreign layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Under which key a token's record is; names the token or its digest at least once.
    pub key: Vec<KeyPiece>,
    /// How the record is written.
    pub record: ForeignRecord,
    /// Whose it is. Empty for a record of plain text.
    pub subject: FieldAt,
    /// A name for people.
    pub name: Option<FieldAt>,
    /// An e-mail address.
    pub email: Option<FieldAt>,
    /// Roles held.
    pub roles: Option<ListAt>,
    /// Scopes granted.
    pub scopes: Option<ListAt>,
    /// When it ends.
    pub expires: Option<ExpiresAt>,
}

/// A part of a foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPiece {
    /// Literal text.
    Text(String),
    /// `{token}`
    Token,
    /// `{sha256}`: the token's digest in hexadecimal.
    Sha256,
}

/// How a foreign record is written.
///
/// `text`: the whole value is the subject and no other field exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignRecord {
    /// A string that holds a JSON object.
    Json,
    /// A hash.
    Hash,
    /// A string that is the subject.
    Text,
}

/// JSON pointer (json) or field name (hash).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAt(pub String);

/// Where a list is, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAt {
    /// JSON pointer or field name.
    pub at: String,
    /// One string, cut at this; `None`: an array of strings.
    pub split: Option<String>,
}

/// Where an end is, and in what unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiresAt {
    /// JSON pointer or field name.
    pub at: String,
    /// Never guessed.
    pub unit: TimeUnit,
}

/// How an instant is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// `2026-12-31T00:00:00Z`
    Rfc3339,
}

/// A trusted network, IPv4-mapped IPv6 unmapped; or every unix peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Addresses that agree with `address` in their first `prefix` bits.
    Ip {
        /// The network's first address.
        address: std::net::IpAddr,
        /// Never 0: nobody trusts everybody.
        prefix: u8,
    },
    /// Every peer of a unix socket.
    Unix,
}

/// `[cors]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `None`: any origin (`"*"`), never with credentials.
    pub origins: Option<Vec<HeaderValue>>,
    /// Whether browsers may send credentials along.
    pub credentials: bool,
    /// `None`: mirror what the preflight asks for.
    pub methods: Option<HeaderValue>,
    /// `None`: mirror what the preflight asks for.
    pub headers: Option<HeaderValue>,
    /// Fields of answers that scripts may read besides the common ones.
    pub expose: Option<HeaderValue>,
    /// How long a browser may keep a preflight's answer.
    pub max_age: Duration,
}

/// `[limits]`: each has a reason beside its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bounds of a request's head.
    pub head: HeadLimits,
    /// Most connections; `None`: half of the descriptor limit.
    pub connections: Option<usize>,
    /// Most connections of one address; `None`: as many as of all.
    pub connections_per_address: Option<usize>,
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
    /// HTTP/2 resets by the client, per connection and second; more close it.
    pub resets: usize,
    /// Other HTTP/2 frames that carry neither a request nor a body, likewise.
    pub frames: usize,
    /// Unknown foreign tokens looked up per address and minute.
    pub unknown_tokens: u32,
    /// Silence in both directions of a connection that has switched protocols.
    pub tunnel_idle: Duration,
    /// Time to finish what is open after SIGTERM.
    pub drain: Duration,
}

/// `[log] access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Text on a terminal, where a person reads it; JSON in a pipe, where a collector does.
    Auto,
    /// One JSON object for each request.
    Json,
    /// One readable line for each request.
    Text,
    /// None.
    Off,
}

/// How an access line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// For programs.
    Json,
    /// For people.
    Text,
}

impl AccessLog {
    /// The form of lines on a standard output that is a terminal, or is none; `None`: no lines.
    #[must_use]
    pub fn form(self, terminal: bool) -> Option<LineForm> {
        match self {
            Self::Off => None,
            Self::Json => Some(LineForm::Json),
            Self::Text => Some(LineForm::Text),
            Self::Auto => Some(if terminal { LineForm::Text } else { LineForm::Json }),
        }
    }
}
