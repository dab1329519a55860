//! The frames of an HTTP/2 connection that cost us work and ask for none: resets, PING, SETTINGS and
//! their kind. What the HTTP/2 library bounds itself (header blocks, empty and tiny DATA, resets of what
//! nobody has begun to serve) is not counted here; these have no bound there.
//!
//! Only the heads of frames are read, a few instructions for each; what they mean is the library's.

use std::time::{Duration, Instant};

use crate::tick;

/// Bytes of a frame's head (RFC 9113 4.1).
const HEAD: usize = 9;

/// This much of what we send earns a client one more frame. It tells by WINDOW_UPDATE what it has taken,
/// twice for each frame of ours at most, and some measure the round trip by PING as they do.
const EARNS: usize = 1024;

/// And so does each request and each piece of an answer, however small: some open a window for every stream, and
/// some send WINDOW_UPDATE and PING for every message that they get.
const EARNED: usize = 2;

/// Who speaks for others sends what a hundred clients may.
const FOR_OTHERS: usize = 100;

/// The connection may not go on: it sends more than it may, or has begun wrongly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// What a connection may send in a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// RST_STREAM: each may throw away work that has begun.
    pub(super) resets: usize,
    /// Frames that carry neither a request nor a body.
    pub(super) frames: usize,
}

impl Allowance {
    /// Of a connection over which others come.
    pub(super) fn for_others(self) -> Self {
        let many = |one: usize| one.saturating_mul(FOR_OTHERS);
        Self { resets: many(self.resets), frames: many(self.frames) }
    }
}

/// The frames of one connection.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The head of the next frame, as far as it is here.
    head: [u8; HEAD],
    have: usize,
    /// Bytes before that head.
    skip: usize,
    /// Its first frame has come.
    begun: bool,
    resets: Budget,
    frames: Budget,
    /// Bytes sent that have earned nothing yet.
    sent: usize,
    /// Requests and pieces of answers that have earned nothing yet.
    moved: usize,
}

impl Ledger {
    /// Before the connection's first byte; `preface` bytes come before the first frame.
    pub(super) fn new(allowance: Allowance, preface: usize) -> Self {
        Self {
            head: [0; HEAD],
            have: 0,
            skip: preface,
            begun: false,
            resets: Budget::new(allowance.resets),
            frames: Budget::new(allowance.frames),
            sent: 0,
            moved: 0,
        }
    }

    /// Takes what was read next.
    ///
    /// # Errors
    /// [`Refused`] once the connection has sent more than it may.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            let head;
            (head, bytes) =
                bytes[skipped..].split_at((HEAD - self.have).min(bytes.len() - skipped));
            self.head[self.have..self.have + head.len()].copy_from_slice(head);
            self.have += head.len();
            if self.have < HEAD {
                return Ok(());
            }
            self.have = 0;
            self.frame()?;
        }
    }

    /// Takes a frame whose head is complete.
    fn frame(&mut self) -> Result<(), Refused> {
        let [high, middle, low, kind, ..] = self.head;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if !std::mem::replace(&mut self.begun, true) && kind != SETTINGS {
            return Err(Refused); // RFC 9113 3.4; the library takes any frame
        }
        match kind {
            DATA | HEADERS => Ok(()),
            RST_STREAM => self.resets.take(),
            _ => self.frames.take().or_else(|Refused| self.earn()),
        }
    }

    /// Counts what was written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// Counts requests that have come, and pieces of answers that were given.
    pub(super) fn moved(&mut self, times: usize) {
        self.moved += times;
    }

    /// Pays one frame with what was done. No more is kept for later than a second's allowance.
    fn earn(&mut self) -> Result<(), Refused> {
        let earned = (self.sent / EARNS + self.moved * EARNED).min(self.frames.most);
        (self.sent, self.moved) = (0, 0);
        self.frames.left = earned;
        self.frames.take()
    }
}

// Types of frames (RFC 9113 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;

/// So many of something must take a second or longer.
#[derive(Debug)]
struct Budget {
    most: usize,
    left: usize,
    /// Since when these are being spent.
    since: Instant,
}

impl Budget {
    fn new(most: usize) -> Self {
        Self { most, left: most, since: tick::now() }
    }

    fn take(&mut self) -> Result<(), Refused> {
        if self.left == 0 {
            // Asked for only now: the usual frame costs a subtraction.
            let now = tick::now();
            if now.saturating_duration_since(self.since) < Duration::from_secs(1) {
                return Err(Refused);
            }
            (self.left, self.since) = (self.most, now);
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).unwrap().to_be_bytes();
        [&size[1..], &[kind, 0, 0, 0, 0, 1], &vec![kind; length]].concat()
    }

    /// After the preface, and SETTINGS that are counted like any.
    fn ledger(resets: usize, frames: usize) -> Ledger {
        let mut ledger = Ledger::new(Allowance { resets, frames: frames + 1 }, 24);
        ledger.read(&[&[PING; 24][..], &frame(SETTINGS, 6)].concat()).unwrap();
        ledger
    }

    /// How many times `frame` passes, of at most ten.
    fn passes(ledger: &mut Ledger, frame: &[u8]) -> usize {
        let passed = (0..10).take_while(|_| ledger.read(frame).is_ok()).count();
        // Nothing follows a frame that was refused, its own content neither.
        ledger.skip = 0;
        passed
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let mut wire = Vec::new();
        for _ in 0..3 {
            for (kind, length) in [(DATA, 0), (DATA, 70_000), (HEADERS, 300), (SETTINGS, 6)] {
                wire.extend(frame(kind, length));
            }
        }
        for size in [1, 2, 8, 9, 10, 17, 4096, wire.len()] {
            let mut counted = ledger(0, 3);
            assert!(wire.chunks(size).all(|piece| counted.read(piece).is_ok()), "{size}");
            assert_eq!(counted.read(&frame(PING, 8)), Err(Refused), "{size}");
        }
    }

    #[test]
    fn resets_and_what_moves_nothing_have_bounds_of_their_own() {
        let mut counted = ledger(2, 3);
        assert_eq!(passes(&mut counted, &frame(DATA, 0)), 10);
        assert_eq!(passes(&mut counted, &frame(HEADERS, 20)), 10);
        assert_eq!(passes(&mut counted, &frame(RST_STREAM, 4)), 2);
        assert_eq!(passes(&mut counted, &frame(0xfe, 4)), 3);
    }

    #[test]
    fn what_we_send_earns_frames_and_a_second_renews_the_rest() {
        let mut counted = ledger(2, 3);
        let update = frame(8, 4);
        assert_eq!(passes(&mut counted, &update), 3);
        counted.wrote(2 * EARNS);
        assert_eq!(passes(&mut counted, &update), 2);
        counted.wrote(1 << 30);
        assert_eq!(passes(&mut counted, &update), 4, "no more than a second's");
        counted.moved(1);
        assert_eq!(
            passes(&mut counted, &update),
            2,
            "a message of some bytes, and what answers it"
        );
        counted.frames.since -= Duration::from_secs(1);
        assert_eq!(passes(&mut counted, &update), 4);
    }

    #[test]
    fn who_speaks_for_others_may_send_what_they_may() {
        let one = Allowance { resets: 100, frames: 1000 };
        let Allowance { resets, frames } = one.for_others();
        assert_eq!((resets, frames), (10_000, 100_000));
    }

    #[test]
    fn a_connection_begins_with_settings() {
        for (kind, begins) in [(SETTINGS, true), (HEADERS, false), (PING, false)] {
            let mut counted = Ledger::new(Allowance { resets: 1, frames: 1 }, 24);
            let bytes = [&[0; 24][..], &frame(kind, 8)].concat();
            assert_eq!(counted.read(&bytes).is_ok(), begins, "{kind}");
        }
    }
}
