//! The resolver over real stores: what is asked, what is cached, and what a revocation reaches.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use uuid::Uuid;

use super::{
    fences::Fences,
    near::NearCache,
    resolve::{Level, Resolver, Scheme, Unresolved},
};
use crate::{
    auth::credential::Source,
    config::{self, FieldAt, Foreign, ForeignRecord, KeyPiece, RedisStore, Tokens},
    secret::Secret,
    store::{
        Store, StoreError, StoreOrigin,
        testing::{HoldingProxy, TestRedis, connected, on_worker, record, redis_at, tcp, until},
    },
    token::{
        keyring::Keyring,
        ttl::{NEVER_MS, unix_ms},
    },
};

fn keyring() -> Keyring {
    Keyring::new(&[Secret::new("the secret of the resolver's tests")])
}

fn tokens(ttl: Duration, grace: Duration) -> Tokens {
    Tokens {
        from: vec![Source::Header],
        near_entries: 1_000,
        near_ttl: Duration::from_secs(30),
        near_ttl_without_push: ttl,
        grace,
        ttl: None,
        foreign: None,
    }
}

/// A near cache whose entries live longer than any test.
fn long() -> NearCache {
    NearCache::new(&tokens(Duration::from_secs(30), Duration::ZERO), Arc::default())
}

fn now() -> i64 {
    unix_ms(SystemTime::now())
}

fn own(near: &NearCache, store: &Store) -> Resolver {
    Resolver::new(Scheme::Own(keyring()), near.clone(), store.clone())
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Keeps a record and mints its text.
async fn issue(store: &Store, number: u128, subject: &str, expires_ms: i64) -> String {
    store.issue(id(number), record(subject, expires_ms)).await.unwrap();
    keyring().mint(id(number), expires_ms).unwrap().expose().to_owned()
}

fn memory() -> Store {
    StoreOrigin::open(&config::Store::Memory).unwrap().attach(|_| {})
}

/// A link to `port` that moves the epoch of `near` as the program's does.
async fn redis(port: u16, limit: Duration, near: &NearCache) -> Store {
    let config = RedisStore { timeout: limit, ..redis_at(tcp(port)) };
    let near = near.clone();
    let origin = StoreOrigin::open(&config::Store::Redis(config)).unwrap();
    connected(origin.attach(move |_| near.fences().next_epoch())).await
}

const SHORT: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(20);

async fn level(resolver: &Resolver, token: &str) -> Level {
    resolver.resolve(token, now()).await.unwrap().level
}

async fn reason(resolver: &Resolver, token: &str) -> &'static str {
    resolver.resolve(token, now()).await.unwrap_err().reason()
}

#[test]
fn each_level_answers_what_the_next_one_told_it() {
    on_worker(async {
        let (near, store) = (long(), memory());
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        let (first, second) = (own(&near, &store), own(&near, &store));
        let resolved = first.resolve(&token, now()).await.unwrap();
        assert_eq!(resolved.level, Level::Store);
        assert_eq!(resolved.identity.principal.id, "ann");
        assert_eq!(resolved.identity.principal.roles, ["buyer"]);
        assert_eq!(resolved.identity.principal.scopes, ["read"]);
        assert_eq!(
            (resolved.identity.issued_ms, resolved.identity.expires_ms),
            (Some(1), NEVER_MS)
        );
        assert_eq!(level(&first, &token).await, Level::Hot);
        assert_eq!(level(&second, &token).await, Level::Near);
        assert_eq!(level(&second, &token).await, Level::Hot);
        assert_eq!(first.counts().resolved(Level::Store), 1);
        assert_eq!(second.counts().resolved(Level::Hot), 1);
    });
}

#[test]
fn a_forged_damaged_or_expired_token_never_reaches_the_store() {
    let server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let good = issue(&store, 1, "ann", NEVER_MS).await;
        let other = Keyring::new(&[Secret::new("another secret")]);
        let mint = |ring: &Keyring, at| ring.mint(id(1), at).unwrap().expose().to_owned();
        let flipped = if good.ends_with('A') { "E" } else { "A" };
        let cases = [
            (mint(&other, NEVER_MS), "token_forged"),
            (format!("{}{flipped}", &good[..62]), "token_forged"),
            (good[..62].to_owned(), "token_malformed"),
            (format!("{good}x"), "token_malformed"),
            ("hello".to_owned(), "token_malformed"),
            (String::new(), "token_malformed"),
            (mint(&keyring(), now() - 1), "token_expired"),
            (mint(&keyring(), 0), "token_expired"),
            (mint(&keyring(), -1), "token_expired"),
        ];
        for (token, expected) in &cases {
            for _ in 0..3 {
                assert_eq!(reason(&resolver, token).await, *expected, "{token}");
            }
        }
        assert_eq!((server.calls("get"), server.calls("hmget")), (0, 1), "issuing reads the state");
        assert_eq!(level(&resolver, &good).await, Level::Store);
        assert_eq!((server.calls("get"), server.calls("hmget")), (1, 2));
        assert_eq!(resolver.counts().refused()[..3], [12, 6, 9]);
    });
}

#[test]
fn a_token_is_expired_at_its_expiry_whatever_is_cached() {
    on_worker(async {
        let (near, store) = (long(), memory());
        let expires_ms = now() + 60_000;
        let token = issue(&store, 1, "ann", expires_ms).await;
        let (hot, near_only) = (own(&near, &store), own(&near, &store));
        assert!(hot.resolve(&token, expires_ms - 1).await.is_ok());
        for resolver in [&hot, &near_only] {
            let refused = resolver.resolve(&token, expires_ms).await.unwrap_err();
            assert_eq!(refused, Unresolved::Expired);
        }
        assert_eq!(level(&hot, &token).await, Level::Hot, "it is not forgotten by that");
    });
}

#[test]
fn a_record_that_ends_before_its_token_says_ends_it() {
    on_worker(async {
        let (near, store) = (long(), memory());
        store.issue(id(1), record("ann", now() - 1)).await.unwrap();
        let token = keyring().mint(id(1), NEVER_MS).unwrap();
        assert_eq!(reason(&own(&near, &store), token.expose()).await, "token_expired");
    });
}

/// What ends a token, and what it is refused with afterwards.
#[derive(Clone, Copy, Debug)]
enum End {
    Revoke,
    RevokeAll,
    ShutOut,
}

impl End {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Revoke, "token_unknown"),
        (Self::RevokeAll, "token_revoked"),
        (Self::ShutOut, "principal_inactive"),
    ];

    async fn happen(self, near: &NearCache, store: &Store, subject: &str, number: u128) {
        let done = match self {
            Self::Revoke => near.revoke(store, id(number)).await,
            Self::RevokeAll => near.revoke_all(store, subject).await,
            Self::ShutOut => near.set_active(store, subject, false).await,
        };
        assert_eq!(done, Ok(true), "{self:?}");
    }
}

#[test]
fn what_is_ended_here_is_refused_at_once_from_every_level_of_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestRedis::start();
    on_worker(async {
        let file = config::Store::File(folder.path().join("tollgate.redb"));
        let near = long();
        let stores = [
            memory(),
            StoreOrigin::open(&file).unwrap().attach(|_| {}),
            redis(server.port, SHORT, &near).await,
        ];
        let mut number = 0;
        for store in &stores {
            for (end, expected) in End::ALL {
                number += 1;
                let subject = format!("user{number}");
                let token = issue(store, number, &subject, NEVER_MS).await;
                let (hot, near_only) = (own(&near, store), own(&near, store));
                assert_eq!(level(&hot, &token).await, Level::Store);
                assert_eq!(level(&hot, &token).await, Level::Hot);
                end.happen(&near, store, &subject, number).await;
                assert_eq!(reason(&hot, &token).await, expected, "{end:?} in {store:?}");
                assert_eq!(reason(&near_only, &token).await, expected, "{end:?} in {store:?}");
            }
        }
    });
}

/// The race that removing cache entries loses: the store's answer is under way while the token is
/// ended, and comes in afterwards.
#[test]
fn an_answer_that_a_revocation_overtook_is_never_used_again() {
    let server = TestRedis::start();
    let proxy = HoldingProxy::before(&server);
    on_worker(async {
        let near = long();
        let direct = redis(server.port, PATIENT, &near).await;
        let slow = redis(proxy.port, PATIENT, &near).await;
        let mut number = 0;
        for (end, expected) in End::ALL {
            for held in ["the record", "the principal"] {
                number += 1;
                let subject = format!("user{number}");
                let kept = direct.issue(id(number), record(&subject, NEVER_MS)).await.unwrap();
                let token = keyring().mint(id(number), NEVER_MS).unwrap().expose().to_owned();
                let generation = format!("\r\n{}\r\n", kept.generation);
                proxy.hold(if held == "the record" { "\"subject\"" } else { &generation });

                let (asking, other) = (Rc::new(own(&near, &slow)), own(&near, &slow));
                let question = {
                    let (asking, token) = (Rc::clone(&asking), token.clone());
                    tokio::task::spawn_local(async move { asking.resolve(&token, now()).await })
                };
                until("the answer is held", || proxy.is_holding()).await;
                end.happen(&near, &direct, &subject, number).await;
                proxy.release();
                // This one was asked before the end: either answer is true.
                let _ = question.await.unwrap();

                let place = format!("{end:?} while {held} was on its way");
                assert_eq!(reason(&asking, &token).await, expected, "hot: {place}");
                assert_eq!(reason(&other, &token).await, expected, "near: {place}");
            }
        }
    });
}

#[test]
fn a_hundred_equal_misses_on_two_workers_ask_once() {
    let server = TestRedis::start();
    let proxy = HoldingProxy::before(&server);
    let near = long();
    let token = on_worker(async {
        let store = redis(server.port, PATIENT, &near).await;
        issue(&store, 1, "ann", NEVER_MS).await
    });
    let before = (server.calls("get"), server.calls("hmget"));
    let (ready, begun) = (Barrier::new(2), AtomicUsize::new(0));
    let worker = || {
        on_worker(async {
            let store = redis(proxy.port, PATIENT, &near).await;
            let resolver = Rc::new(own(&near, &store));
            // Both links are up and move no epoch any more; then the answers are held.
            if ready.wait().is_leader() {
                proxy.hold("\"subject\"");
            }
            ready.wait();
            let questions: Vec<_> = (0..50)
                .map(|_| {
                    let (resolver, token) = (Rc::clone(&resolver), token.clone());
                    tokio::task::spawn_local(async move { resolver.resolve(&token, now()).await })
                })
                .collect();
            tokio::task::yield_now().await; // each runs until it waits
            begun.fetch_add(questions.len(), SeqCst);
            until("all wait", || begun.load(SeqCst) == 100 && proxy.is_holding()).await;
            if ready.wait().is_leader() {
                proxy.release();
            }
            for question in questions {
                assert_eq!(question.await.unwrap().unwrap().identity.principal.id, "ann");
            }
        });
    };
    thread::scope(|scope| {
        scope.spawn(worker);
        scope.spawn(worker);
    });
    assert_eq!((server.calls("get"), server.calls("hmget")), (before.0 + 1, before.1 + 1));
}

#[test]
fn an_error_is_never_cached() {
    let server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&store, 0xabc, "ann", NEVER_MS).await;
        let key = "tg:token:00000000000000000000000000000abc";
        let good = server.command(&["GET", key]);
        let good = good.lines().nth(1).unwrap();

        server.command(&["SET", key, "{}"]);
        assert_eq!(reason(&resolver, &token).await, "store_bad_record");
        server.command(&["SET", key, good]);
        assert_eq!(level(&resolver, &token).await, Level::Store);

        let token = issue(&store, 2, "ann", NEVER_MS).await;
        server.freeze();
        assert_eq!(reason(&resolver, &token).await, "store_unavailable");
        server.thaw();
        assert_eq!(level(&resolver, &token).await, Level::Store);
    });
}

#[test]
fn an_unknown_token_is_asked_for_once_a_second_and_works_soon_after_it_is_issued() {
    let server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let token = keyring().mint(id(1), NEVER_MS).unwrap().expose().to_owned();
        let asked = Instant::now();
        for _ in 0..50 {
            assert_eq!(reason(&resolver, &token).await, "token_unknown");
        }
        if asked.elapsed() < Duration::from_millis(900) {
            assert_eq!(server.calls("get"), 1);
        }
        issue(&store, 1, "ann", NEVER_MS).await;
        let works = Cell::new(false);
        while !works.get() {
            works.set(resolver.resolve(&token, now()).await.is_ok());
            assert!(asked.elapsed() < Duration::from_secs(3), "still unknown");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn what_changes_elsewhere_is_seen_after_the_life_without_push() {
    let server = TestRedis::start();
    on_worker(async {
        let ttl = Duration::from_millis(200);
        let near = NearCache::new(&tokens(ttl, Duration::ZERO), Arc::new(Fences::new()));
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        server.command(&["DEL", "tg:token:00000000000000000000000000000001"]);
        tokio::time::sleep(ttl).await;
        assert_eq!(reason(&resolver, &token).await, "token_unknown");
    });
}

#[test]
fn a_token_issued_after_revoking_all_works_at_once_on_another_gateway() {
    let server = TestRedis::start();
    on_worker(async {
        let (here, there) = (long(), long());
        let store = redis(server.port, SHORT, &here).await;
        let elsewhere = own(&there, &redis(server.port, SHORT, &there).await);
        let old = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&elsewhere, &old).await, Level::Store);
        here.revoke_all(&store, "ann").await.unwrap();
        let new = issue(&store, 2, "ann", NEVER_MS).await;
        assert_eq!(level(&elsewhere, &new).await, Level::Store);
    });
}

#[test]
fn a_missing_principal_refuses() {
    let server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        server.command(&["DEL", "tg:principal:user:ann"]);
        assert_eq!(reason(&own(&near, &store), &token).await, "principal_missing");
        // Made again, it has another generation: nothing old comes back.
        issue(&store, 2, "ann", NEVER_MS).await;
        assert_eq!(reason(&own(&long(), &store), &token).await, "token_revoked");
    });
}

#[test]
fn without_grace_a_lost_store_ends_what_was_cached() {
    let mut server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        let epoch = near.fences().epoch();
        server.kill();
        until("the link is lost", || near.fences().epoch() != epoch).await;
        let asked = Instant::now();
        let error = resolver.resolve(&token, now()).await.unwrap_err();
        assert!(
            matches!(&error, Unresolved::StoreUnavailable(cause)
            if matches!(**cause, StoreError::Unreachable { .. })),
            "{error:?}"
        );
        assert!(asked.elapsed() < SHORT);
    });
}

#[test]
fn with_grace_a_confirmed_identity_outlives_the_store_unless_it_was_refused_or_revoked() {
    let mut server = TestRedis::start();
    on_worker(async {
        let ttl = Duration::from_millis(1);
        let near = NearCache::new(&tokens(ttl, PATIENT), Arc::default());
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let mut issued = Vec::new();
        for number in 1..=6 {
            let token = issue(&store, number, &format!("user{number}"), NEVER_MS).await;
            assert_eq!(level(&resolver, &token).await, Level::Store);
            issued.push(token);
        }
        let ends_soon = issue(&store, 7, "user7", now() + 1_500).await;
        assert_eq!(level(&resolver, &ends_soon).await, Level::Store);
        let never_seen = issue(&store, 8, "user8", NEVER_MS).await;
        // Ended elsewhere, and this gateway was told so before the store went away.
        server.command(&["DEL", "tg:token:00000000000000000000000000000001"]);
        server.command(&["HINCRBY", "tg:principal:user:user2", "generation", "1"]);
        tokio::time::sleep(ttl).await;
        assert_eq!(reason(&resolver, &issued[0]).await, "token_unknown");
        assert_eq!(reason(&resolver, &issued[1]).await, "token_revoked");
        server.kill();
        until("the store is lost", || store.health().state != crate::store::HealthState::Up).await;

        // Ended here, although the store cannot be told.
        assert!(near.revoke(&store, id(3)).await.is_err());
        assert!(near.revoke_all(&store, "user4").await.is_err());
        tokio::time::sleep(ttl).await;
        for dead in &issued[..4] {
            assert_eq!(reason(&resolver, dead).await, "store_unavailable");
        }
        for alive in &issued[4..] {
            assert_eq!(level(&resolver, alive).await, Level::Grace);
            assert_eq!(level(&resolver, alive).await, Level::Grace, "it is asked for every time");
        }
        assert_eq!(reason(&resolver, &never_seen).await, "store_unavailable");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(reason(&resolver, &ends_soon).await, "token_expired");
    });
}

#[test]
fn grace_ends() {
    let mut server = TestRedis::start();
    on_worker(async {
        let grace = Duration::from_millis(400);
        let near = NearCache::new(&tokens(Duration::ZERO, grace), Arc::default());
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        server.kill();
        tokio::time::sleep(grace).await;
        assert_eq!(reason(&resolver, &token).await, "store_unavailable");
    });
}

#[test]
fn the_near_cache_is_bounded() {
    on_worker(async {
        let config = Tokens { near_entries: 10, ..tokens(PATIENT, Duration::ZERO) };
        let near = NearCache::new(&config, Arc::default());
        let store = memory();
        let resolver = own(&near, &store);
        for number in 0..200 {
            let token = issue(&store, number, "ann", NEVER_MS).await;
            assert_eq!(level(&resolver, &token).await, Level::Store);
        }
        near.settle().await;
        assert!(near.entries() <= 10, "{}", near.entries());
    });
}

fn sessions() -> Scheme {
    Scheme::Foreign(Arc::new(Foreign {
        key: vec![KeyPiece::Text("session:".to_owned()), KeyPiece::Token],
        record: ForeignRecord::Json,
        subject: FieldAt("/id".to_owned()),
        name: None,
        email: None,
        roles: None,
        scopes: None,
        expires: None,
    }))
}

#[test]
fn another_services_token_is_one_look_up() {
    let server = TestRedis::start();
    let token = "abcdefghijklmnop";
    server.command(&["SET", &format!("session:{token}"), r#"{"id":"ann"}"#, "PX", "60000"]);
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = Resolver::new(sessions(), near.clone(), store.clone());
        let resolved = resolver.resolve(token, now()).await.unwrap();
        assert_eq!(
            (resolved.level, resolved.identity.principal.id.as_str()),
            (Level::Store, "ann")
        );
        assert!(resolved.identity.expires_ms <= now() + 60_000);
        assert_eq!(level(&resolver, token).await, Level::Hot);
        let later = now() + 60_001;
        assert_eq!(resolver.resolve(token, later).await.unwrap_err(), Unresolved::Expired);
        assert_eq!(server.calls("get"), 1);
        for _ in 0..5 {
            assert_eq!(reason(&resolver, "qrstuvwxyz012345").await, "token_unknown");
        }
        assert_eq!(server.calls("get"), 2);
    });
}

#[test]
fn a_text_that_is_no_foreign_token_never_reaches_the_store() {
    let server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = Resolver::new(sessions(), near, store);
        let malformed = [
            String::new(),
            "a".repeat(15),
            "a".repeat(4_097),
            "abcdefghijklmno*".to_owned(),
            "abcdefghijklmno{".to_owned(),
            "abcdefgh:jklmnop".to_owned(),
            "abcdefgh jklmnop".to_owned(),
            "abcdefgh\r\njklmno".to_owned(),
            "abcdefghijklmnö".to_owned(),
        ];
        for token in malformed {
            assert_eq!(reason(&resolver, &token).await, "token_malformed", "{token:?}");
        }
        assert_eq!(server.calls("get"), 0);
        for token in ["a".repeat(16), "a".repeat(4_096), "AZaz09._~+/=-AZaz09".to_owned()] {
            assert_eq!(reason(&resolver, &token).await, "token_unknown", "{token:?}");
        }
    });
}

#[test]
#[rustfmt::skip] // a table is read by column
fn every_reason_has_its_word_and_status() {
    use Unresolved::*;
    let error = Arc::new(StoreError::BadRecord { field: "x".to_owned() });
    let cases = [
        (Malformed,                         "token_malformed",    401),
        (Forged,                            "token_forged",       401),
        (Expired,                           "token_expired",      401),
        (Unknown,                           "token_unknown",      401),
        (Revoked,                           "token_revoked",      401),
        (PrincipalInactive,                 "principal_inactive", 401),
        (PrincipalMissing,                  "principal_missing",  401),
        (StoreUnavailable(Arc::clone(&error)), "store_unavailable", 503),
        (StoreBadRecord(error),             "store_bad_record",   503),
    ];
    for (number, (why, word, status)) in cases.into_iter().enumerate() {
        assert_eq!((why.reason(), why.status()), (word, status), "{why:?}");
        assert_eq!(Unresolved::ALL[number], word);
    }
}
