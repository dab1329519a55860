use std::{cell::RefCell, rc::Rc, time::Duration};

use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
    task::spawn_local,
};

use super::*;
use crate::{
    config::Backend,
    tick,
    upstream::{
        Upstream,
        testing::{backend, get, on_worker},
    },
};

fn named() -> Backend {
    backend("url = [\"http://app.test:9000\", \"http://10.0.0.9:9000\"]")
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 9000))
}

fn shown(roster: &Roster) -> Vec<String> {
    roster.spots().iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_one_server_until_it_was_looked_up_and_then_one_for_each_address() {
    let settings = named();
    let roster = Roster::new(&settings, None);
    assert_eq!(shown(&roster), ["http://app.test:9000", "http://10.0.0.9:9000"]);
    roster.found(&settings.servers[0], &[at(1), at(2), at(1)]);
    let both = ["http://app.test:9000 at 10.0.0.1", "http://app.test:9000 at 10.0.0.2"];
    assert_eq!(shown(&roster), [both[0], both[1], "http://10.0.0.9:9000"]);
    assert!(roster.spots().iter().all(|spot| !spot.is_new), "nobody was there before them");
}

#[test]
fn an_address_that_stays_stays_the_same_and_no_answer_changes_nothing() {
    let settings = named();
    let roster = Roster::new(&settings, None);
    roster.found(&settings.servers[0], &[at(1), at(2)]);
    let before = roster.spots();
    roster.found(&settings.servers[0], &[]);
    roster.found(&settings.servers[0], &[at(2), at(1)]);
    assert!(roster.is_at(&before), "in whatever order");
    roster.found(&settings.servers[0], &[at(2), at(3)]);
    let now = roster.spots();
    assert!(Arc::ptr_eq(&before[1], &now[0]) && !now[0].is_new);
    assert_eq!((now[1].address, now[1].is_new), (Some(at(3)), true));
    assert!(Arc::ptr_eq(&before[2], &now[2]));
}

#[test]
fn a_name_with_very_many_addresses_is_bounded() {
    let settings = named();
    let roster = Roster::new(&settings, None);
    let many: Vec<_> = (0..200).map(at).collect();
    roster.found(&settings.servers[0], &many);
    assert_eq!(roster.spots().len(), ADDRESSES_MAX + 1);
}

#[test]
fn a_reload_keeps_what_is_known_of_a_server_that_stays() {
    let before = named();
    let roster = Roster::new(&before, None);
    roster.found(&before.servers[0], &[at(1), at(2)]);
    let known = roster.spots();
    let after = backend("url = [\"http://10.0.0.7:9000\", \"http://app.test:9000\"]");
    let next = Roster::new(&after, Some(&roster)).spots();
    assert!(next[0].is_new && next.len() == 3);
    assert!(Arc::ptr_eq(&next[1], &known[0]) && Arc::ptr_eq(&next[2], &known[1]));
}

#[test]
fn so_many_answers_in_a_row_leave_a_server_out_and_bring_it_back() {
    let settings = backend(
        "url = \"http://10.0.0.1:9000\"\nhealth = { path = \"/\", healthy = 2, unhealthy = 3 }",
    );
    let check = settings.balancing.health.clone().unwrap();
    let roster = Roster::new(&settings, None);
    let spot = &roster.spots()[0];
    let tell = |good: bool| {
        let answer = if good { Ok(()) } else { Err("it answers 500".to_owned()) };
        (spot.answered(&check, answer), spot.is_well())
    };
    assert_eq!([false, false, true].map(tell), [(false, true); 3]);
    assert_eq!([false; 3].map(tell), [(false, true), (false, true), (true, false)]);
    assert_eq!(spot.trouble().unwrap().cause, "it answers 500");
    assert_eq!([true, false, true].map(tell), [(false, false); 3]);
    assert_eq!(tell(true), (true, true));
    assert!(spot.trouble().is_none());
    // Whom nobody asks any more is well.
    assert_eq!([false; 3].map(tell)[2], (true, false));
    let _unasked = Roster::new(&backend("url = \"http://10.0.0.1:9000\""), Some(&roster));
    assert!(spot.is_well());
}

/// Who answers at one address: how many requests came, and what lets a slow answer go on.
struct Answering {
    address: SocketAddr,
    came: Rc<RefCell<usize>>,
    go: Rc<Notify>,
}

/// Begins every answer at once, and ends it when it may.
async fn answering(ip: &str, port: u16) -> Option<Answering> {
    let listener = TcpListener::bind((ip, port)).await.ok()?;
    let address = listener.local_addr().unwrap();
    let (came, go) = (Rc::new(RefCell::new(0)), Rc::new(Notify::new()));
    let (counted, goes) = (Rc::clone(&came), Rc::clone(&go));
    spawn_local(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (came, go) = (Rc::clone(&counted), Rc::clone(&goes));
            spawn_local(async move {
                let mut room = [0; 1024];
                while stream.read(&mut room).await.is_ok_and(|read| read > 0) {
                    *came.borrow_mut() += 1;
                    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
                    stream.write_all(head).await.unwrap();
                    go.notified().await;
                    stream.write_all(b"llo").await.unwrap();
                }
            });
        }
    });
    Some(Answering { address, came, go })
}

/// Two on the same port of different addresses.
async fn two() -> [Answering; 2] {
    loop {
        let first = answering("127.0.0.1", 0).await.unwrap();
        if let Some(second) = answering("127.0.0.2", first.address.port()).await {
            return [first, second];
        }
    }
}

#[test]
fn an_address_that_went_away_gets_no_new_request_and_its_running_ones_finish() {
    on_worker(async {
        let [first, second] = two().await;
        let url = format!("url = \"http://app.test:{}\"", first.address.port());
        let settings = backend(&url);
        let roster = Roster::new(&settings, None);
        let name = &settings.servers[0];
        roster.found(name, &[first.address]);
        let upstream = Upstream::new(settings.clone(), &roster, 1, None);
        let long = Duration::from_secs(20);
        let running = upstream.send(get(), long).await.unwrap();
        roster.found(name, &[second.address]);
        upstream.tick(tick::now());
        for _ in 0..8 {
            second.go.notify_one();
            let answer = upstream.send(get(), long).await.unwrap();
            assert_eq!(answer.body.collect().await.unwrap().to_bytes(), "hello");
        }
        assert_eq!((*first.came.borrow(), *second.came.borrow()), (1, 8));
        first.go.notify_one();
        assert_eq!(running.body.collect().await.unwrap().to_bytes(), "hello");
        roster.found(name, &[first.address, second.address]);
        upstream.tick(tick::now());
        first.go.notify_one();
        second.go.notify_one();
        for _ in 0..40 {
            first.go.notify_one();
            second.go.notify_one();
            let answer = upstream.send(get(), long).await.unwrap();
            answer.body.collect().await.unwrap();
        }
        assert!(*first.came.borrow() > 1 && *second.came.borrow() > 8, "both are used");
    });
}
