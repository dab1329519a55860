//! What fails, how it is mended, and how long the gateway then needs to be whole.

use std::{
    io::Write as _,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    http::Connection,
    load::Load,
    model::{Excuse, Model},
    processes::{FAULTY, World},
};

/// How long after its mending a fault excuses a refusal: what the gateway promises.
const STORE_HEALS: Duration = Duration::from_secs(5);
const BACKEND_HEALS: Duration = Duration::from_secs(2);
/// Clients that are on their way when a gateway that was down is ready.
const GATEWAY_HEALS: Duration = Duration::from_secs(1);
/// Nothing needs so long.
const NEVER_WHOLE: Duration = Duration::from_secs(60);

const IDLE_CONNECTIONS: usize = 1_000;
const SLOW_CLIENTS: usize = 100;

/// A generator that gives the same row for the same seed, everywhere (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn shuffled<T: Copy>(&mut self, from: &[T]) -> Vec<T> {
        let mut deck = from.to_vec();
        for last in (1..deck.len()).rev() {
            deck.swap(last, usize::try_from(self.below(last as u64 + 1)).unwrap());
        }
        deck
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    RedisStopped,
    RedisKilled,
    RedisPaused,
    RedisReadOnly,
    RedisFull,
    RedisPassword,
    BackendKilled,
    BackendStopped,
    BackendResets,
    BackendHalves,
    BackendGarbage,
    BackendSlow,
    GatewayKilled,
    GatewayStopped,
    Reload,
    FaultyReload,
    IdleFlood,
    SlowClients,
}

impl Fault {
    pub(crate) const ALL: &[Self] = &[
        Self::RedisStopped,
        Self::RedisKilled,
        Self::RedisPaused,
        Self::RedisReadOnly,
        Self::RedisFull,
        Self::RedisPassword,
        Self::BackendKilled,
        Self::BackendStopped,
        Self::BackendResets,
        Self::BackendHalves,
        Self::BackendGarbage,
        Self::BackendSlow,
        Self::GatewayKilled,
        Self::GatewayStopped,
        Self::Reload,
        Self::FaultyReload,
        Self::IdleFlood,
        Self::SlowClients,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RedisStopped => "Redis held (SIGSTOP)",
            Self::RedisKilled => "Redis killed",
            Self::RedisPaused => "Redis answers nobody (CLIENT PAUSE)",
            Self::RedisReadOnly => "Redis read-only",
            Self::RedisFull => "Redis out of memory",
            Self::RedisPassword => "Redis wants a password",
            Self::BackendKilled => "backend killed",
            Self::BackendStopped => "backend held (SIGSTOP)",
            Self::BackendResets => "backend resets",
            Self::BackendHalves => "backend answers by half",
            Self::BackendGarbage => "backend answers garbage",
            Self::BackendSlow => "backend slow",
            Self::GatewayKilled => "gateway killed (SIGKILL)",
            Self::GatewayStopped => "gateway stopped (SIGTERM)",
            Self::Reload => "reload",
            Self::FaultyReload => "faulty reload",
            Self::IdleFlood => "flood of idle connections",
            Self::SlowClients => "slow clients",
        }
    }

    /// What it explains, and for how long after its mending.
    fn excuse(self) -> Option<(Excuse, Duration)> {
        match self {
            Self::RedisStopped | Self::RedisKilled | Self::RedisPaused | Self::RedisPassword => {
                Some((Excuse::Store, STORE_HEALS))
            }
            Self::RedisReadOnly | Self::RedisFull => Some((Excuse::Writes, STORE_HEALS)),
            Self::BackendKilled
            | Self::BackendStopped
            | Self::BackendResets
            | Self::BackendHalves
            | Self::BackendGarbage => Some((Excuse::Backend, BACKEND_HEALS)),
            Self::GatewayKilled => Some((Excuse::Killed, GATEWAY_HEALS)),
            Self::GatewayStopped => Some((Excuse::Stopped, GATEWAY_HEALS)),
            Self::BackendSlow
            | Self::Reload
            | Self::FaultyReload
            | Self::IdleFlood
            | Self::SlowClients => None,
        }
    }
}

/// Breaks, waits, mends, and measures until all is whole again.
pub(crate) fn run(
    fault: Fault,
    length: Duration,
    world: &mut World,
    model: &Model,
    _load: &Load,
) -> Outcome {
    if let Some((excuse, _)) = fault.excuse() {
        model.open(excuse, fault.name());
    }
    let held = breaks(fault, length, world);
    thread::sleep(length);
    let complaint = world.complaint();
    mends(fault, world, held);
    let mended = Instant::now();
    if let Some((excuse, heals)) = fault.excuse() {
        if matches!(excuse, Excuse::Killed | Excuse::Stopped) {
            world.wait_for_gateway();
        }
        model.close(fault.name(), Instant::now() + heals);
    }
    while !is_whole(world, model) {
        assert!(mended.elapsed() < NEVER_WHOLE, "never whole again after {}", fault.name());
        thread::sleep(Duration::from_millis(10));
    }
    let whole = mended.elapsed();
    if fault == Fault::GatewayKilled || fault == Fault::RedisKilled {
        model.check_all(world);
    }
    assert!(world.gateway.lives(), "the gateway has ended");
    Outcome { whole, complaint }
}

/// What a fault left behind.
pub(crate) struct Outcome {
    /// From the mending until everything was well.
    pub(crate) whole: Duration,
    /// What `/readyz` said shortly before the mending.
    pub(crate) complaint: Option<String>,
}

/// Clients of the fault's own, kept for as long as it lasts.
type Held = Vec<TcpStream>;

fn breaks(fault: Fault, length: Duration, world: &mut World) -> Held {
    match fault {
        Fault::RedisStopped => world.redis.signal(Signal::STOP),
        Fault::RedisKilled => world.redis.kill(),
        Fault::RedisPaused => {
            world.tell_redis(&[&["CLIENT", "PAUSE", &length.as_millis().to_string(), "ALL"]]);
        }
        Fault::RedisReadOnly => world.tell_redis(&[&["REPLICAOF", "127.0.0.1", "1"]]),
        Fault::RedisFull => world.tell_redis(&[&["CONFIG", "SET", "maxmemory", "1"]]),
        Fault::RedisPassword => world.tell_redis(&[
            &["CONFIG", "SET", "requirepass", "another"],
            &["CLIENT", "KILL", "TYPE", "normal"],
        ]),
        Fault::BackendKilled => world.backend.kill(),
        Fault::BackendStopped => world.backend.signal(Signal::STOP),
        Fault::BackendResets => world.tell_backend("reset"),
        Fault::BackendHalves => world.tell_backend("half"),
        Fault::BackendGarbage => world.tell_backend("garbage"),
        Fault::BackendSlow => world.tell_backend("slow"),
        Fault::GatewayKilled => world.gateway.kill(),
        Fault::GatewayStopped => {
            world.gateway.signal(Signal::TERM);
            world.gateway.ended();
        }
        Fault::Reload => world.reload(|text| format!("{text}\"GET /more/**\" = \"deny\"\n")),
        Fault::FaultyReload => world.reload(|_| FAULTY.to_owned()),
        Fault::IdleFlood => return connect(world, IDLE_CONNECTIONS, ""),
        Fault::SlowClients => {
            return connect(world, SLOW_CLIENTS, "GET /status HTTP/1.1\r\nHost: lo");
        }
    }
    Held::new()
}

/// Clients that say so much and no more.
fn connect(world: &World, count: usize, words: &str) -> Held {
    let client = || {
        let mut stream = TcpStream::connect(world.address).ok()?;
        stream.write_all(words.as_bytes()).ok()?;
        Some(stream)
    };
    (0..count).filter_map(|_| client()).collect()
}

fn mends(fault: Fault, world: &mut World, held: Held) {
    drop(held);
    match fault {
        Fault::RedisStopped => world.redis.signal(Signal::CONT),
        Fault::RedisKilled => world.redis.start(),
        Fault::RedisReadOnly => world.tell_redis(&[&["REPLICAOF", "NO", "ONE"]]),
        Fault::RedisFull => world.tell_redis(&[&["CONFIG", "SET", "maxmemory", "0"]]),
        Fault::RedisPassword => {
            world.tell_redis(&[&["AUTH", "another"], &["CONFIG", "SET", "requirepass", ""]]);
        }
        Fault::BackendKilled => world.backend.start(),
        Fault::BackendStopped => world.backend.signal(Signal::CONT),
        Fault::BackendResets
        | Fault::BackendHalves
        | Fault::BackendGarbage
        | Fault::BackendSlow => {
            world.tell_backend("well");
        }
        Fault::GatewayKilled | Fault::GatewayStopped => world.gateway.start(),
        Fault::Reload | Fault::FaultyReload => world.restore(),
        Fault::RedisPaused | Fault::IdleFlood | Fault::SlowClients => {}
    }
}

/// Whether a public path, a token that the store must be asked about, and `/readyz` are all well.
fn is_whole(world: &World, model: &Model) -> bool {
    let tokens = model.tokens();
    let Some(token) = tokens.iter().find(|token| token.is_live()) else { return true };
    let ask = |target: &str, token: Option<&str>| {
        let mut connection = Connection::tcp(world.address).ok()?;
        connection.ask("GET", target, token, "").ok().map(|answer| answer.status)
    };
    world.is_ready()
        && ask("/status", None) == Some(200)
        && ask("/orders/whole", Some(&token.text))
            .is_some_and(|status| status == 200 || !token.is_live())
}
