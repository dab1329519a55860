//! What a worker's tick knows of each open connection, and how it ends one: a head that does not
//! come, a kept-alive connection that is not used, a client that does not read.
//!
//! One clock serves all: a timer per request would cost 2 to 3 % of it (see `tick`).

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::{Rc, Weak},
    task::Waker,
    time::{Duration, Instant},
};

use crate::{tick, upstream::Progress};

/// Limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// From the first moment, or the first byte of a later request, to a complete head.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) keep_alive: Duration,
    /// With an answer waiting that the client does not read.
    pub(super) stalled: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A head is arriving, or the first one is awaited.
    Head,
    /// A request is being served.
    Busy,
    /// Kept alive.
    Idle,
}

/// What the connection's task should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Keep,
    /// Finish what is open, take nothing new.
    Finish,
    /// End now.
    Close,
}

/// Requests that a connection of HTTP/1.1 has answered before others have their turn: a pipeline may be
/// long, and the runtime looks for new bytes only after sixty-one turns.
const TURN: u8 = 4;

/// Since when an answer waits for its client; `None` while it waits for its backend.
type Unread = Cell<Option<Instant>>;

/// One connection, seen from outside its task.
pub(super) struct Watch {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    requests: Cell<usize>,
    stalled: Cell<Option<Instant>>,
    /// Answers in progress over HTTP/2: since when each has something that the client does not take. A
    /// client that opens no window never asks for more, and blocks no socket.
    answers: RefCell<Vec<Rc<Unread>>>,
    /// The body of the last request that was answered. While somebody takes from it, what comes is body.
    upload: RefCell<Weak<Progress>>,
    multiplexed: Cell<bool>,
    /// Over HTTP/2: requests, and pieces of answers, that nobody has counted yet.
    moved: Cell<usize>,
    asked: Cell<bool>,
    /// Requests since the task last let others have their turn.
    turn: Cell<u8>,
    /// It was told to finish.
    finishes: Cell<bool>,
    verdict: Cell<Verdict>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Head),
            since: Cell::new(tick::now()),
            requests: Cell::new(0),
            stalled: Cell::new(None),
            answers: RefCell::default(),
            upload: RefCell::default(),
            multiplexed: Cell::new(false),
            moved: Cell::new(0),
            asked: Cell::new(false),
            turn: Cell::new(0),
            finishes: Cell::new(false),
            verdict: Cell::new(Verdict::Keep),
            waker: RefCell::new(None),
        }
    }

    /// HTTP/2: bytes between requests are no sign of a head, PING and SETTINGS come there too.
    pub(super) fn multiplexed(&self) {
        self.multiplexed.set(true);
    }

    pub(super) fn bytes_read(&self) {
        if self.phase.get() == Phase::Idle && !self.multiplexed.get() {
            self.enter(if self.uploads() { Phase::Idle } else { Phase::Head });
        }
    }

    pub(super) fn write_blocked(&self, blocked: bool) {
        if blocked != self.stalled.get().is_some() {
            self.stalled.set(blocked.then(tick::now));
        }
    }

    /// A request has arrived; it lasts until the guard is dropped with its answer's body.
    pub(super) fn request(self: &Rc<Self>) -> Busy {
        self.requests.set(self.requests.get() + 1);
        self.moved.set(self.moved.get() + 1);
        self.asked.set(true);
        self.enter(Phase::Busy);
        Busy { watch: Rc::clone(self), unread: OnceCell::new() }
    }

    /// How many requests have come and pieces of answers were given since this was asked last.
    pub(super) fn take_moved(&self) -> usize {
        self.moved.take()
    }

    /// The task goes on.
    pub(super) fn turn_begins(&self) {
        self.turn.set(0);
    }

    /// Whether the task has had its turn, and must not begin this request in it. Streams of HTTP/2 have
    /// tasks, and turns, of their own.
    pub(super) fn turn_is_over(&self) -> bool {
        self.turn.set(self.turn.get().saturating_add(1));
        self.turn.get() > TURN && !self.multiplexed.get()
    }

    /// Whether the last request's body is still on its way, though its answer has gone.
    fn uploads(&self) -> bool {
        self.upload.borrow().strong_count() > 0
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(tick::now());
    }

    /// What to do; the task is woken when it changes.
    pub(super) fn verdict(&self, waker: &Waker) -> Verdict {
        let mut known = self.waker.borrow_mut();
        match &mut *known {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        self.verdict.get()
    }

    /// The task has begun to finish; only `Close` can follow.
    pub(super) fn finishing(&self) {
        self.finishes.set(true);
        self.verdict.set(Verdict::Keep);
    }

    /// Whether it takes no new request.
    pub(super) fn finishes(&self) -> bool {
        self.finishes.get()
    }

    fn judge(&self, verdict: Verdict) {
        self.verdict.set(verdict);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn expired(&self, now: Instant, limits: ConnectionLimits) -> bool {
        let age = now.saturating_duration_since(self.since.get());
        let stalls = |since| now.saturating_duration_since(since) > limits.stalled;
        self.stalled.get().is_some_and(stalls)
            || self.answers.borrow().iter().any(|unread| unread.get().is_some_and(stalls))
            || match self.phase.get() {
                Phase::Head => age > limits.head,
                Phase::Idle => age > limits.keep_alive,
                Phase::Busy => false,
            }
    }
}

/// A request in progress.
pub(super) struct Busy {
    watch: Rc<Watch>,
    unread: OnceCell<Rc<Unread>>,
}

impl Busy {
    /// The answer has begun; `upload` is the body of its request.
    pub(super) fn answers(&self, upload: Weak<Progress>) {
        self.watch.upload.replace(upload);
        if self.watch.multiplexed.get() {
            let unread = Rc::new(Cell::new(Some(tick::now())));
            self.watch.answers.borrow_mut().push(Rc::clone(&unread));
            let _ = self.unread.set(unread);
        }
    }

    /// The answer was asked for more, and gave it or not.
    pub(super) fn gives(&self, given: bool) {
        if let Some(unread) = self.unread.get() {
            unread.set(given.then(tick::now));
            self.watch.moved.set(self.watch.moved.get() + usize::from(given));
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(unread) = self.unread.get() {
            self.watch.answers.borrow_mut().retain(|other| !Rc::ptr_eq(unread, other));
        }
        let left = self.watch.requests.get() - 1;
        self.watch.requests.set(left);
        if left == 0 {
            self.watch.enter(Phase::Idle);
        }
    }
}

/// All connections of a worker.
#[derive(Default)]
pub(super) struct Watches {
    open: RefCell<Vec<Weak<Watch>>>,
}

impl Watches {
    pub(super) fn add(&self) -> Rc<Watch> {
        let watch = Rc::new(Watch::new());
        self.open.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    fn living(&self) -> Vec<Rc<Watch>> {
        let mut open = self.open.borrow_mut();
        let mut living = Vec::with_capacity(open.len());
        open.retain(|watch| watch.upgrade().map(|watch| living.push(watch)).is_some());
        living
    }

    /// Ends connections that are over a limit.
    pub(super) fn sweep(&self, now: Instant, limits: ConnectionLimits) {
        let mut over: Vec<Rc<Watch>> = Vec::new();
        self.open.borrow_mut().retain(|watch| match watch.upgrade() {
            None => false,
            Some(watch) => {
                if watch.expired(now, limits) {
                    over.push(watch);
                }
                true
            }
        });
        over.iter().for_each(|watch| watch.judge(Verdict::Close));
    }

    /// Whether somebody has connected and not asked for anything yet.
    pub(super) fn any_new(&self) -> bool {
        self.living().iter().any(|watch| !watch.asked.get())
    }

    /// Tells every connection that has asked for something to finish.
    pub(super) fn finish_used(&self) {
        let living = self.living();
        living.iter().filter(|watch| watch.asked.get()).for_each(|w| w.judge(Verdict::Finish));
    }

    /// Tells every connection to finish.
    pub(super) fn finish(&self) {
        self.living().iter().for_each(|watch| watch.judge(Verdict::Finish));
    }
}
