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

/// Addresses remembered at once. Beyond it new ones are not counted until old windows have passed: an
/// attacker with that many addresses is not slowed by counting them, and frees nobody.
const ADDRESSES_MAX: usize = 65_536;

/// The window that is counted in.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts per address, shared by all workers; locked only while somebody is guessing.
#[derive(Debug, Default)]
pub struct Guesses {
    addresses: AtomicUsize,
    counts: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    unknown: u32,
    /// For whom the address said it speaks, when it may be a proxy that nobody declared.
    claim: Option<u64>,
    /// It spoke for more than one: counting it would shut out everybody behind it.
    shared: bool,
}

impl Guesses {
    /// Whether `ip` has used up its `limit`.
    pub fn exhausted(&self, ip: IpAddr, limit: u32, now: Instant) -> bool {
        if self.addresses.load(Relaxed) == 0 {
            return false;
        }
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .get(&network(ip))
            .is_some_and(|count| count.is_current(now) && !count.shared && count.unknown >= limit)
    }

    /// Counts one unknown token. `claim` is a hash of whom a peer in a private network says it speaks for.
    /// Returns whether this is the moment it turned out to speak for several.
    pub fn count(&self, ip: IpAddr, claim: Option<u64>, now: Instant) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let ip = network(ip);
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&ip) {
            // Windows end together or not at all: once in a while is enough, and cheap on average.
            if counts.values().next().is_some_and(|count| count.is_current(now)) {
                return false;
            }
            counts.retain(|_, count| count.is_current(now));
        }
        let fresh = Count { since: now, unknown: 0, claim, shared: false };
        let count = counts.entry(ip).or_insert(fresh);
        if !count.is_current(now) {
            *count = Count { shared: count.shared && claim.is_some(), ..fresh };
        }
        count.unknown = count.unknown.saturating_add(1);
        let differs = matches!((count.claim, claim), (Some(first), Some(now)) if first != now);
        let newly_shared = differs && !count.shared;
        count.shared |= differs;
        self.addresses.store(counts.len(), Relaxed);
        newly_shared
    }
}

impl Guesses {
    /// Whether `ip` turned out to speak for several: shutting it out would shut out all of them.
    pub fn is_shared(&self, ip: IpAddr, now: Instant) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&network(ip)).is_some_and(|count| count.is_current(now) && count.shared)
    }
}

impl Count {
    fn is_current(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < WINDOW
    }
}

/// One household or machine: the whole address for IPv4, the /64 for IPv6.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
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
            guesses.count(guesser, None, now);
        }
        assert!(guesses.exhausted(guesser, 3, now));
        assert!(guesses.exhausted("2001:db8::2".parse().unwrap(), 3, now), "the same /64");
        assert!(!guesses.exhausted(other, 3, now));
        assert!(!guesses.exhausted(guesser, 3, now + WINDOW));
    }

    #[test]
    fn one_claim_lifts_nothing_and_an_undeclared_proxy_is_not_shut_out() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (guesser, proxy): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for turn in 0..3 {
            assert!(!guesses.count(guesser, Some(7), now));
            assert_eq!(guesses.count(proxy, Some(turn), now), turn == 1, "told once");
        }
        assert!(guesses.exhausted(guesser, 3, now));
        assert!(!guesses.exhausted(proxy, 3, now));
    }
}
