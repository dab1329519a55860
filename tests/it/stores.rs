//! The same gateway over each store, and each store at its worst.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::harness::{
    Rows,
    backend::Backend,
    client::{bearer, get},
    gateway::{Gateway, Setup, command},
    redis::{Redis, token_key},
    tokens::{self, Token},
    until,
};

const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"GET /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
"*   /buy/**"     = "role:buyer"
"#;

/// What a client is promised to wait at most while the store is away.
const STORE_LIMIT: Duration = Duration::from_secs(1);

fn setup(backend: &Backend, redis: &Redis) -> Setup {
    let store = format!("{{ url = {:?}, timeout = \"200ms\" }}", redis.url());
    Setup::new(&backend.url()).key("store", &store).tables(RULES)
}

/// Nothing known counts for longer than a moment, so that a test need not wait.
const SHORT: &str = "[tokens]\nnear-cache = { ttl-without-push = \"20ms\" }";

#[test]
#[rustfmt::skip] // a table is read by column
fn every_store_gives_the_same_verdicts() {
    let backend = Backend::plain();
    let redis = Redis::start();
    let (ann, eve) = (redis.issue("ann").text, redis.issue("eve").text);
    let over_redis = setup(&backend, &redis).start();
    let over_file = Setup::new(&backend.url()).tables(RULES).start();
    let in_memory = Setup::new(&backend.url()).key("store", r#""memory:""#).tables(RULES).start();
    let (forged, unknown, expired) = (tokens::forged(), tokens::unknown(), Token::expired("ann").text);
    let table = [
        ("/status",    "",       "200"),
        ("/status",    "bad",    "200"),
        ("/catalog/1", "",       "200"),
        ("/catalog/1", &unknown, "401 token_unknown"),
        ("/orders",    "ann",    "200"),
        ("/orders",    &forged,  "401 token_forged"),
        ("/orders",    &expired, "401 token_expired"),
        ("/orders",    &unknown, "401 token_unknown"),
        ("/buy/1",     "ann",    "403 role_missing"),
        ("/buy/1",     "eve",    "200"),
    ];
    let mut rows = Rows::default();
    for (name, gate) in [("redis", &over_redis), ("file", &over_file), ("memory", &in_memory)] {
        for (target, who, verdict) in table {
            let token = match (name, who) {
                ("redis", "ann") => &ann,
                ("redis", "eve") => &eve,
                ("file", "ann" | "eve") => gate.token(who),
                ("memory", "ann" | "eve") => continue, // nobody has put one there
                _ => who,
            };
            let fields = if token.is_empty() { String::new() } else { bearer(token) };
            let found = gate.ask(get(target, &fields)).verdict();
            rows.check(&format!("{name}: {target} as {who}"), &found, verdict);
        }
    }
}

#[test]
fn a_token_revoked_elsewhere_is_refused_within_the_ttl() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let token = redis.issue("ann");
    let gate = setup(&backend, &redis).start();
    let mut client = gate.connect();
    let asked = get("/orders", &bearer(&token.text));
    assert_eq!(client.ask(&asked).verdict(), "200");
    redis.revoke(&token);
    let revoked = Instant::now();
    let refused = until("the refusal", || {
        let answer = client.ask(&asked);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.verdict(), "401 token_unknown");
    assert!(revoked.elapsed() < Duration::from_secs(3), "a second, and some slack");
}

/// Nothing but the store's word ends these: they count for an hour of themselves.
const LONG: &str = "[tokens]\nnear-cache = { ttl = \"1h\", ttl-without-push = \"1h\" }";

#[test]
fn what_one_gateway_ends_the_other_refuses_because_the_store_tells_it() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let gate = || setup(&backend, &redis).key("admin", r#""unix:admin.sock""#).tables(LONG).start();
    let (here, there) = (gate(), gate());
    let (revoked, all) = (redis.issue("ann"), redis.issue("eve"));
    for (token, words, input, verdict) in [
        (&revoked, &["token", "revoke"][..], &*revoked.text, "401 token_unknown"),
        (&all, &["token", "revoke", "--subject", "eve"][..], "", "401 token_revoked"),
    ] {
        let asked = get("/orders", &bearer(&token.text));
        for gate in [&here, &there, &there] {
            assert_eq!(gate.ask(&asked).verdict(), "200");
        }
        let (code, said) = command(&here.config, words, input);
        assert_eq!(code, 0, "{said}");
        assert_eq!(here.ask(&asked).verdict(), verdict);
        let refused = until("the refusal", || {
            let answer = there.ask(&asked);
            (answer.status != 200).then_some(answer)
        });
        assert_eq!(refused.verdict(), verdict);
    }
}

#[test]
fn revoking_all_of_a_principal_or_shutting_it_out_ends_its_tokens() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let token = redis.issue("ann");
    let gate = setup(&backend, &redis).tables(SHORT).start();
    let principal = "tollgate:principal:user:ann";
    let verdict = || gate.ask(get("/orders", &bearer(&token.text))).verdict();
    let becomes = |expected: &str| until(expected, || (verdict() == expected).then_some(()));
    becomes("200");
    redis.command(&["HSET", principal, "generation", "2"]);
    becomes("401 token_revoked");
    redis.command(&["HSET", principal, "generation", "1", "active", "0"]);
    becomes("401 principal_inactive");
    redis.command(&["DEL", principal]);
    becomes("401 principal_missing");
    redis.keep(&token);
    becomes("200");
    redis.command(&["SET", &token_key(&token), "{\"subject\":"]);
    becomes("503 store_bad_record");
}

#[test]
fn a_hot_token_is_asked_for_once_and_bad_ones_never() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let token = redis.issue("ann");
    let near = "[tokens]\nnear-cache = { ttl = \"60s\", ttl-without-push = \"60s\" }";
    let gate = setup(&backend, &redis).tables(near).start();
    let (start, end) = (&token.text[..30], &token.text[31..]);
    let damaged =
        format!("{start}{}{end}", if token.text.as_bytes()[30] == b'A' { 'B' } else { 'A' });
    let (forged, expired) = (tokens::forged(), Token::expired("ann").text);
    for bad in [&forged, &expired, &damaged, &"short".to_owned()] {
        for _ in 0..5 {
            assert_eq!(gate.ask(get("/orders", &bearer(bad))).status, 401);
        }
    }
    assert_eq!((redis.count("get"), redis.count("hmget")), (0, 0));
    for _ in 0..50 {
        assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "200");
    }
    assert_eq!((redis.count("get"), redis.count("hmget")), (1, 1), "two workers, one near cache");
    let unknown = tokens::unknown();
    let mut client = gate.connect();
    for _ in 0..20 {
        let answer = client.ask(get("/orders", &bearer(&unknown)));
        assert_eq!(answer.verdict(), "401 token_unknown");
    }
    let asked = redis.count("get") - 1;
    assert!((1..=5).contains(&asked), "unknown tokens are kept apart for a moment: {asked}");
}

/// While the store is away: who has it all the same, who does not, and how fast.
fn check_outage(gate: &Gateway, token: &str) {
    let store_answers = |limit: Duration| {
        let asked = Instant::now();
        let answer = gate.ask(get("/orders", &bearer(token)));
        assert_eq!(answer.verdict(), "503 store_unavailable");
        let wait: u32 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=3).contains(&wait), "{wait} s");
        assert_eq!(answer.field("www-authenticate"), None, "nothing was said of the token");
        assert!(asked.elapsed() < limit, "{:?}", asked.elapsed());
    };
    for _ in 0..5 {
        store_answers(STORE_LIMIT);
    }
    assert_eq!(gate.ask(get("/status", &bearer(token))).verdict(), "200");
    assert_eq!(gate.ask(get("/catalog/1", "")).verdict(), "200");
    let verdict = gate.ask(get("/catalog/1", &bearer(token))).verdict();
    assert_eq!(verdict, "503 store_unavailable", "a guest is who presents nothing");
    let verdict = gate.ask(get("/orders", &bearer(&tokens::forged()))).verdict();
    assert_eq!(verdict, "401 token_forged");
}

/// Waits until `/readyz` has this status, and returns what it says.
fn ready(gate: &Gateway, status: u16, degraded: bool) -> serde_json::Value {
    until("/readyz", || {
        let answer = gate.probe("/readyz");
        let body = answer.json();
        let is = body["degraded"].as_array().is_some_and(|parts| !parts.is_empty());
        (answer.status == status && is == degraded).then_some(body)
    })
}

fn heals(gate: &Gateway, token: &str) {
    let back = Instant::now();
    until("the store to be used again", || {
        (gate.ask(get("/orders", &bearer(token))).status == 200).then_some(())
    });
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    ready(gate, 200, false);
}

#[test]
fn a_redis_that_is_killed_costs_503_within_the_limit_and_heals_by_itself() {
    let backend = Backend::plain();
    let mut redis = Redis::start();
    let token = redis.issue("ann");
    let gate = setup(&backend, &redis).tables(SHORT).start();
    ready(&gate, 200, false);
    assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "200");
    redis.kill();
    until("the identity to be forgotten", || {
        (gate.ask(get("/orders", &bearer(&token.text))).status == 503).then_some(())
    });
    check_outage(&gate, &token.text);
    let body = ready(&gate, 200, true);
    assert_eq!((&body["ready"], &body["degraded"][0]["part"]), (&true.into(), &"store".into()));
    assert_eq!(gate.metric("tollgate_store_up"), 0.0);
    redis.restart();
    redis.keep(&token);
    heals(&gate, &token.text);
}

#[test]
fn a_redis_that_stands_still_costs_503_within_the_limit_and_heals_by_itself() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let token = redis.issue("ann");
    let required = setup(&backend, &redis).key("ready-requires", r#"["store"]"#);
    let gate = required.tables(SHORT).start();
    ready(&gate, 200, false);
    assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "200");
    redis.freeze();
    until("the identity to be forgotten", || {
        (gate.ask(get("/orders", &bearer(&token.text))).status == 503).then_some(())
    });
    check_outage(&gate, &token.text);
    let body = ready(&gate, 503, true);
    assert_eq!(body["ready"], false, "an operator asked for it with `ready-requires`");
    redis.thaw();
    heals(&gate, &token.text);
}

#[test]
fn a_gateway_starts_without_its_redis_and_takes_it_when_it_comes() {
    let backend = Backend::plain();
    let mut redis = Redis::start();
    redis.kill();
    let token = Token::of("ann");
    let gate = setup(&backend, &redis).start();
    check_outage(&gate, &token.text);
    ready(&gate, 200, true);
    redis.restart();
    redis.keep(&token);
    heals(&gate, &token.text);
}

#[test]
fn within_its_grace_a_confirmed_identity_outlives_the_store_and_nobody_else_does() {
    let backend = Backend::plain();
    let mut redis = Redis::start();
    let (token, other) = (redis.issue("ann"), redis.issue("eve"));
    let tables = "[tokens]\ngrace = \"60s\"\nnear-cache = { ttl-without-push = \"20ms\" }";
    let gate = setup(&backend, &redis).tables(tables).start();
    assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "200");
    redis.kill();
    for _ in 0..5 {
        std::thread::yield_now();
        assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "200");
    }
    let answer = gate.ask(get("/orders", &bearer(&other.text)));
    assert_eq!(answer.verdict(), "503 store_unavailable", "never confirmed");
    let line = until("an identity by grace", || {
        let answer = gate.ask(get("/orders", &bearer(&token.text)));
        let line = gate.access_line(&answer);
        (line["cache"] == "grace").then_some(line)
    });
    assert_eq!(line["principal"], "ann");
}

#[test]
fn a_redis_with_a_password_is_used_and_a_wrong_password_is_an_outage_and_no_refusal() {
    let backend = Backend::plain();
    let redis = Redis::start_with(Some("let-me-in-7781"));
    let token = redis.issue("ann");
    let gate = setup(&backend, &redis).start();
    assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "200");
    let wrong = format!("{:?}", redis.url().replace("7781", "0000"));
    let gate = Setup::new(&backend.url()).key("store", &wrong).tables(RULES).start();
    assert_eq!(gate.ask(get("/orders", &bearer(&token.text))).verdict(), "503 store_unavailable");
}

#[test]
#[rustfmt::skip]
fn tokens_of_another_service_are_read_where_that_service_keeps_them() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let in_an_hour = std::time::SystemTime::now() + Duration::from_secs(3600);
    let at = in_an_hour.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let hashed: String = Sha256::digest("hash-token-0123456789").iter().map(|b| format!("{b:02x}")).collect();
    redis.command(&["SET", "session:json-token-0123456789",
        &format!(r#"{{"user":{{"id":7,"login":"ann"}},"roles":["buyer"],"exp":{at}}}"#)]);
    redis.command(&["SET", "session:json-token-expired-01", r#"{"user":{"id":7},"roles":[],"exp":1}"#]);
    redis.command(&["SET", "session:json-token-without-it", r#"{"user":{},"roles":[],"exp":9999999999}"#]);
    redis.command(&["SET", "session:json-token-bad-roles-", r#"{"user":{"id":7},"roles":"admin","exp":9999999999}"#]);
    redis.command(&["HSET", &format!("s:{hashed}"), "uid", "eve", "roles", "buyer ops"]);
    redis.command(&["SET", "t:text-token-0123456789", "bob"]);
    redis.command(&["SET", "t:text-token-short-lived", "bob", "PX", "300"]);
    redis.command(&["HSET", "t:text-token-is-a-hash-", "uid", "eve"]);

    let json = r#"key = "session:{token}"
        record = "json"
        fields = { subject = "/user/id", name = "/user/login", roles = "/roles", expires = { at = "/exp", unit = "s" } }"#;
    let hash = r#"key = "s:{sha256}"
        record = "hash"
        fields = { subject = "uid", roles = { at = "roles", split = " " } }"#;
    let text = "key = \"t:{token}\"\nrecord = \"text\"";
    let gate = |layout: &str| {
        setup(&backend, &redis).without("secret").tables(&format!("[tokens]\n{layout}")).start()
    };
    let (json, hash, text) = (gate(json), gate(hash), gate(text));
    let mut rows = Rows::default();
    for (gate, target, token, verdict, subject) in [
        (&json, "/buy/1",  "json-token-0123456789",   "200",                  Some("7")),
        (&json, "/orders", "json-token-expired-01",   "401 token_expired",    None),
        (&json, "/orders", "json-token-without-it",   "503 store_bad_record", None),
        (&json, "/buy/1",  "json-token-bad-roles-",   "503 store_bad_record", None),
        (&json, "/orders", "json-token-nobody-has",   "401 token_unknown",    None),
        (&json, "/orders", "short",                   "401 token_malformed",  None),
        (&json, "/orders", "text-token-with-*-in-it", "401 credential_malformed", None),
        (&hash, "/buy/1",  "hash-token-0123456789",   "200",                  Some("eve")),
        (&text, "/orders", "text-token-0123456789",   "200",                  Some("bob")),
        (&text, "/buy/1",  "text-token-0123456789",   "403 role_missing",     None),
        (&text, "/orders", "text-token-is-a-hash-",   "503 store_bad_record", None),
    ] {
        let found = gate.ask(get(target, &bearer(token))).verdict();
        rows.check(&format!("{target} with {token}"), &found, verdict);
        if let Some(subject) = subject {
            assert_eq!(backend.last().field("x-auth-subject"), Some(subject));
        }
    }
    let short = get("/orders", &bearer("text-token-short-lived"));
    until("the key's own end to count", || (text.ask(&short).status == 401).then_some(()));
}

#[test]
fn guessing_foreign_tokens_is_slowed_for_the_guesser_alone() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    redis.command(&["SET", "t:text-token-0123456789", "bob"]);
    let layout = "[tokens]\nkey = \"t:{token}\"\nrecord = \"text\"\n[limits]\nunknown-tokens = 10\n\
        [trust]\nproxies = [\"127.0.0.1\"]";
    let gate = setup(&backend, &redis).without("secret").tables(layout).start();
    let ask = |token: &str, client: &str| {
        let fields = format!("{}X-Forwarded-For: {client}\r\n", bearer(token));
        gate.ask(get("/orders", &fields))
    };
    for guess in 0..10 {
        let answer = ask(&format!("guess-guess-guess-{guess}"), "198.51.100.1");
        assert_eq!(answer.verdict(), "401 token_unknown", "{guess}");
    }
    let answer = ask("guess-guess-guess-10", "198.51.100.1");
    assert_eq!(answer.verdict(), "429 too_many_unknown_tokens");
    assert_eq!(answer.field("retry-after"), Some("60"));
    assert_eq!(ask("text-token-0123456789", "198.51.100.2").verdict(), "200");
    assert_eq!(gate.ask(get("/catalog/1", "X-Forwarded-For: 198.51.100.1\r\n")).verdict(), "200");
}

#[test]
fn the_embedded_file_survives_kill_9_and_is_held_by_one_process() {
    let backend = Backend::plain();
    let mut gate = Setup::new(&backend.url()).tables(RULES).start();
    let ann = gate.bearer("ann");
    for _ in 0..3 {
        assert_eq!(gate.ask(get("/orders", &ann)).verdict(), "200");
        let (code, said) = super::harness::gateway::refused(&gate.config);
        assert_ne!(code, 0);
        assert!(said.contains("in use by another process"), "{said}");
        gate.kill();
        let later = Token::of("eve");
        tokens::write(&gate.folder().join("tollgate.redb"), [&later].into_iter());
        gate.start_again();
        assert_eq!(gate.ask(get("/buy/1", &bearer(&later.text))).verdict(), "200");
    }
    assert_eq!(gate.ask(get("/orders", &ann)).verdict(), "200");
}
