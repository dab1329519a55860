//! Sockets that were open before we were: from a service manager that listens for us (`LISTEN_FDS`), or
//! from the process whose place we take. They are known by the address that they are bound to.

use std::{
    env, io,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
};

use super::bind::{BindError, Bound, Keeper, Listener, bind, bind_unix};
use crate::config::Address;

/// The name of a socket that the process before us had opened itself: it is ours to close.
pub const HANDED_OVER: &str = "tollgate-handed-over";

/// A socket that we cannot have been meant to get.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// No listening stream socket.
    #[error("inherited descriptor {number} ({name}) is no socket to listen on: {cause}")]
    Unusable {
        /// Its place in the list, from 0.
        number: usize,
        /// What the service manager calls it.
        name: String,
        /// Why not.
        cause: String,
    },
    /// It would take clients that nobody serves.
    #[error(
        "the inherited socket {address} ({name}) is named by none of `listen`, `health` and `admin`"
    )]
    Unnamed {
        /// What it is bound to.
        address: Address,
        /// What the service manager calls it.
        name: String,
    },
}

struct Socket {
    address: Address,
    listener: Listener,
    keeper: Keeper,
    named: bool,
}

/// The sockets that we were started with.
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<Socket>,
}

impl Inherited {
    /// Takes what the environment says is there. To be called before anything else is opened: the
    /// variables give numbers of descriptors, and nothing but their word that those are free to take.
    ///
    /// # Errors
    /// [`InheritError::Unusable`].
    pub fn from_env() -> Result<Self, InheritError> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut given = listenfd::ListenFd::from_env();
        let mut sockets = Vec::with_capacity(given.len());
        for number in 0..given.len() {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "unknown".to_owned());
            let taken = take(&mut given, number);
            let (address, listener) = taken.map_err(|error| {
                let cause = error.to_string();
                InheritError::Unusable { number, name: name.clone(), cause }
            })?;
            let keeper = if name == HANDED_OVER { Keeper::Us } else { Keeper::Lender(name) };
            sockets.push(Socket { address, listener, keeper, named: false });
        }
        Ok(Self { sockets })
    }

    /// The sockets of `address` if we were started with any, or else new ones.
    ///
    /// # Errors
    /// [`BindError`] with the address and the system's reason.
    pub fn bind(&mut self, address: &Address, workers: usize) -> Result<Bound, BindError> {
        match self.take(address, workers) {
            Ok(Some(bound)) => Ok(bound),
            Ok(None) => bind(address, workers),
            Err(source) => Err(BindError { address: address.clone(), source }),
        }
    }

    /// The same for the admin listener, whose unix socket is the operator's alone: mode 0600.
    ///
    /// # Errors
    /// [`BindError`]: also for an inherited socket that everybody may use.
    pub fn bind_private(&mut self, address: &Address) -> Result<Bound, BindError> {
        let Address::Unix(path) = address else { return self.bind(address, 1) };
        let bound = || match self.take(address, 1)? {
            Some(bound) => is_private(path).map(|()| bound),
            None => {
                let held = vec![Listener::Unix(bind_unix(path, 0o600)?)];
                Bound::new(address.clone(), held, Keeper::Us, 1)
            }
        };
        bound_or(address, bound)
    }

    /// What was lent stays here too: a reload may give an address up, and another come back to it.
    fn take(&mut self, address: &Address, workers: usize) -> io::Result<Option<Bound>> {
        let mut held = Vec::new();
        let mut keeper = Keeper::Us;
        for socket in &mut self.sockets {
            let is_free = !socket.named || socket.keeper != Keeper::Us;
            if is_free && same(&socket.address, address) {
                held.push(socket.listener.try_clone()?);
                socket.named = true;
                keeper = socket.keeper.clone();
            }
        }
        if held.is_empty() {
            return Ok(None);
        }
        Bound::new(address.clone(), held, keeper, workers).map(Some)
    }

    /// Ends the taking at the start. A lent socket that nothing names is an error. What a process before us
    /// has listened on and we do not is closed here: it goes on there until that process has drained.
    ///
    /// # Errors
    /// [`InheritError::Unnamed`].
    pub fn settle(&mut self) -> Result<(), InheritError> {
        self.sockets.retain(|socket| socket.keeper != Keeper::Us);
        match self.sockets.iter().find(|socket| !socket.named) {
            None => Ok(()),
            Some(Socket { address, keeper, .. }) => {
                let name = match keeper {
                    Keeper::Us => HANDED_OVER.to_owned(),
                    Keeper::Lender(name) => name.clone(),
                };
                Err(InheritError::Unnamed { address: address.clone(), name })
            }
        }
    }
}

fn bound_or(
    address: &Address,
    bound: impl FnOnce() -> io::Result<Bound>,
) -> Result<Bound, BindError> {
    bound().map_err(|source| BindError { address: address.clone(), source })
}

fn take(given: &mut listenfd::ListenFd, number: usize) -> io::Result<(Address, Listener)> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let Ok(tcp) = given.take_tcp_listener(number) else {
        let listener = given.take_unix_listener(number)?.ok_or_else(gone)?;
        return unix(listener);
    };
    let listener: TcpListener = tcp.ok_or_else(gone)?;
    listens(&listener)?;
    listener.set_nonblocking(true)?;
    Ok((Address::Tcp(listener.local_addr()?), Listener::Tcp(listener)))
}

fn unix(listener: UnixListener) -> io::Result<(Address, Listener)> {
    listens(&listener)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let path = bound.as_pathname().ok_or_else(|| io::Error::other("it has no path"))?;
    Ok((Address::Unix(path.to_owned()), Listener::Unix(listener)))
}

/// A connection (`Accept=yes`) is a stream socket too.
fn listens<'a, S: std::os::fd::AsFd>(socket: &'a S) -> io::Result<()>
where
    socket2::SockRef<'a>: From<&'a S>,
{
    if socket2::SockRef::from(socket).is_listener()? {
        Ok(())
    } else {
        Err(io::Error::other("it does not listen"))
    }
}

fn same(bound: &Address, wanted: &Address) -> bool {
    match (bound, wanted) {
        (Address::Tcp(bound), Address::Tcp(wanted)) => bound == wanted,
        // A service manager may have resolved a link on the way, such as /var/run.
        (Address::Unix(bound), Address::Unix(wanted)) => {
            bound == wanted
                || bound.canonicalize().is_ok_and(|b| wanted.canonicalize().is_ok_and(|w| b == w))
        }
        (Address::Tcp(_), Address::Unix(_)) | (Address::Unix(_), Address::Tcp(_)) => false,
    }
}

fn is_private(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(io::Error::other("everybody may use this inherited socket: set SocketMode=0600"))
}
