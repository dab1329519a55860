//! Requests to a backend as streams of HTTP/2: few connections per worker and server, each with several
//! streams, a new one when all are full.
//!
//! A request is sent again only when the peer has said that it did not look at it (a GOAWAY whose last
//! stream is an earlier one, REFUSED_STREAM), and only while its body can be told again from the start.

mod exchange;
mod line;
mod paced;
#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use h2::RecvStream;
use http::{Method, Request, Response, Version};
use tokio::sync::Notify;

pub(super) use self::exchange::Ride;
use self::exchange::{Failed, Upload};
pub(super) use self::line::Line;
use super::{
    BodyFault, OpenGuard, RequestBody, ResponseBody, Upstream, UpstreamError,
    again::{self, Again},
    connect, framing,
    member::Member,
    request_body::{self, GivenUp},
};
use crate::{
    tick,
    wire::{Content, Reply},
};

/// How often a request is sent in all while peers say that they did not look at it.
const TRIES: usize = 3;

/// The connections to one server.
#[derive(Default)]
pub(super) struct Lines {
    lines: RefCell<Vec<Rc<Line>>>,
    dialing: Cell<bool>,
    /// How many dials have failed.
    failed: Cell<usize>,
    /// A connection was opened, or could not be.
    changed: Notify,
}

impl Lines {
    /// Closes what nobody has used for `keep`, and forgets what is closed or takes nothing more.
    pub(super) fn sweep(&self, now: Instant, keep: Duration) {
        self.lines.borrow_mut().retain(|line| line.is_worth_keeping(now, keep));
    }

    /// One more.
    pub(super) fn add(&self, line: &Rc<Line>) {
        self.lines.borrow_mut().push(Rc::clone(line));
    }

    /// Requests in flight.
    pub(super) fn streams(&self) -> usize {
        self.lines.borrow().iter().map(|line| line.streams()).sum()
    }

    /// Gets no further request: each connection ends with its last stream.
    pub(super) fn leave(&self) {
        self.lines.take();
    }

    fn with_room(&self, avoid: Option<&Rc<Line>>) -> Option<Rc<Line>> {
        let lines = self.lines.borrow();
        let fits = |line: &&Rc<Line>| {
            line.has_room() && !avoid.is_some_and(|avoid| Rc::ptr_eq(avoid, line))
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
    let mut again = Again::of(upstream, request.method(), request.body());
    let (mut head, body) = request.into_parts();
    head.version = Version::HTTP_2;
    let progress = body.progress();
    let upload = Upload::new(body);
    let mut refused: Option<Rc<Line>> = None;
    let mut limit = first_byte;
    for tries_left in (0..TRIES).rev() {
        let tried = again.as_deref().map_or(&[][..], |again| &again.tried);
        let (member, line) = find(upstream, tried, refused.as_ref()).await?;
        let asking = exchange::ask(&line, head.clone(), &upload);
        let pressed = || upstream.is_pressed();
        let asked = request_body::within(limit, progress.as_deref(), pressed, asking).await;
        let why = match asked {
            Err(GivenUp::Backend) => Failed::Seen(UpstreamError::TimedOut),
            Err(GivenUp::Client) => return Err(UpstreamError::Body(BodyFault::TooSlow)),
            Ok(Ok((answer, ride))) => {
                member.condition.answered();
                upload.is_taken();
                return reply(upstream, answer, ride.under(permit), to_head);
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
            Failed::Unseen(why) => return Err(why),
            Failed::Seen(why) => {
                again::failed(upstream, &member, &why);
                let closed = matches!(why, UpstreamError::Closed) && tries_left > 0;
                let once_more = again.as_deref_mut().filter(|again| closed && again.is_safe());
                let Some(again) = once_more else { return Err(why) };
                again.take_safe();
                if !again.leaves(upstream, member) {
                    return Err(why);
                }
                limit = again.left(first_byte);
            }
        }
    }
    Err(UpstreamError::Closed)
}

/// The answer whose head has come.
fn reply(
    upstream: &Rc<Upstream>,
    answer: Response<RecvStream>,
    ride: Ride,
    to_head: bool,
) -> Result<Reply<ResponseBody>, UpstreamError> {
    let Reply { status, mut fields, body } = Reply::from(answer);
    let content = framing::settle((Version::HTTP_2, status), &mut fields, to_head)?;
    // A length that is not kept later is noticed where frames are read (RFC 9113 8.1.1).
    if body.is_end_stream() && matches!(content, Content::Length(1..)) {
        return Err(UpstreamError::BadResponse);
    }
    let body = ResponseBody::multiplexed(body, ride, Rc::clone(upstream));
    Ok(Reply { status, fields, body })
}

/// Connects once, as [`Upstream::probe`] says.
pub(super) async fn probe(upstream: &Upstream) -> Result<(), UpstreamError> {
    find(upstream, &[], None).await.map(drop)
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

/// A connection with room for one more stream: of a server that was chosen, and where that takes no connection, of
/// others that were not `tried`, each once.
async fn find(
    upstream: &Upstream,
    tried: &[Rc<Member>],
    avoid: Option<&Rc<Line>>,
) -> Result<(Rc<Member>, Rc<Line>), UpstreamError> {
    let servers = &upstream.servers;
    let give_up = tick::now() + upstream.settings.connect_timeout;
    let mut tried = tried.to_vec();
    let mut next = servers.choose(&tried);
    if next.is_none() && tried.is_empty() {
        // Whoever takes no connections may go on with those that there are.
        if let Some(open) = servers.any(|member| member.lines.with_room(avoid)) {
            return Ok(open);
        }
        next = servers.chance(&tried);
    }
    let mut failed = None;
    while let Some(member) = next {
        let left = give_up.saturating_duration_since(tick::now()) / servers.left(&tried);
        if left.is_zero() {
            break; // it could not be blamed for anything
        }
        match line_of(upstream, &member, left, avoid).await {
            Ok(line) => return Ok((member, line)),
            Err(error) => failed = Some(error),
        }
        tried.push(member);
        next = servers.choose(&tried).or_else(|| servers.chance(&tried));
        if next.is_some() && !servers.budget.withdraw() {
            break;
        }
    }
    Err(failed.unwrap_or_else(|| servers.why()))
}

/// A connection to `member` with room for one more stream, within `limit`.
async fn line_of(
    upstream: &Upstream,
    member: &Rc<Member>,
    limit: Duration,
    avoid: Option<&Rc<Line>>,
) -> Result<Rc<Line>, UpstreamError> {
    let (lines, give_up) = (&member.lines, tick::now() + limit);
    let before = lines.failed.get();
    loop {
        if let Some(line) = lines.with_room(avoid) {
            return Ok(line);
        }
        let left = give_up.saturating_duration_since(tick::now());
        if left.is_zero() {
            return Err(UpstreamError::ConnectTimedOut);
        }
        if !lines.dialing.get() {
            return dial(upstream, member, left).await;
        }
        // Somebody else is connecting there: what comes of it is for all who wait.
        if tick::timeout(left, lines.changed.notified()).await.is_none() {
            return Err(UpstreamError::ConnectTimedOut);
        }
        if lines.failed.get() != before {
            let why = member.condition.last_error();
            return Err(why.unwrap_or(UpstreamError::ConnectTimedOut));
        }
    }
}

/// Opens one more connection to a server. Whoever opens it has its first stream.
pub(super) async fn dial(
    upstream: &Upstream,
    member: &Rc<Member>,
    limit: Duration,
) -> Result<Rc<Line>, UpstreamError> {
    let (lines, spot) = (&member.lines, &member.spot);
    let dialing = Dialing::begin(lines);
    let opening = async { line::greet(connect::open(&spot.server, spot.address).await?).await };
    let (rules, jitter) = (&upstream.servers.rules.ejection, upstream.servers.jitter());
    let opened = member.watched(limit, rules, jitter, opening).await;
    if opened.is_err() {
        lines.failed.set(lines.failed.get().wrapping_add(1));
        upstream.servers.refused();
    }
    let line = Line::new(opened?, &spot.server);
    upstream.servers.connected();
    member.add(&line);
    drop(dialing);
    Ok(line)
}

/// Somebody is connecting to a server, for as long as this lives.
struct Dialing<'a>(&'a Lines);

impl<'a> Dialing<'a> {
    fn begin(lines: &'a Lines) -> Self {
        lines.dialing.set(true);
        Self(lines)
    }
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.dialing.set(false);
        self.0.changed.notify_waiters();
    }
}
