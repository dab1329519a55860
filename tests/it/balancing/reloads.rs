//! Servers that go and come with a reload.

use super::{super::harness::backend::Latch, *};

/// Rewrites the file with these servers, and waits until it is in force.
fn reload(gate: &Gateway, before: &[String], after: &[String]) {
    let text = std::fs::read_to_string(&gate.config).unwrap();
    let (old, new) = (format!("url = {before:?}"), format!("url = {after:?}"));
    assert!(text.contains(&old), "{text}");
    gate.rewrite(&text.replace(&old, &new));
    gate.err.event("reloaded; the new configuration is in force");
}

#[test]
fn a_server_that_goes_finishes_what_it_has_begun_and_one_that_stays_keeps_its_connections() {
    let latch = Latch::default();
    let held = latch.clone();
    let goes = Backend::scripted(move |head| {
        let whole = ok("hello");
        match head.word(1) {
            "/open/hold" => vec![
                Step::Body,
                Step::Write(whole[..whole.len() - 2].to_vec()),
                Step::Wait(held.clone()),
                Step::Write(whole[whole.len() - 2..].to_vec()),
                Step::Gone,
            ],
            _ => vec![Step::Body, Step::Write(whole)],
        }
    });
    let stays = Backend::plain();
    let (both, one) = (urls(&[&goes, &stays]), urls(&[&stays]));
    let gate = gateway(&both, "pool = { idle = \"1h\" }");
    let mut client = gate.connect();
    until("both to be used", || {
        client.ask(get("/open/1", ""));
        (came(&goes, "/open/1") > 0 && came(&stays, "/open/1") > 0).then_some(())
    });
    let mut running = gate.connect();
    until("the long request to meet the one that goes", || {
        running = gate.connect();
        running.send(get("/open/hold", ""));
        let head = running.head();
        assert_eq!(head.word(1), "200");
        (came(&goes, "/open/hold") > 0).then_some(())
    });
    let (before, connections) = (came(&goes, "/open/2"), stays.connections());
    reload(&gate, &both, &one);
    for _ in 0..20 {
        assert_eq!(client.ask(get("/open/2", "")).verdict(), "200");
    }
    assert_eq!((came(&goes, "/open/2"), came(&stays, "/open/2")), (before, 20));
    assert_eq!(stays.connections(), connections, "what was open is used");
    latch.open();
    assert_eq!(running.bytes(5).as_deref(), Some(&b"hello"[..]));
    goes.wait("its connection to be closed", |received| {
        received.gone && received.line() == "GET /open/hold"
    });
    let text = gate.probe("/metrics").text().to_owned();
    assert!(!text.contains(&goes.url()) && text.contains(&stays.url()), "{text}");
}

#[test]
fn a_server_that_comes_gets_its_share() {
    let (known, new) = (Backend::plain(), Backend::plain());
    let gate = gateway(&urls(&[&known]), "slow-start = \"1s\"");
    let mut client = gate.connect();
    assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
    reload(&gate, &urls(&[&known]), &urls(&[&known, &new]));
    until("it to be asked", || {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
        (came(&new, "/open/1") > 0).then_some(())
    });
}
