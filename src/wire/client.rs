//! The body of a client's request, wherever it comes from, and the connection of HTTP/1.1 that it may lie
//! on.
//!
//! A connection of HTTP/1.1 has one owner, who reads heads and writes answers; a body only borrows it for
//! the moment of a poll, on the same thread. While a body is not over nobody else reads. Both may be
//! polled by different tasks: reading and writing wake separately.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Content, Delimited, Duplex, Input, Next};

/// What tells a client to send the body that it holds back.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The client closed before the body's end, or its framing broke.
#[derive(Debug)]
pub struct BodyBroken;

/// The body of a request.
pub enum ClientBody {
    /// None at all.
    Empty,
    /// Still to be read from its connection.
    Http1(Http1Body),
    /// As hyper gives it: of a stream of HTTP/2, or of a listener of the operator's.
    Hyper(Incoming),
}

/// A client's connection of HTTP/1.1.
pub struct Line<S: ?Sized> {
    /// What was read ahead.
    pub input: Input,
    /// What is left of the body of the request in progress.
    body: Delimited,
    /// Its end, or its framing, broke.
    broken: bool,
    /// The client waits to be told to send the body; so much of that has gone.
    waits: Option<usize>,
    /// Who waits for the body's end.
    waker: Option<Waker>,
    /// The connection itself.
    pub stream: S,
}

/// A body that lies on a connection of HTTP/1.1. Dropping it leaves the rest of it there.
pub struct Http1Body(Rc<RefCell<Line<dyn Duplex>>>);

impl<S: Duplex> Line<S> {
    /// A connection before its next request; `input` was read ahead.
    pub fn new(stream: S, input: Input) -> Self {
        let (body, waits, waker) = (Delimited::Nothing, None, None);
        Self { input, body, broken: false, waits, waker, stream }
    }

    /// The body of the request whose head has been taken; `waits`: until it is told to send it.
    pub fn body(this: &Rc<RefCell<Self>>, content: Content, waits: bool) -> ClientBody
    where
        S: 'static,
    {
        let body = Delimited::from(content);
        if body.is_over() {
            return ClientBody::Empty;
        }
        let mut line = this.borrow_mut();
        (line.body, line.waits) = (body, waits.then_some(0));
        drop(line);
        ClientBody::Http1(Http1Body(Rc::clone(this) as Rc<RefCell<Line<dyn Duplex>>>))
    }

    /// Reads more; how many bytes came, 0 at the stream's end.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        self.input.poll_fill(&mut self.stream, cx)
    }

    /// Whether the body of the request has been read to its end.
    pub fn is_read(&self) -> bool {
        self.body.is_over()
    }

    /// Whether nothing good can follow: the body broke.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The answer begins: it is too late to ask for the body. What is left to say of that, if it has begun.
    pub fn answers(&mut self) -> &'static [u8] {
        match self.waits.take() {
            Some(gone @ 1..) => &CONTINUE[gone..],
            Some(0) | None => &[],
        }
    }

    /// Ready when the client has left while it waits for its answer. Reads what it sends meanwhile, once.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.body.is_over() {
            // Whoever reads the body sees its end; this one goes on from there.
            self.wakes(cx);
            return Poll::Pending;
        }
        if !self.input.bytes.is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_fill(cx)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }

    /// Has the task woken when the body is over, or nobody reads it any more.
    pub fn wakes(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// The task is awake, and needs no waking.
    pub fn sleeps(&mut self) {
        self.waker = None;
    }

    /// Reads on in a body that nobody wants, `most` bytes of what is there; whether it is over then.
    pub fn drains(&mut self, most: usize, cx: &mut Context<'_>) -> bool {
        let mut read = 0;
        while !self.broken {
            match self.body.next(&mut self.input.bytes) {
                Ok(Next::Data(data)) => read += data.len(),
                Ok(Next::End | Next::Trailers(_)) => break,
                Ok(Next::More) if read < most => match self.poll_fill(cx) {
                    Poll::Ready(Ok(1..)) => (),
                    Poll::Ready(Ok(0) | Err(_)) => self.broken = true,
                    Poll::Pending => break,
                },
                Ok(Next::More) => break,
                Err(_) => self.broken = true,
            }
        }
        self.body.is_over() && !self.broken
    }
}

impl<S: Duplex + ?Sized> Line<S> {
    /// Tells the client to send the body, if it waits for that.
    fn poll_continue(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while let Some(gone) = self.waits {
            let stream = Pin::new(&mut self.stream);
            if gone == CONTINUE.len() {
                ready!(stream.poll_flush(cx))?;
                self.waits = None;
            } else {
                let wrote = ready!(stream.poll_write(cx, &CONTINUE[gone..]))?;
                if wrote == 0 {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                self.waits = Some(gone + wrote);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        if self.waits.is_some() && ready!(self.poll_continue(cx)).is_err() {
            self.broken = true;
        }
        while !self.broken {
            let next = match self.body.next(&mut self.input.bytes) {
                Ok(Next::More) => {
                    let read = ready!(self.input.poll_fill(&mut self.stream, cx));
                    if matches!(read, Ok(1..)) { Ok(None) } else { Err(BodyBroken) }
                }
                Ok(Next::Data(data)) => Ok(Some(Some(Frame::data(data)))),
                Ok(Next::Trailers(fields)) => Ok(Some(Some(Frame::trailers(fields)))),
                Ok(Next::End) => Ok(Some(None)),
                Err(_) => Err(BodyBroken),
            };
            match next {
                Ok(None) => (),
                Ok(Some(frame)) => {
                    if self.body.is_over() {
                        self.wake();
                    }
                    return Poll::Ready(frame.map(Ok));
                }
                Err(BodyBroken) => self.broken = true,
            }
        }
        self.wake();
        Poll::Ready(Some(Err(BodyBroken)))
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        // Borrowed: by the owner, who is at it and needs no waking.
        if let Ok(mut line) = self.0.try_borrow_mut() {
            line.wake();
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(Http1Body(line)) => line.borrow_mut().poll_body(cx),
            Self::Hyper(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|it| it.map_err(|_| BodyBroken))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(Http1Body(line)) => line.borrow().body.is_over(),
            Self::Hyper(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(Http1Body(line)) => {
                let left = line.borrow().body.left();
                left.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Self::Hyper(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ClientBody {
    /// What a client sends is nobody's to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Http1(_) => "Http1",
            Self::Hyper(_) => "Hyper",
        })
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
