//! How many connections each address has, where `[limits] connections-per-address` bounds that. Shared by
//! all workers, and locked only when a connection begins or ends.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::gateway::network;

/// The addresses that have connections.
#[derive(Debug, Default)]
pub(super) struct Addresses(Mutex<HashMap<IpAddr, usize>>);

impl Addresses {
    /// A share for one more connection from `ip`, unless it has `most`.
    pub(super) fn share(self: &Arc<Self>, ip: IpAddr, most: usize) -> Option<Share> {
        let ip = network(ip);
        let mut counts = self.counts();
        let count = counts.entry(ip).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Share { addresses: Arc::clone(self), ip })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection of an address, for as long as it lives.
#[derive(Debug)]
pub(super) struct Share {
    addresses: Arc<Addresses>,
    ip: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_as_it_may_and_nothing_is_kept_of_one_that_has_none() {
        let addresses = Arc::new(Addresses::default());
        let [one, same, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|ip| ip.parse().unwrap());
        let first = addresses.share(one, 2);
        let second = addresses.share(same, 2);
        assert!(first.is_some() && second.is_some());
        assert!(addresses.share(one, 2).is_none(), "one /64 is one address");
        assert!(addresses.share(other, 2).is_some());
        drop(first);
        assert!(addresses.share(same, 2).is_some());
        drop(second);
        assert!(addresses.counts().is_empty());
    }
}
