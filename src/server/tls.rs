//! The TLS handshake of a connection, under the deadline of its first head.

use std::{future::poll_fn, io, sync::Arc};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    ahead::Ahead,
    connection::{Ended, first},
    watch::Watch,
};
use crate::{
    gateway::Gate,
    telemetry::metrics::Handshake,
    tls::{Server, Session},
};

/// How a handshake begins (RFC 8446 5.1). HTTP begins with a letter.
const HANDSHAKE: u8 = 22;

/// The answer to whoever speaks HTTP in clear text.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 38\r\n\
    Connection: close\r\n\r\n\
    this port speaks TLS: write https://\r\n";

/// Most that is read of such a client after the answer, bytes: what is unread when a socket closes
/// destroys an answer on its way.
const LAST_BYTES: u64 = 64 * 1024;

/// What a good handshake leaves: the stream inside, and what the client has shown. Boxed: it is large, and the
/// futures that it goes through would each have room for it.
type Shaken<S> = (Box<TlsStream<Ahead<S>>>, Session);

/// The handshake of a connection; `None` when there is nothing to serve.
pub(super) async fn handshake<S>(stream: Ahead<S>, gate: &Gate, watch: &Watch) -> Option<Shaken<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // None: `[tls]` went with a reload while the client came. It must not be served in clear text.
    let server = gate.state().tls()?;
    let (result, shaken) = match first(watch, greet(stream, &server)).await {
        Ended::Done(Ok(shaken)) if shaken.1.resumed => (Handshake::Resumed, Some(shaken)),
        Ended::Done(Ok(shaken)) => (Handshake::Full, Some(shaken)),
        Ended::Done(Err(result)) => (result, None),
        Ended::Closed => (Handshake::Unfinished, None),
    };
    gate.metrics.handshake(result);
    shaken
}

async fn greet<S>(mut stream: Ahead<S>, server: &Server) -> Result<Shaken<S>, Handshake>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let began = poll_fn(|cx| stream.poll_ahead(cx)).await;
    began.map_err(|_| Handshake::Closed)?;
    match stream.bytes().first() {
        Some(&HANDSHAKE) => (),
        Some(letter) if letter.is_ascii_alphabetic() => {
            let _ = tell(stream).await; // a client that does not listen has lost nothing
            return Err(Handshake::PlainHttp);
        }
        Some(_) | None => return Err(Handshake::Refused),
    }
    let accepting = TlsAcceptor::from(Arc::clone(&server.config)).accept(stream);
    let stream = Box::new(accepting.await.map_err(|error| why(&error))?);
    let session = server.session(stream.get_ref().1);
    Ok((stream, session))
}

async fn tell<S: AsyncRead + AsyncWrite + Unpin>(mut stream: Ahead<S>) -> io::Result<()> {
    stream.write_all(SPEAK_TLS).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LAST_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

fn why(error: &io::Error) -> Handshake {
    let of_tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(rustls::Error::InvalidCertificate(_)) => Handshake::ClientCertificate,
        Some(_) => Handshake::Refused,
        None => Handshake::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_clear_text_is_as_long_as_it_says() {
        let text = std::str::from_utf8(SPEAK_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
