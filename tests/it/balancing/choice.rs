//! The less loaded of two, whatever it speaks.

use super::{
    super::harness::{
        backend::Latch,
        http2::Http2,
        streams::{Act, Gate, Streams},
        tls::{Authority, Front},
        websocket::{echo, open},
    },
    *,
};

#[test]
fn a_server_that_is_busy_gets_no_request_while_another_is_idle() {
    let latch = Latch::default();
    let (first, second) = (holding(&latch, LOCAL, 0), holding(&latch, LOCAL, 0));
    let gate = gateway(&urls(&[&first, &second]), "");
    let mut held = gate.connect();
    held.send(get("/open/hold", ""));
    let busy_is_first = until("the request", || {
        let came = [&first, &second].map(|backend| came(backend, "/open/hold"));
        (came != [0, 0]).then_some(came == [1, 0])
    });
    let mut client = gate.connect();
    for _ in 0..20 {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
    }
    let (busy, idle) = if busy_is_first { (&first, &second) } else { (&second, &first) };
    assert_eq!((came(busy, "/open/1"), came(idle, "/open/1")), (0, 20));
    latch.open();
    assert_eq!(held.answer().text(), "held");
    until("both to be used", || {
        client.ask(get("/open/2", ""));
        (came(&first, "/open/2") > 0 && came(&second, "/open/2") > 0).then_some(())
    });
}

#[test]
fn tunnels_are_part_of_a_servers_load() {
    let (first, second) = (echo(), echo());
    let tables = format!(
        "[rules]\n\"GET /chat\" = {{ who = \"guest\", upgrade = \"websocket\" }}\n\
         [backends.main]\nurl = {:?}",
        urls(&[&first, &second])
    );
    let gate = Setup::new("main").key("workers", "1").tables(&tables).start();
    let mut tunnels = Vec::new();
    for pairs in 1..=8 {
        // Whichever is first of two, the other is the less loaded one then.
        tunnels.extend((0..2).map(|_| open(gate.connect(), "/chat", "")));
        assert_eq!((came(&first, "/chat"), came(&second, "/chat")), (pairs, pairs));
    }
}

#[test]
fn streams_of_http_2_are_part_of_a_servers_load() {
    let hold = Gate::new();
    let streams = || {
        let hold = hold.clone();
        Streams::scripted(move |_, seen| {
            let answer = [Act::Body, Act::Head(200, vec![], false), Act::Data("hello")];
            let wait = seen.line.ends_with("/open/hold");
            wait.then(|| Act::Wait(hold.clone())).into_iter().chain(answer).collect()
        })
    };
    let (first, second) = (streams(), streams());
    let urls = [&first, &second].map(|backend| format!("http://{}", backend.address));
    let gate = gateway(&urls, "http = \"2\"");
    let mut held: Vec<_> = (0..4).map(|_| gate.connect()).collect();
    for (number, client) in held.iter_mut().enumerate() {
        client.send(get("/open/hold", ""));
        until("the request", || {
            (first.seen().len() + second.seen().len() == number + 1).then_some(())
        });
    }
    assert_eq!((first.seen().len(), second.seen().len()), (2, 2));
    let mut h2 = Http2::connect(gate.address);
    assert_eq!(h2.get("/open/1", &[]).text(), "hello");
    hold.open();
    for client in &mut held {
        assert_eq!(client.answer().text(), "hello");
    }
}

#[test]
fn servers_of_one_backend_may_be_reached_in_different_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, secret) = (Backend::plain(), Backend::plain());
    let socket = Backend::on_socket(&folder.path().join("app.sock"));
    let authority = Authority::new();
    let front = Front::before(secret.address(), authority.vouch("127.0.0.1").server(None));
    let servers = [plain.url(), front.url(), socket.url()];
    let setup = setup(&servers, "tls = { ca = \"ca.pem\" }");
    std::fs::write(setup.folder().join("ca.pem"), &authority.pem).unwrap();
    let gate = setup.start();
    let mut client = gate.connect();
    until("each to be asked", || {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
        [&plain, &secret, &socket].iter().all(|server| came(server, "/open/1") > 0).then_some(())
    });
    for server in [plain.url(), front.url(), socket.url()] {
        assert!(is_up(&gate, &server), "{server}");
    }
}

#[test]
fn each_address_of_a_name_is_a_server() {
    let backend = Backend::plain();
    let name = format!("http://localhost:{}", backend.address().port());
    let gate = gateway(std::slice::from_ref(&name), "");
    assert_eq!(gate.ask(get("/open/1", "")).verdict(), "200");
    let series =
        format!(r#"tollgate_backend_server_up{{backend="main",server="{name} at 127.0.0.1"}}"#);
    until("the name to be looked up", || gate.try_metric(&series));
    assert_eq!(gate.ask(get("/open/1", "")).verdict(), "200");
}
