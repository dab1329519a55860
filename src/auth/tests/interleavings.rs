//! A model of look-ups, revocations and what the store tells, in every order: callers who begin after a
//! revocation was acknowledged are never let in. The store and its wire are the model's; fences, marks,
//! readings, the near cache, a worker's first level and its owners are the program's own.
//!
//! It can fail: each fault below, one step out of its place, is found by the same explorer.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    explorer::{Task, Verdict, explore, run_once, turn},
    tokens,
};
use crate::{
    auth::{
        hot::HotLevel,
        near::{Confirmed, Failure, Found, Identity, Key, NearCache, Refusal},
        owners::{Owner, Owners},
        unresolved::Unresolved,
    },
    fences::{Ear, Fence, Fences, Listener, Marks},
    principal::Principal,
    store::{StoreError, testing::record},
    token::{
        record::{PrincipalState, TokenRecord},
        ttl::NEVER_MS,
    },
};

/// More orders than any of these has.
const ORDERS_MAX: u128 = 300_000;

/// What is out of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// A mark is taken when the answer is there.
    MarkAfterTheAnswer,
    /// The fence moves before the store makes the revocation, and not after.
    FenceBeforeTheWrite,
    /// What is told of changes comes beside the answers, and not in their order.
    ToldBesideTheAnswers,
    /// A connection is lost and made again, and the epoch does not move.
    EpochStays,
}

/// Who revokes, and what happens besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revoked {
    /// One token, through this gateway.
    Here,
    /// All of its principal's, through this gateway.
    AllHere,
    /// One token, through this gateway, of which the store does not tell; and it goes away, for which there
    /// is a grace.
    HereAndAway,
    /// One token, through another gateway. It is seen here when the connection has answered what it was
    /// asked afterwards.
    Elsewhere,
    /// The same; and the connection is lost with whatever is under way, and made again. That shows it, too.
    ElsewhereAndLost,
}

/// What comes over a wire.
enum Message {
    Answer(oneshot::Sender<u64>, u64),
    Changed(Fence),
}

/// What comes over it comes in its order.
#[derive(Default)]
struct Wire {
    queue: RefCell<VecDeque<Message>>,
    waker: RefCell<Option<Waker>>,
}

impl Wire {
    fn send(&self, message: Message) {
        self.queue.borrow_mut().push_back(message);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What one worker remembers for itself.
struct Worker {
    hot: RefCell<HotLevel>,
    owners: Owners,
}

/// What all orders of one scenario share: whatever counts is of one token, and each order has its own.
struct Ground {
    near: NearCache,
    listener: Listener,
    workers: [Worker; 2],
    revoked: Revoked,
    fault: Fault,
}

/// The store, its wires, and one token.
struct World {
    ground: Rc<Ground>,
    id: Uuid,
    text: String,
    token: Fence,
    subject: Fence,
    /// Whether there is a record (1), and the generation of its principal.
    record: Cell<u64>,
    generation: Cell<u64>,
    /// Whether to tell of a change of either: once per reading.
    tracked: [Cell<bool>; 2],
    is_away: Cell<bool>,
    wire: Wire,
    beside: Wire,
    /// From here on nobody may be let in who begins.
    gone: Cell<bool>,
    /// Somebody was.
    let_in: Cell<bool>,
}

/// What is asked about.
#[derive(Clone, Copy)]
enum About {
    Record,
    Principal,
}

impl World {
    fn new(ground: &Rc<Ground>, number: u128) -> Self {
        let (id, fences) = (Uuid::from_u128(number), ground.near.fences());
        let token = fences.of_token(id);
        // Of two that share a fence by chance either moves the other's, and the orders would differ.
        let texts = (0..).map(|other| format!("token {number}.{other}"));
        let mut apart = texts.filter(|text| fences.of_subject(text) != token);
        let text = apart.next().unwrap();
        let subject = fences.of_subject(&text);
        ground.listener.heard(Instant::now());
        Self {
            ground: Rc::clone(ground),
            id,
            text,
            token,
            subject,
            record: Cell::new(1),
            generation: Cell::new(1),
            tracked: Default::default(),
            is_away: Cell::new(false),
            wire: Wire::default(),
            beside: Wire::default(),
            gone: Cell::new(false),
            let_in: Cell::new(false),
        }
    }

    fn near(&self) -> &NearCache {
        &self.ground.near
    }

    fn fences(&self) -> &Fences {
        self.ground.near.fences()
    }

    fn ear(&self) -> Option<Ear> {
        Some(self.ground.listener.ear())
    }

    fn is(&self, fault: Fault) -> bool {
        self.ground.fault == fault
    }

    fn key(&self) -> Key {
        let mut digest = [0; 32];
        digest[..16].copy_from_slice(self.id.as_bytes());
        Key::of_digest(digest)
    }

    /// The question is under way, then it is answered; the answer is under way, then it is there.
    async fn ask(&self, about: About) -> Result<u64, StoreError> {
        turn().await;
        let none = || StoreError::Unreachable { store: String::new(), cause: String::new() };
        if self.is_away.get() {
            return Err(none());
        }
        let (value, tracked) = match about {
            About::Record => (self.record.get(), &self.tracked[0]),
            About::Principal => (self.generation.get(), &self.tracked[1]),
        };
        tracked.set(true);
        let (told, answer) = oneshot::channel();
        self.wire.send(Message::Answer(told, value));
        answer.await.map_err(|_| none())
    }

    /// The store makes the revocation, and tells of it where it has to.
    fn write(&self) {
        let (tracked, fence) = if self.ground.revoked == Revoked::AllHere {
            self.generation.set(2);
            (&self.tracked[1], self.subject)
        } else {
            self.record.set(0);
            (&self.tracked[0], self.token)
        };
        if tracked.replace(false) && self.ground.revoked != Revoked::HereAndAway {
            let wire = if self.is(Fault::ToldBesideTheAnswers) { &self.beside } else { &self.wire };
            wire.send(Message::Changed(fence));
        }
    }

    fn hear(&self, message: Message) {
        match message {
            Message::Answer(told, value) => drop(told.send(value)),
            Message::Changed(fence) => self.fences().bump(fence),
        }
    }
}

/// As `Resolver::ask_own` asks.
async fn question(world: &World, owners: &Owners) -> Result<Confirmed, Failure> {
    let (near, fences) = (world.near(), world.fences());
    let reading = fences.reading(world.ear());
    let mut token = fences.mark(world.token);
    let kept = world.ask(About::Record).await?;
    if world.is(Fault::MarkAfterTheAnswer) {
        token = fences.mark(world.token);
    }
    let refused = |reason, marks| Err(Failure::Refused(Refusal { reason, marks, reading }));
    if kept == 0 {
        return refused(Unresolved::Unknown, Marks::of(token));
    }
    let principal = Principal { id: world.text.clone(), ..Principal::guest() };
    let identity = Identity { principal, issued_ms: None, expires_ms: NEVER_MS };
    if world.ground.revoked != Revoked::AllHere {
        // Its principal does not change: asking about it would only make more orders.
        return Ok(near.confirmed(identity, Marks::of(token), reading));
    }
    let record = TokenRecord { generation: 1, ..record(&world.text, i64::MAX) };
    let ask = async || {
        let (reading, mark) = (fences.reading(world.ear()), fences.mark(world.subject));
        let generation = world.ask(About::Principal).await?;
        Ok(Owner { state: Some(PrincipalState { generation, active: true }), mark, reading })
    };
    let worth = (fences, near.lives());
    let owner = owners.find(&record, worth, ask).await.map_err(Failure::Store)?;
    let (marks, reading) = (Marks::of(token).and(owner.mark), reading.with(owner.reading));
    if owner.state.is_some_and(|state| state.generation == 1) {
        Ok(near.confirmed(identity, marks, reading))
    } else {
        Err(Failure::Refused(Refusal { reason: Unresolved::Revoked, marks, reading }))
    }
}

/// As `Resolver::resolve` looks a token up; whether it lets its bearer in.
async fn resolve(world: &World, worker: &Worker) -> bool {
    let (near, key) = (world.near(), world.key());
    if worker.hot.borrow_mut().get(&world.text, near, Instant::now()).is_some() {
        return true;
    }
    let found = match near.kept(&key) {
        Some(kept) => kept.ok().map(Found::Near),
        None => near.find(key, || question(world, &worker.owners)).await.ok(),
    };
    match found {
        Some(Found::Near(confirmed) | Found::Asked(confirmed)) => {
            worker.hot.borrow_mut().put(&world.text, confirmed, near);
            true
        }
        Some(Found::Grace(_)) => true,
        None => {
            worker.hot.borrow_mut().forget(&world.text);
            false
        }
    }
}

/// A caller who comes at any moment.
async fn caller(world: Rc<World>, worker: usize) {
    let begins_after = world.gone.get();
    if resolve(&world, &world.ground.workers[worker]).await && begins_after {
        world.let_in.set(true);
    }
}

/// Callers who come when all others have ended: what is left in the caches lets nobody in.
async fn last_callers(world: Rc<World>) {
    for worker in 0..2 {
        caller(Rc::clone(&world), worker).await;
    }
}

/// As `NearCache::revoke` does it.
async fn revoke_here(world: Rc<World>) {
    let of_all = world.ground.revoked == Revoked::AllHere;
    let fence = if of_all { world.subject } else { world.token };
    if world.is(Fault::FenceBeforeTheWrite) {
        world.fences().bump(fence);
        turn().await;
        world.write();
        turn().await;
    } else {
        let bump = world.near().bump_at_end(fence);
        world.write();
        turn().await;
        drop(bump);
    }
    world.gone.set(true);
}

/// Another gateway revokes; ours asks its store anything then, as it does twice a second.
async fn revoke_elsewhere(world: Rc<World>) {
    world.write();
    let (told, answer) = oneshot::channel();
    world.wire.send(Message::Answer(told, 0));
    if answer.await.is_ok() {
        world.gone.set(true);
    }
}

/// Hands over what comes in its order, one message a step.
async fn deliver(world: Rc<World>, beside: bool) {
    let wire = if beside { &world.beside } else { &world.wire };
    std::future::poll_fn(|cx| {
        let message = wire.queue.borrow_mut().pop_front();
        if let Some(message) = message {
            world.hear(message);
        }
        if wire.queue.borrow().is_empty() {
            *wire.waker.borrow_mut() = Some(cx.waker().clone());
        } else {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// The connection is lost with all that is under way, which is noticed; another one is made, over which
/// nothing was read yet.
async fn lose(world: Rc<World>) {
    world.wire.queue.borrow_mut().clear();
    world.tracked.iter().for_each(|tracked| tracked.set(false));
    if !world.is(Fault::EpochStays) {
        world.fences().next_epoch();
    }
    world.ground.listener.lost();
    world.ground.listener.heard(Instant::now());
    if world.record.get() == 0 {
        world.gone.set(true);
    }
}

async fn go_away(world: Rc<World>) {
    world.is_away.set(true);
}

fn tasks(world: &Rc<World>) -> Vec<Task> {
    let own = || Rc::clone(world);
    let ends =
        |name, future: Pin<Box<dyn Future<Output = ()>>>| Task { name, serves: false, future };
    let mut tasks = vec![wire(world), ends("a caller", Box::pin(caller(own(), 0)))];
    let another = || ends("another caller", Box::pin(caller(own(), 1)));
    match world.ground.revoked {
        Revoked::Here | Revoked::AllHere => {
            tasks.extend([ends("revoke", Box::pin(revoke_here(own()))), another()]);
        }
        Revoked::HereAndAway => {
            tasks.push(ends("revoke", Box::pin(revoke_here(own()))));
            tasks.push(ends("the store goes", Box::pin(go_away(own()))));
        }
        Revoked::Elsewhere => {
            tasks.extend([ends("revoke", Box::pin(revoke_elsewhere(own()))), another()]);
        }
        Revoked::ElsewhereAndLost => {
            tasks.push(ends("revoke", Box::pin(revoke_elsewhere(own()))));
            tasks.extend([ends("lose", Box::pin(lose(own()))), another()]);
        }
    }
    if world.is(Fault::ToldBesideTheAnswers) {
        let future = Box::pin(deliver(own(), true));
        tasks.push(Task { name: "the wire beside", serves: true, future });
    }
    tasks
}

fn wire(world: &Rc<World>) -> Task {
    let future = Box::pin(deliver(Rc::clone(world), false));
    Task { name: "the wire", serves: true, future }
}

/// What is to be said of an order when it has ended.
fn judge(world: &Rc<World>) -> Verdict {
    if !world.gone.get() {
        return Err("the revocation is never seen here".to_owned());
    }
    let future = Box::pin(last_callers(Rc::clone(world)));
    run_once(vec![wire(world), Task { name: "the last", serves: false, future }]);
    let fault = || Err("somebody was let in who came after the revocation".to_owned());
    if world.let_in.get() { fault() } else { Ok(()) }
}

/// How many orders there are in which nobody was let in who must not be, or one in which somebody was.
fn explored(revoked: Revoked, fault: Fault) -> Result<u128, String> {
    let minute = Duration::from_secs(60);
    let grace = if revoked == Revoked::HereAndAway { minute } else { Duration::ZERO };
    let near = NearCache::new(&tokens_for(grace), Arc::default());
    let listener = Listener::new(&near.shared_fences()).unwrap();
    let worker =
        || Worker { hot: RefCell::new(HotLevel::new(&near, false)), owners: Owners::new() };
    let workers = [worker(), worker()];
    let ground = Rc::new(Ground { near, listener, workers, revoked, fault });
    let start = |number| {
        let world = Rc::new(World::new(&ground, number));
        let tasks = tasks(&world);
        (world, tasks)
    };
    explore(ORDERS_MAX, start, judge)
}

/// Whatever was read counts for longer than any of this takes, and there is room for all of it: what goes on
/// depends on the order alone, however loaded the machine is.
fn tokens_for(grace: Duration) -> crate::config::Tokens {
    crate::config::Tokens { near_entries: 1_000_000, ..tokens(Duration::from_secs(600), grace) }
}

#[test]
fn in_no_order_is_anybody_let_in_after_a_revocation() {
    for revoked in [
        Revoked::Here,
        Revoked::AllHere,
        Revoked::HereAndAway,
        Revoked::Elsewhere,
        Revoked::ElsewhereAndLost,
    ] {
        let orders =
            explored(revoked, Fault::Nothing).unwrap_or_else(|why| panic!("{revoked:?}: {why}"));
        eprintln!("{revoked:?}: {orders} orders");
        assert!(orders > 100, "{revoked:?}: {orders}");
    }
}

#[test]
fn a_step_out_of_its_place_is_found() {
    for (revoked, fault) in [
        (Revoked::Here, Fault::MarkAfterTheAnswer),
        (Revoked::Here, Fault::FenceBeforeTheWrite),
        (Revoked::AllHere, Fault::FenceBeforeTheWrite),
        (Revoked::HereAndAway, Fault::FenceBeforeTheWrite),
        (Revoked::Elsewhere, Fault::MarkAfterTheAnswer),
        (Revoked::Elsewhere, Fault::ToldBesideTheAnswers),
        (Revoked::ElsewhereAndLost, Fault::EpochStays),
    ] {
        let found = explored(revoked, fault);
        assert!(found.is_err(), "{revoked:?}, {fault:?}: not found in {found:?} orders");
    }
}
