//! Clients that try to use up what the gateway has: connections, memory, time. During each attack somebody
//! else is served; the attack ends as docs/limits.md says; afterwards what it took is free again.

mod bodies;
mod crowds;
mod floods;
mod heads;

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use super::harness::{
    backend::Backend,
    client::get,
    gateway::{Gateway, Setup},
    until,
};

const RULES: &str = r#"
[rules]
"* /open/**" = "public"
"* /vast/**" = { who = "public", body = "2GiB" }
"#;

fn gateway(backend: &Backend, tables: &str) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).tables(tables).start()
}

/// Longest wait of a client in good order. The promise is a second; the machine is shared.
const LONGEST: Duration = Duration::from_secs(10);

/// What an attack may make the gateway hold, KiB, and what may be left of that: the allocator's own.
const HELD_MAX: usize = 192 * 1024;
const LEFT_MAX: usize = 32 * 1024;

/// Runs `attack` while somebody in good order asks again and again, on one connection and on new ones, and
/// checks that he is answered, what is held meanwhile, and that it is given back.
fn beside<T>(gate: &Gateway, attack: impl FnOnce() -> T) -> T {
    (0..20).for_each(|_| assert_eq!(gate.ask(get("/open/good", "")).verdict(), "200"));
    let (memory, descriptors) = (gate.memory_kib(), gate.descriptors());
    let over = AtomicBool::new(false);
    let (outcome, (answers, longest, held)) = std::thread::scope(|scope| {
        let good = scope.spawn(|| good_client(gate, &over));
        let over = Over(&over);
        let outcome = attack();
        drop(over);
        (outcome, good.join().unwrap())
    });
    let held = held.saturating_sub(memory);
    eprintln!("{answers} good answers, the longest {longest:?}; {held} KiB held");
    assert!(longest < LONGEST, "a good client waited for {longest:?}");
    assert!(held < HELD_MAX, "{held} KiB were held");
    until("memory and descriptors to be given back", || {
        // The allocator gives back while it works.
        (0..20).for_each(|_| assert_eq!(gate.ask(get("/open/good", "")).verdict(), "200"));
        let left = gate.memory_kib().saturating_sub(memory);
        let open = gate.descriptors().saturating_sub(descriptors);
        (left < LEFT_MAX && open < 8).then_some(())
    });
    outcome
}

/// Tells that the attack is over, also when it panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Asks until it is `over`: how often, the longest wait, and the most memory that was seen, KiB.
fn good_client(gate: &Gateway, over: &AtomicBool) -> (usize, Duration, usize) {
    let (mut answers, mut longest, mut held) = (0, Duration::ZERO, 0);
    let mut kept = gate.connect();
    while answers == 0 || !over.load(SeqCst) {
        let asked = Instant::now();
        let answer = match answers % 2 {
            0 => kept.ask(get("/open/good", "")),
            _ => gate.ask(get("/open/good", "Connection: close\r\n")),
        };
        longest = longest.max(asked.elapsed());
        assert_eq!(answer.verdict(), "200");
        answers += 1;
        held = held.max(gate.memory_kib());
        std::thread::sleep(Duration::from_millis(5)); // a client, not one more attack
    }
    (answers, longest, held)
}
