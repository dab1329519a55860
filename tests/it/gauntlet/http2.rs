//! HTTP/2 without a library, for a library repairs what it sends: every field literal, nothing compressed.
//! Reads just enough of answers to see their status.

use std::net::SocketAddr;

use super::bytes::Pair;
use crate::harness::client::Client;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The most that a frame may carry unless the other side allows more (RFC 9113 4.2).
const FRAME_MAX: usize = 16_384;

/// How the exchange on a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Reset,
    /// The connection is over: GOAWAY with an error, or no more bytes.
    Closed,
}

/// What came on a stream.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) statuses: Vec<u16>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

/// The frames of a head.
fn head(stream: u32, fields: &[Pair], flags: u8) -> Vec<u8> {
    let block = encode(fields);
    let mut pieces = block.chunks(FRAME_MAX).peekable();
    let (mut kind, mut flags, mut all) = (HEADERS, flags, Vec::new());
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        all.extend(frame(kind, flags | end, stream, piece));
        (kind, flags) = (CONTINUATION, 0);
    }
    all
}

/// A connection.
pub(crate) struct Raw {
    client: Client,
}

impl Raw {
    pub(crate) fn over(mut client: Client) -> Self {
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // SETTINGS_HEADER_TABLE_SIZE 0: answers index nothing that we would have to remember.
        client.send(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]));
        Self { client }
    }

    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(Client::connect(address))
    }

    /// Frames as they stand, at once.
    pub(crate) fn bytes(&mut self, frames: &[u8]) {
        self.client.send(frames);
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.client.send(frame(kind, flags, stream, payload));
    }

    /// A whole request, at once: whether its fault is in the head or behind it, it is there when the head is read.
    pub(crate) fn request(
        &mut self,
        stream: u32,
        fields: &[Pair],
        body: Option<&[u8]>,
        trailers: Option<&[Pair]>,
    ) {
        let ends = |ends: bool| if ends { END_STREAM } else { 0 };
        let mut all = head(stream, fields, ends(body.is_none() && trailers.is_none()));
        if let Some(body) = body {
            let last = body.len().saturating_sub(1) / FRAME_MAX;
            for index in 0..=last {
                let piece = &body[index * FRAME_MAX..body.len().min((index + 1) * FRAME_MAX)];
                let flags = ends(index == last && trailers.is_none());
                all.extend(frame(DATA, flags, stream, piece));
            }
        }
        if let Some(trailers) = trailers {
            all.extend(head(stream, trailers, END_STREAM));
        }
        self.bytes(&all);
    }

    /// Reads until nothing more can come on this stream.
    pub(crate) fn exchange(&mut self, stream: u32) -> Exchange {
        let mut found = Exchange { statuses: Vec::new(), body: Vec::new(), end: End::Closed };
        while let Some((kind, flags, on, payload)) = self.next() {
            match kind {
                SETTINGS if flags & 1 == 0 => self.send(SETTINGS, 1, 0, &[]),
                HEADERS if on == stream => found.statuses.extend(status(&payload)),
                DATA if on == stream => found.body.extend(payload),
                RST_STREAM if on == stream => {
                    found.end = End::Reset;
                    return found;
                }
                // An error; without one it only says that the connection will end.
                GOAWAY if payload[4..8] != [0; 4] => return found,
                _ => continue,
            }
            if on == stream && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                found.end = End::Clean;
                return found;
            }
        }
        found
    }

    fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head = self.client.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.client.bytes(length as usize)?;
        Some((head[3], head[4], stream, payload))
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literals that are never indexed (RFC 7541 6.2.2).
pub(crate) fn encode(fields: &[Pair]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 5.1).
fn length(mut length: usize, into: &mut Vec<u8>) {
    if length < 127 {
        into.push(length as u8);
        return;
    }
    into.push(127);
    length -= 127;
    while length >= 128 {
        into.push(128 | (length % 128) as u8);
        length /= 128;
    }
    into.push(length as u8);
}

/// The status of an answer's head; none in trailers.
fn status(block: &[u8]) -> Option<u16> {
    let mut block = block;
    loop {
        let (&first, _) = block.split_first()?;
        match first {
            0x80.. => {
                let index = integer(&mut block, 7);
                let known = [200, 204, 206, 304, 400, 404, 500]; // 8 to 14 of the static table
                if let Some(status) = index.checked_sub(8).and_then(|at| known.get(at)) {
                    return Some(*status);
                }
            }
            0x20..0x40 => {
                integer(&mut block, 5);
            }
            _ => {
                let name = integer(&mut block, if first >= 0x40 { 6 } else { 4 });
                if name == 0 {
                    string(&mut block);
                }
                let (coded, value) = string(&mut block);
                if (8..=14).contains(&name) {
                    let digits = if coded { digits(value) } else { value.to_vec() };
                    return String::from_utf8(digits).ok()?.parse().ok();
                }
            }
        }
    }
}

fn integer(block: &mut &[u8], bits: u32) -> usize {
    let most = (1_usize << bits) - 1;
    let mut number = usize::from(block[0]) & most;
    *block = &block[1..];
    let mut shift = 0;
    while number >= most {
        let byte = block[0];
        *block = &block[1..];
        number += usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    number
}

fn string<'a>(block: &mut &'a [u8]) -> (bool, &'a [u8]) {
    let coded = block[0] >= 128;
    let length = integer(block, 7);
    let (text, rest) = block.split_at(length);
    *block = rest;
    (coded, text)
}

/// The digits of a text in the code of RFC 7541, appendix B: five bits for 0 to 2, six for the others.
fn digits(coded: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> =
        coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0, |number, bit| number << 1 | bit);
    let (mut at, mut digits) = (0, Vec::new());
    while at + 5 <= bits.len() {
        let short = number(&bits[at..at + 5]);
        if short <= 2 {
            digits.push(b'0' + short);
            at += 5;
            continue;
        }
        let Some(six) = bits.get(at..at + 6).map(number) else { break };
        if !(0x19..=0x1f).contains(&six) {
            break;
        }
        digits.push(b'3' + six - 0x19);
        at += 6;
    }
    digits
}

#[test]
fn a_status_is_read_in_every_form_in_which_it_is_written() {
    assert_eq!(status(&[0x20, 0x88]), Some(200), "after a change of the table's size");
    assert_eq!(status(&[0x48, 0x03, b'4', b'0', b'3']), Some(403));
    assert_eq!(status(&[0x08, 0x82, 0x64, 0x02]), Some(302), "RFC 7541 C.6.1");
    assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307), "RFC 7541 C.6.2");
    assert_eq!(status(&[0x00, 0x01, b'x', 0x01, b'y']), None, "trailers");
}
