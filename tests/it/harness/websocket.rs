//! WebSocket as bytes: handshakes, frames, and a backend that gives back whatever comes.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    backend::{Backend, Received, Step},
    client::{Client, get},
};

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The four fields of a handshake.
pub(crate) const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The answer of a server that has read the handshake.
pub(crate) fn accepted(received: &Received) -> Vec<u8> {
    let accept = accept(received.field("sec-websocket-key").unwrap_or_default());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nX-Backend: here\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// Switches, and gives every byte back; other requests get 200.
pub(crate) fn echo() -> Backend {
    Backend::scripted(|head| match head.field("upgrade") {
        Some(_) => vec![Step::Reply(accepted), Step::Echo],
        None => vec![Step::Body, Step::Write(super::backend::ok("hello"))],
    })
}

/// A handshake that must be taken.
pub(crate) fn open(mut client: Client, target: &str, fields: &str) -> Client {
    client.send(get(target, &format!("{HANDSHAKE}{fields}")));
    let head = client.head();
    assert_eq!(head.word(1), "101", "{head:?}");
    assert_eq!(head.field("sec-websocket-accept"), Some(&*accept(KEY)));
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("connection"), Some("upgrade"));
    client
}

/// A frame, masked as a client's.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x5a, 0x11, 0xc3, 0x7e];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The code and the reason of a Close frame, unmasked or not, that has to stand at the beginning.
pub(crate) fn closing(bytes: &[u8]) -> (u16, String) {
    assert_eq!(bytes.first(), Some(&0x88), "no Close: {bytes:?}");
    let (masked, length) = (bytes[1] & 0x80 != 0, usize::from(bytes[1] & 0x7f));
    let (mask, payload) = if masked {
        (&bytes[2..6], &bytes[6..6 + length])
    } else {
        (&[0; 4][..], &bytes[2..2 + length])
    };
    let payload: Vec<u8> =
        payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
    (u16::from_be_bytes([payload[0], payload[1]]), reason)
}

/// Sends something and waits until it has come back: the tunnel lives.
pub(crate) fn lives(client: &mut Client) {
    let ping = frame(0x81, b"still here?");
    client.send(&ping);
    assert_eq!(client.bytes(ping.len()), Some(ping));
}
