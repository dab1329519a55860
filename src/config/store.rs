//! `store`: a URL, or a table with a URL and what else a Redis needs.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    RedisAddress, RedisLogin, RedisNode, RedisStore, RedisTls, Store, WaitReplicas, address,
    defaults,
    disk::FILE_BYTES_MAX,
    interpolate::reason,
    reader::{Table, Text, Value},
};
use crate::{request::percent, secret::Secret};

const HELP: &str = "`redis://host:6379/0`, `rediss://…`, `redis+unix:///path`, `redis+sentinel://…`, \
    `redis+cluster://…`, `file:PATH` or `memory:`";
const SENTINEL_HELP: &str = "expected `redis+sentinel://host:26379,host2:26379/NAME`, NAME as the sentinels call the master";
const CLUSTER_HELP: &str =
    "a cluster has one database: write `redis+cluster://host:6379,host2:6379`";

/// At most what a client is promised to wait while the store is away.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3);

/// More look-ups at once than a worker could hold the requests of.
const LOOKUPS_MAX: u64 = 1_000_000;

/// More replicas of one server than anybody has.
const REPLICAS_MAX: u64 = 16;
const REPLICAS_HELP: &str = "`\"auto\"`, `0`, or how many replicas must have a write";

/// Most hosts that a URL may name.
const HOSTS_MAX: usize = 32;

/// A Redis as its URL names it; what the table adds is not in it yet.
struct Url {
    address: RedisAddress,
    over_tls: bool,
    login: RedisLogin,
    database: i64,
}

/// What only the table can say.
struct Extras {
    tls: RedisTls,
    sentinel_login: Option<RedisLogin>,
    prefix: String,
    timeout: Duration,
    questions: usize,
    waiting: usize,
    wait_replicas: WaitReplicas,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            tls: RedisTls::default(),
            sentinel_login: None,
            prefix: defaults::STORE_PREFIX.to_owned(),
            timeout: defaults::STORE_TIMEOUT,
            questions: defaults::STORE_QUESTIONS,
            waiting: defaults::STORE_WAITING,
            wait_replicas: defaults::STORE_WAIT_REPLICAS,
        }
    }
}

pub(super) fn read(top: &Table) -> Option<Store> {
    let Some(value) = top.get("store") else {
        // Its keys are known even where nobody uses them.
        return Some(Store::File(top.cx.resolve(defaults::STORE.strip_prefix("file:")?)));
    };
    if value.is_table() {
        return from_table(value.table()?);
    }
    let url = value.text_as(HELP)?;
    hide_password(&value, &url);
    from_url(&value, &url, Extras::default())
}

fn from_table(table: Table) -> Option<Store> {
    let url = table.need("url", &format!("one of {HELP}"));
    let files = ["ca", "certificate", "key"].map(|key| table.get(key));
    let auth = table.get("sentinel-auth");
    let (prefix, timeout) = (table.get("prefix"), table.get("timeout"));
    let (questions, waiting) = (table.get("questions"), table.get("waiting"));
    let replicas = table.get("wait-replicas");
    let mut extras = Extras { tls: read_tls(&files), ..Extras::default() };
    extras.sentinel_login = auth.as_ref().and_then(read_sentinel_auth);
    if let Some(prefix) = prefix.as_ref().and_then(read_prefix) {
        extras.prefix = prefix;
    }
    if let Some(timeout) = timeout.as_ref().and_then(|timeout| timeout.duration(TIMEOUTS)) {
        extras.timeout = timeout;
    }
    if let Some(most) = questions.as_ref().and_then(|most| read_count(most, 1)) {
        extras.questions = most;
    }
    if let Some(most) = waiting.as_ref().and_then(|most| read_count(most, 0)) {
        extras.waiting = most;
    }
    if let Some(replicas) = replicas.as_ref().and_then(read_wait_replicas) {
        extras.wait_replicas = replicas;
    }
    table.done();
    let url = url?;
    let text = url.text_as(HELP)?;
    hide_password(&url, &text);
    let store = from_url(&url, &text, extras)?;
    if let Store::Redis(redis) = &store {
        for file in files.iter().flatten().filter(|_| redis.tls.is_none()) {
            let message = format!("`{}` is for `rediss://` only", file.path);
            file.bad(message, "remove it, or use `rediss://`");
        }
        if let (Some(auth), false) = (&auth, matches!(redis.address, RedisAddress::Sentinel { .. }))
        {
            auth.bad("`store.sentinel-auth` is for `redis+sentinel://` only", "remove it");
        }
    } else {
        let more = [&auth, &prefix, &timeout, &questions, &waiting, &replicas];
        for extra in files.iter().chain(more).flatten() {
            extra.bad(format!("`{}` is for a Redis only", extra.path), "remove it");
        }
    }
    Some(store)
}

fn from_url(value: &Value, text: &Text, extras: Extras) -> Option<Store> {
    if text.text == "memory:" {
        return Some(Store::Memory);
    }
    if let Some(path) = text.text.strip_prefix("file:") {
        if path.is_empty() || path.starts_with("//") {
            value.bad("the store's file has no path", "write `file:tollgate.redb`");
            return None;
        }
        return Some(Store::File(value.cx.resolve(path)));
    }
    match redis(&text.text, value) {
        Ok(url) => Some(Store::Redis(Box::new(RedisStore {
            address: url.address,
            tls: url.over_tls.then_some(extras.tls),
            sentinel_login: extras.sentinel_login.unwrap_or_else(|| url.login.clone()),
            login: url.login,
            database: url.database,
            prefix: extras.prefix,
            timeout: extras.timeout,
            questions: extras.questions,
            waiting: extras.waiting,
            wait_replicas: extras.wait_replicas,
        }))),
        Err(hint) => {
            // The URL may hold a password: it is never quoted.
            value.bad("this is no store", hint);
            None
        }
    }
}

/// Reads a Redis URL; the error is a hint that quotes nothing of it.
fn redis(text: &str, value: &Value) -> Result<Url, String> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("expected {HELP}"))?;
    // A password may hold any letter but `@`; the last one ends it.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let over_tls = scheme.starts_with("rediss");
    let (address, database) = match scheme {
        "redis" | "rediss" => one(rest)?,
        "redis+unix" => unix(rest, value)?,
        "redis+sentinel" | "rediss+sentinel" => sentinel(rest)?,
        "redis+cluster" | "rediss+cluster" => cluster(rest)?,
        _ => return Err(format!("expected {HELP}")),
    };
    let login = user.map_or(Ok(RedisLogin::default()), user_and_password)?;
    Ok(Url { address, over_tls, login, database })
}

fn one(rest: &str) -> Result<(RedisAddress, i64), String> {
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains(',') {
        let hint = "one server has one address; several are a `redis+sentinel://…/NAME` or a \
            `redis+cluster://…`";
        return Err(hint.to_owned());
    }
    let (host, port) = address::host_and_port(authority, 6379)?;
    Ok((RedisAddress::One(RedisNode { host, port }), read_database(database)?))
}

fn unix(rest: &str, value: &Value) -> Result<(RedisAddress, i64), String> {
    let (path, database) = match rest.split_once('?') {
        Some((path, query)) => {
            (path, query.strip_prefix("db=").ok_or("only `?db=0` may follow the path")?)
        }
        None => (rest, "0"),
    };
    if !path.starts_with('/') {
        return Err("expected `redis+unix:///path?db=0`, with three slashes".to_owned());
    }
    let path = address::socket_path(path, &value.cx.folder)?;
    Ok((RedisAddress::Unix(path), read_database(database)?))
}

fn sentinel(rest: &str) -> Result<(RedisAddress, i64), String> {
    let (hosts, path) = rest.split_once('/').ok_or(SENTINEL_HELP)?;
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    // What a sentinel itself allows in the name of a master.
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if master.is_empty() || !master.bytes().all(named) {
        return Err(SENTINEL_HELP.to_owned());
    }
    let (sentinels, master) = (nodes(hosts, 26_379)?, master.to_owned());
    Ok((RedisAddress::Sentinel { sentinels, master }, read_database(database)?))
}

fn cluster(rest: &str) -> Result<(RedisAddress, i64), String> {
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(database, "" | "0") {
        return Err(CLUSTER_HELP.to_owned());
    }
    Ok((RedisAddress::Cluster { seeds: nodes(hosts, 6379)? }, 0))
}

/// `host:port,host2`, each once.
fn nodes(hosts: &str, default_port: u16) -> Result<Vec<RedisNode>, String> {
    let mut nodes = Vec::new();
    for authority in hosts.split(',') {
        let (host, port) = address::host_and_port(authority, default_port)?;
        let node = RedisNode { host, port };
        if nodes.contains(&node) {
            return Err("a host is named twice".to_owned());
        }
        nodes.push(node);
    }
    if nodes.len() > HOSTS_MAX {
        return Err(format!("at most {HOSTS_MAX} hosts: the others are learnt from them"));
    }
    Ok(nodes)
}

/// `user:password`, as in the URL, or `none`.
fn read_sentinel_auth(value: &Value) -> Option<RedisLogin> {
    let text = value.text_as("`user:password`, `:password` or `none`")?;
    if !text.is_filled_in() {
        value.cx.hide(&value.place);
    }
    if text.text == "none" {
        return Some(RedisLogin::default());
    }
    match user_and_password(&text.text) {
        Ok(login) if login.password.is_some() => Some(login),
        Ok(_) => {
            value.bad("it has no password", "expected `user:password`, `:password` or `none`");
            None
        }
        Err(hint) => {
            value.bad("this is no name and password", hint);
            None
        }
    }
}

fn user_and_password(text: &str) -> Result<RedisLogin, String> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    const HINT: &str = "in a name or password, write `%25` for `%` and `%40` for `@`";
    let decode = |text| percent::decode(text).ok_or(HINT);
    let user = decode(user)?.into_owned();
    let password = password.map(decode).transpose()?;
    if password.as_deref() == Some("") {
        return Err("the password is empty".to_owned());
    }
    let username = Some(user).filter(|user| !user.is_empty());
    Ok(RedisLogin { username, password: password.map(Secret::new) })
}

fn read_database(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|number| digits && *number <= 16_383);
    number.ok_or_else(|| "expected a database's number after the last `/`".to_owned())
}

/// How many look-ups, at least `least`.
fn read_count(value: &Value, least: u64) -> Option<usize> {
    value.integer(least..=LOOKUPS_MAX).and_then(|count| usize::try_from(count).ok())
}

fn read_prefix(value: &Value) -> Option<String> {
    let text = value.text()?;
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '*' | '?' | '[' | ']');
    if !text.text.chars().all(allowed) {
        value.bad(
            format!("{} cannot stand before every key", text.quoted()),
            "no blanks, and none of `{ } * ? [ ]`: they mean something to a Redis",
        );
        return None;
    }
    Some(text.text)
}

/// `"auto"`, or a number.
fn read_wait_replicas(value: &Value) -> Option<WaitReplicas> {
    if value.says("auto") {
        return Some(WaitReplicas::Auto);
    }
    if value.is_text() {
        let text = value.text()?;
        let hint = format!("expected {REPLICAS_HELP}; a number has no quotes");
        value.bad(format!("{} is no value of `{}`", text.quoted(), value.path), hint);
        return None;
    }
    let count = value.integer(0..=REPLICAS_MAX)?;
    let count = u8::try_from(count).ok()?;
    Some(if count == 0 { WaitReplicas::Never } else { WaitReplicas::Always(count) })
}

/// `ca`, `certificate` and `key`. A file that is not there must not be noticed by the first connection.
fn read_tls(files: &[Option<Value>; 3]) -> RedisTls {
    let [ca, certificate, key] = files;
    match (certificate, key) {
        (Some(alone), None) => alone.bad("a certificate without its key", "add `key`"),
        (None, Some(alone)) => alone.bad("a key without its certificate", "add `certificate`"),
        (Some(_), Some(_)) | (None, None) => (),
    }
    let certificates = |value| read_pem(value, "-----BEGIN CERTIFICATE-----", "certificate");
    let ca = ca.as_ref().and_then(certificates);
    let certificate = certificate.as_ref().and_then(certificates);
    let key = key.as_ref().and_then(|value| read_pem(value, "PRIVATE KEY-----", "private key"));
    RedisTls { ca, identity: certificate.zip(key) }
}

fn read_pem(value: &Value, mark: &str, what: &str) -> Option<PathBuf> {
    let text = value.text()?;
    let path = value.cx.resolve(&text.text);
    match value.cx.disk.read_text(&path, FILE_BYTES_MAX) {
        Ok(pem) if pem.contains(mark) => Some(path),
        Ok(_) => {
            value.bad(format!("{} holds no {what}", text.quoted()), "expected PEM");
            None
        }
        Err(error) => {
            let message = format!("cannot read {}: {}", text.quoted(), reason(&error));
            value.bad(message, "create it, or correct the path");
            None
        }
    }
}

/// The file may spell a password that a look at the line does not show as one.
fn hide_password(value: &Value, url: &Text) {
    if url.written.contains('@') && !url.is_filled_in() {
        value.cx.hide(&value.place);
    }
}
