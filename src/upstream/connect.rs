//! Opens one connection to a server of a backend: TCP or unix socket, HTTP/1.1.

use std::{io, rc::Rc, time::Duration};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::AbortHandle,
};

use super::{
    RequestBody, UpstreamError,
    meter::{Meter, Metered},
};
use crate::{config::Server, tick};

/// Read and write buffer of a connection, bytes. Large bodies pass in pieces of this size; measured,
/// 64 KiB halves the cost of a 1 MiB answer against 8 KiB.
const BUFFER_BYTES: usize = 64 * 1024;

/// Largest head of an answer, bytes: twice what we accept from clients.
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// A request's way in, the task that carries it, and the meter over what it reads.
pub(super) type Opened = (SendRequest<RequestBody>, AbortHandle, Rc<Meter>);

/// Connects within `limit`, and starts the connection's task on this worker.
pub(super) async fn connect(server: &Server, limit: Duration) -> Result<Opened, UpstreamError> {
    let opened = async {
        match server {
            Server::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                handshake(stream).await
            }
            Server::Unix(path) => handshake(UnixStream::connect(path).await?).await,
        }
    };
    match tick::timeout(limit, opened).await {
        None => Err(UpstreamError::ConnectTimedOut),
        Some(result) => result.map_err(UpstreamError::Connect),
    }
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> io::Result<Opened> {
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
    let task = tokio::task::spawn_local(async move { connection.await.ok() });
    Ok((sender, task.abort_handle(), meter))
}
