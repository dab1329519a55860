//! A thundering herd stays outside Redis: all gateways start anew, Redis is flushed, is slow, or a record that
//! everybody uses ends. `docs/redis.md` says what keeps it out.

mod load;

use std::time::{Duration, Instant};

use self::load::Load;
use super::harness::{
    backend::Backend,
    client::{Client, bearer, get},
    gateway::{Gateway, Setup},
    redis::{Redis, token_key},
    tokens::Token,
    until,
};

const RULES: &str = r#"
[rules]
"GET /status"    = "public"
"* /catalog/**"  = "guest"
"* /orders/**"   = "authenticated"
"#;

/// A gateway whose every worker has this many turns, and whose identities live as `lives` says.
fn gate(backend: &Backend, redis: &Redis, turns: (usize, usize), lives: &str) -> Gateway {
    let (questions, waiting) = turns;
    let url = redis.url();
    let store = format!("{{ url = {url:?}, questions = {questions}, waiting = {waiting} }}");
    let tokens = format!("[tokens]\n{lives}\n");
    Setup::new(&backend.url()).key("store", &store).tables(RULES).tables(&tokens).start()
}

fn ask(token: &Token) -> String {
    get("/orders/1", &bearer(&token.text))
}

/// Who holds the 10,000 tokens.
const SUBJECTS: usize = 100;
const TOKENS: usize = 10_000;
const GATEWAYS: usize = 3;

#[test]
fn a_restart_of_all_gateways_asks_for_each_token_once_and_a_flush_makes_all_unknown() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let tokens: Vec<Token> =
        (0..TOKENS).map(|number| Token::of(&format!("user{}", number % SUBJECTS))).collect();
    redis.keep_all(&tokens);
    let lives = r#"near-cache = { ttl = "10m", ttl-without-push = "10m" }"#;
    let mut gates: Vec<Gateway> =
        (0..GATEWAYS).map(|_| gate(&backend, &redis, (2, 4), lives)).collect();
    let addresses: Vec<_> = gates.iter().map(|gate| gate.address).collect();
    let load = Load::start(&addresses, &tokens);
    let busy = "503 store_busy";
    load.whole_round();
    load.only(&["200", busy], "while all is well");

    let asked = |redis: &Redis| (redis.count("get"), redis.count("hmget"));
    let before = asked(&redis);
    gates.iter_mut().for_each(Gateway::kill);
    for (number, gate) in gates.iter_mut().enumerate() {
        gate.start_again();
        load.moved(number, gate.address);
    }
    load.whole_round();
    load.only(&["200", busy, "503 store_unavailable", "gone"], "while all start anew");
    load.whole_round();
    load.only(&["200", busy], "after that");
    let (tokens_asked, principals_asked) = (asked(&redis).0 - before.0, asked(&redis).1 - before.1);
    // What was asked before the second worker of a gateway was connected has to be asked once more.
    let most = TOKENS as u64 * 5 / 4;
    assert!(tokens_asked <= most, "{tokens_asked} questions for {TOKENS} tokens");
    let most = (SUBJECTS * GATEWAYS * 2) as u64 * 3 / 2;
    assert!(principals_asked <= most, "{principals_asked} questions for {SUBJECTS} principals");

    redis.command(&["FLUSHALL"]);
    load.whole_round();
    load.forget();
    load.whole_round();
    load.only(&["401 token_unknown", busy], "after the flush");
    load.end();
}

/// Tokens that nobody has used before, more at once than there are turns and places for them.
const CROWD: usize = 200;

#[test]
fn a_store_that_answers_nothing_is_asked_no_more_than_it_may_be_and_others_notice_nothing() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let grace = r#"grace = "1m""#;
    let (questions, waiting) = (8, 16);
    let gate = gate(&backend, &redis, (questions, waiting), grace);
    let tokens: Vec<Token> = (0..CROWD * 5).map(|_| Token::of("ann")).collect();
    redis.keep_all(&tokens);
    let hot = redis.issue("eve");
    until("both workers to know the token", || {
        (0..8).all(|_| gate.ask(ask(&hot)).verdict() == "200").then_some(())
    });
    let memory = gate.memory_kib();
    let mut clients: Vec<Client> = (0..CROWD).map(|_| gate.connect()).collect();
    redis.freeze();
    let mut refused = Vec::new();
    for crowd in tokens.chunks(CROWD) {
        for (client, token) in clients.iter_mut().zip(crowd) {
            client.send(ask(token));
        }
        let (now, then) = (gate.metric("tollgate_store_lookups"), "tollgate_store_lookups_waiting");
        assert!(now <= (2 * questions) as f64, "{now} questions");
        assert!(gate.metric(then) <= (2 * waiting) as f64, "{} wait", gate.metric(then));
        assert_eq!(gate.ask(ask(&hot)).verdict(), "200");
        assert_eq!(gate.ask(get("/catalog/1", "")).verdict(), "200");
        assert_eq!(gate.ask(get("/status", "")).verdict(), "200");
        refused.extend(clients.iter_mut().map(Client::answer));
    }
    let mut after = [0; 4];
    for answer in &refused {
        let verdict = answer.verdict();
        assert!(matches!(&*verdict, "503 store_busy" | "503 store_unavailable"), "{verdict}");
        after[answer.field("retry-after").unwrap().parse::<usize>().unwrap()] += 1;
    }
    assert!(after[0] == 0 && after[1..].iter().all(|count| *count > CROWD), "{after:?}");
    let busy = refused.iter().filter(|answer| answer.reason() == "store_busy").count();
    assert!(busy > 0, "{busy}");
    assert!(gate.metric("tollgate_store_lookups_refused_total") >= busy as f64);
    let grown = gate.memory_kib().saturating_sub(memory);
    assert!(grown < 32 * 1024, "{grown} KiB more");

    redis.thaw();
    let healed = |token: &Token| (gate.ask(ask(token)).verdict() == "200").then_some(());
    until("the store to be used again", || healed(&tokens[0]));
    tokens.iter().for_each(|token| until("each token", || healed(token)));
    for idle in ["tollgate_store_lookups", "tollgate_store_lookups_waiting"] {
        until(idle, || (gate.metric(idle) == 0.0).then_some(()));
    }
}

#[test]
fn a_record_that_64_connections_use_is_asked_for_once_however_it_ends() {
    const LIFE: Duration = Duration::from_secs(2);
    let (backend, redis) = (Backend::plain(), Redis::start());
    let lives = r#"near-cache = { ttl = "2s", ttl-without-push = "2s" }"#;
    let gate = gate(&backend, &redis, (256, 1_024), lives);
    let token = redis.issue("ann");
    until("the token", || (gate.ask(ask(&token)).verdict() == "200").then_some(()));
    let tokens = vec![token.clone(); 64];
    let load = Load::of_all(&[gate.address], &tokens);
    load.whole_round();
    // It ends of age.
    let (began, before) = (Instant::now(), redis.count("get"));
    until("some lives of it", || (redis.count("get") >= before + 3).then_some(()));
    let lives = began.elapsed().as_secs_f64() / LIFE.as_secs_f64();
    let asked = redis.count("get") - before;
    // Each is shorter than it may be by up to a tenth, and another tenth ahead of its end.
    assert!(asked as f64 <= lives / 0.8 + 1.0, "{asked} questions in {lives} lives");
    // It is written anew, of which both workers are told, one after the other.
    let (renewed, before) = (Instant::now(), redis.count("get"));
    redis.keep(&token);
    until("a question", || (redis.count("get") > before).then_some(()));
    load.whole_round();
    let lives = renewed.elapsed().as_secs_f64() / LIFE.as_secs_f64();
    let asked = redis.count("get") - before;
    assert!(asked as f64 <= 3.0 + lives / 0.8 + 1.0, "{asked} questions of 64 connections");
    load.only(&["200"], "all the while");
    // It is gone.
    let key = token_key(&token);
    redis.command(&["DEL", &key]);
    until("the end", || (gate.ask(ask(&token)).verdict() == "401 token_unknown").then_some(()));
    load.whole_round();
    load.forget();
    load.whole_round();
    load.only(&["401 token_unknown"], "after its end");
    load.end();
}
