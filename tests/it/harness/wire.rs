//! Bytes on a socket, and HTTP/1.1 read from them without mercy: what a peer sent is what is seen.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use super::pki::Tls;

/// A connected socket.
pub(crate) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Tls>),
}

impl Wire {
    pub(crate) fn twin(&self) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().unwrap()),
            Self::Unix(stream) => Self::Unix(stream.try_clone().unwrap()),
            Self::Tls(_) => panic!("a TLS connection has one hold"),
        }
    }

    pub(crate) fn patience(&self, limit: Option<Duration>) {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(limit).unwrap(),
            Self::Unix(stream) => stream.set_read_timeout(limit).unwrap(),
            Self::Tls(stream) => stream.sock.set_read_timeout(limit).unwrap(),
        }
    }

    /// Ends the connection. A peer that has gone already makes it fail, which changes nothing.
    pub(crate) fn shut(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tls(stream) => stream.sock.shutdown(how),
        };
    }

    /// Closing will send a reset, and throw away what was not sent.
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tcp(stream) = self {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            return stream.flush();
        }
        Ok(())
    }
}

/// First line and fields of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn parse(raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(raw);
        let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().to_owned();
        Self { first, fields: lines.map(split).collect() }
    }

    /// All values of a field, its name in any case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that may stand there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there {} times: {:?}", all.len(), self.fields);
        all.first().copied()
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").iter().any(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    pub(crate) fn length(&self) -> Option<usize> {
        self.field("content-length").map(|length| length.parse().unwrap())
    }

    /// Method and target of a request, status of an answer.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.first.split(' ').nth(index).unwrap_or_default()
    }
}

fn split(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim().to_owned())
}

/// Reads messages from a socket.
pub(crate) struct Reader {
    pub(crate) wire: Wire,
    buffer: Vec<u8>,
    /// All that was taken since [`take_raw`](Self::take_raw).
    raw: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, buffer: Vec::new(), raw: Vec::new() }
    }

    /// Takes more from the socket; `false` when there is no more. Panics when the peer is silent for
    /// longer than the socket's patience.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.wire.read(&mut bytes) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&bytes[..count]);
                    return count > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => {
                    let silent =
                        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                    let seen = String::from_utf8_lossy(&self.buffer);
                    assert!(!silent, "the peer stays silent after {seen:?}");
                    return false;
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken: Vec<u8> = self.buffer.drain(..count).collect();
        self.raw.extend_from_slice(&taken);
        taken
    }

    /// Everything taken since the last call.
    pub(crate) fn take_raw(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.raw)
    }

    fn up_to(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self.buffer.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return Some(self.take(at + end.len()));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// A head with its blank line; `None` when the peer ended before it.
    pub(crate) fn head(&mut self) -> Option<Head> {
        self.up_to(b"\r\n\r\n").map(|raw| Head::parse(&raw))
    }

    /// Bytes up to CR LF; `None` when the peer ended before it.
    pub(crate) fn line(&mut self) -> Option<String> {
        self.up_to(b"\r\n").map(|raw| String::from_utf8_lossy(&raw).into_owned())
    }

    /// Adds `count` bytes to `into`; `false` when the peer ended before.
    pub(crate) fn exactly(&mut self, mut count: usize, into: &mut Vec<u8>) -> bool {
        loop {
            let ready = count.min(self.buffer.len());
            into.extend_from_slice(&self.take(ready));
            count -= ready;
            if count == 0 {
                return true;
            }
            if !self.fill() {
                return false;
            }
        }
    }

    /// Throws `count` bytes away, counting them; `false` when the peer ended before.
    pub(crate) fn drink(&mut self, mut count: usize, drunk: &AtomicUsize) -> bool {
        loop {
            let ready = count.min(self.buffer.len());
            self.buffer.drain(..ready);
            drunk.fetch_add(ready, SeqCst);
            count -= ready;
            if count == 0 || !self.fill() {
                return count == 0;
            }
        }
    }

    /// A chunked body and its trailers; `None` when it was cut.
    pub(crate) fn chunked(&mut self, into: &mut Vec<u8>) -> Option<Vec<(String, String)>> {
        loop {
            let line = String::from_utf8(self.up_to(b"\r\n")?).ok()?;
            let size = usize::from_str_radix(line.trim_end().split(';').next()?, 16).ok()?;
            if size == 0 {
                break;
            }
            let mut chunk = Vec::new();
            let whole = self.exactly(size, &mut chunk);
            into.extend_from_slice(&chunk);
            if !whole || self.up_to(b"\r\n")? != b"\r\n" {
                return None;
            }
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.up_to(b"\r\n")?;
            if line == b"\r\n" {
                return Some(trailers);
            }
            trailers.push(split(String::from_utf8_lossy(&line).trim_end()));
        }
    }

    /// What comes next, whatever it is; `None` when the peer has ended.
    pub(crate) fn some(&mut self) -> Option<Vec<u8>> {
        (!self.buffer.is_empty() || self.fill()).then(|| self.take(self.buffer.len()))
    }

    /// All that comes until the peer ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        self.take(self.buffer.len())
    }
}
