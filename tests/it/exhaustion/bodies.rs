//! Bodies that come slowly, never end, or are larger than all memory.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use super::{
    super::harness::{
        backend::{Step, ok},
        client::{Client, request},
        frames::{self, Frames, block, frame},
    },
    *,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GIB: usize = 1 << 30;

/// The head of an upload.
fn upload(target: &str, framing: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\n{framing}\r\n\r\n")
}

/// More clients than the backend has room for send a byte now and then. Those who are in somebody's way are
/// told, and the others may go on.
#[test]
fn bodies_that_trickle_make_room_for_those_who_wait() {
    let backend = Backend::plain();
    let tables = format!(
        "[backends.b]\nurl = {:?}\npool = {{ max = 4 }}\ntimeouts = {{ connect = \"10s\" }}",
        backend.url()
    );
    let limits = "[limits]\nbody-idle = \"3s\"";
    let setup = Setup::new("b").key("workers", "1").tables(RULES).tables(&tables);
    let gate = setup.tables(limits).start();
    beside(&gate, || {
        let mut plain: Vec<Client> = (0..8).map(|_| gate.connect()).collect();
        let mut framed: Vec<Frames> =
            (0..8).map(|_| Frames::connect(gate.address, 65_535)).collect();
        for client in &mut plain {
            client.send(upload("/open/slow", "Content-Length: 1000"));
        }
        let head = block(&frames::request("POST", "/open/slow", &[]));
        for client in &mut framed {
            client.client.send(frame(HEADERS, 0x4, 1, &head));
        }
        // Longer than a good client waits at most, a byte at a time.
        for _ in 0..60 {
            plain.iter_mut().for_each(|client| {
                client.send("x");
            });
            framed.iter_mut().for_each(|client| {
                client.client.send(frame(DATA, 0, 1, b"x"));
            });
            std::thread::sleep(Duration::from_millis(200));
        }
        for client in &mut plain {
            assert_eq!(client.answer().verdict(), "408 body_timeout");
        }
        for client in &mut framed {
            while client.next().expect("an answer").0 != HEADERS {}
        }
    });
}

#[test]
fn a_slow_body_that_is_in_nobodys_way_is_taken() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    let mut client = gate.connect();
    client.send(upload("/open/slow", "Content-Length: 20"));
    for _ in 0..20 {
        client.send("x");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(client.answer().verdict(), "200");
    assert_eq!(backend.last().body.len(), 20);
}

#[test]
fn a_body_that_stops_is_given_up_after_its_silence() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nbody-idle = \"1s\"");
    beside(&gate, || {
        let mut clients: Vec<_> = (0..50).map(|_| gate.connect()).collect();
        for client in &mut clients {
            client.send(upload("/open/stops", "Content-Length: 1000")).send("x");
        }
        for client in &mut clients {
            assert_eq!(client.answer().verdict(), "408 body_timeout");
        }
    });
}

#[test]
fn bodies_above_the_limit_are_refused_however_they_are_framed() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nbody = \"1MiB\"");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    beside(&gate, || {
        for _ in 0..8 {
            let mut client = gate.connect();
            client.send(upload("/open/declared", "Content-Length: 1048577"));
            assert_eq!(client.answer().verdict(), "413 body_too_large");
            let mut client = gate.connect();
            client.send(upload("/open/chunked", "Transfer-Encoding: chunked"));
            let mut sending = client.twin();
            let answer = std::thread::scope(|scope| {
                scope.spawn(|| (0..64).all(|_| sending.try_send(&chunk)));
                client.try_answer(false)
            });
            // Who still sends when the connection ends may lose the answer to a reset.
            assert!(answer.is_none_or(|answer| answer.verdict() == "413 body_too_large"));
        }
    });
    let came = backend.received();
    assert!(!came.iter().any(|received| received.line() == "POST /open/declared"));
    assert!(came.iter().all(|received| received.body.len() <= 1 << 20));
}

/// What stands around a chunk is not a body, and has no limit of a body's.
#[test]
fn endless_trailers_and_chunk_extensions_are_cut() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    beside(&gate, || {
        for (begin, piece) in [
            ("5\r\nhello\r\n0\r\n", "X-Endless: 1\r\n".repeat(100)),
            ("5\r\nhello\r\n0\r\nX-Endless: ", "x".repeat(4096)),
            ("5;", "x".repeat(4096)),
            ("", "1;a\r\nx\r\n".repeat(500)),
        ] {
            let mut client = gate.connect();
            client.send(upload("/open/endless", "Transfer-Encoding: chunked")).send(begin);
            let mut sent = 0;
            while client.try_send(&piece) {
                sent += piece.len();
                assert!(sent < 128 << 20, "{begin:?} is taken without an end");
            }
        }
    });
}

#[test]
fn a_gibibyte_in_either_direction_passes_through_64_mebibytes() {
    let drunk = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&drunk);
    let backend = Backend::scripted(move |head| match head.word(1) {
        "/vast/up" => vec![Step::Drink(GIB, Arc::clone(&counted)), Step::Write(ok("thanks"))],
        "/vast/down" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n").into_bytes();
            vec![Step::Write(head), Step::Flood(GIB, Arc::default())]
        }
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let gate = gateway(&backend, "");
    beside(&gate, || {
        let mut client = gate.connect();
        client.send(upload("/vast/up", &format!("Content-Length: {GIB}")));
        let piece = vec![b'x'; 1 << 20];
        assert!((0..GIB / piece.len()).all(|_| client.try_send(&piece)));
        assert_eq!(client.answer().verdict(), "200");
        assert_eq!(drunk.load(SeqCst), GIB);
        client.send(get("/vast/down", ""));
        assert_eq!(client.head().length(), Some(GIB));
        let come = AtomicUsize::new(0);
        assert!(client.drink(GIB, &come));
    });
    let peak = gate.peak_kib();
    eprintln!("{peak} KiB at most");
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(gate.ask(request("POST", "/open/1", "", "small")).verdict(), "200");
}
