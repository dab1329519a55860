//! The wiring: builds every part once, starts it, reloads it, drains it. The only room that knows
//! every other.

pub(crate) mod admin;
mod backends;
mod banner;
mod control;
mod leave;
mod manager;
mod reload;
mod upgrade;
mod watch;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use tokio::{sync::watch::Sender, task::JoinHandle};

use self::manager::Manager;
use crate::{
    auth::{near::NearCache, resolve::Scheme},
    config::{Address, Backend, Config, Listen, WORKERS_MAX},
    directory::DirectoryOrigin,
    fences::Fences,
    gateway::{Generation, Guesses, Shared, reasons},
    server::{self, BindError, Bound, Crew, InheritError, Inherited, WorkerHandle},
    store::{StoreError, StoreOrigin},
    telemetry::{
        log::{AccessSink, AccessWriter},
        metrics::Metrics,
    },
    tls,
    token::keyring::Keyring,
    upstream::Roster,
};

/// Descriptors kept for what is neither a client nor an upstream connection: listeners, the store,
/// logs, epoll.
const DESCRIPTORS_KEPT: u64 = 128;

/// Why the gateway did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address is taken or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket that we were started with is of no use.
    #[error(transparent)]
    Inherit(#[from] InheritError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no thread, runtime, signal or randomness.
    #[error("starting: {0}")]
    System(#[from] io::Error),
    /// A worker's thread ended by a fault.
    #[error("a worker ended; the others were stopped")]
    WorkerEnded,
}

/// A gateway that accepts connections.
pub struct App {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    workers: Vec<WorkerHandle>,
    metrics: Metrics,
    writer: AccessWriter,
    descriptors: u64,
    /// As configured, and the sockets.
    listening: Vec<(Listen, Bound)>,
    health: Option<Bound>,
    admin: Option<Bound>,
    inherited: Inherited,
    manager: Manager,
    /// Who serves health and admin, once somebody does.
    doors: Vec<JoinHandle<()>>,
    /// Tells them and whom they serve to finish.
    visits: Sender<bool>,
    /// The bytes of the configuration's files when it was last read.
    fingerprint: HashMap<PathBuf, Option<Vec<u8>>>,
    /// What is printed in place of the lines about the start and the end.
    screen: Option<String>,
}

impl App {
    /// Builds everything and begins to accept; [`App::run`] serves health and admin, and stays.
    ///
    /// # Errors
    /// [`AppError`]: nothing is left running.
    pub fn start(config: Config) -> Result<Self, AppError> {
        let mut inherited = Inherited::from_env()?; // first of all: nothing else is open yet
        let descriptors = raise_descriptor_limit();
        let workers = config.workers.unwrap_or_else(default_workers);
        let mut listening = Vec::with_capacity(config.listen.len());
        for listen in &config.listen {
            listening.push((listen.clone(), inherited.bind(&listen.address, workers)?));
        }
        let health = config.health.as_ref().map(|at| inherited.bind(at, 1)).transpose()?;
        let admin = config.admin.as_ref().map(|at| inherited.bind_private(at)).transpose()?;
        inherited.settle()?;

        let fingerprint = reload::fingerprint(&config.sources);
        let connections_max = connections_max(&config, descriptors);
        let origin = StoreOrigin::open(&config.store)?;
        let generation = Generation::new(config, origin, None)?;
        let shared = Arc::new(Shared {
            current: Arc::new(ArcSwap::from_pointee(generation)),
            draining: AtomicBool::new(false),
            guesses: Guesses::default(),
            workers,
            tunnels_max: AtomicUsize::new(0),
        });
        shared.set_connections_max(connections_max);
        let metrics = Metrics::new(reasons());
        metrics.loaded(SystemTime::now());
        let dropped = Arc::clone(&metrics.process.access_lines_dropped);
        let (writer, sink) = AccessWriter::start(dropped)?;
        let (crew, workers) = start_workers(&shared, &metrics, &sink, workers, connections_max)?;

        let mut app = Self {
            shared,
            crew,
            workers,
            metrics,
            writer,
            descriptors,
            listening,
            health,
            admin,
            inherited,
            manager: Manager::from_env(),
            doors: Vec::new(),
            visits: Sender::new(false),
            fingerprint,
            screen: None,
        };
        if !app.manager.is_awaited() {
            app.accept();
        }
        Ok(app)
    }

    /// Has the workers accept. A process that is to take another's place does so last of all: until then it
    /// may be ended at any moment, with whoever it had accepted.
    fn accept(&mut self) {
        for (listen, bound) in &mut self.listening {
            self.crew.listen(bound, listen.manner);
        }
    }

    /// The same with `screen` on standard output in place of its own lines about its start and its end,
    /// for a program that a person looks at: it also ends when its terminal does.
    #[must_use]
    pub fn showing(self, screen: String) -> Self {
        Self { screen: Some(screen), ..self }
    }

    /// The addresses that clients reach, with the ports that the kernel chose.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listening.iter().map(|(_, bound)| &bound.actual)
    }

    /// Where health and admin listen, with the ports that the kernel chose.
    #[must_use]
    pub fn side_doors(&self) -> (Option<&Address>, Option<&Address>) {
        (
            self.health.as_ref().map(|bound| &bound.actual),
            self.admin.as_ref().map(|bound| &bound.actual),
        )
    }

    /// The generation in force.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.shared.current.load_full()
    }
}

impl Generation {
    /// `config` and what is shared by its workers. Identities confirmed under `before` count on where
    /// nothing that they depend on has changed.
    ///
    /// # Errors
    /// When the system gives no thread or no randomness to what `[usergrid]` needs.
    pub(crate) fn new(
        config: Config,
        origin: StoreOrigin,
        before: Option<&Self>,
    ) -> io::Result<Self> {
        let kept = before.filter(|before| {
            before.config.store == config.store
                && before.config.tokens == config.tokens
                && before.config.secrets == config.secrets
                && before.config.usergrid == config.usergrid
        });
        let near = match (kept, before) {
            (Some(kept), _) => kept.near.clone(),
            // The fences outlive the cache: a store's connection that is kept moves those.
            (None, Some(before)) => {
                before.near.fences().bump_all();
                NearCache::new(&config.tokens, before.near.shared_fences())
            }
            (None, None) => NearCache::new(&config.tokens, Arc::new(Fences::new())),
        };
        let scheme = match (&config.tokens.foreign, &config.usergrid) {
            (Some(layout), _) => Scheme::Foreign(Arc::new(layout.clone())),
            (None, Some(_)) => Scheme::Tenants(Keyring::new(&config.secrets)),
            (None, None) => Scheme::Own(Keyring::new(&config.secrets)),
        };
        let directory = match (&config.usergrid, kept) {
            (None, _) => None,
            (Some(_), Some(Self { directory: Some(directory), .. })) => Some(directory.clone()),
            (Some(settings), _) => Some(DirectoryOrigin::new(
                settings,
                &config.tokens,
                &config.secrets,
                near.shared_fences(),
                before.and_then(|before| before.directory.as_ref()),
            )?),
        };
        let before_tls = before.and_then(|before| before.tls.as_deref());
        let tls = config.tls.as_ref().map(|settings| tls::Server::new(settings, before_tls));
        let tls = tls.transpose().map_err(io::Error::other)?.map(Arc::new);
        let rosters = rosters(&config, before);
        Ok(Self { config: Arc::new(config), origin, near, scheme, directory, tls, rosters })
    }
}

/// What is known of the servers of each backend. Where its table is as it was, all goes on; where it is not, whatever
/// server stays.
fn rosters(config: &Config, before: Option<&Generation>) -> Vec<Arc<Roster>> {
    let roster = |settings: &Backend| {
        let known = before.and_then(|before| {
            let all = before.config.backends.iter().zip(&before.rosters);
            all.into_iter().find(|(known, _)| known.name == settings.name)
        });
        match known {
            Some((known, roster)) if known == settings => Arc::clone(roster),
            Some((_, roster)) => Roster::new(settings, Some(roster)),
            None => Roster::new(settings, None),
        }
    };
    config.backends.iter().map(roster).collect()
}

fn start_workers(
    shared: &Arc<Shared>,
    metrics: &Metrics,
    sink: &AccessSink,
    workers: usize,
    connections_max: usize,
) -> io::Result<(Arc<Crew>, Vec<WorkerHandle>)> {
    let cells = (0..workers).map(|_| metrics.worker()).collect();
    server::start(shared, cells, sink, connections_max)
}

/// The cgroup's cores: what the scheduler gives us.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)
}

/// Raises the soft limit of open files to the hard one, and returns it.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    limit.current.unwrap_or(1 << 20)
}

/// Each client connection may need an upstream one beside it.
fn connections_max(config: &Config, descriptors: u64) -> usize {
    let room = descriptors.saturating_sub(DESCRIPTORS_KEPT) / 2;
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    config.limits.connections.map_or(room, |wanted| wanted.min(room))
}
