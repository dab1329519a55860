//! What is agreed in a handshake, what is not, and what becomes of clients that do not shake hands.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};

use super::{Stage, ask};
use crate::harness::{
    Rows,
    client::{Client, get},
    http2::Http2,
    until,
};

#[test]
fn http_1_and_2_are_spoken_over_tls_1_2_and_1_3_and_the_backend_hears_https() {
    let run = Stage::new().start();
    for version in [&TLS12, &TLS13] {
        for alpn in [None, Some("http/1.1")] {
            let mut trust = run.client().only(version);
            if let Some(alpn) = alpn {
                trust = trust.alpn(alpn);
            }
            let mut client = run.connect(&Arc::new(trust.config()), "shop.example");
            assert_eq!(ask(&mut client, "shop.example").status, 200);
            let agreed = client.tls().conn.alpn_protocol();
            assert_eq!(agreed, alpn.map(str::as_bytes), "{version:?}");
            assert_eq!(client.tls().conn.protocol_version(), Some(version.version));
            assert_eq!(run.backend.last().field("x-forwarded-proto"), Some("https"));
        }
        let config = run.client().only(version).alpn("h2").config();
        let mut client = Http2::connect_tls(run.gate.address, config, "shop.example");
        assert_eq!(client.get("/x", &[]).status, 200);
        assert_eq!(run.backend.last().field("x-forwarded-proto"), Some("https"));
    }
    assert_eq!(run.handshakes("full") + run.handshakes("resumed"), 6.0);
}

#[test]
fn min_1_3_leaves_tls_1_2_out() {
    let run = Stage::with("min = \"1.3\"").start();
    let old = Arc::new(run.client().only(&TLS12).config());
    assert!(super::shake(run.gate.address, &old, "shop.example").is_err());
    assert_eq!(ask(&mut run.shop(), "shop.example").status, 200);
    until("the count", || (run.handshakes("refused") == 1.0).then_some(()));
}

/// What every hello says besides (RFC 8422, RFC 5246 7.4.1.4.1): signatures, curves, points.
const EXTENSIONS: [u8; 30] = [
    0, 28, //
    0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1, //
    0, 10, 0, 6, 0, 4, 0, 29, 0, 23, //
    0, 11, 0, 2, 1, 0,
];

/// A hello by hand: its version, and the one suite that it knows.
fn hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
    let body = [&version[..], &[7; 32], &[0, 0, 2], &suite, &[1, 0], &EXTENSIONS].concat();
    let length = u8::try_from(body.len()).unwrap();
    let message = [&[1, 0, 0, length][..], &body].concat();
    [&[22, 3, 1, 0, length + 4][..], &message].concat()
}

/// How a hello is answered: with a handshake, or with a fatal alert by its number (RFC 8446 6).
fn answer(client: &mut Client, hello: &[u8]) -> String {
    let answer = client.send(hello).bytes(7).unwrap();
    match (answer[0], answer[5]) {
        (22, _) => "a handshake".to_owned(),
        (21, 2) => format!("alert {}", answer[6]),
        _ => format!("{answer:?}"),
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn neither_older_versions_nor_suites_without_forward_secrecy_or_aead_are_spoken() {
    const VERSION: &str = "alert 70";
    const FAILURE: &str = "alert 40";
    let run = Stage::new().start();
    let mut rows = Rows::default();
    for (what, version, suite, expected) in [
        ("a good one",          [3, 3], [0xc0, 0x2b], "a handshake"),
        ("SSL 3.0",             [3, 0], [0xc0, 0x2b], VERSION),
        ("TLS 1.0",             [3, 1], [0xc0, 0x2b], VERSION),
        ("TLS 1.1",             [3, 2], [0xc0, 0x2b], VERSION),
        ("RSA key exchange",    [3, 3], [0x00, 0x9c], FAILURE),
        ("ECDHE with CBC",      [3, 3], [0xc0, 0x09], FAILURE),
        ("DHE with AES-GCM",    [3, 3], [0x00, 0x9e], FAILURE),
        ("RC4",                 [3, 3], [0x00, 0x05], FAILURE),
        ("no encryption",       [3, 3], [0xc0, 0x06], FAILURE),
    ] {
        rows.check(what, &answer(&mut run.gate.connect(), &hello(version, suite)), expected);
    }
}

#[test]
fn http_in_clear_text_is_told_so_and_nothing_of_it_is_served() {
    let run = Stage::new().start();
    let mut client = run.gate.connect();
    let answer = client.ask(get("/x", ""));
    assert_eq!((answer.status, answer.field("connection")), (400, Some("close")));
    assert!(answer.text().contains("speaks TLS"), "{}", answer.text());
    client.finish_sending();
    assert_eq!(client.rest(), b"");
    assert_eq!(run.backend.received().len(), 0);
    until("the count", || (run.handshakes("plain_http") == 1.0).then_some(()));
}

#[test]
fn what_is_neither_is_closed_without_a_word() {
    let run = Stage::new().start();
    let mut client = run.gate.connect();
    assert_eq!(client.send([0x80, 0x2e, 1, 0, 2]).rest(), b"");
}

#[test]
fn whoever_does_not_finish_a_handshake_in_time_is_closed() {
    let stage = Stage::new();
    let setup = stage.setup.tables("[limits]\nhead-time = \"5s\"");
    let run = Stage { setup, ..stage }.start();
    let mut silent = run.gate.connect();
    let mut slow = run.gate.connect();
    slow.send(&hello([3, 3], [0xc0, 0x2b])[..20]);
    // After its handshake a client has what is left of the same time.
    let mut mute = run.shop();
    for client in [&mut silent, &mut slow, &mut mute] {
        client.rest();
    }
    until("the count", || (run.handshakes("unfinished") == 2.0).then_some(()));
}
