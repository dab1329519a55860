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
mod tests {
    use std::{collections::VecDeque, io};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// A client that has sent these pieces, each for one read, and then ended or waits.
    struct Client {
        pieces: VecDeque<Vec<u8>>,
        ended: bool,
        told: Vec<u8>,
    }

    impl AsyncRead for Client {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.pieces.pop_front() {
                Some(piece) => room.put_slice(&piece),
                None if self.ended => (),
                None => return Poll::Pending,
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Client {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            // Never all at once.
            let taken = bytes.len().min(10);
            self.told.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn line(pieces: &[&[u8]], ended: bool) -> Rc<RefCell<Line<Client>>> {
        let pieces = pieces.iter().filter(|piece| !piece.is_empty());
        let pieces = pieces.map(|piece| piece.to_vec()).collect();
        let client = Client { pieces, ended, told: Vec::new() };
        Rc::new(RefCell::new(Line::new(client, Input::default())))
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// What comes of a body: its content, and whether it ended well, broke, or is still waited for.
    fn taken(body: &mut ClientBody) -> (String, &'static str) {
        let mut content = Vec::new();
        let end = loop {
            match Pin::new(&mut *body).poll_frame(&mut cx()) {
                Poll::Ready(Some(Ok(frame))) => {
                    content.extend(frame.into_data().unwrap_or_default())
                }
                Poll::Ready(Some(Err(BodyBroken))) => break "broken",
                Poll::Ready(None) => break "whole",
                Poll::Pending => break "waits",
            }
        };
        (String::from_utf8(content).unwrap(), end)
    }

    const CHUNKS: &[u8] = b"5\r\nhello\r\n0\r\nx: y\r\n\r\n";

    #[test]
    fn a_body_is_read_wherever_it_is_cut_and_what_follows_is_left() {
        for (content, sent) in [(Content::Length(5), &b"hello"[..]), (Content::Chunked, CHUNKS)] {
            let all = [sent, b"GET"].concat();
            for cut in 0..=all.len() {
                let line = line(&[&all[..cut], &all[cut..]], false);
                let mut body = Line::body(&line, content, false);
                assert_eq!(taken(&mut body), ("hello".to_owned(), "whole"), "{content:?} at {cut}");
                assert!(body.is_end_stream() && line.borrow().is_read());
                drop(body);
                let line = line.borrow();
                assert!(b"GET".starts_with(&line.input.bytes[..]), "{content:?} at {cut}");
                assert!(line.stream.told.is_empty(), "nobody asked for it");
            }
        }
    }

    #[test]
    fn a_body_that_ends_early_or_is_none_breaks_for_good() {
        for cut in 0..CHUNKS.len() {
            let line = line(&[&CHUNKS[..cut]], true);
            let mut body = Line::body(&line, Content::Chunked, false);
            assert_eq!(taken(&mut body).1, "broken", "{cut}");
            assert_eq!(taken(&mut body).1, "broken", "{cut}");
            assert!(line.borrow().is_broken());
        }
        for wrong in [&b"g\r\n"[..], b"1\r\nab\r\n", b"1\nx"] {
            let line = line(&[wrong], false);
            let mut body = Line::body(&line, Content::Chunked, false);
            assert_eq!(taken(&mut body).1, "broken", "{:?}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn who_waits_to_be_told_is_told_once_and_only_when_the_body_is_asked_for() {
        let line = line(&[], false);
        let mut body = Line::body(&line, Content::Length(5), true);
        assert_eq!(line.borrow().stream.told, b"");
        assert_eq!(taken(&mut body), (String::new(), "waits"));
        assert_eq!(line.borrow().stream.told, CONTINUE);
        line.borrow_mut().stream.pieces.push_back(b"hello".to_vec());
        assert_eq!(taken(&mut body), ("hello".to_owned(), "whole"));
        assert_eq!(line.borrow_mut().answers(), b"");
        assert_eq!(line.borrow().stream.told, CONTINUE);
        let _unread = Line::body(&line, Content::Length(5), true);
        assert_eq!(line.borrow_mut().answers(), b"");
        assert_eq!(line.borrow().stream.told, CONTINUE, "it is answered instead");
    }

    #[test]
    fn what_nobody_wants_is_read_to_its_end_where_that_is_near() {
        for (content, pieces, ended, over, broken) in [
            (Content::Length(5), &[&b"hel"[..], b"lo"][..], false, true, false),
            (Content::Chunked, &[CHUNKS], false, true, false),
            (Content::Length(6), &[b"hello"], false, false, false),
            (Content::Length(6), &[b"hello"], true, false, true),
            (Content::Chunked, &[b"5\r\nhello\r\nx\r\n"], false, false, true),
            (Content::Length(40), &[&[b'x'; 20], &[b'x'; 20]], false, true, false),
            (Content::Length(60), &[&[b'x'; 20], &[b'x'; 20], &[b'x'; 20]], false, false, false),
        ] {
            let line = line(pieces, ended);
            drop(Line::body(&line, content, true));
            let mut line = line.borrow_mut();
            assert_eq!(line.drains(30, &mut cx()), over, "{content:?}");
            assert_eq!((line.is_broken(), line.stream.told.len()), (broken, 0), "{content:?}");
        }
    }

    #[test]
    fn a_client_that_has_left_is_noticed_and_one_that_goes_on_is_not_lost() {
        let gone = |pieces: &[&[u8]], ended| {
            let line = line(pieces, ended);
            let mut line = line.borrow_mut();
            let ready =
                [line.poll_gone(&mut cx()).is_ready(), line.poll_gone(&mut cx()).is_ready()];
            (ready, line.input.bytes.len())
        };
        assert_eq!(gone(&[], true), ([true, true], 0));
        assert_eq!(gone(&[], false), ([false, false], 0));
        assert_eq!(gone(&[b"GET"], true), ([false, false], 3), "it has asked for more");
    }
}
