//! `Date`, whose text is made once a second by each worker.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::tick;

/// As `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
pub(super) type Text = [u8; 29];

thread_local! {
    /// The last text: at which tick it was asked for, and of which second it is.
    static LAST: Cell<(SystemTime, u64, Text)> = const { Cell::new((UNIX_EPOCH, 0, [0; 29])) };
}

/// The text of now.
pub(super) fn now() -> Text {
    let wall = tick::wall_now();
    let (at, second, text) = LAST.get();
    if at == wall {
        return text;
    }
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = if since == second { text } else { written(wall) };
    LAST.set((wall, since, text));
    text
}

fn written(wall: SystemTime) -> Text {
    // Years of five digits are a clock that is wrong.
    let text = httpdate::fmt_http_date(wall);
    text.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it_and_follows_the_clock() {
        let at = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(written(at), *b"Sun, 06 Nov 1994 08:49:37 GMT");
        let (before, text, after) = (SystemTime::now(), now(), SystemTime::now());
        assert!(text == written(before) || text == written(after));
    }
}
