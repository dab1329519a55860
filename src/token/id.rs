//! The time UUIDs that name token records. They are not secret: the MAC in the token's text is what
//! cannot be guessed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::{Timestamp, Uuid, timestamp::context::ContextV1};

/// Makes version 1 UUIDs that do not repeat within a process, nor across processes whose node
/// differs.
#[derive(Debug)]
pub struct IdSource {
    node: [u8; 6],
    context: ContextV1,
}

impl IdSource {
    /// `random` chooses the node and the first sequence number.
    #[must_use]
    pub fn new(random: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, high, low] = random;
        // The multicast bit: no network card has such an address (RFC 9562 6.10).
        let node = [a | 1, b, c, d, e, f];
        Self { node, context: ContextV1::new(u16::from_be_bytes([high, low])) }
    }

    /// The next id at `now`. Two calls at one instant differ in their sequence number.
    #[must_use]
    pub fn next(&self, now: SystemTime) -> Uuid {
        let since: Duration = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp::from_unix(&self.context, since.as_secs(), since.subsec_nanos());
        Uuid::new_v1(at, &self.node)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_made_at_one_instant_differ_and_are_time_uuids() {
        let source = IdSource::new([7; 8]);
        let ids: HashSet<Uuid> = (0..1_000).map(|_| source.next(SystemTime::now())).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 1));
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        let now = UNIX_EPOCH + Duration::from_millis(1_790_000_000_123);
        let id = IdSource::new([0; 8]).next(now);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos / 1_000_000), (1_790_000_000, 123));
    }
}
