//! How long changes of the store take to be told, as a histogram.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

/// A cell that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds, seconds: from the loopback's to the two seconds that are promised.
const LAGS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0];

/// One thread counts, and any may read.
#[derive(Debug, Default)]
pub struct Lags {
    buckets: [Cell; LAGS.len() + 1],
    sum_us: Cell,
}

impl Lags {
    /// Counts one.
    pub fn observe(&self, lag: Duration) {
        let seconds = lag.as_secs_f64();
        let bucket = LAGS.iter().position(|bound| seconds <= *bound).unwrap_or(LAGS.len());
        self.buckets[bucket].add(1);
        self.sum_us.add(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let bounds = LAGS.iter().copied().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(Cell::get);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        #[allow(clippy::cast_precision_loss, reason = "microseconds of a process fit 52 bits")]
        let seconds = self.sum_us.get() as f64 / 1e6;
        to.encode_descriptor(
            "revocation_lag",
            "Time from a change of the store until this gateway is told",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?
        .encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }
}
