//! Who is left out, for how long, and that what is down costs its own clients little.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

use super::{
    super::harness::{PATIENCE, backend::Deaf},
    *,
};

/// Closes instead of an answer, until it is mended.
fn broken() -> (Backend, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let backend = Backend::scripted(move |_| {
        let end = if is_mended.load(SeqCst) { Step::Write(ok("hello")) } else { Step::Close };
        vec![Step::Body, end]
    });
    (backend, mended)
}

fn post(client: &mut super::super::harness::client::Client) -> String {
    client.ask(request("POST", "/open/1", "", "x")).verdict()
}

#[test]
fn a_server_that_cuts_is_left_out_and_its_clients_are_few() {
    let (bad, _) = broken();
    let good = Backend::plain();
    let ejection = "ejection = { base = \"1h\", max = \"1h\" }";
    let gate = gateway(&urls(&[&bad, &good]), ejection);
    let mut client = gate.connect();
    until("a server to be left out", || {
        post(&mut client);
        (!is_up(&gate, &bad.url())).then_some(())
    });
    assert_eq!(came(&bad, "/open/1"), 3, "three faults in a row");
    for _ in 0..20 {
        assert_eq!(post(&mut client), "200");
    }
    assert!(is_up(&gate, &good.url()));
    let ready = gate.probe("/readyz");
    assert_eq!(ready.status, 200);
    let told = &ready.json()["degraded"][0];
    assert_eq!(
        (told["part"].as_str(), told["server"].as_str()),
        (Some("backend"), Some(&*bad.url()))
    );
}

#[test]
fn a_server_that_was_left_out_is_asked_again_when_its_time_is_over() {
    let (bad, mended) = broken();
    let good = Backend::plain();
    let gate = gateway(&urls(&[&bad, &good]), "ejection = { base = \"200ms\" }");
    let mut client = gate.connect();
    until("a server to be left out", || {
        post(&mut client);
        (!is_up(&gate, &bad.url())).then_some(())
    });
    mended.store(true, SeqCst);
    wait_until_up(&gate, &bad.url(), true);
    let before = came(&bad, "/open/1");
    until("it to be asked again", || {
        assert_eq!(post(&mut client), "200");
        (came(&bad, "/open/1") > before).then_some(())
    });
}

#[test]
fn the_only_server_is_never_left_out_for_what_it_answers() {
    let (bad, mended) = broken();
    let gate = gateway(&urls(&[&bad]), "ejection = { base = \"1h\", max = \"1h\" }");
    let mut client = gate.connect();
    for _ in 0..8 {
        assert_eq!(post(&mut client), "502 backend_closed");
    }
    assert_eq!(came(&bad, "/open/1"), 8);
    mended.store(true, SeqCst);
    assert_eq!(post(&mut client), "200");
}

#[test]
fn a_backend_that_takes_no_connections_is_waited_for_three_times_and_used_when_it_is_back() {
    let deaf = Deaf::start();
    let address = deaf.address;
    let url = format!("http://{address}");
    let gate = gateway(std::slice::from_ref(&url), "timeouts = { connect = \"1s\" }");
    let mut client = gate.connect();
    for _ in 0..3 {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "504 backend_connect_timeout");
    }
    assert!(!is_up(&gate, &url));
    let asked = Instant::now();
    for _ in 0..60 {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "504 backend_connect_timeout");
    }
    assert!(asked.elapsed() < PATIENCE, "each waited for a second");
    drop(deaf);
    let _back = Backend::on_port(address.port(), |_| vec![Step::Body, Step::Write(ok("hello"))]);
    until("it to be used again", || {
        (client.ask(get("/open/1", "")).verdict() == "200").then_some(())
    });
    assert!(is_up(&gate, &url));
}

#[test]
fn a_server_that_comes_back_gets_requests_although_another_serves_them_all() {
    let good = Backend::plain();
    let mut other = Backend::plain();
    let port = other.address().port();
    let url = other.url();
    let gate = gateway(&[good.url(), url.clone()], "");
    let mut client = gate.connect();
    other.stop();
    until("it to be left out", || {
        assert_eq!(post(&mut client), "200", "nothing was sent to the one that is down");
        (!is_up(&gate, &url)).then_some(())
    });
    let back = Backend::on_port(port, |_| vec![Step::Body, Step::Write(ok("hello"))]);
    until("it to be used again", || {
        assert_eq!(post(&mut client), "200");
        (came(&back, "/open/1") > 0).then_some(())
    });
}
