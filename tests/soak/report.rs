//! What is told while it runs and at the end, for people and as JSON.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    faults::{Fault, Outcome},
    model::Model,
    processes::World,
};

/// How far memory may be above what it was under load without faults: room for what a fault leaves in
/// caches and in the allocator, and nothing that grows.
const MEMORY_ROOM_KIB: u64 = 64 * 1024;

pub(crate) struct Report {
    started: Instant,
    length: Duration,
    seed: f64,
    rate: u64,
    /// When, KiB, and descriptors.
    memory: Vec<(Duration, u64, usize)>,
    /// How often, and the longest until whole.
    faults: BTreeMap<&'static str, (u64, Duration)>,
}

impl Report {
    pub(crate) fn new(length: Duration, seed: f64) -> Self {
        let (started, memory, faults) = (Instant::now(), Vec::new(), BTreeMap::new());
        Self { started, length, seed, rate: 0, memory, faults }
    }

    pub(crate) fn rate(&mut self, rate: u64) {
        self.rate = rate;
        println!("half load: {rate} requests per second");
    }

    pub(crate) fn memory(&mut self, world: &World) {
        let (at, (kib, descriptors)) = (self.started.elapsed(), world.footprint());
        println!(
            "{:>7.1} s  memory {} MiB, {descriptors} descriptors",
            at.as_secs_f64(),
            kib / 1024
        );
        self.memory.push((at, kib, descriptors));
    }

    pub(crate) fn fault(&mut self, fault: Fault, length: Duration, outcome: Outcome) {
        let Outcome { whole, complaint } = outcome;
        let said = complaint.map(|complaint| format!("; /readyz: {complaint}")).unwrap_or_default();
        println!(
            "{:>7.1} s  {:<36} for {:>4.1} s, whole after {:>7.3} s{said}",
            self.started.elapsed().as_secs_f64(),
            fault.name(),
            length.as_secs_f64(),
            whole.as_secs_f64(),
        );
        let entry = self.faults.entry(fault.name()).or_default();
        *entry = (entry.0 + 1, entry.1.max(whole));
    }

    /// Prints all; whether everything that has to be zero is.
    pub(crate) fn print(&self, model: &Model) -> bool {
        let counts = &model.counts;
        let zeros = [
            ("wrong answers", &counts.wrong_answers),
            ("wrong admissions", &counts.wrong_admissions),
            ("lost acknowledged issues", &counts.lost_issues),
            ("lost acknowledged revocations", &counts.lost_revocations),
            ("refused while well", &counts.refused_while_well),
            ("answers after more than 3 s", &counts.late),
            ("without an answer in 10 s", &counts.timed_out),
            ("sent to the backend twice", &counts.sent_twice),
        ]
        .map(|(name, count)| (name, count.load(Relaxed)));
        let first = self.memory.first().map_or(0, |(_, kib, _)| *kib);
        let most = self.memory.iter().map(|(_, kib, _)| *kib).max().unwrap_or(0);
        let is_flat = most <= first + MEMORY_ROOM_KIB;
        let requests = counts.requests.load(Relaxed);

        println!("\n{:<36} {requests}", "requests");
        let (excused, retried) = (counts.excused.load(Relaxed), counts.retried.load(Relaxed));
        println!("{:<36} {excused}", "refused while a fault explains it");
        println!("{:<36} {retried}", "retried: crossed with a close");
        zeros.iter().for_each(|(name, count)| println!("{name:<36} {count}"));
        println!("{:<36} {:.3} s", "longest wait for an answer", model.longest().as_secs_f64());
        println!("{:<36} {} to {} MiB at most", "memory", first / 1024, most / 1024);
        println!("\nlongest until whole, by fault");
        for (name, (times, whole)) in &self.faults {
            println!("{name:<36} {:>7.3} s  ({times} times)", whole.as_secs_f64());
        }
        println!("\nrefusals that a fault explains");
        model.refusals().iter().for_each(|(what, count)| println!("{count:>8}  {what}"));

        let is_good = is_flat && zeros.iter().all(|(_, count)| *count == 0);
        self.write(model, &zeros, requests, is_good);
        println!("\n{}", if is_good { "all good" } else { "NOT good" });
        is_good
    }

    fn write(&self, model: &Model, zeros: &[(&str, u64)], requests: u64, is_good: bool) {
        let memory = self.memory.iter().map(|(at, kib, descriptors)| {
            json!({ "seconds": at.as_secs(), "kib": kib, "descriptors": descriptors })
        });
        let faults = self.faults.iter().map(|(name, (times, whole))| {
            json!({ "fault": name, "times": times, "longest_until_whole_s": whole.as_secs_f64() })
        });
        let report = json!({
            "good": is_good,
            "seconds": self.length.as_secs(),
            "seed": self.seed,
            "requests": requests,
            "requests_per_second": self.rate,
            "retried": model.counts.retried.load(Relaxed),
            "zeros": zeros.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
            "longest_answer_s": model.longest().as_secs_f64(),
            "memory": memory.collect::<Vec<Value>>(),
            "faults": faults.collect::<Vec<Value>>(),
            "refusals_explained": model.refusals(),
            "notes": model.notes(),
        });
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/soak.json");
        std::fs::write(&file, format!("{report:#}\n")).unwrap();
        println!("\nas JSON: {}", file.display());
    }
}
