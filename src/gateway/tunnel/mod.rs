//! A connection that has switched protocols: bytes pass in both directions until one side ends, nothing
//! has come for too long, or the exchange is judged again and must not go on.
//!
//! A WebSocket is told why (RFC 6455 7.4.1), between two frames, and closed a moment later. Of any other
//! protocol we know no word to say: it is cut.

mod flow;

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::flow::{Flow, Lost};
use super::{
    access::AccessRecord,
    lasting::{Ending, Entry},
    state::Place,
    websocket,
};
use crate::{
    tick::{self, Sleep},
    upstream::Switched,
    wire::Duplex,
};

/// Either end of a tunnel.
type Stream = dyn Duplex;

/// How long the end of a WebSocket may take: the rest of a frame, our Close and the client's.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long one side may stay silent once the other has ended: whoever only ends its own direction waits for an
/// answer, and anybody else has nothing left to say.
const HALF_CLOSED: Duration = Duration::from_secs(10);

/// A tunnel that waits for its client's stream.
pub struct Tunnel {
    pub(super) backend: Switched,
    pub(super) entry: Rc<Entry>,
    pub(super) websocket: bool,
    /// `[limits] tunnel-idle`
    pub(super) idle: Duration,
    pub(super) record: Option<Box<AccessRecord>>,
    pub(super) _place: Place,
}

/// How a tunnel ended.
enum Ended {
    /// Both sides have ended; whether the client did first.
    Closed { by_client: bool },
    /// One side's connection broke.
    Lost { client: bool },
    /// By us.
    Judged(Ending),
}

impl Ended {
    /// The word of the access line's `ended`.
    fn label(&self) -> &'static str {
        match self {
            Self::Closed { by_client: true } => "client",
            Self::Closed { by_client: false } => "backend",
            Self::Lost { client: true } => "client_lost",
            Self::Lost { client: false } => "backend_lost",
            Self::Judged(_) => "gateway",
        }
    }
}

impl Tunnel {
    /// Carries bytes until the tunnel's end, and writes its record.
    ///
    /// What the client had sent before it was told of the switch (`early`) was written for another
    /// protocol, or for a backend that answers otherwise: it is never forwarded, and ends the tunnel.
    pub async fn run(mut self, mut client: Box<dyn Duplex>, early: &[u8]) {
        let mut record = self.record.take();
        if !early.is_empty() {
            if let Some(record) = &mut record {
                record.early_bytes();
            }
            return;
        }
        let Switched { stream: mut backend, ahead, .. } = self.backend;
        let mut pair = Pair {
            up: Flow::new(Vec::new()),
            // A copy: the buffer of which these are the last bytes is larger than all the rest of us.
            down: Flow::new(ahead.to_vec()),
            idle: Idle::new(self.idle),
            client_first: false,
        };
        drop(ahead);
        let (entry, client_end, backend_end) = (&self.entry, &mut *client, &mut *backend);
        let ended = std::future::poll_fn(|cx| pair.poll(entry, client_end, backend_end, cx)).await;
        if let (Ended::Judged(ending), true) = (&ended, self.websocket) {
            let farewell = pair.farewell(*ending, &mut *client, &mut *backend);
            let _ = tick::timeout(FAREWELL, farewell).await;
        }
        if let Some(record) = &mut record {
            if let Ended::Judged(ending) = &ended {
                record.ended(ending.decision, ending.reason);
            }
            record.tunnelled(pair.up.passed(), pair.down.passed(), ended.label());
        }
    }
}

/// Both directions.
struct Pair {
    up: Flow,
    down: Flow,
    idle: Idle,
    client_first: bool,
}

impl Pair {
    fn poll(
        &mut self,
        entry: &Entry,
        client: &mut Stream,
        backend: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if let Some(ending) = entry.poll_ending(cx) {
            return Poll::Ready(Ended::Judged(ending));
        }
        let before = self.passed();
        let up = self.up.poll(client, backend, cx);
        self.client_first |= self.up.has_ended() && !self.down.has_ended();
        let down = self.down.poll(backend, client, cx);
        let moved = self.passed() != before;
        let half_closed = self.up.has_ended() || self.down.has_ended();
        if half_closed {
            self.idle.shorten(HALF_CLOSED);
        }
        match (up, down) {
            (Poll::Ready(Err(Lost::From)), _) | (_, Poll::Ready(Err(Lost::To))) => {
                Poll::Ready(Ended::Lost { client: true })
            }
            (Poll::Ready(Err(Lost::To)), _) | (_, Poll::Ready(Err(Lost::From))) => {
                Poll::Ready(Ended::Lost { client: false })
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                Poll::Ready(Ended::Closed { by_client: self.client_first })
            }
            (Poll::Pending, _) | (_, Poll::Pending) => {
                self.idle.poll(moved, cx).map(|()| match half_closed {
                    true => Ended::Closed { by_client: self.client_first },
                    false => Ended::Judged(Ending::IDLE),
                })
            }
        }
    }

    fn passed(&self) -> u64 {
        self.up.passed() + self.down.passed()
    }

    /// Says to both sides that it is over. The client gets the rest of a frame that has begun; what the
    /// client had begun is not finished, so that the backend does not act upon it.
    async fn farewell(
        &mut self,
        ending: Ending,
        client: &mut Stream,
        backend: &mut Stream,
    ) -> std::io::Result<()> {
        let (code, reason) = (ending.close_code(), ending.reason);
        let mut mask = [0; 4];
        if self.up.frames.at_boundary()
            && !self.up.frames.is_closed()
            && getrandom::fill(&mut mask).is_ok()
        {
            let close = websocket::close(code, reason, Some(mask));
            // A backend that takes nothing must not keep the client from hearing.
            let sent = std::future::poll_fn(|cx| {
                Poll::Ready(Pin::new(&mut *backend).poll_write(cx, &close))
            });
            drop(sent.await);
        }
        self.down.finish_frame(backend, client).await?;
        if !self.down.frames.is_closed() {
            client.write_all(&websocket::close(code, reason, None)).await?;
        }
        client.shutdown().await?;
        let _ = backend.shutdown().await;
        // Closing with bytes unread would reset the connection, and our word could be lost with it.
        let mut unread = [0; 1024];
        while client.read(&mut unread).await? > 0 {}
        Ok(())
    }
}

/// Silence in both directions.
struct Idle {
    limit: Duration,
    sleep: Sleep,
    since: std::time::Instant,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: tick::sleep(limit), since: tick::now() }
    }

    /// Allows no more than `limit` from now on.
    fn shorten(&mut self, limit: Duration) {
        if limit < self.limit {
            self.limit = limit;
            self.sleep.reset(tick::now() + limit);
        }
    }

    /// Ready when it has lasted for too long.
    fn poll(&mut self, moved: bool, cx: &mut Context<'_>) -> Poll<()> {
        if moved {
            self.since = tick::now();
        }
        // The timer is moved when it is due, not with every byte.
        while Pin::new(&mut self.sleep).poll(cx).is_ready() {
            let due = self.since + self.limit;
            if due <= tick::now() {
                return Poll::Ready(());
            }
            self.sleep.reset(due);
        }
        Poll::Pending
    }
}
