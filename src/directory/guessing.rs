//! The brake on guessing passwords and client secrets, shared by all gateways through the store.
//!
//! Three counts: of one account from one network, which refuses; of one network, which refuses sooner;
//! and of one account from anywhere, which only delays, because refusing would let anybody lock anybody
//! out. A try counts before it is judged, so that a crowd of parallel tries cannot slip through, and is
//! taken back once it turned out right. Account names stand in the store as digests only.

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use sha2::{Digest as _, Sha256};

use crate::store::{Store, StoreError, documents::Tally};

/// The window in which wrong tries of one account from one network are counted.
const PAIR_WINDOW: Duration = Duration::from_secs(15 * 60);
/// The window in which wrong tries of one network are counted.
const ADDRESS_WINDOW: Duration = Duration::from_secs(60);
/// The window in which wrong tries of one account are counted.
const ACCOUNT_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Wrong tries of one account in its window before any further one is delayed.
const FREE_TRIES: u32 = 50;
/// The first delay, doubled after every [`TRIES_PER_STEP`] further wrong tries.
const DELAY_MIN: Duration = Duration::from_millis(250);
/// Longer would make the account's owner give up.
const DELAY_MAX: Duration = Duration::from_secs(4);
const TRIES_PER_STEP: u32 = 10;

/// How many wrong tries are answered before the next one is refused. At least 1 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one account from one network, in 15 minutes.
    pub per_account: u32,
    /// For one network, in a minute.
    pub per_address: u32,
}

/// Too many wrong tries: 429, without looking at the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong tries")]
pub struct TooMany {
    /// When the next try is answered again.
    pub retry_after: Duration,
}

/// A try that has been counted and may be judged. Dropped, it stays counted as a wrong one.
#[derive(Debug)]
#[must_use = "wait for its delay, and take it back if it turns out right"]
pub struct Attempt {
    keys: Keys,
    /// Wrong tries of this account before this one, from anywhere, and those that are being judged.
    earlier: u32,
}

impl Attempt {
    /// Counts one try at `account` from `address`, or refuses it.
    ///
    /// `account` is whatever names one account, in one spelling, whether it exists or not. `address` is
    /// `None` when it is unknown, or must not count because many share it: then the account alone counts.
    ///
    /// A refused try does not count against the account: a stranger cannot slow its owner down by it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot count: nothing may be judged then.
    pub async fn begin(
        store: &Store,
        limits: Limits,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<Result<Self, TooMany>, StoreError> {
        let keys = Keys::new(account, address);
        if let Some(origin) = &keys.origin {
            // The address first, and nothing more of a try that it refuses: else one address could make
            // the store keep a count for every name it invents.
            let address = store.tally(&origin.address, ADDRESS_WINDOW).await?;
            if let Some(refusal) = refusal(limits.per_address, address) {
                return Ok(Err(refusal));
            }
            let pair = store.tally(&origin.pair, PAIR_WINDOW).await?;
            if let Some(refusal) = refusal(limits.per_account, pair) {
                return Ok(Err(refusal));
            }
        }
        let tally = store.tally(&keys.account, ACCOUNT_WINDOW).await?;
        Ok(Ok(Self { keys, earlier: tally.count.saturating_sub(1) }))
    }

    /// Whether a try at `account` from `address` would be refused now, without counting one: for what is
    /// tried too often, and mostly rightly, to be counted beforehand.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell: nothing may be judged then.
    pub async fn is_refused(
        store: &Store,
        limits: Limits,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let Some(origin) = Keys::new(account, address).origin else { return Ok(false) };
        let (pair, address) =
            tokio::join!(store.tallied(&origin.pair), store.tallied(&origin.address));
        Ok(pair? >= limits.per_account || address? >= limits.per_address)
    }

    /// How long to wait before this try is judged, right or wrong.
    #[must_use]
    pub fn delay(&self) -> Duration {
        let Some(beyond) = self.earlier.checked_sub(FREE_TRIES) else { return Duration::ZERO };
        let factor = 2_u32.saturating_pow(beyond / TRIES_PER_STEP);
        DELAY_MIN.saturating_mul(factor).min(DELAY_MAX)
    }

    /// Takes this try back: it was right. The earlier wrong ones of this account from this network are
    /// forgotten, those of the network as a whole are not.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot count; the try then stays counted, which is no reason to
    /// refuse who has proved to be right.
    pub async fn succeeded(self, store: &Store) -> Result<(), StoreError> {
        let Some(origin) = &self.keys.origin else {
            return store.untally(&self.keys.account).await;
        };
        let (pair, address, account) = tokio::join!(
            store.forget_tally(&origin.pair),
            store.untally(&origin.address),
            store.untally(&self.keys.account),
        );
        pair.and(address).and(account)
    }
}

/// The names under which one try is counted.
#[derive(Debug, PartialEq, Eq)]
struct Keys {
    account: String,
    origin: Option<Origin>,
}

#[derive(Debug, PartialEq, Eq)]
struct Origin {
    pair: String,
    address: String,
}

impl Keys {
    fn new(account: &str, address: Option<IpAddr>) -> Self {
        let origin = address.map(network).map(|network| Origin {
            // A network has no `|`: nothing can move from one to the other.
            pair: format!("login:pair:{}", digest(&format!("{account}|{network}"))),
            address: format!("login:address:{network}"),
        });
        Self { account: format!("login:account:{}", digest(account)), origin }
    }
}

/// One household or machine: the whole address for IPv4, however it is written, the /64 for IPv6.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", std::net::Ipv6Addr::from(network))
        }
    }
}

/// 128 bits of SHA-256 in hexadecimal: enough that no two accounts meet.
fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in &Sha256::digest(text)[..16] {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Whether a try with this count, itself included, is one too many, and until when.
fn refusal(limit: u32, tally: Tally) -> Option<TooMany> {
    (tally.count > limit).then_some(TooMany { retry_after: tally.left })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(account: &str, address: &str) -> Keys {
        Keys::new(account, Some(address.parse().unwrap()))
    }

    fn tally(count: u32, seconds: u64) -> Tally {
        Tally { count, left: Duration::from_secs(seconds) }
    }

    #[test]
    fn keys_name_the_network_and_no_account() {
        let keys = keys("fred@acme/shop", "192.0.2.7");
        let origin = keys.origin.unwrap();
        assert_eq!(keys.account, "login:account:e13cfacbd480aea672c44c6ddf144524");
        assert_eq!(origin.pair, "login:pair:0142b3f01513bddbbd0fe911c9887f73");
        assert_eq!(origin.address, "login:address:192.0.2.7");
    }

    #[test]
    fn a_household_is_one_network_and_its_neighbour_another() {
        let first = keys("fred", "2001:db8:0:1::1");
        assert_eq!(first, keys("fred", "2001:db8:0:1:ffff::2"));
        assert_eq!(first.origin.as_ref().unwrap().address, "login:address:2001:db8:0:1::/64");
        assert_ne!(first.origin, keys("fred", "2001:db8:0:2::1").origin);
        assert_ne!(keys("fred", "192.0.2.7").origin, keys("fred", "192.0.2.8").origin);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_itself() {
        assert_eq!(keys("fred", "::ffff:192.0.2.7"), keys("fred", "192.0.2.7"));
        assert_ne!(keys("fred", "::ffff:192.0.2.7"), keys("fred", "::ffff:192.0.2.8"));
    }

    #[test]
    fn another_account_shares_the_network_only() {
        let (fred, jane) = (keys("fred", "192.0.2.7"), keys("jane", "192.0.2.7"));
        assert_ne!(fred.account, jane.account);
        let (fred, jane) = (fred.origin.unwrap(), jane.origin.unwrap());
        assert_ne!(fred.pair, jane.pair);
        assert_eq!(fred.address, jane.address);
    }

    #[test]
    fn without_an_address_the_account_alone_counts() {
        let keys = Keys::new("fred", None);
        assert_eq!(keys.origin, None);
        assert_eq!(keys.account, self::keys("fred", "192.0.2.7").account);
    }

    #[test]
    fn as_many_tries_as_the_limit_are_answered_and_the_next_is_refused() {
        let cases = [(1, None), (10, None), (11, Some(900)), (u32::MAX, Some(900))];
        for (count, expected) in cases {
            let seconds = refusal(10, tally(count, 900)).map(|many| many.retry_after.as_secs());
            assert_eq!(seconds, expected, "{count}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn beyond_fifty_wrong_tries_an_account_is_slowed_and_never_shut() {
        let cases = [
            (0, 0), (49, 0), (50, 250), (59, 250), (60, 500), (70, 1_000), (80, 2_000),
            (89, 2_000), (90, 4_000), (1_000, 4_000), (u32::MAX, 4_000),
        ];
        for (earlier, expected) in cases {
            let attempt = Attempt { keys: Keys::new("fred", None), earlier };
            assert_eq!(attempt.delay(), Duration::from_millis(expected), "{earlier}");
        }
    }
}
