//! Times and sizes with their units. Units are never guessed: a bare number is a mistake.

use std::time::Duration;

/// Units of time, largest first, in milliseconds.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, largest first, in bytes.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `250ms`, `1s`, `5m`, `2h`, `7d`; otherwise says what to write.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    read(text, &TIMES).map(Duration::from_millis).ok_or_else(|| {
        "write a whole number and `ms`, `s`, `m`, `h` or `d`, such as `30s`".to_owned()
    })
}

/// Reads `512B`, `64KiB`, `16MiB`, `1GiB`; otherwise says what to write.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    read(text, &SIZES).ok_or_else(|| {
        "write a whole number and `B`, `KiB`, `MiB` or `GiB`, such as `16MiB`".to_owned()
    })
}

/// The shortest exact spelling that [`duration`] reads back.
pub(crate) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &TIMES)
}

/// The shortest exact spelling that [`bytes()`] reads back.
pub(super) fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_')?;
    let (digits, unit) = text.split_at(end);
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.replace('_', "").parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let smallest = units.last().map_or("", |(name, _)| name);
    let fits = units.iter().find(|(_, factor)| value > 0 && value.is_multiple_of(*factor));
    match fits {
        Some((name, factor)) => format!("{}{name}", value / factor),
        // Nothing is nothing in any unit; seconds read best.
        None if smallest == "ms" => format!("{value}s"),
        None => format!("{value}{smallest}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_time_has_a_number_and_a_unit() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (text, expected) in [
            ("250ms", ms(250)), ("1s", ms(1_000)), ("5m", ms(300_000)), ("2h", ms(7_200_000)),
            ("7d", ms(604_800_000)), ("0s", ms(0)), ("1_000ms", ms(1_000)),
            ("30x", None), ("30", None), ("s", None), ("", None), ("1.5s", None), ("-1s", None),
            ("1 s", None), ("1S", None), ("_1s", None), ("1__0s", None), ("99999999999999d", None),
        ] {
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_size_has_a_number_and_a_unit() {
        for (text, expected) in [
            ("64KiB", Some(65_536)), ("16MiB", Some(16_777_216)), ("1GiB", Some(1 << 30)), ("12B", Some(12)),
            ("64KB", None), ("64k", None), ("64", None), ("1.5MiB", None), ("99999999999GiB", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(value in 0_u64..1 << 40) {
            prop_assert_eq!(bytes(&show_bytes(value)), Ok(value));
            let time = Duration::from_millis(value);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
        }
    }
}
