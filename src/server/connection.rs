//! One client connection from its first byte to its end: HTTP/1.1 or HTTP/2 by prior knowledge, under
//! the limits that its [`Watch`] enforces.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    ahead::Ahead,
    ledger::Allowance,
    proxy_protocol,
    tap::Tap,
    tls,
    watch::{Busy, Verdict, Watch},
};
use crate::{
    config::{Limits, Manner},
    gateway::{self, Body, Gate, Peer, Tunnel},
    upstream::ResponseCut,
};

/// Read and write buffer of an HTTP/1.1 connection, bytes: grows to this only under large bodies.
const BUFFER_BYTES: usize = 64 * 1024;

/// Fields for which hyper has room without being told.
const FIELDS_ON_STACK: usize = 100;

/// Stream and connection windows of HTTP/2, bytes: what one stream, and all of a connection, may make
/// us hold for a backend that reads slowly.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What a stream of HTTP/2 may hold of an answer that the client does not take, bytes: one frame.
const SEND_BUFFER: usize = 16 * 1024;

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
    let Ended::Done(Ok(http2)) = first(&watch, tap.speaks_http2()).await else { return };
    speak(tap, http2, Rc::new(peer), gate, watch).await;
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
    speak(tap, http2, Rc::new(peer.over(session)), gate, watch).await;
}

/// Serves the requests of a connection.
async fn speak(
    mut tap: Tap<impl AsyncRead + AsyncWrite + Unpin + 'static>,
    http2: bool,
    peer: Rc<Peer>,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
) {
    let config = Rc::clone(&gate.state()).config.clone();
    let (limits, tunnels) =
        (&config.limits, config.rules.rules().iter().any(|rule| rule.upgrade.is_some()));
    let for_others = http2 && peer.is_trusted(&config.trust);
    let service = service_fn({
        let watch = Rc::clone(&watch);
        move |mut request: Request<Incoming>| {
            let busy = watch.request(!request.body().is_end_stream());
            let (gate, peer) = (Rc::clone(&gate), Rc::clone(&peer));
            let waits = watch.turn_is_over();
            let stream = stream_of(&mut request);
            async move {
                if waits {
                    tokio::task::yield_now().await;
                }
                let response = gateway::handle(gate, peer, request).await;
                response.map(|mut response| {
                    if let Some(tunnel) = response.body_mut().take_tunnel() {
                        let busy = switch(tunnel, stream, busy);
                        return response.map(|body| Guarded { body, busy });
                    }
                    busy.answers(response.body().upload());
                    response.map(|body| Guarded { body, busy: Some(busy) })
                })
            }
        }
    });
    // Errors are the peer's doing as often as ours, and each request has its own record. The boxes
    // keep a connection that has not spoken yet small.
    if http2 {
        watch.multiplexed();
        let one = Allowance { resets: limits.resets, frames: limits.frames };
        let allowance = if for_others { one.for_others() } else { one };
        tap.counts_frames(allowance);
        let builder = http2_builder(limits, allowance, tunnels);
        let connection = builder.serve_connection(TokioIo::new(tap), service);
        let mut connection = Box::pin(connection);
        until(&watch, connection.as_mut(), |connection| connection.graceful_shutdown()).await;
        return;
    }
    loop {
        let connection = http1_builder(limits).serve_connection(TokioIo::new(tap), &service);
        let mut connection = Box::pin(connection);
        let ended =
            until(&watch, connection.as_mut(), |connection| connection.graceful_shutdown()).await;
        let tunnel = match ended {
            Ended::Resting => None,
            // After an answer that switches protocols hyper ends, and leaves the stream open.
            Ended::Done(Ok(())) => match watch.take_tunnel() {
                Some(tunnel) => Some(tunnel),
                None => return,
            },
            Ended::Done(Err(_)) | Ended::Closed => return,
        };
        // hyper keeps 16 KiB of buffers for each connection: an idle one has no use for them.
        let http1::Parts { io, read_buf, .. } = Pin::into_inner(connection).into_parts();
        if let Some(tunnel) = tunnel {
            let _busy = watch.request(false);
            let (stream, ahead) = io.into_inner().into_parts();
            let early = [&read_buf[..], &ahead].concat();
            drop((read_buf, ahead));
            return Box::pin(tunnel.run(Box::new(stream), &early)).await;
        }
        tap = io.into_inner();
        tap.unread(&read_buf);
        drop(read_buf);
        let Ended::Done(Ok(())) = first(&watch, tap.speaks_again()).await else { return };
    }
}

/// The stream of a CONNECT over HTTP/2, in case that it becomes a tunnel.
fn stream_of(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
    (*request.method() == Method::CONNECT).then(|| hyper::upgrade::on(request))
}

/// Hands the client's stream to the tunnel: over HTTP/2 at once, on a task of its own, which keeps the
/// connection busy; else when the answer has been written and the connection is free.
fn switch(tunnel: Box<Tunnel>, stream: Option<OnUpgrade>, busy: Busy) -> Option<Busy> {
    let Some(stream) = stream else {
        busy.switches(tunnel);
        return Some(busy);
    };
    tokio::task::spawn_local(async move {
        if let Ok(stream) = stream.await {
            tunnel.run(Box::new(TokioIo::new(stream)), &[]).await;
        }
        drop(busy);
    });
    None
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None) // ours covers more: see `watch`
        .max_buf_size(BUFFER_BYTES.max(limits.head.head_bytes))
        .max_header_size(limits.head.head_bytes);
    // Where more may come than hyper keeps on its stack, it allocates for each request.
    if limits.head.fields > FIELDS_ON_STACK {
        builder.max_headers(limits.head.fields);
    }
    builder
}

/// `tunnels`: some rule lets requests switch protocols, so that a client may ask.
fn http2_builder(limits: &Limits, allowance: Allowance, tunnels: bool) -> http2::Builder<OnWorker> {
    let mut builder = http2::Builder::new(OnWorker);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.head.head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(allowance.resets)
        .max_local_error_reset_streams(allowance.resets)
        .keep_alive_interval(None);
    if tunnels {
        builder.enable_connect_protocol();
    }
    builder
}

/// How a stretch of a connection's life ended.
pub(super) enum Ended<T> {
    /// By itself.
    Done(T),
    /// By its watch: for good.
    Closed,
    /// By its watch: until the next request.
    Resting,
}

/// Waits for a client's first bytes. Whoever is waited for has nothing to finish.
pub(super) async fn first<F: Future>(watch: &Watch, future: F) -> Ended<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ended::Done(output));
        }
        match watch.verdict(cx.waker()) {
            Verdict::Keep | Verdict::Rest => Poll::Pending,
            Verdict::Finish | Verdict::Close => Poll::Ready(Ended::Closed),
        }
    })
    .await
}

/// Runs `connection` as the watch allows; `finish` tells it to take nothing new.
async fn until<F: Future>(
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
                Verdict::Rest if watch.rests() => return Poll::Ready(Ended::Resting),
                Verdict::Rest => (),
                Verdict::Finish => {
                    watch.finishing();
                    finish(connection.as_mut());
                }
            }
        }
    })
    .await
}

/// Runs the tasks of an HTTP/2 connection on the worker that owns it.
#[derive(Clone, Copy)]
struct OnWorker;

impl<F: Future + 'static> Executor<F> for OnWorker
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// An answer's body; the connection is busy until it is dropped.
struct Guarded {
    body: Body,
    /// `None`: the busy one is a tunnel.
    busy: Option<Busy>,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = ResponseCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseCut>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(busy) = &self.busy {
            busy.gives(polled.is_ready());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
