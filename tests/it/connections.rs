//! Connections: many streams on one, more than may be, by a unix socket, and when one ends.

use super::harness::{
    backend::{Backend, Received, Step, ok},
    client::{Client, bearer, get},
    gateway::{Gateway, Setup},
    http2::Http2,
    tokens,
};

const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"GET /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
"#;

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).start()
}

#[test]
fn streams_of_one_connection_are_each_judged_and_answered_for_themselves() {
    let backend = Backend::scripted(|head| vec![Step::Body, Step::Write(ok(head.word(1)))]);
    let gate = gateway(&backend);
    let mut h2 = Http2::connect(gate.address);
    let ann = format!("Bearer {}", gate.token("ann"));
    let targets: Vec<String> = (0..90).map(|number| format!("/orders/{number}")).collect();
    let asked: Vec<_> = targets
        .iter()
        .enumerate()
        .map(|(number, target)| {
            let fields = if number % 3 == 0 { vec![] } else { vec![("authorization", &*ann)] };
            (target.as_str(), fields)
        })
        .collect();
    for _ in 0..3 {
        for ((target, fields), answer) in asked.iter().zip(h2.ask_all(&asked)) {
            if fields.is_empty() {
                assert_eq!(answer.verdict(), "401 unauthenticated", "{target}");
            } else {
                assert_eq!(answer.text(), *target);
            }
        }
    }
}

#[test]
fn at_the_limit_of_connections_a_client_waits_its_turn() {
    let backend = Backend::plain();
    let limits = "[limits]\nconnections = 2";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    let mut first = gate.connect();
    let mut second = gate.connect();
    assert_eq!(first.ask(get("/status", "")).verdict(), "200");
    assert_eq!(second.ask(get("/status", "")).verdict(), "200");
    let mut third = gate.connect();
    third.send(get("/catalog/third", ""));
    for _ in 0..20 {
        assert_eq!(first.ask(get("/status", "")).verdict(), "200");
    }
    let came = |received: &Received| received.line() == "GET /catalog/third";
    assert!(!backend.received().iter().any(came), "there is no room for it yet");
    first.leave();
    assert_eq!(third.answer().verdict(), "200");
}

#[test]
fn an_ambiguous_request_ends_its_connection_and_a_refused_one_does_not() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut client = gate.connect();
    for verdict in ["401 unauthenticated", "403 no_rule", "401 token_forged"] {
        let answer = match verdict {
            "403 no_rule" => client.ask(get("/nowhere", "")),
            "401 token_forged" => client.ask(get("/orders", &bearer(&tokens::forged()))),
            _ => client.ask(get("/orders", "")),
        };
        assert_eq!((answer.verdict().as_str(), answer.field("connection")), (verdict, None));
    }
    let next = get("/status", "");
    let answer = client.ask(get("/a/../b", "") + &next);
    assert_eq!(answer.verdict(), "400 path_dot_segment");
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.rest().is_empty());
    assert!(backend.received().is_empty());
}

#[test]
fn clients_may_come_by_a_unix_socket_too() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).tables(RULES);
    let socket = setup.folder().join("gate.sock");
    let listen = format!("[\"127.0.0.1:0\", \"unix:{}\"]", socket.display());
    let gate = setup.key("listen", &listen).start();
    let mut client = Client::connect_unix(&socket);
    let answer = client.ask(get("/status", "X-Forwarded-For: 198.51.100.1\r\n"));
    assert_eq!(answer.verdict(), "200");
    assert_eq!(backend.last().field("x-forwarded-for"), Some("unix"));
    assert_eq!(gate.access_line(&answer)["client"], "unix");
}
