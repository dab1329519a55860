//! Requests to a backend as streams of HTTP/2: few connections per worker and server, each with several
//! streams, a new one when all are full.
//!
//! A request is sent again only when the peer has said that it did not look at it (a GOAWAY whose last
//! stream is an earlier one, REFUSED_STREAM), and only while its body can be told again from the start.

mod exchange;
mod line;
mod paced;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use http::{Method, Request, Version};
use tokio::sync::Notify;

pub(super) use self::exchange::Ride;
use self::{
    exchange::{Failed, Upload},
    line::Line,
};
use super::{
    BodyFault, OpenGuard, RequestBody, ResponseBody, Upstream, UpstreamError, connect, framing,
    request_body::{self, GivenUp},
};
use crate::{
    tick,
    wire::{Content, Reply},
};

/// How often a request is sent in all while peers say that they did not look at it.
const TRIES: usize = 3;

/// A server that took no connection is asked last for this long: those who wait are promised an answer
/// within a second, and the server that it is back within two.
const DOWN: Duration = Duration::from_secs(1);

/// The connections of one backend.
pub(super) struct Lines {
    lines: RefCell<Vec<Rc<Line>>>,
    servers: Box<[Spot]>,
    /// A connection was opened, or could not be.
    changed: Notify,
}

/// What is known of one server.
#[derive(Default)]
struct Spot {
    dialing: Cell<bool>,
    down: Cell<Option<Instant>>,
}

impl Spot {
    fn is_down(&self, now: Instant) -> bool {
        self.down.get().is_some_and(|since| now.saturating_duration_since(since) < DOWN)
    }
}

impl Lines {
    pub(super) fn new(servers: usize) -> Self {
        let servers = (0..servers).map(|_| Spot::default()).collect();
        Self { lines: RefCell::default(), servers, changed: Notify::new() }
    }

    /// Closes what nobody has used for `keep`, and forgets what is closed or takes nothing more.
    pub(super) fn sweep(&self, now: Instant, keep: Duration) {
        self.lines.borrow_mut().retain(|line| line.is_worth_keeping(now, keep));
    }

    fn with_room(&self, server: usize, avoid: Option<&Rc<Line>>) -> Option<Rc<Line>> {
        let lines = self.lines.borrow();
        let fits = |line: &&Rc<Line>| {
            line.server == server
                && line.has_room()
                && !avoid.is_some_and(|avoid| Rc::ptr_eq(avoid, line))
        };
        lines.iter().find(fits).cloned()
    }
}

/// Sends `request` and waits for the head of its answer, as [`Upstream::send`] says.
pub(super) async fn send(
    upstream: &Rc<Upstream>,
    request: Request<RequestBody>,
    first_byte: Duration,
) -> Result<Reply<ResponseBody>, UpstreamError> {
    let permit = permit(upstream).await?;
    let to_head = request.method() == Method::HEAD;
    let (mut head, body) = request.into_parts();
    head.version = Version::HTTP_2;
    let progress = body.progress();
    let upload = Upload::new(body);
    let mut refused: Option<Rc<Line>> = None;
    for tries_left in (0..TRIES).rev() {
        let line = find(upstream, refused.as_ref()).await?;
        let asking = exchange::ask(&line, head.clone(), &upload);
        let pressed = || upstream.is_pressed();
        let asked = request_body::within(first_byte, progress.as_deref(), pressed, asking).await;
        let why = match asked {
            Err(GivenUp::Backend) => return Err(UpstreamError::TimedOut),
            Err(GivenUp::Client) => return Err(UpstreamError::Body(BodyFault::TooSlow)),
            Ok(Ok((answer, ride))) => {
                upload.is_taken();
                let Reply { status, mut fields, body } = Reply::from(answer);
                let of = (Version::HTTP_2, status);
                let content = framing::settle(of, &mut fields, to_head)?;
                // A length that is not kept later is noticed where frames are read (RFC 9113 8.1.1).
                if body.is_end_stream() && matches!(content, Content::Length(1..)) {
                    return Err(UpstreamError::BadResponse);
                }
                let ride = ride.under(permit);
                let body = ResponseBody::multiplexed(body, ride, Rc::clone(upstream));
                return Ok(Reply { status, fields, body });
            }
            Ok(Err(failed)) => failed,
        };
        if let Some(fault) = upload.fault() {
            return Err(UpstreamError::Body(fault));
        }
        match why {
            Failed::Unseen(_) if tries_left > 0 && upload.can_be_told_again() => {
                refused = Some(line);
            }
            Failed::Unseen(why) | Failed::Seen(why) => return Err(why),
        }
    }
    Err(UpstreamError::Closed)
}

/// Connects once, as [`Upstream::probe`] says.
pub(super) async fn probe(upstream: &Upstream) -> Result<(), UpstreamError> {
    find(upstream, None).await.map(drop)
}

/// Waits until fewer requests are out than `pool.max` allows.
async fn permit(upstream: &Upstream) -> Result<OpenGuard, UpstreamError> {
    let give_up = tick::now() + upstream.settings.connect_timeout;
    while upstream.open.open.get() >= upstream.open_max {
        let _waits = super::Waits::new(&upstream.waiting);
        let left = give_up.saturating_duration_since(tick::now());
        if tick::timeout(left, upstream.open.freed.notified()).await.is_none() {
            return Err(UpstreamError::Busy);
        }
    }
    Ok(OpenGuard::new(&upstream.open))
}

/// A connection with room for one more stream: of the server whose turn it is, and where that takes no
/// connection, of those after it. Servers that were down a moment ago come last.
async fn find(upstream: &Upstream, avoid: Option<&Rc<Line>>) -> Result<Rc<Line>, UpstreamError> {
    let lines = &upstream.lines;
    let servers = lines.servers.len();
    let turn = upstream.next_server.get();
    upstream.next_server.set(turn.wrapping_add(1));
    let started = tick::now();
    let give_up = started + upstream.settings.connect_timeout;
    let mut failed = UpstreamError::ConnectTimedOut;
    let ring = || (0..servers).map(|step| turn.wrapping_add(step) % servers);
    let up = ring().filter(|server| !lines.servers[*server].is_down(started));
    let down = ring().filter(|server| lines.servers[*server].is_down(started));
    // Looked at before anything is tried: what fails meanwhile is not tried twice.
    let order: Vec<usize> = up.chain(down).collect();
    for (server, untried) in order.iter().copied().zip((1..=servers as u32).rev()) {
        loop {
            if let Some(line) = lines.with_room(server, avoid) {
                return Ok(line);
            }
            let left = give_up.saturating_duration_since(tick::now()) / untried;
            if !lines.servers[server].dialing.get() {
                match dial(upstream, server, left).await {
                    Ok(line) => return Ok(line),
                    Err(error) => failed = error,
                }
                break;
            }
            // Somebody else is connecting there: what comes of it is for all who wait.
            if tick::timeout(left, lines.changed.notified()).await.is_none()
                || lines.servers[server].is_down(tick::now())
            {
                break;
            }
        }
    }
    Err(failed)
}

/// Opens one more connection to a server. Whoever opens it has its first stream.
async fn dial(
    upstream: &Upstream,
    server: usize,
    limit: Duration,
) -> Result<Rc<Line>, UpstreamError> {
    let lines = &upstream.lines;
    let spot = &lines.servers[server];
    let dialing = Dialing::begin(spot, &lines.changed);
    let to = &upstream.settings.servers[server];
    let opened = async { line::greet(connect::open(to).await?).await };
    let opened = tick::timeout(limit, opened).await.unwrap_or(Err(UpstreamError::ConnectTimedOut));
    spot.down.set(opened.is_err().then(tick::now));
    let line = Line::new(opened?, server, to);
    lines.lines.borrow_mut().push(Rc::clone(&line));
    drop(dialing);
    Ok(line)
}

/// Somebody is connecting to a server, for as long as this lives.
struct Dialing<'a> {
    spot: &'a Spot,
    changed: &'a Notify,
}

impl<'a> Dialing<'a> {
    fn begin(spot: &'a Spot, changed: &'a Notify) -> Self {
        spot.dialing.set(true);
        Self { spot, changed }
    }
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.spot.dialing.set(false);
        self.changed.notify_waiters();
    }
}
