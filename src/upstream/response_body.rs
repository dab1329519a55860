//! The backend's body on its way to the client. Its clean end gives the connection back to the pool;
//! anything else closes it, and the client sees the cut.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Connection, Upstream};
use crate::tick::{self, Sleep};

/// Why a backend's body ended early. The client's connection ends with it.
#[derive(Debug, thiserror::Error)]
pub enum ResponseCut {
    /// The backend closed or broke its framing.
    #[error("the backend cut its answer")]
    Upstream,
    /// Silence for longer than the backend's idle timeout.
    #[error("the backend stopped sending")]
    Silent,
}

/// A body that streams from a backend.
pub struct ResponseBody {
    inner: Incoming,
    silence: Option<Sleep>,
    lease: Option<Lease>,
}

struct Lease {
    connection: Connection,
    upstream: Rc<Upstream>,
}

impl ResponseBody {
    pub(super) fn new(inner: Incoming, connection: Connection, upstream: Rc<Upstream>) -> Self {
        let mut body = Self { inner, silence: None, lease: Some(Lease { connection, upstream }) };
        if body.inner.is_end_stream() {
            body.release();
        }
        body
    }

    fn release(&mut self) {
        if let Some(Lease { connection, upstream }) = self.lease.take() {
            upstream.give_back(connection);
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lease) = &self.lease else { return Poll::Pending };
        let idle = lease.upstream.settings.idle_timeout;
        Pin::new(self.silence.get_or_insert_with(|| tick::sleep(idle))).poll(cx)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseCut>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => self.poll_silence(cx).map(|()| Some(Err(ResponseCut::Silent))),
            Poll::Ready(Some(Ok(frame))) => {
                self.silence = None;
                if frame.is_trailers() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => {
                self.lease = None;
                Poll::Ready(Some(Err(ResponseCut::Upstream)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    /// hyper stops polling once `is_end_stream` is true; the end was clean all the same.
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.release();
        }
    }
}
