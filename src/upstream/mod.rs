//! Calls to a backend: of its servers one is chosen (`servers`), and of its connections in this worker's pool
//! (`member`) one is used, or opened.
//!
//! A connection of HTTP/1.1 carries one request at a time and is used again only after a clean end of the
//! answer. A request that may change something is sent a second time only when not a byte of it was written the
//! first time. A connection of HTTP/2 carries several: see `http2`.

mod again;
mod budget;
mod check;
mod condition;
mod connect;
mod framing;
mod http1;
mod http2;
mod member;
mod outgoing;
mod request_body;
mod response_body;
mod roster;
mod servers;
mod stream;
mod switch;
#[cfg(test)]
mod testing;

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub use outgoing::Outgoing;
pub use request_body::{BodyFault, Progress, RequestBody};
pub use response_body::{ResponseBody, ResponseCut};
pub use roster::{Roster, Spot, Trouble};
pub use switch::{Answered, Switched};

use self::{
    http1::Connection,
    member::{Member, Seat, Trial},
    servers::Servers,
    stream::Stream,
};
use crate::{config, tick, wire::Reply};

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
    servers: Servers,
    /// Connections, or requests that are out over HTTP/2.
    open: Rc<OpenCount>,
    /// Requests that wait for a connection.
    waiting: Cell<usize>,
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
    /// Pools for `settings`, of which this worker is one of `workers` sharing `pool.max`, for the servers of
    /// `roster`. Servers that stay keep what they had `before`.
    #[must_use]
    pub fn new(
        settings: config::Backend,
        roster: &Arc<Roster>,
        workers: usize,
        before: Option<&Self>,
    ) -> Rc<Self> {
        let before = before.filter(|before| before.settings.http == settings.http);
        let rules = settings.balancing.clone();
        let servers = Servers::new(Arc::clone(roster), rules, before.map(|before| &before.servers));
        Rc::new(Self {
            open_max: settings.pool_max.div_ceil(workers.max(1)),
            servers,
            settings,
            open: before.map(|before| Rc::clone(&before.open)).unwrap_or_default(),
            waiting: Cell::new(0),
        })
    }

    /// A pool of nobody, for one use.
    #[must_use]
    pub fn alone(settings: &config::Backend) -> Rc<Self> {
        Self::new(settings.clone(), &Roster::new(settings, None), 1, None)
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

    /// A connection that is ready for a request, and whether it was used before. None of `tried` is asked again.
    async fn checkout(
        &self,
        tried: &[Rc<Member>],
    ) -> Result<(Box<Connection>, bool), UpstreamError> {
        let chosen = self.servers.choose(tried);
        if let Some(idle) = chosen.as_ref().and_then(Member::pop_idle) {
            return Ok((idle, true));
        }
        // Boxed: most requests find a connection, and every future is as large as the largest road.
        Box::pin(self.open_or_wait(chosen, tried)).await
    }

    async fn open_or_wait(
        &self,
        mut chosen: Option<Rc<Member>>,
        tried: &[Rc<Member>],
    ) -> Result<(Box<Connection>, bool), UpstreamError> {
        let give_up = tick::now() + self.settings.connect_timeout;
        // Whoever takes no connections may go on with those that there are.
        if chosen.is_none()
            && tried.is_empty()
            && let Some(idle) = self.servers.any_idle()
        {
            return Ok((idle, true));
        }
        loop {
            if self.open.open.get() < self.open_max || self.servers.close_one() {
                let open = OpenGuard::new(&self.open);
                let (member, stream) = self.connect(chosen.take(), tried, give_up).await?;
                return Ok((Connection::new(stream, open, Seat::take(&member)), false));
            }
            let _waits = Waits::new(&self.waiting);
            let left = give_up.saturating_duration_since(tick::now());
            if tick::timeout(left, self.open.freed.notified()).await.is_none() {
                return Err(UpstreamError::Busy);
            }
            if let Some(idle) = self.servers.any_idle() {
                return Ok((idle, true));
            }
        }
    }

    /// Connects to the server that was `chosen`; where that fails, to others that were not `tried`, each once. Nothing
    /// has been sent yet, so nothing can happen twice. One that does not answer at all leaves the others their
    /// share of the connect timeout.
    async fn connect(
        &self,
        chosen: Option<Rc<Member>>,
        tried: &[Rc<Member>],
        give_up: Instant,
    ) -> Result<(Rc<Member>, Stream), UpstreamError> {
        let servers = &self.servers;
        let mut tried = tried.to_vec();
        let mut next = chosen.or_else(|| servers.choose(&tried)).or_else(|| servers.chance(&tried));
        let mut failed = None;
        while let Some(member) = next {
            let left = give_up.saturating_duration_since(tick::now()) / servers.left(&tried);
            if left.is_zero() {
                break; // it could not be blamed for anything
            }
            let _trial = Trial::begin(&member);
            match member.open(left, &servers.rules.ejection, servers.jitter()).await {
                Ok(stream) => {
                    servers.connected();
                    return Ok((member, stream));
                }
                Err(error) => failed = Some(error),
            }
            servers.refused();
            tried.push(Rc::clone(&member));
            next = servers.choose(&tried).or_else(|| servers.chance(&tried));
            if next.is_some() && !servers.budget.withdraw() {
                break;
            }
        }
        Err(failed.unwrap_or_else(|| servers.why()))
    }

    /// Takes back a connection whose answer ended cleanly.
    fn give_back(&self, mut connection: Box<Connection>) {
        if let Some(seat) = connection.seat.take() {
            seat.member().push_idle(connection);
        }
        self.open.freed.notify_one();
    }

    /// The work of each tick: closes connections that nobody has used for `pool.idle`, or that the backend closed;
    /// follows what is known of its servers, and looks whether those that took no connection do again.
    pub fn tick(self: &Rc<Self>, now: Instant) {
        self.servers.each(|member| member.sweep(now, self.settings.pool_idle));
        self.servers.tick(now, |member| self.look(member));
    }

    /// Looks whether a server takes connections again, one worker at a time.
    fn look(self: &Rc<Self>, member: &Rc<Member>) {
        if member.spot.probed.swap(true, Relaxed) {
            return;
        }
        let probed = Probed(Arc::clone(&member.spot));
        let (upstream, member) = (Rc::clone(self), Rc::clone(member));
        tokio::task::spawn_local(async move {
            let servers = &upstream.servers;
            let limit = upstream.settings.connect_timeout;
            if upstream.settings.http == config::Http::Two {
                drop(http2::dial(&upstream, &member, limit).await);
            } else {
                let opening = member.open(limit, &servers.rules.ejection, servers.jitter());
                drop(opening.await);
            }
            drop(probed);
            servers.connected();
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
        let give_up = tick::now() + self.settings.connect_timeout;
        self.connect(None, &[], give_up).await.map(drop)
    }
}

/// A server is being looked at, for as long as this lives.
struct Probed(Arc<Spot>);

impl Drop for Probed {
    fn drop(&mut self) {
        self.0.probed.store(false, Relaxed);
    }
}
