//! A client that sends bytes and shows bytes. It adds nothing, corrects nothing, follows nothing.

use std::{
    io::Write,
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::AtomicUsize,
};

use socket2::{Domain, Socket, Type};

use super::{
    PATIENCE,
    pki::Tls,
    wire::{Head, Reader, Wire},
};

/// How an answer's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has none.
    Bodiless,
    /// All bytes of Content-Length, or the last chunk, were there.
    Clean,
    /// Neither a length nor chunks: until the connection ended.
    Closed,
    /// The connection ended before the body.
    Cut,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) end: End,
    /// Head and body as they came.
    pub(crate) raw: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The reason word of a refusal; empty for an answer that is none.
    pub(crate) fn reason(&self) -> String {
        let refusal: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        refusal["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// `401 token_expired`, or `200`.
    pub(crate) fn verdict(&self) -> String {
        format!("{} {}", self.status, self.reason()).trim_end().to_owned()
    }
}

/// A connection.
pub(crate) struct Client {
    reader: Reader,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("nobody listens")
    }

    /// A connection, unless nobody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_nodelay(true).unwrap();
        Some(Self::over(Wire::Tcp(stream)))
    }

    /// A connection from another address of this machine, such as 127.0.0.2.
    pub(crate) fn connect_from(from: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect_timeout(&address.into(), PATIENCE).expect("nobody listens");
        Self::over(Wire::Tcp(socket.into()))
    }

    pub(crate) fn connect_unix(path: &Path) -> Self {
        Self::over(Wire::Unix(UnixStream::connect(path).unwrap()))
    }

    /// A connection after its handshake.
    pub(crate) fn connect_tls(tls: Tls) -> Self {
        Self::over(Wire::Tls(Box::new(tls)))
    }

    /// What the handshake agreed, and what came since.
    pub(crate) fn tls(&self) -> &Tls {
        let Wire::Tls(tls) = &self.reader.wire else { panic!("a connection in clear text") };
        tls
    }

    fn over(wire: Wire) -> Self {
        wire.patience(Some(PATIENCE));
        Self { reader: Reader::new(wire) }
    }

    /// Sends bytes. A peer that has closed meanwhile is no fault: its answer may be there to read.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.reader.wire.write_all(bytes.as_ref());
        self
    }

    /// Another hold on the same connection, for a thread that only sends.
    pub(crate) fn twin(&self) -> Self {
        Self { reader: Reader::new(self.reader.wire.twin()) }
    }

    /// The same as `send`; `false` when the connection has ended.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.wire.write_all(bytes.as_ref()).is_ok()
    }

    /// Ends both directions.
    pub(crate) fn end(&self) {
        self.reader.wire.shut(Shutdown::Both);
    }

    /// The next answer; panics when the connection ends before its head.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer(false).expect("the gateway closed without an answer")
    }

    /// The next answer, to a HEAD request.
    pub(crate) fn answer_to_head(&mut self) -> Answer {
        self.try_answer(true).expect("the gateway closed without an answer")
    }

    /// The next head alone, such as that of a 100.
    pub(crate) fn head(&mut self) -> Head {
        self.reader.head().expect("the gateway closed without a head")
    }

    /// What comes next, up to CR LF.
    pub(crate) fn line(&mut self) -> String {
        self.reader.line().expect("the gateway closed")
    }

    /// The next `count` bytes; `None` when the connection ends before.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.exactly(count, &mut bytes).then_some(bytes)
    }

    /// Throws the next `count` bytes away; `false` when the connection ends before.
    pub(crate) fn drink(&mut self, count: usize, drunk: &AtomicUsize) -> bool {
        self.reader.drink(count, drunk)
    }

    /// The next answer, unless the connection ends before its head.
    pub(crate) fn try_answer(&mut self, to_head: bool) -> Option<Answer> {
        let head = self.reader.head()?;
        let status: u16 = head.word(1).parse().unwrap();
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        let end = if to_head || status < 200 || status == 204 || status == 304 {
            End::Bodiless
        } else if head.is_chunked() {
            let read = self.reader.chunked(&mut body);
            let end = if read.is_some() { End::Clean } else { End::Cut };
            trailers = read.unwrap_or_default();
            end
        } else if let Some(length) = head.length() {
            if self.reader.exactly(length, &mut body) { End::Clean } else { End::Cut }
        } else {
            body = self.reader.rest();
            End::Closed
        };
        let raw = self.reader.take_raw();
        Some(Answer { status, head, body, trailers, end, raw })
    }

    /// Sends a request and takes its answer.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).answer()
    }

    /// Waits until the gateway closes, and shows what it still sent.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.reader.rest()
    }

    /// Ends our direction only.
    pub(crate) fn finish_sending(&self) {
        self.reader.wire.shut(Shutdown::Write);
    }

    /// Leaves as a process that was killed leaves.
    pub(crate) fn leave(self) {
        self.reader.wire.reset_on_close();
    }
}

/// A GET with more fields, each ended by CR LF.
pub(crate) fn get(target: &str, fields: &str) -> String {
    request("GET", target, fields, "")
}

/// A request with Host, and a Content-Length where there is a body.
pub(crate) fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\n{fields}{length}\r\n{body}")
}

/// The field that carries a token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}
