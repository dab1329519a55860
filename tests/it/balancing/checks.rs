//! Servers that are asked whether they are well.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::{
    super::harness::{
        backend::{Latch, answer},
        streams::Streams,
    },
    *,
};

const HEALTH: &str =
    "health = { path = \"/healthz?deep\", every = \"100ms\", healthy = 2, unhealthy = 2 }";

/// Serves everybody, and says of itself that it is ill while it is.
fn moody() -> (Backend, Arc<AtomicBool>) {
    let ill = Arc::new(AtomicBool::new(false));
    let is_ill = Arc::clone(&ill);
    let backend = Backend::scripted(move |head| {
        let refuses = head.word(1).starts_with("/healthz") && is_ill.load(SeqCst);
        let bytes = if refuses { answer("503 Ill", "", "ill") } else { ok("hello") };
        vec![Step::Body, Step::Write(bytes)]
    });
    (backend, ill)
}

#[test]
fn a_server_that_says_it_is_ill_is_left_out_until_it_is_well() {
    let ((first, ill), (second, _)) = (moody(), moody());
    let gate = setup(&urls(&[&first, &second]), HEALTH).key("workers", "2").start();
    let asked = first.wait("the question", |received| received.line() == "GET /healthz?deep");
    assert_eq!(asked.field("host"), Some(&*first.address().to_string()));
    assert_eq!(asked.names(), ["host"], "nothing of anybody else");
    assert!(gate.probe("/readyz").json().get("degraded").is_none());

    ill.store(true, SeqCst);
    wait_until_up(&gate, &first.url(), false);
    let told = gate.probe("/readyz").json()["degraded"][0].clone();
    assert_eq!(told["error"], "it answers 503", "{told}");
    assert_eq!(told["server"], *first.url(), "{told}");
    gate.err.event("a server does not answer its health check and is left out");
    let mut client = gate.connect();
    until("the worker to know", || {
        let before = came(&first, "/open/1");
        (0..10).for_each(|_| assert_eq!(client.ask(get("/open/1", "")).verdict(), "200"));
        (came(&first, "/open/1") == before).then_some(())
    });

    ill.store(false, SeqCst);
    wait_until_up(&gate, &first.url(), true);
    gate.err.event("a server answers its health check again");
    let before = came(&first, "/open/1");
    until("it to be asked", || {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
        (came(&first, "/open/1") > before).then_some(())
    });
}

#[test]
fn when_all_are_ill_all_are_used() {
    let ((first, ill), (second, also_ill)) = (moody(), moody());
    ill.store(true, SeqCst);
    also_ill.store(true, SeqCst);
    let gate = gateway(&urls(&[&first, &second]), HEALTH);
    for backend in [&first, &second] {
        wait_until_up(&gate, &backend.url(), false);
    }
    let mut client = gate.connect();
    until("both to be used", || {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
        (came(&first, "/open/1") > 0 && came(&second, "/open/1") > 0).then_some(())
    });
    assert_eq!(gate.probe("/readyz").status, 200);
}

#[test]
fn a_server_that_answers_no_question_in_time_is_ill() {
    let silent = Backend::scripted(|head| match head.word(1) {
        "/healthz" => vec![Step::Gone],
        _ => vec![Step::Body, Step::Write(ok("hello"))],
    });
    let good = Backend::plain();
    let health =
        "health = { path = \"/healthz\", every = \"100ms\", timeout = \"200ms\", unhealthy = 1 }";
    let gate = gateway(&urls(&[&silent, &good]), health);
    wait_until_up(&gate, &silent.url(), false);
    assert!(is_up(&gate, &good.url()));
    silent.wait("the question to be given up", |received| received.gone);
}

#[test]
fn a_server_of_http_2_is_asked_over_http_2() {
    let backend = Streams::plain();
    let url = format!("http://{}", backend.address);
    let more = "http = \"2\"\nhealth = { path = \"/healthz\", every = \"100ms\", unhealthy = 1 }";
    let gate = gateway(std::slice::from_ref(&url), more);
    backend.wait("the question", |seen| seen.line == format!("GET {url}/healthz"));
    backend.wait("a second one", |seen| seen.connection > 1);
    assert!(is_up(&gate, &url));
}

#[test]
fn a_server_is_asked_by_the_process_and_not_by_each_of_its_workers() {
    let latch = Latch::default();
    let held = latch.clone();
    let backend = Backend::scripted(move |head| {
        let wait = (head.word(1) == "/healthz").then(|| Step::Wait(held.clone()));
        [Step::Body].into_iter().chain(wait).chain([Step::Write(ok("hello"))]).collect()
    });
    let health = "health = { path = \"/healthz\", every = \"100ms\", timeout = \"1m\" }";
    let gate = setup(&urls(&[&backend]), health).key("workers", "4").start();
    backend.wait("the question", |received| received.line() == "GET /healthz");
    for _ in 0..40 {
        assert_eq!(gate.ask(get("/open/1", "")).verdict(), "200");
    }
    assert_eq!(came(&backend, "/healthz"), 1, "the next one comes after the answer");
    latch.open();
    until("it to be asked again", || (came(&backend, "/healthz") > 1).then_some(()));
}
