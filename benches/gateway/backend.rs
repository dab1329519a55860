//! The backends of all proxies, of one thread each: answers from memory, and an echo.

use std::{convert::Infallible, io};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::spawn_local,
};

use crate::Outcome;

static ANSWER: [u8; 1024] = [b'x'; 1024];
static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

/// Connections that wait to be accepted: the most that Linux takes by default.
const BACKLOG: u32 = 4_096;

/// What belongs to the key of RFC 6455 1.3, which is the only one that the bench sends.
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// 1 KiB for every request, 1 MiB where the path ends with `large`. Serves until it is killed.
pub(crate) fn serve(port: &str) -> Outcome<()> {
    accept(port, |stream| {
        spawn_local(
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, mut body) = request.into_parts();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let answer: &'static [u8] = if head.uri.path().ends_with("large") { &LARGE } else { &ANSWER };
    Ok(Response::new(Full::new(Bytes::from_static(answer))))
}

/// WebSockets that give back short frames. Serves until it is killed.
pub(crate) fn echo(port: &str) -> Outcome<()> {
    accept(port, |stream| {
        spawn_local(async move {
            // A client that goes is how each of them ends.
            let _ = converse(stream).await;
        });
    })
}

async fn converse(mut stream: TcpStream) -> io::Result<Infallible> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream.write_all(SWITCH).await?;
    let mut frame = [0; 2 + 4 + 125];
    loop {
        stream.read_exact(&mut frame[..6]).await?;
        let length = usize::from(frame[1] & 0x7f).min(125);
        stream.read_exact(&mut frame[6..6 + length]).await?;
        let mask = [frame[2], frame[3], frame[4], frame[5]];
        for (at, byte) in frame[6..6 + length].iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        // The head of an unmasked frame is four bytes shorter.
        (frame[4], frame[5]) = (frame[0], frame[1] & 0x7f);
        stream.write_all(&frame[4..6 + length]).await?;
    }
}

fn accept(port: &str, serve: impl Fn(TcpStream)) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let port: u16 = port.parse()?;
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(([127, 0, 0, 1], port).into())?;
        // A crowd that does not fit would try again after a whole second.
        let listener = socket.listen(BACKLOG)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            serve(stream);
        }
    })
}
