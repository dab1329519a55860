//! One connection of HTTP/1.1 to a server: its stream, and what was read of it and not yet used.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio::io::ReadBuf;

use super::super::{OpenGuard, member::Seat, stream::Stream};
use crate::wire::Input;

/// An open connection; dropping it closes it.
pub(crate) struct Connection {
    stream: Stream,
    /// Read, and not yet used.
    pub(super) input: Input,
    /// Whose it is, while it is in use; `None` in the pool.
    pub(in crate::upstream) seat: Option<Seat>,
    /// Counts it while it is open.
    _open: OpenGuard,
}

impl Connection {
    pub(in crate::upstream) fn new(stream: Stream, open: OpenGuard, seat: Seat) -> Box<Self> {
        Box::new(Self { stream, input: Input::default(), seat: Some(seat), _open: open })
    }

    /// Reads more; how many bytes came, 0 at the stream's end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.poll_fill(&mut self.stream, cx)
    }

    /// Whether it can carry another request: nothing came while nobody had asked, its end least of all.
    pub(in crate::upstream) fn is_quiet(&mut self) -> bool {
        let mut room = [0; 1];
        let mut cx = Context::from_waker(Waker::noop());
        let stream = Pin::new(&mut self.stream);
        tokio::io::AsyncRead::poll_read(stream, &mut cx, &mut ReadBuf::new(&mut room)).is_pending()
    }

    /// Gives up the memory that it read into.
    pub(in crate::upstream) fn rest(&mut self) {
        self.input.rest();
    }

    /// The server has answered a request on it.
    pub(super) fn answered(&self) {
        if let Some(seat) = &self.seat {
            seat.member().condition.answered();
        }
    }

    /// Where to write.
    pub(super) fn output(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// What is left when it is no HTTP any more: the stream, what was read of it ahead, and its place in the server's load.
    pub(in crate::upstream) fn into_parts(self) -> (Stream, BytesMut, Option<Seat>) {
        (self.stream, self.input.bytes, self.seat)
    }
}
