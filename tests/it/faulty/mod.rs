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
        mpsc,
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

/// How many tokens that nobody has used before each look brings into the load.
const COLD: usize = 20;

/// A small load that runs while something fails.
struct Load {
    stop: Arc<AtomicBool>,
    /// Tokens for looks to come: a load that took them as it runs would have none left when a machine is
    /// fast and a fault slow to be named.
    kept: Mutex<Vec<String>>,
    cold: mpsc::Sender<String>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

impl Load {
    /// Asks in turn as everybody whom the table in `docs/faults.md` tells apart: `hot` again and again,
    /// each of `kept` once, some at each look, `revoked`, a forger, a guest and nobody.
    fn start(address: SocketAddr, hot: &str, revoked: &str, kept: Vec<String>) -> Self {
        let (cold, supply) = mpsc::channel::<String>();
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::new())));
        let (hot, revoked, forged) = (bearer(hot), bearer(revoked), bearer(&tokens::forged()));
        let thread = {
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(SeqCst) {
                    let cold = supply.try_recv().ok().map(|token| bearer(&token));
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
        Self { stop, kept: Mutex::new(kept), cold, seen, thread }
    }

    /// Waits until every sort was asked for some more times, and returns what came of all since the last
    /// look. What was on its way at that look is in it.
    fn look(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap());
        let mut kept = self.kept.lock().unwrap();
        let share = kept.len().saturating_sub(COLD)..;
        kept.drain(share).for_each(|token| self.cold.send(token).unwrap());
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
        let Some((verdicts, longest, _)) = seen.get(sort) else {
            panic!("{phase}: no {sort} asked")
        };
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
