//! Opens one connection to a server of a backend: TCP, TLS or unix socket, HTTP/1.1 or HTTP/2 over it.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use hyper::client::conn::http1::{self, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    RequestBody, Switched, UpstreamError,
    meter::{Meter, Metered},
};
use crate::{
    config::{BackendTls, Http, Server},
    tick,
};

/// Read and write buffer of a connection, bytes. Large bodies pass in pieces of this size; measured,
/// 64 KiB halves the cost of a 1 MiB answer against 8 KiB.
const BUFFER_BYTES: usize = 64 * 1024;

/// Largest head of an answer, bytes: twice what we accept from clients.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// A request's way in, the task that carries it, and the meter over what it reads.
pub(super) type Opened = (SendRequest<RequestBody>, JoinHandle<Option<Switched>>, Rc<Meter>);

/// What is done with a stream that has just been opened.
pub(super) trait Handshake {
    type Opened;

    async fn shake(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<Self::Opened, UpstreamError>;
}

/// Connects and shakes hands, all within `limit`.
pub(super) async fn connect<H: Handshake>(
    server: &Server,
    limit: Duration,
    handshake: H,
) -> Result<H::Opened, UpstreamError> {
    let opened = async {
        match server {
            Server::Tcp { host, port } => handshake.shake(tcp(host, *port).await?).await,
            Server::Tls { host, port, name, tls } => {
                // Boxed: the state of a handshake is large, and most connections have none.
                let stream = Box::pin(secure(tcp(host, *port).await?, name.clone(), tls)).await?;
                handshake.shake(stream).await
            }
            Server::Unix(path) => handshake.shake(UnixStream::connect(path).await?).await,
        }
    };
    match tick::timeout(limit, opened).await {
        None => Err(UpstreamError::ConnectTimedOut),
        Some(result) => result,
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Has the server prove its name, and agrees on the protocol. The box keeps what a connection holds small.
async fn secure(
    stream: TcpStream,
    name: ServerName<'static>,
    tls: &BackendTls,
) -> Result<Box<TlsStream<TcpStream>>, UpstreamError> {
    let connector = TlsConnector::from(Arc::clone(tls.client()));
    let stream = connector.connect(name, stream).await.map_err(UpstreamError::Tls)?;
    let (_, session) = stream.get_ref();
    let wanted = tls.client().alpn_protocols.first().map(Vec::as_slice);
    // Whoever names no protocol speaks HTTP/1.1 (RFC 9113 3.2: HTTP/2 is agreed on).
    if session.alpn_protocol() != wanted && wanted == Some(Http::Two.alpn()) {
        return Err(UpstreamError::Tls(io::Error::other("the server did not agree on HTTP/2")));
    }
    Ok(Box::new(stream))
}

/// HTTP/1.1, and its connection's task on this worker.
pub(super) struct Http1;

impl Handshake for Http1 {
    type Opened = Opened;

    async fn shake(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<Opened, UpstreamError> {
        let meter = Meter::new();
        let stream = Metered::new(stream, Rc::clone(&meter));
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_header_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // Its errors reach the sender. A backend that reads no more would keep it for ever: whoever drops
        // the connection aborts it.
        let told = Rc::clone(&meter);
        let task = tokio::task::spawn_local(async move {
            let Parts { io, read_buf, .. } = connection.without_shutdown().await.ok()?;
            let mut stream = io.into_inner();
            if told.switches() {
                return Some(Switched { stream: Box::new(stream), ahead: read_buf });
            }
            let _ = stream.shutdown().await;
            None
        });
        Ok((sender, task, meter))
    }
}
