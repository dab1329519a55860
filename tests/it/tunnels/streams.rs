//! Event streams and gRPC streams: answers without an end, judged again while they last.

use rustix::process::Signal;

use super::super::harness::{
    backend::{Backend, Step},
    client::{End, bearer, get},
    gateway::Setup,
    http2::Http2,
    redis::Redis,
    until,
    websocket::HANDSHAKE,
};

const RULES: &str = "[rules]\n\"GET /**\" = \"authenticated\"\n\"GET /free/**\" = \"guest\"";

fn streams(kind: &'static str) -> Backend {
    Backend::scripted(move |_| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n\
             9\r\ndata: 1\n\n\r\n"
        );
        vec![Step::Body, Step::Write(head.into()), Step::Gone]
    })
}

#[test]
fn an_event_stream_is_cut_when_its_token_ends_and_another_goes_on() {
    let (backend, redis) = (streams("Text/Event-Stream; charset=utf-8"), Redis::start());
    let setup = Setup::new(&backend.url()).key("store", &format!("{:?}", redis.url()));
    let mut gate = setup.tables(RULES).start();
    let (ann, eve) = (redis.issue("ann"), redis.issue("eve"));
    let mut other = gate.connect();
    other.send(get("/free/1", &bearer(&ann.text)));
    assert_eq!(other.head().word(1), "200");
    let address = gate.address;
    let field = bearer(&eve.text);
    let both = [
        std::thread::spawn({
            let mut client = gate.connect();
            client.send(get("/events", &field));
            move || {
                let answer = client.answer();
                assert_eq!(answer.end, End::Cut, "visibly");
                answer.body
            }
        }),
        std::thread::spawn(move || {
            let authorization = field.trim_end().split_once(": ").unwrap().1.to_owned();
            let fields = [("authorization", authorization.as_str())];
            let answer = Http2::connect(address).get("/events", &fields);
            assert_eq!(answer.status, 200);
            assert!(answer.body.is_err(), "the stream is reset");
            b"data: 1\n\n".to_vec()
        }),
    ];
    until("both streams", || (backend.received().len() == 3).then_some(()));
    redis.revoke(&eve);
    for stream in both {
        assert_eq!(stream.join().unwrap(), b"data: 1\n\n");
    }
    let lines: Vec<_> = until("both lines", || {
        let lines: Vec<_> = gate.out.json();
        (lines.len() == 2).then_some(lines)
    });
    assert!(lines.iter().all(|line| line["reason"] == "token_unknown" && line["status"] == 200));
    until("the backend to hear of it", || {
        (backend.received().iter().filter(|received| received.gone).count() == 2).then_some(())
    });
    // Until the gateway stops, and then not for long.
    gate.signal(Signal::TERM);
    assert_eq!(other.line(), "9\r\n");
    other.rest();
    assert_eq!(gate.ended().code(), Some(0));
    assert_eq!(gate.out.json().pop().unwrap()["reason"], "going_away");
}

#[test]
fn a_grpc_stream_ends_with_the_status_that_says_why() {
    let backend = streams("application/grpc+proto");
    let setup = Setup::new(&backend.url()).tables(RULES);
    let text = setup.text();
    let gate = setup.start();
    let (address, token) = (gate.address, format!("Bearer {}", gate.token("ann")));
    let call = std::thread::spawn(move || {
        let fields = [("authorization", token.as_str()), ("te", "trailers")];
        Http2::connect(address).get("/grpc", &fields)
    });
    until("the call", || (backend.received().len() == 1).then_some(()));
    gate.rewrite(&text.replace("\"GET /**\" = \"authenticated\"", "\"GET /**\" = \"role:x\""));
    let answer = call.join().unwrap();
    let trailers = answer.trailers.expect("trailers");
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"7".parse().unwrap(), &"role_missing".parse().unwrap())
    );
}

/// It would otherwise be a way out of being judged again, for whoever only says that it would switch.
#[test]
fn an_event_stream_in_the_place_of_a_switch_is_judged_again_too() {
    let backend = streams("text/event-stream");
    let rules = "[rules]\n\"GET /**\" = { who = \"authenticated\", upgrade = \"websocket\" }";
    let setup = Setup::new(&backend.url()).tables(rules);
    let text = setup.text();
    let gate = setup.start();
    let mut client = gate.connect();
    client.send(get("/events", &format!("{HANDSHAKE}{}", gate.bearer("ann"))));
    until("the stream", || (backend.received().len() == 1).then_some(()));
    gate.rewrite(&text.replace("\"authenticated\"", "\"role:x\""));
    assert_eq!(client.answer().end, End::Cut);
    let line = until("the access line", || gate.out.json().pop());
    assert_eq!((&line["reason"], &line["status"]), (&"role_missing".into(), &200.into()));
}
