//! Our own tokens: their text and its MAC, their ids, and the records behind them. Pure: no I/O, no
//! clock, no random numbers; whoever mints hands all three in.

pub mod id;
pub mod keyring;
pub mod record;
pub mod ttl;
