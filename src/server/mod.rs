//! Sockets: accepting, framing, the limits of a connection, and the workers that own them.

mod accept;
mod addresses;
mod bind;
mod connection;
pub mod health;
mod ledger;
pub mod local;
mod tap;
mod watch;
mod worker;

pub use self::{
    bind::{BindError, Bound, Listener, bind, bind_unix},
    worker::{Command, Crew, WorkerHandle, start},
};
