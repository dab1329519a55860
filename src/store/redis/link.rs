//! One worker's connection to one Redis and the task that keeps it: dial, watch, give up, dial again.
//!
//! Invariant: a call waits for an answer at most the configured limit, and not at all while there is
//! no connection (but for the first, which is being made). A call is never repeated here.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use redis::{Cmd, Pipeline, RedisResult, Value, aio::ConnectionLike as _};
use tokio::{sync::Notify, task::JoinHandle, time};

use super::{
    changes::Changes,
    dial::{Dialer, Driver, Endpoint, Facts, asking, told},
    hearing::Hearing,
    live::Live,
    place::Place,
    reply,
};
use crate::{
    fences::Fences,
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

/// Sees where a link is connected, for one that has to be there too.
pub(super) struct Sight(Rc<Shared>);

impl Sight {
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match &*self.0.state.borrow() {
            State::Up(live) => Some(live.endpoint.clone()),
            State::Down { .. } => None,
        }
    }
}

/// What all links of one worker have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) dialer: Arc<Dialer>,
    /// Where what a server tells of changes goes.
    pub(super) changes: Arc<Changes>,
    pub(super) fences: Arc<Fences>,
    pub(super) hearing: Rc<Hearing>,
    /// Guard nothing.
    pub(super) nobodys: Arc<Fences>,
}

impl Common {
    /// For a link over which nothing is read: what it hears and what it loses concerns nobody.
    pub(super) fn aside(&self) -> Self {
        let (dialer, fences) = (Arc::clone(&self.dialer), Arc::clone(&self.nobodys));
        let changes = Arc::new(Changes::new(Arc::clone(&fences), "".into()));
        let hearing = Rc::new(Hearing::new(&fences));
        Self { dialer, changes, nobodys: Arc::clone(&fences), fences, hearing }
    }
}

/// What the task and the callers share.
struct Shared {
    common: Common,
    place: Place,
    /// Tells its connections from those of other links to the [`Hearing`].
    number: u32,
    state: RefCell<State>,
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

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.shared.common.dialer.store)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.common.fences.next_epoch();
        self.shared.down("nobody asks it any more".to_owned());
    }
}

impl Link {
    /// Starts the task on the current runtime, which must be this worker's own.
    pub(super) fn start(
        common: Common,
        place: Place,
        number: u32,
        on_link: impl Fn(LinkEvent) + 'static,
    ) -> Self {
        let cause = "not connected yet".to_owned();
        let shared = Rc::new(Shared {
            common,
            place,
            number,
            state: RefCell::new(State::Down { since: SystemTime::now(), cause }),
            facts: RefCell::default(),
            warnings: RefCell::default(),
            tried: Cell::new(false),
            first_try: Notify::new(),
        });
        let task = tokio::task::spawn_local(keep(Rc::clone(&shared), on_link));
        Self { shared, task }
    }

    /// Sends one command and waits for its answer, which may be an error of the server.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        let live = self.shared.live().await?;
        self.send_over(&live, command).await
    }

    /// The same over a connection that [`live`](Self::live) gave.
    pub(super) async fn send_over(&self, live: &Live, command: &Cmd) -> Result<Value, StoreError> {
        let mut connection = live.connection.clone();
        let answer = self.shared.within(live, connection.req_packed_command(command)).await?;
        self.shared.look_at(live, &answer);
        Ok(answer)
    }

    /// Where this link is, for another one.
    pub(super) fn place_beside(&self) -> Place {
        match &self.shared.place {
            Place::Fixed(endpoint) => Place::Fixed(endpoint.clone()),
            Place::Named(_) | Place::Beside(_) => Place::Beside(Sight(Rc::clone(&self.shared))),
            Place::Node(node) => Place::Node(node.clone()),
        }
    }

    /// The connection there is, for what has to go over one and the same.
    pub(super) async fn live(&self) -> Result<Rc<Live>, StoreError> {
        self.shared.live().await
    }

    /// How the server is called in errors.
    pub(super) fn name(&self) -> String {
        self.shared.name()
    }

    /// Sends commands in one write and waits for all answers, which come in their order.
    pub(super) async fn send_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let live = self.shared.live().await?;
        self.send_all_over(&live, pipeline).await
    }

    /// The same over a connection that [`live`](Self::live) gave.
    pub(super) async fn send_all_over(
        &self,
        live: &Live,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        let count = pipeline.len();
        let mut connection = live.connection.clone();
        let asked = connection.req_packed_commands(pipeline, 0, count);
        let answers = self.shared.within(live, asked).await?;
        if answers.len() != count {
            let (store, cause) = (self.shared.name(), "it left answers out".to_owned());
            return Err(StoreError::Failed { store, cause });
        }
        answers.iter().for_each(|answer| self.shared.look_at(live, answer));
        Ok(answers)
    }

    /// An answer, or the error of ours that it is.
    pub(super) fn checked(&self, answer: Value) -> Result<Value, StoreError> {
        if let Value::ServerError(error) = &answer {
            return Err(reply::server_error(&self.shared.name(), error));
        }
        Ok(answer)
    }

    /// Whether the first attempt to connect has ended, well or badly.
    pub(super) fn was_tried(&self) -> bool {
        self.shared.tried.get()
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
        let (store, facts) = (self.shared.name(), facts.clone());
        Health { store, state, facts, warnings: warnings.clone() }
    }
}

impl Shared {
    /// The connection. One that is only just being made is waited for, within the limit: a gateway
    /// that starts, or takes another store over, refuses nobody for that.
    async fn live(&self) -> Result<Rc<Live>, StoreError> {
        if !self.tried.get() {
            let _ = time::timeout(self.limit(), self.first_try.notified()).await;
        }
        match &*self.state.borrow() {
            State::Up(live) => Ok(Rc::clone(live)),
            State::Down { cause, .. } => Err(self.unreachable(cause.clone())),
        }
    }

    /// How the server is called in errors.
    fn name(&self) -> String {
        match &self.place {
            Place::Fixed(_) | Place::Named(_) | Place::Beside(_) => {
                self.common.dialer.store.clone()
            }
            Place::Node(node) => format!("{}, node {node}", self.common.dialer.store),
        }
    }

    fn limit(&self) -> Duration {
        self.common.dialer.limit
    }

    fn unreachable(&self, cause: String) -> StoreError {
        StoreError::Unreachable { store: self.name(), cause }
    }

    /// A server that refuses to write although another should not has been replaced.
    fn look_at(&self, live: &Live, answer: &Value) {
        if let Value::ServerError(error) = answer
            && error.code() == "READONLY"
            && self.place.is_left_when_read_only()
        {
            live.give_up(reply::words("READONLY"));
        }
    }

    /// Waits for `answer` within the limit, and counts the answers that come too late.
    async fn within<T>(
        &self,
        live: &Live,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, StoreError> {
        let (limit, asked) = (self.limit(), Instant::now());
        // By the worker's tick: a timer of the runtime's own costs as much as all else that is done here.
        match tick::timeout_at(asked + limit, answer).await {
            Some(Ok(value)) => {
                live.late.set(0);
                if live.mute.is_none() && !live.gone.get() {
                    self.common.hearing.heard(self.number, asked);
                }
                Ok(value)
            }
            Some(Err(error)) if error.code().is_some() => {
                Err(StoreError::Failed { store: self.name(), cause: reply::link_error(&error) })
            }
            Some(Err(error)) => Err(self.unreachable(reply::link_error(&error))),
            None => {
                live.late.set(live.late.get() + 1);
                if live.late.get() >= LATE_ANSWERS_MAX {
                    live.give_up(format!(
                        "{LATE_ANSWERS_MAX} answers in a row were not there within {limit:?}"
                    ));
                }
                Err(StoreError::TimedOut { store: self.name(), limit })
            }
        }
    }

    /// Asks for a sign of life now and then, for as long as the connection lasts. What else the server
    /// says is asked for again too: a master becomes a replica, and memory fills, under a connection
    /// that stays. Ends with why the server is not to be believed any more.
    async fn ping(&self, live: &Live) -> String {
        let (mut sign, mut asking) = (Pipeline::new(), asking());
        sign.cmd("PING");
        if let Some(question) = self.place.question() {
            sign.add_command(question.clone());
            asking.add_command(question);
        }
        let mut turn = 0;
        loop {
            time::sleep(PING_EVERY).await;
            turn = (turn + 1) % PINGS_PER_QUESTION;
            let signs = if turn == 0 { &asking } else { &sign };
            let mut connection = live.connection.clone();
            let asked = connection.req_packed_commands(signs, 0, signs.len());
            // Only that it answers counts, whatever it says.
            let Ok(answers) = self.within(live, asked).await else { continue };
            if let Err(cause) = self.place.proven(answers.last()) {
                return cause;
            }
            if turn == 0 {
                self.note(live, told(&answers));
            }
        }
    }

    /// Keeps what the server says now; what it said before keeps its beginning.
    fn note(&self, live: &Live, mut facts: Facts) {
        if facts.is_followed {
            live.waits.followed();
        }
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
        if let (Place::Named(_), Endpoint::Node(master)) = (&self.place, &live.endpoint) {
            facts.text.push_str(&format!(", master {master}"));
        }
        *self.facts.borrow_mut() = facts.text;
    }
}

/// Keeps a connection for as long as the link exists.
async fn keep(shared: Rc<Shared>, on_link: impl Fn(LinkEvent)) {
    let mut pause = REDIAL_FIRST;
    loop {
        let cause = match Live::dial(&shared.common, &shared.place).await {
            Ok((live, driver, facts)) => {
                let live = Rc::new(live);
                shared.note(&live, facts);
                let text = shared.facts.borrow().clone();
                shared.common.fences.next_epoch();
                let told_since = live.mute.is_none().then_some(live.made);
                shared.common.hearing.joins(shared.number, told_since);
                *shared.state.borrow_mut() = State::Up(Rc::clone(&live));
                shared.tried();
                on_link(LinkEvent::Up { facts: text });
                let cause = watch(&shared, &live, driver).await;
                if live.made.elapsed() >= GOOD_LIFE {
                    pause = REDIAL_FIRST;
                }
                shared.common.fences.next_epoch();
                shared.down(cause.clone());
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
        self.common.hearing.leaves(self.number);
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

/// Drives the connection until it ends; why it did.
async fn watch(shared: &Shared, live: &Live, mut driver: Driver) -> String {
    tokio::select! {
        () = &mut driver => "it closed the connection".to_owned(),
        () = live.given_up.notified() => live.why.borrow().clone(),
        cause = shared.ping(live) => cause,
        cause = shared.place.replaced(&shared.common.dialer, &live.endpoint) => cause,
    }
}

/// `pause` with up to half of it added, so that the gateways of a fleet do not dial in step.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    pause + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
