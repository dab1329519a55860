//! HTTP/2 to the letter (RFC 9113), frame by frame: what a client may not send and how it is told, what
//! must be ignored, what must be answered.

mod fields;
mod frames;
mod states;

use super::harness::{
    backend::Backend,
    frames::{Frames, block, frame, request},
    gateway::{Gateway, Setup},
};

const RULES: &str = r#"
[rules]
"* /open/**" = "public"
[limits]
streams = 4
"#;

// Types of frames (RFC 9113 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

// Their flags.
const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITIZED: u8 = 0x20;

/// Of the PING that follows every row.
const LAST: [u8; 8] = *b"the last";

/// A request's fields, and more.
fn get(fields: &[(&str, &str)]) -> Vec<u8> {
    block(&request("GET", "/open/1", fields))
}

fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    block(&request("POST", "/open/1", fields))
}

/// A whole request without a body.
fn asked(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(&[]))
}

/// A request whose body is still to come.
fn begun(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &post(&[]))
}

/// What a client sends, and all that it is told: `GOAWAY 1` and `closed`, `RST 1: 5`, `1: 200`, `pong`.
/// Names of errors are their numbers (RFC 9113 7); one in brackets is the RFC's, where the library ends the
/// connection for another: an endpoint may end it for any error of a stream (5.4.1), and nothing follows.
struct Row(&'static str, Vec<u8>, &'static str);

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).start()
}

/// What `bytes` are told, up to `expected` and the answer to a PING after them, or the connection's end.
fn told(gate: &Gateway, bytes: &[u8], expected: &str) -> String {
    let mut client = Frames::connect(gate.address, 65_535);
    client.client.send(bytes).send(frame(PING, 0, 0, &LAST));
    let (mut told, mut begun) = (Vec::<String>::new(), false);
    let wanted: Vec<_> = expected.split(", ").collect();
    let done = |told: &[String]| {
        let all = wanted.iter().all(|word| told.iter().any(|known| known == word));
        all || told.len() >= wanted.len() && told.iter().any(|word| word == "pong")
    };
    while !done(&told) {
        let Some((kind, flags, stream, payload)) = client.next() else {
            told.push("closed".to_owned());
            break;
        };
        match kind {
            HEADERS => told.push(format!("{stream}: {}", status(&payload))),
            RST_STREAM => told.push(format!("RST {stream}: {}", payload[3])),
            GOAWAY => told.push(format!("GOAWAY {}", payload[7])),
            PING if payload == LAST => told.push("pong".to_owned()),
            PING if flags == ACK => told.push("ping answered".to_owned()),
            // The first is for the settings that every client begins with.
            SETTINGS if flags == ACK && std::mem::replace(&mut begun, true) => {
                told.push("settings taken".to_owned());
            }
            _ => (),
        }
    }
    told.sort_unstable();
    told.join(", ")
}

/// The status that an answer's fields begin with (RFC 7541, appendix A).
fn status(block: &[u8]) -> &'static str {
    match block[0] {
        0x88 => "200",
        0x8c => "400",
        0x8d => "404",
        _ => "another status",
    }
}

/// `GOAWAY 1 (6)` without what stands in brackets.
fn of_the_library(expected: &str) -> String {
    let (before, bracket) = expected.split_once(" (").unwrap_or((expected, ""));
    [before, bracket.split_once(')').map_or("", |(_, after)| after)].concat()
}

/// Checks every row on a connection of its own, and that others are served afterwards.
fn check(rows: Vec<Row>) {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut failed = super::harness::Rows::default();
    for Row(name, bytes, expected) in rows {
        let expected = of_the_library(expected);
        failed.check(name, &told(&gate, &bytes, &expected), &expected);
    }
    assert_eq!(told(&gate, &asked(1), "1: 200, pong"), "1: 200, pong");
}
