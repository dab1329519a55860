//! Backends at their worst while others ask; what they do to a single request is in `faults.rs`.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use super::{
    super::harness::{
        backend::{Backend, Step, ok},
        client::{Client, End, get, request},
        free_port,
        gateway::Setup,
        until,
    },
    LONGEST, RULES,
};

/// Posts of one client.
const POSTS: usize = 150;

#[test]
fn whatever_a_backend_does_a_post_comes_to_it_at_most_once() {
    let turn = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turn);
    let backend = Backend::scripted(move |head| {
        let whole = ok(head.word(1));
        match counted.fetch_add(1, SeqCst) % 12 {
            1 => vec![Step::Close],
            3 => vec![Step::Body, Step::Reset],
            5 => vec![Step::Body, Step::Write(whole[..20].to_vec()), Step::Close],
            7 => {
                vec![Step::Body, Step::Write(b"\x16\x03\x01 garbage\r\n\r\n".to_vec()), Step::Close]
            }
            9 => vec![Step::Body, Step::Write(whole), Step::Close],
            11 => vec![Step::Body, Step::Write(whole[..whole.len() - 2].to_vec()), Step::Reset],
            _ => vec![Step::Body, Step::Write(whole)],
        }
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let address = gate.address;
            std::thread::spawn(move || post(address, number))
        })
        .collect();
    let good: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(good > POSTS, "{good} of {}: the rest of this test says little", 4 * POSTS);
    let mut came: HashMap<String, usize> = HashMap::new();
    for received in backend.received() {
        *came.entry(received.line().to_owned()).or_default() += 1;
    }
    came.retain(|_, count| *count > 1);
    assert!(came.is_empty(), "{came:?}");
}

/// How many of its posts were answered well.
fn post(address: std::net::SocketAddr, number: usize) -> usize {
    let mut client = Client::connect(address);
    let mut good = 0;
    for post in 0..POSTS {
        let target = format!("/catalog/{number}/{post}");
        let asked = Instant::now();
        client.send(request("POST", &target, "", "do it"));
        let Some(answer) = client.try_answer(false) else {
            client = Client::connect(address);
            continue;
        };
        assert!(asked.elapsed() < LONGEST, "{answer:?}");
        match (answer.status, answer.end) {
            (200, End::Clean) => {
                assert_eq!(answer.text(), target, "another's answer");
                good += 1;
            }
            (200, _) => client = Client::connect(address),
            (status, _) => assert_eq!(status, 502, "{answer:?}"),
        }
    }
    good
}

#[test]
fn a_backend_that_takes_connections_and_never_answers_costs_only_its_own_clients() {
    // Nobody accepts: the kernel does, as for a process that is held.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = Backend::plain();
    let rules = format!(
        "[rules]\n\"* /open/**\" = \"guest\"\n\"* /held/**\" = {{ who = \"guest\", backend = \"held\" }}\n\
         [backends.main]\nurl = {:?}\n[backends.held]\nurl = \"http://{}\"\n\
         timeouts = {{ first-byte = \"500ms\" }}",
        backend.url(),
        held.local_addr().unwrap(),
    );
    let gate = Setup::new("main").tables(&rules).start();
    let mut waiting: Vec<Client> = (0..40).map(|_| gate.connect()).collect();
    for client in &mut waiting {
        client.send(get("/held/1", ""));
    }
    let mut other = gate.connect();
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(other.ask(get("/open/1", "")).verdict(), "200");
        assert!(asked.elapsed() < LONGEST);
    }
    for client in &mut waiting {
        assert_eq!(client.answer().verdict(), "504 backend_timeout");
    }
}

#[test]
fn a_backend_whose_name_does_not_resolve_is_told_from_one_that_refuses_nobody() {
    // A name of RFC 6761 that never resolves. A machine without a resolver may need its time to say so.
    let rules = "[rules]\n\"* /open/**\" = \"guest\"\n[backends.main]\n\
        url = \"http://nobody.invalid:80\"\ntimeouts = { connect = \"1s\" }";
    let gate = Setup::new("main").tables(rules).start();
    let asked = Instant::now();
    let answer = gate.ask(get("/open/1", ""));
    let verdict = answer.verdict();
    assert!(
        ["502 backend_unreachable", "504 backend_connect_timeout"].contains(&verdict.as_str()),
        "{verdict}"
    );
    assert!(asked.elapsed() < LONGEST, "{:?}", asked.elapsed());
    assert!(!answer.text().contains("nobody.invalid"), "{}", answer.text());
}

#[test]
fn a_backend_that_restarts_on_its_port_is_used_again_by_every_connection() {
    let port = free_port();
    let plain = |_: &_| vec![Step::Body, Step::Write(ok("hello"))];
    let mut backend = Backend::on_port(port, plain);
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut clients: Vec<Client> = (0..6).map(|_| gate.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.ask(get("/status", "")).verdict(), "200");
        }
        backend.stop();
        for client in &mut clients {
            until("the loss to be noticed", || {
                let answer = client.ask(request("POST", "/catalog/1", "", "x"));
                (answer.verdict() == "502 backend_unreachable").then_some(())
            });
        }
        backend = Backend::on_port(port, plain);
        for client in &mut clients {
            let verdict = client.ask(request("POST", "/catalog/1", "", "x")).verdict();
            assert_eq!(verdict, "200", "on the very next request");
        }
    }
}
