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

use super::{
    Upstream,
    http1::{Broken, Download, Relayed},
    http2::Ride,
};
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
    upstream: Rc<Upstream>,
}

/// Where it comes from.
enum Inner {
    Direct(Download),
    Relayed(Relayed),
    Http2(RecvStream, Option<Ride>),
    /// Ended, and what it came by has gone back.
    Over,
    /// Cut.
    Cut,
}

impl ResponseBody {
    pub(super) fn direct(download: Download, upstream: Rc<Upstream>) -> Self {
        Self::of(Inner::Direct(download), upstream)
    }

    pub(super) fn relayed(relayed: Relayed, upstream: Rc<Upstream>) -> Self {
        Self::of(Inner::Relayed(relayed), upstream)
    }

    pub(super) fn multiplexed(stream: RecvStream, ride: Ride, upstream: Rc<Upstream>) -> Self {
        Self::of(Inner::Http2(stream, Some(ride)), upstream)
    }

    fn of(inner: Inner, upstream: Rc<Upstream>) -> Self {
        let mut body = Self { inner, silence: None, upstream };
        if body.inner.is_end_stream() {
            body.release();
        }
        body
    }

    /// The answer has ended well: what it came by is for others.
    fn release(&mut self) {
        match &mut self.inner {
            Inner::Direct(_) => {
                if let Inner::Direct(download) = std::mem::replace(&mut self.inner, Inner::Over)
                    && let Some(connection) = download.into_reusable()
                {
                    self.upstream.give_back(connection);
                }
            }
            Inner::Http2(_, ride) => *ride = None,
            Inner::Relayed(_) | Inner::Over | Inner::Cut => (),
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let idle = self.upstream.settings.idle_timeout;
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
                if frame.is_trailers() {
                    self.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            // What came before the cut goes out first: an error ends the client's connection at once.
            Poll::Ready(Some(Err(Broken))) if !matches!(self.inner, Inner::Cut) => {
                self.inner = Inner::Cut;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Err(Broken))) => Poll::Ready(Some(Err(ResponseCut::Upstream))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.inner {
            Inner::Direct(download) => download.left(),
            Inner::Relayed(relayed) => relayed.left(),
            Inner::Http2(stream, _) => stream.is_end_stream().then_some(0),
            Inner::Over => Some(0),
            Inner::Cut => None,
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Inner {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Direct(download) => download.poll(cx),
            Self::Relayed(relayed) => relayed.poll(cx),
            Self::Http2(stream, ride) => {
                let polled = poll_stream(stream, cx);
                if let (Some(ride), Poll::Ready(Some(Ok(_)))) = (ride, &polled) {
                    ride.heard();
                }
                polled
            }
            Self::Over => Poll::Ready(None),
            Self::Cut => Poll::Ready(Some(Err(Broken))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(download) => download.is_over(),
            Self::Relayed(relayed) => relayed.is_over(),
            Self::Http2(stream, _) => stream.is_end_stream(),
            Self::Over => true,
            Self::Cut => false,
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
    /// Nobody polls once `is_end_stream` is true; the end was clean all the same.
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.release();
        }
    }
}
