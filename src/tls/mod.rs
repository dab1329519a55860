//! TLS towards clients, without sockets: certificates from PEM, which of them a client is shown, and
//! whom a client's own certificate names.
//!
//! Everything is checked and built when the configuration is loaded; a handshake only looks up. Error
//! texts say what is wrong with a file and quote nothing of it: a key may stand there.

mod names;
mod pem;
mod session;
mod sites;

pub use self::{
    names::Names,
    pem::{BadPem, authorities, site},
    session::{ClientCa, Server, Session, Settings},
    sites::{Site, Sites},
};
