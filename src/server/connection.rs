//! One client connection from its first byte to its end: HTTP/1.1 or HTTP/2 by prior knowledge, under
//! the limits that its [`Watch`] enforces.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    ahead::Ahead,
    http1, http2, proxy_protocol,
    tap::{PREFACE, Tap},
    tls,
    watch::{Verdict, Watch},
};
use crate::{
    config::Manner,
    gateway::{Gate, Peer},
    wire::Input,
};

/// Serves one connection until the peer closes it, a limit is reached, or the drain ends it. What its
/// manner asks for comes first.
pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    manner: Manner,
    mut peer: Peer,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
) {
    if manner.proxy_protocol && peer.is_trusted(&gate.state().config.trust) {
        let introduced = Box::pin(proxy_protocol::introduced(&mut stream, peer));
        let Ended::Done(Ok(client)) = first(&watch, introduced).await else { return };
        peer = client;
    }
    let stream = Ahead::new(stream);
    if manner.tls {
        // Boxed: a future is as large as the largest road that it may take.
        return Box::pin(serve_tls(stream, peer, gate, watch)).await;
    }
    let mut tap = Tap::new(stream, Rc::clone(&watch));
    let mut input = Input::default();
    let sniffed = std::future::poll_fn(|cx| poll_sniff(&mut tap, &mut input, cx));
    let Ended::Done(Ok(http2)) = first(&watch, sniffed).await else { return };
    speak(tap, input, http2, peer, gate, watch).await;
}

/// A connection that a handshake begins; which HTTP it speaks is agreed there.
async fn serve_tls(
    stream: Ahead<impl AsyncRead + AsyncWrite + Unpin + 'static>,
    peer: Peer,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
) {
    // Boxed: what a handshake needs goes with its end.
    let shaken = Box::pin(tls::handshake(stream, &gate, &watch)).await;
    let Some((stream, session)) = shaken else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let tap = Tap::new(Ahead::new(stream), Rc::clone(&watch));
    speak(tap, Input::default(), http2, peer.over(session), gate, watch).await;
}

/// Serves the requests of a connection; `input` was read ahead.
async fn speak(
    mut tap: Tap<impl AsyncRead + AsyncWrite + Unpin + 'static>,
    input: Input,
    http2: bool,
    peer: Peer,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
) {
    let peer = Rc::new(peer);
    if http2 {
        tap.unread(&input.bytes);
        drop(input);
        // Boxed: a future is as large as the largest road that it may take.
        return Box::pin(http2::serve(tap, peer, gate, watch)).await;
    }
    http1::serve(tap, input, peer, gate, watch).await;
}

/// Reads until it is certain whether the client speaks HTTP/2.
fn poll_sniff(
    tap: &mut Tap<impl AsyncRead + AsyncWrite + Unpin>,
    input: &mut Input,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    loop {
        let known = input.bytes.len().min(PREFACE.len());
        if input.bytes[..known] != PREFACE[..known] {
            return Poll::Ready(Ok(false));
        }
        if known == PREFACE.len() {
            return Poll::Ready(Ok(true));
        }
        if ready!(input.poll_fill(tap, cx))? == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// How a stretch of a connection's life ended.
pub(super) enum Ended<T> {
    /// By itself.
    Done(T),
    /// By its watch.
    Closed,
}

/// Waits for a client's first bytes. Whoever is waited for has nothing to finish.
pub(super) async fn first<F: Future>(watch: &Watch, future: F) -> Ended<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ended::Done(output));
        }
        match watch.verdict(cx.waker()) {
            Verdict::Keep => Poll::Pending,
            Verdict::Finish | Verdict::Close => Poll::Ready(Ended::Closed),
        }
    })
    .await
}

/// Runs `connection` as the watch allows; `finish` tells it to take nothing new.
pub(super) async fn until<F: Future>(
    watch: &Watch,
    mut connection: Pin<&mut F>,
    finish: impl Fn(Pin<&mut F>),
) -> Ended<F::Output> {
    std::future::poll_fn(|cx| {
        watch.turn_begins();
        loop {
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ended::Done(output));
            }
            match watch.verdict(cx.waker()) {
                Verdict::Keep => return Poll::Pending,
                Verdict::Close => return Poll::Ready(Ended::Closed),
                Verdict::Finish => {
                    watch.finishing();
                    finish(connection.as_mut());
                }
            }
        }
    })
    .await
}
