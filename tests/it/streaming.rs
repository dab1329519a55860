//! Bodies flow and are never held; what comes after them on a connection is read for what it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::harness::{
    backend::{Backend, Came, Latch, Step, ok},
    client::{End, get, request},
    gateway::Setup,
    http2::Http2,
    until,
};

const RULES: &str = r#"
[rules]
"* /open/**"   = { who = "guest", body = "1GiB" }
"* /orders/**" = "authenticated"
"#;

/// More than all kernel buffers on the way hold together.
const LARGE: usize = 96 << 20;

/// Waits until nothing has moved for a while, and tells how far it got.
fn stalls(moved: &AtomicUsize) -> usize {
    let (mut seen, mut since) = (0, Instant::now());
    until("the flow to stall", || {
        let now = moved.load(SeqCst);
        if now != seen || now == 0 {
            (seen, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_millis(400)).then_some(now)
    })
}

#[test]
fn a_client_that_does_not_read_holds_the_backend_back() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let backend = Backend::scripted(move |_| {
        counted.store(0, SeqCst);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
        vec![Step::Body, Step::Write(head.into_bytes()), Step::Flood(LARGE, Arc::clone(&counted))]
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    client.send(get("/open/1", ""));
    let held = stalls(&sent);
    assert!(held < LARGE / 2, "{held} bytes were taken for a client that reads none");
    let answer = client.answer();
    assert_eq!((answer.end, answer.body.len()), (End::Clean, LARGE));
}

#[test]
fn a_backend_that_does_not_read_holds_the_client_back() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |_| {
        vec![Step::Wait(held.clone()), Step::Body, Step::Write(ok("thanks"))]
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let sending = std::thread::spawn(move || {
        let head = format!("PUT /open/1 HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n");
        client.send(head);
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..LARGE / piece.len() {
            client.send(&piece);
            counted.fetch_add(piece.len(), SeqCst);
        }
        client.answer()
    });
    let held = stalls(&sent);
    assert!(held < LARGE / 2, "{held} bytes were taken for a backend that reads none");
    latch.open();
    assert_eq!(sending.join().unwrap().text(), "thanks");
    let received = backend.last();
    assert_eq!((received.came, received.body.len()), (Came::Whole, LARGE));
}

/// Two programs that see different ends of a body see different next requests.
#[test]
fn the_body_of_a_refused_request_is_never_taken_for_the_next_one() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let inner = "GET /open/smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let large = inner.repeat(8000);
    let chunked = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for bytes in [
        request("POST", "/orders/1", "", inner),
        request("POST", "/orders/1", "", &large),
        request("POST", "/nowhere", "", inner),
        request("POST", "/open//1", "", inner),
        request("POST", "/orders/1", "Transfer-Encoding: chunked\r\n", "") + &chunked(inner),
        request("POST", "/orders/1", "Transfer-Encoding: chunked\r\n", "") + &chunked(&large),
    ] {
        let mut client = gate.connect();
        let answer = client.ask(&bytes);
        assert!((400..404).contains(&answer.status), "{answer:?}");
        // Either the connection ends, or it goes on with the next request.
        if let Some(next) = client.send(get("/open/next", "")).try_answer(false) {
            assert_eq!(next.verdict(), "200");
            assert_eq!(backend.last().line(), "GET /open/next");
        }
    }
    let came = backend.received();
    assert!(came.iter().all(|received| received.line() == "GET /open/next"), "{came:?}");
}

#[test]
fn pipelined_requests_are_answered_in_their_order_each_by_its_own_rule() {
    let backend = Backend::scripted(|head| vec![Step::Body, Step::Write(ok(head.word(1)))]);
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    let ann = gate.bearer("ann");
    let all = [
        get("/open/1", ""),
        request("POST", "/orders/2", &ann, "hello"),
        get("/orders/3", ""),
        get("/open/4", ""),
    ];
    client.send(all.concat());
    assert_eq!(client.answer().text(), "/open/1");
    assert_eq!(client.answer().text(), "/orders/2");
    assert_eq!(client.answer().verdict(), "401 unauthenticated");
    assert_eq!(client.answer().text(), "/open/4");
    assert_eq!(backend.received()[1].body, b"hello");
}

#[test]
fn a_stream_that_its_client_resets_takes_its_backend_call_along_and_no_other() {
    let backend = Backend::scripted(|head| match head.word(1) {
        "/open/held" => vec![Step::Body, Step::Gone],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut h2 = Http2::connect(gate.address);
    assert_eq!(h2.get("/open/1", &[]).text(), "hello");
    h2.begin_and_leave("/open/held", || {
        backend.wait("the held request", |received| received.line() == "GET /open/held");
    });
    backend.wait("the call to be dropped", |received| received.gone);
    assert_eq!(h2.get("/open/2", &[]).text(), "hello");
    h2.begin_and_leave("/open/held", || {
        until("the second held request", || {
            let held = backend.received();
            let held = held.iter().filter(|received| received.line() == "GET /open/held");
            (held.count() == 2).then_some(())
        });
    });
    drop(h2);
    until("both calls to be dropped", || {
        (backend.received().iter().filter(|received| received.gone).count() == 2).then_some(())
    });
}

/// Events stream: every piece arrives when it was sent, not when a buffer is full.
#[test]
fn a_piece_of_an_answer_is_passed_on_when_it_comes() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |_| {
        let begin = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
            Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
        vec![
            Step::Body,
            Step::Write(begin.into()),
            Step::Wait(held.clone()),
            Step::Write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n".to_vec()),
        ]
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    client.send(get("/open/1", ""));
    assert_eq!(client.head().word(1), "200");
    assert_eq!(client.line(), "9\r\n");
    assert_eq!(client.line(), "data: 1\n\n\r\n");
    latch.open();
    assert_eq!(client.line(), "9\r\n");
    assert_eq!(client.line(), "data: 2\n\n\r\n");
}

/// An answer may come while its request is still being sent; both go on, and the connection serves again.
#[test]
fn an_answer_that_comes_before_its_request_has_gone_out_waits_for_nobody() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |head| {
        if head.word(1) != "/open/early" {
            return vec![Step::Body, Step::Write(ok("next"))];
        }
        vec![
            Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nea".to_vec()),
            Step::Body,
            Step::Wait(held.clone()),
            Step::Write(b"ly".to_vec()),
        ]
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    client.send("POST /open/early HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 6\r\n\r\nabc");
    assert_eq!(client.head().word(1), "200");
    assert_eq!(client.bytes(2).unwrap(), b"ea", "the answer does not wait for the request");
    client.send("def");
    let received = backend.wait("the rest of the request", |seen| seen.came == Came::Whole);
    assert_eq!(received.body, b"abcdef", "the request does not wait for the answer");
    latch.open();
    assert_eq!(client.bytes(2).unwrap(), b"ly");
    assert_eq!(client.ask(get("/open/next", "")).text(), "next");
    assert_eq!(backend.connections(), 2, "one look at the start; both ended well");
}

/// A backend that has answered whole may still want the request.
#[test]
fn a_request_goes_on_although_its_answer_is_complete() {
    let backend = Backend::scripted(|_| vec![Step::Write(ok("taken")), Step::Body]);
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    client.send("POST /open/1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 6\r\n\r\nabc");
    assert_eq!(client.answer().text(), "taken");
    client.try_send("def");
    let received = backend.wait("the rest of the request", |seen| seen.came == Came::Whole);
    assert_eq!(received.body, b"abcdef");
}

/// Whoever refuses a body before it has come closes, and the client is told all the same.
#[test]
fn a_refusal_that_comes_before_the_body_reaches_the_client() {
    let backend = Backend::scripted(|_| {
        let refused = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig";
        vec![Step::Write(refused.into()), Step::Close]
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    for body in ["length", "chunks"] {
        let mut client = gate.connect();
        let framed = if body == "length" {
            format!("Content-Length: {LARGE}\r\n\r\n")
        } else {
            format!("Transfer-Encoding: chunked\r\n\r\n{LARGE:x}\r\n")
        };
        client.send(format!("POST /open/1 HTTP/1.1\r\nHost: shop.example\r\n{framed}"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (413, "big"), "{body}");
    }
}
