//! How the host of a left side is read: as requests' hosts are made canonical.

use std::{net::Ipv6Addr, ops::Range};

use super::HostPattern;
use crate::policy::{
    SyntaxError,
    words::{Word, wrong},
};

/// RFC 1035 2.3.4.
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Reads a host as requests' hosts are made canonical: lower case, no last dot, no port.
pub(super) fn host(word: Word<'_>) -> Result<HostPattern, SyntaxError> {
    let lower = word.text.to_ascii_lowercase();
    let at = word.range();
    if word.text == "*" {
        let help = "write the path alone after the methods";
        return wrong(at, "any host is written by leaving the host out", help);
    }
    if let Some(address) = lower.strip_prefix('[') {
        let (inside, rest) = address.split_once(']').unwrap_or((address, "]"));
        return match (inside.parse::<Ipv6Addr>(), rest) {
            // Parsed and printed: requests' addresses come in this one spelling too.
            (Ok(address), "") => Ok(HostPattern::Exactly(format!("[{address}]"))),
            (_, port) if port.starts_with(':') => port_error(at, &lower),
            _ => wrong(at, "this is no IPv6 address in brackets", "write `[::1]`"),
        };
    }
    let (suffix, name) = match lower.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, lower.as_str()),
    };
    let (name, dotted) = match name.strip_suffix('.') {
        Some(name) => (name, true),
        None => (name, suffix),
    };
    if name.contains(':') {
        return port_error(at, &lower);
    }
    if name.contains('*') {
        let help = "`*.example.com` is every host below example.com";
        return wrong(at, "`*` stands for whole labels, and only before the first dot", help);
    }
    if name.contains(['{', '}']) {
        return wrong(at, "captures stand in the path, not in the host", "write `*.example.com`");
    }
    if !name.is_ascii() {
        let help = "write it as browsers send it: `xn--…`";
        return wrong(at, "a host is ASCII", help);
    }
    if name.len() > HOST_BYTES_MAX || !name.split('.').all(is_label) {
        return wrong(at, "this is no host name", "write one such as `api.example.com`");
    }
    if suffix && name.rsplit('.').next().is_some_and(|last| last.parse::<u8>().is_ok()) {
        return wrong(at, "an address has no hosts below it", "write the whole address");
    }
    // Taking a forgotten slash for a host would leave the path to whatever wider rule there is.
    if !dotted && is_bare(name) {
        let help = format!("write `/{name}` for a path, `{name}.` for a host of one word");
        return wrong(at, format!("is `{name}` a host, or the beginning of the path?"), help);
    }
    Ok(if suffix {
        HostPattern::Under(name.to_owned())
    } else {
        HostPattern::Exactly(name.to_owned())
    })
}

fn is_label(label: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.len() <= LABEL_BYTES_MAX && label.bytes().all(known)
}

/// Whether a host could be taken for a path without its slash. Such a one is written with a last dot.
pub(super) fn is_bare(host: &str) -> bool {
    !host.contains('.') && !host.starts_with('[') && host != "localhost"
}

fn port_error<T>(at: Range<usize>, host: &str) -> Result<T, SyntaxError> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    wrong(at, "a rule's host has no port", format!("write `{name}`: it fits every port"))
}
