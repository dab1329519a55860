//! Sockets: accepting, framing, the limits of a connection, and the workers that own them.

mod accept;
mod addresses;
mod ahead;
mod bind;
mod connection;
pub mod health;
pub(crate) mod http1;
mod http2;
mod inherit;
mod ledger;
pub mod local;
pub(crate) mod proxy_protocol;
mod tap;
mod tls;
mod watch;
mod worker;

pub use self::{
    bind::{BindError, Bound, Keeper, Listener},
    inherit::{HANDED_OVER, InheritError, Inherited},
    worker::{Command, Crew, WorkerHandle, start},
};
