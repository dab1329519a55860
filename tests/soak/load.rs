//! The load: connections that ask at a steady pace, and an operator who issues and revokes.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    faults::Dice,
    http::{Client, Connection, Lost, Question},
    model::{Excuse, Model, Token, Who},
    processes::World,
};

const CONNECTIONS: u64 = 8;
const CALIBRATION: Duration = Duration::from_secs(3);

/// Between two acts of the operator.
const DESK_PACE: Duration = Duration::from_millis(150);
/// Tokens that live at once; beyond it each new one ends an old one.
const LIVE_TOKENS: usize = 200;
/// Every fifth token lives no longer than this.
const SHORT_LIFE: Duration = Duration::from_secs(12);
/// The most recent of them are asked for most.
const HOT: usize = 5;

/// How long a connection goes by the tokens that it knows of: after an hour they are many to look through.
const NEWS: Duration = Duration::from_millis(500);

/// A text that has the form of a token, and that nobody signed.
const FORGED: &str = "YWMtAAAAAAAAEeCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Shared {
    stop: AtomicBool,
    /// Between two requests of one connection, microseconds; 0 is as fast as it goes.
    pace_us: AtomicU64,
}

pub(crate) struct Load {
    shared: Arc<Shared>,
    model: Arc<Model>,
    threads: std::cell::RefCell<Vec<JoinHandle<()>>>,
}

impl Load {
    /// Begins as fast as it goes, once there are some tokens.
    pub(crate) fn start(world: &World, model: &Arc<Model>) -> Self {
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), pace_us: AtomicU64::new(0) });
        let desk = {
            let (shared, model, admin) = (Arc::clone(&shared), Arc::clone(model), world.admin());
            thread::spawn(move || desk(&shared, &model, &admin))
        };
        while model.tokens().len() < 2 * HOT {
            thread::sleep(Duration::from_millis(10));
        }
        let mut threads = vec![desk];
        for number in 0..CONNECTIONS {
            let (shared, model) = (Arc::clone(&shared), Arc::clone(model));
            let asking = Client::new(world.address, world.backend_address);
            threads.push(thread::spawn(move || client(&shared, &model, asking, number)));
        }
        Self { shared, model: Arc::clone(model), threads: threads.into() }
    }

    /// Measures what the machine can, and goes on with half of it: requests per second.
    pub(crate) fn calibrate(&self) -> u64 {
        let before = self.model.counts.requests.load(Relaxed);
        thread::sleep(CALIBRATION);
        let could = (self.model.counts.requests.load(Relaxed) - before) / CALIBRATION.as_secs();
        let rate = (could / 2).max(1);
        self.shared.pace_us.store(1_000_000 * CONNECTIONS / rate, SeqCst);
        rate
    }

    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, SeqCst);
        self.threads.borrow_mut().drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// One connection, made again whenever it is lost.
fn client(shared: &Shared, model: &Model, mut client: Client, number: u64) {
    let mut dice = Dice::new(number);
    let (mut due, mut count) = (Instant::now(), 0_u64);
    let (mut tokens, mut known) = (model.tokens(), Instant::now());
    while !shared.stop.load(SeqCst) {
        due = due.max(Instant::now() - Duration::from_millis(100))
            + Duration::from_micros(shared.pace_us.load(Relaxed));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if known.elapsed() > NEWS {
            (tokens, known) = (model.tokens(), Instant::now());
        }
        count += 1;
        let (method, target, who) = request(&mut dice, &tokens, &format!("{number}-{count}"));
        let token = match &who {
            Who::Nobody => None,
            Who::Forger => Some(FORGED),
            Who::Holder(token, _) => Some(&*token.text),
        };
        let sent = Instant::now();
        let (outcome, again) = client.ask(Question { method, target: &target, token });
        if again {
            model.asked_again(&target, sent);
        }
        model.judge(&target, &who, &outcome, sent);
        if outcome.is_err_and(|lost| lost == Lost::Refused) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What to ask next: hot and cold tokens, ended ones, roles, guests, nobody, forgers.
fn request(dice: &mut Dice, tokens: &[Arc<Token>], name: &str) -> (&'static str, String, Who) {
    let recent = tokens.len().saturating_sub(LIVE_TOKENS);
    let hot = || Who::holder(&tokens[tokens.len() - 1 - (tokens.len() / 50) % HOT]);
    let mut any = |from: usize| {
        let at = from + usize::try_from(dice.below((tokens.len() - from) as u64)).unwrap();
        Who::holder(&tokens[at])
    };
    let (recent, old) = (any(recent), any(0));
    match dice.below(100) {
        0..45 => ("GET", format!("/orders/{name}"), hot()),
        45..60 => ("GET", format!("/orders/{name}"), recent),
        60..65 => ("GET", format!("/orders/{name}"), old),
        65..75 => ("GET", format!("/catalog/{name}"), Who::Nobody),
        75..85 => ("GET", "/status".to_owned(), Who::Nobody),
        85..92 => ("GET", format!("/buy/{name}"), recent),
        92..94 => ("GET", format!("/orders/{name}"), Who::Nobody),
        94..96 => ("GET", format!("/orders/{name}"), Who::Forger),
        _ => ("POST", format!("/orders/{name}"), recent),
    }
}

/// The operator: issues, and ends what is old. An end that is not acknowledged is asked for again.
fn desk(shared: &Shared, model: &Model, admin: &std::path::Path) {
    let (mut count, mut ending): (u64, Vec<Arc<Token>>) = (0, Vec::new());
    let mut unsaid = model.tokens();
    while !shared.stop.load(SeqCst) {
        thread::sleep(DESK_PACE);
        count += 1;
        if let Some(token) = issue(model, admin, count) {
            unsaid.push(Arc::clone(&token));
            model.add(token);
        }
        unsaid.retain(|token| token.is_live());
        if unsaid.len() > LIVE_TOKENS {
            let token = unsaid.remove(usize::try_from(count).unwrap() % (LIVE_TOKENS / 2));
            token.ends();
            ending.push(token);
        }
        ending.retain(|token| {
            let ended =
                act(model, admin, "/tokens/revoke", &json!({ "token": token.text })).is_some();
            if ended {
                token.ended();
            }
            !ended
        });
    }
}

fn issue(model: &Model, admin: &std::path::Path, count: u64) -> Option<Arc<Token>> {
    let (subject, is_buyer) = (format!("user-{count}"), count.is_multiple_of(2));
    let short = count.is_multiple_of(5).then_some(SHORT_LIFE);
    let asked = Instant::now();
    let order = json!({
        "subject": subject,
        "roles": if is_buyer { vec!["buyer"] } else { vec![] },
        "ttl": short.map_or_else(|| "never".to_owned(), |life| format!("{}s", life.as_secs())),
    });
    let issued = act(model, admin, "/tokens", &order)?;
    let text = issued["token"].as_str().unwrap().to_owned();
    // The clock of expiry is the wall's, in whole milliseconds.
    let slack = Duration::from_millis(50);
    let expires = short.map(|life| (asked + life - slack, Instant::now() + life + slack));
    Some(Token::new(text, subject, is_buyer, expires))
}

/// Asks the admin listener; what it answers when it has done it.
fn act(
    model: &Model,
    admin: &std::path::Path,
    path: &str,
    body: &serde_json::Value,
) -> Option<serde_json::Value> {
    let sent = Instant::now();
    let outcome = Connection::unix(admin)
        .and_then(|mut connection| connection.ask("POST", path, None, &body.to_string()));
    if let Ok(answer) = &outcome
        && answer.status < 300
    {
        return Some(serde_json::from_slice(&answer.body).unwrap());
    }
    let (said, excuses) = match &outcome {
        Ok(answer) if answer.status == 503 => {
            ("not acknowledged".to_owned(), &[Excuse::Store, Excuse::Writes][..])
        }
        Ok(answer) => (format!("{}", answer.status), &[][..]),
        Err(lost) => (format!("{lost:?}"), Excuse::of(*lost)),
    };
    match model.excuse(excuses, sent, Instant::now()) {
        Some(fault) => model.excused(fault, &format!("admin {said}")),
        None => {
            let body = outcome.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
            model.note(&model.counts.refused_while_well, format!("admin {path}: {said} {body:?}"));
        }
    }
    None
}
