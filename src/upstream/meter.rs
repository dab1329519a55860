//! Bounds what a backend may send before the head of its answer is complete.
//!
//! hyper skips interim answers (1xx) for as long as the stream has bytes to read, without a limit and
//! without a pause, so an endless row of them would hold the worker and everybody whom it serves. Once
//! the head is there, the pace is the client's, and nothing is counted.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::HEAD_BYTES;

/// Most bytes before an answer's head is complete, interim answers included.
const BEFORE_HEAD_MAX: usize = 4 * HEAD_BYTES;

/// After this many of them the other tasks of the worker have their turn. That includes the one which
/// waits for the head, so it is never late to say that the head has come.
const SLICE: usize = HEAD_BYTES;

/// Where a connection is in its answer: what its owner tells its stream.
pub(super) struct Meter {
    stage: Cell<Stage>,
    /// Its request asks to switch protocols.
    switches: Cell<bool>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The head is still to come.
    Head {
        /// Bytes that may still come.
        left: usize,
        /// Bytes before the next pause, never more than `left`.
        slice: usize,
    },
    /// The head has come.
    Body,
    /// Streams share the connection, and each bounds its own head: only pauses are left to make.
    Shared {
        /// Bytes before the next pause.
        slice: usize,
    },
}

impl Stage {
    /// With `left` bytes before a head, or a connection of streams.
    fn of(left: Option<usize>, slice: usize) -> Self {
        left.map_or(Self::Shared { slice }, |left| Self::Head { left, slice })
    }
}

impl Meter {
    pub(super) fn new() -> Rc<Self> {
        let meter = Self { stage: Cell::new(Stage::Body), switches: Cell::new(false) };
        meter.head_awaited();
        Rc::new(meter)
    }

    /// Of a connection that carries streams.
    pub(super) fn shared() -> Rc<Self> {
        Rc::new(Self {
            stage: Cell::new(Stage::Shared { slice: SLICE }),
            switches: Cell::new(false),
        })
    }

    /// A request is about to be sent.
    pub(super) fn head_awaited(&self) {
        self.stage.set(Stage::Head { left: BEFORE_HEAD_MAX, slice: SLICE });
    }

    /// The request that is about to be sent asks to switch protocols.
    pub(super) fn may_switch(&self) {
        self.switches.set(true);
    }

    pub(super) fn switches(&self) -> bool {
        self.switches.get()
    }

    /// The head of its answer is here.
    pub(super) fn head_came(&self) {
        self.stage.set(Stage::Body);
    }

    /// Whether so much came before the head that the stream has ended itself.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self.stage.get(), Stage::Head { left: 0, .. })
    }
}

/// A stream under a meter.
pub(super) struct Metered<S> {
    stream: S,
    meter: Rc<Meter>,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, meter: Rc<Meter>) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (left, slice) = match this.meter.stage.get() {
            Stage::Body => return Pin::new(&mut this.stream).poll_read(cx, buf),
            Stage::Head { left, slice } => (Some(left), slice),
            Stage::Shared { slice } => (None, slice),
        };
        if slice == 0 {
            this.meter.stage.set(Stage::of(left, SLICE));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if left == Some(0) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        let left = left.map(|left| left.saturating_sub(read));
        let slice = slice.saturating_sub(read).min(left.unwrap_or(SLICE));
        this.meter.stage.set(Stage::of(left, slice));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that always has more.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.initialize_unfilled();
            buf.advance(buf.remaining());
            Poll::Ready(Ok(()))
        }
    }

    /// Reads pieces of `size` until the stream fails or has given `most`: bytes, pauses, whether it failed.
    fn read(stream: &mut Metered<Endless>, size: usize, most: usize) -> (usize, usize, bool) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut bytes, mut pauses, mut room) = (0, 0, vec![0; size]);
        while bytes < most {
            let mut buf = ReadBuf::new(&mut room);
            match Pin::new(&mut *stream).poll_read(&mut cx, &mut buf) {
                Poll::Ready(Ok(())) => bytes += buf.filled().len(),
                Poll::Ready(Err(_)) => return (bytes, pauses, true),
                Poll::Pending => pauses += 1,
            }
        }
        (bytes, pauses, false)
    }

    #[test]
    fn a_flood_before_the_head_pauses_and_then_ends() {
        for size in [1, 8 * 1024, SLICE, SLICE + 1, BEFORE_HEAD_MAX, BEFORE_HEAD_MAX * 2] {
            let meter = Meter::new();
            let mut stream = Metered::new(Endless, Rc::clone(&meter));
            let (bytes, pauses, failed) = read(&mut stream, size, usize::MAX);
            assert!(failed && meter.is_spent(), "{size}");
            assert!((BEFORE_HEAD_MAX..BEFORE_HEAD_MAX + size).contains(&bytes), "{size}: {bytes}");
            assert!((1..=4).contains(&pauses), "{size}: {pauses}");
            meter.head_awaited();
            assert!(!meter.is_spent());
        }
    }

    #[test]
    fn a_connection_of_streams_pauses_and_never_ends() {
        let mut stream = Metered::new(Endless, Meter::shared());
        let (_, pauses, failed) = read(&mut stream, SLICE, BEFORE_HEAD_MAX * 3);
        assert_eq!((pauses, failed), (11, false));
    }

    #[test]
    fn there_is_a_pause_before_the_end_in_which_a_head_can_be_told() {
        let meter = Meter::new();
        let mut stream = Metered::new(Endless, Rc::clone(&meter));
        let (_, pauses, failed) = read(&mut stream, BEFORE_HEAD_MAX * 2, 1);
        assert_eq!((pauses, failed), (0, false));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut room = [0; 8];
        assert!(
            Pin::new(&mut stream).poll_read(&mut cx, &mut ReadBuf::new(&mut room)).is_pending()
        );
        meter.head_came();
        let (bytes, pauses, failed) = read(&mut stream, SLICE, BEFORE_HEAD_MAX * 3);
        assert_eq!((bytes, pauses, failed), (BEFORE_HEAD_MAX * 3, 0, false), "a body has no limit");
    }
}
