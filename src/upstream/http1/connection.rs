//! One connection of HTTP/1.1 to a server: its stream, and what was read of it and not yet used.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::super::{OpenGuard, stream::Stream};

/// Least and most room for one read, bytes. It grows under large bodies only: measured, 64 KiB halves the
/// cost of a 1 MiB answer against 8 KiB.
const ROOM_MIN: usize = 8 * 1024;
const ROOM_MAX: usize = 64 * 1024;

/// An open connection; dropping it closes it.
pub(crate) struct Connection {
    stream: Stream,
    /// Read, and not yet used.
    pub(super) input: BytesMut,
    room: usize,
    /// Counts it while it is open.
    _open: OpenGuard,
}

impl Connection {
    pub(in crate::upstream) fn new(stream: Stream, open: OpenGuard) -> Box<Self> {
        Box::new(Self { stream, input: BytesMut::new(), room: ROOM_MIN, _open: open })
    }

    /// Reads more; how many bytes came, 0 at the stream's end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let spare = self.input.capacity() - self.input.len();
        if spare < self.room {
            self.input.reserve(self.room);
        }
        let spare = self.input.capacity() - self.input.len();
        let read = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        if read == spare {
            self.room = (self.room * 2).min(ROOM_MAX);
        }
        Poll::Ready(Ok(read))
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
        self.input = BytesMut::new();
        self.room = ROOM_MIN;
    }

    /// Where to write.
    pub(super) fn output(&mut self) -> Pin<&mut (impl AsyncWrite + use<>)> {
        Pin::new(&mut self.stream)
    }

    /// What is left when it is no HTTP any more: the stream, and what was read of it ahead.
    pub(in crate::upstream) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }
}
