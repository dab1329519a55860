//! HTTP/2 frames that cost us work and ask for none, as fast as they can be sent. Each of these
//! connections ends long before its client has sent a hundred thousand; who reads is told first.

use super::{
    super::harness::frames::{self, Frames, block, frame},
    *,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

fn asked(stream: u32, flags: u8) -> Vec<u8> {
    let method = if flags & 1 == 1 { "GET" } else { "POST" };
    frame(HEADERS, flags, stream, &block(&frames::request(method, "/open/flood", &[])))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

/// Odd numbers from 1: the streams of a client.
fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|number| number * 2 + 1)
}

/// Sends `first`, then what `each` makes, until the gateway ends the connection. Returns how often.
fn flood(gate: &Gateway, first: &[u8], mut each: impl FnMut(u32) -> Vec<u8>) -> usize {
    const MOST: usize = 400_000;
    let mut client = Frames::connect(gate.address, 65_535);
    client.client.send(first);
    // Reads what comes, as a client in good order does: an attack that blocks itself is none.
    let mut reading = client.client.twin();
    let reader = std::thread::spawn(move || reading.rest());
    let mut sent = 0;
    let mut numbers = streams();
    loop {
        let piece: Vec<u8> = numbers.by_ref().take(50).flat_map(&mut each).collect();
        if !client.client.try_send(piece) {
            break;
        }
        sent += 50;
        assert!(sent < MOST, "a flood of {sent} is taken");
    }
    reader.join().unwrap();
    sent
}

/// Every kind of flood, on eight connections one after the other each.
fn floods(gate: &Gateway, name: &str, first: &[u8], each: impl Fn(u32) -> Vec<u8>) {
    let sent: Vec<_> = (0..8).map(|_| flood(gate, first, &each)).collect();
    eprintln!("{name}: {sent:?}");
}

#[test]
fn frames_that_ask_for_nothing_end_their_connection() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    beside(&gate, || {
        floods(&gate, "PING", &[], |_| frame(PING, 0, 0, &[0; 8]));
        floods(&gate, "PING acknowledged", &[], |_| frame(PING, 1, 0, &[0; 8]));
        floods(&gate, "SETTINGS", &[], |_| frame(SETTINGS, 0, 0, &[]));
        let table = [[0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 16, 0]].concat();
        floods(&gate, "SETTINGS of tables", &[], |_| frame(SETTINGS, 0, 0, &table));
        floods(&gate, "PRIORITY", &[], |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1]));
        floods(&gate, "WINDOW_UPDATE", &[], |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
        floods(&gate, "an unknown frame", &[], |_| frame(0xbb, 0, 0, &[]));
        floods(&gate, "one with content", &[], |_| frame(0xbb, 0, 0, &[0; 1000]));
    });
}

#[test]
fn empty_and_tiny_data_end_their_connection() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    beside(&gate, || {
        floods(&gate, "empty DATA", &asked(1, 0x4), |_| frame(DATA, 0, 1, &[]));
        floods(&gate, "DATA all padding", &asked(1, 0x4), |_| frame(DATA, 0x8, 1, &[0]));
    });
}

#[test]
fn blocks_of_fields_without_an_end_end_their_connection() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    beside(&gate, || {
        floods(&gate, "empty CONTINUATION", &asked(1, 0), |_| frame(CONTINUATION, 0, 1, &[]));
        let field = block(&[("x-endless", &"x".repeat(1000))]);
        floods(&gate, "CONTINUATION", &asked(1, 0), |_| frame(CONTINUATION, 0, 1, &field));
        let begin = [asked(1, 0x4), frame(HEADERS, 0x1, 1, &[])].concat();
        floods(&gate, "trailers", &begin, |_| frame(CONTINUATION, 0, 1, &field));
        // A field of four thousand bytes, then a byte for each time that it is meant again.
        let large = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'x'; 4000]].concat();
        let bomb =
            [block(&frames::request("GET", "/open/1", &[])), large, vec![0xbe; 12_000]].concat();
        floods(&gate, "repeated large fields", &[], |stream| frame(HEADERS, 0x5, stream, &bomb));
    });
}

#[test]
fn rapid_resets_end_their_connection() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    beside(&gate, || {
        floods(&gate, "reset at once", &[], |stream| [asked(stream, 0x5), reset(stream)].concat());
        floods(&gate, "reset within a body", &[], |stream| {
            [asked(stream, 0x4), frame(DATA, 0, stream, b"x"), reset(stream)].concat()
        });
        floods(&gate, "reset again", &[asked(1, 0x5), reset(1)].concat(), |_| reset(1));
        floods(&gate, "made to reset", &[], |stream| {
            [asked(stream, 0x4), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        });
        floods(&gate, "malformed", &[], |stream| {
            frame(HEADERS, 0x5, stream, &block(&frames::request("GET", "/", &[("X", "1")])))
        });
        floods(&gate, "above the streams", &[], |stream| asked(stream, 0x4));
    });
}

/// The limits are a rate: what a client in good order does in its life is no flood.
#[test]
fn a_long_life_of_small_frames_and_resets_is_no_flood() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nresets = 5\nframes = 50");
    let mut client = Frames::connect(gate.address, 65_535);
    let mut numbers = streams();
    for _ in 0..4 {
        for stream in numbers.by_ref().take(4) {
            client.client.send([asked(stream, 0x4), reset(stream)].concat());
        }
        (0..40).for_each(|_| {
            client.client.send(frame(PING, 0, 0, b"rounding"));
        });
        // Longer than the second for which the limits are; a slow machine only makes it longer.
        std::thread::sleep(Duration::from_millis(1500));
    }
    client.client.send(frame(PING, 0, 0, b"the last"));
    until("the last answer", || {
        client
            .next()
            .is_some_and(|(kind, .., payload)| kind == PING && payload == b"the last")
            .then_some(())
    });
}

/// A client that takes a large answer tells so by many frames, and earns them.
#[test]
fn the_frames_of_a_large_answer_are_no_flood() {
    use super::super::harness::backend::Step;
    const SIZE: usize = 8 << 20;
    let backend = Backend::scripted(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        vec![Step::Body, Step::Write(head.into_bytes()), Step::Flood(SIZE, Default::default())]
    });
    let gate = gateway(&backend, "[limits]\nframes = 20");
    let mut client = Frames::connect(gate.address, 65_535);
    client.get("/open/large", &[]);
    let mut taken = 0;
    while taken < SIZE {
        let (kind, _, stream, payload) = client.next().expect("the whole answer");
        if kind == DATA && !payload.is_empty() {
            taken += payload.len();
            let by = u32::try_from(payload.len()).unwrap().to_be_bytes();
            client.client.send(frame(WINDOW_UPDATE, 0, 0, &by));
            client.client.send(frame(WINDOW_UPDATE, 0, stream, &by));
        }
    }
}

/// Some clients open a window for each stream, and send PING with each message that they get.
#[test]
fn a_request_pays_for_the_frames_that_go_with_it_however_small_its_answer() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nframes = 10");
    let mut client = Frames::connect(gate.address, 65_535);
    for stream in streams().take(200) {
        let window = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
        client.client.send([asked(stream, 0x5), window, frame(PING, 0, 0, &[0; 8])].concat());
        answered(&mut client, stream);
    }
}

/// A proxy has the clients of many on one connection, and tells of each that gives up.
#[test]
fn who_is_trusted_to_speak_for_others_may_reset_for_them() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[trust]\nproxies = [\"127.0.0.1\"]\n[limits]\nresets = 5");
    let mut client = Frames::connect(gate.address, 65_535);
    for stream in streams().take(100) {
        client.client.send([asked(stream, 0x5), reset(stream)].concat());
    }
    client.client.send(asked(201, 0x5));
    answered(&mut client, 201);
}

/// Reads until the answer on `stream` has ended.
fn answered(client: &mut Frames, stream: u32) {
    until("an answer's end", || {
        let (_, flags, of, _) = client.next().expect("the connection goes on");
        (of == stream && flags & 1 == 1).then_some(())
    });
}
