//! One worker's connection to Redis and the task that keeps it: dial, watch, give up, dial again.
//!
//! Invariant: a call waits for an answer at most the configured limit, and not at all while there is
//! no connection (but for the first, which is being made). A call is never repeated here.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use redis::{
    Cmd, Pipeline, RedisResult, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{sync::Notify, task::JoinHandle, time};

use super::{
    changes::Changes,
    dial::{Dialer, Driver, Facts, asking, told, tracking},
    reply,
};
use crate::{
    fences::{Ear, Fences, Listener},
    store::{Health, HealthState, LinkEvent, SEEN_LATE, StoreError, Warning},
    tick,
};

/// Late answers in a row that end a connection: one may be a hiccup, and what was written to a
/// socket that nobody reads stays queued until it is closed.
const LATE_ANSWERS_MAX: u32 = 3;

/// First wait before dialling again. Short, because healing within a second is promised.
const REDIAL_FIRST: Duration = Duration::from_millis(50);
/// Longest wait before dialling again.
const REDIAL_LAST: Duration = Duration::from_millis(250);
/// A connection that lived this long was a good one: waits start from the first again.
const GOOD_LIFE: Duration = Duration::from_secs(1);

/// Between two `PING`s. They find a connection that is silently gone although nobody asks, and prove that
/// no change was missed: an answer does for [`HEARD_FOR`](crate::fences::HEARD_FOR).
const PING_EVERY: Duration = Duration::from_millis(400);
/// So many `PING`s in a row, the first of which also asks what the server says of itself.
const PINGS_PER_QUESTION: u32 = 3;

/// The connection of one worker. Dropping it ends its task.
pub(super) struct Link {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

/// What the task and the callers share.
struct Shared {
    dialer: Arc<Dialer>,
    state: RefCell<State>,
    /// Where what the server tells of changes goes.
    changes: Arc<Changes>,
    fences: Arc<Fences>,
    /// `None` when too many connections listen already.
    listener: Option<Listener>,
    facts: RefCell<String>,
    warnings: RefCell<Vec<Warning>>,
    /// Whether the first attempt to connect has ended, well or badly.
    tried: Cell<bool>,
    /// Notified when it has.
    first_try: Notify,
}

#[derive(Clone)]
enum State {
    Up(Rc<Live>),
    Down { since: SystemTime, cause: String },
}

/// One connection that answered at least once.
struct Live {
    connection: MultiplexedConnection,
    /// Late answers since the last good one.
    late: Cell<u32>,
    /// Notified when `late` reaches its limit.
    given_up: Notify,
    /// Why it does not tell of changes, if so.
    mute: Option<String>,
    /// It was given up or closed: an answer that somebody takes only now vouches for nothing any more.
    gone: Cell<bool>,
    /// Since when a `PING` is answered with an error, and which.
    complaint: RefCell<Option<(SystemTime, String)>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.shared.dialer.store)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Starts the task on the current runtime, which must be this worker's own.
    pub(super) fn start(
        dialer: Arc<Dialer>,
        prefix: Arc<str>,
        fences: &Arc<Fences>,
        on_link: impl Fn(LinkEvent) + 'static,
    ) -> Self {
        let cause = "not connected yet".to_owned();
        let shared = Rc::new(Shared {
            dialer,
            state: RefCell::new(State::Down { since: SystemTime::now(), cause }),
            changes: Arc::new(Changes::new(Arc::clone(fences), prefix)),
            fences: Arc::clone(fences),
            listener: Listener::new(fences),
            facts: RefCell::default(),
            warnings: RefCell::default(),
            tried: Cell::new(false),
            first_try: Notify::new(),
        });
        let task = tokio::task::spawn_local(keep(Rc::clone(&shared), on_link));
        Self { shared, task }
    }

    pub(super) fn store(&self) -> &str {
        &self.shared.dialer.store
    }

    /// What is read over this link carries it.
    pub(super) fn ear(&self) -> Option<Ear> {
        self.shared.listener.as_ref().map(Listener::ear)
    }

    /// Sends one command and waits for its answer.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, StoreError> {
        let live = self.shared.live().await?;
        let mut connection = live.connection.clone();
        let answer = self.shared.within(&live, connection.req_packed_command(command)).await?;
        self.checked(answer)
    }

    /// Sends commands in one write and waits for all answers, which come in their order. Of several
    /// errors the first is told.
    pub(super) async fn call_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let count = pipeline.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let live = self.shared.live().await?;
        let mut connection = live.connection.clone();
        let asked = connection.req_packed_commands(pipeline, 0, count);
        let answers = self.shared.within(&live, asked).await?;
        if answers.len() != count {
            let (store, cause) = (self.store().to_owned(), "it left answers out".to_owned());
            return Err(StoreError::Failed { store, cause });
        }
        answers.into_iter().map(|answer| self.checked(answer)).collect()
    }

    fn checked(&self, answer: Value) -> Result<Value, StoreError> {
        if let Value::ServerError(error) = &answer {
            return Err(reply::server_error(self.store(), error));
        }
        Ok(answer)
    }

    /// What is known of the connection, without asking.
    pub(super) fn health(&self) -> Health {
        let state = match &*self.shared.state.borrow() {
            State::Up(live) => match &*live.complaint.borrow() {
                None => HealthState::Up,
                Some((since, cause)) => HealthState::Down { since: *since, cause: cause.clone() },
            },
            State::Down { since, cause } => {
                HealthState::Down { since: *since, cause: cause.clone() }
            }
        };
        let (facts, warnings) = (self.shared.facts.borrow(), self.shared.warnings.borrow());
        let (store, facts) = (self.store().to_owned(), facts.clone());
        Health { store, state, facts, warnings: warnings.clone() }
    }
}

impl Shared {
    /// The connection. One that is only just being made is waited for, within the limit: a gateway
    /// that starts, or takes another store over, refuses nobody for that.
    async fn live(&self) -> Result<Rc<Live>, StoreError> {
        if !self.tried.get() {
            let _ = time::timeout(self.dialer.limit, self.first_try.notified()).await;
        }
        match &*self.state.borrow() {
            State::Up(live) => Ok(Rc::clone(live)),
            State::Down { cause, .. } => Err(self.unreachable(cause.clone())),
        }
    }

    fn unreachable(&self, cause: String) -> StoreError {
        StoreError::Unreachable { store: self.dialer.store.clone(), cause }
    }

    /// Waits for `answer` within the limit, and counts the answers that come too late.
    async fn within<T>(
        &self,
        live: &Live,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, StoreError> {
        let (limit, asked) = (self.dialer.limit, Instant::now());
        // By the worker's tick: a timer of the runtime's own costs as much as all else that is done here.
        match tick::timeout_at(asked + limit, answer).await {
            Some(Ok(value)) => {
                live.late.set(0);
                if let (Some(listener), None, false) = (&self.listener, &live.mute, live.gone.get())
                {
                    listener.heard(asked);
                }
                Ok(value)
            }
            Some(Err(error)) if error.code().is_some() => Err(StoreError::Failed {
                store: self.dialer.store.clone(),
                cause: reply::link_error(&error),
            }),
            Some(Err(error)) => Err(self.unreachable(reply::link_error(&error))),
            None => {
                live.late.set(live.late.get() + 1);
                if live.late.get() >= LATE_ANSWERS_MAX {
                    live.given_up.notify_one();
                }
                Err(StoreError::TimedOut { store: self.dialer.store.clone(), limit })
            }
        }
    }

    /// Asks for a sign of life now and then, for as long as the connection lasts. What else the server
    /// says is asked for again too: a master becomes a replica, and memory fills, under a connection
    /// that stays.
    async fn ping(&self, live: &Live) {
        let (asking, mut sign) = (asking(), Cmd::new());
        sign.arg("PING");
        for turn in 1.. {
            time::sleep(PING_EVERY).await;
            let mut connection = live.connection.clone();
            if turn % PINGS_PER_QUESTION == 0 {
                let asked = connection.req_packed_commands(&asking, 0, asking.len());
                if let Ok(answers) = self.within(live, asked).await {
                    self.note(live, told(&answers));
                }
            } else {
                // Only that it answers counts, whatever it says.
                let _ = self.within(live, connection.req_packed_command(&sign)).await;
            }
        }
    }

    /// Keeps what the server says now; what it said before keeps its beginning.
    fn note(&self, live: &Live, mut facts: Facts) {
        let now = SystemTime::now();
        let mut warnings = self.warnings.borrow_mut();
        let since = |cause: &str| {
            let known = warnings.iter().find(|known| known.cause == cause);
            known.map_or(now, |known| known.since)
        };
        let mute = live.mute.as_ref().map(|cause| (cause.clone(), SEEN_LATE));
        let noted = facts.warnings.into_iter().chain(mute).map(|(cause, effect)| {
            let since = since(&cause);
            Warning { since, cause, effect }
        });
        *warnings = noted.collect();
        let earlier = live.complaint.take();
        *live.complaint.borrow_mut() =
            facts.complaint.map(|cause| (earlier.map_or(now, |(since, _)| since), cause));
        facts.text.push_str(if live.mute.is_none() { ", push on" } else { ", push off" });
        *self.facts.borrow_mut() = facts.text;
    }
}

/// Keeps a connection for as long as the link exists.
async fn keep(shared: Rc<Shared>, on_link: impl Fn(LinkEvent)) {
    let mut pause = REDIAL_FIRST;
    loop {
        let cause = match dial(&shared).await {
            Ok((live, driver, facts)) => {
                let live = Rc::new(live);
                let made = Instant::now();
                shared.note(&live, facts);
                let text = shared.facts.borrow().clone();
                shared.fences.next_epoch();
                *shared.state.borrow_mut() = State::Up(Rc::clone(&live));
                shared.tried();
                on_link(LinkEvent::Up { facts: text });
                let cause = watch(&shared, &live, driver).await;
                if made.elapsed() >= GOOD_LIFE {
                    pause = REDIAL_FIRST;
                }
                shared.down(cause.clone());
                shared.fences.next_epoch();
                on_link(LinkEvent::Lost { cause });
                None
            }
            Err(cause) => Some(cause),
        };
        if let Some(cause) = cause {
            shared.down(cause);
            shared.tried();
        }
        time::sleep(jittered(pause)).await;
        pause = (pause * 3 / 2).min(REDIAL_LAST);
    }
}

impl Shared {
    fn tried(&self) {
        if !self.tried.replace(true) {
            self.first_try.notify_waiters();
        }
    }

    /// Notes why there is no connection; `since` is when the trouble began, not its last sign.
    fn down(&self, cause: String) {
        if let Some(listener) = &self.listener {
            listener.lost();
        }
        let mut state = self.state.borrow_mut();
        let since = match &*state {
            State::Up(live) => {
                live.gone.set(true);
                SystemTime::now()
            }
            State::Down { since, .. } => *since,
        };
        *state = State::Down { since, cause };
    }
}

/// Dials, asks who is there and to be told of changes, each within the limit. A server that accepts and
/// says nothing has not been reached.
async fn dial(shared: &Shared) -> Result<(Live, Driver, Facts), String> {
    let limit = shared.dialer.limit;
    let late = |_| format!("no answer within {limit:?}");
    let dialled = shared.dialer.dial(Arc::clone(&shared.changes));
    let (mut connection, mut driver) = time::timeout(limit, dialled).await.map_err(late)??;
    let mut asking = asking();
    asking.add_command(tracking());
    let asked = time::timeout(limit, connection.req_packed_commands(&asking, 0, asking.len()));
    let mut answers = tokio::select! {
        answers = asked => answers.map_err(late)?.map_err(|error| reply::link_error(&error))?,
        () = &mut driver => return Err("it closed the connection".to_owned()),
    };
    let mute = match (answers.pop(), &shared.listener) {
        (_, None) => {
            Some("it is not asked to tell of changes: too many connections are".to_owned())
        }
        (Some(Value::ServerError(error)), _) => {
            Some(format!("it refuses `CLIENT TRACKING`: {}", reply::words(error.code())))
        }
        (_, Some(_)) => None,
    };
    let live = Live {
        connection,
        late: Cell::new(0),
        given_up: Notify::new(),
        mute,
        gone: Cell::new(false),
        complaint: RefCell::new(None),
    };
    Ok((live, driver, told(&answers)))
}

/// Drives the connection until it ends; why it did.
async fn watch(shared: &Shared, live: &Live, mut driver: Driver) -> String {
    tokio::select! {
        () = &mut driver => "it closed the connection".to_owned(),
        () = live.given_up.notified() => {
            format!("{LATE_ANSWERS_MAX} answers in a row were not there within {:?}", shared.dialer.limit)
        }
        () = shared.ping(live) => String::new(), // never ends
    }
}

/// `pause` with up to half of it added, so that the gateways of a fleet do not dial in step.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    pause + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
