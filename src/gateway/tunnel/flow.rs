//! One direction of a tunnel: bytes go on as they come, and no more are taken than the other side takes.
//!
//! What is read goes through one buffer of the worker. Only what the other side does not take at once is
//! held, so that a silent tunnel holds nothing, and a stalled direction at most [`PIECE`] bytes.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::ReadBuf;

use super::{super::websocket::Frames, Stream};

/// Most bytes that are read, and so held, at a time.
const PIECE: usize = 16 * 1024;

/// Pieces after which other tasks of the worker have their turn.
const PIECES_PER_TURN: usize = 16;

thread_local! {
    static PIECE_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into());
}

/// Which end of a direction has failed.
pub(super) enum Lost {
    From,
    To,
}

/// One direction.
pub(super) struct Flow {
    held: Vec<u8>,
    /// How much of `held` has gone.
    gone: usize,
    stage: Stage,
    /// Bytes that have gone on.
    passed: u64,
    /// Of a WebSocket: where the other side stands.
    pub(super) frames: Frames,
    /// Written since the last flush.
    unflushed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Flows,
    /// Its sender has ended; what is held has to go, and then the end.
    Ends,
    Ended,
}

impl Flow {
    /// Begins with bytes that somebody has read already.
    pub(super) fn new(ahead: Vec<u8>) -> Self {
        let frames = Frames::default();
        Self { held: ahead, gone: 0, stage: Stage::Flows, passed: 0, frames, unflushed: false }
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Moves what can be moved; ready when the sender has ended and the receiver has been told.
    pub(super) fn poll(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Lost>> {
        for _ in 0..PIECES_PER_TURN {
            if self.stage == Stage::Ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_drain(to, cx)).map_err(|_| Lost::To)?;
            if self.stage == Stage::Ends {
                ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Lost::To)?;
                self.stage = Stage::Ended;
                continue;
            }
            match self.poll_piece(from, to, cx) {
                Poll::Ready(moved) => moved?,
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Lost::To)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is held, and gives its memory back.
    fn poll_drain(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.held.len() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held[self.gone..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let (passed, end) = (self.gone, self.gone + written);
            self.gone = end;
            self.unflushed = true;
            self.passed += written as u64;
            self.frames.pass(&self.held[passed..end]);
        }
        if !self.held.is_empty() {
            (self.held, self.gone) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads a piece, and writes of it what is taken at once.
    fn poll_piece(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Lost>> {
        PIECE_BUFFER.with_borrow_mut(|piece| {
            let mut read = ReadBuf::new(piece);
            ready!(Pin::new(from).poll_read(cx, &mut read)).map_err(|_| Lost::From)?;
            let piece = read.filled();
            if piece.is_empty() {
                self.stage = Stage::Ends;
                return Poll::Ready(Ok(()));
            }
            let written = match Pin::new(to).poll_write(cx, piece) {
                Poll::Pending => 0,
                Poll::Ready(written) => written.map_err(|_| Lost::To)?,
            };
            self.unflushed |= written > 0;
            self.passed += written as u64;
            self.frames.pass(&piece[..written]);
            self.held.extend_from_slice(&piece[written..]);
            Poll::Ready(Ok(()))
        })
    }

    /// Lets the frame that has begun go on to its end, and nothing behind it.
    pub(super) async fn finish_frame(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
    ) -> io::Result<()> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut piece = self.held.split_off(self.gone);
        while !self.frames.at_boundary() {
            let rest = self.frames.rest_of_frame(&piece);
            to.write_all(&piece[..rest]).await?;
            self.frames.pass(&piece[..rest]);
            self.passed += rest as u64;
            if self.frames.at_boundary() {
                break;
            }
            piece.resize(PIECE, 0);
            let read = from.read(&mut piece).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            piece.truncate(read);
        }
        Ok(())
    }
}
