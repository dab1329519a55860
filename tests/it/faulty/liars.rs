//! A store that lies: bytes that no Redis sends, half an answer, an answer without an end.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::{
    super::harness::{backend::Backend, gateway::Setup, redis::Redis, until},
    COLD, HEALED, Load, RULES, check, complaints, settled, verdict,
};

/// What is said in place of an answer of Redis.
#[derive(Clone, Copy)]
enum Lie {
    /// These bytes, and nothing more.
    Says(&'static [u8]),
    /// These bytes, and the connection ends.
    SaysAndCloses(&'static [u8]),
    /// The right answer, a byte at a time.
    Drips,
}

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(100);

/// Stands between the gateway and a real Redis, and tells the truth until it is told to lie.
struct Liar {
    port: u16,
    lies: Arc<AtomicBool>,
}

impl Liar {
    fn before(redis: &Redis, lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (lies, to) = (Arc::new(AtomicBool::new(false)), redis.address());
        let switch = Arc::clone(&lies);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(redis) = TcpStream::connect(&to) else { return };
                let lies = Arc::clone(&switch);
                std::thread::spawn(move || pass(&stream, &redis, lie, &lies));
            }
        });
        Self { port, lies }
    }
}

/// Passes questions on, and answers back, or lies instead.
fn pass(gateway: &TcpStream, redis: &TcpStream, lie: Lie, lies: &Arc<AtomicBool>) {
    let back = {
        let (mut gateway, mut redis) = (gateway.try_clone().unwrap(), redis.try_clone().unwrap());
        let lies = Arc::clone(lies);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = redis.read(&mut bytes)
                && count > 0
            {
                let dripping = lies.load(SeqCst) && matches!(lie, Lie::Drips);
                for piece in bytes[..count].chunks(if dripping { 1 } else { count }) {
                    if gateway.write_all(piece).is_err() {
                        return;
                    }
                    if dripping {
                        std::thread::sleep(DRIP);
                    }
                }
            }
            let _ = gateway.shutdown(Shutdown::Both);
        })
    };
    let (mut gateway, mut redis) = (gateway, redis);
    let mut bytes = [0; 4096];
    while let Ok(count) = gateway.read(&mut bytes)
        && count > 0
    {
        let done = match lie {
            Lie::Says(said) if lies.load(SeqCst) => gateway.write_all(said),
            Lie::SaysAndCloses(said) if lies.load(SeqCst) => {
                let _ = gateway.write_all(said);
                break;
            }
            Lie::Says(_) | Lie::SaysAndCloses(_) | Lie::Drips => redis.write_all(&bytes[..count]),
        };
        if done.is_err() {
            break;
        }
    }
    let _ = gateway.shutdown(Shutdown::Both);
    let _ = redis.shutdown(Shutdown::Both);
    let _ = back.join();
}

#[track_caller]
fn check_lie(lie: Lie) {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let liar = Liar::before(&redis, lie);
    let store = format!("\"redis://127.0.0.1:{}/0\"", liar.port);
    let gate = Setup::new(&backend.url()).key("store", &store).tables(RULES).start();
    let (hot, revoked) = (redis.issue("ann"), redis.issue("eve"));
    redis.revoke(&revoked);
    let mut cold: Vec<String> = (0..=COLD).map(|_| redis.issue("rob").text).collect();
    let fresh = cold.pop().unwrap();
    until("the store", || (verdict(&gate, &hot.text) == "200").then_some(()));

    let load = Load::start(gate.address, &hot.text, &revoked.text, cold);
    liar.lies.store(true, SeqCst);
    until("a lie to be told", || verdict(&gate, &fresh).starts_with("503").then_some(()));
    until("the trouble to be named", || (!complaints(&gate).is_empty()).then_some(()));
    let during = load.look();
    let away: &[&str] = &["200", "503 store_unavailable", "503 store_bad_record"];
    check(&during, "during", &[("hot", away), ("cold", away)]);
    check(&during, "during", &[("revoked", &["401 token_unknown", away[1], away[2]])]);
    let always: [(&str, &[&str]); 3] =
        [("forged", &["401 token_forged"]), ("guest", &["200"]), ("public", &["200"])];
    check(&during, "during", &always);

    liar.lies.store(false, SeqCst);
    let mended = Instant::now();
    until("the store to be used again", || (verdict(&gate, &fresh) == "200").then_some(()));
    until("the complaint to go", || complaints(&gate).is_empty().then_some(()));
    assert!(mended.elapsed() < HEALED, "{:?}", mended.elapsed());
    assert_eq!(settled(&gate, &revoked.text), "401 token_unknown");
    load.end();
}

#[test]
fn a_store_that_answers_garbage() {
    check_lie(Lie::Says(b"\x16\x03\x01\x02\x00 HTTP/1.1 400 Bad Request\r\n\r\n"));
}

#[test]
fn a_store_that_answers_by_half_and_closes() {
    check_lie(Lie::SaysAndCloses(b"$900\r\n{\"subject\":\"root\",\"rol"));
}

#[test]
fn a_store_that_answers_with_another_type() {
    check_lie(Lie::Says(b":1\r\n"));
}

#[test]
fn a_store_whose_answer_has_no_end() {
    check_lie(Lie::Says(b"$536870911\r\n{\"subject\":\"root\","));
}

#[test]
fn a_store_whose_answers_drip() {
    check_lie(Lie::Drips);
}
