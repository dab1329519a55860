//! What a request costs: Tollgate beside nginx and a bare hyper proxy, in one run.
//!
//! The figure to steer by is CPU time per request: user and system time of all processes and threads
//! of a proxy, divided by the requests that it completed. All proxies run all the time; the load goes
//! to one after the other, over several rounds, so that a noisy machine disturbs all of them alike.
//!
//! Run it with `make bench`. By environment: `ROUNDS` (5), `SECONDS` (4, of each proxy in each round),
//! `SCENARIO`: `hot64` (one token, no access log), `log` (JSON access lines to a file), `public` (a
//! route without a credential) or `tenants` (a user's token, judged by the roles of its application).
//! Loopback only; every process that it starts ends with it.

mod backend;
mod load;
mod passthrough;
mod peers;
mod process;
mod report;
mod token;

use std::{env, error::Error, process::ExitCode, time::Duration};

use load::Shot;
use peers::Peers;
use report::Row;

/// Any failure: it is shown, and the bench ends.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Which requests are sent, and what is written about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// One token, which every worker knows; no access log.
    Hot64,
    /// The same with a JSON access log into a file.
    Log,
    /// A route that needs no credential; none is sent.
    Public,
    /// `[usergrid]`: the token of an application's user; no access log.
    Tenants,
}

impl Scenario {
    fn named(name: &str) -> Outcome<Self> {
        match name {
            "hot64" => Ok(Self::Hot64),
            "log" => Ok(Self::Log),
            "public" => Ok(Self::Public),
            "tenants" => Ok(Self::Tenants),
            _ => Err(format!("SCENARIO={name}: hot64, log, public or tenants").into()),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Hot64 => "hot64",
            Self::Log => "log",
            Self::Public => "public",
            Self::Tenants => "tenants",
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["role", "tied", program, arguments @ ..] => process::become_tied(program, arguments),
        ["role", "backend", port] => backend::serve(port),
        ["role", "passthrough", port, backend] => passthrough::serve(port, backend),
        // `cargo test --all-targets` starts benches too; it is not what it wants to wait for.
        words if !words.contains(&"--bench") => Ok(()),
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

fn run() -> Outcome<()> {
    let scenario = Scenario::named(&env::var("SCENARIO").unwrap_or("hot64".to_owned()))?;
    let rounds = number("ROUNDS", 5, 50)?;
    let seconds = number("SECONDS", 4, 60)?;
    let length = Duration::from_secs(seconds);
    let peers = Peers::start(scenario)?;
    let mut rows: Vec<Row> = peers.all().iter().map(|peer| Row::new(peer.name)).collect();
    for peer in peers.all() {
        load::check(peer)?;
        load::fire(peer, Duration::from_secs(1), peers.folder())?;
    }
    for round in 0..rounds {
        for turn in 0..rows.len() {
            // Another one begins each round: whoever comes after a pause is at no advantage.
            let index = (turn + usize::try_from(round)?) % rows.len();
            let peer = &peers.all()[index];
            let shot: Shot = load::fire(peer, length, peers.folder())?;
            eprintln!(
                "round {}/{rounds}  {:<13} {:6.2} µs/request  {:6.0} requests/s",
                round + 1,
                peer.name,
                shot.cpu_us(),
                shot.per_second()
            );
            rows[index].add(shot);
        }
    }
    report::print(&rows, scenario, rounds, seconds)
}

/// A number from the environment, within what the bench may take.
fn number(name: &str, default: u64, max: u64) -> Outcome<u64> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    match text.parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        _ => Err(format!("{name}={text}: a number from 1 to {max}").into()),
    }
}
