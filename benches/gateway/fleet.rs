//! A fleet of gateways on one Redis: what they ask it for, beside what the model of `tollgate-sim` says
//! that they do.
//!
//! By environment: `GATEWAYS` (3), `RATE` (requests a second over all of them, 2000), `TOKENS` (100000, of
//! which those of low rank are asked for most, by Zipf's law of exponent 1), `SECONDS` (30: of each run,
//! after as many as a record lives). Every gateway has one worker.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    load::{Asked, Client, Seen, Target},
    model::{Fleet, Load, Random},
    number,
    peers::Ground,
    process::{Process, free_port, tied},
    scenario::{self, Caller, Kind, Scenario, Way},
    tokens::{self, SECRET, SUBJECTS},
};

/// Of Zipf's law.
const SKEW: f64 = 1.0;

/// `near-cache.entries` by default.
const ENTRIES: usize = 100_000;

/// How long records count in a run, and what that stands for.
const RUNS: [(&str, u64); 3] = [
    ("as it is by default", 30),
    ("a store that tells of no changes", 1),
    ("nothing is remembered", 0),
];

/// One gateway of the fleet.
struct Member {
    process: Process,
    port: u16,
    health: u16,
}

/// What a run has taken so far.
struct Tally {
    at: Instant,
    redis: Duration,
    commands: u64,
    lookups: u64,
    gateways: Duration,
    hits: u64,
    identities: u64,
}

/// Runs the fleet once for each of [`RUNS`], and prints a table.
pub(crate) fn run() -> Outcome<()> {
    let gateways = usize::try_from(number("GATEWAYS", 3, 200)?)?;
    let rate = number("RATE", 2_000, 100_000)? as f64;
    let known = usize::try_from(number("TOKENS", 100_000, 10_000_000)?)?;
    let seconds = number("SECONDS", 30, 600)?;
    let mut scenario = scenario::chosen(Some("rand10k"))?.remove(0);
    // In a row: the number of a request is that of its token.
    (scenario.caller, scenario.way) = (Caller::Many(known), Way::Fill);
    println!("{gateways} gateways, {rate} requests/s, {known} tokens, Zipf {SKEW}\n");
    println!(
        "|records count for|hits %|model|look-ups/s|model|commands/s|model|Redis, % of a core|\
         gateways, % of a core|MiB each|p50 ms|p99 ms|errors|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for (about, ttl) in RUNS {
        let fleet = Fleet {
            gateways,
            spread: gateways,
            workers: 1,
            rate,
            tokens: known,
            principals: SUBJECTS,
            skew: SKEW,
            ttl: ttl as f64,
            entries: ENTRIES,
        };
        measure(&scenario, &fleet, &format!("{ttl} s: {about}"), ttl, seconds)?;
    }
    Ok(())
}

fn measure(scenario: &Scenario, fleet: &Fleet, about: &str, ttl: u64, seconds: u64) -> Outcome<()> {
    let ground = Ground::start(Way::Again)?;
    let folder = ground.folder.path();
    let redis = (&ground.redis.0, ground.redis.1);
    let credentials = Arc::new(tokens::make(scenario, redis.1, folder)?);
    let asked = Arc::new(Asked::new(scenario, credentials));
    let members = (0..fleet.gateways)
        .map(|index| Member::start(index, ttl, (ground.backend.1, redis.1), folder))
        .collect::<Outcome<Vec<_>>>()?;
    let clients = members
        .iter()
        .map(|member| Ok((Client::open(&member.target(&asked))?, Seen::default())))
        .collect::<io::Result<Vec<_>>>()?;
    let (warm, popularity) = (Duration::from_secs(ttl.max(1)), fleet.popularity());
    let begun = Instant::now() + Duration::from_millis(100);
    let (counted, ends) = (begun + warm, begun + warm + Duration::from_secs(seconds));
    let gate = Barrier::new(clients.len());
    let (before, after, mut seen) = thread::scope(|scope| {
        let (asked, popularity, gate) = (&asked, &popularity, &gate);
        let each = fleet.rate / fleet.gateways as f64;
        let asking: Vec<_> = (1_u64..)
            .zip(clients)
            .map(|(seed, (mut client, mut seen))| {
                scope.spawn(move || {
                    let (mut random, mut due) = (Random::new(seed), begun);
                    gate.wait();
                    while due < ends {
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let token = random.one_of(popularity);
                        match client.exchange(asked, token.into()) {
                            Ok(()) if due >= counted => seen.good(due.elapsed()),
                            Ok(()) => (),
                            // The connection is gone, and with it what it was to ask.
                            Err(error) => {
                                seen.bad(&error);
                                break;
                            }
                        }
                        due += Duration::from_secs_f64(-(1.0 - random.part()).ln() / each);
                    }
                    seen
                })
            })
            .collect();
        thread::sleep(counted.saturating_duration_since(Instant::now()));
        let before = tally(&members, redis)?;
        thread::sleep(ends.saturating_duration_since(Instant::now()));
        let after = tally(&members, redis)?;
        let mut all = Seen::default();
        for thread in asking {
            all.join(thread.join().map_err(|_| "a thread of the client panicked")?);
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((before, after, all))
    })?;
    let memory = members.iter().map(|member| member.process.memory()).sum::<Outcome<u64>>()?;
    let memory = memory as f64 / members.len() as f64 / f64::from(1 << 20);
    let model = fleet.run(ttl as f64, seconds as f64);
    seen.latencies.sort_unstable();
    row(about, (&before, &after), &model, memory, &seen);
    Ok(())
}

fn row(about: &str, (before, after): (&Tally, &Tally), model: &Load, memory: f64, seen: &Seen) {
    let took = (after.at - before.at).as_secs_f64();
    let a_second = |after: u64, before: u64| after.saturating_sub(before) as f64 / took;
    let share = |after: Duration, before: Duration| {
        after.saturating_sub(before).as_secs_f64() / took * 100.0
    };
    let hits = after.hits.saturating_sub(before.hits) as f64
        / after.identities.saturating_sub(before.identities).max(1) as f64;
    println!(
        "|{about}|{:.1}|{:.1}|{:.0}|{:.0}|{:.0}|{:.0}|{:.2}|{:.1}|{memory:.1}|{:.2}|{:.2}|{}|",
        hits * 100.0,
        model.hits() * 100.0,
        a_second(after.lookups, before.lookups),
        model.lookups(),
        a_second(after.commands, before.commands),
        model.commands(),
        share(after.redis, before.redis),
        share(after.gateways, before.gateways),
        seen.percentile(0.50),
        seen.percentile(0.99),
        seen.errors,
    );
    if let Some(first) = &seen.first {
        eprintln!("{about}: the first error: {first}");
    }
}

fn tally(members: &[Member], (redis, port): (&Process, u16)) -> Outcome<Tally> {
    let (mut gateways, mut hits, mut identities) = (Duration::ZERO, 0, 0);
    for member in members {
        gateways += member.process.cpu()?;
        for line in tokens::get(member.health, "/metrics")?.lines() {
            let Some(rest) = line.strip_prefix("tollgate_identities_total{level=\"") else {
                continue;
            };
            let Some((level, count)) = rest.split_once("\"} ") else { continue };
            let count: u64 = count.parse()?;
            identities += count;
            hits += if matches!(level, "hot" | "near") { count } else { 0 };
        }
    }
    let (at, redis) = (Instant::now(), redis.cpu()?);
    let (commands, lookups) = (tokens::commands(port)?, tokens::lookups(port)?);
    Ok(Tally { at, redis, commands, lookups, gateways, hits, identities })
}

impl Member {
    fn start(index: usize, ttl: u64, (backend, redis): (u16, u16), at: &Path) -> Outcome<Self> {
        let (port, health) = (free_port()?, free_port()?);
        let without_push = ttl.min(1);
        let text = format!(
            r#"
listen  = "127.0.0.1:{port}"
health  = "127.0.0.1:{health}"
backend = "http://127.0.0.1:{backend}"
store   = "redis://127.0.0.1:{redis}/0"
secret  = "{SECRET}"
workers = 1
[rules]
"* /orders/**" = "authenticated"
[log]
access = "off"
[tokens.near-cache]
ttl = "{ttl}s"
ttl-without-push = "{without_push}s"
"#
        );
        let file = at.join(format!("gateway{index}.toml"));
        fs::write(&file, text)?;
        let file = file.to_str().ok_or("the temporary folder is not UTF-8")?;
        let command = tied(&Kind::Tollgate.binary(), &["serve", "--config", file])?;
        Ok(Self { process: Process::start("gateway", command, port, at)?, port, health })
    }

    fn target(&self, asked: &Arc<Asked>) -> Target {
        let (asked, port) = (Arc::clone(asked), self.port);
        Target { asked, port, tls: None, connections: 1, anew: false, requests: 1, first: 0 }
    }
}
