//! Backends that are gone, slow, or lie, and clients that leave, cut, or say nothing.

use std::time::{Duration, Instant};

use super::harness::{
    backend::{Backend, Came, Latch, Step, answer, ok},
    client::{Client, End, get, request},
    free_port,
    gateway::{Gateway, Setup},
    http2::Http2,
    until,
};

const RULES: &str = r#"
[rules]
"* /open/**"   = "guest"
"* /orders/**" = "authenticated"
"* /slow/**"   = { who = "guest", timeout = "200ms" }
"#;

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).key("workers", "1").tables(RULES).start()
}

/// A POST whose body is announced and not complete.
fn half_post(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n\r\nhalf of it")
}

#[test]
fn a_backend_that_is_down_is_502_fast_and_works_at_once_when_it_is_back() {
    let port = free_port();
    let mut backend = Backend::on_port(port, |_| vec![Step::Body, Step::Write(ok("first"))]);
    let gate = gateway(&backend);
    let mut client = gate.connect();
    assert_eq!(client.ask(get("/open/1", "")).text(), "first");
    backend.stop();
    for _ in 0..3 {
        let asked = Instant::now();
        let answer = client.ask(get("/open/1", ""));
        assert_eq!(answer.verdict(), "502 backend_unreachable");
        let status = r#"tollgate; error=destination_unavailable; details="backend_unreachable""#;
        assert_eq!(answer.field("proxy-status"), Some(status));
        assert!(!answer.text().contains(&port.to_string()), "{}", answer.text());
        assert!(asked.elapsed() < Duration::from_secs(1));
    }
    let _back = Backend::on_port(port, |_| vec![Step::Body, Step::Write(ok("second"))]);
    assert_eq!(client.ask(get("/open/1", "")).text(), "second", "on the very next request");
}

#[test]
fn a_backend_that_is_slow_is_504_and_its_call_is_dropped() {
    let backend = Backend::scripted(|head| match head.word(1) {
        "/slow/1" => vec![Step::Gone],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let gate = gateway(&backend);
    let mut client = gate.connect();
    assert_eq!(client.ask(get("/slow/1", "")).verdict(), "504 backend_timeout");
    backend.wait("the call to be dropped", |received| received.gone);
    assert_eq!(client.ask(get("/open/1", "")).text(), "hello");
    let mut h2 = Http2::connect(gate.address);
    assert_eq!(h2.get("/slow/1", &[]).verdict(), "504 backend_timeout");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_answer_that_is_cut_is_seen_as_cut() {
    let backend = Backend::scripted(|head| {
        let bytes: &[u8] = match head.word(1) {
            "/open/length"  => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            "/open/chunks"  => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "/open/chunk"   => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
            "/open/framing" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            _               => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        vec![Step::Body, Step::Write(bytes.to_vec()), Step::Close]
    });
    let gate = gateway(&backend);
    let mut h2 = Http2::connect(gate.address);
    for target in ["/open/length", "/open/chunks", "/open/chunk", "/open/framing"] {
        let mut client = gate.connect();
        let answer = client.ask(get(target, ""));
        assert_eq!((answer.status, answer.end), (200, End::Cut), "{target}");
        assert!(client.rest().is_empty());
        assert_eq!(gate.access_line(&answer)["reason"], "backend_cut", "{target}");
        let answer = h2.get(target, &[]);
        assert!(answer.body.is_err(), "{target}: {answer:?}");
    }
    assert_eq!(h2.get("/open/fine", &[]).text(), "ok", "the connection of a reset stream goes on");
}

#[test]
#[rustfmt::skip]
fn what_is_no_answer_is_502_and_is_not_passed_on() {
    let backend = Backend::scripted(|head| {
        let bytes: &[u8] = match head.word(1) {
            "/open/none"    => b"",
            "/open/half"    => b"HTTP/1.1 200 OK\r\nContent-Le",
            "/open/smtp"    => b"220 mail.example ESMTP\r\n\r\n",
            "/open/lengths" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "/open/length"  => b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
            "/open/switch"  => b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
            "/open/name"    => b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
            _               => unreachable!(),
        };
        vec![Step::Body, Step::Write(bytes.to_vec()), Step::Close]
    });
    let gate = gateway(&backend);
    for (target, verdict) in [
        ("/open/none",    "502 backend_closed"),
        ("/open/half",    "502 backend_closed"),
        ("/open/smtp",    "502 backend_bad_response"),
        ("/open/lengths", "502 backend_bad_response"),
        ("/open/length",  "502 backend_bad_response"),
        ("/open/switch",  "502 backend_bad_response"),
        ("/open/name",    "502 backend_bad_response"),
    ] {
        assert_eq!(gate.ask(get(target, "")).verdict(), verdict, "{target}");
    }
}

#[test]
fn an_early_answer_reaches_the_client_while_its_body_is_still_coming() {
    for status in ["413 Content Too Large", "401 Unauthorized"] {
        let backend = Backend::scripted(move |_| {
            vec![Step::Write(answer(status, "Connection: close\r\n", "no")), Step::Gone]
        });
        let gate = gateway(&backend);
        let mut client = gate.connect();
        let answer = client.ask(half_post("/open/1"));
        assert_eq!(format!("{} {}", answer.status, answer.text()), format!("{} no", &status[..3]));
        assert_eq!(answer.field("proxy-status"), None, "this is the backend's own refusal");
        drop(client);
        backend.wait("the backend's connection to end", |received| received.gone);
    }
}

#[test]
fn a_client_that_leaves_takes_its_backend_call_along() {
    let backend = Backend::scripted(|head| match head.word(1) {
        "/open/streamed" => {
            let begin =
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
            vec![Step::Body, Step::Write(begin), Step::Gone]
        }
        _ => vec![Step::Body, Step::Gone],
    });
    let gate = gateway(&backend);
    let mut client = gate.connect();
    client.send(get("/open/thinking", ""));
    backend.wait("the request", |received| received.line().ends_with("thinking"));
    client.leave();
    let mut client = gate.connect();
    client.send(get("/open/streamed", ""));
    assert_eq!(client.head().word(1), "200");
    client.leave();
    for target in ["/open/thinking", "/open/streamed"] {
        backend.wait("the call to be dropped", |received| {
            received.gone && received.line().ends_with(target)
        });
    }
    until("both records", || {
        let gone =
            gate.try_metric(r#"tollgate_requests_total{decision="error",reason="client_gone"}"#);
        gone.filter(|count| *count == 2.0)
    });
}

#[test]
fn a_body_that_a_client_cuts_never_ends_cleanly_at_the_backend() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let head = "POST /open/1 HTTP/1.1\r\nHost: shop.example\r\n";
    for body in [
        "Content-Length: 100\r\n\r\nhalf of it",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let before = backend.received().len();
        let mut client = gate.connect();
        client.send(format!("{head}{body}"));
        until("the request to reach the backend", || backend.received().get(before).cloned());
        client.finish_sending();
        client.rest();
        let came = until("the body's end", || {
            Some(backend.received()[before].came).filter(|came| *came != Came::Unread)
        });
        assert_eq!(came, Came::Cut, "{body}");
    }
}

#[test]
fn a_request_is_never_sent_twice() {
    // The first request of a connection is answered; the second is read, and the connection closed.
    let backend = Backend::scripted(|head| match head.word(1) {
        "/open/good" => vec![Step::Body, Step::Write(ok("good"))],
        "/open/reset" => vec![Step::Body, Step::Reset],
        _ => vec![Step::Body, Step::Close],
    });
    let gate = gateway(&backend);
    let mut client = gate.connect();
    for (method, target) in
        [("POST", "/open/close"), ("POST", "/open/reset"), ("GET", "/open/close")]
    {
        let before = backend.received().len();
        assert_eq!(client.ask(get("/open/good", "")).text(), "good");
        let answer = client.ask(request(method, target, "", ""));
        assert_eq!(answer.verdict(), "502 backend_closed", "{method} {target}");
        let came = backend.received().len() - before;
        assert_eq!(came, 2, "{method} {target} came once, on the pooled connection");
    }
}

#[test]
fn a_pooled_connection_that_the_backend_closed_costs_no_request() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut client = gate.connect();
    for round in 0..50 {
        let answer = client.ask(request("POST", "/open/1", "", "body"));
        assert_eq!(answer.verdict(), "200", "round {round}");
        backend.drop_connections();
        if round % 2 == 0 {
            // Once the gateway has seen the close, and once in a race with it.
            let seen = backend.received().len();
            assert_eq!(gate.ask(get("/open/between", "")).verdict(), "200");
            assert_eq!(backend.received().len(), seen + 1);
        }
    }
}

#[test]
fn bytes_after_an_answer_never_become_another_clients_answer() {
    let backend = Backend::scripted(|head| {
        let mut bytes = ok(head.word(1));
        if head.word(1).ends_with("evil") {
            bytes.extend_from_slice(&ok("EVIL"));
        }
        vec![Step::Body, Step::Write(bytes)]
    });
    let gate = gateway(&backend);
    for round in 0..20 {
        assert_eq!(gate.ask(get("/open/evil", "")).text(), "/open/evil", "round {round}");
        let target = format!("/open/{round}");
        assert_eq!(gate.ask(get(&target, "")).text(), target);
    }
}

#[test]
fn interim_answers_of_the_backend_end_here() {
    let backend = Backend::scripted(|_| {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        let bytes = [interim.as_bytes(), &ok("hello")].concat();
        vec![Step::Body, Step::Write(bytes)]
    });
    let gate = gateway(&backend);
    let mut client = gate.connect();
    for _ in 0..2 {
        assert_eq!(client.ask(get("/open/1", "")).text(), "hello");
    }
}

#[test]
fn silence_has_its_limits() {
    let backend = Backend::plain();
    let limits = "[limits]\nhead-time = \"300ms\"\nkeep-alive = \"500ms\"\nbody-idle = \"300ms\"";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    // Each of these would stay for ever.
    let mut silent = gate.connect();
    let mut half_head = gate.connect();
    half_head.send("GET /open/1 HTTP/1.1\r\nHost: sh");
    let mut half_preface = gate.connect();
    half_preface.send("PRI * HT");
    let mut idle = gate.connect();
    assert_eq!(idle.ask(get("/open/1", "")).verdict(), "200");
    let mut second_half = gate.connect();
    assert_eq!(second_half.ask(get("/open/1", "")).verdict(), "200");
    second_half.send("GET /op");
    for (what, client) in [
        ("silent", &mut silent),
        ("half a head", &mut half_head),
        ("half a preface", &mut half_preface),
        ("idle", &mut idle),
        ("half a second head", &mut second_half),
    ] {
        assert!(client.rest().is_empty(), "{what}");
    }
    let mut slow = gate.connect();
    assert_eq!(slow.ask(half_post("/open/1")).verdict(), "408 body_timeout");
    assert!(slow.rest().is_empty(), "the rest of that body could be taken for a request");
}

#[test]
fn a_slow_upload_that_moves_is_no_silence() {
    let backend = Backend::plain();
    let limits = "[limits]\nbody-idle = \"400ms\"";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(limits).start();
    let mut client = gate.connect();
    client.send("POST /slow/1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10\r\n\r\n");
    for _ in 0..10 {
        // The one wait for time's sake: longer in sum than either limit, shorter in each step.
        std::thread::sleep(Duration::from_millis(60));
        client.send("x");
    }
    assert_eq!(client.answer().verdict(), "200");
}

#[test]
fn an_answer_that_stops_is_cut_at_the_backends_idle_time() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |_| {
        let begin = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
        vec![Step::Body, Step::Write(begin), Step::Wait(held.clone())]
    });
    let tables = format!(
        "[rules]\n\"GET /a\" = \"public\"\n[backends.main]\nurl = {:?}\ntimeouts = {{ idle = \"200ms\" }}",
        backend.url()
    );
    let gate = Setup::new("main").tables(&tables).start();
    assert_eq!(gate.ask(get("/a", "")).end, End::Cut);
    latch.open();
}

#[test]
fn a_full_pool_makes_requests_wait_and_then_says_so() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |head| match head.word(1) {
        "/open/held" => vec![Step::Body, Step::Wait(held.clone()), Step::Write(ok("late"))],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let tables = format!(
        "{RULES}\n[backends.main]\nurl = {:?}\npool = {{ max = 1 }}\ntimeouts = {{ connect = \"300ms\" }}",
        backend.url()
    );
    let gate = Setup::new("main").key("workers", "1").tables(&tables).start();
    let mut first = gate.connect();
    first.send(get("/open/held", ""));
    backend.wait("the held request", |received| received.line().ends_with("held"));
    assert_eq!(gate.ask(get("/open/1", "")).verdict(), "503 backend_busy");
    let mut waiting = gate.connect();
    waiting.send(get("/open/1", ""));
    latch.open();
    assert_eq!(first.answer().text(), "late");
    assert_eq!(waiting.answer().text(), "hello");
}

/// Connections die at random places, and whatever a client gets is its own.
#[test]
fn nobody_ever_gets_an_answer_that_was_meant_for_another() {
    let backend = Backend::scripted(|head| {
        let target = head.word(1).to_owned();
        let number: usize = target.rsplit('/').next().unwrap().parse().unwrap();
        match number % 23 {
            3 => vec![Step::Close],
            7 => vec![Step::Body, Step::Write(ok(&target)), Step::Close],
            11 => vec![Step::Body, Step::Write(ok(&target)[..30].to_vec()), Step::Reset],
            17 => vec![Step::Body, Step::Write([ok(&target), ok("stray")].concat())],
            _ => vec![Step::Body, Step::Write(ok(&target))],
        }
    });
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let clients: Vec<_> = (0..8)
        .map(|thread| {
            let address = gate.address;
            std::thread::spawn(move || ask_many(address, thread))
        })
        .collect();
    let good: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(good > 8 * 400 * 3 / 4, "{good} of 3200");
}

fn ask_many(address: std::net::SocketAddr, thread: usize) -> usize {
    let mut client = Client::connect(address);
    let mut good = 0;
    for number in 0..400 {
        let target = format!("/open/{thread}/{number}");
        let Some(answer) = client.send(get(&target, "")).try_answer(false) else {
            client = Client::connect(address);
            continue;
        };
        match (answer.status, answer.end) {
            (200, End::Clean) => {
                assert_eq!(answer.text(), target);
                good += 1;
            }
            (200, _) => {
                assert!(target.as_bytes().starts_with(&answer.body));
                client = Client::connect(address);
            }
            (status, _) => assert_eq!(status, 502, "{answer:?}"),
        }
    }
    good
}
