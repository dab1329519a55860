//! What a fleet of gateways asks of its store, reckoned request by request with the very tables that the
//! gateways keep their callers in, on a clock that only the model moves.
//!
//! What it leaves out: tokens that are issued or revoked meanwhile, restarts, and a load that comes in
//! waves. What it needs is the popularity of tokens, which nobody knows better than an operator's log.

use foldhash::quality::{FixedState, RandomState};
use tollgate::cache::Table;

/// Callers and principals that a worker remembers at most (`auth::hot`, `auth::owners`).
const WORKER_MOST: usize = 16_384;

/// The part of a life by which lives differ, and in whose last one whatever is used is asked for ahead
/// (`auth::confirmed`).
const PART: f64 = 0.1;

/// The part of a life for which a principal that was read counts for another token (`auth::owners`).
const PRINCIPAL_PART: f64 = 0.5;

/// What each connection to a Redis asks of it in a second, whether or not anybody asks for tokens: 2.5 `PING`,
/// and with each third of them four times `INFO` (`store::redis::link`).
const SIGNS: f64 = 2.5 + 2.5 / 3.0 * 4.0;

/// What each gateway asks in a second to measure how late it is told of a change (`store::redis::probe`), with
/// the signs of its control thread's own two connections.
const PROBES: f64 = 2.0 + 2.0 * SIGNS;

/// A fleet, and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Gateways, which share the load evenly.
    pub(crate) gateways: usize,
    /// Gateways that one token is shown to, evenly; all of them where a balancer knows no clients.
    pub(crate) spread: usize,
    /// Workers of each, which share its load evenly.
    pub(crate) workers: usize,
    /// Requests a second, over all gateways, that come when they like.
    pub(crate) rate: f64,
    /// Tokens that are in use.
    pub(crate) tokens: usize,
    /// Whose they are, each as many.
    pub(crate) principals: usize,
    /// Of Zipf's law: the token of rank `r` is asked for as often as `1 / r^skew` says; 0 is all alike.
    pub(crate) skew: f64,
    /// Seconds that a record counts without being asked for again: `near-cache.ttl` where the store tells of
    /// changes, `ttl-without-push` where it does not.
    pub(crate) ttl: f64,
    /// `near-cache.entries` of a gateway.
    pub(crate) entries: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Requests that were reckoned.
    pub(crate) requests: u64,
    /// Of these, what their worker knew.
    pub(crate) hot: u64,
    /// What another worker of their gateway knew.
    pub(crate) near: u64,
    /// Tokens that the store was asked for.
    pub(crate) tokens: u64,
    /// Principals that the store was asked for.
    pub(crate) principals: u64,
    /// Seconds that it stands for.
    pub(crate) seconds: f64,
    /// Commands a second that ask only how the store is.
    pub(crate) signs: f64,
}

impl Load {
    /// The part of requests that asked nobody.
    pub(crate) fn hits(&self) -> f64 {
        (self.hot + self.near) as f64 / self.requests.max(1) as f64
    }

    /// Look-ups that the store answers in a second.
    pub(crate) fn lookups(&self) -> f64 {
        (self.tokens + self.principals) as f64 / self.seconds
    }

    /// Commands of any kind that it answers in a second.
    pub(crate) fn commands(&self) -> f64 {
        self.lookups() + self.signs
    }
}

/// When something was read, and until when it counts.
#[derive(Clone, Copy)]
struct Known {
    read: f64,
    until: f64,
}

/// What a worker remembers; of principals when they were read.
struct Worker {
    callers: Table<u32, Known, RandomState>,
    principals: Table<u32, f64, RandomState>,
}

impl Fleet {
    /// Reckons `seconds` after `warm` seconds that count for nothing.
    pub(crate) fn run(&self, warm: f64, seconds: f64) -> Load {
        let mut random = Random::new(0);
        let popularity = self.popularity();
        let hasher = RandomState::default;
        let most = self.entries.min(WORKER_MOST);
        let worker = || Worker {
            callers: Table::new(most, hasher()),
            principals: Table::new(WORKER_MOST, hasher()),
        };
        let mut workers: Vec<Worker> =
            (0..self.gateways * self.workers).map(|_| worker()).collect();
        let mut near: Vec<Table<u32, Known, RandomState>> =
            (0..self.gateways).map(|_| Table::new(self.entries, hasher())).collect();
        // One to read over, and one for writes that replicas must have.
        let connections = (self.gateways * self.workers * 2) as f64;
        let mut load = Load {
            seconds,
            signs: connections * SIGNS + self.gateways as f64 * PROBES,
            ..Load::default()
        };
        let mut now = 0.0;
        loop {
            // Whoever does not know of the others comes at exponential distances.
            now += -(1.0 - random.part()).ln() / self.rate;
            if now > warm + seconds {
                return load;
            }
            let token = random.one_of(&popularity);
            let first = token as usize % self.gateways;
            let gateway = (first + random.below(self.spread)) % self.gateways;
            let worker = &mut workers[gateway * self.workers + random.below(self.workers)];
            let mut told = Told { now, part: random.part(), ahead: None };
            let found = self.ask(worker, &mut near[gateway], token, &mut told);
            if now > warm {
                load.count(found);
                told.ahead.into_iter().for_each(|principal| load.look_up(principal));
            }
        }
    }

    fn ask(
        &self,
        worker: &mut Worker,
        near: &mut Table<u32, Known, RandomState>,
        token: u32,
        told: &mut Told,
    ) -> Found {
        let now = told.now;
        let counts = |known: &Known| now < known.until;
        if let Some(known) = worker.callers.get(&token, counts).copied() {
            if known.until - now < self.ttl * PART {
                // Another worker may have: then its answer is taken over.
                match near.get(&token, counts).copied().filter(|other| other.read > known.read) {
                    Some(other) => worker.callers.put(token, other, counts),
                    None => told.ahead = Some(self.look_up(worker, near, token, told)),
                }
            }
            return Found::Hot;
        }
        if let Some(known) = near.get(&token, counts).copied() {
            worker.callers.put(token, known, counts);
            return Found::Near;
        }
        Found::Store { principal: self.look_up(worker, near, token, told) }
    }

    /// Whether the principal had to be asked for as well.
    fn look_up(
        &self,
        worker: &mut Worker,
        near: &mut Table<u32, Known, RandomState>,
        token: u32,
        told: &Told,
    ) -> bool {
        let now = told.now;
        let young = |read: &f64| now - read < self.ttl * PRINCIPAL_PART;
        let principal = token % self.principals.max(1) as u32;
        let kept = worker.principals.get(&principal, young).copied();
        if kept.is_none() {
            worker.principals.put(principal, now, young);
        }
        // What is made of two readings is as old as the older.
        let read = kept.unwrap_or(now);
        let known = Known { read, until: read + self.ttl * (1.0 - PART * told.part) };
        let counts = |known: &Known| now < known.until;
        near.put(token, known, counts);
        worker.callers.put(token, known, counts);
        kept.is_none()
    }

    /// How often one of the first so many tokens is asked for.
    pub(crate) fn popularity(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let mut until = |rank: usize| {
            sum += (rank as f64).powf(-self.skew);
            sum
        };
        let mut all: Vec<f64> = (1..=self.tokens).map(&mut until).collect();
        all.iter_mut().for_each(|until| *until /= sum);
        all
    }
}

/// The moment of a request, the die that is thrown for it, and what was asked for ahead because of it: whether
/// with its principal.
struct Told {
    now: f64,
    part: f64,
    ahead: Option<bool>,
}

enum Found {
    Hot,
    Near,
    Store { principal: bool },
}

impl Load {
    fn count(&mut self, found: Found) {
        self.requests += 1;
        match found {
            Found::Hot => self.hot += 1,
            Found::Near => self.near += 1,
            Found::Store { principal } => self.look_up(principal),
        }
    }

    fn look_up(&mut self, principal: bool) {
        self.tokens += 1;
        self.principals += u64::from(principal);
    }
}

/// Numbers that are the same in every run.
pub(crate) struct Random(FixedState, u64);

impl Random {
    /// Another row of numbers for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed), 0)
    }

    /// From 0 to below 1.
    pub(crate) fn part(&mut self) -> f64 {
        use std::hash::BuildHasher as _;
        self.1 += 1;
        (self.0.hash_one(self.1) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, many: usize) -> usize {
        ((self.part() * many as f64) as usize).min(many - 1)
    }

    /// A place in what [`Fleet::popularity`] gives.
    pub(crate) fn one_of(&mut self, popularity: &[f64]) -> u32 {
        let part = self.part();
        popularity.partition_point(|until| *until <= part).min(popularity.len() - 1) as u32
    }
}
