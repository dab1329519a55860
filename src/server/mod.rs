//! Sockets: accepting, framing, the limits of a connection, and the workers that own them.

mod accept;
mod addresses;
mod ahead;
mod bind;
mod connection;
pub mod health;
mod ledger;
pub mod local;
mod tap;
mod tls;
mod watch;
mod worker;

pub use self::{
    bind::{BindError, Bound, Listener, bind, bind_unix},
    worker::{Command, Crew, WorkerHandle, start},
};
