//! Hostile and odd answers of a backend: what a client sees of them, over HTTP/1.1 and HTTP/2.

use std::time::{Duration, Instant};

use super::harness::{
    backend::{Backend, Deaf, Step, answer, ok},
    client::{End, get, request},
    free_port,
    gateway::{Gateway, Setup},
    http2::Http2,
    until,
};

const RULES: &str = r#"
[rules]
"* /open/**" = "guest"
"#;

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).key("workers", "1").tables(RULES).start()
}

#[test]
fn endless_interim_answers_end_in_502_and_nobody_else_waits() {
    let backend = Backend::scripted(|head| {
        let interim: &[u8] = match head.word(1) {
            "/open/long" => {
                b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"
            }
            "/open/short" => b"HTTP/1.1 102 \r\n\r\n",
            _ => return vec![Step::Body, Step::Write(ok("hello"))],
        };
        let flood = (0..32).map(|_| Step::Write(interim.repeat((1 << 20) / interim.len())));
        [Step::Body].into_iter().chain(flood).chain([Step::Gone]).collect()
    });
    let gate = gateway(&backend);
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    for target in ["/open/long", "/open/short"] {
        let mut flooded = gate.connect();
        flooded.send(get(target, ""));
        for _ in 0..10 {
            let asked = Instant::now();
            assert_eq!(client.ask(get("/open/1", "")).text(), "hello");
            assert!(asked.elapsed() < Duration::from_secs(1), "{target}: {:?}", asked.elapsed());
        }
        assert_eq!(flooded.answer().verdict(), "502 backend_bad_response", "{target}");
        assert_eq!(h2.get(target, &[]).verdict(), "502 backend_bad_response", "{target}");
        assert_eq!(flooded.ask(get("/open/1", "")).text(), "hello", "its connection goes on");
    }
}

#[test]
fn many_interim_answers_and_a_large_answer_after_them_are_no_flood() {
    const LARGE: usize = 4 << 20;
    let backend = Backend::scripted(|_| {
        let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n", "x".repeat(4000));
        let bytes = [hint.repeat(16).into_bytes(), ok(&"x".repeat(LARGE))].concat();
        vec![Step::Body, Step::Write(bytes)]
    });
    let gate = gateway(&backend);
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    for _ in 0..20 {
        assert_eq!(client.ask(get("/open/1", "")).body.len(), LARGE);
        assert_eq!(h2.get("/open/1", &[]).text().len(), LARGE);
    }
    assert_eq!(backend.connections(), 2, "one look at the start, and one that is used again");
}

/// A backend that answers each target with these bytes.
fn answering(table: &'static [(&'static str, &'static [u8])]) -> Backend {
    Backend::scripted(|head| {
        let row = table.iter().find(|(target, _)| *target == head.word(1));
        let bytes = row.map_or_else(|| ok("hello"), |(_, bytes)| bytes.to_vec());
        vec![Step::Body, Step::Write(bytes)]
    })
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_transfer_coding_that_we_cannot_undo_is_502() {
    const TABLE: &[(&str, &[u8])] = &[
        ("/open/gzip",    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n\x1f\x8b\x08 coded"),
        ("/open/both",    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\ncoded\r\n0\r\n\r\n"),
        ("/open/lines",   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ncoded\r\n0\r\n\r\n"),
        ("/open/twice",   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ncoded\r\n0\r\n\r\n"),
        ("/open/reverse", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\ncoded\r\n0\r\n\r\n"),
        ("/open/word",    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\ncoded"),
        ("/open/old",     b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ncoded\r\n0\r\n\r\n"),
        ("/open/none",    b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ];
    let backend = answering(TABLE);
    let gate = gateway(&backend);
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    for (target, _) in TABLE {
        let answer = client.ask(get(target, ""));
        assert_eq!(answer.verdict(), "502 backend_bad_response", "{target}");
        assert!(!answer.raw.windows(5).any(|part| part == b"coded"), "{target}");
        assert_eq!(h2.get(target, &[]).verdict(), "502 backend_bad_response", "{target}");
        let head = client.send(request("HEAD", target, "", "")).answer_to_head();
        assert_eq!(head.status, 502, "HEAD {target}");
    }
    assert_eq!(client.ask(get("/open/good", "")).text(), "hello");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_length_goes_on_as_one_plain_number() {
    const TABLE: &[(&str, &[u8])] = &[
        ("/open/list",  b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
        ("/open/lines", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        ("/open/zeros", b"HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok"),
        ("/open/plain", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ];
    const HEADS: &[(&str, &[u8])] = &[
        ("/open/list",  b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n"),
        ("/open/lines", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n"),
        ("/open/zeros", b"HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\n"),
        ("/open/plain", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
    ];
    let (backend, heads) = (answering(TABLE), answering(HEADS));
    let (gate, head_gate) = (gateway(&backend), gateway(&heads));
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    let (mut head_client, mut head_h2) = (head_gate.connect(), Http2::connect(head_gate.address));
    for (target, _) in TABLE {
        let answer = client.ask(get(target, ""));
        assert_eq!((answer.text(), answer.end), ("ok", End::Clean), "{target}");
        assert_eq!(answer.head.all("content-length"), ["2"], "{target}");
        let answer = h2.get(target, &[]);
        assert_eq!((answer.text(), &answer.fields["content-length"]), ("ok", &"2".parse().unwrap()), "{target}");
        let answer = head_client.send(request("HEAD", target, "", "")).answer_to_head();
        assert_eq!((answer.status, answer.head.all("content-length")), (200, vec!["2"]), "HEAD {target}");
        let answer = head_h2.ask("HEAD", target, &[], "");
        assert_eq!((answer.text(), &answer.fields["content-length"]), ("", &"2".parse().unwrap()), "HEAD {target}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn lengths_that_differ_or_are_no_numbers_are_502_to_every_method() {
    const TABLE: &[(&str, &[u8])] = &[
        ("/open/list",  b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n"),
        ("/open/lines", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"),
        ("/open/sign",  b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n"),
        ("/open/empty", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"),
        ("/open/huge",  b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n"),
        ("/open/same",  b"HTTP/1.1 304 Not Modified\r\nContent-Length: two\r\n\r\n"),
    ];
    let backend = answering(TABLE);
    let gate = gateway(&backend);
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    for (target, _) in TABLE {
        assert_eq!(client.ask(get(target, "")).verdict(), "502 backend_bad_response", "{target}");
        assert_eq!(h2.get(target, &[]).verdict(), "502 backend_bad_response", "{target}");
        let head = client.send(request("HEAD", target, "", "")).answer_to_head();
        assert_eq!((head.status, head.head.all("content-length").len()), (502, 1), "HEAD {target}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn answers_without_a_body_say_a_length_only_where_it_means_something() {
    const TABLE: &[(&str, &[u8])] = &[
        ("/open/none",  b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
        ("/open/zero",  b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        ("/open/same",  b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("/open/both",  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ];
    let backend = answering(TABLE);
    let gate = gateway(&backend);
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    for (method, target, status, http1, http2) in [
        ("GET",  "/open/none", 204, None,      None),
        ("HEAD", "/open/none", 204, None,      None),
        ("GET",  "/open/zero", 204, None,      None),
        ("GET",  "/open/same", 304, None,      Some("5")),
        ("HEAD", "/open/same", 304, Some("5"), Some("5")),
        ("GET",  "/open/both", 200, None,      None),
        ("HEAD", "/open/both", 200, None,      None),
    ] {
        client.send(request(method, target, "", ""));
        let answer = if method == "HEAD" { client.answer_to_head() } else { client.answer() };
        assert_eq!((answer.status, answer.field("content-length")), (status, http1), "{method} {target}");
        let answer = h2.ask(method, target, &[], "");
        let length = answer.fields.get("content-length").map(|length| length.to_str().unwrap());
        assert_eq!((answer.status.as_u16(), length, answer.text()), (status, http2, ""), "{method} {target}");
    }
}

/// A gateway before one backend of these servers; `timeout` is for connecting.
fn balanced(servers: &[String], timeout: &str) -> Gateway {
    let tables = format!(
        "{RULES}\n[backends.main]\nurl = {servers:?}\ntimeouts = {{ connect = {timeout:?} }}"
    );
    Setup::new("main").key("workers", "1").tables(&tables).start()
}

/// Answers, and ends the connection, so that the next request needs a new one.
fn closing() -> Backend {
    Backend::scripted(|_| {
        vec![
            Step::Body,
            Step::Write(answer("200 OK", "Connection: close\r\n", "hello")),
            Step::Close,
        ]
    })
}

#[test]
fn a_server_that_is_down_costs_no_request_while_another_is_up() {
    let nobody = |_| format!("http://127.0.0.1:{}", free_port());
    let (first, second) = (closing(), closing());
    let servers = [nobody(1), first.url(), nobody(2), nobody(3), second.url()];
    let gate = balanced(&servers, "5s");
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    for round in 0..10 {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200", "round {round}");
        assert_eq!(h2.get("/open/1", &[]).verdict(), "200", "round {round}");
        let post = client.ask(request("POST", "/open/1", "", "body"));
        assert_eq!(
            post.verdict(),
            "200",
            "round {round}: nothing was sent to the one that is down"
        );
    }
    let came = [&first, &second].map(|backend| backend.received().len());
    assert_eq!(came[0] + came[1], 30);
    assert!(came[0] > 0 && came[1] > 0, "still in turn: {came:?}");

    let gate = balanced(&[nobody(1), nobody(2)], "5s");
    let asked = Instant::now();
    assert_eq!(gate.ask(get("/open/1", "")).verdict(), "502 backend_unreachable");
    assert!(asked.elapsed() < Duration::from_secs(1), "each was tried once");
}

#[test]
fn a_server_that_answers_no_connection_leaves_the_others_time() {
    let deaf = Deaf::start();
    let address = deaf.address;
    let backend = closing();
    let gate = balanced(&[format!("http://{address}"), backend.url()], "1s");
    let mut client = gate.connect();
    for _ in 0..3 {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
    }
    let gate = balanced(&[format!("http://{address}")], "400ms");
    assert_eq!(gate.ask(get("/open/1", "")).verdict(), "504 backend_connect_timeout");
}

/// Trailers that a client must never get, beside one that it may have.
const TRAILERS: &str = "X-Sum: 7\r\nProxy-Status: forged\r\nConnection: X-Sum, close\r\nX-Hop: 1\r\n\
    Transfer-Encoding: gzip\r\nContent-Length: 99\r\nTrailer: X-Sum\r\nX-Request-Id: forged\r\n\
    Set-Cookie: a=1\r\nCache-Control: public\r\nAccess-Control-Allow-Origin: *\r\nKeep-Alive: 9\r\n";

/// Announces each of [`TRAILERS`] and sends them all after `hello`.
fn trailing() -> Backend {
    Backend::scripted(|head| {
        let (announced, trailers) = match head.word(1) {
            "/open/forged" => {
                let names =
                    TRAILERS.split_terminator("\r\n").map(|line| line.split(':').next().unwrap());
                (names.collect::<Vec<_>>().join(", "), TRAILERS)
            }
            "/open/bad" => {
                ("Set-Cookie, Proxy-Status".to_owned(), "Set-Cookie: a=1\r\nProxy-Status: x\r\n")
            }
            _ => (String::new(), "X-Sum: 7\r\n"),
        };
        let bytes = format!(
            "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\nTrailer: {announced}\r\n\r\n\
             5\r\nhello\r\n0\r\n{trailers}\r\n"
        );
        vec![Step::Body, Step::Write(bytes.into())]
    })
}

#[test]
fn trailers_pass_only_to_who_asks_and_never_those_of_a_head_or_of_our_hop() {
    let backend = trailing();
    let gate = gateway(&backend);
    let (mut client, mut h2) = (gate.connect(), Http2::connect(gate.address));
    // What HTTP/1.1 carries must be announced; on HTTP/2 it need not be.
    for (target, announced, http1, http2) in [
        ("/open/forged", Some("x-sum"), vec!["x-sum: 7"], vec!["x-sum: 7"]),
        ("/open/bad", None, vec![], vec![]),
        ("/open/tacit", None, vec![], vec!["x-sum: 7"]),
    ] {
        for asks in [true, false] {
            let fields = if asks { "TE: trailers\r\nConnection: TE\r\n" } else { "" };
            let answer = client.ask(get(target, fields));
            assert_eq!((answer.text(), answer.end), ("hello", End::Clean), "{target} {asks}");
            assert_eq!(answer.field("trailer"), announced.filter(|_| asks), "{target} {asks}");
            let came: Vec<_> = answer
                .trailers
                .iter()
                .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
                .collect();
            assert_eq!(came, if asks { http1.clone() } else { vec![] }, "{target} {asks}");
            assert_eq!(gate.access_line(&answer)["reason"], "ok", "{target} {asks}");

            let fields = [("te", "trailers")];
            let answer = h2.get(target, if asks { &fields } else { &[] });
            assert_eq!(answer.text(), "hello", "{target} {asks}: no reset");
            let announced_here = answer.fields.get("trailer").map(|it| it.to_str().unwrap());
            assert_eq!(announced_here, announced.filter(|_| asks), "{target} {asks}");
            let came: Vec<_> = answer
                .trailers
                .iter()
                .flatten()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            assert_eq!(came, if asks { http2.clone() } else { vec![] }, "{target} {asks}");
        }
    }
    let all = r#"tollgate_requests_total{decision="permit",reason="ok"}"#;
    until("every answer's record", || gate.try_metric(all).filter(|count| *count == 12.0));
    assert_eq!(backend.connections(), 2, "one look at the start; each answer ended cleanly");
}
