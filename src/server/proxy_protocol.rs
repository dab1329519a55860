//! The PROXY protocol, versions 1 and 2: a proxy that forwards bytes says first whom it forwards for.
//!
//! A header is read to its last byte and not beyond, so that what follows (TLS, or a request) is still in
//! the socket. What is not to the letter is malformed: whoever sends the header is a proxy that an operator
//! has named, and a client who stands behind one that sends none must not be able to write one.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    gateway::Peer,
    telemetry::log::{Level, event},
    tick,
};

/// Longest header of version 1, bytes, CR LF included.
const V1_MAX: usize = 107;

/// Shortest header there is, bytes: `PROXY UNKNOWN` and CR LF.
const SHORTEST: usize = 15;

/// What version 2 begins with.
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Fixed part of version 2, bytes.
const V2_FIXED: usize = 16;

/// Longest variable part of version 2 that we read, bytes: addresses, and what proxies tell of a TLS
/// session. None is known to send as much.
const V2_MAX: usize = 4096;

/// A worker complains once in this time: a proxy that sends none sends none every time.
const COMPLAINT_EVERY: Duration = Duration::from_mins(1);

/// Whom a proxy forwards for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// For itself: a health check.
    Itself,
    /// For somebody without an IP address, or whom it does not name.
    Unnamed,
    /// For a client there.
    Client(SocketAddr),
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The beginning of a header that has at least this many bytes more.
    Part(usize),
    /// A header.
    Whole(Source),
    /// None, and none can become of it.
    Malformed,
}

/// Whom `proxy` speaks for, by the header that it must send. Trust in what a client says of its way here
/// goes by the address that comes out: a proxy of bytes passes on whatever its clients wrote there.
///
/// # Errors
/// When there is no header to the letter, or the stream ends before its end.
pub(super) async fn introduced(
    stream: &mut (impl AsyncRead + Unpin),
    proxy: Peer,
) -> io::Result<Peer> {
    match read(stream).await {
        Ok(Source::Itself) => Ok(proxy),
        Ok(Source::Unnamed) => Ok(proxy.nameless()),
        Ok(Source::Client(address)) => Ok(Peer::tcp(address)),
        Err(error) => {
            if error.kind() == io::ErrorKind::InvalidData {
                complain(&proxy);
            }
            Err(error)
        }
    }
}

/// An operator who has forgotten to switch it on at the proxy would see connections end and no reason.
fn complain(proxy: &Peer) {
    thread_local! {
        static TOLD: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = tick::now();
    if TOLD.get().is_none_or(|told| now.saturating_duration_since(told) > COMPLAINT_EVERY) {
        TOLD.set(Some(now));
        let message = "closed a connection of a trusted proxy: it begins with no PROXY header";
        event(Level::Warn, message, &[("proxy", &proxy.text())]);
    }
}

/// Reads a header, and nothing after it.
///
/// # Errors
/// [`InvalidData`](io::ErrorKind::InvalidData) when there is none to the letter.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Source> {
    let mut header = [0; V2_FIXED + V2_MAX];
    let mut length = 0;
    loop {
        match see(&header[..length]) {
            Seen::Whole(source) => return Ok(source),
            Seen::Malformed => return Err(io::ErrorKind::InvalidData.into()),
            Seen::Part(missing) => {
                let read = stream.read(&mut header[length..length + missing]).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                length += read;
            }
        }
    }
}

/// Judges `bytes`, which have nothing after a header.
fn see(bytes: &[u8]) -> Seen {
    const V1: &[u8] = b"PROXY ";
    let begins = |with: &[u8]| with.iter().zip(bytes).all(|(with, byte)| with == byte);
    if bytes.is_empty() {
        Seen::Part(SHORTEST)
    } else if begins(V2_SIGNATURE) {
        version_2(bytes)
    } else if begins(V1) {
        version_1(bytes)
    } else {
        Seen::Malformed
    }
}

fn version_1(bytes: &[u8]) -> Seen {
    if bytes.len() < SHORTEST {
        return Seen::Part(SHORTEST - bytes.len());
    }
    let (line, missing) = match bytes {
        [line @ .., b'\r', b'\n'] => (line, 0),
        [line @ .., b'\r'] => (line, 1),
        line => (line, 2),
    };
    if line.contains(&b'\r') || line.contains(&b'\n') || bytes.len() + missing > V1_MAX {
        return Seen::Malformed;
    }
    if missing > 0 {
        return Seen::Part(missing);
    }
    std::str::from_utf8(line).ok().and_then(line_1).map_or(Seen::Malformed, Seen::Whole)
}

/// `PROXY TCP4 203.0.113.7 10.0.0.1 51234 443`.
fn line_1(line: &str) -> Option<Source> {
    let mut words = line.split(' ');
    words.next().filter(|word| *word == "PROXY")?;
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Source::Unnamed); // whatever follows is to be ignored
    }
    let mut ip = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse().ok().map(IpAddr::V4),
            "TCP6" => word.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (client, _ours) = (ip()?, ip()?);
    let mut port = || {
        let digits = words.next()?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let shortest = digits == "0" || !digits.starts_with('0');
        digits.parse::<u16>().ok().filter(|_| plain && shortest)
    };
    let (port, _ours) = (port()?, port()?);
    words.next().is_none().then(|| client_at(client, port))
}

fn version_2(bytes: &[u8]) -> Seen {
    if bytes.len() < V2_FIXED {
        return Seen::Part(V2_FIXED - bytes.len());
    }
    let (fixed, rest) = bytes.split_at(V2_FIXED);
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let itself = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return Seen::Malformed,
    };
    let source = match (itself, fixed[13]) {
        (true, _) => Some(0),
        (false, 0x00) => Some(0),   // unspecified
        (false, 0x11) => Some(12),  // TCP over IPv4
        (false, 0x21) => Some(36),  // TCP over IPv6
        (false, 0x31) => Some(216), // a unix stream
        (false, _) => None,         // datagrams, or unknown
    };
    if length > V2_MAX || source.is_none_or(|addresses| length < addresses) {
        return Seen::Malformed;
    }
    if rest.len() < length {
        return Seen::Part(length - rest.len());
    }
    let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    Seen::Whole(match (itself, fixed[13]) {
        (true, _) => Source::Itself,
        (false, 0x11) => {
            let ip: [u8; 4] = [rest[0], rest[1], rest[2], rest[3]];
            client_at(Ipv4Addr::from(ip).into(), port(8))
        }
        (false, 0x21) => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&rest[..16]);
            client_at(Ipv6Addr::from(ip).into(), port(32))
        }
        (false, _) => Source::Unnamed,
    })
}

/// IPv4 written as IPv6 is taken as what it is.
fn client_at(ip: IpAddr, port: u16) -> Source {
    Source::Client(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(address: &str) -> Seen {
        Seen::Whole(Source::Client(address.parse().unwrap()))
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family][..], &length, body].concat()
    }

    /// Judges `bytes` as they come one by one, and fails if more is asked for than there is.
    fn piecewise(bytes: &[u8]) -> (Seen, usize) {
        for length in 0..bytes.len() {
            match see(&bytes[..length]) {
                Seen::Part(missing) => {
                    assert!(missing > 0);
                }
                seen @ (Seen::Whole(_) | Seen::Malformed) => return (seen, length),
            }
        }
        (see(bytes), bytes.len())
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn headers_of_version_1_are_read_to_the_letter() {
        let unnamed = Seen::Whole(Source::Unnamed);
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX - 16));
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX - 15));
        for (line, expected) in [
            ("PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n",     client("203.0.113.7:51234")),
            ("PROXY TCP6 2001:db8::7 ::1 51234 443\r\n",          client("[2001:db8::7]:51234")),
            ("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n",         client("203.0.113.7:1")),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 0 65535\r\n",       client("203.0.113.7:0")),
            ("PROXY UNKNOWN\r\n",                                 unnamed),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",     unnamed),
            (&long,                                               unnamed),
            (&longer,                                             Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 51234\r\n",         Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 51234 443 9\r\n",   Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 51234 443 \r\n",    Seen::Malformed),
            ("PROXY TCP4  203.0.113.7 10.0.0.1 51234 443\r\n",    Seen::Malformed),
            ("PROXY TCP4 203.0.113.07 10.0.0.1 51234 443\r\n",    Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 051234 443\r\n",    Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n",        Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n",     Seen::Malformed),
            ("PROXY TCP4 ::1 ::1 1 2\r\n",                        Seen::Malformed),
            ("PROXY TCP6 203.0.113.7 10.0.0.1 1 2\r\n",           Seen::Malformed),
            ("PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n",           Seen::Malformed),
            ("PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\n",       Seen::Malformed),
            ("PROXY UNKNOWN 203.0.113.7\r 10.0.0.1\r\n",           Seen::Malformed),
            ("PROXY TCP4 203.0.113.7\r 10.0.0.1 51234 443\r\n",   Seen::Malformed),
            ("proxy TCP4 203.0.113.7 10.0.0.1 51234 443\r\n",     Seen::Malformed),
            ("PROXY\tTCP4 203.0.113.7 10.0.0.1 51234 443\r\n",    Seen::Malformed),
            ("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",      Seen::Malformed),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                  Seen::Malformed),
        ] {
            assert_eq!(piecewise(line.as_bytes()).0, expected, "{line:?}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn headers_of_version_2_are_read_to_the_letter() {
        let (itself, unnamed) = (Seen::Whole(Source::Itself), Seen::Whole(Source::Unnamed));
        let v4 = [&[203, 0, 113, 7, 10, 0, 0, 1][..], &[200, 34, 1, 187]].concat();
        let more = [&v4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        let ip: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let v6 = [&ip.octets()[..], &[0; 16], &[200, 34, 1, 187]].concat();
        let mapped: Ipv6Addr = "::ffff:203.0.113.7".parse().unwrap();
        let mapped = [&mapped.octets()[..], &[0; 16], &[0, 1, 0, 2]].concat();
        for (name, bytes, expected) in [
            ("IPv4",               v2(0x21, 0x11, &v4),                client("203.0.113.7:51234")),
            ("with more after it", v2(0x21, 0x11, &more),              client("203.0.113.7:51234")),
            ("IPv6",               v2(0x21, 0x21, &v6),                client("[2001:db8::7]:51234")),
            ("IPv4 in IPv6",       v2(0x21, 0x21, &mapped),            client("203.0.113.7:1")),
            ("unix",               v2(0x21, 0x31, &[0; 216]),          unnamed),
            ("unspecified",        v2(0x21, 0x00, &[]),                unnamed),
            ("a health check",     v2(0x20, 0x00, &[]),                itself),
            ("with addresses",     v2(0x20, 0x11, &v4),                itself),
            ("longest",            v2(0x20, 0x00, &vec![0; V2_MAX]),   itself),
            ("longer",             v2(0x20, 0x00, &vec![0; V2_MAX+1]), Seen::Malformed),
            ("short IPv4",         v2(0x21, 0x11, &v4[..11]),          Seen::Malformed),
            ("short IPv6",         v2(0x21, 0x21, &v6[..35]),          Seen::Malformed),
            ("short unix",         v2(0x21, 0x31, &[0; 215]),          Seen::Malformed),
            ("UDP",                v2(0x21, 0x12, &v4),                Seen::Malformed),
            ("another version",    v2(0x11, 0x11, &v4),                Seen::Malformed),
            ("another command",    v2(0x22, 0x11, &v4),                Seen::Malformed),
        ] {
            assert_eq!(piecewise(&bytes).0, expected, "{name}");
        }
    }

    proptest! {
        /// Reading goes to the end of the header, however it comes, and leaves what follows.
        #[test]
        fn what_follows_a_header_is_left(first in 0u8..2, after in proptest::collection::vec(any::<u8>(), 0..40)) {
            let header = match first {
                0 => b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n".to_vec(),
                _ => v2(0x21, 0x11, &[203, 0, 113, 7, 10, 0, 0, 1, 200, 34, 1, 187, 4, 0, 0]),
            };
            let all = [&header[..], &after].concat();
            let mut left = &all[..];
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let source = runtime.block_on(read(&mut left)).unwrap();
            prop_assert_eq!(source, Source::Client("203.0.113.7:51234".parse().unwrap()));
            prop_assert_eq!(left, &after[..]);
        }

        /// Nothing makes us fail, and nothing makes us read for ever.
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300), first in 0usize..3) {
            let begin: &[u8] = [&b""[..], b"PROXY ", V2_SIGNATURE][first];
            let bytes = [begin, &bytes].concat();
            if let Seen::Part(missing) = see(&bytes) {
                prop_assert!(bytes.len() + missing <= V2_FIXED + V2_MAX);
            }
        }
    }
}
