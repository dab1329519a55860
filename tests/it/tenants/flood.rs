//! Passwords are dear, and requests with a token do not wait behind them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::{World, grant};
use crate::harness::client::{bearer, get, request};

const CONNECTIONS: usize = 64;
const REQUESTS: usize = 2_000;

#[test]
fn a_flood_of_logins_does_not_keep_tokens_waiting() {
    let world = World::new();
    let body = r#"{"username":"nora","password":"nora-secret-1"}"#;
    world.json("", "POST", "/acme/shop/users", body);
    let nora = world.token("/acme/shop", "nora");
    let (over, right, wrong, busy) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let mut client = world.gate.connect();
            let (over, right, wrong, busy) = (&over, &right, &wrong, &busy);
            scope.spawn(move || {
                let (target, name) = match number % 3 {
                    0 => ("/acme/shop/token", "nora"),
                    1 => ("/acme/shop/token", "nobody"),
                    _ => ("/management/token", "olga"),
                };
                let password = match number % 2 {
                    0 => format!("{}-secret-1", if number % 3 == 2 { "olga" } else { "nora" }),
                    _ => format!("wrong-{number}"),
                };
                let login = request("POST", target, "", &grant(name, &password));
                while !over.load(SeqCst) {
                    let answer = client.ask(&login);
                    let kind = match answer.status {
                        200 => right,
                        400 => wrong,
                        // Those whose turn does not come are told so.
                        429 | 503 => busy,
                        status => panic!("{name}: {status} {}", answer.text()),
                    };
                    kind.fetch_add(1, SeqCst);
                }
            });
        }
        let mut client = world.gate.connect();
        let asked = get("/acme/shop/cats", &bearer(&nora));
        let mut answered = 0;
        // To the end, and at least until the flood has been one.
        while answered < REQUESTS || right.load(SeqCst) == 0 || wrong.load(SeqCst) == 0 {
            let answer = client.ask(&asked);
            if answer.status != 200 {
                over.store(true, SeqCst);
            }
            assert_eq!(answer.status, 200, "after {answered}: {}", answer.text());
            answered += 1;
        }
        over.store(true, SeqCst);
    });
    let came = world.backend.received().len();
    assert!(came >= REQUESTS, "{came}");
}
