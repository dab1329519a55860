//! A drill: three gateways over one Redis, over sentinels and over a cluster, under load, while everything that
//! an operator fears happens in turn. `make drill`, or `make drill PART=revocation` for how long a revocation
//! takes to be true elsewhere.
//!
//! Everything is real: processes, sockets, fail-overs. The end is a table, and an exit code: 0 when nobody was
//! let in who should not be, no acknowledged revocation was undone, and no acknowledged token was lost.
#![allow(clippy::unwrap_used, reason = "a drill that cannot go on has failed")]

#[allow(dead_code, unused_imports, reason = "it is the tests', and serves more of them")]
#[path = "../it/harness/mod.rs"]
mod harness;

mod events;
mod fleet;
mod hole;
mod load;
mod model;
mod report;
mod revocation;
mod world;

use std::{process::ExitCode, time::Instant};

use events::Event;
use fleet::{Fleet, Topology};
use report::Report;
use world::World;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).filter(|value| !value.is_empty()).cloned()
    };
    let seed = value("--seed").and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let Some(part) = value("--part") else {
        println!("drill: nothing to do without --part; `make drill` does all");
        return ExitCode::SUCCESS; // every run of all tests comes by here
    };
    let began = Instant::now();
    println!("a drill with the seed {seed}");
    let mut well = true;
    for topology in [Topology::One, Topology::Sentinel, Topology::Cluster] {
        if part == "all" || part == topology.name() {
            well &= drill(topology, seed);
        }
    }
    if part == "all" || part == "revocation" {
        well &= revocation::run();
    }
    println!("{} s; {}", began.elapsed().as_secs(), if well { "all is well" } else { "NOT WELL" });
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything in turn over one topology; whether all that must be 0 is 0.
fn drill(topology: Topology, seed: u64) -> bool {
    let mut world = World::start(Fleet::start(topology), seed);
    let mut report = Report::new(topology.name());
    for event in Event::ALL {
        let begun = world.begin(event.name());
        event.happens(&mut world);
        let whole = world.whole_after(begun);
        event.is_mended(&mut world);
        report.row(world.settle(begun, whole));
    }
    world.end();
    report.is_well()
}
