//! A small client of the admin listener: one request, one connection, over TCP or a unix socket.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::spawn_local,
    time::timeout,
};

use super::{Exit, Failure};
use crate::{
    app::admin::wire::Complaint,
    config::{Address, Config},
    tick,
};

/// Longest wait for a connection, and for an answer: a store may take its own limit more than once.
const CONNECT_TIME: Duration = Duration::from_secs(2);
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Largest answer: an explanation is a few kilobytes, a list of roles may have many permissions.
const ANSWER_BYTES_MAX: usize = 1 << 24;

/// A connection to an admin listener.
pub(super) struct Client {
    address: Address,
    sender: SendRequest<Full<Bytes>>,
}

/// What answered, or did not.
pub(super) enum Reached {
    /// A listener.
    Gateway(Client),
    /// Nobody listens there.
    Nobody(io::Error),
}

/// Runs `future` as the control thread would: on a runtime of this thread, with its clock ticking.
pub(super) fn on_this_thread<T>(
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(|error| Failure::new(Exit::Software, format!("starting the runtime: {error}")))?;
    runtime.block_on(async {
        spawn_local(tick::run(|_| ()));
        future.await
    })
}

/// Reads `http://127.0.0.1:9901`, `127.0.0.1:9901` or `unix:/path`.
pub(super) fn address(text: &str) -> Result<Address, Failure> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    let bare = text.strip_prefix("http://").unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if let Ok(address) = bare.parse::<SocketAddr>() {
        return Ok(Address::Tcp(address));
    }
    let mut found = bare.to_socket_addrs().into_iter().flatten();
    found.next().map(Address::Tcp).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`{text}` is no address of an admin listener"))
            .help("write http://127.0.0.1:9901 or unix:/run/tollgate/admin.sock, as `admin` in the configuration has it")
    })
}

impl Client {
    /// Connects to the admin listener of `config`; `None` when it has none.
    pub(super) async fn of(config: &Config) -> Result<Option<Reached>, Failure> {
        match &config.admin {
            None => Ok(None),
            Some(address) => Self::connect(address.clone()).await.map(Some),
        }
    }

    /// Connects to `address`.
    pub(super) async fn connect(address: Address) -> Result<Reached, Failure> {
        let connected = match &address {
            Address::Tcp(tcp) => timeout(CONNECT_TIME, TcpStream::connect(tcp)).await,
            Address::Unix(path) => match timeout(CONNECT_TIME, UnixStream::connect(path)).await {
                Ok(Ok(stream)) => return Self::greet(address, stream).await.map(Reached::Gateway),
                Ok(Err(error)) => Ok(Err(error)),
                Err(late) => Err(late),
            },
        };
        match connected {
            Ok(Ok(stream)) => Self::greet(address, stream).await.map(Reached::Gateway),
            Ok(Err(error)) if nobody_listens(&error) => Ok(Reached::Nobody(error)),
            Ok(Err(error)) => Err(unreachable(&address, &error.to_string())),
            Err(_) => Err(unreachable(&address, "no connection in time")),
        }
    }

    async fn greet(
        address: Address,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Failure> {
        let greeted = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) =
            greeted.map_err(|error| unreachable(&address, &error.to_string()))?;
        spawn_local(connection);
        Ok(Self { address, sender })
    }

    /// Posts `body` to `path`; the answer, or what the gateway complained of.
    pub(super) async fn post(mut self, path: &str, body: Vec<u8>) -> Result<Value, Failure> {
        let host = match &self.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let request = Request::post(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::new(Exit::Software, error.to_string()))?;
        let answered = timeout(ANSWER_TIME, async {
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((head.status, body))
        });
        let (status, body) = match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(&self.address, &error.to_string())),
            Err(_) => return Err(unreachable(&self.address, "no answer in time")),
        };
        read(&self.address, status, &body)
    }
}

/// There is no socket, or nobody behind it: no gateway runs here. Anything else is a fault.
fn nobody_listens(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn read(address: &Address, status: StatusCode, body: &[u8]) -> Result<Value, Failure> {
    if status == StatusCode::OK
        && let Ok(value) = serde_json::from_slice(body)
    {
        return Ok(value);
    }
    match serde_json::from_slice::<Complaint>(body) {
        Ok(complaint) => Err(complaint.into()),
        Err(_) => {
            let cause = format!("it answered {status}, which is not an admin listener's answer");
            Err(unreachable(address, &cause))
        }
    }
}

fn unreachable(address: &Address, cause: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("the admin listener at {address} cannot be used: {cause}"))
        .help("does the gateway run, and may you open this socket? Its configuration says where: `admin = …`")
}
