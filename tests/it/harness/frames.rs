//! HTTP/2 frame by frame, for clients that no library wants to be: no windows, huge windows, no manners.

use std::net::SocketAddr;

use super::client::Client;

/// Settings by their number (RFC 9113 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A connection. It reads nothing unless told.
pub(crate) struct Frames {
    pub(crate) client: Client,
    streams: u32,
}

impl Frames {
    /// Connects, and opens this window for each stream.
    pub(crate) fn connect(address: SocketAddr, window: u32) -> Self {
        Self::over(Client::connect(address), window)
    }

    /// The same over a connection that is there.
    pub(crate) fn over(mut client: Client, window: u32) -> Self {
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
        client.send(frame(4, 0, 0, &setting));
        Self { client, streams: 0 }
    }

    /// Opens the connection's window by this much more.
    pub(crate) fn widen(&mut self, by: u32) -> &mut Self {
        self.client.send(frame(8, 0, 0, &by.to_be_bytes()));
        self
    }

    /// Asks for `target` on a stream of its own.
    pub(crate) fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> &mut Self {
        self.open(&request("GET", target, fields), true);
        self
    }

    /// Opens a stream with this head, and returns its number.
    pub(crate) fn open(&mut self, head: &[(&str, &str)], ends: bool) -> u32 {
        let stream = self.streams * 2 + 1;
        self.streams += 1;
        let flags = if ends { 0x5 } else { 0x4 }; // END_STREAM, END_HEADERS
        self.client.send(frame(1, flags, stream, &block(head)));
        stream
    }

    /// Sends bytes on a stream.
    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8]) {
        self.client.send(frame(0, 0, stream, bytes));
    }

    /// Takes so many bytes off the windows.
    pub(crate) fn credit(&mut self, stream: u32, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap().to_be_bytes();
        if bytes != [0; 4] {
            self.client.send(frame(8, 0, stream, &bytes)).send(frame(8, 0, 0, &bytes));
        }
    }

    /// The next frame: type, flags, stream and payload; `None` when the connection has ended.
    pub(crate) fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head = self.client.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.client.bytes(length as usize)?;
        Some((head[3], head[4], stream, payload))
    }
}

/// The fields of a request, pseudo-fields first.
pub(crate) fn request<'a>(
    method: &'a str,
    target: &'a str,
    fields: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let head = [(":method", method), (":scheme", "http"), (":authority", "shop.example")];
    [&head[..], &[(":path", target)], fields].concat()
}

/// Fields, each literal, neither indexed nor compressed (RFC 7541 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let mut length = text.len();
            if length < 127 {
                block.push(length as u8);
            } else {
                // RFC 7541 5.1: seven bits at a time, the lowest first.
                block.push(127);
                length -= 127;
                while length >= 128 {
                    block.push(0x80 | (length & 0x7f) as u8);
                    length >>= 7;
                }
                block.push(length as u8);
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A frame as it stands on the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
