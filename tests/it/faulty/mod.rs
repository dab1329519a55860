//! What the gateway stands on fails while requests run: who gets what, how fast, what `/readyz` says, and
//! that all is whole again afterwards. `docs/faults.md` is the same as a table.

mod backends;
mod clock;
mod descriptors;
mod disk;
mod liars;
mod redis;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::harness::{
    client::{Client, bearer, get},
    gateway::{Gateway, command},
    tokens, until,
};

/// No answer takes longer, whatever is broken; a second is promised.
const LONGEST: Duration = Duration::from_secs(3);

/// Longest way back to whole; a second is promised.
const HEALED: Duration = Duration::from_secs(5);

const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"*   /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
"#;

/// What was seen of each sort of request: verdicts, and the longest wait.
type Seen = BTreeMap<&'static str, (BTreeSet<String>, Duration, usize)>;

/// A small load that runs while something fails.
struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

impl Load {
    /// Asks in turn as everybody whom the table in `docs/faults.md` tells apart: `hot` again and again,
    /// each of `cold` once, `revoked`, a forger, a guest and nobody.
    fn start(address: SocketAddr, hot: &str, revoked: &str, cold: Vec<String>) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::new())));
        let (hot, revoked, forged) = (bearer(hot), bearer(revoked), bearer(&tokens::forged()));
        let thread = {
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            let mut cold = cold.into_iter();
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(SeqCst) {
                    let cold = cold.next().map(|token| bearer(&token));
                    for (sort, target, fields) in [
                        ("hot", "/orders/1", Some(&hot)),
                        ("cold", "/orders/1", cold.as_ref()),
                        ("revoked", "/orders/1", Some(&revoked)),
                        ("forged", "/orders/1", Some(&forged)),
                        ("guest", "/catalog/1", Some(&String::new())),
                        ("public", "/status", Some(&String::new())),
                    ] {
                        let Some(fields) = fields else { continue };
                        let asked = Instant::now();
                        let verdict = client.ask(get(target, fields)).verdict();
                        let mut seen = seen.lock().unwrap();
                        let (verdicts, longest, count) = seen.entry(sort).or_default();
                        verdicts.insert(verdict);
                        *longest = asked.elapsed().max(*longest);
                        *count += 1;
                    }
                }
            })
        };
        Self { stop, seen, thread }
    }

    /// Waits until every sort was asked for some more times, and returns what came of all since the last
    /// look. What was on its way at that look is in it.
    fn look(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap());
        until("some more requests", || {
            let seen = self.seen.lock().unwrap();
            (seen.get("public").is_some_and(|(.., count)| *count >= 5)).then_some(())
        });
        self.seen.lock().unwrap().clone()
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        self.thread.join().unwrap();
    }
}

/// Every sort got only what it may get, in time.
#[track_caller]
fn check(seen: &Seen, phase: &str, table: &[(&str, &[&str])]) {
    for (sort, may) in table {
        let Some((verdicts, longest, _)) = seen.get(sort) else { continue };
        let wrong: Vec<_> =
            verdicts.iter().filter(|verdict| !may.contains(&verdict.as_str())).collect();
        assert!(wrong.is_empty(), "{phase}: {sort} got {wrong:?}, not one of {may:?}");
        assert!(*longest < LONGEST, "{phase}: {sort} waited for {longest:?}");
    }
}

/// What is wrong, as `/readyz` tells it; empty when nothing is.
fn complaints(gate: &Gateway) -> String {
    let body = gate.probe("/readyz").json();
    let parts = body["degraded"].as_array().cloned().unwrap_or_default();
    let told = parts.iter().map(|part| {
        assert!(part["since"].is_string() && part["effect"].is_string(), "{part}");
        format!("{}: {}\n", part["part"].as_str().unwrap(), part["error"].as_str().unwrap())
    });
    told.collect()
}

fn issue(gate: &Gateway, subject: &str) -> Option<String> {
    let (code, token) = command(&gate.config, &["token", "issue", "--subject", subject], "");
    (code == 0).then(|| token.trim_end().to_owned())
}

fn revoke(gate: &Gateway, token: &str) -> bool {
    command(&gate.config, &["token", "revoke"], token).0 == 0
}

fn verdict(gate: &Gateway, token: &str) -> String {
    gate.ask(get("/orders/1", &bearer(token))).verdict()
}

/// The same from a store that is well: on a busy machine it may be late now and then.
fn settled(gate: &Gateway, token: &str) -> String {
    until("an answer of the store", || {
        Some(verdict(gate, token)).filter(|verdict| verdict != "503 store_unavailable")
    })
}
