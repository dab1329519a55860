//! The small tables: `[paths]`, `[trust]`, `[cors]`, `[limits]`, `[log]`.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::{
    AccessLog, Cors, Limits, Network, address, defaults,
    reader::{Table, Text},
};
use crate::request::{
    HeadLimits,
    path::{Case, EmptySegments, EncodedSlash, PathPolicy, Punctuation},
};

/// Two cookies of the size that browsers allow.
const HEAD_BYTES_MIN: u64 = 8 * 1024;

pub(super) fn paths(table: Table, segments_max: usize, usergrid: bool) -> PathPolicy {
    let empty_value = table.get("empty-segments");
    let empty = empty_value.as_ref().and_then(|value| {
        value.choice(&[("refuse", EmptySegments::Refuse), ("merge", EmptySegments::Merge)])
    });
    if let (true, Some(EmptySegments::Refuse), Some(value)) = (usergrid, empty, &empty_value) {
        let message = "with `[usergrid]` empty segments are merged: its clients send `//`";
        value.bad(message, "write `\"merge\"`, or remove it");
    }
    let empty_default = if usergrid { EmptySegments::Merge } else { defaults::EMPTY_SEGMENTS };
    let slash = table.get("encoded-slash").and_then(|value| {
        value.choice(&[("refuse", EncodedSlash::Refuse), ("opaque", EncodedSlash::Opaque)])
    });
    let punctuation = table.get("punctuation").and_then(|value| {
        value.choice(&[("refuse", Punctuation::Refuse), ("plain", Punctuation::Plain)])
    });
    let case = table
        .get("case")
        .and_then(|value| value.choice(&[("exact", Case::Exact), ("fold", Case::Fold)]));
    table.done();
    PathPolicy {
        empty_segments: empty.unwrap_or(empty_default),
        encoded_slash: slash.unwrap_or(defaults::ENCODED_SLASH),
        punctuation: punctuation.unwrap_or(defaults::PUNCTUATION),
        case: case.unwrap_or(defaults::CASE),
        segments_max,
    }
}

pub(super) fn trust(table: Table) -> Vec<Network> {
    let proxies = table.get("proxies").and_then(|value| {
        let values = value.list("a list of addresses and networks")?;
        let mut networks = Vec::new();
        for text in values.iter().filter_map(|value| value.text()) {
            match address::network(&text.text) {
                Ok(network) => networks.push(network),
                Err(hint) => {
                    let message = format!("{} cannot be trusted", text.quoted());
                    text.bad(table.cx, message, hint);
                }
            }
        }
        Some(networks)
    });
    table.done();
    proxies.unwrap_or_default()
}

/// `usergrid`: the clients of `[usergrid]` run on pages of any origin, and carry their token themselves.
pub(super) fn cors(table: Table, usergrid: bool) -> Option<Cors> {
    let help = "add `origins = [\"https://app.example\"]`, or `\"*\"` for everyone";
    let origins = table.need("origins", help);
    let any = origins.as_ref().is_some_and(|value| value.says("*"));
    let listed =
        origins.as_ref().filter(|_| !any).and_then(|value| read_origins(&table, value.texts()?));
    let credentials_value = table.get("credentials");
    let credentials = credentials_value.as_ref().and_then(|value| value.boolean()).unwrap_or(false);
    if let (true, true, Some(value)) = (any, credentials, &credentials_value) {
        let hint = "name the origins, or remove this";
        value.bad("credentials for every origin would open the gate to every website", hint);
    }
    let methods = read_names(&table, "methods", |name| {
        Method::from_bytes(name.as_bytes()).is_ok() && name.bytes().all(|b| !b.is_ascii_lowercase())
    });
    let is_field = |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok();
    let headers = read_names(&table, "headers", is_field);
    let expose = read_names(&table, "expose", is_field);
    let day = Duration::from_secs(86_400);
    let max_age = table.get("max-age").and_then(|value| value.duration(Duration::ZERO..=day));
    let present = table.is_present();
    table.done();
    (present || usergrid).then(|| Cors {
        origins: listed,
        credentials,
        methods,
        headers,
        expose,
        max_age: max_age.unwrap_or(defaults::CORS_MAX_AGE),
    })
}

fn read_origins(table: &Table, texts: Vec<Text>) -> Option<Vec<HeaderValue>> {
    let mut origins = Vec::new();
    for text in texts {
        match origin(&text.text) {
            Ok(origin) => origins.push(origin),
            Err(hint) => text.bad(table.cx, format!("{} is no origin", text.quoted()), hint),
        }
    }
    Some(origins)
}

/// An origin as browsers send it: scheme, host in lower case, port only where it is not the scheme's.
fn origin(text: &str) -> Result<HeaderValue, String> {
    const EXPECTED: &str =
        "expected what browsers send: `https://app.example`, or `https://app.example:8443`";
    if text == "*" {
        return Err("`\"*\"` stands alone, not in a list".to_owned());
    }
    let (scheme, authority) = text.split_once("://").ok_or(EXPECTED)?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        // Browser extensions and wrapped applications have schemes of their own.
        other
            if !other.is_empty() && other.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') =>
        {
            0
        }
        _ => return Err(EXPECTED.to_owned()),
    };
    if authority.ends_with('/') {
        return Err(format!("without the last slash. {EXPECTED}"));
    }
    let (host, _) = address::host_and_port(authority, default_port).map_err(|_| EXPECTED)?;
    if authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("in lower case: `{scheme}://{host}`…"));
    }
    if default_port != 0 && authority.ends_with(&format!(":{default_port}")) {
        return Err("browsers leave the scheme's own port out: so must this".to_owned());
    }
    HeaderValue::from_str(text).map_err(|_| EXPECTED.to_owned())
}

/// A list of names as the one field value that carries it.
fn read_names(
    table: &Table,
    key: &'static str,
    is_name: impl Fn(&str) -> bool,
) -> Option<HeaderValue> {
    let value = table.get(key)?;
    let texts = value.texts()?;
    let mut faulty = false;
    for text in texts.iter().filter(|text| !is_name(&text.text)) {
        let hint = "one name for each string of the list";
        text.bad(table.cx, format!("{} is no value of `{}`", text.quoted(), value.path), hint);
        faulty = true;
    }
    if faulty {
        return None;
    }
    let names: Vec<_> = texts.iter().map(|text| text.text.as_str()).collect();
    HeaderValue::from_str(&names.join(", ")).ok()
}

pub(super) fn limits(table: Table) -> Limits {
    let number = |key, range| {
        let value = table.get(key).and_then(|value| value.integer(range));
        value.and_then(|value| usize::try_from(value).ok())
    };
    let hour = Duration::from_secs(3_600);
    let millisecond = Duration::from_millis(1);
    let time = |key| table.get(key).and_then(|value| value.duration(millisecond..=hour));
    let size = |key, range| table.get(key).and_then(|value| value.bytes(range));
    let head = size("head", HEAD_BYTES_MIN..=1 << 20);
    let head_bytes =
        head.and_then(|head| usize::try_from(head).ok()).unwrap_or(defaults::HEAD_BYTES);
    let target = size("target", 256..=head_bytes as u64);
    let limits = Limits {
        head: HeadLimits {
            target_bytes: target
                .and_then(|target| usize::try_from(target).ok())
                .unwrap_or(defaults::TARGET_BYTES.min(head_bytes)),
            segments: number("segments", 1..=10_000).unwrap_or(defaults::SEGMENTS),
            head_bytes,
            fields: number("fields", 1..=10_000).unwrap_or(defaults::FIELDS),
        },
        connections: number("connections", 1..=10_000_000),
        connections_per_address: number("connections-per-address", 1..=10_000_000),
        head_time: time("head-time").unwrap_or(defaults::HEAD_TIME),
        keep_alive: time("keep-alive").unwrap_or(defaults::KEEP_ALIVE),
        body_idle: time("body-idle").unwrap_or(defaults::BODY_IDLE),
        body: size("body", 0..=1 << 50).unwrap_or(defaults::BODY),
        streams: number("streams", 1..=100_000)
            .and_then(|streams| u32::try_from(streams).ok())
            .unwrap_or(defaults::STREAMS),
        resets: number("resets", 1..=1_000_000).unwrap_or(defaults::RESETS),
        frames: number("frames", 1..=1_000_000).unwrap_or(defaults::FRAMES),
        unknown_tokens: number("unknown-tokens", 1..=1_000_000_000)
            .and_then(|tokens| u32::try_from(tokens).ok())
            .unwrap_or(defaults::UNKNOWN_TOKENS),
        tunnel_idle: time("tunnel-idle").unwrap_or(defaults::TUNNEL_IDLE),
        drain: table
            .get("drain")
            .and_then(|value| value.duration(Duration::ZERO..=hour))
            .unwrap_or(defaults::DRAIN),
    };
    table.done();
    limits
}

pub(super) fn log(table: Table) -> AccessLog {
    let access = table.get("access").and_then(|value| {
        value.choice(&[
            ("auto", AccessLog::Auto),
            ("json", AccessLog::Json),
            ("text", AccessLog::Text),
            ("off", AccessLog::Off),
        ])
    });
    table.done();
    access.unwrap_or(defaults::ACCESS_LOG)
}
