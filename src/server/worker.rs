//! A worker: one thread, one current-thread runtime, and everything its connections need: sockets,
//! upstream pools, the store's connection. Nothing on the hot path is shared with another worker.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    task::spawn_local,
};

use super::{
    accept::{self, Accepted, Loose},
    addresses::{Addresses, Share},
    bind::{Bound, Keeper, Listener},
    connection,
    watch::{ConnectionLimits, Watches},
};
use crate::{
    config::{Address, Manner},
    gateway::{Gate, Peer, Places, Shared},
    telemetry::{
        log::{AccessSink, Level, event},
        metrics::WorkerMetrics,
    },
    tick,
};

/// How long a client that connected in time has for its first request once nobody else may connect.
const LATE: Duration = Duration::from_millis(500);

/// While requests wait for a backend's connection, a client that takes nothing of its answer for this long
/// loses it: half of the second that those who wait are promised.
const STALLED_UNDER_PRESSURE: Duration = Duration::from_millis(500);

/// While a client waits for a place among the connections, one that asks for nothing for this long gives
/// up its own: a new connection costs its client a round trip, no connection costs the other everything.
const UNUSED_UNDER_PRESSURE: Duration = Duration::from_secs(1);

/// And a head has to be there after this: one lost packet repeated fits.
const HEAD_UNDER_PRESSURE: Duration = Duration::from_secs(3);

/// What the workers know of each other: how many connections each serves, and how to hand one over.
#[derive(Debug)]
pub struct Crew {
    live: Vec<AtomicUsize>,
    inboxes: Vec<mpsc::UnboundedSender<Command>>,
    connections_max: AtomicUsize,
    /// Workers that hold a client for whom there is no place.
    crowded: AtomicUsize,
    addresses: Arc<Addresses>,
    /// How often each worker's clock has ticked.
    ticks: Vec<AtomicUsize>,
}

impl Crew {
    /// Open connections of all workers.
    #[must_use]
    pub fn open(&self) -> usize {
        self.live.iter().map(|live| live.load(Relaxed)).sum()
    }

    /// The limit of a new configuration.
    pub fn set_connections_max(&self, max: usize) {
        self.connections_max.store(max, Relaxed);
    }

    /// How often each worker's clock has ticked: a worker that is stuck has stopped counting.
    #[must_use]
    pub fn ticks(&self) -> Vec<usize> {
        self.ticks.iter().map(|ticks| ticks.load(Relaxed)).collect()
    }

    /// Has every worker accept on its sockets of `bound`, whose clients speak in that manner.
    pub fn listen(&self, bound: &mut Bound, manner: Manner) {
        for (inbox, socket) in self.inboxes.iter().cycle().zip(bound.sockets.drain(..)) {
            let (address, keeper) = (bound.actual.clone(), bound.keeper.clone());
            let _ = inbox.send(Command::Listen(address, manner, socket, keeper));
        }
    }

    /// Sends `command` to every worker.
    pub fn tell(&self, command: impl Fn() -> Command) {
        for inbox in &self.inboxes {
            // A worker that has ended has nothing left to do.
            let _ = inbox.send(command());
        }
    }

    /// The worker with the fewest connections, if it has clearly fewer than `own`: of a handful any
    /// difference counts, of many an eighth, for handing over wakes another thread.
    fn less_loaded(&self, own: usize) -> Option<usize> {
        let mine = self.live[own].load(Relaxed);
        let loads = self.live.iter().map(|live| live.load(Relaxed)).enumerate();
        let (fewest, live) = loads.min_by_key(|(_, live)| *live)?;
        (live + live / 8 < mine).then_some(fewest)
    }
}

/// What a worker can be told.
#[derive(Debug)]
pub enum Command {
    /// Accept on one more socket of the address, named as the kernel gave it.
    Listen(Address, Manner, Listener, Keeper),
    /// Whoever is accepted on the address from now on speaks in that manner.
    Speak(Address, Manner),
    /// Leave the address; what is ours is accepted empty and closed.
    Close(Address),
    /// Leave all addresses as they are: another process accepts there.
    HandOver,
    /// A connection from another worker's socket.
    Serve(Incomer),
    /// Close all addresses, let every connection finish, then end the thread.
    Finish,
}

/// A connection that changes its worker, and how its client speaks.
#[derive(Debug)]
pub struct Incomer {
    stream: Loose,
    manner: Manner,
}

/// A running worker.
#[derive(Debug)]
pub struct WorkerHandle {
    thread: JoinHandle<()>,
}

impl WorkerHandle {
    /// Whether the thread has ended: after a drain, or by a fault.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Starts `metrics.len()` workers, each of which has built its gate when this returns.
///
/// # Errors
/// When the system gives no thread, no runtime or no randomness.
pub fn start(
    shared: &Arc<Shared>,
    metrics: Vec<Arc<WorkerMetrics>>,
    access: &AccessSink,
    connections_max: usize,
) -> io::Result<(Arc<Crew>, Vec<WorkerHandle>)> {
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        metrics.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let crew = Arc::new(Crew {
        live: metrics.iter().map(|_| AtomicUsize::new(0)).collect(),
        inboxes: senders,
        connections_max: AtomicUsize::new(connections_max),
        crowded: AtomicUsize::new(0),
        addresses: Arc::default(),
        ticks: metrics.iter().map(|_| AtomicUsize::new(0)).collect(),
    });
    let mut workers = Vec::with_capacity(metrics.len());
    for (index, (metrics, inbox)) in metrics.into_iter().zip(inboxes).enumerate() {
        let (crew, shared, access) = (Arc::clone(&crew), Arc::clone(shared), access.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(tokio::runtime::LocalOptions::default());
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async move {
                let gate = match Gate::new(shared, metrics, access) {
                    Ok(gate) => gate,
                    Err(error) => return drop(ready.send(Err(io::Error::other(error)))),
                };
                let _ = ready.send(Ok(()));
                run(Rc::new(Worker::new(index, crew, gate)), inbox).await;
            });
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(body)?;
        is_ready.recv().map_err(io::Error::other)??;
        workers.push(WorkerHandle { thread });
    }
    Ok((crew, workers))
}

/// The worker's own side.
pub(super) struct Worker {
    index: usize,
    crew: Arc<Crew>,
    gate: Rc<Gate>,
    /// Where connections came from.
    places: Places,
    watches: Watches,
    doors: RefCell<HashMap<Address, Vec<Rc<Door>>>>,
    idle: Notify,
}

/// What an accept loop is told while it runs.
pub(super) struct Door {
    pub(super) manner: Cell<Manner>,
    /// Told once, when no more is to be accepted.
    pub(super) closing: Notify,
    /// Whether the socket is ours to close.
    pub(super) is_ours: Cell<bool>,
}

async fn run(worker: Rc<Worker>, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let ticking = Rc::clone(&worker);
    let clock = spawn_local(tick::run(move |now| ticking.tick(now)));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Listen(address, manner, listener, keeper) => {
                worker.listen(address, manner, listener, &keeper);
            }
            Command::Speak(address, manner) => worker.speak(&address, manner),
            Command::Close(address) => worker.close(&address),
            Command::HandOver => worker.hand_over(),
            Command::Serve(incomer) => worker.take(incomer),
            Command::Finish => break,
        }
    }
    worker.close_all();
    // Until the accept loops have taken what the kernel holds, and what they hand over is here.
    tick::sleep(accept::LAST_CALL + 2 * tick::PERIOD).await;
    while let Ok(command) = inbox.try_recv() {
        if let Command::Serve(incomer) = command {
            worker.take(incomer);
        }
    }
    worker.gate.lasting.leave();
    worker.watches.finish_used();
    // Who connected in time has a request on its way; answers close their connections by now.
    let late = LATE.min(worker.gate.state().config.limits.drain / 4);
    let give_up = tick::now() + late;
    while worker.watches.any_new() && tick::now() < give_up {
        tick::sleep(tick::PERIOD).await;
    }
    worker.watches.finish();
    while worker.live().load(Relaxed) > 0 {
        tokio::select! {
            () = worker.idle.notified() => (),
            // A slower worker may only now hand over whom it has accepted.
            Some(Command::Serve(incomer)) = inbox.recv() => worker.take(incomer),
        }
    }
    clock.abort();
}

impl Worker {
    fn new(index: usize, crew: Arc<Crew>, gate: Rc<Gate>) -> Self {
        let (watches, doors) = (Watches::default(), RefCell::default());
        Self { index, crew, gate, watches, doors, places: Places::default(), idle: Notify::new() }
    }

    fn live(&self) -> &AtomicUsize {
        &self.crew.live[self.index]
    }

    fn tick(&self, now: std::time::Instant) {
        let pressed = self.gate.tick(now);
        let limits = &self.gate.state().config.limits;
        let mut limits = ConnectionLimits {
            head: limits.head_time,
            keep_alive: limits.keep_alive,
            stalled: limits.body_idle,
        };
        let crowded = self.crew.crowded.load(Relaxed) > 0;
        if pressed || crowded {
            limits.stalled = limits.stalled.min(STALLED_UNDER_PRESSURE);
        }
        if crowded {
            limits.keep_alive = limits.keep_alive.min(UNUSED_UNDER_PRESSURE);
            limits.head = limits.head.min(HEAD_UNDER_PRESSURE);
        }
        self.watches.sweep(now, limits);
        self.gate.metrics.set_connections(self.live().load(Relaxed));
        self.crew.ticks[self.index].fetch_add(1, Relaxed);
    }

    fn listen(
        self: &Rc<Self>,
        address: Address,
        manner: Manner,
        listener: Listener,
        keeper: &Keeper,
    ) {
        let (manner, is_ours) = (Cell::new(manner), Cell::new(*keeper == Keeper::Us));
        let door = Rc::new(Door { manner, closing: Notify::new(), is_ours });
        self.doors.borrow_mut().entry(address).or_default().push(Rc::clone(&door));
        spawn_local(accept::run(Rc::clone(self), listener, door));
    }

    fn speak(&self, address: &Address, manner: Manner) {
        let doors = self.doors.borrow();
        doors.get(address).into_iter().flatten().for_each(|door| door.manner.set(manner));
    }

    fn close(&self, address: &Address) {
        let doors = self.doors.borrow_mut().remove(address);
        doors.iter().flatten().for_each(|door| door.closing.notify_one());
    }

    fn close_all(&self) {
        self.doors.take().values().flatten().for_each(|door| door.closing.notify_one());
    }

    fn hand_over(&self) {
        self.doors.borrow().values().flatten().for_each(|door| door.is_ours.set(false));
        self.close_all();
    }

    /// Whether the process serves as many connections as it may.
    fn is_full(&self) -> bool {
        self.crew.open() >= self.crew.connections_max.load(Relaxed)
    }

    /// Waits until the process may serve one more connection. Meanwhile those that nobody uses end sooner.
    pub(super) async fn room(&self) {
        if self.is_full() {
            let _crowded = Crowded::new(&self.crew);
            while self.is_full() {
                tick::sleep(tick::PERIOD).await;
            }
        }
    }

    /// Serves a connection here, or hands it to the worker with the fewest. It is counted for its worker
    /// at once, so that a burst is spread too.
    pub(super) fn place(self: &Rc<Self>, stream: Accepted, manner: Manner) {
        let Some(other) = self.crew.less_loaded(self.index) else {
            self.live().fetch_add(1, Relaxed);
            return self.serve(stream, manner);
        };
        let stream = match Loose::try_from(stream) {
            Ok(stream) => stream,
            Err(error) => return lost(&error),
        };
        self.crew.live[other].fetch_add(1, Relaxed);
        let handed = self.crew.inboxes[other].send(Command::Serve(Incomer { stream, manner }));
        if let Err(refused) = handed {
            self.crew.live[other].fetch_sub(1, Relaxed);
            self.live().fetch_add(1, Relaxed);
            if let Command::Serve(incomer) = refused.0 {
                self.take(incomer);
            }
        }
    }

    /// Serves a connection of another worker's socket, which that one has counted.
    fn take(self: &Rc<Self>, Incomer { stream, manner }: Incomer) {
        match Accepted::try_from(stream) {
            Ok(stream) => self.serve(stream, manner),
            Err(error) => {
                drop(Open { worker: Rc::clone(self), _share: None });
                lost(&error);
            }
        }
    }

    /// The share of `peer`'s address, where that is bounded.
    ///
    /// # Errors
    /// When the address has none left.
    fn share(&self, peer: &Peer) -> Result<Option<Share>, ()> {
        let config = &self.gate.state().config;
        match (config.limits.connections_per_address, peer.ip()) {
            // Who speaks for others has as many connections as they need.
            (Some(most), Some(ip)) if !peer.is_trusted(&config.trust) => {
                self.crew.addresses.share(ip, most).map(Some).ok_or(())
            }
            (Some(_), Some(_) | None) | (None, _) => Ok(None),
        }
    }

    /// Serves a connection that has been counted.
    fn serve(self: &Rc<Self>, stream: Accepted, manner: Manner) {
        let mut open = Open { worker: Rc::clone(self), _share: None };
        let (watch, gate) = (self.watches.add(), Rc::clone(&self.gate));
        match stream {
            Accepted::Tcp(stream, address) => {
                let peer = self.places.peer(address);
                let Ok(share) = self.share(&peer) else { return };
                open._share = share;
                spawn_local(async move {
                    connection::serve(stream, manner, peer, gate, watch).await;
                    drop(open);
                });
            }
            Accepted::Unix(stream) => {
                let peer = Peer::unix();
                spawn_local(async move {
                    connection::serve(stream, manner, peer, gate, watch).await;
                    drop(open);
                });
            }
        }
    }
}

fn lost(error: &io::Error) {
    event(Level::Warn, "a connection was lost", &[("error", error)]);
}

/// Tells every worker that a client waits for a place, for as long as it does.
struct Crowded<'a>(&'a Crew);

impl<'a> Crowded<'a> {
    fn new(crew: &'a Crew) -> Self {
        crew.crowded.fetch_add(1, Relaxed);
        Self(crew)
    }
}

impl Drop for Crowded<'_> {
    fn drop(&mut self) {
        self.0.crowded.fetch_sub(1, Relaxed);
    }
}

/// Counts one open connection for as long as it lives.
struct Open {
    worker: Rc<Worker>,
    _share: Option<Share>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.worker.live().fetch_sub(1, Relaxed) == 1 {
            self.worker.idle.notify_one();
        }
    }
}
