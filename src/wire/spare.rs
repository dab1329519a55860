//! Memory of heads that have gone serves the next ones: it is still near the processor, where an allocator
//! hands out what was freed longest ago.

use std::cell::RefCell;

/// Room for a usual head, bytes.
const USUAL: usize = 1024;

/// Nothing larger is kept.
const KEPT_MAX: usize = 4 * 1024;

/// Heads that are written at once on one thread: few, since each goes out as soon as it is there.
const SPARE_MAX: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty text with room for a usual head.
#[must_use]
pub fn text() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(USUAL))
}

/// Keeps the memory of a text that has gone.
pub(super) fn keep(mut text: Vec<u8>) {
    if !(USUAL..=KEPT_MAX).contains(&text.capacity()) {
        return;
    }
    text.clear();
    // At a thread's end there is nobody left to keep it for.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(text);
        }
    });
}
