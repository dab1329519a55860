//! A client's connection of HTTP/2: hyper's, under the limits of its [`Watch`].

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{
    body::Incoming, rt::Executor, server::conn::http2, service::service_fn, upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    connection::until,
    ledger::Allowance,
    tap::Tap,
    watch::{Busy, Watch},
};
use crate::{
    config::Limits,
    gateway::{self, Body, Gate, Peer, Tunnel},
    request::{
        Head,
        upgrade::{Offer, WEBSOCKET},
    },
    upstream::ResponseCut,
    wire::ClientBody,
};

/// Stream and connection windows of HTTP/2, bytes: what one stream, and all of a connection, may make
/// us hold for a backend that reads slowly.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What a stream of HTTP/2 may hold of an answer that the client does not take, bytes: one frame.
const SEND_BUFFER: usize = 16 * 1024;

/// Serves the requests of a connection.
pub(super) async fn serve(
    mut tap: Tap<impl AsyncRead + AsyncWrite + Unpin + 'static>,
    peer: Rc<Peer>,
    gate: Rc<Gate>,
    watch: Rc<Watch>,
) {
    let config = Rc::clone(&gate.state()).config.clone();
    let (limits, tunnels) =
        (&config.limits, config.rules.rules().iter().any(|rule| rule.upgrade.is_some()));
    let for_others = peer.is_trusted(&config.trust);
    let service = service_fn({
        let watch = Rc::clone(&watch);
        move |mut request: Request<Incoming>| {
            let busy = watch.request();
            let (gate, peer) = (Rc::clone(&gate), Rc::clone(&peer));
            let stream = stream_of(&mut request);
            async move {
                let (parts, body) = request.into_parts();
                let response = gateway::handle(gate, peer, head(parts), ClientBody::Hyper(body));
                let mut response = Response::from(response.await);
                if let Some(tunnel) = response.body_mut().take_tunnel() {
                    switch(tunnel, stream, busy);
                    return Ok::<_, Infallible>(response.map(|body| Guarded { body, busy: None }));
                }
                busy.answers(response.body().upload());
                Ok(response.map(|body| Guarded { body, busy: Some(busy) }))
            }
        }
    });
    watch.multiplexed();
    let one = Allowance { resets: limits.resets, frames: limits.frames };
    let allowance = if for_others { one.for_others() } else { one };
    tap.counts_frames(allowance);
    let builder = http2_builder(limits, allowance, tunnels);
    // Errors are the peer's doing as often as ours, and each request has its own record.
    let mut connection = Box::pin(builder.serve_connection(TokioIo::new(tap), service));
    until(&watch, connection.as_mut(), |connection| connection.graceful_shutdown()).await;
}

/// What came. An extended CONNECT that we know is taken for the GET that it stands for (RFC 8441 5); any other
/// CONNECT is refused like ever.
fn head(parts: Parts) -> Head {
    let protocol = parts.extensions.get::<hyper::ext::Protocol>();
    let websocket = parts.method == Method::CONNECT
        && protocol.is_some_and(|name| name.as_str().eq_ignore_ascii_case(WEBSOCKET));
    let mut head = Head::from(parts);
    if websocket {
        head.method = Method::GET;
        head.offer = Some(Box::new(Offer::extended(WEBSOCKET)));
    }
    head
}

/// The stream of a CONNECT over HTTP/2, in case that it becomes a tunnel.
fn stream_of(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
    (*request.method() == Method::CONNECT).then(|| hyper::upgrade::on(request))
}

/// Hands the client's stream to the tunnel, on a task of its own, which keeps the connection busy.
fn switch(tunnel: Box<Tunnel>, stream: Option<OnUpgrade>, busy: Busy) {
    let Some(stream) = stream else { return };
    tokio::task::spawn_local(async move {
        if let Ok(stream) = stream.await {
            tunnel.run(Box::new(TokioIo::new(stream)), &[]).await;
        }
        drop(busy);
    });
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
