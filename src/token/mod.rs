//! Our own tokens: their text and its MAC, and the records behind them. Pure: no I/O, no clock.

pub mod keyring;
pub mod record;
