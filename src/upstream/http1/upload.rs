//! A request on its way out: its head, then its body as it comes from the client, framed as its head says.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body as _;
use tokio::io::AsyncWrite as _;

use super::{connection::Connection, head};
use crate::upstream::{BodyFault, Outgoing, RequestBody};

/// The end of a chunked body, and the same behind a chunk.
const LAST_CHUNK: &str = "0\r\n\r\n";
const CHUNK_AND_LAST: &str = "\r\n0\r\n\r\n";

/// A request that is being sent.
pub(super) struct Upload {
    body: RequestBody,
    chunked: bool,
    /// Bytes of the body that the head has promised and that are still to come.
    owed: Option<u64>,
    /// What goes out next: `lead`, then `piece`, then `trail`.
    lead: Vec<u8>,
    piece: Bytes,
    trail: &'static str,
    /// How much of these three has gone.
    gone: usize,
    /// Not a byte has gone of all.
    untouched: bool,
    /// All that the client sends is in these three, or gone.
    last: bool,
    /// All has gone.
    done: bool,
}

/// Why a request did not go out.
#[derive(Debug)]
pub(super) enum Stuck {
    /// The client's part failed.
    Body(BodyFault),
    /// The server takes no more. What it answered may be there to read all the same.
    Stream,
}

impl Upload {
    pub(super) fn new(request: Outgoing) -> Self {
        let owed = request.body.size_hint().exact();
        let empty = matches!(request.body, RequestBody::Empty);
        Self {
            chunked: !empty && owed.is_none(),
            owed,
            lead: head::written(&request),
            body: request.body,
            piece: Bytes::new(),
            trail: "",
            gone: 0,
            untouched: true,
            last: empty,
            done: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether it can be sent on another connection: this one has not taken a byte of it.
    pub(super) fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// Sends as much as the client has sent and the server takes.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stuck>> {
        while !self.done {
            if !self.last && self.piece.is_empty() && self.trail.is_empty() {
                let waits = self.poll_body(cx)?.is_pending();
                if waits && self.lead.len() == self.gone {
                    ready!(connection.output().poll_flush(cx)).map_err(|_| Stuck::Stream)?;
                    return Poll::Pending;
                }
            }
            ready!(self.poll_write(connection, cx)).map_err(|_| Stuck::Stream)?;
            if self.last {
                ready!(connection.output().poll_flush(cx)).map_err(|_| Stuck::Stream)?;
                self.done = true;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the body's next piece.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Stuck> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return Ok(Poll::Pending);
            };
            let Some(frame) = frame else {
                self.ends(LAST_CHUNK)?;
                return Ok(Poll::Ready(()));
            };
            // Trailers never come: see `request_body`.
            let piece = frame.map_err(Stuck::Body)?.into_data().unwrap_or_default();
            if piece.is_empty() {
                continue;
            }
            if let Some(owed) = &mut self.owed {
                *owed = owed.checked_sub(piece.len() as u64).ok_or(Stuck::Body(BodyFault::Cut))?;
            }
            if self.chunked {
                self.lead.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                self.trail = "\r\n";
            }
            self.piece = piece;
            if self.body.is_end_stream() {
                self.ends(CHUNK_AND_LAST)?;
            }
            return Ok(Poll::Ready(()));
        }
    }

    /// The body has ended; `last` says so where it is chunked.
    fn ends(&mut self, last: &'static str) -> Result<(), Stuck> {
        if self.owed.is_some_and(|owed| owed > 0) {
            return Err(Stuck::Body(BodyFault::Cut));
        }
        self.last = true;
        if self.chunked {
            self.trail = last;
        }
        Ok(())
    }

    /// Writes what is there to go.
    fn poll_write(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let parts = [&self.lead[..], &self.piece, self.trail.as_bytes()];
        let all: usize = parts.iter().map(|part| part.len()).sum();
        while self.gone < all {
            let mut skip = self.gone;
            let mut rest = parts.map(|part| {
                let skipped = skip.min(part.len());
                skip -= skipped;
                IoSlice::new(&part[skipped..])
            });
            rest.sort_by_key(|part| part.is_empty()); // stable: what is empty goes last
            let used = rest.iter().take_while(|part| !part.is_empty()).count();
            let wrote = match &rest[..used] {
                [only] => ready!(connection.output().poll_write(cx, only))?,
                several => ready!(connection.output().poll_write_vectored(cx, several))?,
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gone += wrote;
            self.untouched = false;
        }
        self.lead.clear();
        self.piece = Bytes::new();
        (self.trail, self.gone) = ("", 0);
        if let RequestBody::Streamed(body) = &self.body {
            body.went_on();
        }
        Poll::Ready(Ok(()))
    }
}
