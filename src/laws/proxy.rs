//! The PROXY protocol: a header says how long it is, and is read to its end and no further.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::server::proxy_protocol::{Source, read};

/// What begins a version 2 header.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The first bytes of a connection.
///
/// - A header that is accepted says itself how many bytes it has, and those alone are eaten.
/// - What follows makes no difference to what it says.
/// - Every beginning of it wants more, and none is accepted or refused before its end.
/// - Whom it names, it names again when it is written anew in either version.
///
/// # Panics
/// When one of these does not hold.
pub fn proxy(data: &[u8]) {
    let Ok((source, rest)) = read_now(data) else { return };
    let (header, rest) = data.split_at(data.len() - rest);
    assert_eq!(header.len(), length(header), "eaten, and what the header says: {header:?}");
    assert_eq!(same(header), (source, 0), "without what follows");
    let other: Vec<u8> = rest.iter().map(|byte| !byte).chain(*b"PROXY ").collect();
    assert_eq!(same(&[header, &other].concat()), (source, other.len()), "before something else");
    for end in 0..header.len() {
        let seen = read_now(&header[..end]).err().map(|error| error.kind());
        assert_eq!(seen, Some(ErrorKind::UnexpectedEof), "{end} bytes of {header:?}");
    }
    if let Source::Client(address) = source {
        assert_eq!(same(&version_1(address)).0, source);
        assert_eq!(same(&version_2(address)).0, source);
    }
}

/// Reads a header from bytes that are all there, and tells how many are left.
fn read_now(data: &[u8]) -> io::Result<(Source, usize)> {
    let mut left = data;
    let read = match pin!(read(&mut left)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => panic!("bytes in memory are always there"),
    };
    Ok((read?, left.len()))
}

fn same(data: &[u8]) -> (Source, usize) {
    match read_now(data) {
        Ok(read) => read,
        Err(error) => panic!("{error}: {data:?}"),
    }
}

/// How long a header is by its own word: to its line end, or what its length says.
fn length(header: &[u8]) -> usize {
    if let Some(rest) = header.strip_prefix(SIGNATURE) {
        return 16 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    }
    let end = header.windows(2).position(|two| two == b"\r\n");
    end.map_or(usize::MAX, |end| end + 2)
}

fn version_1(client: SocketAddr) -> Vec<u8> {
    let (family, ours) = if client.is_ipv4() { ("TCP4", "10.0.0.1") } else { ("TCP6", "::1") };
    format!("PROXY {family} {} {ours} {} 443\r\n", client.ip(), client.port()).into_bytes()
}

fn version_2(client: SocketAddr) -> Vec<u8> {
    let (family, client_ip) = match client {
        SocketAddr::V4(client) => (0x11, client.ip().octets().to_vec()),
        SocketAddr::V6(client) => (0x21, client.ip().octets().to_vec()),
    };
    let ours = vec![1; client_ip.len()];
    let ports = [client.port().to_be_bytes(), 443_u16.to_be_bytes()].concat();
    let body = [client_ip, ours, ports].concat();
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [SIGNATURE, &[0x21, family], &length, &body].concat()
}
