//! Listening sockets. Every worker accepts on a socket of its own where the address allows it
//! (SO_REUSEPORT); a unix socket is shared, and so is one that we were started with.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::Path,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Address;

/// Connections that the kernel holds while all workers are busy; it cuts the number to its own
/// `somaxconn`.
const BACKLOG: i32 = 4096;

/// One listening socket.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Another hold on the same socket.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        match listener {
            Listener::Tcp(listener) => listener.into(),
            Listener::Unix(listener) => listener.into(),
        }
    }
}

/// Who closes a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// We do: nobody may be left waiting in it.
    Us,
    /// Whoever lent it under this name. Who waits in it is left to whoever accepts next.
    Lender(String),
}

/// An address and its sockets.
#[derive(Debug)]
pub struct Bound {
    /// As the kernel gave it: the port when 0 was asked for.
    pub actual: Address,
    /// At least one for each worker; empty once they have them.
    pub sockets: Vec<Listener>,
    /// The same sockets, each once: what another process is given.
    pub held: Vec<Listener>,
    /// Who closes them.
    pub keeper: Keeper,
}

impl Bound {
    /// `held` for `workers` workers.
    pub(super) fn new(
        actual: Address,
        held: Vec<Listener>,
        keeper: Keeper,
        workers: usize,
    ) -> io::Result<Self> {
        let number = workers.max(held.len());
        let sockets: io::Result<_> =
            held.iter().cycle().take(number).map(Listener::try_clone).collect();
        Ok(Self { actual, sockets: sockets?, held, keeper })
    }
}

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// Where.
    pub address: Address,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Binds `address` for `workers` workers.
///
/// # Errors
/// [`BindError`] with the address and the system's reason.
pub(super) fn bind(address: &Address, workers: usize) -> Result<Bound, BindError> {
    let fail = |source| BindError { address: address.clone(), source };
    match address {
        Address::Tcp(wanted) => {
            if workers > 1 && wanted.port() != 0 {
                // Sockets that share a port would share it with another gateway just as well, and
                // each would get half of the clients: one that shares nothing tells.
                drop(tcp(*wanted, false).map_err(fail)?);
            }
            let first = tcp(*wanted, workers > 1).map_err(fail)?;
            let actual = first.local_addr().map_err(fail)?;
            let mut held = vec![Listener::Tcp(first)];
            for _ in 1..workers {
                held.push(Listener::Tcp(tcp(actual, true).map_err(fail)?));
            }
            Bound::new(Address::Tcp(actual), held, Keeper::Us, workers).map_err(fail)
        }
        Address::Unix(path) => {
            let held = vec![Listener::Unix(bind_unix(path, 0o666).map_err(fail)?)];
            Bound::new(address.clone(), held, Keeper::Us, workers).map_err(fail)
        }
    }
}

fn tcp(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a restart must not wait for TIME_WAIT
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A unix socket with `mode`. A file that a dead process left is replaced; a living one is an error.
///
/// # Errors
/// When the path is taken by a living process or cannot be made.
pub(super) fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process answers there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_another_process_holds_is_named_in_the_error() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(held.local_addr().unwrap());
        let error = bind(&address, 1).unwrap_err().to_string();
        assert!(error.contains(&held.local_addr().unwrap().to_string()), "{error}");
    }

    #[test]
    fn two_gateways_never_share_a_port() {
        let first = bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), 2).unwrap();
        let error = bind(&first.actual, 2).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        drop(first.sockets);
        drop(first.held);
        bind(&first.actual, 2).unwrap();
    }

    #[test]
    fn a_socket_file_left_by_a_dead_process_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.sock");
        drop(UnixListener::bind(&path).unwrap());
        let living = bind(&Address::Unix(path.clone()), 2).unwrap();
        assert_eq!(living.sockets.len(), 2);
        assert!(bind(&Address::Unix(path), 1).is_err());
    }
}
