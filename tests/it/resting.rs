//! Kept-alive connections that nobody uses for a while: they hold nothing but a socket, and go on as ever.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::harness::{
    backend::{Backend, Latch, Step, ok},
    client::get,
    gateway::{Gateway, Setup},
    wire::Head,
};

const RULES: &str = "[rules]\n\"GET /**\" = \"guest\"\n\"POST /open/**\" = \"public\"";

/// Longer than any pause in which something could still be held for the next request.
const LONG: Duration = Duration::from_millis(2300);

fn echo(head: &Head) -> Vec<Step> {
    vec![Step::Body, Step::Write(ok(head.word(1)))]
}

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).start()
}

#[test]
fn the_next_request_of_a_resting_connection_is_served_however_it_comes() {
    let backend = Backend::scripted(echo);
    let gate = gateway(&backend);
    let (mut at_once, mut bytewise, mut halved) = (gate.connect(), gate.connect(), gate.connect());
    assert_eq!(at_once.ask(get("/1", "")).text(), "/1");
    assert_eq!(bytewise.ask(get("/1", "")).text(), "/1");
    // The first half of the second request comes with the first one.
    let second = get("/2", "");
    let (before, after) = second.split_at(20);
    assert_eq!(halved.ask(get("/1", "") + before).text(), "/1");
    std::thread::sleep(LONG);
    assert_eq!(at_once.ask(get("/2", "")).text(), "/2");
    for byte in second.bytes() {
        bytewise.send([byte]);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(bytewise.answer().text(), "/2");
    assert_eq!(halved.ask(after).text(), "/2");
    std::thread::sleep(LONG);
    let pipelined: String = (3..40).map(|number| get(&format!("/{number}"), "")).collect();
    for client in [&mut at_once, &mut bytewise, &mut halved] {
        client.send(&pipelined);
        for number in 3..40 {
            assert_eq!(client.answer().text(), format!("/{number}"));
        }
    }
}

#[test]
fn a_head_that_begins_before_the_rest_and_never_ends_is_given_up() {
    let backend = Backend::scripted(echo);
    let limits = "[limits]\nhead-time = \"1s\"";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    let (mut halved, mut late) = (gate.connect(), gate.connect());
    assert_eq!(halved.ask(get("/1", "") + "GET /2 HT").text(), "/1");
    assert_eq!(late.ask(get("/1", "")).text(), "/1");
    std::thread::sleep(LONG);
    late.send("GET /2 HT");
    let asked = Instant::now();
    assert!(halved.rest().is_empty() && late.rest().is_empty());
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[test]
fn resting_does_not_prolong_the_time_to_keep_a_connection() {
    let backend = Backend::scripted(echo);
    let limits = "[limits]\nkeep-alive = \"3s\"";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    let mut client = gate.connect();
    assert_eq!(client.ask(get("/1", "")).text(), "/1");
    let idle = Instant::now();
    assert!(client.rest().is_empty());
    let took = idle.elapsed();
    assert!(took > Duration::from_millis(2800) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_drain_ends_resting_connections_at_once() {
    let backend = Backend::scripted(echo);
    let mut gate = gateway(&backend);
    let mut clients: Vec<_> = (0..8).map(|_| gate.connect()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask(get("/1", "")).text(), "/1"));
    std::thread::sleep(LONG);
    let told = Instant::now();
    gate.signal(Signal::TERM);
    assert!(clients.iter_mut().all(|client| client.rest().is_empty()));
    assert_eq!(gate.ended().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
}

/// A backend may answer before it has read. What is left of the body must stay a body.
#[test]
fn a_body_that_is_still_coming_when_its_answer_has_gone_is_never_read_as_a_request() {
    let hold = Latch::default();
    let held = hold.clone();
    let backend = Backend::scripted(move |head| match head.word(1) {
        "/open/early" => vec![Step::Write(ok("early")), Step::Wait(held.clone()), Step::Body],
        _ => echo(head),
    });
    let gate = gateway(&backend);
    let hidden = get("/hidden", "");
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut client = gate.connect();
        let head = format!("POST /open/early HTTP/1.1\r\nHost: shop.example\r\n{framing}\r\n\r\n");
        assert_eq!(client.ask(head).text(), "early");
        std::thread::sleep(LONG);
        client.send(&hidden);
        std::thread::sleep(Duration::from_millis(300));
        client.finish_sending();
        let more = client.rest();
        assert!(!String::from_utf8_lossy(&more).contains("/hidden"), "{framing}");
    }
    hold.open();
    assert!(!backend.received().iter().any(|received| received.line().contains("/hidden")));
}

#[test]
fn resting_connections_hold_little_memory() {
    const CONNECTIONS: usize = 2000;
    let backend = Backend::scripted(echo);
    let gate = gateway(&backend);
    let asked = get("/1", "");
    let mut open = Vec::with_capacity(CONNECTIONS);
    let before = gate.memory_kib();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(gate.address).unwrap();
        stream.write_all(asked.as_bytes()).unwrap();
        let mut answer = [0; 512];
        assert!(stream.read(&mut answer).unwrap() > 0);
        open.push(stream);
    }
    let awake = gate.memory_kib() - before;
    std::thread::sleep(LONG);
    let left = super::harness::until("memory to be given back", || {
        (0..20).for_each(|_| assert_eq!(gate.ask(&asked).text(), "/1"));
        let left = gate.memory_kib().saturating_sub(before) / (CONNECTIONS / 1000);
        {
            eprintln!("{awake} {left}");
            left < 6 * 1000
        }
        .then_some(left)
    });
    eprintln!("{awake} KiB awake, {left} KiB for 1000 at rest");
}
