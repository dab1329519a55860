use std::time::Duration;

use super::*;
use crate::upstream::{
    member::{Seat, Trial},
    testing::backend,
};

fn servers(count: usize, more: &str) -> Servers {
    let urls: Vec<_> = (1..=count).map(|last| format!("http://10.0.0.{last}:9000")).collect();
    let settings = backend(&format!("url = {urls:?}\n{more}"));
    let roster = Roster::new(&settings, None);
    Servers::new(roster, settings.balancing, None)
}

fn member(servers: &Servers, index: usize) -> Rc<Member> {
    Rc::clone(&servers.all.borrow()[index])
}

/// How often each is chosen.
fn choices(servers: &Servers) -> Vec<usize> {
    let mut counts = vec![0; servers.all.borrow().len()];
    for _ in 0..1000 {
        let chosen = servers.choose(&[]).unwrap();
        let all = servers.all.borrow();
        counts[all.iter().position(|member| Rc::ptr_eq(member, &chosen)).unwrap()] += 1;
    }
    counts
}

fn eject(servers: &Servers, index: usize) {
    let member = member(servers, index);
    (0..3).for_each(|_| servers.failed(&member));
}

fn refuse(servers: &Servers, index: usize) {
    let rules = servers.rules.ejection;
    let error = || UpstreamError::Connect(std::io::ErrorKind::ConnectionRefused.into());
    for _ in 0..3 {
        let now = (tick::now(), &rules);
        member(servers, index).condition.refused(&error(), Duration::ZERO, now, 0);
    }
    servers.refused();
}

#[test]
fn idle_servers_share_and_a_loaded_one_gets_what_meets_it_twice() {
    let servers = servers(3, "");
    assert!(choices(&servers).iter().all(|count| *count > 250), "{:?}", choices(&servers));
    let busy = member(&servers, 1);
    let _seats: Vec<_> = (0..5).map(|_| Seat::take(&busy)).collect();
    let counts = choices(&servers);
    assert_eq!(counts[1], 0, "each other one has less to do: {counts:?}");
}

#[test]
fn none_is_asked_twice_for_one_request() {
    let servers = servers(3, "");
    let mut tried = Vec::new();
    while let Some(next) = servers.choose(&tried) {
        assert!(!is_among(&tried, &next));
        tried.push(next);
    }
    assert_eq!(tried.len(), 3);
}

#[test]
fn a_server_that_fails_is_left_out_and_with_too_few_left_all_are_used() {
    let servers = servers(4, "");
    eject(&servers, 0);
    let counts = choices(&servers);
    assert!(counts[0] == 0 && counts[1..].iter().all(|count| *count > 0), "{counts:?}");
    eject(&servers, 1);
    let counts = choices(&servers);
    assert_eq!((counts[0], counts[1]), (0, 0), "half of them are left");
    eject(&servers, 2);
    assert!(choices(&servers).iter().all(|count| *count > 0), "fewer than half are left");
    let alone = self::servers(1, "");
    eject(&alone, 0);
    assert_eq!(choices(&alone), [1000], "the only one is never left out");
}

#[test]
fn a_server_that_takes_no_connection_is_not_tried_even_when_few_are_left() {
    let servers = servers(3, "");
    refuse(&servers, 0);
    refuse(&servers, 1);
    assert_eq!(choices(&servers), [0, 0, 1000]);
    refuse(&servers, 2);
    assert!(servers.choose(&[]).is_none());
    let chance = servers.chance(&[]).expect("one that refuses at once may be asked");
    let trial = Trial::begin(&chance);
    assert!(
        servers.chance(&[]).is_none_or(|other| !Rc::ptr_eq(&other, &chance)),
        "by one at a time"
    );
    drop(trial);
    assert!(matches!(servers.why(), UpstreamError::Connect(_)));
    let member = member(&servers, 2);
    assert!(!member.spot.is_up());
    member.condition.connected();
    servers.refused();
    assert_eq!(choices(&servers), [0, 0, 1000]);
    assert!(member.spot.is_up());
}

#[test]
fn a_server_that_does_not_answer_its_check_is_left_out_above_the_floor() {
    let servers = servers(2, "health = { path = \"/\", unhealthy = 1 }");
    let check = servers.rules.health.clone().unwrap();
    let now = tick::now();
    member(&servers, 0).spot.answered(&check, Err("500".to_owned()));
    servers.tick(now, |_| ());
    assert_eq!(choices(&servers), [0, 1000]);
    member(&servers, 1).spot.answered(&check, Err("500".to_owned()));
    servers.tick(now, |_| ());
    assert!(choices(&servers).iter().all(|count| *count > 0));
}

#[test]
fn a_server_that_has_come_back_gets_less_than_its_share_at_first() {
    let servers = servers(2, "slow-start = \"10s\"");
    let now = tick::now();
    servers.tick(now, |_| ());
    assert!(choices(&servers).iter().all(|count| *count > 350), "nobody is new at the start");
    eject(&servers, 0);
    // Its second and the jitter of it are over, and its slow start begins.
    let back = now + Duration::from_millis(1500);
    servers.tick(back, |_| ());
    let counts = choices(&servers);
    assert!(counts[0] > 0 && counts[0] < 150, "{counts:?}");
    servers.tick(back + Duration::from_secs(5), |_| ());
    let half = choices(&servers)[0];
    assert!(half > counts[0], "{half} after half of it, {} at first", counts[0]);
    servers.tick(back + Duration::from_secs(10), |_| ());
    assert!(choices(&servers)[0] > 350);
}

#[test]
fn a_worker_hears_of_a_server_to_which_another_has_got_a_connection() {
    let settings = backend("url = [\"http://10.0.0.1:9000\", \"http://10.0.0.2:9000\"]");
    let roster = Roster::new(&settings, None);
    let of = || Servers::new(Arc::clone(&roster), settings.balancing.clone(), None);
    let (one, other) = (of(), of());
    refuse(&one, 0);
    refuse(&other, 0);
    let spot = Arc::clone(&member(&one, 0).spot);
    spot.returns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    for worker in [&one, &other] {
        worker.tick(tick::now(), |_| ());
        assert!(choices(worker)[0] > 0);
    }
    assert!(spot.is_up());
}
