//! Connections that ask again as soon as they are answered, one thread's share of them.

use std::{
    io,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Asked, FRAME, Seen, Target};
use crate::{Outcome, certificate::HOST};

/// Longest life of a connection's part in a shot: whatever takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// Most bytes of one read.
const PIECE: usize = 32 * 1024;

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A connection to a proxy.
pub(crate) struct Connection {
    stream: Box<dyn Duplex>,
    read: Vec<u8>,
    sent: Vec<u8>,
}

/// One thread: connects, waits twice at the gate, and asks while there are numbers left.
pub(super) fn run(
    target: &Target,
    share: usize,
    gate: &Barrier,
    numbers: &Arc<AtomicU64>,
) -> Outcome<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connected = runtime.block_on(connect(target, share));
    gate.wait();
    gate.wait();
    let ready = connected?;
    let local = LocalSet::new();
    let seen = local.block_on(&runtime, async {
        let mut asking = JoinSet::new();
        for connection in ready {
            let (target, numbers) = (target.clone(), Arc::clone(numbers));
            asking.spawn_local(timeout(PATIENCE, converse(target, connection, numbers)));
        }
        let mut all = Seen::default();
        while let Some(seen) = asking.join_next().await {
            match seen {
                Ok(Ok(seen)) => all.join(seen),
                Ok(Err(late)) => all.bad(&late),
                Err(error) => all.bad(&error),
            }
        }
        all
    });
    Ok(seen)
}

/// Connections of which each was answered once, so that what a shot costs is asking and not connecting.
async fn connect(target: &Target, share: usize) -> Outcome<Vec<Option<Connection>>> {
    let mut ready = Vec::new();
    for _ in 0..share {
        if target.anew {
            ready.push(None);
            continue;
        }
        let mut connection = Connection::open(target).await?;
        connection.ask(&target.asked, 0).await?;
        ready.push(Some(connection));
    }
    Ok(ready)
}

async fn converse(
    target: Target,
    mut connection: Option<Connection>,
    numbers: Arc<AtomicU64>,
) -> Seen {
    let mut seen = Seen::default();
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        if number >= target.requests {
            return seen;
        }
        let begun = Instant::now();
        let asked = async {
            let mut known = match connection.take() {
                Some(known) => known,
                None => Connection::open(&target).await?,
            };
            let again = known.ask(&target.asked, target.first + number).await?;
            Ok::<_, io::Error>((known, again))
        };
        match asked.await {
            Ok((known, again)) => {
                seen.good(begun.elapsed());
                connection = Some(known).filter(|_| again && !target.anew);
            }
            Err(error) => seen.bad(&error),
        }
    }
}

impl Connection {
    /// Connects, with the handshake of TLS where there is one, and that of a WebSocket.
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", target.port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match &target.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?)
            }
        };
        let mut connection = Self { stream, read: vec![0; PIECE], sent: Vec::new() };
        if target.asked.echo {
            connection.exchange(&target.asked, 0).await?;
        }
        Ok(connection)
    }

    /// Asks once. Whether one may ask again on this connection.
    ///
    /// # Errors
    /// Any answer but the one that is due.
    pub(crate) async fn ask(&mut self, asked: &Asked, number: u64) -> io::Result<bool> {
        if !asked.echo {
            return self.exchange(asked, number).await;
        }
        self.stream.write_all(&FRAME).await?;
        // Whoever serves masks nothing: four bytes fewer come back.
        let mut echo = [0; FRAME.len() - 4];
        self.stream.read_exact(&mut echo).await?;
        if echo[..2] == [0x82, 64] && echo[2..] == FRAME[6..] {
            return Ok(true);
        }
        Err(io::Error::other("the echo is another one"))
    }

    async fn exchange(&mut self, asked: &Asked, number: u64) -> io::Result<bool> {
        asked.request(number, &mut self.sent);
        self.stream.write_all(&self.sent).await?;
        let mut got = 0;
        let head = loop {
            let read = self.stream.read(&mut self.read[got..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let from = got.saturating_sub(3);
            got += read;
            if let Some(at) = self.read[from..got].windows(4).position(|end| end == b"\r\n\r\n") {
                break Head::read(&self.read[..from + at + 4], asked)?;
            }
        };
        let mut left = (head.length + head.bytes).saturating_sub(got);
        while left > 0 {
            let read = self.stream.read(&mut self.read).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left = left.saturating_sub(read);
        }
        Ok(head.again)
    }
}

/// The head of an answer.
pub(super) struct Head {
    /// Its own bytes.
    pub(super) bytes: usize,
    /// Those of the body.
    pub(super) length: usize,
    again: bool,
}

impl Head {
    /// Reads a whole head.
    ///
    /// # Errors
    /// A status or a length that is not the one asked for.
    pub(super) fn read(bytes: &[u8], asked: &Asked) -> io::Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        let (mut length, mut again) = (0, true);
        for line in text.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("connection") {
                again = !value.trim().eq_ignore_ascii_case("close");
            }
        }
        if status != Some(asked.status) || asked.length.is_some_and(|expected| expected != length) {
            return Err(io::Error::other(format!("another answer is due than this: {text}")));
        }
        Ok(Self { bytes: bytes.len(), length, again })
    }
}
