//! The load: a fixed number of requests, every answer of which is looked at.
//!
//! HTTP/2 is asked by `h2load`. The rest is asked by a client of the bench's own: no common one shows
//! another token with each request, opens a new TLS connection for each, echoes over WebSockets and
//! counts latencies from when a request was due, and one client for all is one cost for all.

mod conversation;
mod h2load;
mod paced;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::ClientConfig;

pub(crate) use self::{conversation::Connection, paced::Client};

use crate::{
    Outcome,
    peers::{Peer, Peers},
    scenario::{Scenario, Way},
    tokens::{self, Credentials},
};

/// Threads of the client: what wrk and h2load are commonly given on such a machine.
const THREADS: usize = 2;

/// Requests of all shots so far.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// The figures of one peer in one round, by name.
pub(crate) type Shot = BTreeMap<&'static str, f64>;

/// What requests look like, and what their answers have to be.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) path: &'static str,
    pub(crate) credentials: Arc<Credentials>,
    /// Up to the credential.
    head: Vec<u8>,
    /// What follows it, the body included.
    tail: Vec<u8>,
    pub(crate) status: u16,
    /// Bytes of an answer's body; refusals have what they like.
    pub(crate) length: Option<usize>,
    pub(crate) echo: bool,
}

/// A client's bytes in a WebSocket: a whole frame of 64 bytes, masked with zeros.
pub(crate) const FRAME: [u8; 70] = {
    let mut frame = [b'x'; 70];
    (frame[0], frame[1]) = (0x82, 0x80 | 64);
    (frame[2], frame[3], frame[4], frame[5]) = (0, 0, 0, 0);
    frame
};

impl Asked {
    /// The requests of a scenario.
    pub(crate) fn new(scenario: &Scenario, credentials: Arc<Credentials>) -> Self {
        let (method, path) = (if scenario.sends == 0 { "GET" } else { "POST" }, scenario.path);
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n"
        );
        let mut tail = String::new();
        if !matches!(*credentials, Credentials::None) {
            head.push_str("Authorization: Bearer ");
            tail.push_str("\r\n");
        }
        let echo = scenario.way == Way::Echo;
        if echo {
            tail.push_str(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            );
        }
        if scenario.sends > 0 {
            tail.push_str(&format!("Content-Length: {}\r\n", scenario.sends));
        }
        tail.push_str("\r\n");
        let mut tail = tail.into_bytes();
        tail.resize(tail.len() + scenario.sends, b'x');
        let length = match scenario.status {
            200 if path.ends_with("large") => Some(1 << 20),
            200 => Some(1 << 10),
            101 => Some(0),
            _ => None,
        };
        let (head, status) = (head.into_bytes(), scenario.status);
        Self { path, credentials, head, tail, status, length, echo }
    }

    /// Makes the request `number`.
    pub(crate) fn request(&self, number: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.head);
        self.credentials.append(number, out);
        out.extend_from_slice(&self.tail);
    }
}

/// What a client has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Microseconds of each good answer.
    pub(crate) latencies: Vec<u32>,
    pub(crate) errors: u64,
    /// What the first error said.
    pub(crate) first: Option<String>,
}

impl Seen {
    pub(crate) fn good(&mut self, took: Duration) {
        self.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn bad(&mut self, error: &dyn std::fmt::Display) {
        self.errors += 1;
        self.first.get_or_insert_with(|| error.to_string());
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.first = self.first.take().or(other.first);
    }

    /// The latency that this part of the answers did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (last as f64 * part).round() as usize;
        self.latencies.get(place).map_or(f64::NAN, |&micros| f64::from(micros) / 1e3)
    }
}

/// Where a load goes, and how much of it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) asked: Arc<Asked>,
    pub(crate) port: u16,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) connections: usize,
    /// Whether each request has a connection of its own.
    pub(crate) anew: bool,
    pub(crate) requests: u64,
    /// The number of the first of them: those that are never to come twice differ between shots.
    pub(crate) first: u64,
}

impl Target {
    pub(crate) fn new(peers: &Peers, peer: &Peer, scenario: &Scenario, requests: u64) -> Self {
        Self {
            asked: Arc::clone(&peer.asked),
            port: peer.port,
            tls: scenario.wire.is_tls().then(|| Arc::clone(&peers.tls)),
            connections: scenario.connections,
            anew: scenario.way == Way::Anew,
            requests,
            first: ASKED.fetch_add(requests, Ordering::Relaxed),
        }
    }
}

/// Sends `requests` to a peer, and says what they cost it.
pub(crate) fn fire(
    peers: &Peers,
    peer: &Peer,
    scenario: &Scenario,
    requests: u64,
) -> Outcome<Shot> {
    let target = Target::new(peers, peer, scenario, requests);
    let mut before = None;
    let start = || -> Outcome<()> {
        let now = Instant::now();
        before = Some((
            peer.process.cpu()?,
            peers.redis.cpu()?,
            tokens::lookups(peers.redis_port)?,
            now,
        ));
        Ok(())
    };
    let mut seen = match scenario.way {
        Way::Paced(rate) => paced::run(&target, rate, start)?,
        Way::Again | Way::Anew | Way::Echo if scenario.wire.is_http2() => {
            h2load::run(&target, start)?
        }
        Way::Again | Way::Anew | Way::Echo | Way::Rest | Way::Hold | Way::Fill => {
            run(&target, start)?
        }
    };
    let (cpu, redis, lookups, started) = before.ok_or("the load has not begun")?;
    let took = started.elapsed();
    let done = requests.saturating_sub(seen.errors).max(1) as f64;
    let per_request = |time: Duration| time.as_secs_f64() * 1e6 / done;
    let cpu = per_request(peer.process.cpu()?.saturating_sub(cpu));
    let helper = per_request(peers.redis.cpu()?.saturating_sub(redis));
    let lookups = tokens::lookups(peers.redis_port)?.saturating_sub(lookups) as f64 / done;
    if let Some(first) = &seen.first {
        eprintln!("{}: {} errors, the first: {first}", peer.kind.name(), seen.errors);
    }
    seen.latencies.sort_unstable();
    Ok(Shot::from([
        ("cpu_us", cpu),
        ("helper_us", helper),
        ("total_us", cpu + helper),
        ("lookups", lookups),
        ("per_second", done / took.as_secs_f64()),
        ("p50_ms", seen.percentile(0.50)),
        ("p99_ms", seen.percentile(0.99)),
        ("errors", seen.errors as f64),
    ]))
}

/// Opens all connections, calls `start`, and then lets all ask until there were enough requests.
pub(crate) fn run(target: &Target, start: impl FnOnce() -> Outcome<()>) -> Outcome<Seen> {
    let threads = THREADS.min(target.connections);
    let (gate, numbers) = (Barrier::new(threads + 1), Arc::new(AtomicU64::new(0)));
    thread::scope(|scope| {
        let asking: Vec<_> = (0..threads)
            .map(|index| {
                let share = target.connections / threads
                    + usize::from(index < target.connections % threads);
                let (gate, numbers) = (&gate, &numbers);
                scope.spawn(move || conversation::run(target, share, gate, numbers))
            })
            .collect();
        gate.wait(); // all are connected
        let started = start();
        gate.wait();
        let mut seen = Seen::default();
        for thread in asking {
            seen.join(thread.join().map_err(|_| "a thread of the client panicked")??);
        }
        started.map(|()| seen)
    })
}

/// Longest wait for a first good answer.
const FIRST: Duration = Duration::from_secs(30);

/// Asks until a peer answers as it should, since its connection to the store is made beside its first
/// requests. A peer that refuses, or gives another answer, must not look fast.
pub(crate) fn check(target: &Target, name: &str, http2: bool) -> Outcome<()> {
    let mut target = target.clone();
    (target.connections, target.requests) = (1, 1);
    let given_up = Instant::now() + FIRST;
    loop {
        let seen = match http2 {
            true => h2load::run(&target, || Ok(())),
            false => run(&target, || Ok(())),
        };
        let error = match seen.map(|seen| seen.first) {
            Ok(None) => return Ok(()),
            Ok(Some(first)) => first,
            Err(error) => error.to_string(),
        };
        if Instant::now() > given_up {
            return Err(format!("{name} does not answer as it should: {error}").into());
        }
        thread::sleep(Duration::from_millis(100));
    }
}
