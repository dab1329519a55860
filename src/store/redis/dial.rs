//! Makes a connection to Redis: TCP, TLS or a unix socket, then `HELLO 3`, the database, and what
//! the server says of itself. No deadline of its own and no retry: the link has both.

use std::{collections::HashMap, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, Value,
    aio::{MultiplexedConnection, SendError},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{changes::Changes, replicas, reply, tls};
use crate::{
    config::{RedisAddress, RedisLogin, RedisNode, RedisStore},
    store::{MAY_LOSE, NO_ROOM, NO_WRITES, StoreError},
};

/// Commands that may wait for the driver to write them. The crate's own 50 would let a burst of
/// misses queue before the deadline's clock of each has started to mean anything.
const PIPELINE_BUFFER: usize = 4_096;

/// Reads and writes the socket. Whoever holds the connection has to poll it.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()>>>;

/// What the server said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `Redis 7.0.15, RESP3`.
    pub(super) text: String,
    /// What is wrong although it answers, and what that means.
    pub(super) warnings: Vec<(String, &'static str)>,
    /// Whether a replica follows it.
    pub(super) is_followed: bool,
    /// What it answers a `PING` with, if that is an error: `LOADING`, `MASTERDOWN`.
    pub(super) complaint: Option<String>,
}

/// Everything needed to connect.
pub(super) struct Dialer {
    info: RedisConnectionInfo,
    /// The same for sentinels, which have no databases.
    sentinel_info: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    /// How this store is called in errors: its URL without user and password.
    pub(super) store: String,
    /// Longest wait for an answer, and for a connection.
    pub(super) limit: Duration,
}

/// One server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Node(RedisNode),
    Unix(PathBuf),
}

impl std::fmt::Debug for Dialer {
    /// Without what holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialer({})", self.store)
    }
}

impl Dialer {
    pub(super) fn new(config: &RedisStore) -> Result<Self, StoreError> {
        let store = name(config);
        let tls = config.tls.as_ref().map(|tls| tls::connector(&store, tls)).transpose()?;
        Ok(Self {
            info: info(&config.login).set_db(config.database),
            sentinel_info: info(&config.sentinel_login),
            tls,
            store,
            limit: config.timeout,
        })
    }

    /// Connects and greets.
    ///
    /// # Errors
    ///
    /// Words for an operator: what failed, without the password.
    pub(super) async fn dial(
        &self,
        endpoint: &Endpoint,
        changes: Arc<Changes>,
    ) -> Result<(MultiplexedConnection, Driver), String> {
        let told = move |told| {
            changes.hear(told);
            Ok::<(), SendError>(())
        };
        let config = config().set_push_sender(told);
        match endpoint {
            Endpoint::Node(node) => self.reach(node, &self.info, config).await,
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
                greet(stream, &self.info, config).await
            }
        }
    }

    /// The same with a sentinel, which tells of nothing unasked.
    pub(super) async fn dial_sentinel(
        &self,
        sentinel: &RedisNode,
    ) -> Result<(MultiplexedConnection, Driver), String> {
        self.reach(sentinel, &self.sentinel_info, config()).await
    }

    async fn reach(
        &self,
        RedisNode { host, port }: &RedisNode,
        info: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, Driver), String> {
        let stream = tcp(host, *port).await?;
        let Some(connector) = &self.tls else { return greet(stream, info, config).await };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| format!("`{host}` is no name that a certificate can hold"))?;
        let stream = connector.connect(name, stream).await;
        greet(stream.map_err(|error| format!("TLS: {error}"))?, info, config).await
    }
}

fn info(login: &RedisLogin) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("tollgate", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &login.username {
        info = info.set_username(username);
    }
    if let Some(password) = &login.password {
        info = info.set_password(password.expose());
    }
    info
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_response_timeout(None) // the link has the deadline
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
}

async fn greet<S>(
    stream: S,
    info: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, Driver), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (connection, driver) = MultiplexedConnection::new_with_config(info, stream, config)
        .await
        .map_err(|error| reply::link_error(&error))?;
    Ok((connection, Box::pin(driver)))
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// A sign of life, who the server is, and what would make it lose records or refuse them.
pub(super) fn asking() -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("PING");
    for section in ["server", "memory", "replication", "persistence"] {
        pipeline.cmd("INFO").arg(section);
    }
    pipeline
}

/// Asks to be told of changes to whatever is read over this connection.
pub(super) fn tracking() -> Cmd {
    let mut command = Cmd::new();
    command.arg("CLIENT").arg("TRACKING").arg("ON");
    command
}

/// What the answers to [`asking`] say. A server that will not tell of itself (its access list may deny
/// `INFO`) is used without facts.
pub(super) fn told(answers: &[Value]) -> Facts {
    let mut facts = read_facts(&answers.iter().map(text).collect::<String>());
    if let Some(Value::ServerError(error)) = answers.first() {
        facts.complaint = Some(reply::words(error.code()));
    }
    facts
}

/// The text of an `INFO` answer; an error has none.
fn text(value: &Value) -> String {
    if let Value::VerbatimString { text, .. } = value { format!("{text}\n") } else { String::new() }
}

fn read_facts(info: &str) -> Facts {
    let said: HashMap<&str, &str> = info.lines().filter_map(|line| line.split_once(':')).collect();
    let find = |key: &str| said.get(key).map(|value| value.trim());
    let is = |key: &str, wanted: &str| find(key).is_some_and(|value| value == wanted);
    let number = |key: &str| find(key).and_then(|value| value.parse::<u64>().ok());
    let mut warnings = Vec::new();
    if let Some(policy) = find("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        warnings.push((
            format!("maxmemory-policy is `{policy}`: it may drop live tokens; set `noeviction`"),
            MAY_LOSE,
        ));
    }
    if is("role", "slave") {
        warnings.push((reply::words("READONLY"), NO_WRITES));
    }
    let full = number("maxmemory").filter(|most| *most > 0).zip(number("used_memory"));
    if full.is_some_and(|(most, used)| used >= most) && is("maxmemory_policy", "noeviction") {
        warnings.push((reply::words("OOM"), NO_ROOM));
    }
    if is("aof_last_write_status", "err") {
        warnings.push((reply::words("MISCONF"), NO_WRITES));
    }
    // Valkey calls itself by its own name and reports the Redis it is compatible with besides.
    let server = match (find("valkey_version"), find("redis_version")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "a server that does not tell its version".to_owned(),
    };
    let text = format!("{server}, RESP3");
    Facts { text, warnings, is_followed: replicas::is_followed(info), complaint: None }
}

/// The URL of the store without user and password.
fn name(config: &RedisStore) -> String {
    let (scheme, database) =
        (if config.tls.is_some() { "rediss" } else { "redis" }, config.database);
    let listed =
        |nodes: &[RedisNode]| nodes.iter().map(RedisNode::to_string).collect::<Vec<_>>().join(",");
    match &config.address {
        RedisAddress::One(node) => format!("{scheme}://{node}/{database}"),
        RedisAddress::Unix(path) => format!("unix:{}", path.display()),
        RedisAddress::Sentinel { sentinels, master } => {
            format!("{scheme}+sentinel://{}/{master}/{database}", listed(sentinels))
        }
        RedisAddress::Cluster { seeds } => format!("{scheme}+cluster://{}", listed(seeds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::RedisTls, secret::Secret, store::testing::redis_at};

    #[test]
    fn facts_name_the_server_and_what_could_lose_records() {
        let facts =
            read_facts("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\nrole:master\r\n");
        assert_eq!((&*facts.text, facts.warnings), ("Redis 7.0.15, RESP3", vec![]));

        let facts = read_facts(
            "redis_version:7.2.4\nvalkey_version:8.0.1\nmaxmemory_policy:allkeys-lru\nrole:slave\n\
             used_memory:9\nmaxmemory:8\naof_last_write_status:err\n",
        );
        assert_eq!(facts.text, "Valkey 8.0.1, RESP3");
        let effects: Vec<_> = facts.warnings.iter().map(|(_, effect)| *effect).collect();
        assert_eq!(effects, [MAY_LOSE, NO_WRITES, NO_WRITES], "{facts:?}");
        assert!(facts.warnings[0].0.contains("`allkeys-lru`"), "{facts:?}");

        #[rustfmt::skip] // a table is read by column
        let rows = [
            ("used_memory:9\nmaxmemory:8", true),
            ("used_memory:8\nmaxmemory:8", true),
            ("used_memory:7\nmaxmemory:8", false),
            ("used_memory:7\nmaxmemory:0", false),
        ];
        for (memory, is_full) in rows {
            let facts = read_facts(&format!("{memory}\nmaxmemory_policy:noeviction"));
            assert_eq!(!facts.warnings.is_empty(), is_full, "{memory}");
        }

        assert_eq!(read_facts("").text, "a server that does not tell its version, RESP3");
    }

    #[test]
    fn a_store_is_named_by_its_address_alone() {
        let node = |host: &str, port| RedisNode { host: host.to_owned(), port };
        let named = |address, tls: bool| {
            let mut store = redis_at(address);
            store.login.password = Some(Secret::new("hunter2"));
            store.tls = tls.then(RedisTls::default);
            name(&store)
        };
        let sentinel = RedisAddress::Sentinel {
            sentinels: vec![node("s1", 26_379), node("::2", 7)],
            master: "main".to_owned(),
        };
        let cluster = RedisAddress::Cluster { seeds: vec![node("n1", 1), node("n2", 2)] };
        #[rustfmt::skip] // a table is read by column
        let rows = [
            (RedisAddress::One(node("::1", 6379)),           false, "redis://[::1]:6379/0"),
            (RedisAddress::One(node("redis.example", 6380)), true,  "rediss://redis.example:6380/0"),
            (RedisAddress::Unix("/run/redis.sock".into()),   false, "unix:/run/redis.sock"),
            (sentinel,                                       false, "redis+sentinel://s1:26379,[::2]:7/main/0"),
            (cluster,                                        true,  "rediss+cluster://n1:1,n2:2"),
        ];
        for (address, tls, expected) in rows {
            assert_eq!(named(address, tls), expected);
        }
    }
}
