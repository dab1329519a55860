//! How answers are framed, and what arrives of them however little goes at once.

use std::{collections::VecDeque, io, task::Waker};

use http::HeaderName;
use http_body::SizeHint;

use super::*;

const GET: Asked = Asked { version: Version::HTTP_11, head: false, keeps: true };

/// A body of these frames, which says its length or does not. `Err`: it breaks there; an empty piece
/// is waited for.
struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, ()>>,
    length: Option<u64>,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        let next = self.frames.pop_front();
        match &next {
            Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => Poll::Pending,
            _ => Poll::Ready(next),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.length.is_some()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn of(pieces: &[&'static str], length: Option<u64>) -> Frames {
    let frame = |piece: &&'static str| match *piece {
        "!" => Err(()),
        piece => Ok(Frame::data(Bytes::from_static(piece.as_bytes()))),
    };
    Frames { frames: pieces.iter().map(frame).collect(), length }
}

/// A stream that takes so many bytes at once.
struct Narrow(Vec<u8>, usize);

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.1);
        self.0.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn head(status: u16, lines: &[(&'static str, &'static str)]) -> (StatusCode, Fields) {
    let line = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let fields = [("date", "now")].iter().chain(lines).map(line).collect();
    (StatusCode::from_u16(status).unwrap(), fields)
}

fn reply((status, fields): &(StatusCode, Fields), body: Frames) -> Reply<Frames> {
    Reply { status: *status, fields: fields.clone(), body }
}

/// What arrives, whether the connection may go on and whether it is cut; the same however little goes
/// at once.
fn sent(
    head: &(StatusCode, Fields),
    body: impl Fn() -> Frames,
    asked: Asked,
) -> (String, bool, bool) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut sends = |at_once| {
        let mut stream = Narrow(Vec::new(), at_once);
        let mut answer = Answer::new(reply(head, body()), asked, b"");
        let cut = loop {
            let waits = answer.poll_gather(&mut cx).is_pending();
            match answer.poll_write(&mut stream, &mut cx) {
                Poll::Ready(Err(Broken)) => break true,
                Poll::Ready(Ok(())) if answer.is_gathered() && !waits => break false,
                Poll::Ready(Ok(())) | Poll::Pending => (),
            }
        };
        (String::from_utf8(stream.0).unwrap(), answer.keeps(), cut)
    };
    let whole = sends(usize::MAX);
    for at_once in [1, 2, 3, 7, 40] {
        assert_eq!(sends(at_once), whole, "{at_once} at once");
    }
    whole
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_answer_is_framed_as_its_client_and_its_body_allow() {
    let (old, by_head) = (Asked { version: Version::HTTP_10, keeps: false, ..GET }, Asked { head: true, ..GET });
    let kept = Asked { keeps: true, ..old };
    let last = Asked { keeps: false, ..GET };
    type Lines = &'static [(&'static str, &'static str)];
    const LENGTH: Lines = &[("content-length", "5")];
    const CLOSE: Lines = &[("connection", "close")];
    for (asked, status, lines, body, told, goes_on) in [
        (GET,     200, &[][..], Some(5), "content-length: 5\r\n\r\nhello",                          true),
        (GET,     200, LENGTH,  Some(5), "content-length: 5\r\n\r\nhello",                          true),
        (GET,     200, LENGTH,  None,    "content-length: 5\r\n\r\nhello",                          true),
        (GET,     200, &[],     None,    "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        (last,    200, &[],     None,    "transfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false),
        (GET,     200, CLOSE,   Some(5), "connection: close\r\ncontent-length: 5\r\n\r\nhello",     false),
        (last,    200, CLOSE,   Some(5), "connection: close\r\ncontent-length: 5\r\n\r\nhello",     false),
        (old,     200, &[],     Some(5), "content-length: 5\r\n\r\nhello",                          false),
        (old,     200, &[],     None,    "\r\nhello",                                               false),
        (kept,    200, &[],     Some(5), "content-length: 5\r\nconnection: keep-alive\r\n\r\nhello", true),
        (kept,    200, &[],     None,    "\r\nhello",                                               false),
        (by_head, 200, LENGTH,  Some(5), "content-length: 5\r\n\r\n",                               true),
        (by_head, 200, &[],     Some(5), "\r\n",                                                    true),
        (by_head, 304, LENGTH,  Some(5), "content-length: 5\r\n\r\n",                               true),
        (GET,     304, LENGTH,  Some(5), "\r\n",                                                    true),
        (GET,     204, LENGTH,  Some(5), "\r\n",                                                    true),
        (GET,     101, &[],     Some(5), "\r\n",                                                    true),
        (GET,     404, &[],     Some(5), "content-length: 5\r\n\r\nhello",                          true),
        (GET,     200, &[("transfer-encoding", "gzip")], Some(5), "content-length: 5\r\n\r\nhello", true),
    ] {
        let (text, keeps, cut) = sent(&head(status, lines), || of(&["hello"], body), asked);
        let version = if asked.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        let (line, rest) = text.split_once("\r\n").unwrap();
        assert!(line.starts_with(&format!("HTTP/{version} {status} ")), "{line}");
        assert_eq!((rest, keeps, cut), (format!("date: now\r\n{told}").as_str(), goes_on, false));
    }
    let (text, ..) = sent(&head(200, &[]), || of(&[], Some(0)), GET);
    assert_eq!(text, "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn pieces_go_as_they_come_and_small_ones_together() {
    let (text, ..) = sent(&head(200, &[]), || of(&["one", "", "two", "three"], None), GET);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
    let mut cx = Context::from_waker(Waker::noop());
    let body = of(&["one", "two", "", "x"], None);
    let mut answer = Answer::new(reply(&head(200, &[]), body), GET, b"");
    assert!(answer.poll_gather(&mut cx).is_pending());
    let mut stream = Narrow(Vec::new(), usize::MAX);
    assert!(answer.poll_write(&mut stream, &mut cx).is_ready());
    assert!(stream.0.ends_with(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n"), "with what is still to come");
}

#[test]
fn an_answer_that_breaks_is_cut_behind_what_came_before() {
    let (text, _, cut) = sent(&head(200, &[]), || of(&["one", "!"], None), GET);
    assert!(cut && text.ends_with("\r\n\r\n3\r\none\r\n"), "{text:?}");
    let length = head(200, &[("content-length", "5")]);
    for pieces in [&["one"][..], &["one", "!"], &[]] {
        let (text, _, cut) = sent(&length, || of(pieces, None), GET);
        let came = if pieces.is_empty() { "\r\n\r\n" } else { "\r\n\r\none" };
        assert!(cut && text.ends_with(came), "{text:?}");
    }
    // And what is too long does not pass for the next answer.
    let (text, _, cut) = sent(&length, || of(&["hello", " world"], None), GET);
    assert!(!cut && text.ends_with("\r\n\r\nhello"), "{text:?}");
}

#[test]
fn only_trailers_that_were_announced_are_sent() {
    let body = || {
        let mut fields = HeaderMap::new();
        fields.insert("x-sum", HeaderValue::from_static("1"));
        fields.insert("x-more", HeaderValue::from_static("2"));
        let mut body = of(&["hello"], None);
        body.frames.push_back(Ok(Frame::trailers(fields)));
        body
    };
    let announced = head(200, &[("trailer", "x-other, X-Sum")]);
    let (text, ..) = sent(&announced, body, GET);
    assert!(text.ends_with("5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"), "{text:?}");
    let (text, ..) = sent(&head(200, &[]), body, GET);
    assert!(text.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{text:?}");
    let length = head(200, &[("content-length", "5"), ("trailer", "x-sum")]);
    let (text, keeps, cut) = sent(&length, body, GET);
    assert!(keeps && !cut && text.ends_with("\r\n\r\nhello"), "{text:?}");
}
