//! What a request is served with: the configuration in force, and what one worker has made of it.
//!
//! A [`Generation`] is immutable and shared; a worker notices a new one by one pointer comparison per
//! request and builds its own [`State`] from it. A request keeps the state it began with.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::{ArcSwap, Cache};
use http::HeaderValue;
use tokio::task::spawn_local;

use super::{guess::Guesses, id::RequestIds, lasting::Lasting};
use crate::{
    auth::{
        credential::Sources,
        near::NearCache,
        resolve::{Resolver, Scheme},
    },
    config::{self, AccessLog, Config},
    directory::DirectoryOrigin,
    request::{RequestPolicy, path::CanonicalPath},
    store::{LinkEvent, NODE_AWAY, Store, StoreOrigin},
    telemetry::{
        log::{AccessSink, Level, event},
        metrics::WorkerMetrics,
    },
    tls,
    upstream::{Roster, Upstream},
    usergrid::{self, Office},
    wire::Ready,
};

/// One loaded configuration and what all workers share of it.
pub struct Generation {
    /// The file, checked.
    pub config: Arc<Config>,
    /// Where records live; the same value across reloads that leave `store` alone.
    pub origin: StoreOrigin,
    /// Identities confirmed lately.
    pub near: NearCache,
    /// Which tokens there are.
    pub scheme: Scheme,
    /// With `[usergrid]`.
    pub directory: Option<DirectoryOrigin>,
    /// With `[tls]`: what handshakes are made with.
    pub tls: Option<Arc<tls::Server>>,
    /// What is known of the servers of each backend, in the order of the configuration.
    pub rosters: Vec<Arc<Roster>>,
}

impl Generation {
    /// A worker's connection to the store. What it loses or regains makes every cached identity be
    /// asked for again. Call it on the runtime that is to own the connection.
    #[must_use]
    pub fn attach(&self) -> Store {
        self.origin.attach(&self.near.shared_fences(), |_| {})
    }

    /// The same for the control thread, which tells the operator what becomes of the store.
    #[must_use]
    pub fn attach_aloud(&self) -> Store {
        self.origin.attach(&self.near.shared_fences(), |event| tell(&event))
    }
}

fn tell(link: &LinkEvent) {
    match link {
        LinkEvent::Up { facts } => event(Level::Info, "the store is connected", &[("is", facts)]),
        LinkEvent::Lost { cause } => {
            let effect = "public routes work; others are 503 until it is back";
            event(Level::Warn, "the store is lost", &[("error", cause), ("effect", &effect)]);
        }
        LinkEvent::NodeLost { cause } => {
            let what = "a node of the store is lost";
            event(Level::Warn, what, &[("error", cause), ("effect", &NODE_AWAY)]);
        }
    }
}

/// What all workers see of the process.
pub struct Shared {
    /// The generation in force.
    pub current: Arc<ArcSwap<Generation>>,
    /// Set at SIGTERM: answers close their connections.
    pub draining: AtomicBool,
    /// Unknown tokens per address.
    pub guesses: Guesses,
    /// How many workers share pools and connections.
    pub workers: usize,
    /// Most tunnels of one worker: its share of the connections that there may be. Each tunnel holds one to a
    /// backend, and over HTTP/2 a client's connection may begin a hundred.
    pub tunnels_max: AtomicUsize,
}

impl Shared {
    /// The limit that follows from so many connections.
    pub fn set_connections_max(&self, max: usize) {
        self.tunnels_max.store(max.div_ceil(self.workers.max(1)), Relaxed);
    }
}

/// One worker's door to everything a request needs.
pub struct Gate {
    /// The process.
    pub shared: Arc<Shared>,
    current: RefCell<Cache<Arc<ArcSwap<Generation>>, Arc<Generation>>>,
    state: RefCell<Rc<State>>,
    /// This worker's counts.
    pub metrics: Arc<WorkerMetrics>,
    /// This worker's end of the access log.
    pub access: RefCell<AccessSink>,
    /// Request ids.
    pub ids: RequestIds,
    /// What is judged again while it lasts.
    pub(crate) lasting: Lasting,
    /// Tunnels of this worker.
    tunnels: Rc<Cell<usize>>,
}

/// A tunnel's place among those that there may be, for as long as it lives.
pub(super) struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One worker's view of one generation.
pub struct State {
    generation: Arc<Generation>,
    /// The configuration.
    pub config: Arc<Config>,
    pub(super) policy: RequestPolicy,
    pub(super) sources: Sources,
    pub(super) resolver: Resolver,
    pub(super) backends: Vec<Backend>,
    /// With `[usergrid]`: what answers the platform's own endpoints.
    pub(super) office: Option<Office>,
    /// The identity fields of whoever is nobody, made at their first use.
    pub(super) nobody: Nobody,
}

/// Identity fields without a principal; `None` when they cannot be sent.
pub(super) type Nobody = OnceCell<Option<Rc<Ready>>>;

/// A backend, its pool, and what its requests need that can be made once.
pub(super) struct Backend {
    pub(super) settings: config::Backend,
    pub(super) upstream: Rc<Upstream>,
    pub(super) strip: Option<CanonicalPath>,
    pub(super) host: HeaderValue,
}

impl Gate {
    /// Builds a worker's gate. Call it on the worker's runtime: the store's connection lives there.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(
        shared: Arc<Shared>,
        metrics: Arc<WorkerMetrics>,
        access: AccessSink,
    ) -> Result<Rc<Self>, getrandom::Error> {
        let mut current = Cache::new(Arc::clone(&shared.current));
        let state = State::build(Arc::clone(current.load()), None, shared.workers, &metrics);
        Ok(Rc::new(Self {
            current: RefCell::new(current),
            state: RefCell::new(Rc::new(state)),
            shared,
            metrics,
            access: RefCell::new(access),
            ids: RequestIds::new()?,
            lasting: Lasting::default(),
            tunnels: Rc::default(),
        }))
    }

    /// The state of the moment.
    pub fn state(&self) -> Rc<State> {
        let mut cache = self.current.borrow_mut();
        let generation = cache.load();
        let mut state = self.state.borrow_mut();
        if !Arc::ptr_eq(generation, &state.generation) {
            let next = State::build(
                Arc::clone(generation),
                Some(&state),
                self.shared.workers,
                &self.metrics,
            );
            *state = Rc::new(next);
        }
        Rc::clone(&state)
    }

    /// A place for one more tunnel, unless there are as many as there may be.
    pub(super) fn place_of_tunnel(&self) -> Option<Place> {
        let open = self.tunnels.get();
        (open < self.shared.tunnels_max.load(Relaxed)).then(|| {
            self.tunnels.set(open + 1);
            Place(Rc::clone(&self.tunnels))
        })
    }

    /// Whether answers should close their connections.
    pub fn draining(&self) -> bool {
        self.shared.draining.load(Relaxed)
    }

    /// The work of each tick: backends, what lasts, buffered access lines, a new generation. Returns
    /// whether requests have had to wait for a backend's connection.
    pub fn tick(&self, now: std::time::Instant) -> bool {
        let (mut pressed, state) = (false, self.state());
        self.metrics.set_tunnels(self.lasting.tick(&state, now));
        for backend in &state.backends {
            backend.upstream.tick(now);
            pressed |= backend.upstream.is_pressed();
        }
        let crowd = state.store().crowd();
        self.metrics.set_crowd(crowd.asking, crowd.waiting, crowd.refused);
        for token in state.resolver.take_due() {
            let state = Rc::clone(&state);
            // It ends within the store's deadline.
            spawn_local(async move { state.resolver.renew(&token).await });
        }
        self.access.borrow_mut().flush();
        pressed
    }
}

impl State {
    /// Makes a worker's view of `generation`, keeping the pools and the store connection of
    /// `before` that are still right.
    fn build(
        generation: Arc<Generation>,
        before: Option<&Self>,
        workers: usize,
        metrics: &Arc<WorkerMetrics>,
    ) -> Self {
        let config = Arc::clone(&generation.config);
        let store = before
            .filter(|before| before.config.store == config.store)
            .map_or_else(|| generation.attach(), |before| before.resolver.store().clone());
        let mut pools: HashMap<&str, &Rc<Upstream>> = before
            .iter()
            .flat_map(|before| &before.backends)
            .map(|backend| (backend.settings.name.as_str(), &backend.upstream))
            .collect();
        let backends = config
            .backends
            .iter()
            .zip(&generation.rosters)
            .map(|(settings, roster)| {
                let known = pools.remove(settings.name.as_str());
                let kept = known.filter(|upstream| upstream.settings() == settings);
                let upstream = kept.map_or_else(
                    || {
                        Upstream::new(
                            settings.clone(),
                            roster,
                            workers,
                            known.map(|known| &**known),
                        )
                    },
                    Rc::clone,
                );
                Backend::new(settings.clone(), upstream, &config)
            })
            .collect();
        let directory = generation.directory.as_ref().map(|origin| origin.attach(store.clone()));
        let office = match (&directory, &generation.scheme) {
            (Some(directory), Scheme::Tenants(keyring)) => {
                Some(Office::new(directory.clone(), keyring.clone()))
            }
            _ => None,
        };
        let sources = Sources::new(config.tokens.from.clone());
        let resolver = Resolver::new(generation.scheme.clone(), generation.near.clone(), store)
            .counted(Arc::clone(metrics));
        Self {
            policy: config.request_policy(),
            sources: if office.is_some() { sources.of_usergrid() } else { sources },
            resolver: resolver.over(directory),
            backends,
            office,
            nobody: Nobody::new(),
            config,
            generation,
        }
    }

    /// The function that `?callback=` names, where `[usergrid] jsonp` honours it.
    pub(super) fn callback(&self, query: Option<&str>) -> Option<String> {
        self.config.usergrid.as_ref().filter(|usergrid| usergrid.jsonp)?;
        usergrid::callback(query?)
    }

    /// Whether access lines are written at all.
    pub(super) fn logs(&self) -> bool {
        self.config.log != AccessLog::Off
    }

    /// What TLS handshakes are made with.
    pub fn tls(&self) -> Option<Arc<tls::Server>> {
        self.generation.tls.clone()
    }

    /// The worker's connection to the store.
    pub fn store(&self) -> &Store {
        self.resolver.store()
    }

    /// The pools, the file's `backend` first.
    pub fn upstreams(&self) -> impl Iterator<Item = &Rc<Upstream>> {
        self.backends.iter().map(|backend| &backend.upstream)
    }
}

impl Backend {
    pub(super) fn new(settings: config::Backend, upstream: Rc<Upstream>, config: &Config) -> Self {
        let strip = settings.strip.as_deref();
        let strip = strip.and_then(|prefix| CanonicalPath::parse(prefix, &config.paths).ok());
        let host = settings.servers[0].authority();
        let host =
            HeaderValue::try_from(host).unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self { settings, upstream, strip, host }
    }
}
