//! The end: unready at once, what is open finishes, nobody loses a request.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    admin::post,
    harness::{
        backend::{Backend, Latch, Step, ok},
        client::{Client, get},
        gateway::{Gateway, Setup},
        http2::Http2,
        until,
    },
};

const RULES: &str = "[rules]\n\"GET /**\" = \"guest\"";

/// `/held` waits for the latch.
fn held(latch: &Latch) -> Backend {
    let latch = latch.clone();
    Backend::scripted(move |head| match head.word(1) {
        "/held" => vec![Step::Body, Step::Wait(latch.clone()), Step::Write(ok("held"))],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    })
}

fn is_draining(gate: &Gateway) {
    until("/readyz to say so", || {
        let answer = gate.probe("/readyz");
        (answer.status == 503 && answer.json()["draining"] == true).then_some(())
    });
}

/// Waits until nobody new gets in. A kernel whose knock goes unheard tries again only after a second.
fn refuses_connections(address: SocketAddr) {
    let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(50));
    until("the listener to close", || knock().is_err().then_some(()));
}

#[test]
fn what_is_open_finishes_and_then_the_process_ends_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let latch = Latch::default();
        let backend = held(&latch);
        let mut gate = Setup::new(&backend.url()).tables(RULES).start();
        let mut idle = gate.connect();
        assert_eq!(idle.ask(get("/1", "")).verdict(), "200");
        let mut silent = gate.connect();
        let mut slow = gate.connect();
        slow.send(get("/held", ""));
        backend.wait("the slow request", |received| received.line() == "GET /held");
        gate.signal(signal);
        is_draining(&gate);
        refuses_connections(gate.address);
        assert!(idle.rest().is_empty() && silent.rest().is_empty());
        assert_eq!(gate.probe("/livez").status, 200, "alive until the end");
        latch.open();
        assert_eq!(slow.answer().text(), "held");
        assert_eq!(gate.ended().code(), Some(0));
    }
}

#[test]
fn http2_connections_are_told_to_go_and_their_streams_finish() {
    let latch = Latch::default();
    let backend = held(&latch);
    let mut gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut idle = Http2::connect(gate.address);
    assert_eq!(idle.get("/1", &[]).text(), "hello");
    let address = gate.address;
    let slow = std::thread::spawn(move || {
        let mut slow = Http2::connect(address);
        let text = slow.get("/held", &[]).text().to_owned();
        slow.ended();
        text
    });
    backend.wait("the slow request", |received| received.line() == "GET /held");
    gate.signal(Signal::TERM);
    is_draining(&gate);
    refuses_connections(gate.address);
    idle.ended();
    latch.open();
    assert_eq!(slow.join().unwrap(), "held");
    assert_eq!(gate.ended().code(), Some(0));
}

#[test]
fn what_never_ends_is_cut_when_the_time_to_drain_is_over() {
    let latch = Latch::default();
    let backend = held(&latch);
    let limits = "[limits]\ndrain = \"800ms\"";
    let mut gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    let mut stuck = gate.connect();
    stuck.send(get("/held", ""));
    backend.wait("the slow request", |received| received.line() == "GET /held");
    let told = Instant::now();
    gate.signal(Signal::TERM);
    assert_eq!(gate.ended().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    let event = gate.err.event("drain timed out; closing what is left");
    assert_eq!(event["open"], "1");
    assert!(stuck.try_answer(false).is_none());
    latch.open();
}

/// Asks until the gateway refuses connections; every request that was sent must be answered, and a
/// connection may end only after an answer that said so.
fn ask_until_the_end(address: SocketAddr, answered: &AtomicUsize) {
    while let Some(mut client) = Client::try_connect(address) {
        loop {
            let answer = client.send(get("/1", "")).try_answer(false);
            let answer = answer.expect("a request was lost");
            assert_eq!(answer.text(), "hello");
            answered.fetch_add(1, SeqCst);
            if answer.field("connection") == Some("close") {
                assert!(client.rest().is_empty());
                break;
            }
        }
    }
}

#[test]
fn under_load_no_request_is_lost() {
    let backend = Backend::plain();
    let mut gate = Setup::new(&backend.url()).tables(RULES).start();
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..24)
        .map(|_| {
            let (address, answered) = (gate.address, Arc::clone(&answered));
            std::thread::spawn(move || ask_until_the_end(address, &answered))
        })
        .collect();
    until("the load", || (answered.load(SeqCst) > 1000).then_some(()));
    gate.signal(Signal::TERM);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(gate.ended().code(), Some(0));
    let lines = gate.out.json();
    until("every access line", || (gate.out.lines().len() == answered.load(SeqCst)).then_some(()));
    assert!(lines.iter().all(|line| line["status"] == 200));
}

/// The kernel has accepted it: to the client the gateway was there.
#[test]
fn who_has_connected_in_time_may_still_ask() {
    let backend = Backend::plain();
    let mut gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut late = gate.connect();
    gate.signal(Signal::TERM);
    refuses_connections(gate.address);
    let answer = late.ask(get("/1", ""));
    assert_eq!((answer.text(), answer.field("connection")), ("hello", Some("close")));
    assert_eq!(gate.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let latch = Latch::default();
    let backend = held(&latch);
    let mut gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut stuck = gate.connect();
    stuck.send(get("/held", ""));
    backend.wait("the slow request", |received| received.line() == "GET /held");
    gate.signal(Signal::TERM);
    is_draining(&gate);
    gate.signal(Signal::TERM);
    gate.ended();
    gate.err.event("stopped while draining");
    latch.open();
}

/// What it did would else be done, and its operator not told.
#[test]
fn an_operators_request_that_has_begun_is_answered_though_nothing_else_is_open() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).key("admin", "\"unix:admin.sock\"").tables(RULES);
    let mut gate = setup.start();
    let mut idle = Client::connect_unix(&gate.folder().join("admin.sock"));
    let issue = post("/tokens", r#"{"subject":"ann","ttl":"1h"}"#);
    assert_eq!(idle.ask(&issue).status, 200);
    let mut client = Client::connect_unix(&gate.folder().join("admin.sock"));
    let (begun, rest) = issue.split_at(issue.len() - 1);
    client.send(begun);
    // Served in their order: who comes later has an answer, so the other's head is there too.
    let later = Client::connect_unix(&gate.folder().join("admin.sock")).ask(&issue);
    assert_eq!(later.status, 200);
    gate.signal(Signal::TERM);
    assert!(idle.rest().is_empty(), "whoever asks for nothing is let go");
    client.send(rest);
    assert_eq!(client.answer().status, 200);
    assert_eq!(gate.ended().code(), Some(0));
}
