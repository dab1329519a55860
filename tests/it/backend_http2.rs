//! Backends over HTTP/2: the same head as streams, many at once, and none of them lost or sent twice.

use h2::Reason;

use super::harness::{
    backend::Backend,
    client::{Answer, Client, End, get, request},
    gateway::{Gateway, Setup},
    http2::Http2,
    streams::{Act, Gate, Streams},
    tls::Authority,
    until,
};

const RULES: &str = r#"
[rules]
"* /**"       = "public"
"* /mine/**"  = "authenticated"
"* /small/**" = { who = "public", body = "1KiB" }
"* /soon/**"  = { who = "public", timeout = "300ms" }
"#;

fn setup(backend: &Streams, more: &str) -> Setup {
    let url = format!("http://{}", backend.address);
    Setup::new("app").key("workers", "1").tables(RULES).tables(&format!(
        "[backends.app]\nurl = \"{url}\"\nhttp = \"2\"\ntimeouts = {{ connect = \"10s\" }}\n{more}\n"
    ))
}

fn gateway(backend: &Streams) -> Gateway {
    setup(backend, "").start()
}

fn hello() -> Vec<Act> {
    vec![Act::Body, Act::Head(200, vec![], false), Act::Data("hello")]
}

#[test]
fn the_head_is_that_of_http_1_1_with_pseudo_fields_in_its_places() {
    let backend = Streams::plain();
    let gate = gateway(&backend);
    let fields = format!("{}Accept: */*\r\nConnection: keep-alive\r\n", gate.bearer("eve"));
    let answer =
        gate.ask(request("POST", "/mine/%7e7?b=2&a=%zz1&access_token[]=x", &fields, "body"));
    assert_eq!((answer.verdict().as_str(), answer.text()), ("200", "hello"));
    let seen = backend.last();
    assert_eq!(seen.line, "POST http://shop.example/mine/~7?b=2&a=%zz1");
    let id = format!("x-request-id: {}", answer.field("x-request-id").unwrap());
    assert_eq!(
        seen.lines(),
        [
            "accept: */*",
            "content-length: 4",
            r#"forwarded: for=127.0.0.1;host="shop.example";proto=http"#,
            "x-auth-name: eve%20of%20the%20tests",
            "x-auth-roles: buyer",
            "x-auth-subject: eve",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: http",
            &id,
        ]
    );
    assert_eq!((seen.body.as_slice(), seen.whole), (&b"body"[..], true));
}

#[test]
fn a_chunked_body_is_a_stream_and_te_goes_on_only_from_a_client_that_takes_trailers() {
    let backend = Streams::scripted(|_, _| {
        let head = Act::Head(200, vec![("trailer", "x-sum".to_owned())], false);
        let after = vec![("x-sum", "7"), ("set-cookie", "a=b")];
        vec![Act::Body, head, Act::Data("hello"), Act::Trailers(after)]
    });
    let gate = gateway(&backend);
    let chunked = "POST /a HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = gate.ask(chunked);
    assert_eq!((answer.verdict().as_str(), answer.end), ("200", End::Clean));
    assert!(answer.trailers.is_empty());
    let seen = backend.last();
    assert_eq!(seen.body, b"abcde");
    for name in ["te", "transfer-encoding", "content-length", "host", "connection"] {
        assert!(!seen.fields.contains_key(name), "{name}");
    }
    let mut client = Http2::connect(gate.address);
    let answer = client.get("/a", &[("te", "trailers")]);
    let trailers = answer.trailers.unwrap();
    assert_eq!((trailers.len(), trailers["x-sum"].as_bytes()), (1, &b"7"[..]));
    assert_eq!(backend.last().fields["te"], "trailers");
}

#[test]
fn requests_at_once_share_a_connection_and_a_full_one_gets_a_second() {
    let all = Gate::new();
    let latch = all.clone();
    let backend = Streams::with_streams(3, move |_, _| {
        vec![Act::Wait(latch.clone()), Act::Head(200, vec![], false), Act::Data("hello")]
    });
    let gate = gateway(&backend);
    let before = backend.connections();
    let mut clients: Vec<_> = (0..6).map(|_| gate.connect()).collect();
    for client in &mut clients {
        client.send(get("/a", ""));
    }
    until("six requests", || (backend.seen().len() == 6).then_some(()));
    all.open();
    for client in &mut clients {
        assert_eq!(client.answer().verdict(), "200");
    }
    assert_eq!(backend.most_at_once(), 6);
    // Each worker has connections of its own, and the look at the start may only have come in now.
    let opened = backend.connections() - before;
    assert!((2..6).contains(&opened), "{opened} connections");
}

#[test]
fn pool_max_is_the_most_requests_at_once() {
    let all = Gate::new();
    let latch = all.clone();
    let backend = Streams::scripted(move |_, _| {
        vec![Act::Wait(latch.clone()), Act::Head(200, vec![], false), Act::Data("hello")]
    });
    let more = "pool = { max = 2 }";
    let setup = setup(&backend, more);
    let gate = setup.start();
    let mut clients: Vec<_> = (0..4).map(|_| gate.connect()).collect();
    for client in &mut clients {
        client.send(get("/a", ""));
    }
    until("two requests", || (backend.seen().len() == 2).then_some(()));
    all.open();
    for client in &mut clients {
        assert_eq!(client.answer().verdict(), "200");
    }
    assert_eq!(backend.most_at_once(), 2);
}

#[test]
fn a_refused_stream_is_sent_again_with_its_body() {
    let backend = Streams::scripted(|before, _| match before {
        0 => vec![Act::Reset(Reason::REFUSED_STREAM)],
        _ => hello(),
    });
    let gate = gateway(&backend);
    let answer = gate.ask(request("POST", "/a", "", "the body"));
    assert_eq!(answer.verdict(), "200");
    let seen = backend.seen();
    assert_eq!((seen.len(), seen[1].body.as_slice()), (2, &b"the body"[..]));
    assert_ne!(seen[0].connection, seen[1].connection, "not where it was refused");
}

#[test]
fn a_server_that_refuses_for_ever_is_asked_three_times() {
    let backend = Streams::scripted(|_, _| vec![Act::Reset(Reason::REFUSED_STREAM)]);
    let gate = gateway(&backend);
    assert_eq!(gate.ask(get("/a", "")).verdict(), "502 backend_closed");
    assert_eq!(backend.seen().len(), 3);
}

#[test]
fn a_request_that_the_peer_may_have_looked_at_is_never_sent_again() {
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR, Reason::PROTOCOL_ERROR]
    {
        let backend = Streams::scripted(move |_, _| vec![Act::Body, Act::Reset(reason)]);
        let gate = gateway(&backend);
        assert_eq!(gate.ask(request("POST", "/a", "", "x")).verdict(), "502 backend_closed");
        assert_eq!(backend.seen().len(), 1, "{reason:?}");
    }
}

#[test]
fn no_request_is_lost_or_sent_twice_when_connections_go_away() {
    // Every fifth answer tells the connection to go.
    let backend = Streams::scripted(|before, _| match before % 5 {
        4 => vec![Act::GoAway, Act::Body, Act::Head(200, vec![], false), Act::Data("hello")],
        _ => hello(),
    });
    let gate = gateway(&backend);
    let address = gate.address;
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for number in 0..25 {
                    let target = format!("/a/{thread}/{number}");
                    let answer = client.ask(request("POST", &target, "", &target));
                    assert_eq!(answer.verdict(), "200", "{target}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut targets: Vec<_> = backend.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(targets.len(), 100);
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), 100);
    assert!(backend.connections() > 5);
}

#[test]
fn an_answer_that_is_cut_is_cut_for_the_client() {
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let backend = Streams::scripted(move |_, _| {
            vec![Act::Head(200, vec![], false), Act::Data("half"), Act::Reset(reason)]
        });
        let gate = gateway(&backend);
        // The reset may overtake the head, or come with it.
        let answer = gate.connect().send(get("/a", "")).try_answer(false);
        let visible = |answer: &Answer| answer.status == 502 || answer.end == End::Cut;
        assert!(answer.as_ref().is_none_or(visible), "{reason:?}: {answer:?}");
    }
}

#[test]
fn hostile_answers_end_their_own_stream_and_nobody_elses() {
    let length = |length: &str| vec![("content-length", length.to_owned())];
    let scripts: Vec<(&str, Vec<Act>)> = vec![
        ("bomb", vec![Act::Head(200, vec![("x-bomb", "x".repeat(70_000))], true)]),
        ("interim", vec![Act::Interim(1_000), Act::Head(200, vec![], true)]),
        (
            "lengths",
            vec![Act::Head(200, [length("5"), length("6")].concat(), false), Act::Data("hello")],
        ),
        ("no number", vec![Act::Head(200, length("five"), false), Act::Data("hello")]),
    ];
    let names: Vec<_> = scripts.iter().map(|(name, _)| name.replace(' ', "-")).collect();
    let backend = Streams::scripted(move |_, seen| {
        let name = seen.line.rsplit('/').next().unwrap();
        let found = scripts.iter().find(|(known, _)| known.replace(' ', "-") == name);
        found.map_or_else(hello, |(_, acts)| acts.clone())
    });
    let gate = gateway(&backend);
    for name in names {
        let answer = gate.ask(get(&format!("/{name}"), ""));
        assert_eq!(answer.verdict(), "502 backend_bad_response", "{name}");
        assert_eq!(gate.ask(get("/fine", "")).verdict(), "200", "after {name}");
    }
}

#[test]
fn a_body_that_is_not_as_long_as_its_length_is_cut() {
    let backend = Streams::scripted(|_, _| {
        vec![Act::Head(200, vec![("content-length", "50".to_owned())], false), Act::Data("hello")]
    });
    let gate = gateway(&backend);
    // Where the fault comes with the head, the connection ends before either has gone out.
    let answer = gate.connect().send(get("/a", "")).try_answer(false);
    assert!(answer.as_ref().is_none_or(|answer| answer.end == End::Cut), "{answer:?}");
}

#[test]
fn a_client_that_leaves_a_body_too_large_and_a_late_answer_end_the_stream() {
    let backend = Streams::scripted(|_, seen| match seen.line.contains("/small/") {
        true => vec![Act::Body, Act::Head(200, vec![], true)],
        false => vec![Act::Gone],
    });
    let gate = gateway(&backend);
    assert_eq!(gate.ask(get("/soon/a", "")).verdict(), "504 backend_timeout");
    let gone = backend.wait("the reset", |seen| seen.gone.is_some());
    assert_eq!(gone.gone, Some(Reason::CANCEL));
    // Nobody takes more of this body than a window.
    let large = request("POST", "/soon/large", "", &"x".repeat(300_000));
    assert_eq!(gate.ask(large).verdict(), "504 backend_timeout");
    until("its reset", || {
        (backend.seen().iter().filter(|seen| seen.gone == Some(Reason::CANCEL)).count() == 2)
            .then_some(())
    });
    let mut client = gate.connect();
    client.send(get("/a", ""));
    backend.wait("the request", |seen| seen.line.ends_with("/a") && !seen.line.contains("soon"));
    client.leave();
    until("the last reset", || {
        (backend.seen().iter().filter(|seen| seen.gone == Some(Reason::CANCEL)).count() == 3)
            .then_some(())
    });
    let large = format!(
        "POST /small/a HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n\r\n",
        "x".repeat(2048)
    );
    assert_eq!(gate.ask(large).verdict(), "413 body_too_large");
    // It may never have been sent at all.
    assert!(!backend.seen().iter().any(|seen| seen.line.contains("/small/") && seen.whole));
}

#[test]
fn over_tls_http_2_is_agreed_on_and_the_scheme_says_so() {
    let authority = Authority::new();
    let config = || authority.vouch("127.0.0.1").server(None);
    for (alpn, verdict) in
        [(&[&b"h2"[..]][..], "200"), (&[], "502 backend_tls"), (&[b"http/1.1"], "502 backend_tls")]
    {
        let backend = Streams::over_tls(config(), alpn);
        let tables = format!(
            "[backends.app]\nurl = \"https://{}\"\nhttp = \"2\"\ntls = {{ ca = \"ca.pem\" }}\n\
             timeouts = {{ connect = \"10s\" }}\n",
            backend.address
        );
        let setup = Setup::new("app").tables(RULES).tables(&tables);
        std::fs::write(setup.folder().join("ca.pem"), &authority.pem).unwrap();
        let gate = setup.start();
        assert_eq!(gate.ask(get("/a", "")).verdict(), verdict, "{alpn:?}");
        if verdict == "200" {
            assert_eq!(backend.last().line, "GET https://shop.example/a");
        } else {
            assert!(backend.seen().is_empty());
        }
    }
}

#[test]
fn a_server_that_does_not_speak_http_2_gets_no_request() {
    let backend = Backend::plain();
    let tables = format!("[backends.app]\nurl = \"{}\"\nhttp = \"2\"\n", backend.url());
    let gate = Setup::new("app").tables(RULES).tables(&tables).start();
    let answer = gate.ask(get("/secret-path", ""));
    assert!(matches!(
        answer.verdict().as_str(),
        "502 backend_unreachable" | "504 backend_connect_timeout"
    ));
    assert!(backend.received().iter().all(|came| !came.raw_head.contains("secret-path")));
}
