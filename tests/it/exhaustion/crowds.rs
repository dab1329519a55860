//! Many connections: more than there are places, idle ones, ones that ask faster than they read.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{super::harness::client::Client, *};

/// Raises this process's limit of open files as far as it may go, and returns it.
fn descriptors() -> usize {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).unwrap();
    usize::try_from(hard.unwrap_or(1 << 20)).unwrap()
}

#[test]
fn ten_thousand_idle_connections_hold_little_memory_each_and_nobody_back() {
    let backend = Backend::plain();
    // Ours, and the gateway's, which keeps as many for the other side.
    let crowd = (descriptors().saturating_sub(1000) / 2).min(10_000);
    let gate = gateway(&backend, "[limits]\nhead-time = \"1h\"");
    let request = get("/open/good", "");
    let before = gate.memory_kib();
    let (held, places) = beside(&gate, || {
        let mut open = Vec::with_capacity(crowd);
        for number in 0..crowd - 500 {
            let mut stream = TcpStream::connect(gate.address).unwrap();
            // Half of them have asked for something before they fell silent.
            if number % 2 == 0 {
                let mut answer = [0; 512];
                stream.write_all(request.as_bytes()).unwrap();
                assert!(stream.read(&mut answer).unwrap() > 0);
            }
            open.push(stream);
        }
        (gate.memory_kib().saturating_sub(before), open.len())
    });
    let each = held * 1024 / places;
    eprintln!("{places} connections, {each} bytes each");
    assert!(each < 16 * 1024, "{each} bytes for each of {places}");
}

/// A place that nobody uses is given to who waits for one.
#[test]
fn at_the_limit_of_connections_those_who_ask_for_nothing_make_room() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nconnections = 30");
    for asked in [true, false] {
        let mut idle: Vec<Client> = Vec::new();
        for _ in 0..30 {
            let mut client = gate.connect();
            if asked {
                assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
            } else {
                client.send("GET /open/1 HT");
            }
            idle.push(client);
        }
        // Well before the 75 seconds, or 10, that an unused connection may stay otherwise.
        let waited = Instant::now();
        let mut late: Vec<Client> = (0..10).map(|_| gate.connect()).collect();
        late.iter_mut().for_each(|client| {
            client.send(get("/open/late", ""));
        });
        late.iter_mut().for_each(|client| assert_eq!(client.answer().verdict(), "200"));
        assert!(waited.elapsed() < Duration::from_secs(9), "{:?}", waited.elapsed());
    }
}

/// Nobody waits, so nobody has to go.
#[test]
fn a_full_house_keeps_its_idle_connections_as_long_as_nobody_waits() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nconnections = 5");
    let mut clients: Vec<Client> = (0..5).map(|_| gate.connect()).collect();
    clients.iter_mut().for_each(|client| {
        assert_eq!(client.ask(get("/open/1", "")).verdict(), "200");
    });
    std::thread::sleep(Duration::from_millis(2500));
    clients.iter_mut().for_each(|client| {
        assert_eq!(client.ask(get("/open/2", "")).verdict(), "200");
    });
}

#[test]
fn an_address_has_no_more_connections_than_it_may_and_a_trusted_peer_as_many_as_it_needs() {
    let backend = Backend::plain();
    let tables = "[limits]\nconnections-per-address = 3\n[trust]\nproxies = [\"127.0.0.9\"]";
    let gate = gateway(&backend, tables);
    let from = |last: u8| Client::connect_from([127, 0, 0, last].into(), gate.address);
    let answers = |client: &mut Client| {
        client.send(get("/open/1", "")).try_answer(false).map(|answer| answer.status)
    };
    let mut open: Vec<Client> = (0..3).map(|_| from(2)).collect();
    open.iter_mut().for_each(|client| assert_eq!(answers(client), Some(200)));
    assert_eq!(answers(&mut from(2)), None);
    assert_eq!(answers(&mut from(3)), Some(200), "another address");
    open.extend((0..5).map(|_| from(9)));
    open.iter_mut().for_each(|client| assert_eq!(answers(client), Some(200)));
    open.remove(0).leave();
    until("the place that came free", || (answers(&mut from(2)) == Some(200)).then_some(()));
}

#[test]
fn pipelined_requests_whose_answers_nobody_reads_stop_and_end() {
    let backend = Backend::plain();
    let gate = gateway(&backend, "[limits]\nbody-idle = \"2s\"");
    // Refused at once: the fastest way to make us write.
    let many = get("/nowhere", "").repeat(1000);
    beside(&gate, || {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (mut client, many) = (gate.connect(), many.clone());
                std::thread::spawn(move || {
                    let mut sent = 0;
                    while client.try_send(&many) {
                        sent += many.len();
                        assert!(sent < 256 << 20, "requests are taken without end");
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}
