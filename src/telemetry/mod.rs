//! What the gateway says of itself: log lines, metrics, instants for people. Never a secret.

pub mod instant;
pub mod log;
pub mod metrics;
