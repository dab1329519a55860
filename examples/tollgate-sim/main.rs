//! `tollgate-sim`: the hit rate of a fleet, and what its store has to answer.
//!
//! ```text
//! cargo run --release --example tollgate-sim -- --gateways 500 --rate 100000 --tokens 1000000 --skew 0.9
//! ```
//!
//! `docs/capacity.md` says how far it may be believed.

mod model;

use std::process::ExitCode;

use clap::Parser;

use self::model::Fleet;

/// Reckons the hit rate of a fleet of gateways, and the load on their store.
#[derive(Debug, Parser)]
#[command(name = "tollgate-sim")]
struct Arguments {
    /// Gateways, which share the load evenly
    #[arg(long, default_value_t = 3)]
    gateways: usize,
    /// Gateways that one token is shown to; all of them unless said
    #[arg(long)]
    spread: Option<usize>,
    /// Workers of each
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Requests a second, over all gateways
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Tokens in use
    #[arg(long, default_value_t = 100_000)]
    tokens: usize,
    /// Whose they are
    #[arg(long, default_value_t = 10_000)]
    principals: usize,
    /// Zipf's exponent of how popular tokens are: 0 for all alike, 1 for the web's usual
    #[arg(long, default_value_t = 1.0)]
    skew: f64,
    /// Seconds that a record counts without being asked for again
    #[arg(long, default_value_t = 30.0)]
    ttl: f64,
    /// Entries of a gateway's near cache
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// Seconds to reckon, after as many as `ttl` says that count for nothing
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

fn main() -> ExitCode {
    let given = Arguments::parse();
    let positive = given.gateways > 0 && given.workers > 0 && given.tokens > 0;
    if !positive || given.rate <= 0.0 || given.seconds <= 0.0 || given.ttl < 0.0 {
        eprintln!("tollgate-sim: gateways, workers, tokens, rate and seconds are above 0");
        return ExitCode::from(2);
    }
    let fleet = Fleet {
        gateways: given.gateways,
        spread: given.spread.unwrap_or(given.gateways).clamp(1, given.gateways),
        workers: given.workers,
        rate: given.rate,
        tokens: given.tokens,
        principals: given.principals,
        skew: given.skew,
        ttl: given.ttl,
        entries: given.entries,
    };
    let load = fleet.run(given.ttl, given.seconds);
    let part = |count: u64| count as f64 / load.requests.max(1) as f64 * 100.0;
    println!("requests               {:>12}", load.requests);
    println!("known to the worker    {:>11.2}%", part(load.hot));
    println!("known to its gateway   {:>11.2}%", part(load.near));
    println!("hit rate               {:>11.2}%", load.hits() * 100.0);
    println!("tokens asked for       {:>12.1}/s", load.tokens as f64 / load.seconds);
    println!("principals asked for   {:>12.1}/s", load.principals as f64 / load.seconds);
    println!("look-ups of the store  {:>12.1}/s", load.lookups());
    println!("commands of any kind   {:>12.1}/s", load.commands());
    ExitCode::SUCCESS
}
