//! One server of a backend as one worker sees it: its connections, how much it has to do, what is thought of it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    UpstreamError, condition::Condition, connect, http1::Connection, http2, roster::Spot,
    stream::Stream,
};
use crate::{config::Ejection, tick};

/// After this long without a request a connection gives up the memory that it read into.
const REST_AFTER: Duration = Duration::from_secs(1);

/// The least of its share that a server gets at the beginning of a slow start, percent.
const SHARE_MIN: u8 = 10;

/// A server, its pool, and its condition.
pub(super) struct Member {
    pub(super) spot: Arc<Spot>,
    /// Most recently used last, so that surplus connections grow old at the front.
    idle: RefCell<Vec<Idle>>,
    /// Its connections of HTTP/2.
    pub(super) lines: http2::Lines,
    /// Connections in use: requests, and what has switched protocols.
    busy: Cell<usize>,
    pub(super) condition: Condition,
    /// A request tries whether it takes connections again.
    on_trial: Cell<bool>,
    /// How much of its share it gets, percent.
    share: Cell<u8>,
    /// Since when it is there, or back.
    since: Cell<Instant>,
    /// Whether it was left out when somebody looked last.
    out: Cell<bool>,
    /// [`Spot::returns`] at the last look.
    returns: Cell<usize>,
    /// The file or its name does not lead to it any more.
    gone: Cell<bool>,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

/// A connection's place in its server's load, for as long as it is in use.
pub(super) struct Seat(Rc<Member>);

impl Seat {
    pub(super) fn take(member: &Rc<Member>) -> Self {
        member.busy.set(member.busy.get() + 1);
        Self(Rc::clone(member))
    }

    pub(super) fn member(&self) -> &Rc<Member> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

/// A request that tries a server which has taken no connection, for as long as it does.
pub(super) struct Trial(Rc<Member>);

impl Trial {
    /// `None` where the server is not known to take none.
    pub(super) fn begin(member: &Rc<Member>) -> Option<Self> {
        let doubtful = !member.condition.is_reachable() && !member.on_trial.replace(true);
        doubtful.then(|| Self(Rc::clone(member)))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.0.on_trial.set(false);
    }
}

impl Member {
    pub(super) fn new(spot: &Arc<Spot>, slow_start: Duration) -> Rc<Self> {
        let slow = spot.is_new && !slow_start.is_zero();
        Rc::new(Self {
            idle: RefCell::default(),
            lines: http2::Lines::default(),
            busy: Cell::new(0),
            condition: Condition::default(),
            on_trial: Cell::new(false),
            share: Cell::new(if slow { SHARE_MIN } else { 100 }),
            since: Cell::new(tick::now()),
            out: Cell::new(false),
            returns: Cell::new(spot.returns.load(Relaxed)),
            gone: Cell::new(false),
            spot: Arc::clone(spot),
        })
    }

    /// Requests in flight.
    pub(super) fn load(&self) -> usize {
        self.busy.get() + self.lines.streams()
    }

    /// Whether a request is trying it.
    pub(super) fn is_on_trial(&self) -> bool {
        self.on_trial.get()
    }

    pub(super) fn share(&self) -> u8 {
        self.share.get()
    }

    /// The connection that was used last, if the server has not closed it meanwhile.
    pub(super) fn pop_idle(self: &Rc<Self>) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop().map(|idle| idle.connection)).find_map(|mut connection| {
            connection.is_quiet().then(|| {
                connection.seat = Some(Seat::take(self));
                connection
            })
        })
    }

    /// Takes back a connection that nobody uses.
    pub(super) fn push_idle(&self, connection: Box<Connection>) {
        if !self.gone.get() {
            self.idle.borrow_mut().push(Idle { connection, since: tick::now() });
        }
    }

    /// A connection of HTTP/2 more.
    pub(super) fn add(&self, line: &Rc<http2::Line>) {
        if !self.gone.get() {
            self.lines.add(line);
        }
    }

    /// Closes the connection that nobody has used for the longest time; whether there was one.
    pub(super) fn close_one(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        let any = !idle.is_empty();
        if any {
            drop(idle.remove(0));
        }
        any
    }

    /// Opens a stream within `limit`, and takes note of what came of it.
    pub(super) async fn open(
        &self,
        limit: Duration,
        rules: &Ejection,
        jitter: u64,
    ) -> Result<Stream, UpstreamError> {
        let opening = connect::open(&self.spot.server, self.spot.address);
        self.watched(limit, rules, jitter, opening).await
    }

    /// Waits for a connection to be ready, at most `limit`, and takes note of what came of it.
    pub(super) async fn watched<T>(
        &self,
        limit: Duration,
        rules: &Ejection,
        jitter: u64,
        opening: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let started = tick::now();
        let opened = tick::timeout(limit, opening).await;
        let opened = opened.unwrap_or(Err(UpstreamError::ConnectTimedOut));
        let now = tick::now();
        match &opened {
            Ok(_) => {
                if !self.condition.is_reachable() {
                    let returns = self.spot.returns.fetch_add(1, Relaxed);
                    self.returns.set(returns.wrapping_add(1));
                }
                self.condition.connected();
            }
            Err(error) => {
                let took = now.saturating_duration_since(started);
                self.condition.refused(error, took, (now, rules), jitter);
            }
        }
        opened
    }

    /// Whether it gets requests as far as it alone is concerned.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        self.spot.is_well() && self.condition.is_in(now)
    }

    /// Closes connections that nobody has used for `keep`, or that the server closed.
    pub(super) fn sweep(&self, now: Instant, keep: Duration) {
        self.lines.sweep(now, keep);
        self.idle.borrow_mut().retain_mut(|idle| {
            let unused = now.saturating_duration_since(idle.since);
            if unused >= REST_AFTER {
                idle.connection.rest();
            }
            unused < keep && idle.connection.is_quiet()
        });
    }

    /// Takes note of whether it is left out, and of how much it gets when it is back.
    pub(super) fn settle(&self, now: Instant, slow_start: Duration) {
        let returns = self.spot.returns.load(Relaxed);
        if self.returns.replace(returns) != returns {
            self.condition.connected(); // to another worker, so to us
        }
        let out = !(self.condition.is_reachable() && self.condition.is_in(now));
        if self.out.replace(out) != out {
            self.spot.leave_out(out);
        }
        if slow_start.is_zero() {
            self.share.set(100); // a reload may end it half way
        } else if out || !self.spot.is_well() {
            self.since.set(now);
            self.share.set(SHARE_MIN);
        } else if self.share.get() < 100 {
            let there = now.saturating_duration_since(self.since.get());
            let share = there.as_millis() * 100 / slow_start.as_millis().max(1);
            let share = u8::try_from(share.min(100)).unwrap_or(100);
            self.share.set(share.max(SHARE_MIN));
        }
    }

    /// It gets no further request. What has begun is finished.
    pub(super) fn leave(&self) {
        self.gone.set(true);
        self.idle.take();
        self.lines.leave();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.out.get() {
            self.spot.leave_out(false);
        }
    }
}
