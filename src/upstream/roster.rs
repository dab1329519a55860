//! The servers of a backend as the process knows them: which there are, where their names lead, and whether
//! they answer when asked. The control thread writes, workers look at each tick.
//!
//! Invariant: a server that stays, stays the same value, so that what is known of it and the connections to it
//! outlive a reload and a new look-up.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::config::{Backend, HealthCheck, Server};

/// Most addresses of a name that are used: each is a line in the metrics.
const ADDRESSES_MAX: usize = 64;

/// The servers of one backend.
pub struct Roster {
    spots: ArcSwap<Vec<Arc<Spot>>>,
    /// A server whose name was looked up takes no connection.
    stale: Notify,
}

/// One server: at one address, where it has one.
pub struct Spot {
    pub(super) server: Server,
    /// `None` for a socket file, and for a name that nobody has looked up yet.
    pub(super) address: Option<SocketAddr>,
    /// It joined others that were there.
    pub(super) is_new: bool,
    /// Whether it answers the question of `health`.
    well: AtomicBool,
    /// Workers that leave it out, for what became of their requests.
    out: AtomicUsize,
    /// How often a worker got a connection after it had got none.
    pub(super) returns: AtomicUsize,
    /// A worker is looking whether it takes connections again.
    pub(super) probed: AtomicBool,
    asked: Mutex<Asked>,
}

/// What its answers were like.
#[derive(Default)]
struct Asked {
    good: u32,
    bad: u32,
    /// Why it is not well.
    trouble: Option<Trouble>,
    /// Since when a worker leaves it out.
    out: Option<SystemTime>,
}

/// Why a server is left out, and since when.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// When it began.
    pub since: SystemTime,
    /// In the words of the system, or ours.
    pub cause: String,
}

impl Spot {
    fn new(server: &Server, address: Option<SocketAddr>, is_new: bool) -> Arc<Self> {
        Arc::new(Self {
            server: server.clone(),
            address,
            is_new,
            well: AtomicBool::new(true),
            out: AtomicUsize::new(0),
            returns: AtomicUsize::new(0),
            probed: AtomicBool::new(false),
            asked: Mutex::default(),
        })
    }

    /// Whether it answers as it should when it is asked; true where nobody asks.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.well.load(Relaxed)
    }

    /// Whether it gets requests as far as anybody knows.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_well() && self.out.load(Relaxed) == 0
    }

    /// A worker leaves it out from now on, or no longer.
    pub(super) fn leave_out(&self, out: bool) {
        let others = if out {
            self.out.fetch_add(1, Relaxed)
        } else {
            self.out.fetch_sub(1, Relaxed).saturating_sub(1)
        };
        if others == 0 {
            let since = out.then(SystemTime::now);
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).out = since;
        }
    }

    /// Why it is left out, if it is.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = || "requests to it fail".to_owned();
        let out = || asked.out.map(|since| Trouble { since, cause: cause() });
        asked.trouble.clone().or_else(out)
    }

    /// Takes note of an answer. Returns whether it has changed what is thought of the server.
    pub fn answered(&self, check: &HealthCheck, answer: Result<(), String>) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.trouble.is_some();
        match answer {
            Ok(()) => {
                (asked.good, asked.bad) = (asked.good.saturating_add(1), 0);
                if asked.good >= check.healthy {
                    asked.trouble = None;
                }
            }
            Err(cause) => {
                (asked.good, asked.bad) = (0, asked.bad.saturating_add(1));
                let enough = asked.bad >= check.unhealthy;
                match &mut asked.trouble {
                    Some(trouble) => trouble.cause = cause,
                    none if enough => *none = Some(Trouble { since: SystemTime::now(), cause }),
                    None => (),
                }
            }
        }
        let now = asked.trouble.is_some();
        self.well.store(!now, Relaxed);
        before != now
    }

    /// Nobody asks it any more.
    fn forget(&self) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = Asked { out: asked.out, ..Asked::default() };
        self.well.store(true, Relaxed);
    }
}

impl fmt::Display for Spot {
    /// As it stands in the file, and where a name led.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = name_of(&self.server).is_some();
        match self.address.filter(|_| named) {
            Some(address) => write!(f, "{} at {}", self.server, address.ip()),
            None => write!(f, "{}", self.server),
        }
    }
}

/// Host and port of a server that is known by a name.
fn name_of(server: &Server) -> Option<(&str, u16)> {
    server.host_and_port().filter(|(host, _)| host.parse::<IpAddr>().is_err())
}

/// Where a server is, if that stands in the file.
fn fixed(server: &Server) -> Option<SocketAddr> {
    let (host, port) = server.host_and_port()?;
    Some(SocketAddr::new(host.parse().ok()?, port))
}

impl Roster {
    /// The servers of `settings`. Those that were known `before` go on.
    #[must_use]
    pub fn new(settings: &Backend, before: Option<&Self>) -> Arc<Self> {
        let known = before.map(Self::spots).unwrap_or_default();
        let mut spots = Vec::with_capacity(settings.servers.len());
        for server in &settings.servers {
            let stays = known.iter().filter(|spot| spot.server == *server).cloned();
            let begin = spots.len();
            spots.extend(stays);
            if spots.len() == begin {
                spots.push(Spot::new(server, fixed(server), before.is_some()));
            }
        }
        if settings.balancing.health.is_none() {
            spots.iter().for_each(|spot| spot.forget());
        }
        Arc::new(Self { spots: ArcSwap::from_pointee(spots), stale: Notify::new() })
    }

    /// One server alone.
    pub(super) fn of(spot: &Arc<Spot>) -> Arc<Self> {
        let spots = ArcSwap::from_pointee(vec![Arc::clone(spot)]);
        Arc::new(Self { spots, stale: Notify::new() })
    }

    /// The servers of the moment.
    #[must_use]
    pub fn spots(&self) -> Arc<Vec<Arc<Spot>>> {
        self.spots.load_full()
    }

    /// Whether `spots` are still those of the moment.
    pub(super) fn is_at(&self, spots: &Arc<Vec<Arc<Spot>>>) -> bool {
        Arc::ptr_eq(&self.spots.load(), spots)
    }

    /// Asks for a new look-up: a name led nowhere.
    pub(super) fn doubt(&self) {
        self.stale.notify_one();
    }

    /// Waits until somebody doubts where the names lead.
    pub async fn doubted(&self) {
        self.stale.notified().await;
    }

    /// Looks up the name of `server`, if it has one. Without an answer the last one counts.
    ///
    /// # Errors
    /// What the system's resolver says.
    pub async fn look_up(&self, server: &Server) -> io::Result<()> {
        if let Some(name) = name_of(server) {
            let found: Vec<_> = tokio::net::lookup_host(name).await?.collect();
            self.found(server, &found);
        }
        Ok(())
    }

    /// `server` is at these addresses, and at no others any more.
    fn found(&self, server: &Server, addresses: &[SocketAddr]) {
        let before = self.spots();
        let (mine, first) = before.iter().enumerate().fold((Vec::new(), None), |mut all, next| {
            if next.1.server == *server {
                all.0.push(next.1);
                all.1.get_or_insert(next.0);
            }
            all
        });
        let Some(first) = first.filter(|_| !addresses.is_empty()) else { return };
        let joins = mine.iter().any(|spot| spot.address.is_some());
        let mut now: Vec<Arc<Spot>> = Vec::with_capacity(addresses.len());
        for address in addresses.iter().take(ADDRESSES_MAX) {
            if now.iter().any(|spot| spot.address == Some(*address)) {
                continue;
            }
            let stays = mine.iter().find(|spot| spot.address == Some(*address));
            now.push(
                stays.map_or_else(|| Spot::new(server, Some(*address), joins), |s| Arc::clone(s)),
            );
        }
        let same = now.len() == mine.len()
            && now.iter().all(|spot| mine.iter().any(|known| Arc::ptr_eq(spot, known)));
        if same {
            return;
        }
        let others = |range: &[Arc<Spot>]| -> Vec<Arc<Spot>> {
            range.iter().filter(|spot| spot.server != *server).cloned().collect()
        };
        let spots = [others(&before[..first]), now, others(&before[first..])].concat();
        self.spots.store(Arc::new(spots));
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
