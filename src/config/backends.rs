//! `backend` and `[backends.NAME]`: whom permitted requests go to.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Backend, Balancing, HostField, Http, Server, address, backend_tls, balancing, defaults,
    reader::{Table, Text, Value},
    report::Mistake,
};
use crate::request::path::{CanonicalPath, PathPolicy};

/// The name of the backend that `backend = "URL"` makes.
const DEFAULT_NAME: &str = "backend";

const HELP: &str = "add `backend = \"http://127.0.0.1:9000\"`: where permitted requests go";

/// A timeout of nothing refuses everything; one of more than a day is none.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// All backends, the default one first. Rules name them by index.
pub(super) struct Backends {
    pub(super) list: Vec<Backend>,
    /// Where each was named, for those that were.
    names: Vec<Option<Text>>,
}

impl Backends {
    /// The index of the backend called `name`.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|backend| backend.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|backend| backend.name.as_str())
    }

    /// The names of those that `[backends]` defines and `is_used` does not know.
    pub(super) fn unused(&self, is_used: impl Fn(usize) -> bool) -> Vec<&str> {
        let named = self.names.iter().enumerate().skip(1);
        named
            .filter(|(index, _)| !is_used(*index))
            .map(|(i, _)| self.list[i].name.as_str())
            .collect()
    }
}

pub(super) fn read(top: &Table, paths: &PathPolicy) -> Backends {
    let default = top.get("backend");
    let table = top.table("backends");
    let mut list: Vec<(Option<Text>, Backend)> = Vec::new();
    let mut faulty = false;
    for (key, value) in table.entries() {
        check_name(&table, key);
        match value.table().and_then(|table| read_one(&key.text, table, paths)) {
            Some(backend) => list.push((Some(key.clone()), backend)),
            None => faulty = true,
        }
    }
    match &default {
        Some(value) => read_default(value, &mut list, faulty),
        None if list.len() == 1 || faulty || top.may_hold("backend") => (),
        None => top.cx.mistake(Mistake::nowhere("`backend` is missing").help(HELP)),
    }
    let (names, list) = list.into_iter().unzip();
    Backends { list, names }
}

/// Puts the default backend first: the one that `value` names, or a new one at the URL it holds.
fn read_default(value: &Value, list: &mut Vec<(Option<Text>, Backend)>, faulty: bool) {
    let Some(texts) = value.texts() else { return };
    if let [name] = &*texts
        && !name.text.contains(':')
    {
        match list.iter().position(|(_, backend)| backend.name == name.text) {
            Some(index) => list[..=index].rotate_right(1),
            None if faulty => (),
            None => {
                let hint = "expected `http://host:port`, `https://…`, `unix:/path`, or a NAME of `[backends.NAME]`";
                value.bad(format!("{} is no backend", name.quoted()), hint);
            }
        }
        return;
    }
    if let Some(servers) = read_servers(value, &texts, None, defaults::HTTP) {
        list.insert(0, (None, with_defaults(DEFAULT_NAME, servers)));
    }
}

fn with_defaults(name: &str, servers: Vec<Server>) -> Backend {
    Backend {
        name: name.to_owned(),
        servers,
        strip: None,
        host: defaults::HOST,
        connect_timeout: defaults::CONNECT_TIMEOUT,
        first_byte_timeout: defaults::FIRST_BYTE_TIMEOUT,
        idle_timeout: defaults::BODY_SILENCE_TIMEOUT,
        pool_max: defaults::POOL_MAX,
        pool_idle: defaults::POOL_IDLE,
        http: defaults::HTTP,
        balancing: Balancing::default(),
    }
}

fn check_name(table: &Table, key: &Text) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if key.text.is_empty() || !key.text.chars().all(fits) {
        let hint = "letters, digits, `-` and `_`";
        key.bad(table.cx, format!("{} is no backend's name", key.quoted()), hint);
    } else if key.text == DEFAULT_NAME {
        let message = "`backend` is the name of the backend without one";
        key.bad(table.cx, message, "choose another name");
    }
}

fn read_one(name: &str, table: Table, paths: &PathPolicy) -> Option<Backend> {
    let url = table.need("url", "add `url = \"http://host:port\"`");
    let tls = table.get("tls");
    let http =
        table.get("http").and_then(|http| http.choice(&[("1.1", Http::One), ("2", Http::Two)]));
    let http = http.unwrap_or(defaults::HTTP);
    let servers = url.and_then(|url| {
        let texts = url.texts()?;
        read_servers(&url, &texts, tls.as_ref(), http)
    });
    let strip = table.get("strip").and_then(|strip| read_strip(&strip, paths));
    let host = table.get("host").and_then(|host| {
        host.choice(&[("client", HostField::Client), ("backend", HostField::Backend)])
    });
    let timeouts = table.table("timeouts");
    let timeout = |key| timeouts.get(key).and_then(|value| value.duration(TIMEOUTS));
    let (connect, first_byte, idle) = (timeout("connect"), timeout("first-byte"), timeout("idle"));
    timeouts.done();
    let pool = table.table("pool");
    let max = pool.get("max").and_then(|max| max.integer(1..=100_000));
    let hour = Duration::from_secs(3_600);
    let pool_idle = pool.get("idle").and_then(|idle| idle.duration(Duration::ZERO..=hour));
    pool.done();
    let balancing = balancing::read(&table);
    table.done();
    let base = with_defaults(name, servers?);
    Some(Backend {
        strip,
        host: host.unwrap_or(base.host),
        connect_timeout: connect.unwrap_or(base.connect_timeout),
        first_byte_timeout: first_byte.unwrap_or(base.first_byte_timeout),
        idle_timeout: idle.unwrap_or(base.idle_timeout),
        pool_max: max.and_then(|max| usize::try_from(max).ok()).unwrap_or(base.pool_max),
        pool_idle: pool_idle.unwrap_or(base.pool_idle),
        http,
        balancing,
        ..base
    })
}

fn read_servers(
    value: &Value,
    texts: &[Text],
    settings: Option<&Value>,
    http: Http,
) -> Option<Vec<Server>> {
    let is_secret = |text: &Text| text.text.starts_with("https://");
    let tls = match settings {
        _ if texts.iter().any(is_secret) => Some(backend_tls::read(settings, value, http)?),
        Some(settings) => {
            settings.bad(format!("`{}` is for `https://` only", settings.path), "remove it");
            return None;
        }
        None => None,
    };
    let over_tls = |host: String, port| {
        let (tls, name) = tls.clone().ok_or("there are no settings for TLS")?;
        let name = name.or_else(|| backend_tls::server_name(&host));
        let name = name.ok_or("no certificate can hold this name: set `server-name`")?;
        Ok(Server::Tls { host, port, name, tls })
    };
    let mut servers = Vec::new();
    let mut faulty = false;
    for text in texts {
        match address::server(&text.text, &value.cx.folder, over_tls) {
            Ok(server) if servers.contains(&server) => {
                text.bad(value.cx, "the same server twice", "remove one");
                faulty = true;
            }
            Ok(server) => servers.push(server),
            Err(hint) => {
                // A URL may hold a password: it is not quoted.
                text.bad(value.cx, "this is no backend", hint);
                faulty = true;
            }
        }
    }
    (!faulty).then_some(servers)
}

/// Leading segments to cut, in their canonical spelling.
fn read_strip(value: &Value, paths: &PathPolicy) -> Option<String> {
    let text = value.text()?;
    let path = CanonicalPath::parse(&text.text, paths).ok();
    match path {
        Some(path) if !path.is_empty() => Some(path.as_str().trim_end_matches('/').to_owned()),
        Some(_) => {
            value.bad("this cuts nothing", "remove `strip`");
            None
        }
        None => {
            let message = format!("{} is no path that a request could have", text.quoted());
            value.bad(message, "expected leading segments, such as `/reports`");
            None
        }
    }
}
