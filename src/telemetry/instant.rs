//! Instants as people and log readers write them (RFC 3339, UTC).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch; 0 for anything before it.
#[must_use]
pub fn unix_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-12-31T00:00:00.000Z`.
#[must_use]
pub fn rfc3339_ms(unix_ms: i64) -> String {
    let (date, time) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(date);
    let (seconds, ms) = (time / 1000, time % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// `2026-12-31T00:00:00Z`.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    let mut text = rfc3339_ms(unix_ms);
    text.truncate(text.len() - 5);
    text.push('Z');
    text
}

/// Year, month and day of a day number since the epoch, by the proleptic Gregorian calendar: years
/// are counted from March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (1_798_675_199_999, "2026-12-30T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339_ms(ms), text);
        }
        assert_eq!(rfc3339(1_798_675_200_000), "2026-12-31T00:00:00Z");
    }
}
