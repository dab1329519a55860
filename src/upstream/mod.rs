//! Calls to a backend: one pool of connections per worker and backend.
//!
//! A connection of HTTP/1.1 carries one request at a time and is used again only after a clean end of the
//! answer. A request is sent a second time only when not a byte of it was written the first time. One of
//! HTTP/2 carries several: see `http2`.

mod connect;
mod framing;
mod http2;
mod meter;
mod request_body;
mod response_body;
mod switch;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use http::{Method, Request, Response};
use http_body::Body as _;
use hyper::client::conn::http1::SendRequest;
use tokio::{sync::Notify, task::JoinHandle};

pub use request_body::{BodyFault, Progress, RequestBody};
pub use response_body::{ResponseBody, ResponseCut};
pub use switch::{Answered, Duplex, Switched};

use self::{meter::Meter, request_body::GivenUp};
use crate::{config, tick};

/// Longest wait for a pooled connection to say that it is ready for its next request. It is ready as
/// soon as its task has run once more; one that needs longer has something left over.
const READY_WAIT: Duration = Duration::from_millis(5);

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
    connection: Connection,
    since: Instant,
}

/// An open connection to a server of the backend; dropping it closes it.
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    /// Ends with the connection; with what is left of it, if that has switched protocols.
    task: JoinHandle<Option<Switched>>,
    meter: Rc<Meter>,
    /// Whether it may carry another request.
    pooled: bool,
    _open: OpenGuard,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
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
        mut request: Request<RequestBody>,
        first_byte: Duration,
    ) -> Result<Response<ResponseBody>, UpstreamError> {
        if self.settings.http == config::Http::Two {
            return Box::pin(http2::send(self, request, first_byte)).await;
        }
        let progress = request.body().progress();
        let to_head = request.method() == Method::HEAD;
        loop {
            let (mut connection, reused) = self.checkout().await?;
            connection.meter.head_awaited();
            let answer = connection.sender.try_send_request(request);
            let pressed = || self.is_pressed();
            match request_body::within(first_byte, progress.as_deref(), pressed, answer).await {
                Err(GivenUp::Backend) => return Err(UpstreamError::TimedOut),
                Err(GivenUp::Client) => return Err(UpstreamError::Body(BodyFault::TooSlow)),
                Ok(Ok(response)) => {
                    connection.meter.head_came();
                    let (mut head, body) = response.into_parts();
                    framing::settle(&mut head, to_head, body.size_hint().exact())?;
                    let body = ResponseBody::new(body, connection, Rc::clone(self));
                    return Ok(Response::from_parts(head, body));
                }
                Ok(Err(mut error)) => match error.take_message() {
                    // Never written: an idle connection that the backend had closed meanwhile.
                    Some(unsent) if reused => request = unsent,
                    _ if connection.meter.is_spent() => return Err(UpstreamError::BadResponse),
                    _ => return Err(failure(&error.into_error(), progress.as_deref())),
                },
            }
        }
    }

    /// A connection that is ready for a request, and whether it was used before.
    async fn checkout(self: &Rc<Self>) -> Result<(Connection, bool), UpstreamError> {
        let give_up = tick::now() + self.settings.connect_timeout;
        loop {
            while let Some(mut idle) = self.pop_idle() {
                if idle.sender.is_ready() || becomes_ready(&mut idle.sender).await {
                    return Ok((idle, true));
                }
            }
            if self.open.open.get() < self.open_max {
                let guard = OpenGuard::new(&self.open);
                let (sender, task, meter) = self.connect().await?;
                let connection = Connection { sender, task, meter, pooled: true, _open: guard };
                return Ok((connection, false));
            }
            let _waits = Waits::new(&self.waiting);
            let left = give_up.saturating_duration_since(tick::now());
            if tick::timeout(left, self.open.freed.notified()).await.is_none() {
                return Err(UpstreamError::Busy);
            }
        }
    }

    fn pop_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.pop() {
            if !last.connection.sender.is_closed() {
                return Some(last.connection);
            }
        }
        None
    }

    /// Connects to the next server in turn; where that fails, to those after it, each once. Nothing has
    /// been sent yet, so nothing can happen twice. One that does not answer at all leaves the others
    /// their share of the connect timeout.
    async fn connect(&self) -> Result<connect::Opened, UpstreamError> {
        let turn = self.next_server.get();
        self.next_server.set(turn.wrapping_add(1));
        let servers = &self.settings.servers;
        let (later, sooner) = servers.split_at(turn % servers.len());
        let give_up = tick::now() + self.settings.connect_timeout;
        let mut failed = UpstreamError::ConnectTimedOut;
        for (server, untried) in sooner.iter().chain(later).zip((1..=servers.len() as u32).rev()) {
            let left = give_up.saturating_duration_since(tick::now());
            match connect::connect(server, left / untried, connect::Http1).await {
                Ok(connected) => return Ok(connected),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Takes back a connection whose answer ended cleanly.
    pub(crate) fn give_back(&self, connection: Connection) {
        if connection.pooled && !connection.sender.is_closed() {
            self.idle.borrow_mut().push(Idle { connection, since: tick::now() });
            self.open.freed.notify_one();
        }
    }

    /// Closes connections that nobody has used for `pool.idle`, or that the backend closed.
    pub fn sweep(&self, now: Instant) {
        let keep = self.settings.pool_idle;
        self.lines.sweep(now, keep);
        self.idle.borrow_mut().retain(|idle| {
            !idle.connection.sender.is_closed() && now.saturating_duration_since(idle.since) < keep
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
        let (_, task, _) = self.connect().await?;
        task.abort();
        Ok(())
    }
}

/// Gives the connection's task one more turn, for at most [`READY_WAIT`].
async fn becomes_ready(sender: &mut SendRequest<RequestBody>) -> bool {
    matches!(tokio::time::timeout(READY_WAIT, sender.ready()).await, Ok(Ok(())))
}

fn failure(error: &hyper::Error, progress: Option<&Progress>) -> UpstreamError {
    if let Some(fault) = progress.and_then(Progress::fault) {
        return UpstreamError::Body(fault);
    }
    if error.is_parse() || error.is_parse_status() {
        return UpstreamError::BadResponse;
    }
    UpstreamError::Closed
}
