//! How many unknown tokens an address may ask for. Only foreign tokens need it: ours are refused by
//! their signature, without asking the store.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Addresses remembered at once. Beyond it the oldest window is forgotten: an attacker with that many
/// addresses is not slowed by counting them.
const ADDRESSES_MAX: usize = 65_536;

/// The window that is counted in.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts per address, shared by all workers; locked only while somebody is guessing.
#[derive(Debug, Default)]
pub struct Guesses {
    addresses: AtomicUsize,
    counts: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Guesses {
    /// Whether `ip` has used up its `limit`.
    pub fn exhausted(&self, ip: IpAddr, limit: u32, now: Instant) -> bool {
        if self.addresses.load(Relaxed) == 0 {
            return false;
        }
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&network(ip)).is_some_and(|(since, count)| {
            now.saturating_duration_since(*since) < WINDOW && *count >= limit
        })
    }

    /// Counts one unknown token.
    pub fn count(&self, ip: IpAddr, now: Instant) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ADDRESSES_MAX {
            counts.retain(|_, (since, _)| now.saturating_duration_since(*since) < WINDOW);
            if counts.len() >= ADDRESSES_MAX {
                counts.clear();
            }
        }
        let entry = counts.entry(network(ip)).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        self.addresses.store(counts.len(), Relaxed);
    }
}

/// One household or machine: the whole address for IPv4, the /64 for IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_exhausted_after_its_limit_and_others_are_not() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (guesser, other): (IpAddr, IpAddr) =
            ("2001:db8::1".parse().unwrap(), "2001:db8:0:1::1".parse().unwrap());
        for _ in 0..3 {
            assert!(!guesses.exhausted(guesser, 3, now));
            guesses.count(guesser, now);
        }
        assert!(guesses.exhausted(guesser, 3, now));
        assert!(guesses.exhausted("2001:db8::2".parse().unwrap(), 3, now), "the same /64");
        assert!(!guesses.exhausted(other, 3, now));
        assert!(!guesses.exhausted(guesser, 3, now + WINDOW));
    }
}
