//! Behind a proxy that forwards bytes: the PROXY protocol says who the client is.

use std::net::{IpAddr, Ipv4Addr};

use super::harness::{
    Rows,
    backend::Backend,
    client::{Client, get},
    gateway::{Gateway, Setup},
    until,
};

const V1: &str = "PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n";

fn setup(backend: &Backend, trust: &str) -> Setup {
    Setup::new(&backend.url())
        .key("listen", r#"{ at = "127.0.0.1:0", proxy-protocol = true }"#)
        .tables(&format!("[rules]\n\"* /**\" = \"guest\"\n[trust]\nproxies = [{trust}]"))
}

/// Header of version 2 with these addresses.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, body].concat()
}

fn v2_client() -> Vec<u8> {
    v2(0x21, 0x11, &[203, 0, 113, 7, 10, 0, 0, 1, 200, 34, 1, 187, 4, 0, 1, 9])
}

/// What the backend is told of the way, or how it ended.
fn seen(client: &mut Client, gate: &Gateway, backend: &Backend) -> String {
    let fields = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n";
    let Some(answer) = client.send(get("/seen", fields)).try_answer(false) else {
        return "closed".to_owned();
    };
    if answer.status != 200 {
        return answer.verdict();
    }
    let line = gate.access_line(&answer);
    let received = backend.last();
    let field = |name| received.field(name).unwrap_or("-").to_owned();
    format!(
        "{} {} {}",
        field("x-forwarded-for"),
        field("x-forwarded-proto"),
        line["client"].as_str().unwrap()
    )
}

#[test]
fn the_client_is_who_a_trusted_proxy_says_and_nobody_is_trusted_through_it() {
    let backend = Backend::plain();
    let gate = setup(&backend, "\"127.0.0.1\", \"192.0.2.1\"").start();
    let mut rows = Rows::default();
    let client = "203.0.113.7 http 203.0.113.7";
    let proxy = "198.51.100.1, 127.0.0.1 https 198.51.100.1";
    let through = "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n";
    let v6 = "PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n";
    let much = [&v2(0x21, 0x11, &[0; 5000])[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
    #[rustfmt::skip] // a table is read by column
    let table: [(&str, &[u8], &str); 14] = [
        ("version 1",                   V1.as_bytes(),                  client),
        ("version 2",                   &v2_client(),                   client),
        ("IPv4 in IPv6",                v6.as_bytes(),                  client),
        ("another trusted proxy",       through.as_bytes(),             "198.51.100.1, 192.0.2.1 https 198.51.100.1"),
        ("a health check",              &v2(0x20, 0, &[]),              proxy),
        ("a client without a name",     b"PROXY UNKNOWN\r\n",           "127.0.0.1 http 127.0.0.1"),
        ("the same in version 2",       &v2(0x21, 0, &[]),              "127.0.0.1 http 127.0.0.1"),
        ("a unix client",               &v2(0x21, 0x31, &[0; 216]),     "127.0.0.1 http 127.0.0.1"),
        ("none",                        b"",                            "closed"),
        ("garbage",                     b"\r\n\r\nPROXY",               "closed"),
        ("an address too many",         b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "closed"),
        ("another version",             &v2(0x31, 0x11, &[0; 12]),      "closed"),
        ("too long",                    &much,                          "closed"),
        ("two",                         &[V1.as_bytes(), V1.as_bytes()].concat(), "400 head_malformed"),
    ];
    for (row, header, expected) in table {
        let mut client = gate.connect();
        client.send(header);
        rows.check(row, &seen(&mut client, &gate, &backend), expected);
    }
    let told = gate.err.event("it begins with no PROXY header");
    assert_eq!(told["proxy"], "127.0.0.1");
}

#[test]
fn nobody_else_may_speak_for_others() {
    let backend = Backend::plain();
    let gate = setup(&backend, "\"127.0.0.1\"").start();
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut plain = Client::connect_from(stranger, gate.address);
    assert_eq!(seen(&mut plain, &gate, &backend), "127.0.0.2 http 127.0.0.2");
    let before = backend.received().len();
    for header in [V1.as_bytes(), &v2_client()] {
        let mut liar = Client::connect_from(stranger, gate.address);
        let answer = liar.send(header).send(get("/seen", "")).answer();
        assert_eq!(answer.status, 400);
    }
    assert_eq!(backend.received().len(), before);
}

#[test]
fn a_header_may_come_in_any_pieces_and_what_follows_it_is_not_lost() {
    let backend = Backend::plain();
    let gate = setup(&backend, "\"127.0.0.1\"").start();
    for header in [V1.as_bytes(), &v2_client()] {
        let all = [header, get("/1", "").as_bytes(), get("/2", "").as_bytes()].concat();
        for cut in 1..=header.len() + 1 {
            let mut client = gate.connect();
            client.send(&all[..cut]).send(&all[cut..]);
            for _ in 0..2 {
                assert_eq!(client.answer().text(), "hello", "cut at {cut}");
            }
            assert_eq!(
                backend.last().field("x-forwarded-for"),
                Some("203.0.113.7"),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn http2_follows_a_header_too() {
    let backend = Backend::plain();
    let gate = setup(&backend, "\"127.0.0.1\"").start();
    let mut client = gate.connect();
    client.send(V1).send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let first = client.bytes(9).expect("no frame");
    assert_eq!(first[3], 4, "its settings");
}

#[test]
fn a_proxy_that_stays_silent_is_closed_by_the_deadline_of_heads() {
    let backend = Backend::plain();
    let gate = setup(&backend, "\"127.0.0.1\"").tables("[limits]\nhead-time = \"300ms\"").start();
    for sent in [&b""[..], b"PROXY TCP4 203", b"\r\n\r\n\0\r\nQUIT\n!"] {
        let mut client = gate.connect();
        client.send(sent);
        assert!(client.rest().is_empty());
    }
}

#[test]
fn on_a_unix_socket_unix_is_the_proxy() {
    let backend = Backend::plain();
    let setup = setup(&backend, "\"unix\"")
        .key("listen", r#"{ at = "unix:gate.sock", proxy-protocol = true }"#);
    let path = setup.folder().join("gate.sock");
    let gate = setup.start();
    let mut client = Client::connect_unix(&path);
    client.send(V1);
    assert_eq!(seen(&mut client, &gate, &backend), "203.0.113.7 http 203.0.113.7");
    let mut client = Client::connect_unix(&path);
    assert_eq!(seen(&mut client, &gate, &backend), "closed");
}

#[test]
fn a_reload_switches_it_for_who_comes_from_then_on() {
    let backend = Backend::plain();
    let setup = setup(&backend, "\"127.0.0.1\"");
    let without = setup.text().replace("proxy-protocol = true", "proxy-protocol = false");
    let gate = setup.start();
    let mut before = gate.connect();
    assert_eq!(before.send(V1).ask(get("/", "")).text(), "hello");
    gate.rewrite(&without);
    until("the reload", || {
        (gate.connect().send(get("/", "")).try_answer(false)).filter(|answer| answer.status == 200)
    });
    assert_eq!(before.ask(get("/", "")).text(), "hello", "its connection goes on");
}
