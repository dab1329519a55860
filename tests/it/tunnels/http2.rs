//! WebSocket over HTTP/2: an extended CONNECT on a stream (RFC 8441).

use super::{
    super::harness::{
        backend::{Backend, Step, answer, ok},
        frames::Frames,
        gateway::Setup,
        http2::Http2,
        until,
        websocket::{accept, accepted, closing, echo, frame},
    },
    RULES,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// Opens a stream that asks for `protocol`.
fn connect(frames: &mut Frames, target: &str, protocol: &str, fields: &[(&str, &str)]) -> u32 {
    let head = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":authority", "shop.example"),
        (":path", target),
        ("sec-websocket-version", "13"),
    ];
    frames.open(&[&head, fields].concat(), false)
}

/// Whether the stream's answer is a 200, by its number in the static table (RFC 7541 A).
fn status(frames: &mut Frames, stream: u32) -> &'static str {
    loop {
        let (kind, _, of, payload) = frames.next().expect("the gateway ended the connection");
        match kind {
            HEADERS if of == stream => {
                return if payload[0] == 0x88 { "200" } else { "another" };
            }
            RESET if of == stream => return "reset",
            _ => (),
        }
    }
}

/// The next bytes of the stream, and whether they are its last.
fn data(frames: &mut Frames, stream: u32) -> (Vec<u8>, bool) {
    loop {
        let (kind, flags, of, payload) = frames.next().expect("the gateway ended the connection");
        match kind {
            DATA if of == stream => return (payload, flags & END_STREAM != 0),
            RESET if of == stream => panic!("reset after {payload:?}"),
            _ => (),
        }
    }
}

fn settings(frames: &mut Frames) -> Vec<u8> {
    loop {
        let (kind, flags, _, payload) = frames.next().unwrap();
        if kind == SETTINGS && flags & 1 == 0 {
            return payload;
        }
    }
}

#[test]
fn a_stream_becomes_a_websocket_and_is_judged_like_any_other() {
    let backend = echo();
    let setup = Setup::new(&backend.url()).tables(RULES);
    let text = setup.text();
    let gate = setup.start();
    let token = format!("Bearer {}", gate.token("eve"));
    let mut frames = Frames::connect(gate.address, 1 << 20);
    frames.widen(1 << 20);
    let offered = settings(&mut frames);
    let offered: Vec<_> =
        offered.chunks(6).map(|one| u16::from_be_bytes([one[0], one[1]])).collect();
    assert!(offered.contains(&ENABLE_CONNECT_PROTOCOL), "{offered:?}");

    let stream = connect(&mut frames, "/buyers?x=1", "websocket", &[("authorization", &token)]);
    assert_eq!(status(&mut frames, stream), "200");
    let received = backend.last();
    assert_eq!(received.line(), "GET /buyers?x=1");
    assert_eq!(received.field("upgrade"), Some("websocket"));
    assert_eq!(received.field("connection"), Some("upgrade"));
    assert_eq!(received.field("x-auth-subject"), Some("eve"));
    assert_eq!(accept(received.field("sec-websocket-key").unwrap()).len(), 28, "a key of ours");

    for size in [0, 5, 70_000, 200_000] {
        let bytes = frame(0x82, &vec![b'x'; size]);
        let (mut sent, mut back) = (0, Vec::new());
        // Never more on its way than the gateway's window lets.
        for piece in bytes.chunks(16_000) {
            frames.data(stream, piece);
            sent += piece.len();
            while back.len() < sent {
                let (some, _) = data(&mut frames, stream);
                frames.credit(stream, some.len());
                back.extend(some);
            }
        }
        assert!(back == bytes, "{size}");
    }
    until("the gauge", || (gate.metric("tollgate_tunnels") == 1.0).then_some(()));

    gate.rewrite(&text.replace("\"role:buyer\"", "\"role:x\""));
    let mut rest = Vec::new();
    loop {
        let (some, last) = data(&mut frames, stream);
        rest.extend(some);
        if last {
            break;
        }
    }
    assert_eq!(closing(&rest), (1008, "role_missing".to_owned()));
    // The connection goes on.
    let plain = frames.open(
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "shop.example"),
            (":path", "/plain/1"),
        ],
        true,
    );
    assert_eq!(status(&mut frames, plain), "200");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_not_allowed_over_http_2_is_refused_on_its_stream() {
    let backend = echo();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let eve = format!("Bearer {}", gate.token("eve"));
    let mut h2 = Http2::connect(gate.address);
    assert_eq!(h2.get("/plain/1", &[]).verdict(), "200");
    for (target, protocol, fields, verdict) in [
        ("/plain/1", "websocket",   &[("sec-websocket-version", "13")][..],                            "403 upgrade_not_allowed"),
        ("/raw",     "websocket",   &[("sec-websocket-version", "13")],                                "403 upgrade_not_allowed"),
        ("/chat/1",  "websocket",   &[("sec-websocket-version", "13")],                                "401 unauthenticated"),
        ("/nowhere", "websocket",   &[("sec-websocket-version", "13"), ("authorization", &*eve)],      "403 no_rule"),
        ("/free/1",  "websocket",   &[],                                                               "426 websocket_version"),
        ("/free/1",  "connect-udp", &[("sec-websocket-version", "13")],                                "405 method_not_allowed"),
        ("/raw",     "chat/2",      &[],                                                               "405 method_not_allowed"),
    ] {
        assert_eq!(h2.extended(target, protocol, fields).unwrap().verdict(), verdict, "{target} {protocol}");
    }
    assert_eq!(backend.received().len(), 1);
}

/// Any success would be a switch to this client, and nobody would listen to what it says then.
#[test]
fn an_answer_that_is_no_switch_is_no_success_over_http_2() {
    let backend = Backend::scripted(|head| match head.word(1) {
        "/free/ok" => vec![Step::Write(ok("no sockets here"))],
        _ => vec![Step::Write(answer("404 Not Found", "", "nothing"))],
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut h2 = Http2::connect(gate.address);
    let version = [("sec-websocket-version", "13")];
    for (target, status, said) in
        [("/free/ok", 502, "backend_bad_response"), ("/free/1", 404, "nothing")]
    {
        let answer = h2.extended(target, "websocket", &version).unwrap();
        let found = format!("{} {}", answer.status, answer.text());
        assert!(found.contains(said) && answer.status == status, "{found}");
    }
}

#[test]
fn it_is_offered_only_where_some_rule_allows_it() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables("[rules]\n\"GET /**\" = \"guest\"").start();
    let mut frames = Frames::connect(gate.address, 1 << 20);
    let offered = settings(&mut frames);
    assert!(offered.chunks(6).all(|one| one[..2] != ENABLE_CONNECT_PROTOCOL.to_be_bytes()));
    let stream = connect(&mut frames, "/free/1", "websocket", &[]);
    assert_eq!(status(&mut frames, stream), "reset");
    assert!(backend.received().is_empty());
}

/// One connection of HTTP/2 could otherwise hold a hundred connections to backends, and their descriptors.
#[test]
fn there_are_no_more_tunnels_than_there_may_be_connections() {
    let backend = Backend::scripted(|head| match (head.word(1), head.field("upgrade")) {
        ("/free/none", _) => vec![Step::Write(answer("404 Not Found", "", "nothing"))],
        (_, Some(_)) => vec![Step::Reply(accepted), Step::Echo],
        (_, None) => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let limits = |most| format!("[limits]\nconnections = {most}\n");
    let setup = Setup::new(&backend.url()).key("workers", "1").tables(RULES).tables(&limits(4));
    let text = setup.text();
    let gate = setup.start();
    let version = [("sec-websocket-version", "13")];
    let mut h2 = Http2::connect(gate.address);
    // What does not become a tunnel gives its place back.
    for _ in 0..5 {
        assert_eq!(h2.extended("/free/none", "websocket", &version).unwrap().status, 404);
    }
    let mut frames = Frames::connect(gate.address, 1 << 20);
    let open = |frames: &mut Frames| {
        let stream = connect(frames, "/free/1", "websocket", &[]);
        (status(frames, stream), stream)
    };
    let streams: Vec<u32> = (0..4)
        .map(|_| {
            let (status, stream) = open(&mut frames);
            assert_eq!(status, "200");
            stream
        })
        .collect();
    let reached = backend.received().len();
    for _ in 0..2 {
        let refused = h2.extended("/free/1", "websocket", &version).unwrap();
        assert_eq!(refused.verdict(), "503 backend_busy");
        assert_eq!(open(&mut frames).0, "another");
    }
    assert_eq!(backend.received().len(), reached, "nothing was asked for them");
    assert_eq!(h2.get("/plain/1", &[]).verdict(), "200", "requests need no place among tunnels");
    let bytes = frame(0x82, b"still here?");
    for stream in &streams {
        frames.data(*stream, &bytes);
        assert_eq!(data(&mut frames, *stream).0, bytes);
    }

    // One that ends makes room for one, and a higher limit at once.
    frames.client.send(super::super::harness::frames::frame(DATA, 0x1, streams[0], b""));
    until("a place", || (open(&mut frames).0 == "200").then_some(()));
    assert_eq!(open(&mut frames).0, "another");
    gate.rewrite(&text.replace(&limits(4), &limits(5)));
    until("one more place", || (open(&mut frames).0 == "200").then_some(()));
    assert_eq!(open(&mut frames).0, "another");
}
