//! Event streams and gRPC streams: answers without an end, judged again while they last.

use rustix::process::Signal;

use super::super::harness::{
    backend::{Backend, Step},
    client::{End, bearer, get},
    frames::Frames,
    gateway::Setup,
    http2::Http2,
    redis::Redis,
    until,
    websocket::HANDSHAKE,
};

const DATA: u8 = 0;
const RESET: u8 = 3;

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
    let mut gate = setup.key("workers", "1").tables(RULES).start();
    let (ann, eve) = (redis.issue("ann"), redis.issue("eve"));
    // A gateway listens before its worker has reached the store.
    let mut other = until("the store to be asked", || {
        let mut client = gate.connect();
        client.send(get("/free/1", &bearer(&ann.text)));
        (client.head().word(1) == "200").then_some(client)
    });
    let mut client = gate.connect();
    client.send(get("/events", &bearer(&eve.text)));
    assert_eq!(client.head().word(1), "200");
    let mut frames = Frames::connect(gate.address, 1 << 20);
    frames.get("/events", &[("authorization", &format!("Bearer {}", eve.text))]);
    let first = b"9\r\ndata: 1\n\n\r\n";
    assert_eq!(client.bytes(first.len()).unwrap(), first);
    assert_eq!(next(&mut frames), (DATA, b"data: 1\n\n".to_vec()));

    redis.revoke(&eve);
    assert!(client.rest().is_empty(), "cut visibly: no chunk is the last");
    assert_eq!(next(&mut frames).0, RESET);
    until("both lines", || {
        let lines = gate.out.json();
        let ended = lines.iter().filter(|line| line["status"] == 200);
        (ended.filter(|line| line["reason"] == "token_unknown").count() == 2).then_some(())
    });
    until("the backend to hear of it", || {
        (backend.received().iter().filter(|received| received.gone).count() == 2).then_some(())
    });
    drop(frames); // it would not answer a GOAWAY
    // Until the gateway stops, and then not for long.
    gate.signal(Signal::TERM);
    assert_eq!(other.line(), "9\r\n");
    other.rest();
    assert_eq!(gate.ended().code(), Some(0));
    assert_eq!(gate.out.json().pop().unwrap()["reason"], "going_away");
}

/// The next frame of the first stream that says more than its head: its type and payload.
fn next(frames: &mut Frames) -> (u8, Vec<u8>) {
    loop {
        let (kind, _, stream, payload) = frames.next().expect("the gateway ended the connection");
        if stream == 1 && matches!(kind, DATA | RESET) {
            return (kind, payload);
        }
    }
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
