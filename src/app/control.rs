//! The control thread: health and admin listeners, signals, reloads, upgrades. It serves no client, so
//! it answers however busy the workers are.

use std::{
    cell::RefCell,
    fmt::Display,
    io::{self, Write as _},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::spawn_local, time::MissedTickBehavior};

use super::{
    App, AppError, backends, banner,
    leave::{Leave, Signals},
    reload::Reloader,
    upgrade::{self, Successor},
    watch::FileWatch,
};
use crate::{
    directory::DirectoryError,
    gateway::{Generation, Shared},
    server::{
        Bound, Listener,
        health::{self, Readiness, ServerOut},
        local,
    },
    store::{Health, HealthState, Store, StoreError},
    telemetry::{
        log::{Level, event},
        metrics::{Metrics, ServerState},
    },
    tick,
};

/// How often the control thread looks whether all workers live.
const CHECK: Duration = Duration::from_millis(250);

/// Longest wait for `[usergrid.bootstrap]` before we say that we listen.
const BOOTSTRAP_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for a store that is not required before we take another process's place.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// Between two probes of how long the store takes to tell of a change.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// And after one that the store refused.
const PROBE_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// How often the control thread looks whether a reload has brought another `secret`.
const RESEAL_EVERY: Duration = Duration::from_secs(5);

/// The control thread's own view: its connection to the store follows the generation in force.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Metrics,
    store: RefCell<(Arc<Generation>, Store)>,
}

impl Control {
    fn new(shared: Arc<Shared>, metrics: Metrics) -> Rc<Self> {
        let generation = shared.current.load_full();
        let store = generation.attach_aloud();
        Rc::new(Self { shared, metrics, store: RefCell::new((generation, store)) })
    }

    /// The generation in force, and the control thread's connection to its store.
    pub(crate) fn store(&self) -> (Arc<Generation>, Store) {
        let generation = self.shared.current.load_full();
        let mut known = self.store.borrow_mut();
        if !Arc::ptr_eq(&generation, &known.0) {
            let same = generation.config.store == known.0.config.store;
            let store = if same { known.1.clone() } else { generation.attach_aloud() };
            *known = (generation, store);
        }
        known.clone()
    }

    fn health(&self) -> Health {
        let health = self.store().1.health();
        let up = u64::from(health.state == HealthState::Up);
        self.metrics.process.store_up.store(up, Relaxed);
        health
    }

    /// Whether nothing is lost to clients when we take another process's place, which was started before
    /// `started`: the store is there, or has had its time and is not required.
    fn may_take_over(&self, started: Instant) -> bool {
        let readiness = self.readiness();
        let up = readiness.store.state == HealthState::Up;
        let waited = tick::now().saturating_duration_since(started) > STORE_WAIT;
        (up || waited) && readiness.report().0.is_success()
    }

    fn readiness(&self) -> Readiness {
        let near = &self.shared.current.load().near;
        let entries = u64::try_from(near.entries()).unwrap_or(u64::MAX);
        self.metrics.process.near_entries.store(entries, Relaxed);
        self.metrics.process.near_invalidations.store(near.fences().moves(), Relaxed);
        Readiness {
            draining: self.shared.draining.load(Relaxed),
            requires_store: self.shared.current.load().config.ready_requires_store,
            store: self.health(),
            out: self.servers(),
        }
    }

    /// Which servers of backends are left out; the gauges of all of them are set on the way.
    fn servers(&self) -> Vec<ServerOut> {
        let generation = self.shared.current.load_full();
        let (mut states, mut out) = (Vec::new(), Vec::new());
        for (settings, roster) in generation.config.backends.iter().zip(&generation.rosters) {
            for spot in roster.spots().iter() {
                let (backend, server) = (settings.name.clone(), spot.to_string());
                if let Some(trouble) = spot.trouble() {
                    out.push(ServerOut {
                        backend: backend.clone(),
                        server: server.clone(),
                        trouble,
                    });
                }
                states.push(ServerState { backend, server, up: spot.is_up() });
            }
        }
        self.metrics.process.set_servers(states);
        out
    }
}

impl App {
    /// Serves until SIGTERM or SIGINT, then drains.
    ///
    /// # Errors
    /// [`AppError`] when a part ends that must not.
    pub fn run(self) -> Result<(), AppError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())?;
        let ended = runtime.block_on(self.serve());
        runtime.shutdown_background(); // a name that is being resolved holds nobody who has stopped
        ended
    }

    async fn serve(mut self) -> Result<(), AppError> {
        spawn_local(tick::run(|_| ()));
        let control = Control::new(Arc::clone(&self.shared), self.metrics.clone());
        // Before anything is said: who reads it may signal, or change the file, at once.
        let mut signals = Signals::new()?;
        let generation = self.generation();
        let mut files = FileWatch::start(&generation.config.sources);
        Reloader::new(&mut self).reload(false, &mut files); // changed since it was read?
        bootstrap(&control).await;
        spawn_local(reseal(Rc::clone(&control)));
        spawn_local(probe(Rc::clone(&control)));
        spawn_local(backends::tend(Rc::clone(&control)));
        match &self.screen {
            Some(screen) => drop(writeln!(io::stdout(), "{screen}")), // or nobody is left to read it
            None => {
                banner::listening(&self);
                spawn_local(banner::parts(generation, control.store().1));
            }
        }
        if !self.manager.is_awaited() {
            self.open(&control);
        }
        let leave = self.until_told(&control, &mut signals, &mut files).await?;
        self.drain(leave, signals.stop).await;
        Ok(())
    }

    /// Serves health and admin, and says that we are there.
    fn open(&mut self, control: &Rc<Control>) {
        let socket = |bound: &mut Bound| bound.sockets.pop();
        if let Some(listener) = self.health.as_mut().and_then(socket) {
            let leaving = self.visits.subscribe();
            self.doors.push(spawn_local(serve_health(listener, leaving, Rc::clone(control))));
        }
        if let Some(listener) = self.admin.as_mut().and_then(socket) {
            let (leaving, control) = (self.visits.subscribe(), Rc::clone(control));
            self.doors.push(spawn_local(super::admin::serve(listener, leaving, control)));
        }
        self.manager.ready(&banner::addresses(self));
    }

    /// Watches over everything until it is time to leave.
    async fn until_told(
        &mut self,
        control: &Rc<Control>,
        signals: &mut Signals,
        files: &mut FileWatch,
    ) -> Result<Leave, AppError> {
        let started = tick::now();
        let mut successor = None;
        // Not begun anew by whatever else happens: it must come around.
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.manager.is_awaited() && control.may_take_over(started) {
                self.accept();
                self.open(control);
                self.manager.take_over();
            }
            let forced = tokio::select! {
                name = signals.stop.next() => {
                    drop(successor); // who holds our sockets, so that they close with us
                    self.tell("stopping", &[("signal", &name)]);
                    return Ok(Leave::Stop);
                }
                _ = check.tick() => {
                    control.health(); // keeps the gauge of the store true between scrapes
                    if self.workers.iter().any(crate::server::WorkerHandle::ended) {
                        return Err(AppError::WorkerEnded);
                    }
                    self.manager.feed_watchdog(self.crew.ticks());
                    continue;
                }
                _ = signals.upgrade.recv() => {
                    self.upgrade(&mut successor);
                    continue;
                }
                outcome = upgrade::outcome(&mut successor) => match outcome {
                    Ok(pid) => return Ok(Leave::HandOver(pid)),
                    Err(error) => {
                        let message = "the upgrade failed; this process serves on";
                        event(Level::Error, message, &[("error", &error)]);
                        continue;
                    }
                },
                // A successor has read the file and holds the sockets: neither may change below it.
                _ = signals.hangup.recv(), if successor.is_none() => {
                    if self.screen.is_some() {
                        return Ok(Leave::Stop); // its terminal is gone, and nobody else knows of it
                    }
                    true
                }
                () = files.changed(), if successor.is_none() => false,
            };
            Reloader::new(self).reload(forced, files);
        }
    }

    /// Starts a process that is to take our place, unless one is about to.
    fn upgrade(&self, successor: &mut Option<Successor>) {
        if let Some(successor) = successor {
            let fields: [(&str, &dyn Display); 1] = [("pid", &successor.pid())];
            return event(Level::Warn, "an upgrade is under way already", &fields);
        }
        match Successor::start(self) {
            Ok(started) => {
                event(Level::Info, "upgrading; a new process starts", &[("pid", &started.pid())]);
                *successor = Some(started);
            }
            Err(error) => {
                let message = "no upgrade; this process serves on";
                event(Level::Error, message, &[("error", &error)]);
            }
        }
    }

    /// Tells of the process's own life, unless a screen does.
    fn tell(&self, message: &str, fields: &[(&str, &dyn Display)]) {
        if self.screen.is_none() {
            event(Level::Info, message, fields);
        }
    }
}

/// Makes the first tenant that `[usergrid.bootstrap]` names. A store that is not there yet is waited for
/// a moment here, so that whoever reads that we listen finds the tenant, and then in the background.
async fn bootstrap(control: &Rc<Control>) {
    let (generation, _) = control.store();
    if generation.config.usergrid.as_ref().is_none_or(|usergrid| usergrid.bootstrap.is_none()) {
        return;
    }
    let control = Rc::clone(control);
    let made = spawn_local(async move { while !try_bootstrap(&control).await {} });
    let _ = tokio::time::timeout(BOOTSTRAP_WAIT, made).await;
}

/// Seals clients' secrets anew after a change of `secret`, now and after every reload.
async fn reseal(control: Rc<Control>) {
    let mut done: Option<Arc<Generation>> = None;
    loop {
        let (generation, store) = control.store();
        let fresh = done.as_ref().is_none_or(|done| !Arc::ptr_eq(done, &generation));
        // With one secret there is nothing that another has sealed.
        let rotates = generation.config.secrets.len() > 1;
        if let (Some(origin), true) = (&generation.directory, fresh && rotates) {
            match origin.attach(store).reseal_clients().await {
                Ok(resealed) => {
                    for id in &resealed.unreadable {
                        let message = "no configured secret opens a client's; `tollgate client rotate` gives it a new one";
                        event(Level::Error, message, &[("client", id)]);
                    }
                    // Said also when there was nothing to do: an operator waits for it to drop the old one.
                    let count = resealed.count;
                    event(Level::Info, "client secrets are sealed anew", &[("count", &count)]);
                    done = Some(generation);
                }
                Err(DirectoryError::Store(_)) => {} // asked again below
                Err(error) => {
                    event(
                        Level::Error,
                        "client secrets cannot be sealed anew",
                        &[("error", &error)],
                    );
                    done = Some(generation);
                }
            }
        }
        tokio::time::sleep(RESEAL_EVERY).await;
    }
}

/// Measures now and then how long the store takes to tell of a change: over this thread's connections, which
/// are like those of the workers.
async fn probe(control: Rc<Control>) {
    let mut pause = PROBE_EVERY;
    loop {
        tokio::time::sleep(pause).await;
        let (_, store) = control.store();
        let told = store.probe().await;
        // Who may not write there is refused each time, and each time the server notes it.
        let is_refused = matches!(told, Err(StoreError::Failed { .. }));
        pause = if is_refused { PROBE_AFTER_REFUSAL } else { PROBE_EVERY };
        if let Ok(Some(lag)) = told {
            control.metrics.process.revocation_lag.observe(lag);
        }
    }
}

/// One try; whether no other is needed.
async fn try_bootstrap(control: &Control) -> bool {
    let (generation, store) = control.store();
    let usergrid = generation.config.usergrid.as_ref();
    let wanted = usergrid.and_then(|usergrid| usergrid.bootstrap.as_ref());
    let (Some(wanted), Some(origin)) = (wanted, &generation.directory) else { return true };
    match origin.attach(store).bootstrap(wanted).await {
        Ok(false) => {
            // Whoever has changed it since learns why nothing comes of that.
            event(Level::Info, "[usergrid.bootstrap] was carried out before", &[]);
            true
        }
        Ok(true) => {
            let organization = &wanted.organization;
            event(Level::Info, "the first organization is made", &[("name", organization)]);
            true
        }
        // None of them says anything of what is wanted.
        Err(DirectoryError::Store(_) | DirectoryError::Busy(_) | DirectoryError::Contended) => {
            tokio::time::sleep(CHECK).await;
            false
        }
        Err(error) => {
            event(Level::Error, "[usergrid.bootstrap] cannot be made", &[("error", &error)]);
            true
        }
    }
}

async fn serve_health(listener: Listener, leaving: watch::Receiver<bool>, control: Rc<Control>) {
    let served = local::serve(listener, leaving, move |request| {
        let answer = health::answer(&request, &control.readiness(), &control.metrics);
        std::future::ready(answer)
    });
    if let Err(error) = served.await {
        event(Level::Error, "the health listener failed", &[("error", &error)]);
    }
}
