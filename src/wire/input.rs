//! What was read of a stream and is not used yet.
//!
//! Whoever waits for the first bytes of a message holds no memory for them: they are read onto the stack,
//! and only what came is kept.

use std::{
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// Least and most room for one read, bytes. It grows under large bodies only: measured, 64 KiB halves the
/// cost of a body of 1 MiB against 8 KiB.
const ROOM_MIN: usize = 8 * 1024;
const ROOM_MAX: usize = 64 * 1024;

/// Bytes that have come.
#[derive(Debug)]
pub struct Input {
    /// Read, and not used yet.
    pub bytes: BytesMut,
    room: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: BytesMut::new(), room: ROOM_MIN }
    }
}

impl Input {
    /// Reads more; how many bytes came, 0 at the stream's end.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin + ?Sized),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let (room, read) = if self.room == ROOM_MIN {
            (ROOM_MIN, ready!(self.poll_little(stream, cx))?)
        } else {
            if self.bytes.capacity() - self.bytes.len() < self.room {
                self.bytes.reserve(self.room);
            }
            let spare = self.bytes.capacity() - self.bytes.len();
            (spare, ready!(pin!(stream.read_buf(&mut self.bytes)).poll(cx))?)
        };
        if read == room {
            self.room = (self.room * 2).min(ROOM_MAX);
        }
        Poll::Ready(Ok(read))
    }

    fn poll_little(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin + ?Sized),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut room = [const { MaybeUninit::uninit() }; ROOM_MIN];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        self.bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Between two messages: gives up the memory that the last one took, if all of it was used.
    pub fn rest(&mut self) {
        if self.bytes.is_empty() {
            *self = Self::default();
        }
    }
}
