//! An answer on its way to the client: its head, framed as the client's version and the body allow, then
//! the body as it comes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING},
};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::date;
use crate::wire::{self, Fields, Parcel, Reply, has_option, line};

/// What an answer must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    /// By HEAD.
    pub(super) head: bool,
    /// The client keeps the connection.
    pub(super) keeps: bool,
}

/// How the body of an answer is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none to send.
    Nothing,
    /// So many bytes are still owed.
    Length(u64),
    Chunked,
    /// The end of the connection is its end.
    UntilClose,
}

/// An answer that is being sent.
pub(super) struct Answer<B> {
    /// `None`: all of it is in the parcel, or gone.
    body: Option<B>,
    framing: Framing,
    /// What `Trailer` announces.
    announced: Option<Box<HeaderValue>>,
    parcel: Parcel,
    keeps: bool,
    /// The body broke: the client is to see that.
    cut: bool,
}

/// The client takes nothing more, or must see that the answer is cut.
#[derive(Debug)]
pub(super) struct Broken;

impl<B: Body<Data = Bytes> + Unpin> Answer<B> {
    /// `interim` goes before it.
    pub(super) fn new(reply: Reply<B>, asked: Asked, interim: &[u8]) -> Self {
        let Reply { status, fields, body } = reply;
        let mut written = Written::head((status, &fields), &body, asked, interim);
        let nothing = matches!(written.framing, Framing::Nothing | Framing::Length(0));
        written.text.extend_from_slice(b"\r\n");
        Self {
            body: (!nothing).then_some(body),
            framing: written.framing,
            announced: written.announced,
            parcel: Parcel::new(written.text),
            keeps: written.keeps,
            cut: false,
        }
    }

    /// Whether the connection may carry another request after it.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Takes what there is of the body, as much as goes at once. Ready unless the body is waited for.
    pub(super) fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(body) = &mut self.body
            && self.parcel.has_room()
        {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let ends = frame.is_trailers() || body.is_end_stream();
                    self.put(frame);
                    if ends && self.body.is_some() {
                        self.end();
                    }
                }
                None => self.end(),
                Some(Err(_)) => self.cuts(),
            }
        }
        Poll::Ready(())
    }

    /// Writes what was gathered.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let wrote = ready!(self.parcel.poll_write(stream, cx));
        wrote.map_err(|_| Broken)?;
        let flushed = ready!(Pin::new(stream).poll_flush(cx));
        flushed.map_err(|_| Broken)?;
        Poll::Ready(if self.cut { Err(Broken) } else { Ok(()) })
    }

    /// Whether all of it has been taken; it has gone when that has been written.
    pub(super) fn is_gathered(&self) -> bool {
        self.body.is_none()
    }

    fn put(&mut self, frame: Frame<Bytes>) {
        let chunked = self.framing == Framing::Chunked;
        match frame.into_data() {
            Ok(mut data) => {
                if let Framing::Length(owed) = &mut self.framing {
                    let more = data.len() as u64 > *owed;
                    if more {
                        // Never: the body has told its length. A byte more would be the next answer's.
                        data.truncate(usize::try_from(*owed).unwrap_or(usize::MAX));
                    }
                    *owed -= data.len() as u64;
                }
                if !data.is_empty() {
                    self.parcel.put(data, chunked);
                }
            }
            Err(frame) => {
                if let (true, Ok(fields)) = (chunked, frame.into_trailers()) {
                    let lines = trailer_lines(&fields, self.announced.as_deref());
                    self.parcel.end_chunks_with(&lines);
                    self.body = None;
                }
            }
        }
    }

    fn end(&mut self) {
        match self.framing {
            Framing::Length(1..) => return self.cuts(),
            Framing::Chunked => self.parcel.end_chunks(),
            Framing::Length(0) | Framing::Nothing | Framing::UntilClose => (),
        }
        self.body = None;
    }

    fn cuts(&mut self) {
        (self.body, self.cut) = (None, true);
    }
}

/// The fields after a body that were announced in its head, as lines.
fn trailer_lines(fields: &HeaderMap, announced: Option<&HeaderValue>) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in fields {
        if announced.is_some_and(|list| has_option(list.as_bytes(), name.as_str().as_bytes())) {
            line(&mut lines, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    lines
}

/// The head of an answer, but for the empty line.
struct Written {
    text: Vec<u8>,
    framing: Framing,
    announced: Option<Box<HeaderValue>>,
    keeps: bool,
}

impl Written {
    fn head(
        (status, fields): (StatusCode, &Fields),
        body: &impl Body,
        asked: Asked,
        interim: &[u8],
    ) -> Self {
        let switches = status == StatusCode::SWITCHING_PROTOCOLS;
        let without = asked.head
            || switches
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut text = wire::text();
        text.extend_from_slice(interim);
        status_line(&mut text, asked.version, status);
        let (mut length, mut dated, mut announced, mut keeps) = (None, false, None, asked.keeps);
        for (name, value) in fields.iter() {
            match *name {
                CONTENT_LENGTH if without && !asked.head => continue,
                CONTENT_LENGTH if !without => {
                    if length.is_some() {
                        continue;
                    }
                    length = number(value);
                }
                // Framing is ours to say.
                TRANSFER_ENCODING => continue,
                TRAILER if without || asked.version == Version::HTTP_10 => continue,
                TRAILER => announced = Some(Box::new(value.clone())),
                CONNECTION => keeps &= !has_option(value.as_bytes(), b"close"),
                DATE => dated = true,
                _ => (),
            }
            line(&mut text, name.as_str().as_bytes(), value.as_bytes());
        }
        let mut written = Self { text, framing: Framing::Nothing, announced, keeps };
        if !without {
            written.framing = written.frame(length, body, asked.version);
        }
        if !switches {
            written.tell_connection(fields, asked);
        }
        if !dated {
            line(&mut written.text, b"date", &date::now());
        }
        written
    }

    /// Says how the body is delimited, unless `length` has said it.
    fn frame(&mut self, length: Option<u64>, body: &impl Body, version: Version) -> Framing {
        if let Some(length) = length {
            return Framing::Length(length);
        }
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        if let Some(length) = length {
            line(&mut self.text, b"content-length", HeaderValue::from(length).as_bytes());
            return Framing::Length(length);
        }
        if version == Version::HTTP_10 {
            self.keeps = false;
            return Framing::UntilClose;
        }
        self.text.extend_from_slice(b"transfer-encoding: chunked\r\n");
        Framing::Chunked
    }

    /// Says whether the connection goes on, where the client's version would have it otherwise.
    fn tell_connection(&mut self, fields: &Fields, asked: Asked) {
        let said = |option| fields.all(&CONNECTION).any(|list| has_option(list.as_bytes(), option));
        match (asked.version, self.keeps) {
            (Version::HTTP_10, true) => self.text.extend_from_slice(b"connection: keep-alive\r\n"),
            (Version::HTTP_10, false) | (_, true) => (),
            (_, false) if said(b"close") => (),
            (_, false) => self.text.extend_from_slice(b"connection: close\r\n"),
        }
    }
}

fn status_line(text: &mut Vec<u8>, version: Version, status: StatusCode) {
    if version == Version::HTTP_11 && status == StatusCode::OK {
        return text.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    let version: &[u8] = if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    text.extend_from_slice(version);
    text.extend_from_slice(status.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.extend_from_slice(b"\r\n");
}

/// A length as backends say it, checked where their answers come in.
fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
