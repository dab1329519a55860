//! `Date`, whose text is made once a tick by each worker.

use std::{
    cell::Cell,
    time::{Instant, SystemTime},
};

use crate::tick;

/// As `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
pub(super) type Text = [u8; 29];

thread_local! {
    /// The last text, and at which tick it was asked for.
    static LAST: Cell<Option<(Instant, Text)>> = const { Cell::new(None) };
}

/// The text of now, or of the last tick.
pub(super) fn now() -> Text {
    let tick = tick::now();
    match LAST.get() {
        Some((at, text)) if at == tick => text,
        Some(_) | None => {
            let text = written(SystemTime::now());
            LAST.set(Some((tick, text)));
            text
        }
    }
}

fn written(wall: SystemTime) -> Text {
    // Years of five digits are a clock that is wrong.
    let text = httpdate::fmt_http_date(wall);
    text.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it_and_follows_the_clock() {
        let at = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(written(at), *b"Sun, 06 Nov 1994 08:49:37 GMT");
        let (before, text, after) = (SystemTime::now(), now(), SystemTime::now());
        assert!(text == written(before) || text == written(after));
    }
}
