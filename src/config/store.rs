//! `store`: a URL, or a table with a URL and what else a Redis needs.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    RedisAddress, RedisStore, Store, address, defaults,
    disk::FILE_BYTES_MAX,
    interpolate::reason,
    reader::{Table, Text, Value},
};
use crate::{request::percent, secret::Secret};

const HELP: &str =
    "`redis://host:6379/0`, `rediss://…`, `redis+unix:///path`, `file:PATH` or `memory:`";

/// At most what a client is promised to wait while the store is away.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3);

/// A Redis as its URL names it; what the table adds is not in it yet.
struct Url {
    address: RedisAddress,
    username: Option<String>,
    password: Option<Secret>,
    database: i64,
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
    from_url(&value, &url, None, defaults::STORE_PREFIX.to_owned(), defaults::STORE_TIMEOUT)
}

fn from_table(table: Table) -> Option<Store> {
    let url = table.need("url", &format!("one of {HELP}"));
    let ca = table.get("ca");
    let prefix = table.get("prefix");
    let timeout = table.get("timeout");
    let ca_path = ca.as_ref().and_then(read_ca);
    let given_prefix = prefix.as_ref().and_then(read_prefix);
    let given_timeout = timeout.as_ref().and_then(|timeout| timeout.duration(TIMEOUTS));
    table.done();
    let url = url?;
    let text = url.text_as(HELP)?;
    hide_password(&url, &text);
    let store = from_url(
        &url,
        &text,
        ca_path,
        given_prefix.unwrap_or_else(|| defaults::STORE_PREFIX.to_owned()),
        given_timeout.unwrap_or(defaults::STORE_TIMEOUT),
    )?;
    if !matches!(store, Store::Redis(_)) {
        for extra in [&ca, &prefix, &timeout].into_iter().flatten() {
            extra.bad(format!("`{}` is for a Redis only", extra.path), "remove it");
        }
    } else if let (Some(ca), false) = (&ca, text.text.starts_with("rediss://")) {
        ca.bad("`store.ca` is for `rediss://` only", "remove it, or use `rediss://`");
    }
    Some(store)
}

fn from_url(
    value: &Value,
    text: &Text,
    ca: Option<PathBuf>,
    prefix: String,
    timeout: Duration,
) -> Option<Store> {
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
    match redis(&text.text, ca, value) {
        Ok(url) => Some(Store::Redis(RedisStore {
            address: url.address,
            username: url.username,
            password: url.password,
            database: url.database,
            prefix,
            timeout,
        })),
        Err(hint) => {
            // The URL may hold a password: it is never quoted.
            value.bad("this is no store", hint);
            None
        }
    }
}

/// Reads a Redis URL; the error is a hint that quotes nothing of it.
fn redis(text: &str, ca: Option<PathBuf>, value: &Value) -> Result<Url, String> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("expected {HELP}"))?;
    match scheme {
        "redis" | "rediss" | "redis+unix" => (),
        "redis+sentinel" | "redis+cluster" | "rediss+sentinel" | "rediss+cluster" => {
            return Err(format!("`{scheme}` is not built into this version"));
        }
        _ => return Err(format!("expected {HELP}")),
    }
    // A password may hold any letter but `@`; the last one ends it.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let (username, password) = user.map_or(Ok((None, None)), user_and_password)?;
    if scheme == "redis+unix" {
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
        let address = RedisAddress::Unix(path);
        return Ok(Url { address, username, password, database: read_database(database)? });
    }
    let (authority, database) = match rest.split_once('/') {
        Some((authority, "")) => (authority, "0"),
        Some((authority, database)) => (authority, database),
        None => (rest, "0"),
    };
    let (host, port) = address::host_and_port(authority, 6379)?;
    let address = if scheme == "rediss" {
        RedisAddress::Tls { host, port, ca }
    } else {
        RedisAddress::Tcp { host, port }
    };
    Ok(Url { address, username, password, database: read_database(database)? })
}

fn user_and_password(text: &str) -> Result<(Option<String>, Option<Secret>), String> {
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
    Ok((Some(user).filter(|user| !user.is_empty()), password.map(Secret::new)))
}

fn read_database(text: &str) -> Result<i64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|number| digits && *number <= 16_383);
    number.ok_or_else(|| "expected a database's number after the last `/`".to_owned())
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

/// A certificate that is not there must not be noticed by the first connection.
fn read_ca(value: &Value) -> Option<PathBuf> {
    let text = value.text()?;
    let path = value.cx.resolve(&text.text);
    match value.cx.disk.read_text(&path, FILE_BYTES_MAX) {
        Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => Some(path),
        Ok(_) => {
            value.bad(format!("{} holds no certificate", text.quoted()), "expected PEM");
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
