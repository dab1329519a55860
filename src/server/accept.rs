//! Accepting: each worker on its own socket, handing a connection to the worker with the fewest when
//! that is another one.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{
    bind::Listener,
    worker::{Door, Worker},
};
use crate::{
    telemetry::log::{Level, event},
    tick,
};

/// Longest pause after a failed accept. No descriptors left is a state, not an end.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a connection that is being made has to arrive once the door is shut: several round trips.
pub(super) const LAST_CALL: Duration = Duration::from_millis(100);

/// Accepts on `listener` until its door is told to close. If that is ours, then takes what the kernel has
/// already accepted for us, so that nobody who connected in time is reset. Otherwise who waits is left to
/// whoever accepts next.
pub(super) async fn run(worker: Rc<Worker>, listener: Listener, door: Rc<Door>) {
    let listener = match Acceptor::try_from(listener) {
        Ok(listener) => listener,
        Err(error) => {
            event(Level::Error, "cannot use a listening socket", &[("error", &error)]);
            return;
        }
    };
    let place = |stream| worker.place(stream, door.manner.get());
    loop {
        let stream = tokio::select! {
            biased;
            () = door.closing.notified() => break,
            stream = next(&listener) => stream,
        };
        // At the limit one client is held here, so that it is known that somebody waits; the others wait in
        // the kernel.
        let closed = tokio::select! {
            biased;
            () = worker.room() => false,
            () = door.closing.notified() => true,
        };
        place(stream);
        if closed {
            break;
        }
    }
    if !door.is_ours.get() {
        return;
    }
    // Closing resets whoever the kernel has accepted and we have not, and somebody always is: the door
    // is shut first, then who was in it comes in.
    listener.shut_the_door();
    let end = tick::now() + LAST_CALL;
    while let Some(Ok(stream)) =
        tick::timeout(end.saturating_duration_since(tick::now()), listener.accept()).await
    {
        place(stream);
    }
    listener.waiting().into_iter().for_each(place);
}

/// The next client.
async fn next(listener: &Acceptor) -> Accepted {
    let mut pause = Duration::from_millis(10);
    loop {
        match listener.accept().await {
            Ok(stream) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => (),
            Err(error) => {
                event(Level::Warn, "accept failed", &[("error", &error)]);
                tick::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl TryFrom<Listener> for Acceptor {
    type Error = io::Error;

    fn try_from(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => {
                // Whoever is accepted on it inherits that.
                SockRef::from(&listener).set_tcp_nodelay(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }
}

impl Acceptor {
    async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Accepted::Tcp(stream, peer)
            }
            Self::Unix(listener) => Accepted::Unix(listener.accept().await?.0),
        })
    }

    /// Lets no new handshake begin; those under way complete. Whoever knocks meanwhile hears nothing,
    /// and is refused when its kernel tries again. Where that is not to be had, closing has a gap.
    fn shut_the_door(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(listener) = self {
            use socket2::SockFilter;
            // Classic BPF over the TCP header: drop segments with SYN and without ACK.
            let no_new = [
                SockFilter::new(0x30, 0, 0, 13),   // load the byte of flags
                SockFilter::new(0x54, 0, 0, 0x12), // keep SYN and ACK
                SockFilter::new(0x15, 0, 1, 0x02), // SYN alone?
                SockFilter::new(0x06, 0, 0, 0),    // nothing of it
                SockFilter::new(0x06, 0, 0, u32::MAX),
            ];
            let _ = SockRef::from(listener).attach_filter(&no_new);
        }
    }

    /// Closes the socket; what the kernel had accepted on it comes out first.
    fn waiting(self) -> Vec<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                let accepted = std::iter::from_fn(|| listener.accept().ok());
                accepted
                    .filter_map(|(stream, peer)| Loose::Tcp(stream, peer).try_into().ok())
                    .collect()
            }
            Self::Unix(listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                let accepted = std::iter::from_fn(|| listener.accept().ok());
                accepted.filter_map(|(stream, _)| Loose::Unix(stream).try_into().ok()).collect()
            }
        }
    }
}

/// What the kernel gave us, watched by the runtime of this thread.
#[derive(Debug)]
pub(super) enum Accepted {
    /// Over TCP, from there.
    Tcp(TcpStream, SocketAddr),
    /// Over a unix socket.
    Unix(UnixStream),
}

/// The same on its way to another thread.
#[derive(Debug)]
pub(super) enum Loose {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream),
}

impl TryFrom<Accepted> for Loose {
    type Error = io::Error;

    fn try_from(accepted: Accepted) -> io::Result<Self> {
        Ok(match accepted {
            Accepted::Tcp(stream, peer) => Self::Tcp(stream.into_std()?, peer),
            Accepted::Unix(stream) => Self::Unix(stream.into_std()?),
        })
    }
}

impl TryFrom<Loose> for Accepted {
    type Error = io::Error;

    fn try_from(loose: Loose) -> io::Result<Self> {
        Ok(match loose {
            Loose::Tcp(stream, peer) => {
                stream.set_nonblocking(true)?;
                Self::Tcp(TcpStream::from_std(stream)?, peer)
            }
            Loose::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Self::Unix(UnixStream::from_std(stream)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_accepted_blocks_nobody_and_sends_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::try_from(Listener::Tcp(listener)).unwrap();
        let connect = || std::net::TcpStream::connect(address).unwrap();
        let clients = [connect(), connect(), connect()];
        let handed = Loose::try_from(acceptor.accept().await.unwrap()).unwrap();
        let accepted = [acceptor.accept().await.unwrap(), handed.try_into().unwrap()];
        let waiting = acceptor.waiting();
        assert_eq!(waiting.len(), 1);
        for accepted in waiting.into_iter().chain(accepted) {
            let Accepted::Tcp(stream, peer) = accepted else { panic!("{accepted:?}") };
            assert!(clients.iter().any(|client| client.local_addr().unwrap() == peer));
            assert!(stream.nodelay().unwrap());
            let nothing = stream.try_read(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
