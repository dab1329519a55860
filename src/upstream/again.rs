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
    /// The text of a head that may be sent once more.
    head: Option<Vec<u8>>,
    began: Instant,
}

impl Again {
    /// Boxed, and `None` where there is one server: most requests have no use for it.
    pub(super) fn of(upstream: &Upstream, head: Option<Vec<u8>>) -> Option<Box<Self>> {
        let several = upstream.servers.are_several();
        several.then(|| Box::new(Self { tried: Vec::new(), head, began: tick::now() }))
    }

    /// Whether a second server may be asked after the failure of `member`.
    pub(super) fn leaves(&mut self, upstream: &Upstream, member: Rc<Member>) -> bool {
        self.tried.push(member);
        upstream.servers.choose(&self.tried).is_some() && upstream.servers.budget.withdraw()
    }

    /// The head that may be sent once more; only once.
    pub(super) fn take_head(&mut self) -> Option<Vec<u8>> {
        self.head.take()
    }

    /// What is left of `limit`.
    pub(super) fn left(&self, limit: Duration) -> Duration {
        limit.saturating_sub(tick::now().saturating_duration_since(self.began))
    }
}

/// Whether a request changes nothing (RFC 9110 9.2.1) and can be told again as it is. TRACE is never forwarded.
pub(super) fn is_safe(upstream: &Upstream, method: &Method, body: &RequestBody) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    safe && upstream.settings.balancing.retry.safe
        && matches!(body, RequestBody::Empty)
        && upstream.servers.are_several()
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
