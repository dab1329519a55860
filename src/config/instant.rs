//! Points in time: from TOML's dates with an offset, and back into text.

use std::time::{Duration, SystemTime};

use toml::value::{Datetime, Offset};

const DAY_S: i64 = 86_400;

/// The instant of a date with time and offset. `None` without an offset or before 1970.
pub(super) fn from_datetime(datetime: &Datetime) -> Option<SystemTime> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let offset_minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    // A leap second counts as the second before it, as it does on the clocks this is compared with.
    let second = i64::from(time.second.unwrap_or(0).min(59));
    let seconds =
        days * DAY_S + i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + second
            - offset_minutes * 60;
    let nanosecond = time.nanosecond.unwrap_or(0);
    let since = Duration::new(u64::try_from(seconds).ok()?, nanosecond);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// `2026-12-31T00:00:00Z`, to the second.
pub(super) fn show(instant: SystemTime) -> String {
    let since = instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let (year, month, day) = civil_from_days(seconds / DAY_S);
    let second = seconds % DAY_S;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the day
/// that comes and goes is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = 365 * year + year / 4 - year / 100 + year / 400;
    let before_month = (153 * month + 2) / 5;
    before_year + before_month + day - 1 - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // No year is longer than 366 days, so this is never too late a year, and at most a few too early.
    let mut year = 1970 + days / 366;
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 12;
    while days_from_civil(year, month, 1) > days {
        month -= 1;
    }
    (year, month, days - days_from_civil(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn an_instant_needs_an_offset() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z",      Some(0)),
            ("2000-02-29T00:00:00Z",      Some(951_782_400)),
            ("2026-12-31T00:00:00Z",      Some(1_798_675_200)),
            ("2026-12-31T02:00:00+02:00", Some(1_798_675_200)),
            ("2026-12-30T19:00:00-05:00", Some(1_798_675_200)),
            ("2026-12-31T00:00:00",       None),
            ("2026-12-31",                None),
            ("1969-12-31T00:00:00Z",      None),
        ] {
            let datetime: Datetime = text.parse().unwrap();
            let seconds = from_datetime(&datetime).map(|instant| {
                instant.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
            });
            assert_eq!(seconds, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(seconds in 0_u64..200_000_000_000) {
            let instant = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let text = show(instant);
            if text.len() == 20 { // TOML's years have four digits
                let datetime: Datetime = text.parse().unwrap();
                prop_assert_eq!(from_datetime(&datetime), Some(instant));
            }
        }
    }
}
