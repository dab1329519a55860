//! What the gateway says of itself: log lines, metrics, instants for people. Never a secret.

pub mod instant;
mod lags;
pub mod log;
pub mod metrics;
