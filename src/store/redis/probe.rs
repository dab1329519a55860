//! How long a change takes to be told: a key that is read, then written, and the message that comes of it.
//!
//! Each time it is another key, in a cluster of a slot by chance: so each node is probed as often as
//! tokens are kept there, and it is still one read and one write.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::Cmd;
use tokio::{sync::oneshot, time};

use super::{RedisLink, command};
use crate::store::StoreError;

/// How long such a key is kept, if nobody comes to tell of it.
const KEPT_MS: u64 = 5_000;

/// Longest wait for the message: as long as a revocation may take to be seen everywhere.
const WAIT: Duration = Duration::from_secs(2);

/// Behind the prefix, before a number in hexadecimal.
const NAME: &str = "probe:";

/// Who waits for a message, and for which.
#[derive(Debug, Default)]
pub(super) struct Probes(Mutex<Option<(u64, oneshot::Sender<Instant>)>>);

impl Probes {
    fn expect(&self, number: u64) -> oneshot::Receiver<Instant> {
        let (told, hears) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, told));
        hears
    }

    /// The message has come; `false` when nobody expected it: then it may be of somebody else's key.
    pub(super) fn heard(&self, number: u64) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, told)) = waiting.take_if(|(expected, _)| *expected == number) else {
            return false;
        };
        // Whoever waited may have gone.
        let _ = told.send(Instant::now());
        true
    }
}

/// The number in a key of such a probe, without the prefix.
pub(super) fn number(own: &str) -> Option<u64> {
    u64::from_str_radix(own.strip_prefix(NAME)?, 16).ok()
}

impl RedisLink {
    /// How long a change took from its command until it was told here. `None` where nothing is told of
    /// changes (any more).
    pub(in crate::store) async fn probe(&self) -> Result<Option<Duration>, StoreError> {
        let fences = self.links.fences();
        let hears = |ear| fences.hears(ear, Instant::now());
        let Some(ear) = self.links.ear().filter(|ear| hears(*ear)) else { return Ok(None) };
        let reading = fences.reading(Some(ear));
        let Ok(number) = getrandom::u64() else { return Ok(None) };
        let key = format!("{}{NAME}{number:016x}", self.prefix);
        let told = self.links.changes().probes().expect(number);
        self.links.call(&command("EXISTS", &key)).await?;
        let sent = Instant::now();
        self.links.call(&write(&key)).await?;
        let left = WAIT.saturating_sub(sent.elapsed());
        let heard = time::timeout(left, told).await.ok().and_then(Result::ok);
        // What was lost with a connection, or with a slot, is asked for again: nobody waits for it to be told.
        let counts = fences.is_of_now(&reading) && (heard.is_some() || hears(ear));
        let lag = heard.map_or_else(|| sent.elapsed(), |heard| heard.duration_since(sent));
        Ok(counts.then_some(lag))
    }
}

fn write(key: &str) -> Cmd {
    let mut write = command("SET", key);
    write.arg("").arg("PX").arg(KEPT_MS);
    write
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_for_whoever_waits_for_it_and_for_nobody_else() {
        assert_eq!(number("probe:000000000000002a"), Some(42));
        assert_eq!(number("probe:"), None);
        assert_eq!(number("token:2a"), None);
        let probes = Probes::default();
        assert!(!probes.heard(1));
        let mut told = probes.expect(2);
        assert!(!probes.heard(1) && told.try_recv().is_err());
        assert!(probes.heard(2) && told.try_recv().is_ok());
        assert!(!probes.heard(2));
    }
}
