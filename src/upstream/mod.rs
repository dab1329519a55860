//! Calls to a backend: one pool of connections per worker and backend.
//!
//! A connection of HTTP/1.1 carries one request at a time and is used again only after a clean end of the
//! answer. A request is sent a second time only when not a byte of it was written the first time. One of
//! HTTP/2 carries several: see `http2`.

mod connect;
mod framing;
mod http1;
mod http2;
mod outgoing;
mod request_body;
mod response_body;
mod stream;
mod switch;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub use outgoing::Outgoing;
pub use request_body::{BodyFault, Progress, RequestBody};
pub use response_body::{ResponseBody, ResponseCut};
pub use switch::{Answered, Switched};

use self::{http1::Connection, stream::Stream};
use crate::{config, tick, wire::Reply};

/// After this long without a request a connection gives up the memory that it read into.
const REST_AFTER: Duration = Duration::from_secs(1);

/// Why a backend gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: refused, unreachable, or its name does not resolve.
    #[error("cannot connect to the backend: {0}")]
    Connect(#[from] std::io::Error),
    /// The handshake failed, or the server did not prove its name. Why is for the operator alone.
    #[error("no TLS connection to the backend")]
    Tls(#[source] std::io::Error),
    /// No connection within the connect timeout.
    #[error("the backend did not accept a connection in time")]
    ConnectTimedOut,
    /// Every connection that the pool may open is in use, and none came free in time.
    #[error("all connections to the backend are in use")]
    Busy,
    /// No head of an answer within the first-byte timeout.
    #[error("the backend did not answer in time")]
    TimedOut,
    /// The connection ended before the head of an answer.
    #[error("the backend closed the connection without an answer")]
    Closed,
    /// What came back is no HTTP answer that can be passed on.
    #[error("the backend's answer is not valid HTTP")]
    BadResponse,
    /// The client's body failed while it was being sent.
    #[error("the request body failed: {0}")]
    Body(BodyFault),
}

/// One backend as one worker sees it.
pub struct Upstream {
    settings: config::Backend,
    /// This worker's share of `pool.max`.
    open_max: usize,
    /// Most recently used last, so that surplus connections grow old at the front.
    idle: RefCell<Vec<Idle>>,
    /// The connections of a backend that speaks HTTP/2.
    lines: http2::Lines,
    /// Connections, or requests that are out over HTTP/2.
    open: Rc<OpenCount>,
    next_server: Cell<usize>,
    /// Requests that wait for a connection.
    waiting: Cell<usize>,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

#[derive(Default)]
struct OpenCount {
    open: Cell<usize>,
    freed: Notify,
}

/// Counts one open connection for as long as it lives.
struct OpenGuard(Rc<OpenCount>);

impl OpenGuard {
    fn new(count: &Rc<OpenCount>) -> Self {
        count.open.set(count.open.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.freed.notify_one();
    }
}

/// Counts one waiting request for as long as it waits.
struct Waits<'a>(&'a Cell<usize>);

impl<'a> Waits<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Upstream {
    /// A pool for `settings`, of which this worker is one of `workers` sharing `pool.max`.
    #[must_use]
    pub fn new(settings: config::Backend, workers: usize) -> Rc<Self> {
        Rc::new(Self {
            open_max: settings.pool_max.div_ceil(workers.max(1)),
            lines: http2::Lines::new(settings.servers.len()),
            settings,
            idle: RefCell::default(),
            open: Rc::default(),
            next_server: Cell::new(0),
            waiting: Cell::new(0),
        })
    }

    /// What the pool was made from; a reload keeps a pool whose settings are unchanged.
    #[must_use]
    pub fn settings(&self) -> &config::Backend {
        &self.settings
    }

    /// Sends `request` and waits for the head of its answer, at most `first_byte` after the last
    /// byte of the request body went out.
    ///
    /// # Errors
    /// [`UpstreamError`]; dropping the future closes the connection that it used.
    pub async fn send(
        self: &Rc<Self>,
        request: Outgoing,
        first_byte: Duration,
    ) -> Result<Reply<ResponseBody>, UpstreamError> {
        if self.settings.http == config::Http::Two {
            return Box::pin(http2::send(self, request.into_request(), first_byte)).await;
        }
        http1::send(self, request, first_byte).await
    }

    /// A connection that is ready for a request, and whether it was used before.
    async fn checkout(&self) -> Result<(Box<Connection>, bool), UpstreamError> {
        if let Some(idle) = self.pop_idle() {
            return Ok((idle, true));
        }
        // Boxed: most requests find a connection, and every future is as large as the largest road.
        Box::pin(self.open_or_wait()).await
    }

    async fn open_or_wait(&self) -> Result<(Box<Connection>, bool), UpstreamError> {
        let give_up = tick::now() + self.settings.connect_timeout;
        loop {
            if self.open.open.get() < self.open_max {
                let open = OpenGuard::new(&self.open);
                return Ok((Connection::new(self.connect().await?, open), false));
            }
            let _waits = Waits::new(&self.waiting);
            let left = give_up.saturating_duration_since(tick::now());
            if tick::timeout(left, self.open.freed.notified()).await.is_none() {
                return Err(UpstreamError::Busy);
            }
            if let Some(idle) = self.pop_idle() {
                return Ok((idle, true));
            }
        }
    }

    /// The connection that was used last, if the backend has not closed it meanwhile.
    fn pop_idle(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop().map(|idle| idle.connection))
            .find_map(|mut connection| connection.is_quiet().then_some(connection))
    }

    /// Connects to the next server in turn; where that fails, to those after it, each once. Nothing has
    /// been sent yet, so nothing can happen twice. One that does not answer at all leaves the others
    /// their share of the connect timeout.
    async fn connect(&self) -> Result<Stream, UpstreamError> {
        let turn = self.next_server.get();
        self.next_server.set(turn.wrapping_add(1));
        let servers = &self.settings.servers;
        let (later, sooner) = servers.split_at(turn % servers.len());
        let give_up = tick::now() + self.settings.connect_timeout;
        let mut failed = UpstreamError::ConnectTimedOut;
        for (server, untried) in sooner.iter().chain(later).zip((1..=servers.len() as u32).rev()) {
            let left = give_up.saturating_duration_since(tick::now());
            match tick::timeout(left / untried, connect::open(server)).await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = error,
                None => failed = UpstreamError::ConnectTimedOut,
            }
        }
        Err(failed)
    }

    /// Takes back a connection whose answer ended cleanly.
    fn give_back(&self, connection: Box<Connection>) {
        self.idle.borrow_mut().push(Idle { connection, since: tick::now() });
        self.open.freed.notify_one();
    }

    /// Closes connections that nobody has used for `pool.idle`, or that the backend closed.
    pub fn sweep(&self, now: Instant) {
        let keep = self.settings.pool_idle;
        self.lines.sweep(now, keep);
        self.idle.borrow_mut().retain_mut(|idle| {
            let unused = now.saturating_duration_since(idle.since);
            if unused >= REST_AFTER {
                idle.connection.rest();
            }
            unused < keep && idle.connection.is_quiet()
        });
    }

    /// Whether a request waits for a connection.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Connects once, to tell an operator at start whether the backend is there: any of its servers.
    ///
    /// # Errors
    /// [`UpstreamError::Connect`], [`UpstreamError::Tls`] or [`UpstreamError::ConnectTimedOut`].
    pub async fn probe(&self) -> Result<(), UpstreamError> {
        if self.settings.http == config::Http::Two {
            return Box::pin(http2::probe(self)).await;
        }
        self.connect().await.map(drop)
    }
}
