//! The control thread: health and admin listeners, signals, reloads, the drain. It serves no client, so
//! it answers however busy the workers are.

use std::{
    cell::RefCell,
    io::{self, Write as _},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_local,
};

use super::{App, AppError, banner, reload::Reloader, watch::FileWatch};
use crate::{
    directory::DirectoryError,
    gateway::{Generation, Shared},
    server::{
        Command, Listener,
        health::{self, Readiness},
        local,
    },
    store::{Health, HealthState, Store},
    telemetry::{
        log::{Level, event},
        metrics::Metrics,
    },
    tick,
};

/// After SIGTERM every answer closes its connection for this long before connections are told to
/// finish, and clients may still connect. Measured: without it 19 of 24 busy connections lose a request.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How often the control thread looks whether all workers live.
const CHECK: Duration = Duration::from_millis(250);

/// Longest wait for `[usergrid.bootstrap]` before we say that we listen.
const BOOTSTRAP_WAIT: Duration = Duration::from_secs(2);

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

    fn readiness(&self) -> Readiness {
        Readiness {
            draining: self.shared.draining.load(Relaxed),
            requires_store: self.shared.current.load().config.ready_requires_store,
            store: self.health(),
        }
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
        runtime.block_on(self.serve())
    }

    async fn serve(mut self) -> Result<(), AppError> {
        spawn_local(tick::run(|_| ()));
        let control = Control::new(Arc::clone(&self.shared), self.metrics.clone());
        // Before anything is said: who reads it may signal, or change the file, at once.
        let mut stop = Stop::new()?;
        let mut hangup = signal(SignalKind::hangup())?;
        // A file that may grow no more is an error of the write; the signal beside it would end us.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        let generation = self.generation();
        let mut files = FileWatch::start(&generation.config.sources);
        Reloader::new(&mut self).reload(false, &mut files); // changed since it was read?
        bootstrap(&control).await;
        spawn_local(reseal(Rc::clone(&control)));
        match &self.screen {
            Some(screen) => drop(writeln!(io::stdout(), "{screen}")), // or nobody is left to read it
            None => {
                banner::listening(&self);
                spawn_local(banner::parts(generation, control.store().1));
            }
        }
        if let Some((_, listener)) = self.health.take() {
            spawn_local(serve_health(listener, Rc::clone(&control)));
        }
        if let Some((_, listener)) = self.admin.take() {
            spawn_local(super::admin::serve(listener, Rc::clone(&control)));
        }
        loop {
            let forced = tokio::select! {
                name = stop.next() => {
                    self.tell("stopping", &[("signal", &name)]);
                    break;
                }
                () = tokio::time::sleep(CHECK) => {
                    control.health(); // keeps the gauge of the store true between scrapes
                    if self.workers.iter().any(crate::server::WorkerHandle::ended) {
                        return Err(AppError::WorkerEnded);
                    }
                    continue;
                }
                _ = hangup.recv() => {
                    if self.screen.is_some() {
                        break; // its terminal is gone, and nobody else knows of it
                    }
                    true
                }
                () = files.changed() => false,
            };
            Reloader::new(&mut self).reload(forced, &mut files);
        }
        self.drain(stop).await;
        Ok(())
    }

    /// Unready at once; answers close their connections; then what is open may finish.
    async fn drain(self, mut stop: Stop) {
        self.shared.draining.store(true, Relaxed);
        let limit = self.generation().config.limits.drain;
        let finished = async {
            tick::sleep(DRAIN_GRACE.min(limit / 4)).await;
            self.crew.tell(|| Command::Finish);
            while !self.workers.iter().all(crate::server::WorkerHandle::ended) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            done = tokio::time::timeout(limit, finished) => {
                if done.is_err() {
                    let open = self.crew.open();
                    event(Level::Warn, "drain timed out; closing what is left", &[("open", &open)]);
                }
            }
            name = stop.next() => event(Level::Warn, "stopped while draining", &[("signal", &name)]),
        }
        if self.workers.iter().all(crate::server::WorkerHandle::ended) {
            self.writer.finish();
        }
        if self.screen.is_none() {
            event(Level::Info, "stopped", &[]);
        }
    }

    /// Tells of the process's own life, unless a screen does.
    fn tell(&self, message: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
        if self.screen.is_none() {
            event(Level::Info, message, fields);
        }
    }
}

/// The two signals that end a server.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
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

/// One try; whether no other is needed.
async fn try_bootstrap(control: &Control) -> bool {
    let (generation, store) = control.store();
    let usergrid = generation.config.usergrid.as_ref();
    let wanted = usergrid.and_then(|usergrid| usergrid.bootstrap.as_ref());
    let (Some(wanted), Some(origin)) = (wanted, &generation.directory) else { return true };
    match origin.attach(store).bootstrap(wanted).await {
        Ok(false) => true,
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

async fn serve_health(listener: Listener, control: Rc<Control>) {
    let served = local::serve(listener, move |request| {
        let answer = health::answer(&request, &control.readiness(), &control.metrics);
        std::future::ready(answer)
    });
    if let Err(error) = served.await {
        event(Level::Error, "the health listener failed", &[("error", &error)]);
    }
}
