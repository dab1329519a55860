//! Every exported metric. Names are an interface: a test pins them.
//!
//! Each worker writes cells of its own (plain loads and stores, never contended); a scrape adds them
//! up. Labels come from closed lists of this program and from the configuration, never from a request.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use super::{
    instant::unix_ms,
    lags::{Cell, Lags},
};
use foldhash::fast::RandomState;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

/// Upper bounds of the duration histogram, seconds: from a refusal to a slow report.
const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Forwarded, or answered for the client (a preflight).
    Permit,
    /// Refused: the client's to mend.
    Deny,
    /// Failed: ours or the backend's to mend.
    Error,
}

const DECISIONS: [&str; 3] = ["permit", "deny", "error"];

/// Where the identity of a caller was found.
pub const LEVELS: [&str; 4] = ["hot", "near", "store", "grace"];

/// What became of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Certificates were looked at.
    Full,
    /// The client came back with a ticket.
    Resumed,
    /// The client's certificate is not good.
    ClientCertificate,
    /// The two sides have nothing in common, or one of them does not speak TLS well.
    Refused,
    /// The client speaks HTTP in clear text.
    PlainHttp,
    /// The client went away.
    Closed,
    /// The time for it was over, or the drain came.
    Unfinished,
}

const HANDSHAKES: [&str; 7] =
    ["full", "resumed", "client_certificate", "refused", "plain_http", "closed", "unfinished"];

/// One worker's counts.
#[derive(Debug)]
pub struct WorkerMetrics {
    words: HashMap<&'static str, usize, RandomState>,
    /// By reason, then decision.
    requests: Vec<[Cell; 3]>,
    would_deny: Vec<Cell>,
    /// By class of status, 1xx to 5xx.
    responses: [Cell; 5],
    durations: [Cell; BOUNDS.len() + 1],
    duration_us: Cell,
    lookups: [Cell; LEVELS.len()],
    near_hits: Cell,
    near_misses: Cell,
    handshakes: [Cell; HANDSHAKES.len()],
    /// Connections open now; other workers never write it either.
    connections: AtomicU64,
    /// Connections that have switched protocols.
    tunnels: AtomicU64,
    /// Look-ups at the store, those that wait for a turn, and those that got none.
    crowd: [AtomicU64; 3],
}

impl WorkerMetrics {
    fn new(words: &[&'static str]) -> Self {
        Self {
            words: words.iter().enumerate().map(|(index, word)| (*word, index)).collect(),
            requests: words.iter().map(|_| Default::default()).collect(),
            would_deny: words.iter().map(|_| Default::default()).collect(),
            responses: Default::default(),
            durations: Default::default(),
            duration_us: Cell::default(),
            lookups: Default::default(),
            near_hits: Cell::default(),
            near_misses: Cell::default(),
            handshakes: Default::default(),
            connections: AtomicU64::new(0),
            tunnels: AtomicU64::new(0),
            crowd: Default::default(),
        }
    }

    /// Counts a finished request. `status` 0: the client left before there was one.
    pub fn request(&self, decision: Decision, reason: &'static str, status: u16, took: Duration) {
        if let Some(index) = self.index(reason) {
            self.requests[index][decision as usize].add(1);
        }
        if let Some(class) = self.responses.get((status / 100).wrapping_sub(1) as usize) {
            class.add(1);
        }
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.durations[bucket].add(1);
        self.duration_us.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// `ok` is the first word, so that the usual case needs no look-up.
    fn index(&self, reason: &'static str) -> Option<usize> {
        if reason == "ok" { Some(0) } else { self.words.get(reason).copied() }
    }

    /// Counts a refusal that a rule in audit waived.
    pub fn would_deny(&self, reason: &'static str) {
        if let Some(index) = self.index(reason) {
            self.would_deny[index].add(1);
        }
    }

    /// Counts where an identity was found: an index into [`LEVELS`].
    pub fn lookup(&self, level: usize) {
        self.lookups[level].add(1);
    }

    /// Counts a look into the near cache, and whether anything that counts was there, good or bad.
    pub fn near(&self, found: bool) {
        if found { self.near_hits.add(1) } else { self.near_misses.add(1) }
    }

    /// Counts a TLS handshake.
    pub fn handshake(&self, result: Handshake) {
        self.handshakes[result as usize].add(1);
    }

    /// Sets how many tunnels this worker carries.
    pub fn set_tunnels(&self, open: usize) {
        self.tunnels.store(open as u64, Relaxed);
    }

    /// Sets how many of this worker's look-ups are at the store and wait for it, and how many were refused
    /// since the start.
    pub fn set_crowd(&self, asking: usize, waiting: usize, refused: u64) {
        for (cell, count) in self.crowd.iter().zip([asking as u64, waiting as u64, refused]) {
            cell.store(count, Relaxed);
        }
    }

    /// Sets how many connections this worker serves.
    pub fn set_connections(&self, open: usize) {
        self.connections.store(open as u64, Relaxed);
    }
}

/// What the process knows besides its workers' counts.
#[derive(Debug, Default)]
pub struct ProcessState {
    /// 1 while the store answers.
    pub store_up: AtomicU64,
    /// Entries of the near cache.
    pub near_entries: AtomicU64,
    /// How often something in it was made worthless.
    pub near_invalidations: AtomicU64,
    /// How long changes took to be told.
    pub revocation_lag: Lags,
    /// Reloads that took over, and those that were refused.
    pub reloads: [AtomicU64; 2],
    /// Access lines that could not be written.
    pub access_lines_dropped: Arc<AtomicU64>,
    /// When the configuration in force was loaded, seconds since the epoch.
    pub config_loaded_s: AtomicU64,
    /// Servers of backends, as they stand in the configuration.
    servers: Mutex<Vec<ServerState>>,
}

/// A server of a backend.
#[derive(Debug)]
pub struct ServerState {
    /// The backend's name.
    pub backend: String,
    /// Where it is.
    pub server: String,
    /// Whether it gets requests.
    pub up: bool,
}

impl ProcessState {
    /// Sets what is known of the servers of all backends.
    pub fn set_servers(&self, servers: Vec<ServerState>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }
}

/// All metrics of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    words: Arc<[&'static str]>,
    workers: Arc<Mutex<Vec<Arc<WorkerMetrics>>>>,
    /// What is not counted by workers.
    pub process: Arc<ProcessState>,
}

impl Metrics {
    /// `words`: every reason, `ok` first.
    #[must_use]
    pub fn new(words: Vec<&'static str>) -> Self {
        Self { words: words.into(), workers: Arc::default(), process: Arc::default() }
    }

    /// Cells for one more worker.
    #[must_use]
    pub fn worker(&self) -> Arc<WorkerMetrics> {
        let worker = Arc::new(WorkerMetrics::new(&self.words));
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&worker));
        worker
    }

    /// A configuration has taken over.
    pub fn loaded(&self, at: SystemTime) {
        let seconds = unix_ms(at).cast_unsigned() / 1000;
        self.process.config_loaded_s.store(seconds, Relaxed);
    }

    /// A reload has ended; `taken` says whether the new configuration is in force.
    pub fn reloaded(&self, taken: bool) {
        self.process.reloads[usize::from(!taken)].fetch_add(1, Relaxed);
    }

    /// The text of `/metrics` (OpenMetrics).
    #[must_use]
    pub fn scrape(&self) -> String {
        let mut registry = Registry::with_prefix("tollgate");
        registry.register_collector(Box::new(self.clone()));
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &registry);
        out
    }

    fn sum(&self, cell: impl Fn(&WorkerMetrics) -> u64) -> u64 {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(|worker| cell(worker)).sum()
    }

    fn encode_requests(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests finished, by decision and reason";
        let mut family = to.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for (index, reason) in self.words.iter().enumerate() {
            for (column, decision) in DECISIONS.iter().enumerate() {
                let count = self.sum(|worker| worker.requests[index][column].get());
                if count > 0 {
                    let labels = [("decision", *decision), ("reason", *reason)];
                    ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Refusals that a rule in audit waived";
        let mut family = to.encode_descriptor("would_deny", help, None, MetricType::Counter)?;
        for (index, reason) in self.words.iter().enumerate() {
            let count = self.sum(|worker| worker.would_deny[index].get());
            if count > 0 {
                ConstCounter::new(count).encode(family.encode_family(&[("reason", *reason)])?)?;
            }
        }
        let help = "Answers, by class of status";
        let mut family = to.encode_descriptor("responses", help, None, MetricType::Counter)?;
        for class in 0..5 {
            let count = self.sum(|worker| worker.responses[class].get());
            let label = ["1xx", "2xx", "3xx", "4xx", "5xx"][class];
            ConstCounter::new(count).encode(family.encode_family(&[("class", label)])?)?;
        }
        Ok(())
    }

    fn encode_lookups(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Callers identified, by where their identity was found";
        let mut family = to.encode_descriptor("identities", help, None, MetricType::Counter)?;
        for (index, level) in LEVELS.iter().enumerate() {
            let count = self.sum(|worker| worker.lookups[index].get());
            ConstCounter::new(count).encode(family.encode_family(&[("level", *level)])?)?;
        }
        Ok(())
    }

    fn encode_near(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let entries = self.process.near_entries.load(Relaxed);
        let help = "Entries of the near cache, those included that count no more";
        let encoder = to.encode_descriptor("near_cache_entries", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(entries).unwrap_or(i64::MAX)).encode(encoder)?;
        // A worker's own level is a part of it: what was found there was not looked for here.
        let hits = self.sum(|worker| worker.near_hits.get() + worker.lookups[0].get());
        let misses = self.sum(|worker| worker.near_misses.get());
        let invalidations = self.process.near_invalidations.load(Relaxed);
        for (name, help, count) in [
            ("near_cache_hits", "Credentials whose answer was near", hits),
            ("near_cache_misses", "Credentials that the store was asked about", misses),
            ("near_cache_invalidations", "Changes, told or made here", invalidations),
        ] {
            let encoder = to.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(encoder)?;
        }
        Ok(())
    }

    fn encode_handshakes(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "TLS handshakes of clients, by result";
        let mut family = to.encode_descriptor("tls_handshakes", help, None, MetricType::Counter)?;
        for (index, result) in HANDSHAKES.iter().enumerate() {
            let count = self.sum(|worker| worker.handshakes[index].get());
            ConstCounter::new(count).encode(family.encode_family(&[("result", *result)])?)?;
        }
        Ok(())
    }

    fn encode_durations(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds
            .enumerate()
            .map(|(index, bound)| (bound, self.sum(|worker| worker.durations[index].get())))
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        #[allow(clippy::cast_precision_loss, reason = "microseconds of a process fit 52 bits")]
        let seconds = self.sum(|worker| worker.duration_us.get()) as f64 / 1e6;
        to.encode_descriptor(
            "request_duration",
            "Time from a request's head to the end of its answer",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?
        .encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    /// Long-lived connections are few behind a mesh: here it shows whether every worker has its share.
    fn encode_worker_connections(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Client connections open now, by worker";
        let mut family =
            to.encode_descriptor("worker_connections", help, None, MetricType::Gauge)?;
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, worker) in workers.iter().enumerate() {
            let open = i64::try_from(worker.connections.load(Relaxed)).unwrap_or(i64::MAX);
            let labels = [("worker", index.to_string())];
            ConstGauge::new(open).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_servers(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 while the server of the backend gets requests";
        let mut family =
            to.encode_descriptor("backend_server_up", help, None, MetricType::Gauge)?;
        let servers = self.process.servers.lock().unwrap_or_else(PoisonError::into_inner);
        for ServerState { backend, server, up } in &*servers {
            let labels = [("backend", backend.as_str()), ("server", server.as_str())];
            ConstGauge::new(i64::from(*up)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_process(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = |to: &mut DescriptorEncoder<'_>, name, help, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            let encoder = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(encoder)
        };
        let connections = self.sum(|worker| worker.connections.load(Relaxed));
        gauge(to, "connections", "Client connections open now", connections)?;
        let tunnels = self.sum(|worker| worker.tunnels.load(Relaxed));
        gauge(to, "tunnels", "Connections that have switched protocols, open now", tunnels)?;
        self.encode_worker_connections(to)?;
        let crowd = |place: usize| self.sum(|worker| worker.crowd[place].load(Relaxed));
        let (asking, waiting, refused) = (crowd(0), crowd(1), crowd(2));
        gauge(to, "store_lookups", "Look-ups of credentials at the store now", asking)?;
        gauge(to, "store_lookups_waiting", "Look-ups that wait for a turn there", waiting)?;
        let help = "Look-ups that got no turn";
        let encoder =
            to.encode_descriptor("store_lookups_refused", help, None, MetricType::Counter)?;
        ConstCounter::new(refused).encode(encoder)?;
        let up = self.process.store_up.load(Relaxed);
        gauge(to, "store_up", "1 while the store answers", up)?;
        let loaded = self.process.config_loaded_s.load(Relaxed);
        gauge(to, "config_loaded_timestamp_seconds", "When the configuration took over", loaded)?;
        let help = "Reloads, by result";
        let mut family = to.encode_descriptor("reloads", help, None, MetricType::Counter)?;
        for (index, result) in ["ok", "refused"].into_iter().enumerate() {
            let count = self.process.reloads[index].load(Relaxed);
            ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
        }
        let help = "Access lines that could not be written";
        let encoder =
            to.encode_descriptor("access_lines_dropped", help, None, MetricType::Counter)?;
        ConstCounter::new(self.process.access_lines_dropped.load(Relaxed)).encode(encoder)?;
        let mut family =
            to.encode_descriptor("build_info", "The version that runs", None, MetricType::Gauge)?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_requests(&mut encoder)?;
        self.encode_lookups(&mut encoder)?;
        self.encode_near(&mut encoder)?;
        self.process.revocation_lag.encode(&mut encoder)?;
        self.encode_handshakes(&mut encoder)?;
        self.encode_durations(&mut encoder)?;
        self.encode_servers(&mut encoder)?;
        self.encode_process(&mut encoder)
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
