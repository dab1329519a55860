//! Heads that come slowly, never end, or are larger than any.

use std::time::{Duration, Instant};

use super::{super::harness::client::Client, *};

/// Short, so that a test sees it; what is here for that long is there for the default too.
const HASTY: &str = "[limits]\nhead-time = \"2s\"";

/// The end of a connection, and what came before it: a status, or nothing.
fn end(client: &mut Client) -> String {
    match client.try_answer(false) {
        Some(answer) => answer.verdict(),
        None => "closed".to_owned(),
    }
}

#[test]
fn clients_that_say_nothing_or_a_byte_at_a_time_are_left_after_the_time_for_a_head() {
    let backend = Backend::plain();
    let gate = gateway(&backend, HASTY);
    let begun = Instant::now();
    beside(&gate, || {
        let mut silent: Vec<_> = (0..300).map(|_| gate.connect()).collect();
        let mut slow: Vec<_> = (0..300).map(|_| gate.connect()).collect();
        let mut framed: Vec<_> = (0..300).map(|_| gate.connect()).collect();
        let head = get("/open/slow", &"X-A: 1\r\n".repeat(50));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r";
        // Every byte is progress; all of it together is none.
        for at in 0..head.len() {
            let mut open = 0;
            for client in &mut slow {
                open += usize::from(client.try_send(&head.as_bytes()[at..=at]));
            }
            for client in framed.iter_mut().filter(|_| at < preface.len()) {
                client.try_send(&preface[at..=at]);
            }
            if open == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(begun.elapsed() < Duration::from_secs(18), "the slow ones were left sooner");
        for client in silent.iter_mut().chain(&mut slow).chain(&mut framed) {
            assert_eq!(end(client), "closed");
        }
    });
    assert!(!backend.received().iter().any(|received| received.line().ends_with("/slow")));
}

#[test]
fn a_second_head_that_comes_slowly_is_left_too() {
    let backend = Backend::plain();
    let gate = gateway(&backend, HASTY);
    beside(&gate, || {
        let mut clients: Vec<_> = (0..100).map(|_| gate.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
            client.send("GET /open/2 HTTP/1.1\r\nHo");
        }
        for client in &mut clients {
            assert_eq!(end(client), "closed");
        }
    });
}

#[test]
#[rustfmt::skip] // a table is read by column
fn heads_that_are_too_large_are_refused_and_their_connection_ends() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    let long = |length| "x".repeat(length);
    let rows = [
        ("9 KiB of target",       get(&format!("/open/{}", long(9_000)), ""),                   "414 target_too_long"),
        ("70 KB of target",       get(&format!("/open/{}", long(70_000)), ""),                  "431 head_too_large"),
        ("70 KB of query",        get(&format!("/open/1?{}", long(70_000)), ""),                "431 head_too_large"),
        ("4,000 segments",        get(&format!("/open{}", "/a".repeat(4_000)), ""),             "414 path_too_many_segments"),
        ("200 segments",          get(&format!("/open{}", "/a".repeat(200)), ""),               "414 path_too_many_segments"),
        ("101 fields",            get("/open/1", &"X-A: 1\r\n".repeat(100)),                     "431 too_many_fields"),
        ("200 KB in one field",   get("/open/1", &format!("X-A: {}\r\n", long(200_000))),       "431 head_too_large"),
        ("200 KB in many",        get("/open/1", &format!("X-A: {}\r\n", long(2_000)).repeat(100)), "431 head_too_large"),
        ("200 KB of method",      format!("{} / HTTP/1.1\r\n\r\n", long(200_000)),              "431 head_too_large"),
        ("200 KB of a name",      get("/open/1", &format!("{}: 1\r\n", long(200_000))),         "431 head_too_large"),
    ];
    let mut failed = super::super::harness::Rows::default();
    beside(&gate, || for _ in 0..5 { for (name, bytes, expected) in &rows {
        let mut client = gate.connect();
        let mut sending = client.twin();
        let told = std::thread::scope(|scope| {
            scope.spawn(|| sending.try_send(bytes));
            client.try_answer(false)
        });
        failed.check(name, &told.map_or("closed".to_owned(), |told| told.verdict()), expected);
    } });
    drop(failed);
    assert!(backend.received().iter().all(|received| received.line() == "GET /open/good"));
}

#[test]
fn a_head_without_an_end_is_cut_at_its_limit() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "");
    beside(&gate, || {
        for piece in ["X-Endless: 1\r\n".repeat(100), "x".repeat(4096)] {
            let mut client = gate.connect();
            client.send("GET /open/1 HTTP/1.1\r\nHost: x\r\n");
            let mut sent = 0;
            while client.try_send(&piece) {
                sent += piece.len();
                // What the kernels hold comes on top.
                assert!(sent < 64 << 20, "an endless head is taken");
            }
        }
    });
}

#[test]
fn more_fields_than_usual_are_served_where_the_limit_says_so() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nfields = 300\nhead = \"256KiB\"");
    let fields: String =
        (0..250).map(|number| format!("X-{number}: {}\r\n", "x".repeat(600))).collect();
    assert_eq!(gate.ask(get("/open/1", &fields)).verdict(), "200");
    assert!(backend.last().head.fields.len() > 250);
    let fields: String = (0..400).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(gate.ask(get("/open/1", &fields)).status, 431);
}
