//! What is kept of a request to a backend of several servers, so that another can be asked.
//!
//! Invariant: a request that may change something goes to another server only while no connection has taken a
//! byte of it; one that changes nothing once more, when its connection ended before a byte of an answer.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use http::Method;

use super::{RequestBody, Upstream, UpstreamError, member::Member};
use crate::tick;

/// Who was asked, and what may be asked of others.
pub(super) struct Again {
    /// Servers that have failed.
    pub(super) tried: Vec<Rc<Member>>,
    /// It changes nothing (RFC 9110 9.2.1), can be told again as it is, and was told once.
    safe: bool,
    /// The text of its head, where that is needed to tell it again.
    pub(super) head: Option<Vec<u8>>,
    began: Instant,
}

impl Again {
    /// Boxed, and `None` where there is one server: most requests have no use for it.
    pub(super) fn of(
        upstream: &Upstream,
        method: &Method,
        body: &RequestBody,
    ) -> Option<Box<Self>> {
        if !upstream.servers.are_several() {
            return None;
        }
        // TRACE is never forwarded.
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
            && matches!(body, RequestBody::Empty)
            && upstream.settings.balancing.retry.safe;
        Some(Box::new(Self { tried: Vec::new(), safe, head: None, began: tick::now() }))
    }

    /// Whether it may be told again although a server may have looked at it.
    pub(super) fn is_safe(&self) -> bool {
        self.safe
    }

    /// The same; from now on it may not.
    pub(super) fn take_safe(&mut self) -> bool {
        std::mem::take(&mut self.safe)
    }

    /// Whether a second server may be asked after the failure of `member`.
    pub(super) fn leaves(&mut self, upstream: &Upstream, member: Rc<Member>) -> bool {
        self.tried.push(member);
        upstream.servers.choose(&self.tried).is_some() && upstream.servers.budget.withdraw()
    }

    /// What is left of `limit`.
    pub(super) fn left(&self, limit: Duration) -> Duration {
        limit.saturating_sub(tick::now().saturating_duration_since(self.began))
    }
}

/// Takes note of what became of a request that `member` had.
pub(super) fn failed(upstream: &Upstream, member: &Member, error: &UpstreamError) {
    match error {
        UpstreamError::TimedOut | UpstreamError::Closed => upstream.servers.failed(member),
        // Whoever answers nonsense answers: that may be the request's own fault.
        UpstreamError::BadResponse
        | UpstreamError::Connect(_)
        | UpstreamError::Tls(_)
        | UpstreamError::ConnectTimedOut
        | UpstreamError::Busy
        | UpstreamError::Body(_) => (),
    }
}
