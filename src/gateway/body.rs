//! The body of an answer: none, a short text of ours, or the backend's stream. It carries the access
//! record, which is written when the last byte has gone or the client has.

use std::{
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{
    access::AccessRecord,
    grpc::Timed,
    lasting::{Ending, Entry, Kind},
    trailers::Trailers,
    tunnel::Tunnel,
};
use crate::upstream::{Progress, ResponseBody, ResponseCut};

/// What we answer with.
pub struct Body {
    content: Content,
    record: Option<Box<AccessRecord>>,
    /// Of an answer that may last.
    entry: Option<Rc<Entry>>,
}

enum Content {
    Text(Option<Bytes>),
    Upstream(ResponseBody, Trailers),
    /// The same with a deadline; boxed, for it is seldom.
    Timed(Box<Timed>),
    /// What follows is no HTTP any more.
    Tunnel(Option<Box<Tunnel>>),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Content::Text(None))
    }

    /// A short text.
    #[must_use]
    pub fn full(text: impl Into<Bytes>) -> Self {
        Self::of(Content::Text(Some(text.into())))
    }

    /// Leaves a text of ours out, as an answer to HEAD does; its length, which the head still tells.
    pub(super) fn without_text(&mut self) -> Option<usize> {
        match &mut self.content {
            Content::Text(text) => text.take().map(|text| text.len()),
            Content::Upstream(..) | Content::Timed(_) | Content::Tunnel(_) => None,
        }
    }

    /// The backend's stream, and which of its trailers pass.
    #[must_use]
    pub(super) fn upstream(body: ResponseBody, trailers: Trailers) -> Self {
        Self::of(Content::Upstream(body, trailers))
    }

    /// What follows the answer that switches protocols.
    pub(super) fn tunnel(tunnel: Box<Tunnel>) -> Self {
        Self::of(Content::Tunnel(Some(tunnel)))
    }

    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.content, Content::Tunnel(_))
    }

    fn of(content: Content) -> Self {
        Self { content, record: None, entry: None }
    }

    /// The tunnel that the client's stream is to be given to, with its record.
    pub fn take_tunnel(&mut self) -> Option<Box<Tunnel>> {
        match &mut self.content {
            Content::Tunnel(tunnel) => tunnel.take(),
            Content::Text(_) | Content::Upstream(..) | Content::Timed(_) => None,
        }
    }

    /// The answer may last: it ends when the entry does.
    pub(super) fn lasts(&mut self, entry: Rc<Entry>) {
        self.entry = Some(entry);
    }

    /// Ends an answer that must not go on. The client sees a cut, or of gRPC the status that says why.
    fn end(&mut self, ending: Ending) -> Polled {
        let kind = self.entry.take().map(|entry| entry.kind());
        self.content = Content::Text(None);
        if let Some(record) = &mut self.record {
            record.ended(ending.decision, ending.reason);
        }
        match kind {
            Some(Kind::Grpc { trailers: true }) => {
                let mut fields = HeaderMap::new();
                fields.insert("grpc-status", HeaderValue::from(ending.grpc_status()));
                fields.insert("grpc-message", HeaderValue::from_static(ending.reason));
                Some(Ok(Frame::trailers(fields)))
            }
            Some(Kind::Grpc { trailers: false } | Kind::Events | Kind::Tunnel) | None => {
                Some(Err(ResponseCut::Ended))
            }
        }
    }

    /// The same, for a call that has to be over by `due`.
    #[must_use]
    pub(super) fn timed(body: ResponseBody, trailers: Trailers, due: Instant) -> Self {
        Self::of(Content::Timed(Timed::new(body, trailers, due)))
    }

    /// The request's body, which may still be on its way when the answer has gone; dead when it is not.
    #[must_use]
    pub fn upload(&self) -> Weak<Progress> {
        self.record.as_ref().map_or_else(Weak::new, |record| record.upload())
    }

    /// Hands the record over; it is finished when this body is.
    #[must_use]
    pub fn recorded(mut self, record: Box<AccessRecord>) -> Self {
        match &mut self.content {
            Content::Tunnel(Some(tunnel)) => tunnel.record = Some(record),
            Content::Text(_)
            | Content::Upstream(..)
            | Content::Timed(_)
            | Content::Tunnel(None) => self.record = Some(record),
        }
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = ResponseCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseCut>>> {
        let this = &mut *self;
        if let Some(ending) = this.entry.as_ref().and_then(|entry| entry.poll_ending(cx)) {
            return Poll::Ready(this.end(ending));
        }
        let polled = match &mut this.content {
            Content::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Content::Upstream(body, trailers) => {
                Pin::new(body).poll_frame(cx).map(|polled| passed(polled, trailers))
            }
            Content::Timed(timed) => timed.poll_frame(cx),
            Content::Tunnel(_) => Poll::Ready(None),
        };
        if let Some(record) = &mut this.record
            && let Poll::Ready(frame) = &polled
        {
            match frame {
                Some(_) if this.content.is_over_time() => record.late(),
                Some(Ok(frame)) => {
                    record.sent(frame.data_ref().map_or(0, Bytes::len));
                    if frame.is_trailers() || this.content.is_end_stream() {
                        record.complete();
                    }
                }
                Some(Err(_)) => record.cut(),
                None => record.complete(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Content::Upstream(body, _) => body.size_hint(),
            // Whatever its length was to be, it may end before.
            Content::Timed(_) => SizeHint::default(),
            Content::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}

type Polled = Option<Result<Frame<Bytes>, ResponseCut>>;

/// A frame as it goes on. Trailers of which none passes are the end, as none at all would be.
pub(super) fn passed(polled: Polled, trailers: &Trailers) -> Polled {
    match polled {
        Some(Ok(frame)) if frame.is_trailers() => {
            let fields = frame.into_trailers().ok()?;
            trailers.pass(fields).map(|fields| Ok(Frame::trailers(fields)))
        }
        polled => polled,
    }
}

impl Content {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Upstream(body, _) => body.is_end_stream(),
            Self::Timed(timed) => timed.is_end_stream(),
            Self::Tunnel(_) => true,
        }
    }

    fn is_over_time(&self) -> bool {
        matches!(self, Self::Timed(timed) if timed.is_over())
    }
}

impl Drop for Body {
    /// A body that has nothing to say (or must not, for HEAD) is never polled, and yet was complete.
    fn drop(&mut self) {
        let complete = matches!(self.content, Content::Text(_)) || self.content.is_end_stream();
        if complete && let Some(record) = &mut self.record {
            record.complete();
        }
    }
}
