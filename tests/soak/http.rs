//! The smallest HTTP/1.1 client that can tell a whole answer from a cut one, and a cut one from a request
//! that crossed with the end of its connection.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::backend::HEARD;

/// Longer than any answer may take: whoever waits so long is counted.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `details` of `Proxy-Status`: the gateway's own refusals have it.
    pub(crate) reason: Option<String>,
    pub(crate) body: Vec<u8>,
    /// It was the last of its connection, and said so.
    closes: bool,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nobody listened.
    Refused,
    /// The connection ended before the answer did.
    Cut,
    /// A connection that had served before ended, and no byte of the answer had come.
    Unheard,
    /// The same, after a part of a good answer.
    CutInside,
    /// Nothing for [`PATIENCE`].
    TimedOut,
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'static str,
    pub(crate) target: &'a str,
    pub(crate) token: Option<&'a str>,
}

/// A client as they are: it keeps one connection, makes another when it was told or sees that the one is
/// at its end, and asks once more what nobody can have done twice (RFC 9110, 9.2.2). Unlike them it asks the
/// backend first: what that has heard of had begun, and did not cross with the end of a connection.
pub(crate) struct Client {
    address: SocketAddr,
    backend: SocketAddr,
    open: Option<Connection<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, backend: SocketAddr) -> Self {
        Self { address, backend, open: None }
    }

    /// The answer, and whether it needed a second try.
    pub(crate) fn ask(&mut self, question: Question<'_>) -> (Result<Answer, Lost>, bool) {
        match self.try_once(question) {
            Err(Lost::Unheard) if question.method == "GET" && !self.has_begun(question.target) => {
                (self.try_once(question), true)
            }
            Err(Lost::Unheard) => (Err(Lost::Cut), false),
            other => (other, false),
        }
    }

    /// Whether the backend has heard of `target`, which is asked for once.
    fn has_begun(&self, target: &str) -> bool {
        let answer = Connection::tcp(self.backend)
            .and_then(|mut open| open.ask("GET", &format!("{HEARD}{target}"), None, ""));
        answer.is_ok_and(|answer| answer.body.starts_with(b"yes"))
    }

    fn try_once(&mut self, question: Question<'_>) -> Result<Answer, Lost> {
        let kept = self.open.take().filter(|open| !open.is_over());
        let mut open = kept.map_or_else(|| Connection::tcp(self.address), Ok)?;
        let answer = open.ask(question.method, question.target, question.token, "")?;
        self.open = Some(open).filter(|_| !answer.closes);
        Ok(answer)
    }
}

pub(crate) struct Connection<S> {
    stream: BufReader<S>,
    /// It has brought an answer.
    has_served: bool,
}

impl Connection<TcpStream> {
    pub(crate) fn tcp(address: SocketAddr) -> Result<Self, Lost> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|_| Lost::Refused)?;
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).unwrap();
        Ok(Self { stream: BufReader::new(stream), has_served: false })
    }

    /// Whether the other side has ended it since the last answer.
    fn is_over(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let seen = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        match seen {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl Connection<UnixStream> {
    pub(crate) fn unix(path: &Path) -> Result<Self, Lost> {
        let stream = UnixStream::connect(path).map_err(|_| Lost::Refused)?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Ok(Self { stream: BufReader::new(stream), has_served: false })
    }
}

impl<S: Read + Write> Connection<S> {
    /// One request and its answer. After a loss the connection is of no more use.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        token: Option<&str>,
        body: &str,
    ) -> Result<Answer, Lost> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(token) = token {
            text.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        text.push_str("\r\n");
        text.push_str(body);
        // What was refused early may be there to read although not all could be sent.
        let _ = self.stream.get_mut().write_all(text.as_bytes());
        let is_heard = self.begins();
        if is_heard == Err(Lost::Cut) && self.has_served {
            return Err(Lost::Unheard);
        }
        self.has_served = true;
        is_heard.and_then(|()| self.answer())
    }

    /// Waits for the first byte of an answer.
    fn begins(&mut self) -> Result<(), Lost> {
        match self.stream.fill_buf() {
            Ok([]) => Err(Lost::Cut),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }

    fn answer(&mut self) -> Result<Answer, Lost> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(Lost::Cut)?;
        let (mut length, mut reason, mut closes) = (0, None, false);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| Lost::Cut)?;
            } else if name.eq_ignore_ascii_case("proxy-status") {
                reason = value.split('"').nth(1).map(str::to_owned);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let mut body = vec![0; length];
        match self.stream.read_exact(&mut body) {
            Ok(()) => Ok(Answer { status, reason, body, closes }),
            Err(error) if lost(&error) == Lost::TimedOut => Err(Lost::TimedOut),
            Err(_) if status == 200 => Err(Lost::CutInside),
            Err(_) => Err(Lost::Cut),
        }
    }

    /// A line without its end; empty after the last field.
    fn line(&mut self) -> Result<String, Lost> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(Lost::Cut),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(lost(&error)),
        }
    }
}

fn lost(error: &io::Error) -> Lost {
    let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    if late { Lost::TimedOut } else { Lost::Cut }
}
