//! What we know of WebSocket: the proof that a backend has understood the handshake, where a frame ends,
//! and how to say that it is over. Frames are never taken apart: they pass as they are.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What every server appends to the key before it digests it (RFC 6455 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Opcode of a Close frame with its FIN bit (RFC 6455 5.5.1).
const CLOSE: u8 = 0x88;

/// Longest head of a frame: two bytes, eight of a length, four of a mask.
const HEAD_BYTES_MAX: usize = 14;

/// Longest payload of a control frame, of which two bytes are the code.
const CONTROL_BYTES_MAX: usize = 125;

/// A key for a handshake of our own; `None` when the system has no randomness to give.
pub(super) fn key() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// What a server answers to `key` (RFC 6455 4.2.2). SHA-1 proves nothing here but that it was read.
pub(super) fn accept(key: &[u8]) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

/// A Close frame. One to a server is masked (RFC 6455 5.3).
pub(super) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let reason = &reason.as_bytes()[..reason.len().min(CONTROL_BYTES_MAX - 2)];
    let payload = [&code.to_be_bytes()[..], reason].concat();
    let masked = if mask.is_some() { 0x80 } else { 0 };
    #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
    let mut frame = vec![CLOSE, masked | payload.len() as u8];
    let key = mask.unwrap_or_default();
    frame.extend(mask.iter().flatten());
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Where one direction of a connection stands: between two frames, or inside one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES_MAX],
    /// Bytes of the head that have come; 0 once it is whole.
    have: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
    closed: bool,
}

impl Frames {
    /// Takes note of bytes that have passed.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.step(bytes);
            bytes = &bytes[taken..];
        }
    }

    /// Goes on to the next border inside or after a frame, and returns how far that was.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.left > 0 {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX);
            let taken = bytes.len().min(most);
            self.left -= taken as u64;
            return taken;
        }
        self.head[self.have] = bytes[0];
        self.have += 1;
        if self.have >= 2 && self.have == head_bytes(self.head[1]) {
            self.closed |= self.head[0] & 0x0f == CLOSE & 0x0f;
            self.left = payload_bytes(&self.head);
            self.have = 0;
        }
        1
    }

    /// Whether a frame of ours could stand here.
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Whether a Close frame has begun: nothing may follow it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many of `bytes` still belong to the frame that has begun: all, if it does not end in them.
    pub(super) fn rest_of_frame(&self, bytes: &[u8]) -> usize {
        let (mut ahead, mut taken) = (*self, 0);
        while taken < bytes.len() && !ahead.at_boundary() {
            taken += ahead.step(&bytes[taken..]);
        }
        taken
    }
}

/// How long a head is whose second byte this is.
fn head_bytes(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

fn payload_bytes(head: &[u8; HEAD_BYTES_MAX]) -> u64 {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    match head[1] & 0x7f {
        126 => number(&head[2..4]),
        127 => number(&head[2..10]),
        length => u64::from(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, masked: bool, payload: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match payload {
            0..126 => frame.push(mask | u8::try_from(payload).unwrap()),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend(if masked { &[1, 2, 3, 4][..] } else { &[] });
        frame.resize(frame.len() + payload, 0x88);
        frame
    }

    #[test]
    fn the_example_of_the_standard_has_its_answer() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_ne!(key(), key());
        assert_eq!(key().unwrap().len(), 24);
    }

    #[test]
    fn a_close_frame_holds_code_and_reason_and_is_masked_towards_a_server() {
        assert_eq!(close(1008, "no", None), b"\x88\x04\x03\xf0no");
        let mask = [0x11, 0x22, 0x33, 0x44];
        assert_eq!(close(1001, "", Some(mask)), [0x88, 0x82, 0x11, 0x22, 0x33, 0x44, 0x12, 0xcb]);
        assert_eq!(close(1008, &"x".repeat(200), None).len(), 2 + CONTROL_BYTES_MAX);
    }

    #[test]
    fn boundaries_are_found_however_the_bytes_are_cut() {
        for masked in [false, true] {
            for payload in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
                let two = [frame(0x02, masked, payload), frame(0x89, masked, 3)].concat();
                let first = frame(0x02, masked, payload).len();
                for piece in [1, 2, 3, 7, 4096, two.len()] {
                    let mut frames = Frames::default();
                    two[..first - 1].chunks(piece).for_each(|bytes| frames.pass(bytes));
                    assert!(!frames.at_boundary(), "{payload} in pieces of {piece}");
                    frames.pass(&two[first - 1..first]);
                    assert!(frames.at_boundary(), "{payload} in pieces of {piece}");
                    let mut both = Frames::default();
                    two.chunks(piece).for_each(|bytes| both.pass(bytes));
                    assert!(both.at_boundary() && !both.is_closed(), "{payload}, {piece}");
                }
                let mut begun = Frames::default();
                begun.pass(&two[..1]);
                assert_eq!(begun.rest_of_frame(&two[1..]), first - 1);
                assert_eq!(begun.rest_of_frame(&two[1..2]), 1);
                assert_eq!(Frames::default().rest_of_frame(&two), 0);
            }
        }
    }

    #[test]
    fn a_close_frame_is_seen_and_nothing_that_only_looks_like_one() {
        let mut frames = Frames::default();
        frames.pass(&frame(0x82, true, 300));
        assert!(!frames.is_closed());
        frames.pass(&frame(0x88, true, 2));
        assert!(frames.is_closed() && frames.at_boundary());
    }
}
