//! The table, and the same as JSON for programs.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    Outcome, Scenario,
    load::Shot,
    peers::{NGINX, TOLLGATE},
};

/// All rounds of one peer.
pub(crate) struct Row {
    name: &'static str,
    shots: Vec<Shot>,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, shots: Vec::new() }
    }

    pub(crate) fn add(&mut self, shot: Shot) {
        self.shots.push(shot);
    }

    /// The sorted values of a figure.
    fn sorted(&self, of: impl Fn(&Shot) -> f64) -> Vec<f64> {
        sorted(self.shots.iter().map(of).collect())
    }

    /// Against another peer within each round, since a round's noise is common to both.
    fn ratio(&self, other: &Self) -> f64 {
        let pairs = self.shots.iter().zip(&other.shots);
        median(&sorted(pairs.map(|(own, other)| own.cpu_us() / other.cpu_us()).collect()))
    }

    fn errors(&self) -> u64 {
        self.shots.iter().map(|shot| shot.errors).sum()
    }

    fn json(&self, nginx: &Self) -> Value {
        let cpu = self.sorted(Shot::cpu_us);
        json!({
            "name": self.name,
            "cpu_us": { "median": median(&cpu), "min": cpu.first(), "max": cpu.last() },
            "ratio_to_nginx": self.ratio(nginx),
            "requests_per_second": median(&self.sorted(Shot::per_second)),
            "p50_ms": median(&self.sorted(p50)),
            "p99_ms": median(&self.sorted(p99)),
            "errors": self.errors(),
        })
    }
}

/// Prints the table and writes the JSON beside the build.
pub(crate) fn print(rows: &[Row], scenario: Scenario, rounds: u64, seconds: u64) -> Outcome<()> {
    let nginx = rows.iter().find(|row| row.name == NGINX).ok_or("nginx was not measured")?;
    let label = scenario.label();
    println!("\n{label}: 64 kept-alive connections, 1 KiB answers, {rounds} rounds of {seconds} s");
    println!(
        "{:<13} {:>10} {:>7} {:>7} {:>9} {:>10} {:>8} {:>8} {:>7}",
        "", "CPU µs/req", "min", "max", "to nginx", "requests/s", "p50 ms", "p99 ms", "errors"
    );
    for row in rows {
        let cpu = row.sorted(Shot::cpu_us);
        println!(
            "{:<13} {:>10.2} {:>7.2} {:>7.2} {:>9.3} {:>10.0} {:>8.2} {:>8.2} {:>7}",
            row.name,
            median(&cpu),
            cpu.first().copied().unwrap_or_default(),
            cpu.last().copied().unwrap_or_default(),
            row.ratio(nginx),
            median(&row.sorted(Shot::per_second)),
            median(&row.sorted(p50)),
            median(&row.sorted(p99)),
            row.errors(),
        );
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{label}.json"));
    let peers: Vec<Value> = rows.iter().map(|row| row.json(nginx)).collect();
    let whole = json!({
        "scenario": label, "rounds": rounds, "seconds": seconds, "connections": 64, "peers": peers,
    });
    fs::write(&file, format!("{whole:#}\n"))?;
    println!("Medians over the rounds. As JSON: {}", file.display());
    match rows.iter().find(|row| row.errors() > 0) {
        Some(row) if row.name == TOLLGATE => Err("Tollgate refused or lost requests".into()),
        Some(_) | None => Ok(()),
    }
}

fn p50(shot: &Shot) -> f64 {
    shot.p50.as_secs_f64() * 1e3
}

fn p99(shot: &Shot) -> f64 {
    shot.p99.as_secs_f64() * 1e3
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}
