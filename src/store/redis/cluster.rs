//! A cluster: which node has which slots, one link to each, and what is done when that changes.
//!
//! Invariant: the epoch moves before a changed map is used. Whoever has a slot's keys no longer tells of
//! their changes either, so that what was read before counts no more.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use redis::{Cmd, Pipeline, ServerError, Value, aio::ConnectionLike as _};
use tokio::{sync::Notify, task::JoinHandle, time};

use super::{
    dial::Endpoint,
    link::{Common, Link},
    live::Live,
    map::{Map, Member},
    place::Place,
    replicas::Guard,
    reply,
    slots::{self, Range},
};
use crate::{
    config::{RedisNode, WaitReplicas},
    store::{Health, HealthState, LinkEvent, NODE_AWAY, StoreError, Warning},
    tick,
};

/// Between two looks at the map: a slot that is moved while nobody asks for its keys is noticed so late.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks while there is reason to look.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Before a command is repeated whose keys are just being moved.
const TRY_AGAIN: Duration = Duration::from_millis(10);
/// Most nodes that one command is sent to one after the other, within its deadline.
const TRIES_MAX: u32 = 32;

/// One worker's connections to a cluster. Dropping it ends its tasks.
pub(super) struct Cluster {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    common: Common,
    seeds: Vec<RedisNode>,
    replicas: WaitReplicas,
    on_link: Rc<dyn Fn(LinkEvent)>,
    map: RefCell<Map>,
    /// How many links there have been.
    links: Cell<u32>,
    /// Since when there is this map, or none, and why there is none.
    trouble: RefCell<(SystemTime, String)>,
    /// Whether the first look at the map has ended, well or badly.
    looked: Cell<bool>,
    /// Notified when it has.
    first_look: Notify,
    /// Notified when the map may have changed.
    stale: Rc<Notify>,
}

/// What a node said, which one, and over which connection.
struct Answered {
    member: Rc<Member>,
    live: Rc<Live>,
    answer: Value,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({})", self.shared.common.dialer.store)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
        // Not when the last task lets go of it: the connections end with the handle.
        self.shared.map.take();
    }
}

impl Cluster {
    /// Starts its tasks on the current runtime, which must be this worker's own.
    pub(super) fn start(
        common: Common,
        seeds: Vec<RedisNode>,
        replicas: WaitReplicas,
        on_link: impl Fn(LinkEvent) + 'static,
    ) -> Self {
        let shared = Rc::new(Shared {
            common,
            seeds,
            replicas,
            on_link: Rc::new(on_link),
            map: RefCell::default(),
            links: Cell::new(0),
            trouble: RefCell::new((SystemTime::now(), "not connected yet".to_owned())),
            looked: Cell::new(false),
            first_look: Notify::new(),
            stale: Rc::new(Notify::new()),
        });
        let task = tokio::task::spawn_local(keep(Rc::clone(&shared)));
        Self { shared, task }
    }

    /// Sends one command to the node that has its key, and waits for its answer.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, StoreError> {
        Ok(self.shared.within(self.shared.route(command, false)).await?.answer)
    }

    /// The same for a write, which is answered when enough replicas of that node have it.
    pub(super) async fn call_lasting(&self, write: &Cmd) -> Result<Value, StoreError> {
        let due = Instant::now() + self.shared.common.dialer.limit;
        let Answered { member, live, answer } =
            self.shared.within(self.shared.route(write, true)).await?;
        if let Some(guard) = &member.guard {
            guard.wait(&live, due).await?;
        }
        Ok(answer)
    }

    /// Sends each command to the node that has its key, and waits for all answers.
    pub(super) async fn call_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.shared.within(self.shared.spread(pipeline)).await
    }

    /// What is known of the nodes, without asking. While one of them serves, the store does: what the
    /// others hold is missing.
    pub(super) fn health(&self) -> Health {
        let shared = &self.shared;
        let (members, unowned) = shared.map.borrow().in_charge();
        let store = shared.common.dialer.store.clone();
        let (mut facts, mut warnings, mut away) = (String::new(), Vec::new(), Vec::new());
        for member in &members {
            let health = member.link.health();
            let named = |warning: Warning| Warning {
                cause: format!("{}: {}", member.node, warning.cause),
                ..warning
            };
            let trouble = member.guard.as_ref().and_then(Guard::trouble);
            warnings.extend(health.warnings.into_iter().chain(trouble).map(named));
            match health.state {
                HealthState::Up => facts = health.facts,
                // A node that has only just been found is waited for.
                HealthState::Down { .. } if !member.link.was_tried() => {}
                HealthState::Down { since, cause } => {
                    let cause = format!("{}: {cause}", member.node);
                    away.push(Warning { since, cause, effect: NODE_AWAY });
                }
            }
        }
        let trouble = shared.trouble.borrow();
        let state = if !facts.is_empty() {
            HealthState::Up
        } else if let Some(first) = away.first() {
            HealthState::Down { since: first.since, cause: first.cause.clone() }
        } else {
            HealthState::Down { since: trouble.0, cause: trouble.1.clone() }
        };
        if unowned > 0 {
            let cause = format!("{unowned} slots have no node");
            away.push(Warning { since: trouble.0, cause, effect: NODE_AWAY });
        }
        if state == HealthState::Up {
            facts = format!("{facts}, {} nodes", members.len());
            warnings.extend(away);
        }
        Health { store, state, facts, warnings }
    }
}

impl Shared {
    /// One deadline for all that one question takes.
    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (store, limit) = (&self.common.dialer.store, self.common.dialer.limit);
        let late = || Err(StoreError::TimedOut { store: store.clone(), limit });
        tick::timeout_at(Instant::now() + limit, answer).await.unwrap_or_else(late)
    }

    /// Follows a command to the node that carries it out. Those before it have refused it.
    async fn route(&self, command: &Cmd, lasting: bool) -> Result<Answered, StoreError> {
        let slot = slots::of_command(command);
        let mut asked_once: Option<Rc<Member>> = None;
        for _ in 0..TRIES_MAX {
            let (member, visits) = match asked_once.take() {
                None => (self.owner(slot).await?, false),
                Some(member) => (member, true),
            };
            let line = member.line(lasting);
            let live = match &member.guard {
                Some(guard) if lasting => guard.live(&member.link).await?,
                Some(_) | None => line.live().await?,
            };
            let answer = if visits {
                asking(line, &live, command).await?
            } else {
                line.send_over(&live, command).await?
            };
            let Value::ServerError(error) = &answer else {
                return Ok(Answered { member, live, answer });
            };
            match error.code() {
                "MOVED" => self.moved(slot, error, &member.node),
                "ASK" => {
                    let node = slots::redirected(error, &member.node);
                    asked_once = node.map(|node| self.visited(node));
                }
                "TRYAGAIN" => time::sleep(TRY_AGAIN).await,
                _ => {
                    let answer = self.checked(&member, answer)?;
                    return Ok(Answered { member, live, answer });
                }
            }
        }
        let cause = "its nodes send a command from one to the other".to_owned();
        Err(StoreError::Failed { store: self.common.dialer.store.clone(), cause })
    }

    async fn spread(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
        let mut members = Vec::with_capacity(commands.len());
        for command in &commands {
            members.push(self.owner(slots::of_command(command)).await?);
        }
        let mut answers = vec![Value::Nil; commands.len()];
        for (first, member) in members.iter().enumerate() {
            let is_its = |at: &usize| Rc::ptr_eq(&members[*at], member);
            if (0..first).any(|at| is_its(&at)) {
                continue;
            }
            let its: Vec<usize> = (first..commands.len()).filter(is_its).collect();
            let mut together = Pipeline::with_capacity(its.len());
            its.iter().for_each(|at| {
                together.add_command(commands[*at].clone());
            });
            let told = member.link.send_all(&together).await?;
            for (at, answer) in its.into_iter().zip(told) {
                let is_sent_on =
                    matches!(&answer, Value::ServerError(error) if is_redirection(error));
                answers[at] = if is_sent_on {
                    self.route(commands[at], false).await?.answer
                } else {
                    self.checked(member, answer)?
                };
            }
        }
        Ok(answers)
    }

    /// The node that has the slot. The first look at the map is waited for.
    async fn owner(&self, slot: usize) -> Result<Rc<Member>, StoreError> {
        if !self.looked.get() {
            self.first_look.notified().await;
        }
        let store = || self.common.dialer.store.clone();
        let map = self.map.borrow();
        let Some(owner) = map.owners.get(slot) else {
            let cause = self.trouble.borrow().1.clone();
            return Err(StoreError::Unreachable { store: store(), cause });
        };
        map.members.get(usize::from(*owner)).cloned().ok_or_else(|| {
            self.stale.notify_one();
            StoreError::Failed { store: store(), cause: reply::words("CLUSTERDOWN") }
        })
    }

    /// `asked` says that another node has the slot.
    fn moved(&self, slot: usize, error: &ServerError, asked: &RedisNode) {
        self.stale.notify_one();
        let Some(node) = slots::redirected(error, asked) else { return };
        let mut map = self.map.borrow_mut();
        let place = map.place(node, |node| self.connect(node));
        // Others may have been told the same before.
        if map.owners.get(slot).is_some_and(|owner| *owner != place) {
            self.common.fences.next_epoch();
            map.owners[slot] = place;
        }
    }

    fn checked(&self, member: &Member, answer: Value) -> Result<Value, StoreError> {
        if let Value::ServerError(error) = &answer
            && matches!(error.code(), "CLUSTERDOWN" | "READONLY")
        {
            self.stale.notify_one();
        }
        member.link.checked(answer)
    }

    /// Asks a node for the map: one that we are connected to, or else a seed.
    async fn look(&self, turn: usize) -> Result<Vec<Range>, String> {
        let mut question = Cmd::new();
        question.arg("CLUSTER").arg("SLOTS");
        let mut members = self.map.borrow().members.clone();
        let ahead = turn.checked_rem(members.len()).unwrap_or(0);
        members.rotate_left(ahead);
        for member in members {
            let answer = member.link.send(&question).await;
            if let Some(ranges) = answer.ok().and_then(|it| slots::ranges(&it, &member.node)) {
                return Ok(ranges);
            }
        }
        let mut refusals = Vec::new();
        for seed in &self.seeds {
            let limit = self.common.dialer.limit;
            let asked = time::timeout(limit, self.ask_seed(seed, &question)).await;
            match asked.map_err(|_| format!("no answer within {limit:?}")).flatten() {
                Ok(ranges) => return Ok(ranges),
                Err(why) => refusals.push(format!("{seed}: {why}")),
            }
        }
        Err(refusals.join("; "))
    }

    async fn ask_seed(&self, seed: &RedisNode, question: &Cmd) -> Result<Vec<Range>, String> {
        let endpoint = Endpoint::Node(seed.clone());
        let dialled = self.common.dialer.dial(&endpoint, Arc::clone(&self.common.changes));
        let (mut connection, driver) = dialled.await?;
        let answer = tokio::select! {
            answer = connection.req_packed_command(question) => answer,
            () = driver => return Err("it closed the connection".to_owned()),
        };
        let answer = answer.map_err(|error| reply::link_error(&error))?;
        slots::ranges(&answer, seed).ok_or_else(|| {
            let refusal =
                if let Value::ServerError(error) = &answer { error.code() } else { "CLUSTERDOWN" };
            let is_none = refusal == "ERR";
            if is_none { "it is no node of a cluster".to_owned() } else { reply::words(refusal) }
        })
    }

    /// Takes a map over, if it is another one. Nodes without a slot are left, unless keys are being moved
    /// to them.
    fn take(&self, ranges: Vec<Range>) {
        let mut map = self.map.borrow_mut();
        let next = map.next(ranges, |node| self.connect(node));
        if !map.is_like(&next) {
            self.common.fences.next_epoch();
            self.trouble.borrow_mut().0 = SystemTime::now();
            *map = next;
        }
    }

    fn looked(&self) {
        if !self.looked.replace(true) {
            self.first_look.notify_waiters();
        }
    }
}

impl Shared {
    /// The node that a slot is being moved to.
    fn visited(&self, node: RedisNode) -> Rc<Member> {
        let mut map = self.map.borrow_mut();
        let place = map.place(node, |node| self.connect(node));
        let member = &map.members[usize::from(place)];
        member.visited.set(true);
        Rc::clone(member)
    }

    fn connect(&self, node: RedisNode) -> Rc<Member> {
        let number = self.links.get();
        self.links.set(number + 1);
        let (on_link, name) = (Rc::clone(&self.on_link), node.to_string());
        let stale = Rc::clone(&self.stale);
        let told = move |event| {
            on_link(match event {
                LinkEvent::Up { facts } => LinkEvent::Up { facts: format!("{name}: {facts}") },
                LinkEvent::Lost { cause } | LinkEvent::NodeLost { cause } => {
                    stale.notify_one();
                    LinkEvent::NodeLost { cause: format!("{name}: {cause}") }
                }
            });
        };
        let place = Place::Node(node.clone());
        let link = Link::start(self.common.clone(), place, number, told);
        let guard = Guard::start(&self.common, self.replicas, &link, number);
        Rc::new(Member { node, link, guard, visited: Cell::new(false) })
    }
}

async fn asking(line: &Link, live: &Live, command: &Cmd) -> Result<Value, StoreError> {
    let mut both = Pipeline::with_capacity(2);
    both.cmd("ASKING").add_command(command.clone());
    let answer = line.send_all_over(live, &both).await?.pop();
    Ok(answer.unwrap_or_default())
}

fn is_redirection(error: &ServerError) -> bool {
    matches!(error.code(), "MOVED" | "ASK" | "TRYAGAIN")
}

/// Looks at the map for as long as the cluster's handle exists.
async fn keep(shared: Rc<Shared>) {
    for turn in 0.. {
        let pause = match shared.look(turn).await {
            Ok(ranges) => {
                shared.take(ranges);
                LOOK_EVERY
            }
            Err(cause) => {
                let mut trouble = shared.trouble.borrow_mut();
                trouble.1 = cause;
                LOOK_AGAIN
            }
        };
        shared.looked();
        // However many have reason to look, the map is asked for so often and no more.
        time::sleep(LOOK_AGAIN).await;
        tokio::select! {
            () = shared.stale.notified() => {}
            () = time::sleep(pause) => {}
        }
    }
}
