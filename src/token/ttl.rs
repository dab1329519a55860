//! From a lifetime to an expiry instant, without an overflow that would make a token immortal or
//! dead at birth. Instants are milliseconds since the Unix epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The expiry of a token that never expires, as its text and its record hold it.
pub const NEVER_MS: i64 = i64::MAX;

/// How long a record outlives its token, so that a token refused as expired is never reported as
/// unknown because our clock runs behind the store's.
pub const RECORD_SLACK_MS: i64 = 60_000;

/// The instant at which a token issued at `now_ms` for `ttl` expires; `None` never expires.
///
/// A lifetime that reaches past the last instant that can be written is no expiry at all: it gives
/// `None`, so that nobody gets an immortal token by asking for a very long one.
#[must_use]
pub fn expiry_ms(now_ms: i64, ttl: Option<Duration>) -> Option<i64> {
    let Some(ttl) = ttl else { return Some(NEVER_MS) };
    let ttl_ms = i64::try_from(ttl.as_millis()).ok()?;
    now_ms.checked_add(ttl_ms).filter(|&at| at != NEVER_MS)
}

/// When the store may forget the record of a token that expires at `expires_ms`; `None` is never.
#[must_use]
pub fn record_expiry_ms(expires_ms: i64) -> Option<i64> {
    if expires_ms == NEVER_MS { None } else { expires_ms.checked_add(RECORD_SLACK_MS) }
}

/// `time` as milliseconds since the Unix epoch; an instant before it counts as the epoch.
#[must_use]
pub fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(NEVER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_lifetime_becomes_an_instant_or_nothing() {
        let ms = Duration::from_millis;
        //       now            lifetime                          expires
        let cases = [
            (1_000,          Some(ms(500)),                     Some(1_500)),
            (1_000,          Some(ms(0)),                       Some(1_000)),
            (1_000,          None,                              Some(NEVER_MS)),
            (1_000,          Some(ms(u64::MAX)),                None),
            (i64::MAX - 10,  Some(ms(9)),                       Some(i64::MAX - 1)),
            (i64::MAX - 10,  Some(ms(10)),                      None),
            (i64::MAX - 10,  Some(ms(11)),                      None),
            (1_000,          Some(Duration::MAX),               None),
        ];
        for (now, ttl, expected) in cases {
            assert_eq!(expiry_ms(now, ttl), expected, "{now} + {ttl:?}");
        }
    }

    #[test]
    fn a_record_outlives_its_token_unless_that_never_expires() {
        assert_eq!(record_expiry_ms(1_000), Some(61_000));
        assert_eq!(record_expiry_ms(NEVER_MS), None);
        assert_eq!(record_expiry_ms(NEVER_MS - 1), None);
    }

    #[test]
    fn an_instant_before_the_epoch_counts_as_the_epoch() {
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_secs(5)), 0);
        assert_eq!(unix_ms(UNIX_EPOCH + Duration::from_millis(5)), 5);
    }
}
