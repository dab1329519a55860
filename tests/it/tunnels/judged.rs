//! A tunnel lasts only for as long as a new request in its place would pass.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{
    super::{
        cli::run_in,
        harness::{
            backend::{Backend, Step},
            client::{Client, bearer},
            gateway::{Gateway, Setup},
            redis::{Redis, token_key},
            tokens::Token,
            until,
            websocket::{accepted, closing, echo, frame, lives, open},
        },
    },
    RULES,
};

/// What is promised of a revocation elsewhere, and slack for a slow machine.
const SOON: Duration = Duration::from_secs(8);

fn over_redis(backend: &Backend, redis: &Redis) -> Gateway {
    let setup = Setup::new(&backend.url()).key("store", &format!("{:?}", redis.url()));
    setup.tables(RULES).start()
}

/// Waits for the Close that must come, and no byte behind it.
fn is_closed(client: &mut Client, code: u16, reason: &str) {
    let rest = client.rest();
    assert_eq!(closing(&rest), (code, reason.to_owned()));
    assert_eq!(rest.len(), 4 + reason.len());
}

#[test]
fn what_happens_to_a_token_elsewhere_ends_its_tunnels_and_no_others() {
    let (backend, mut redis) = (echo(), Redis::start());
    let gate = over_redis(&backend, &redis);
    let ann = redis.issue("ann");
    let mut other = open(gate.connect(), "/chat/other", &bearer(&ann.text));
    let principal = "tollgate:principal:user:eve";
    let no_role = |token: &Token| {
        let text = redis.command(&["GET", &token_key(token)]).unwrap();
        let text = text.replace("buyer", "seller");
        redis.command(&["SET", &token_key(token), &text]);
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&Token), &'a str);
    let changes: [Change<'_>; 4] = [
        ("revoked", &|token| redis.revoke(token), "token_unknown"),
        ("role", &no_role, "role_missing"),
        (
            "generation",
            &|_| drop(redis.command(&["HSET", principal, "generation", "2"])),
            "token_revoked",
        ),
        (
            "shut out",
            &|_| drop(redis.command(&["HSET", principal, "active", "0"])),
            "principal_inactive",
        ),
    ];
    for (what, change, reason) in changes {
        redis.command(&["DEL", principal]);
        let eve = redis.issue("eve");
        let mut client = open(gate.connect(), "/buyers", &bearer(&eve.text));
        lives(&mut client);
        change(&eve);
        let changed = Instant::now();
        is_closed(&mut client, 1008, reason);
        assert!(changed.elapsed() < SOON, "{what}: {:?}", changed.elapsed());
        let line = until("the access line", || {
            gate.out.json().into_iter().find(|line| line["reason"] == reason)
        });
        assert_eq!((&line["ended"], &line["status"]), (&"gateway".into(), &101.into()), "{what}");
        let told = format!("tollgate_requests_total{{decision=\"deny\",reason=\"{reason}\"}}");
        until(&told, || gate.try_metric(&told).filter(|count| *count == 1.0));
        lives(&mut other);
    }
    let closed = backend.received().into_iter().filter(|received| received.gone);
    let reasons: Vec<_> = closed
        .map(|received| closing(&received.body[frame(0x81, b"still here?").len()..]).0)
        .collect();
    assert_eq!(reasons, [1008; 4], "the backend hears it too");

    // A store that cannot answer is no word against anybody, but none for them either.
    redis.kill();
    is_closed(&mut other, 1013, "store_unavailable");
}

#[test]
fn a_tunnel_ends_when_its_token_does() {
    let (backend, redis) = (echo(), Redis::start());
    let gate = over_redis(&backend, &redis);
    let token = Token::expiring("eve", Duration::from_secs(3));
    redis.keep(&token);
    let ann = redis.issue("ann");
    let mut other = open(gate.connect(), "/chat/other", &bearer(&ann.text));
    let mut client = open(gate.connect(), "/buyers", &bearer(&token.text));
    lives(&mut client);
    is_closed(&mut client, 1008, "token_expired");
    lives(&mut other);
}

#[test]
fn a_revocation_here_ends_tunnels_here() {
    let backend = echo();
    let setup = Setup::new(&backend.url()).key("admin", "\"unix:admin.sock\"");
    let gate = setup.tables(RULES).start();
    let issued = run_in(gate.folder(), &["token", "issue", "--subject", "zoe"], "");
    let mut client = open(gate.connect(), "/chat/1", &bearer(issued.out.trim()));
    let mut other = open(gate.connect(), "/chat/2", &gate.bearer("ann"));
    lives(&mut client);
    assert_eq!(run_in(gate.folder(), &["token", "revoke"], &issued.out).code, 0);
    is_closed(&mut client, 1008, "token_unknown");
    lives(&mut other);
}

#[test]
fn a_new_configuration_ends_what_it_does_not_allow() {
    let backend = echo();
    let setup = Setup::new(&backend.url()).tables(RULES);
    let text = setup.text();
    let gate = setup.start();
    let mut closed = open(gate.connect(), "/chat/1", &gate.bearer("ann"));
    let mut plain = open(gate.connect(), "/buyers", &gate.bearer("eve"));
    let mut other = open(gate.connect(), "/free/1", "");
    let new = text
        .replace(
            "\"GET /chat/**\"  = { who = \"authenticated\"",
            "\"GET /chat/**\"  = { who = \"role:x\"",
        )
        .replace("\"role:buyer\", upgrade = \"websocket\"", "\"role:buyer\"");
    assert_ne!(new, text);
    gate.rewrite(&new);
    is_closed(&mut closed, 1008, "role_missing");
    is_closed(&mut plain, 1008, "upgrade_not_allowed");
    lives(&mut other);
}

/// A frame that has begun is the client's; nothing is put into the middle of it.
#[test]
fn the_word_is_said_between_two_frames() {
    // Half of a frame towards the client, and the rest when the gateway has sent its Close.
    let begun = [&[0x82, 10][..], b"01234"].concat();
    let backend = Backend::scripted(move |_| {
        vec![Step::Reply(accepted), Step::Write(begun.clone()), Step::Gone]
    });
    let setup = Setup::new(&backend.url()).tables(RULES);
    let text = setup.text();
    let gate = setup.start();
    let mut client = open(gate.connect(), "/free/1", "");
    assert_eq!(client.bytes(7).unwrap(), [&[0x82, 10][..], b"01234"].concat());
    // The client has begun one too: it is not finished, and no Close stands inside it.
    client.send(&frame(0x82, &[7; 100])[..50]);
    gate.rewrite(&text.replace(
        "\"GET /free/**\"  = { who = \"guest\"",
        "\"GET /free/**\"  = { who = \"role:x\"",
    ));
    assert_eq!(client.rest(), b"", "the frame's end never came: cut, and no word inside of it");
}

#[test]
fn a_gateway_that_stops_says_so() {
    let backend = echo();
    let mut gate = Setup::new(&backend.url()).tables(RULES).start();
    let mut client = open(gate.connect(), "/free/1", "");
    lives(&mut client);
    gate.signal(Signal::TERM);
    is_closed(&mut client, 1001, "going_away");
    assert_eq!(gate.ended().code(), Some(0));
    let line = gate.out.json().pop().unwrap();
    assert_eq!((&line["reason"], &line["ended"]), (&"going_away".into(), &"gateway".into()));
}
