//! Who may switch, how it is asked for, and that nothing passes before both sides have agreed.

use super::{
    super::harness::{
        Rows,
        backend::{Backend, Received, Step, answer, ok},
        client::{get, request},
        gateway::Setup,
        until,
        websocket::{HANDSHAKE, KEY, accept, accepted, closing, echo, frame, lives, open},
    },
    RULES,
};

#[test]
fn every_byte_of_a_websocket_passes_both_ways_and_its_line_is_written_at_the_end() {
    let backend = echo();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let eve = gate.bearer("eve");
    let fields = format!(
        "{HANDSHAKE}{eve}Sec-WebSocket-Protocol: chat\r\nX-Auth-Subject: root\r\nKeep-Alive: 5\r\n"
    );
    let mut client = gate.connect();
    client.send(get("/chat/1?x=1", &fields));
    let head = client.head();
    assert_eq!((head.word(1), head.field("x-backend")), ("101", Some("here")));
    assert_eq!(head.field("sec-websocket-accept"), Some(&*accept(KEY)));
    let id = head.field("x-request-id").unwrap().to_owned();
    until("the gauge", || (gate.metric("tollgate_tunnels") == 1.0).then_some(()));

    let mut sent = 0;
    for (first, size) in [
        (0x82, 0),
        (0x81, 1),
        (0x82, 125),
        (0x82, 126),
        (0x02, 65_535),
        (0x00, 65_536),
        (0x89, 100),
        (0x80, 200_000),
    ] {
        let payload: Vec<u8> = (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        let bytes = frame(first, &payload);
        let mut writer = client.twin();
        let whole = bytes.clone();
        let writing = std::thread::spawn(move || writer.try_send(whole));
        assert!(client.bytes(bytes.len()).unwrap() == bytes, "{size}");
        assert!(writing.join().unwrap());
        sent += bytes.len();
    }
    client.finish_sending();
    assert!(client.rest().is_empty());

    let received = backend.last();
    assert_eq!(received.line(), "GET /chat/1?x=1");
    assert_eq!(received.field("upgrade"), Some("websocket"));
    assert_eq!(received.field("connection"), Some("upgrade"));
    assert_eq!(received.field("sec-websocket-key"), Some(KEY));
    assert_eq!(received.field("sec-websocket-protocol"), Some("chat"));
    assert_eq!(received.field("x-auth-subject"), Some("eve"));
    assert_eq!((received.field("authorization"), received.field("keep-alive")), (None, None));
    let line = until("the access line", || {
        gate.out.json().into_iter().find(|line| line["request_id"] == id.as_str())
    });
    assert_eq!(line["status"], 101);
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&sent.into(), &sent.into()));
    assert_eq!((&line["reason"], &line["ended"]), (&"ok".into(), &"client".into()));
    assert_eq!(line["principal"], "eve");
    until("the gauge", || (gate.metric("tollgate_tunnels") == 0.0).then_some(()));

    // The connection has carried a tunnel: no request follows on it.
    assert_eq!(gate.ask(get("/plain/1", "")).verdict(), "200");
    assert_ne!(backend.last().connection, received.connection);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_no_right_handshake_is_refused_and_not_forwarded() {
    let backend = echo();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let eve = gate.bearer("eve");
    let without = |line: &str| HANDSHAKE.replace(line, "");
    let instead = |line: &str, other: &str| HANDSHAKE.replace(line, other);
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let mut rows = Rows::default();
    for (target, fields, verdict) in [
        ("/plain/1", HANDSHAKE.to_owned(),                                            "403 upgrade_not_allowed"),
        ("/raw",     HANDSHAKE.to_owned(),                                            "403 upgrade_not_allowed"),
        ("/chat/1",  HANDSHAKE.to_owned(),                                            "401 unauthenticated"),
        ("/buyers",  format!("{HANDSHAKE}{}", gate.bearer("ann")),                    "403 role_missing"),
        ("/nowhere", format!("{HANDSHAKE}{eve}"),                                     "403 no_rule"),
        ("/free/1",  without("Connection: Upgrade\r\n"),                              "400 upgrade_malformed"),
        ("/free/1",  instead("websocket\r\n", "websocket, h2c\r\n"),                  "400 upgrade_malformed"),
        ("/free/1",  format!("{HANDSHAKE}Upgrade: websocket\r\n"),                    "400 upgrade_malformed"),
        ("/free/1",  format!("{HANDSHAKE}Transfer-Encoding: chunked\r\n"),            "400 upgrade_malformed"),
        ("/free/1",  without("Sec-WebSocket-Version: 13\r\n"),                        "426 websocket_version"),
        ("/free/1",  instead("Version: 13", "Version: 8"),                            "426 websocket_version"),
        ("/free/1",  without(&key),                                                   "400 websocket_key"),
        ("/free/1",  instead(KEY, "dGhlIHNhbXBsZSBub25jZQ"),                          "400 websocket_key"),
        ("/free/1",  format!("{HANDSHAKE}{key}"),                                     "400 websocket_key"),
    ] {
        let chunks = if fields.contains("chunked") { "0\r\n\r\n" } else { "" };
        let answer = gate.ask(get(target, &fields) + chunks);
        rows.check(&format!("{target} {fields:?}"), &answer.verdict(), verdict);
        let version = answer.field("sec-websocket-version");
        rows.check(&format!("{target} {fields:?}"), version.unwrap_or_default(), if answer.status == 426 { "13" } else { "" });
    }
    assert!(backend.received().is_empty());
    let body = gate.ask(request("GET", "/free/1", HANDSHAKE, "x"));
    assert_eq!(body.verdict(), "400 upgrade_malformed");
    assert!(backend.received().is_empty());
}

#[test]
fn other_offers_are_ignored_and_never_forwarded() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    for (target, fields) in [
        (
            "/plain/1",
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
        ),
        ("/free/1", "Upgrade: h2c\r\nConnection: Upgrade\r\n"),
        ("/free/1", ""),
        // Not addressed to us: without `Connection` it is an offer to nobody.
        ("/plain/1", "Upgrade: websocket\r\n"),
    ] {
        assert_eq!(gate.ask(get(target, fields)).verdict(), "200", "{target} {fields}");
        let received = backend.last();
        assert_eq!((received.field("upgrade"), received.field("connection")), (None, None));
    }
}

/// Bytes of some protocol. Who took it for a WebSocket would see whole frames, and say a word behind them.
const HELLO: &str = "\x02\x03\r\n\r";

#[test]
fn another_protocol_is_tunnelled_by_its_name_and_cut_without_a_word() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: Chat/2\r\nConnection: x, upgrade\r\n\r\n";
    let backend = Backend::scripted(move |_| {
        vec![Step::Write(format!("{switch}{HELLO}").into()), Step::Echo]
    });
    let setup = Setup::new(&backend.url()).tables(RULES);
    let text = setup.text();
    let gate = setup.start();
    let mut client = gate.connect();
    client.send(get("/raw", "Upgrade: chat/2\r\nConnection: upgrade\r\n"));
    assert_eq!(client.head().word(1), "101");
    // What the backend sends right behind its answer is the client's.
    assert_eq!(client.bytes(HELLO.len()).unwrap(), HELLO.as_bytes());
    client.send(HELLO);
    assert_eq!(client.bytes(HELLO.len()).unwrap(), HELLO.as_bytes());
    assert_eq!(backend.last().field("upgrade"), Some("chat/2"));
    let raw = "\"GET /raw\"      = { who = \"guest\"";
    assert!(text.contains(raw));
    gate.rewrite(&text.replace(raw, "\"GET /raw\" = { who = \"role:x\""));
    assert!(client.rest().is_empty());
    let received = backend.wait("the backend's end", |received| received.gone);
    assert_eq!(received.body, HELLO.as_bytes());
    assert_eq!(until("the access line", || gate.out.json().pop())["reason"], "unauthenticated");
}

fn told(status: &'static str, fields: &'static str) -> Backend {
    Backend::scripted(move |_| {
        let head = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
        vec![Step::Write(head.into()), Step::Echo]
    })
}

#[test]
fn only_the_switch_that_was_asked_for_is_one() {
    let right = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let leak = |fields: String| -> &'static str { fields.leak() };
    for (fields, status) in [
        (format!("Upgrade: websocket\r\nConnection: upgrade\r\n{right}"), 101),
        (format!("Upgrade: h2c\r\nConnection: upgrade\r\n{right}"), 502),
        (format!("Upgrade: websocket, h2c\r\nConnection: upgrade\r\n{right}"), 502),
        (format!("Upgrade: websocket\r\n{right}"), 502),
        (format!("Connection: upgrade\r\n{right}"), 502),
        ("Upgrade: websocket\r\nConnection: upgrade\r\n".to_owned(), 502),
        (format!("Upgrade: websocket\r\nConnection: upgrade\r\n{right}{right}"), 502),
        (
            "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: \
             AAAAMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                .to_owned(),
            502,
        ),
    ] {
        let backend = told("101 Switching Protocols", leak(fields.clone()));
        let gate = Setup::new(&backend.url()).tables(RULES).start();
        let mut client = gate.connect();
        client.send(get("/free/1", HANDSHAKE));
        assert_eq!(client.head().word(1), status.to_string(), "{fields}");
        if status == 502 {
            backend.wait("the backend's connection to end", |received| received.gone);
        }
    }
}

#[test]
fn a_backend_that_does_not_switch_is_answered_for_like_any_other() {
    let backend = Backend::scripted(|head| match head.word(1) {
        "/free/ok" => vec![Step::Write(ok("no sockets here"))],
        _ => vec![Step::Write(answer("426 Upgrade Required", "Upgrade: websocket\r\n", "later"))],
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = gate.connect();
    let plain = client.ask(get("/free/ok", HANDSHAKE));
    assert_eq!((plain.status, plain.text()), (200, "no sockets here"));
    assert_eq!(plain.field("upgrade"), None);
    let refused = client.ask(get("/free/2", HANDSHAKE));
    assert_eq!((refused.status, refused.text()), (426, "later"));
    let received = backend.received();
    assert_ne!(received[0].connection, received[1].connection, "it asked to switch: used once");
    assert_eq!(client.ask(get("/plain/1", "")).status, 426, "HTTP goes on");
    until("the gauge", || (gate.metric("tollgate_tunnels") == 0.0).then_some(()));
}

#[test]
fn what_a_client_says_before_the_switch_is_never_forwarded() {
    let backend = echo();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let smuggled = "GET /chat/secret HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let mut client = gate.connect();
    client.send(get("/free/1", HANDSHAKE) + smuggled);
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(!rest.contains("secret"), "{rest}");
    let received = backend.wait("the tunnel's end", |received| received.gone);
    assert!(received.body.is_empty());
    assert_eq!(backend.received().len(), 1);
    let line = until("the access line", || gate.out.json().pop());
    assert_eq!((&line["reason"], &line["ended"]), (&"upgrade_malformed".into(), &"gateway".into()));
}

#[test]
fn whoever_vanishes_takes_the_other_side_along() {
    let backend = Backend::scripted(|_| vec![Step::Reply(accepted), Step::Echo]);
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = open(gate.connect(), "/free/1", "");
    lives(&mut client);
    client.leave();
    backend.wait("the backend to be told", |received| received.gone);
    let line = until("the access line", || gate.out.json().pop());
    assert_eq!(line["ended"], "client_lost");

    let mut client = open(gate.connect(), "/free/2", "");
    lives(&mut client);
    backend.drop_connections();
    assert!(client.rest().is_empty());
    client.end();
    until("both lines", || (gate.out.json().len() == 2).then_some(()));
    assert_eq!(gate.out.json()[1]["ended"], "backend");
}

#[test]
fn a_silent_tunnel_ends_in_time_and_says_why() {
    let backend = echo();
    let limits = "[limits]\ntunnel-idle = \"300ms\"";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    let mut client = open(gate.connect(), "/free/1", "");
    assert_eq!(closing(&client.rest()), (1001, "tunnel_idle".to_owned()));
    let received = backend.wait("the backend's end", |received| received.gone);
    assert_eq!(closing(&received.body), (1001, "tunnel_idle".to_owned()));
    let line = until("the access line", || gate.out.json().pop());
    assert_eq!((&line["reason"], &line["ended"]), (&"tunnel_idle".into(), &"gateway".into()));
}

/// The rule's mistakes are told when the file is read.
#[test]
fn a_rule_cannot_open_a_tunnel_for_requests() {
    let backend = Backend::plain();
    let inside = "requests inside this protocol would pass by the rules";
    for (upgrade, mistake) in [
        ("\"h2c\"", inside),
        ("\"HTTP/2.0\"", inside),
        ("\"TLS/1.0\"", inside),
        ("\"a b\"", "`a b` is not the name of one protocol"),
        ("\"\"", "upgrade` is empty"),
        ("true", "upgrade` is true or false"),
    ] {
        let rules = format!("[rules]\n\"GET /x\" = {{ who = \"guest\", upgrade = {upgrade} }}");
        let setup = Setup::new(&backend.url()).tables(&rules);
        let path = setup.folder().join("tollgate.toml");
        std::fs::write(&path, setup.text()).unwrap();
        let (code, said) = super::super::harness::gateway::refused(&path);
        assert!(code == 78 && said.contains(mistake), "{upgrade}: {code} {said}");
    }
}

#[test]
fn a_backend_over_http_2_switches_nothing_and_the_file_says_so() {
    let rules = "[rules]\n\"GET /x\" = { who = \"guest\", upgrade = \"websocket\" }";
    let app = "[backends.app]\nurl = \"http://127.0.0.1:9\"\nhttp = \"2\"";
    let setup = Setup::new("app").tables(rules).tables(app);
    let path = setup.folder().join("tollgate.toml");
    std::fs::write(&path, setup.text()).unwrap();
    let (code, said) = super::super::harness::gateway::refused(&path);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("switches no protocols"), "{said}");
}

/// Not asked for, it is no answer.
#[test]
fn a_switch_that_nobody_asked_for_is_no_answer() {
    let backend = told("101 Switching Protocols", "Upgrade: websocket\r\nConnection: upgrade\r\n");
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    assert_eq!(gate.ask(get("/free/1", "")).verdict(), "502 backend_bad_response");
    let gone = |received: &Received| received.gone;
    backend.wait("the backend's connection to end", gone);
}
