//! Backends over TLS: who is believed, who we are, what the operator is told and the client is not.

use std::{net::TcpListener, process::Command};

use rustls::HandshakeKind;

use super::harness::{
    backend::{Backend, Step, ok},
    client::{Client, get},
    gateway::{Setup, refused},
    tls::{Authority, Front},
    until,
};

const RULES: &str = "[rules]\n\"* /**\" = \"public\"\n";

/// A gateway before `url`, with these settings of `tls` and the file `ca.pem`.
fn setup(url: &str, ca: &str, settings: &str) -> Setup {
    patient_setup(url, ca, settings, "10s")
}

fn patient_setup(url: &str, ca: &str, settings: &str, connect: &str) -> Setup {
    let setup = Setup::new("app").tables(RULES).tables(&format!(
        "[backends.app]\nurl = \"{url}\"\ntls = {{ ca = \"ca.pem\"{settings} }}\n\
         timeouts = {{ connect = \"{connect}\" }}\npool = {{ idle = \"1h\" }}\n"
    ));
    std::fs::write(setup.folder().join("ca.pem"), ca).unwrap();
    setup
}

#[test]
fn a_backend_over_tls_gets_the_same_head_and_an_address_is_proven_as_one() {
    let (backend, authority) = (Backend::plain(), Authority::new());
    let front = Front::before(backend.address(), authority.vouch("127.0.0.1").server(None));
    let gate = setup(&front.url(), &authority.pem, "").start();
    let answer = gate.ask(get("/a?b=c", "X-Odd: a  b\r\n"));
    assert_eq!((answer.verdict().as_str(), answer.text()), ("200", "hello"));
    let received = backend.last();
    assert_eq!(received.line(), "GET /a?b=c");
    assert_eq!(received.field("host"), Some("shop.example"));
    assert_eq!(received.field("x-odd"), Some("a  b"));
    let agreed = front.agreed().pop().unwrap();
    assert_eq!((agreed.name, agreed.certified), (None, false));
}

#[test]
fn a_server_that_cannot_prove_its_name_gets_no_request_and_the_client_is_not_told_why() {
    let (backend, authority, other) = (Backend::plain(), Authority::new(), Authority::new());
    for (identity, says) in [
        (other.vouch("127.0.0.1"), "UnknownIssuer"),
        (authority.vouch("127.0.0.2"), "not valid for name"),
        (authority.vouch("127.0.0.1.example"), "not valid for name"),
        (authority.vouched_once("127.0.0.1"), "expired"),
    ] {
        let front = Front::before(backend.address(), identity.server(None));
        let gate = setup(&front.url(), &authority.pem, "").start();
        let answer = gate.ask(get("/a", ""));
        assert_eq!(answer.verdict(), "502 backend_tls", "{says}");
        assert!(!answer.text().contains(says), "{}", answer.text());
        assert!(answer.text().contains("no TLS connection to the backend"), "{}", answer.text());
        let line = gate.access_line(&answer);
        assert!(line["error"].as_str().unwrap().contains(says), "{says}: {line}");
    }
    assert!(backend.received().is_empty());
}

#[test]
fn another_name_is_proven_where_the_file_says_so() {
    let (backend, authority) = (Backend::plain(), Authority::new());
    let front = Front::before(backend.address(), authority.vouch("app.internal").server(None));
    let gate = setup(&front.url(), &authority.pem, ", server-name = \"app.internal\"").start();
    assert_eq!(gate.ask(get("/a", "")).verdict(), "200");
    assert_eq!(front.agreed().pop().unwrap().name.as_deref(), Some("app.internal"));
}

#[test]
fn a_backend_that_asks_who_we_are_is_shown_our_certificate() {
    let (backend, authority) = (Backend::plain(), Authority::new());
    let config = authority.vouch("127.0.0.1").server(Some(&authority));
    let front = Front::before(backend.address(), config);
    let gate = setup(&front.url(), &authority.pem, "").start();
    let refused = gate.ask(get("/a", ""));
    assert_eq!(refused.status, 502, "{refused:?}");
    drop(gate);
    let ours = setup(&front.url(), &authority.pem, ", certificate = \"us.pem\", key = \"us.key\"");
    authority.vouch("gateway.example").write(ours.folder(), "us");
    let gate = ours.start();
    assert_eq!(gate.ask(get("/a", "")).verdict(), "200");
    assert!(front.agreed().pop().unwrap().certified);
}

#[test]
fn a_renewed_file_is_read_by_itself_and_new_connections_use_it() {
    let (backend, old, new) = (Backend::plain(), Authority::new(), Authority::new());
    let front = Front::before(backend.address(), new.vouch("127.0.0.1").server(None));
    let gate = setup(&front.url(), &old.pem, "").start();
    assert_eq!(gate.ask(get("/a", "")).verdict(), "502 backend_tls");
    let renew = |text: &str| {
        let ca = gate.folder().join("ca.pem");
        std::fs::write(ca.with_extension("new"), text).unwrap();
        std::fs::rename(ca.with_extension("new"), ca).unwrap();
    };
    renew("nothing");
    gate.err.event("reload refused");
    assert_eq!(gate.ask(get("/a", "")).verdict(), "502 backend_tls");
    renew(&new.pem);
    until("the renewed root", || (gate.ask(get("/a", "")).status == 200).then_some(()));
}

#[test]
fn a_pool_whose_files_are_the_same_keeps_its_connections_across_a_reload() {
    let (backend, authority) = (Backend::plain(), Authority::new());
    let front = Front::before(backend.address(), authority.vouch("127.0.0.1").server(None));
    let setup = setup(&front.url(), &authority.pem, "").key("workers", "1");
    let text = setup.text();
    let gate = setup.start();
    assert_eq!(gate.ask(get("/a", "")).verdict(), "200");
    let before = front.agreed().len();
    gate.rewrite(&text.replace("\"* /**\"", "\"GET /**\""));
    gate.err.event("reloaded");
    assert_eq!(gate.ask(get("/a", "")).verdict(), "200");
    assert_eq!(front.agreed().len(), before);
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let authority = Authority::new();
    // Each answer ends its connection.
    let backend = Backend::scripted(|_| {
        vec![Step::Write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello".into()), Step::Close]
    });
    let front = Front::before(backend.address(), authority.vouch("127.0.0.1").server(None));
    let gate = setup(&front.url(), &authority.pem, "").start();
    for _ in 0..3 {
        assert_eq!(gate.ask(get("/a", "")).verdict(), "200");
    }
    assert_eq!(front.agreed().pop().unwrap().kind, HandshakeKind::Resumed);
}

#[test]
fn a_server_without_tls_gets_nothing_of_the_request() {
    let backend = Backend::scripted(|_| vec![Step::Write(ok("hello")), Step::Close]);
    let authority = Authority::new();
    let gate = setup(&format!("https://{}", backend.address()), &authority.pem, "").start();
    // It waits for the end of a head; the look at the start left one connection like that.
    let ended = std::thread::spawn({
        let address = gate.address;
        move || Client::connect(address).ask(get("/secret-path", ""))
    });
    until("the handshake", || (backend.connections() >= 2).then_some(()));
    until("its end", || {
        backend.drop_connections();
        ended.is_finished().then_some(())
    });
    let answer = ended.join().unwrap();
    assert_eq!(answer.verdict(), "502 backend_tls");
    assert!(backend.received().iter().all(|came| !came.raw_head.contains("secret-path")));
}

#[test]
fn the_connect_timeout_covers_the_handshake() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = Authority::new();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let gate = patient_setup(&url, &authority.pem, "", "200ms").start();
    assert_eq!(gate.ask(get("/a", "")).verdict(), "504 backend_connect_timeout");
}

#[test]
fn a_file_that_is_missing_or_does_not_fit_is_named_and_nothing_starts() {
    let authority = Authority::new();
    let setup = setup(
        "https://127.0.0.1:1",
        &authority.pem,
        ", certificate = \"us.pem\", key = \"us.key\"",
    );
    let config = setup.folder().join("tollgate.toml");
    std::fs::write(&config, setup.text()).unwrap();
    let (code, said) = refused(&config);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("cannot read `us.pem`: there is no such file"), "{said}");
    let (one, other) = (authority.vouch("one"), authority.vouch("other"));
    one.write(setup.folder(), "us");
    let checked = Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("check").arg(&config).output();
    assert!(checked.unwrap().status.success());
    std::fs::write(setup.folder().join("us.key"), &other.key).unwrap();
    let (code, said) = refused(&config);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("`backends.app.tls.key` does not fit the certificate"), "{said}");
    assert!(!said.contains(other.key.lines().nth(1).unwrap()));
}
