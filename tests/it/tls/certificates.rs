//! Which certificate is shown, when another one takes its place, and which hosts it may be asked for.

use std::sync::Arc;

use super::{Stage, ask};
use crate::harness::{
    Rows,
    client::Client,
    http2::Http2,
    pki::{Authority, Pair, shake},
    until,
};

/// The certificate that a client gets who asks for `name`, were it right or not.
fn shown(run: &super::Running, name: &str) -> Option<Vec<u8>> {
    let config = Arc::new(run.client().config());
    let tls = shake(run.gate.address, &config, name).ok()?;
    Some(tls.conn.peer_certificates()?.first()?.to_vec())
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_client_is_shown_the_certificate_of_the_name_that_it_asks_for_or_the_first() {
    let stage = Stage::new();
    let (folder, authority) = (stage.setup.folder(), &stage.authority);
    let all = ["shop.example", "x.shop.example", "nobody.example", "y.x.wild.example", "127.0.0.1"];
    let first = authority.vouch(&all);
    let other = authority.vouch(&["other.example", "*.wild.example", "*.shop.example"]);
    first.write(folder, "shop");
    other.write(folder, "other");
    let run = stage.start();
    let mut rows = Rows::default();
    for (name, expected) in [
        ("shop.example",      &first),
        ("SHOP.example",      &first),
        ("x.shop.example",    &first), // exact before wildcard
        ("nobody.example",    &first),
        ("y.x.wild.example",  &first), // a wildcard is one label
        ("127.0.0.1",         &first), // no name is sent
        ("other.example",     &other),
        ("OTHER.Example",     &other),
        ("a.wild.example",    &other),
        ("a.shop.example",    &other),
    ] {
        let found = shown(&run, name).map(|der| *expected.der() == *der);
        rows.check(name, &format!("{found:?}"), "Some(true)");
    }
}

fn takes_over(run: &super::Running, pair: &Pair) {
    until("the renewed certificate", || {
        shown(run, "shop.example").filter(|der| **der == *pair.der())
    });
}

#[test]
fn a_renewed_certificate_serves_new_handshakes_and_open_connections_stay() {
    let stage = Stage::new();
    let folder = stage.setup.folder().to_owned();
    let run = stage.start();
    let mut open = run.shop();
    assert_eq!(ask(&mut open, "shop.example").status, 200);
    let renewed = run.authority.vouch(&["shop.example"]);
    renewed.write(&folder, "shop");
    takes_over(&run, &renewed);
    assert_eq!(ask(&mut open, "shop.example").status, 200);
}

#[test]
fn a_half_written_pair_keeps_the_old_one_until_it_is_whole() {
    let stage = Stage::new();
    let folder = stage.setup.folder().to_owned();
    let run = stage.start();
    let old = shown(&run, "shop.example").unwrap();
    let renewed = run.authority.vouch(&["shop.example"]);
    std::fs::write(folder.join("shop.pem"), &renewed.certificate).unwrap();
    let refused = run.gate.err.event("reload refused");
    let said = refused["error"].as_str().unwrap();
    assert!(said.contains("`shop.key` is not the key of this certificate"), "{said}");
    assert_eq!(shown(&run, "shop.example").unwrap(), old);
    std::fs::write(folder.join("shop.key"), &renewed.key[..100]).unwrap();
    until("the second refusal", || {
        (run.gate.metric("tollgate_reloads_total{result=\"refused\"}") >= 2.0).then_some(())
    });
    assert_eq!(shown(&run, "shop.example").unwrap(), old);
    std::fs::write(folder.join("shop.key"), &renewed.key).unwrap();
    takes_over(&run, &renewed);
}

#[test]
fn whoever_vouches_for_clients_keeps_others_out_and_lets_the_nameless_in() {
    let stage = Stage::with("client-ca = \"clients.pem\"");
    let clients = Authority::new("clients");
    std::fs::write(stage.setup.folder().join("clients.pem"), clients.pem()).unwrap();
    let run = stage.start();
    assert_eq!(ask(&mut run.shop(), "shop.example").status, 200);
    let good = Arc::new(run.client().showing(&clients.vouch(&["app.example"])).config());
    assert_eq!(ask(&mut run.connect(&good, "shop.example"), "shop.example").status, 200);
    // The same names, and nobody whom we know.
    let other = Authority::new("clients").vouch(&["app.example"]);
    let bad = Arc::new(run.client().showing(&other).config());
    if let Ok(tls) = shake(run.gate.address, &bad, "shop.example") {
        let mut client = Client::connect_tls(tls);
        assert_eq!(client.send("GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n").rest(), b"");
    }
    until("the count", || (run.handshakes("client_certificate") == 1.0).then_some(()));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_request_for_a_host_of_another_certificate_is_misdirected_on_each_request() {
    let run = Stage::new().start();
    let config = Arc::new(run.client().config());
    let mut other = run.connect(&config, "other.example");
    let mut rows = Rows::default();
    for (host, expected) in [
        ("other.example",     "200"),
        ("a.wild.example",    "200"),
        ("shop.example",      "421 misdirected"),
        ("other.example",     "200"),
        ("x.a.wild.example",  "421 misdirected"),
        ("OTHER.example:443", "200"),
    ] {
        rows.check(host, &ask(&mut other, host).verdict(), expected);
    }
    assert_eq!(run.backend.received().len(), 4);
    let config = run.client().alpn("h2").config();
    let mut other = Http2::connect_tls(run.gate.address, config, "other.example");
    assert_eq!(other.get("/x", &[]).verdict(), "200");
    other.ask_host("shop.example");
    assert_eq!(other.get("/x", &[]).verdict(), "421 misdirected");
    other.ask_host("a.wild.example");
    assert_eq!(other.get("/x", &[]).verdict(), "200");
}

#[test]
fn a_client_that_names_nobody_may_ask_for_any_host() {
    let stage = Stage::new();
    stage.authority.vouch(&["127.0.0.1"]).write(stage.setup.folder(), "shop");
    let run = stage.start();
    let mut client = run.connect(&Arc::new(run.client().config()), "127.0.0.1");
    assert_eq!(ask(&mut client, "anything.example").verdict(), "200");
}
