//! Clients that mean harm: they send without end, read nothing, open no window, write what others will
//! believe. What they hold comes free again, and nobody else notices them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::harness::{
    backend::{Backend, Latch, Step, ok},
    client::{Client, get},
    frames::Frames,
    gateway::{Gateway, Setup},
    http2::Http2,
    until,
    wire::Head,
};

const RULES: &str = r#"
[rules]
"*   /open/**"    = "public"
"*   /hasty/**"   = { who = "public", timeout = "600ms" }
"*   /patient/**" = { who = "public", timeout = "3s" }
"GET /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
"#;

fn gateway(backend: &Backend, tables: &str) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).tables(tables).start()
}

/// One worker, whose backend has room for this many requests at once.
fn narrow(backend: &Backend, room: usize) -> Setup {
    let tables = format!("[backends.b]\nurl = {:?}\npool = {{ max = {room} }}", backend.url());
    Setup::new("b").key("workers", "1").tables(RULES).tables(&tables)
}

/// More than all buffers between a backend and a client hold together.
const MUCH: usize = 32 * 1024 * 1024;

/// `…/much` never fits anywhere; everything else is short.
fn much(head: &Head) -> Vec<Step> {
    if !head.word(1).ends_with("/much") {
        return vec![Step::Body, Step::Write(ok("hello"))];
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
    vec![Step::Body, Step::Write(head.into_bytes()), Step::Flood(MUCH, Arc::default())]
}

/// Waits for a good request to be answered, and returns how long that took.
fn gets_through(gate: &Gateway) -> Duration {
    let asked = Instant::now();
    until("somebody else's answer", || {
        (gate.ask(get("/open/good", "")).verdict() == "200").then_some(())
    });
    asked.elapsed()
}

/// A backend that reads the head alone would keep its connection for ever, full of what we sent.
#[test]
fn a_backend_that_reads_no_body_is_left_when_its_time_is_over_whether_or_not_its_client_waits() {
    const SIZE: usize = 15_000_000;
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |_| vec![Step::Wait(held.clone()), Step::Gone]);
    let gate = gateway(&backend, "");
    let address = gate.address;
    for (target, answered) in [("/patient/left", false), ("/hasty/timed", true)] {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {SIZE}\r\n\r\n"
        );
        let mut client = Client::connect(address);
        client.send(head);
        let (mut pushing, pushed) = (client.twin(), Arc::new(AtomicUsize::new(0)));
        let counting = Arc::clone(&pushed);
        let pusher = std::thread::spawn(move || {
            while pushing.try_send([b'z'; 64 * 1024]) && counting.load(SeqCst) < SIZE {
                counting.fetch_add(64 * 1024, SeqCst);
            }
        });
        if answered {
            assert_eq!(client.answer().verdict(), "504 backend_timeout");
        } else {
            backend.wait("the request", |received| received.line().ends_with(target));
            until("everything to be full", || {
                let before = pushed.load(SeqCst);
                std::thread::sleep(Duration::from_millis(300));
                (pushed.load(SeqCst) == before).then_some(())
            });
        }
        client.end();
        pusher.join().unwrap();
        client.leave();
        // The gateway's end is what shows: it must be gone while the backend still does not read.
        until("the call to be dropped", || (established(&backend) == 0).then_some(()));
    }
    latch.open();
}

/// Connections to a backend that the gateway has not ended.
fn established(backend: &Backend) -> usize {
    let port = format!(":{:04X}", backend.address().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[2].ends_with(&port) && row[3] == "01").count()
}

#[test]
fn clients_that_open_no_window_shut_nobody_out() {
    let backend = Backend::scripted(much);
    let gate = narrow(&backend, 4).start();
    let mut stalled: Vec<Frames> = Vec::new();
    for _ in 0..4 {
        let mut client = Frames::connect(gate.address, 0);
        (0..100).for_each(|_| {
            client.get("/open/much", &[]);
        });
        stalled.push(client);
    }
    backend.wait("them", |received| received.line() == "GET /open/much");
    let took = gets_through(&gate);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// One client fills the pool at the very moment another one asks: one wait must be enough.
#[test]
fn whoever_waits_while_the_pool_is_full_of_unread_answers_gets_its_turn() {
    let backend = Backend::scripted(much);
    let gate = narrow(&backend, 2).start();
    for http2 in [true, false] {
        let mut framed = Frames::connect(gate.address, 0);
        let mut plain = [gate.connect(), gate.connect()];
        if http2 {
            framed.get("/open/much", &[]).get("/open/much", &[]);
        } else {
            plain.iter_mut().for_each(|client| {
                client.send(get("/open/much", ""));
            });
        }
        until("a full pool", || (established(&backend) == 2).then_some(()));
        let asked = Instant::now();
        assert_eq!(gate.ask(get("/open/good", "")).verdict(), "200", "HTTP/2: {http2}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        assert_eq!(gate.ask(get("/open/good", "")).verdict(), "200", "HTTP/2: {http2}");
    }
}

#[test]
fn an_answer_that_nobody_reads_ends_after_its_time_without_any_pressure() {
    let backend = Backend::scripted(much);
    let gate = gateway(&backend, "[limits]\nbody-idle = \"1s\"");
    let mut framed = Frames::connect(gate.address, 0);
    let asked = Instant::now();
    framed.get("/open/much", &[]);
    while framed.next().is_some() {}
    let took = asked.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    let mut plain = gate.connect();
    plain.send(get("/open/much", ""));
    assert_eq!(plain.head().word(1), "200");
    until("both calls to be dropped", || (established(&backend) == 0).then_some(()));
    let events = plain.rest();
    assert!(events.len() < MUCH);
}

/// A backend that takes its time is not a client that does not read, whoever else waits meanwhile.
#[test]
fn a_client_that_waits_for_its_backend_keeps_its_connection_under_pressure() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |head| {
        if head.word(1) == "/open/good" {
            return vec![Step::Body, Step::Write(ok("hello"))];
        }
        let begin = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf".to_vec();
        vec![Step::Body, Step::Write(begin), Step::Wait(held.clone()), Step::Write(b"full".into())]
    });
    let gate = narrow(&backend, 2).start();
    let address = gate.address;
    let mut patient = Vec::new();
    patient.push(std::thread::spawn(move || {
        let mut client = Http2::connect(address);
        client.get("/open/slow", &[]).text().to_owned()
    }));
    patient.push(std::thread::spawn(move || {
        Client::connect(address).ask(get("/open/slow", "")).text().to_owned()
    }));
    until("both", || (backend.received().len() == 2).then_some(()));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let pressing = std::thread::spawn(move || {
        let mut refused = 0;
        while !stopped.load(SeqCst) {
            refused += u32::from(Client::connect(address).ask(get("/open/good", "")).status == 503);
        }
        refused
    });
    std::thread::sleep(Duration::from_millis(1500));
    latch.open();
    for client in patient {
        assert_eq!(client.join().unwrap(), "halffull");
    }
    stop.store(true, SeqCst);
    pressing.join().unwrap();
}

#[test]
fn huge_windows_that_nobody_empties_cost_little_memory() {
    let backend = Backend::scripted(much);
    let gate = gateway(&backend, "");
    let before = gate.memory_kib();
    let mut crowd: Vec<Frames> = Vec::new();
    for _ in 0..16 {
        let mut client = Frames::connect(gate.address, i32::MAX as u32);
        client.widen(i32::MAX as u32 - 65_535);
        (0..100).for_each(|_| {
            client.get("/open/much", &[]);
        });
        crowd.push(client);
    }
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        let grown = gate.memory_kib().saturating_sub(before);
        assert!(grown < 192 * 1024, "{grown} KiB");
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("{} KiB", gate.memory_kib() - before);
}
