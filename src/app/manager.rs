//! What we tell the program that started us: a service manager, by the protocol of `sd_notify`, and the
//! process whose place we take. Whoever is not there is told nothing.

use std::{
    cell::RefCell,
    env,
    ffi::OsStr,
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram, UnixStream},
        },
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use crate::telemetry::log::{Level, event};

/// Set for a process that takes another's place. Its standard input is a socket to that one.
pub(super) const UPGRADE: &str = "TOLLGATE_UPGRADE";

/// What a process says on it once it serves.
pub(super) const SERVES: u8 = b'+';

/// Whoever wants to hear of our life.
pub(super) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Watchdog>,
    predecessor: RefCell<Option<UnixStream>>,
}

/// How often the manager wants a sign of life, and when it had one.
struct Watchdog {
    every: Duration,
    fed: Instant,
    ticks: Vec<usize>,
}

impl Manager {
    /// Finds them in the environment.
    pub(super) fn from_env() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let opened = open(name.as_bytes());
            let opened = opened.inspect_err(|error| {
                event(Level::Warn, "the service manager cannot be told", &[("error", error)]);
            });
            opened.ok()
        });
        Self {
            socket,
            watchdog: watchdog(),
            predecessor: RefCell::new(env::var_os(UPGRADE).and_then(|_| predecessor())),
        }
    }

    /// We serve. `status` is for whoever looks.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// A reload begins; [`ready`](Self::ready) ends it.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=reloading"));
    }

    /// We are about to end.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    /// `pid` has taken our place.
    pub(super) fn succeeded_by(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}"));
    }

    /// Gives a sign of life when one is due, as long as the clock of every worker goes on.
    pub(super) fn feed_watchdog(&mut self, ticks: Vec<usize>) {
        let Some(watchdog) = &mut self.watchdog else { return };
        if watchdog.fed.elapsed() < watchdog.every {
            return;
        }
        let alive = ticks.iter().zip(&watchdog.ticks).all(|(now, before)| now != before);
        (watchdog.fed, watchdog.ticks) = (Instant::now(), ticks);
        if alive {
            self.tell("WATCHDOG=1");
        }
    }

    /// Whether another process waits for us to take its place.
    pub(super) fn is_awaited(&self) -> bool {
        self.predecessor.borrow().is_some()
    }

    /// Tells that process that it may leave.
    pub(super) fn take_over(&self) {
        if let Some(mut predecessor) = self.predecessor.take() {
            let _ = predecessor.write_all(&[SERVES]); // it has gone already
        }
    }

    /// A manager that does not listen is no reason to fail.
    fn tell(&self, text: &str) {
        if let Some((socket, manager)) = &self.socket {
            let _ = socket.send_to_addr(text.as_bytes(), manager);
        }
    }
}

/// `/path`, or `@name` without a file.
fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', name)) => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?; // whoever listens must not be able to stop us
    Ok((socket, address))
}

fn watchdog() -> Option<Watchdog> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let wanted = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0)?;
    // Twice in the time: one may come late.
    let every = Duration::from_micros(wanted / 2);
    Some(Watchdog { every, fed: Instant::now(), ticks: Vec::new() })
}

fn predecessor() -> Option<UnixStream> {
    Some(io::stdin().as_fd().try_clone_to_owned().ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(name: &[u8]) -> (UnixDatagram, Manager) {
        let (socket, address) = open(name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let watchdog = Watchdog { every: Duration::ZERO, fed: Instant::now(), ticks: vec![1, 1] };
        let (socket, watchdog) = (Some((socket, address)), Some(watchdog));
        manager.set_nonblocking(true).unwrap();
        (manager, Manager { socket, watchdog, predecessor: RefCell::default() })
    }

    fn said(manager: &UnixDatagram) -> Option<String> {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).ok()?;
        Some(String::from_utf8(text[..length].to_vec()).unwrap())
    }

    #[test]
    fn the_watchdog_is_fed_while_every_worker_ticks_and_not_when_one_is_stuck() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let (heard, mut manager) = hears(path.as_os_str().as_bytes());
        #[rustfmt::skip]
        let rows = [
            (vec![2, 2], true),
            (vec![3, 2], false),
            (vec![4, 3], true),
        ];
        for (ticks, fed) in rows {
            manager.feed_watchdog(ticks.clone());
            assert_eq!(said(&heard).as_deref(), fed.then_some("WATCHDOG=1"), "{ticks:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_may_have_a_name_without_a_file() {
        let name = format!("@tollgate-test-{}", std::process::id());
        let (heard, manager) = hears(name.as_bytes());
        manager.ready("serving");
        assert_eq!(said(&heard).unwrap(), "READY=1\nSTATUS=serving");
        manager.reloading();
        assert!(said(&heard).unwrap().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    }
}
