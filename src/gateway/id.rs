//! Request ids: 26 characters that sort by time and never repeat, in the manner of a ULID.

use std::cell::{Cell, RefCell};

use bytes::BytesMut;
use http::HeaderValue;

/// Crockford's base 32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// One worker's ids: 48 bits of time, 48 of chance fixed at start, 32 of a counter.
#[derive(Debug)]
pub struct RequestIds {
    chance: u64,
    count: Cell<u32>,
    /// Room for the next ids: one allocation for many, and none for the clones of one.
    room: RefCell<BytesMut>,
}

/// Characters of an id.
const LENGTH: usize = 26;

/// Ids that share an allocation. Few enough that one which lives long holds little.
const IDS_TOGETHER: usize = 32;

impl RequestIds {
    /// A generator of its own; two never share their `chance`.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let chance = getrandom::u64()? & 0xffff_ffff_ffff;
        Ok(Self { chance, count: Cell::new(0), room: RefCell::default() })
    }

    /// The next id, at `unix_ms`.
    pub fn next(&self, unix_ms: i64) -> HeaderValue {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let value = (u128::from(unix_ms.cast_unsigned() & 0xffff_ffff_ffff) << 80)
            | (u128::from(self.chance) << 32)
            | u128::from(count);
        let mut text = [0_u8; LENGTH];
        // Twelve characters are 60 bits: shifting halves costs a fraction of shifting the whole.
        spell((value >> 120) as u64, &mut text[..2]);
        spell((value >> 60) as u64, &mut text[2..14]);
        spell(value as u64, &mut text[14..]);
        let mut room = self.room.borrow_mut();
        if room.capacity() < LENGTH {
            *room = BytesMut::with_capacity(IDS_TOGETHER * LENGTH);
        }
        room.extend_from_slice(&text);
        HeaderValue::from_maybe_shared(room.split().freeze())
            .unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

/// Writes the lowest bits as characters, the last first.
fn spell(mut bits: u64, characters: &mut [u8]) {
    for character in characters.iter_mut().rev() {
        *character = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_never_repeat() {
        let ids = RequestIds::new().unwrap();
        let (first, second) = (ids.next(1_700_000_000_000), ids.next(1_700_000_000_000));
        let later = ids.next(1_700_000_000_001);
        assert!(first.as_bytes() < second.as_bytes() && second.as_bytes() < later.as_bytes());
        assert_eq!(first.len(), 26);
        assert_ne!(first, RequestIds::new().unwrap().next(1_700_000_000_000));
    }
}
