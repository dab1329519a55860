//! A soak: the gateway under half load for as long as one likes, while what it stands on fails again and
//! again, and a model that knows the right answer to every request. `make soak MINUTES=60 SEED=1`.
//!
//! Everything is real: the gateway's process, a Redis that syncs every write, a backend of its own process.
//! The end is a table, the same as JSON, and an exit code: 0 when nothing was answered wrongly, nobody was
//! let in who should not be, and nothing that was acknowledged is lost.
#![allow(clippy::unwrap_used, reason = "a soak that cannot go on has failed")]

mod backend;
mod faults;
mod http;
mod load;
mod model;
mod processes;
mod report;

use std::{
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use faults::{Dice, Fault};
use load::Load;
use model::Model;
use processes::World;
use report::Report;

/// A try of a few minutes has its faults closer together, so that it sees more than one.
const EVERY: Duration = Duration::from_secs(30);
const EVERY_IN_A_TRY: Duration = Duration::from_secs(10);
const TRY: Duration = Duration::from_secs(600);

/// Load without faults before the first measure of memory.
const WARM_UP: Duration = Duration::from_secs(5);
const MEMORY_EVERY: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, port, journal] = &words[..]
        && mode == backend::MODE
    {
        backend::serve(port.parse().unwrap(), journal);
    }
    let given = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        Some(words.get(at + 1)?.parse::<f64>().expect("a number"))
    };
    let Some(minutes) = given("--minutes") else {
        println!("soak: nothing to do without --minutes; `make soak MINUTES=1` is a try");
        return ExitCode::SUCCESS; // every run of all tests comes by here
    };
    let (length, seed) = (Duration::from_secs_f64(60.0 * minutes), given("--seed").unwrap_or(1.0));
    let every = if length < TRY { EVERY_IN_A_TRY } else { EVERY };
    println!("soak: {length:?}, seed {seed}, a fault every {every:?}");

    let world = World::start();
    let model = Arc::new(Model::default());
    let mut report = Report::new(length, seed);
    let load = Load::start(&world, &model);
    report.rate(load.calibrate());
    thread::sleep(WARM_UP);
    report.memory(&world);
    let end = Instant::now() + length;
    soak(world, &model, &load, &mut report, Schedule { every, end, seed });
    ExitCode::from(u8::from(!report.print(&model)))
}

struct Schedule {
    every: Duration,
    end: Instant,
    seed: f64,
}

fn soak(
    mut world: World,
    model: &Model,
    load: &Load,
    report: &mut Report,
    Schedule { every, end, seed }: Schedule,
) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a seed")]
    let mut dice = Dice::new(seed as u64);
    let mut deck: Vec<Fault> = Vec::new();
    let (mut next, mut memory) = (Instant::now() + every / 2, Instant::now() + MEMORY_EVERY);
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
        if memory <= Instant::now() {
            report.memory(&world);
            memory += MEMORY_EVERY;
        }
        if next <= Instant::now() {
            next += every;
            let fault = deck.pop().unwrap_or_else(|| {
                deck = dice.shuffled(Fault::ALL);
                deck.pop().expect("there are faults")
            });
            let length = Duration::from_millis(1_500 + dice.below(every.as_millis() as u64 / 6));
            let whole = faults::run(fault, length, &mut world, model, load);
            report.fault(fault, length, whole);
        }
    }
    load.stop();
    model.check_all(&world);
    model.count_twice(&world.journal());
    report.memory(&world);
}
