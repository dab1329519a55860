//! Addresses: where we listen, whom we call, whom we trust.
//!
//! Each reader answers with a hint for what it cannot read; the hint never quotes the text, which a
//! variable may have filled in.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use super::{Address, Network, Server};

/// Longest path of a unix socket: `sun_path` has 108 bytes, the last of them NUL.
const SOCKET_PATH_MAX: usize = 107;

/// `0.0.0.0:8080`, `[::1]:8080` or `unix:/run/x.sock`; a relative socket path starts at `folder`.
pub(super) fn listen(text: &str, folder: &Path) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(socket_path(path, folder)?));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Address::Tcp(address));
    }
    Err(match text.rsplit_once(':') {
        Some(("", port)) if port.parse::<u16>().is_ok() => {
            format!("write `0.0.0.0:{port}` for every address, `127.0.0.1:{port}` for this machine")
        }
        Some(("localhost", port)) if port.parse::<u16>().is_ok() => {
            format!("names are not looked up here: write `127.0.0.1:{port}`")
        }
        _ => "expected an address and a port, `127.0.0.1:8080`, or `unix:/path`".to_owned(),
    })
}

/// `http://host:port`, `https://host:port` or `unix:/path`; `over_tls` makes what the second one means.
pub(super) fn server(
    text: &str,
    folder: &Path,
    over_tls: impl FnOnce(String, u16) -> Result<Server, String>,
) -> Result<Server, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Server::Unix(socket_path(path, folder)?));
    }
    let (authority, secret) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(authority), _) => (authority, false),
        (None, Some(authority)) => (authority, true),
        (None, None) => {
            let expected = "expected `http://host:port`, `https://host:port` or `unix:/path`";
            return Err(expected.to_owned());
        }
    };
    if authority.contains('@') {
        return Err("a name or password has no place here".to_owned());
    }
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.contains(['/', '?', '#']) {
        return Err("only a host and a port: paths are forwarded as they come".to_owned());
    }
    let (host, port) = host_and_port(authority, if secret { 443 } else { 80 })?;
    if secret { over_tls(host, port) } else { Ok(Server::Tcp { host, port }) }
}

/// A host without the brackets of an IPv6 address, and a port.
pub(super) fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("the `[` is never closed")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("only an IPv6 address stands in brackets".to_owned());
            }
            (host, after.strip_prefix(':').or((!after.is_empty()).then_some("?")))
        }
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address stands in brackets: `[::1]:9000`".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if !is_host(host) {
        return Err("expected a host name or an address before the port".to_owned());
    }
    let port = match port {
        None => default_port,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port != 0 && !digits.starts_with('+'))
            .ok_or("expected a port from 1 to 65535")?,
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// An IPv6 address without brackets, or the letters of host names (with `_`, which container
/// networks use).
fn is_host(host: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(name))
}

/// `10.0.0.0/8`, `10.0.0.1`, `fd00::/8` or `unix`.
///
/// IPv4 written as IPv6 becomes IPv4, as the peers' addresses do before they are compared.
pub(super) fn network(text: &str) -> Result<Network, String> {
    const EXPECTED: &str = "expected an address, a network such as `10.0.0.0/8`, or `unix`";
    if text == "unix" {
        return Ok(Network::Unix);
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let written: IpAddr = address.parse().map_err(|_| EXPECTED)?;
    let bits = if written.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = match prefix {
        None => bits,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|prefix| *prefix <= bits && !digits.starts_with('+'))
            .ok_or_else(|| format!("expected `/1` to `/{bits}`"))?,
    };
    let address = written.to_canonical();
    let mapped = written.is_ipv6() && address.is_ipv4();
    let prefix = if mapped { prefix.saturating_sub(96) } else { prefix };
    if prefix == 0 {
        return Err("this trusts every address there is: name the proxies' own networks".to_owned());
    }
    let first = first_address(address, prefix);
    if first != address {
        return Err(format!("a network of this size starts at `{first}/{prefix}`"));
    }
    Ok(Network::Ip { address, prefix })
}

fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

pub(super) fn socket_path(path: &str, folder: &Path) -> Result<std::path::PathBuf, String> {
    if path.is_empty() {
        return Err("expected a path after `unix:`".to_owned());
    }
    if path.starts_with("//") {
        return Err("write `unix:/path`, with one slash".to_owned());
    }
    let path = folder.join(path);
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(format!("a socket's path has at most {SOCKET_PATH_MAX} bytes"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> &'static Path {
        Path::new("/etc/tollgate")
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn we_listen_on_addresses_and_sockets_never_on_names() {
        let tcp = |text: &str| Some(Address::Tcp(text.parse().unwrap()));
        for (text, expected) in [
            ("0.0.0.0:8080",      tcp("0.0.0.0:8080")),
            ("[::1]:8080",        tcp("[::1]:8080")),
            ("unix:/run/x.sock",  Some(Address::Unix("/run/x.sock".into()))),
            ("unix:x.sock",       Some(Address::Unix("/etc/tollgate/x.sock".into()))),
            (":8080",             None),
            ("localhost:8080",    None),
            ("8080",              None),
            ("0.0.0.0",           None),
            ("unix:",             None),
        ] {
            assert_eq!(listen(text, folder()).ok(), expected, "{text}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_backend_is_a_host_and_a_port_and_nothing_else() {
        let tcp = |host: &str, port| Some(Server::Tcp { host: host.to_owned(), port });
        for (text, expected) in [
            ("http://127.0.0.1:9000",  tcp("127.0.0.1", 9000)),
            ("http://app.local",       tcp("app.local", 80)),
            ("http://My_App:9000/",    tcp("my_app", 9000)),
            ("http://[::1]:9000",      tcp("::1", 9000)),
            ("http://[::1]",           tcp("::1", 80)),
            ("unix:/run/app.sock",     Some(Server::Unix("/run/app.sock".into()))),
            ("https://app:8443",       tcp("tls app", 8443)),
            ("https://[::1]/",         tcp("tls ::1", 443)),
            ("https://",               None),
            ("https://u:p@app",        None),
            ("https://app/base",       None),
            ("http://u:p@app:9000",    None),
            ("http://app:9000/base",   None),
            ("http://app:0",           None),
            ("http://app:65536",       None),
            ("http://app:+80",         None),
            ("http://",                None),
            ("http://::1:9000",        None),
            ("http://[::1]9000",       None),
            ("http://a b",             None),
            ("app:9000",               None),
        ] {
            // A mark in place of settings.
            let over_tls = |host, port| Ok(Server::Tcp { host: format!("tls {host}"), port });
            assert_eq!(server(text, folder(), over_tls).ok(), expected, "{text}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_trusted_network_is_written_with_its_first_address_and_is_never_everybody() {
        let ip = |address: &str, prefix| Some(Network::Ip { address: address.parse().unwrap(), prefix });
        for (text, expected) in [
            ("10.0.0.0/8",           ip("10.0.0.0", 8)),
            ("10.1.2.3",             ip("10.1.2.3", 32)),
            ("fd00::/8",             ip("fd00::", 8)),
            ("::1",                  ip("::1", 128)),
            ("::ffff:10.0.0.0/104",  ip("10.0.0.0", 8)),
            ("::ffff:10.1.2.3",      ip("10.1.2.3", 32)),
            ("unix",                 Some(Network::Unix)),
            ("0.0.0.0/0",            None),
            ("::/0",                 None),
            ("::ffff:0.0.0.0/96",    None),
            ("::ffff:0.0.0.0/90",    None),
            ("10.0.0.1/8",           None),
            ("10.0.0.0/33",          None),
            ("10.0.0.0/",            None),
            ("10.0.0.0/+8",          None),
            ("private",              None),
        ] {
            assert_eq!(network(text).ok(), expected, "{text}");
        }
    }
}
