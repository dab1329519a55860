//! The client's body on its way to the backend: counted, bounded in size and silence, never held.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    tick::{self, Sleep},
    wire::ClientBody,
};

/// What went wrong with the client's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the rule allows.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// Silence for longer than `[limits] body-idle`, or a trickle while others wait for the connection.
    #[error("the body stopped arriving")]
    TooSlow,
    /// The client closed, or its framing broke, before the body's end.
    #[error("the body ended early")]
    Cut,
}

/// What the sender of a request may know of its body while it is being sent.
#[derive(Debug)]
pub struct Progress {
    fault: Cell<Option<BodyFault>>,
    last: Cell<Instant>,
    done: Cell<bool>,
    /// Asked for more than the client has sent: its silence is bounded by the body itself.
    awaited: Cell<bool>,
    bytes: Cell<u64>,
}

impl Progress {
    /// The first fault, once there is one.
    #[must_use]
    pub fn fault(&self) -> Option<BodyFault> {
        self.fault.get()
    }

    /// What was taken has gone on: until now the client was not the one who was waited for.
    pub(super) fn went_on(&self) {
        self.last.set(tick::now());
    }

    /// Bytes taken from the client so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }
}

/// The body of a forwarded request.
#[derive(Debug)]
pub enum RequestBody {
    /// None at all.
    Empty,
    /// Streamed from the client.
    Streamed(Box<Streamed>),
}

/// A body that is still arriving.
#[derive(Debug)]
pub struct Streamed {
    inner: ClientBody,
    /// Exact length, when the head told it.
    length: Option<u64>,
    left: u64,
    idle: Duration,
    silence: Option<Sleep>,
    progress: Rc<Progress>,
}

impl RequestBody {
    /// Streams `inner`: at most `max` bytes, never silent for longer than `idle`.
    #[must_use]
    pub fn streamed(inner: ClientBody, length: Option<u64>, max: u64, idle: Duration) -> Self {
        let progress = Rc::new(Progress {
            fault: Cell::new(None),
            last: Cell::new(tick::now()),
            done: Cell::new(false),
            awaited: Cell::new(false),
            bytes: Cell::new(0),
        });
        Self::Streamed(Box::new(Streamed {
            inner,
            length,
            left: max,
            idle,
            silence: None,
            progress,
        }))
    }

    /// A view of the body that outlives its sending; `None` when there is none.
    #[must_use]
    pub fn progress(&self) -> Option<Rc<Progress>> {
        match self {
            Self::Empty => None,
            Self::Streamed(body) => Some(Rc::clone(&body.progress)),
        }
    }
}

impl Streamed {
    /// As [`Progress::went_on`].
    pub(super) fn went_on(&self) {
        self.progress.went_on();
    }

    fn fail<T>(&self, fault: BodyFault) -> Poll<Option<Result<T, BodyFault>>> {
        self.progress.fault.set(Some(fault));
        Poll::Ready(Some(Err(fault)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.progress.awaited.set(polled.is_pending());
        match polled {
            Poll::Pending => {
                let due = self.progress.last.get() + self.idle;
                let silence = self.silence.get_or_insert_with(|| tick::sleep_until(due));
                silence.reset(due);
                match Pin::new(silence).poll(cx) {
                    Poll::Ready(()) => self.fail(BodyFault::TooSlow),
                    Poll::Pending => Poll::Pending,
                }
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    self.progress.last.set(tick::now());
                    let bytes = data.len() as u64;
                    self.progress.bytes.set(self.progress.bytes.get() + bytes);
                    match self.left.checked_sub(bytes) {
                        Some(left) => self.left = left,
                        None => return self.fail(BodyFault::TooLarge),
                    }
                    if self.inner.is_end_stream() {
                        self.progress.done.set(true);
                    }
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                // Request trailers would become fields that no rule has seen: they are dropped.
                Err(_trailers) => self.end(),
            },
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Err(_))) => self.fail(BodyFault::Cut),
        }
    }

    fn end<T>(&self) -> Poll<Option<T>> {
        self.progress.done.set(true);
        self.progress.last.set(tick::now());
        Poll::Ready(None)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streamed(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(body) => body.progress.done.get(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(body) => match body.length {
                Some(length) => {
                    SizeHint::with_exact(length.saturating_sub(body.progress.bytes.get()))
                }
                None => SizeHint::default(),
            },
        }
    }
}

/// While others wait for the connection that a body holds, this much of it must come in each
/// [`SPAN`]: 16 KiB in a second, less than any network on which somebody uploads anything.
const LEAST: u64 = 8 * 1024;

/// Half of the second that those who wait are promised.
const SPAN: Duration = Duration::from_millis(500);

/// Why an answer is not waited for any longer.
pub(super) enum GivenUp {
    /// The backend keeps silent.
    Backend,
    /// The client sends its body so slowly that it must make room for others.
    Client,
}

/// Waits for `answer`, at most `limit` after the body's last movement. While the client is the one who
/// is waited for, the wait goes on: its body has a limit of its own, which ends `answer` with a fault.
/// Where others are `pressed` for the connection meanwhile, the body has to come at some speed too.
pub(super) async fn within<F: Future>(
    limit: Duration,
    progress: Option<&Progress>,
    pressed: impl Fn() -> bool,
    answer: F,
) -> Result<F::Output, GivenUp> {
    let mut answer = std::pin::pin!(answer);
    let started = tick::now();
    let mut pace = Pace { since: started, bytes: 0 };
    let first = if progress.is_some() { limit.min(SPAN) } else { limit };
    let mut silence = tick::sleep_until(started + first);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        loop {
            if Pin::new(&mut silence).poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = tick::now();
            let since = progress.map_or(started, |body| body.last.get());
            let client = progress.filter(|body| body.awaited.get());
            match client {
                None if since + limit <= now => return Poll::Ready(Err(GivenUp::Backend)),
                Some(body) if pace.falls_short(body, now) && pressed() => {
                    return Poll::Ready(Err(GivenUp::Client));
                }
                None | Some(_) => (),
            }
            let due = (since + limit).max(now + tick::PERIOD);
            // Only a body that is on its way has a speed.
            let moving = progress.is_some_and(|body| !body.done.get());
            silence.reset(if moving { due.min(now + SPAN) } else { due });
        }
    })
    .await
}

/// How far a body had come, and when.
struct Pace {
    since: Instant,
    bytes: u64,
}

impl Pace {
    /// Whether less than [`LEAST`] came in the last [`SPAN`].
    fn falls_short(&mut self, body: &Progress, now: Instant) -> bool {
        if now < self.since + SPAN {
            return false;
        }
        let came = body.bytes.get() - self.bytes;
        *self = Self { since: now, bytes: body.bytes.get() };
        came < LEAST
    }
}
