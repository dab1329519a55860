//! The backend's body on its way to the client. Its clean end gives the connection back to the pool;
//! anything else closes it, and the client sees the cut.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Connection, Upstream, http2::Ride};
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
    /// It was judged again, and must not go on.
    #[error("the answer was ended")]
    Ended,
}

/// A body that streams from a backend.
pub struct ResponseBody {
    inner: Inner,
    silence: Option<Sleep>,
    lease: Option<Lease>,
}

/// Where it comes from.
enum Inner {
    Http1(Incoming),
    Http2(RecvStream),
}

struct Lease {
    held: Held,
    upstream: Rc<Upstream>,
}

/// What is held until the answer has ended.
enum Held {
    Connection(Connection),
    Ride(Ride),
}

impl ResponseBody {
    pub(super) fn new(inner: Incoming, connection: Connection, upstream: Rc<Upstream>) -> Self {
        Self::leased(Inner::Http1(inner), Held::Connection(connection), upstream)
    }

    pub(super) fn multiplexed(inner: RecvStream, ride: Ride, upstream: Rc<Upstream>) -> Self {
        Self::leased(Inner::Http2(inner), Held::Ride(ride), upstream)
    }

    fn leased(inner: Inner, held: Held, upstream: Rc<Upstream>) -> Self {
        let mut body = Self { inner, silence: None, lease: Some(Lease { held, upstream }) };
        if body.inner.is_end_stream() {
            body.release();
        }
        body
    }

    fn release(&mut self) {
        match self.lease.take() {
            Some(Lease { held: Held::Connection(connection), upstream }) => {
                upstream.give_back(connection);
            }
            Some(Lease { held: Held::Ride(_), .. }) | None => (),
        }
    }

    fn heard(&self) {
        if let Some(Lease { held: Held::Ride(ride), .. }) = &self.lease {
            ride.heard();
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
        match self.inner.poll_frame(cx) {
            Poll::Pending => self.poll_silence(cx).map(|()| Some(Err(ResponseCut::Silent))),
            Poll::Ready(Some(Ok(frame))) => {
                self.silence = None;
                self.heard();
                if frame.is_trailers() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(Broken))) => {
                self.lease = None;
                Poll::Ready(Some(Err(ResponseCut::Upstream)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Http1(body) => body.size_hint(),
            Inner::Http2(stream) if stream.is_end_stream() => SizeHint::with_exact(0),
            Inner::Http2(_) => SizeHint::default(),
        }
    }
}

/// The backend cut it.
struct Broken;

impl Inner {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Http1(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| Some(frame?.map_err(|_| Broken)))
            }
            Self::Http2(stream) => poll_stream(stream, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(stream) => stream.is_end_stream(),
        }
    }
}

/// Data, then trailers. What the client has taken makes room for more.
fn poll_stream(
    stream: &mut RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
    match stream.poll_data(cx) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Some(Ok(data))) => {
            // It fails only for more than was given.
            let _ = stream.flow_control().release_capacity(data.len());
            Poll::Ready(Some(Ok(Frame::data(data))))
        }
        Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Broken))),
        Poll::Ready(None) => stream.poll_trailers(cx).map(|trailers| match trailers {
            Ok(Some(fields)) => Some(Ok(Frame::trailers(fields))),
            Ok(None) => None,
            Err(_) => Some(Err(Broken)),
        }),
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
