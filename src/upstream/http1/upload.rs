//! A request on its way out: its head, then its body as it comes from the client, framed as its head says.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::Body as _;
use tokio::io::AsyncWrite as _;

use super::connection::Connection;
use crate::{
    upstream::{BodyFault, RequestBody},
    wire::Parcel,
};

/// A request that is being sent.
pub(super) struct Upload {
    body: RequestBody,
    chunked: bool,
    /// Bytes of the body that the head has promised and that are still to come.
    owed: Option<u64>,
    /// What goes out next.
    parcel: Parcel,
    /// It holds a piece of the body.
    laden: bool,
    /// Not a byte has gone of all.
    untouched: bool,
    /// All that the client sends is in the parcel, or gone.
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
    /// A head as it goes out, and the body behind it.
    pub(super) fn new(head: Vec<u8>, body: RequestBody) -> Self {
        let owed = body.size_hint().exact();
        let empty = matches!(body, RequestBody::Empty);
        Self {
            chunked: !empty && owed.is_none(),
            owed,
            parcel: Parcel::new(head),
            laden: false,
            body,
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
            if !self.last && !self.laden {
                let waits = self.poll_body(cx)?.is_pending();
                if waits && self.parcel.is_empty() {
                    let output = Pin::new(connection.output());
                    ready!(output.poll_flush(cx)).map_err(|_| Stuck::Stream)?;
                    return Poll::Pending;
                }
            }
            ready!(self.poll_write(connection, cx)).map_err(|_| Stuck::Stream)?;
            if self.last {
                let output = Pin::new(connection.output());
                ready!(output.poll_flush(cx)).map_err(|_| Stuck::Stream)?;
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
                self.ends()?;
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
            self.parcel.put(piece, self.chunked);
            self.laden = true;
            if self.body.is_end_stream() {
                self.ends()?;
            }
            return Ok(Poll::Ready(()));
        }
    }

    /// The body has ended.
    fn ends(&mut self) -> Result<(), Stuck> {
        if self.owed.is_some_and(|owed| owed > 0) {
            return Err(Stuck::Body(BodyFault::Cut));
        }
        self.last = true;
        if self.chunked {
            self.parcel.end_chunks();
        }
        Ok(())
    }

    /// Writes what is there to go.
    fn poll_write(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let wrote = self.parcel.poll_write(connection.output(), cx);
        self.untouched &= !self.parcel.is_begun() && !matches!(wrote, Poll::Ready(Ok(())));
        ready!(wrote)?;
        self.laden = false;
        if let RequestBody::Streamed(body) = &self.body {
            body.went_on();
        }
        Poll::Ready(Ok(()))
    }
}
