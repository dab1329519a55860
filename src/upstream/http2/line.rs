//! One connection that carries streams: opened, bounded, watched, closed when dropped.

use std::{
    cell::Cell,
    future::Future,
    io,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    client::{self, SendRequest},
};
use http::uri::Scheme;
use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    super::{UpstreamError, http1::HEAD_BYTES, stream},
    paced::Paced,
};
use crate::{config::Server, tick};

/// What a stream, and all streams of a connection, may make us hold for a client that reads slowly.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Most streams of a connection, whatever the peer allows: as many as fit into its window when every one of
/// them waits for its client. So slow clients never keep the answers of others from coming.
const STREAMS_MAX: usize = (CONNECTION_WINDOW / STREAM_WINDOW) as usize;

/// What a stream may hold of a body that the peer does not take, bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// After this silence with streams open the peer is asked whether it is still there, in time for a client
/// to be told before the usual 30 s for a first byte are over.
const QUIET: Duration = Duration::from_secs(15);

/// And asked again only after this long: servers of gRPC close connections that ask more often.
const QUIET_AGAIN: Duration = Duration::from_secs(300);

/// How long its answer may take.
const PONG: Duration = Duration::from_secs(5);

/// How often the silence is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// An open connection; dropping it closes it.
pub(in crate::upstream) struct Line {
    sender: SendRequest<Bytes>,
    running: Running,
    /// Its `:scheme`.
    pub(super) scheme: Scheme,
    pulse: Rc<Pulse>,
    /// It said that it takes nothing more.
    retired: Cell<bool>,
}

/// What the connection's task and its streams tell each other.
struct Pulse {
    streams: Cell<usize>,
    /// When something came or went last.
    last: Cell<Instant>,
    ended: Cell<bool>,
}

/// The connection's task; ends when this is dropped.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection that has greeted us.
pub(super) struct Greeted {
    sender: SendRequest<Bytes>,
    running: Running,
    pulse: Rc<Pulse>,
}

/// Says hello and waits until the peer has answered a PING: then its settings are known, and it certainly
/// speaks HTTP/2, before it gets a request.
pub(super) async fn greet(stream: stream::Stream) -> Result<Greeted, UpstreamError> {
    let (sender, mut connection) = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES as u32)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .handshake::<_, Bytes>(Paced::new(stream))
        .await
        .map_err(no_http2)?;
    let pulse = Rc::new(Pulse {
        streams: Cell::new(0),
        last: Cell::new(tick::now()),
        ended: Cell::new(false),
    });
    let pings = connection.ping_pong();
    let (greeted, is_greeted) = oneshot::channel();
    let heart = Rc::clone(&pulse);
    let task = tokio::task::spawn_local(async move {
        let beating = heart.clone();
        let mut beat = std::pin::pin!(beat(pings, greeted, &beating));
        let mut connection = std::pin::pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended.err());
            }
            beat.as_mut().poll(cx).map(|()| None)
        });
        drop(ended.await);
        heart.ended.set(true);
    });
    let running = Running(task.abort_handle());
    is_greeted.await.map_err(|_| no_http2("the connection ended"))?;
    Ok(Greeted { sender, running, pulse })
}

fn no_http2(why: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::Connect(io::Error::other(format!("no HTTP/2: {why}")))
}

/// Asks the peer once at the start, and whenever it has been silent too long for those who wait. Ends
/// when there was no answer.
async fn beat(pings: Option<PingPong>, greeted: oneshot::Sender<()>, pulse: &Pulse) {
    let Some(mut pings) = pings else { return };
    if pings.ping(Ping::opaque()).await.is_err() {
        return;
    }
    let _ = greeted.send(()); // whoever connected may have given up
    let mut asked: Option<Instant> = None;
    loop {
        tick::sleep(LOOK).await;
        let (now, last) = (tick::now(), pulse.last.get());
        let quiet = now.saturating_duration_since(last) >= QUIET;
        let just_asked = asked.is_some_and(|asked| {
            asked > last && now.saturating_duration_since(asked) < QUIET_AGAIN
        });
        if pulse.streams.get() == 0 || !quiet || just_asked {
            continue;
        }
        asked = Some(now);
        if !matches!(tick::timeout(PONG, pings.ping(Ping::opaque())).await, Some(Ok(_))) {
            return;
        }
    }
}

impl Line {
    pub(super) fn new(greeted: Greeted, to: &Server) -> Rc<Self> {
        let Greeted { sender, running, pulse } = greeted;
        let scheme = match to {
            Server::Tls { .. } => Scheme::HTTPS,
            Server::Tcp { .. } | Server::Unix(_) => Scheme::HTTP,
        };
        Rc::new(Self { sender, running, scheme, pulse, retired: Cell::new(false) })
    }

    /// Open streams.
    pub(super) fn streams(&self) -> usize {
        self.pulse.streams.get()
    }

    /// A handle that opens one stream.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    pub(super) fn has_room(&self) -> bool {
        let allowed = || self.sender.current_max_send_streams().min(STREAMS_MAX);
        !self.takes_nothing_more() && self.pulse.streams.get() < allowed()
    }

    fn takes_nothing_more(&self) -> bool {
        self.retired.get() || self.pulse.ended.get() || self.running.0.is_finished()
    }

    /// It said so, or proved it.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    /// Something came or went.
    pub(super) fn heard(&self) {
        self.pulse.last.set(tick::now());
    }

    pub(super) fn is_worth_keeping(&self, now: Instant, keep: Duration) -> bool {
        let idle = now.saturating_duration_since(self.pulse.last.get());
        !self.takes_nothing_more() && (self.pulse.streams.get() > 0 || idle < keep)
    }
}

/// Counts one stream of a connection for as long as it lives.
pub(super) struct Stream(Rc<Line>);

impl Stream {
    pub(super) fn new(line: &Rc<Line>) -> Self {
        let streams = &line.pulse.streams;
        if streams.replace(streams.get() + 1) == 0 {
            line.heard(); // the silence before it was nobody's
        }
        Self(Rc::clone(line))
    }

    pub(super) fn line(&self) -> &Rc<Line> {
        &self.0
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.0.pulse.streams;
        streams.set(streams.get() - 1);
        self.0.heard();
    }
}
