//! Opens one stream to a server of a backend: TCP, TLS or unix socket.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{UpstreamError, stream::Stream};
use crate::config::{BackendTls, Http, Server};

/// Opens a stream, to `address` where that is known. Whoever calls it bounds the time.
///
/// # Errors
/// [`UpstreamError::Connect`], [`UpstreamError::Tls`].
pub(super) async fn open(
    server: &Server,
    address: Option<SocketAddr>,
) -> Result<Stream, UpstreamError> {
    Ok(match server {
        Server::Tcp { host, port } => Stream::Tcp(tcp(host, *port, address).await?),
        Server::Tls { host, port, name, tls } => {
            let stream = tcp(host, *port, address).await?;
            // Boxed: the state of a handshake is large, and most connections have none.
            Stream::Tls(Box::pin(secure(stream, name.clone(), tls)).await?)
        }
        Server::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
    })
}

async fn tcp(host: &str, port: u16, address: Option<SocketAddr>) -> io::Result<TcpStream> {
    let stream = match address {
        Some(address) => TcpStream::connect(address).await?,
        // Until the name was looked up for the first time.
        None => TcpStream::connect((host, port)).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Has the server prove its name, and agrees on the protocol.
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
