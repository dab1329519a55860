//! Bodies of HTTP/1.1 on their connection, at every cut.

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
            Poll::Ready(Some(Ok(frame))) => content.extend(frame.into_data().unwrap_or_default()),
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
        let ready = [line.poll_gone(&mut cx()).is_ready(), line.poll_gone(&mut cx()).is_ready()];
        (ready, line.input.bytes.len())
    };
    assert_eq!(gone(&[], true), ([true, true], 0));
    assert_eq!(gone(&[], false), ([false, false], 0));
    assert_eq!(gone(&[b"GET"], true), ([false, false], 3), "it has asked for more");
}
