//! What a request costs: Tollgate beside nginx, HAProxy, Caddy and a bare hyper proxy, in one run.
//!
//! The figure to steer by is CPU time per request: user and system time of all processes and threads
//! of a proxy, divided by the requests that it completed. All proxies of a scenario run all the time; the
//! load goes to one after the other, over several rounds, so that a noisy machine disturbs all of them
//! alike. Every shot is the same number of requests.
//!
//! Run it with `make bench`. By environment: `SCENARIO` (names of [`scenario::ALL`] with commas between,
//! or `all`), `ROUNDS` (5), `SECONDS` (2: nominal length of a shot), `TOKENS` (most tokens of a
//! scenario), `TOLLGATE` (another binary than that of this build), `BEFORE` (an older one, to stand beside
//! it). Loopback only; every process that it starts ends with it.

mod backend;
mod certificate;
mod count;
mod fleet;
mod load;
mod memory;
#[path = "../../examples/tollgate-sim/model.rs"]
mod model;
mod page;
mod passthrough;
mod peers;
mod process;
mod report;
mod scenario;
mod tokens;
mod versions;

use std::{env, error::Error, process::ExitCode};

use load::Target;
use peers::Peers;
use report::{Row, Table};
use scenario::{Caller, Scenario, Way};

/// Any failure: it is shown, and the bench ends.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["role", "tied", program, arguments @ ..] => process::become_tied(program, arguments),
        ["role", "backend", port] => backend::serve(port),
        ["role", "echo", port] => backend::echo(port),
        ["role", "passthrough", port, backend] => passthrough::serve(port, backend),
        // `cargo test --all-targets` starts benches too; it is not what it wants to wait for.
        words if !words.contains(&"--bench") => Ok(()),
        ["instructions", ..] => count::instructions(env::var("SCENARIO").ok().as_deref()),
        ["fleet", ..] => fleet::run(),
        ["syscalls", ..] => count::system_calls(),
        ["page", ..] => page::write(),
        _ => run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All scenarios that were asked for; what fails in one does not spare the others.
fn run() -> Outcome<()> {
    let rounds = number("ROUNDS", 5, 50)?;
    let seconds = seconds()?;
    let tokens = usize::try_from(number("TOKENS", 1_000_000, 10_000_000)?)?;
    process::raise_descriptors()?;
    let mut failed = Vec::new();
    for mut scenario in scenario::chosen(env::var("SCENARIO").ok().as_deref())? {
        if let Caller::Many(wanted) = scenario.caller {
            scenario.caller = Caller::Many(wanted.min(tokens));
        }
        if let Err(error) = measure(&scenario, rounds, seconds) {
            eprintln!("bench: {}: {error}", scenario.name);
            failed.push(scenario.name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

/// One scenario: starts its peers, and asks one after the other.
fn measure(scenario: &Scenario, rounds: u64, seconds: f64) -> Outcome<()> {
    let peers = Peers::start(scenario, std::thread::available_parallelism()?.get())?;
    let mut rows: Vec<Row> = peers.all.iter().map(|peer| Row::new(peer.kind.name())).collect();
    let kept = matches!(scenario.way, Way::Rest | Way::Hold | Way::Fill);
    let requests = (scenario.second as f64 * seconds) as u64;
    for peer in &peers.all {
        let target = Target::new(&peers, peer, scenario, 1);
        if scenario.way != Way::Rest {
            load::check(&target, peer.kind.name(), scenario.wire.is_http2())?;
        }
        if !kept {
            load::fire(&peers, peer, scenario, requests)?;
        }
    }
    // Memory is what was taken once: it would not be taken again in another round.
    for round in 0..if kept { 1 } else { rounds } {
        for turn in 0..rows.len() {
            // Another one begins each round: whoever comes after a pause is at no advantage.
            let index = (turn + usize::try_from(round)?) % rows.len();
            let peer = &peers.all[index];
            let shot = if kept {
                memory::measure(&peers, peer, scenario)?
            } else {
                load::fire(&peers, peer, scenario, requests)?
            };
            let name = format!("{} {}/{rounds}", scenario.name, round + 1);
            match shot.get("cpu_us") {
                Some(cpu) => eprintln!("{name:<16} {:<16} {cpu:8.2} µs/request", peer.kind.name()),
                None => eprintln!("{name:<16} {:<16} {shot:?}", peer.kind.name()),
            }
            rows[index].add(shot);
        }
    }
    let name = scenario.name.to_owned();
    let about = match scenario.caller {
        Caller::Many(tokens) => format!("{} ({tokens} tokens)", scenario.about),
        Caller::Nobody
        | Caller::One
        | Caller::IllFormed
        | Caller::Forged
        | Caller::Expired
        | Caller::User => scenario.about.to_owned(),
    };
    let requests = if kept { 0 } else { requests };
    let versions = versions::all();
    Table { scenario: name, about, requests, versions, rows }.publish()
}

/// Nominal seconds of a shot; a part of one is enough to see that everything runs.
fn seconds() -> Outcome<f64> {
    let Ok(text) = env::var("SECONDS") else { return Ok(2.0) };
    match text.parse() {
        Ok(seconds) if (0.01..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err(format!("SECONDS={text}: from 0.01 to 60").into()),
    }
}

/// A number from the environment, within what the bench may take.
fn number(name: &str, default: u64, max: u64) -> Outcome<u64> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    match text.parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        _ => Err(format!("{name}={text}: a number from 1 to {max}").into()),
    }
}
