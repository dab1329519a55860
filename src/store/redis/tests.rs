use std::{
    cell::RefCell,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    config::{FieldAt, KeyPiece, RedisAddress, RedisNode, RedisTls},
    secret::Secret,
    store::{
        HealthState, Store, StoreOrigin,
        testing::{TestRedis, connected, free_port, on_worker, record, redis_at, tcp, until},
    },
};

/// More than any answer may take: the limit of the tests' stores, twice for slow machines.
pub(super) const SLOWEST: Duration = Duration::from_millis(600);

pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn attach(config: RedisStore) -> Store {
    StoreOrigin::open(&crate::config::Store::Redis(Box::new(config)))
        .unwrap()
        .attach(&Arc::default(), |_| {})
}

pub(super) async fn to(redis: &TestRedis) -> Store {
    connected(attach(redis_at(tcp(redis.port)))).await
}

/// The cause that `/readyz` would show once the link has been refused.
pub(super) async fn refusal(store: &Store) -> String {
    let cause = || match store.health().state {
        HealthState::Down { cause, .. } if cause != "not connected yet" => Some(cause),
        HealthState::Down { .. } | HealthState::Up => None,
    };
    until("the link is refused", || cause().is_some()).await;
    cause().unwrap()
}

#[test]
fn records_are_kept_under_documented_keys_for_the_time_they_are_needed() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        let expires_ms = unix_ms(SystemTime::now()) + 100_000;
        let kept = store.issue(id(0xabc), record("ann", expires_ms)).await.unwrap();
        let key = "tg:token:00000000000000000000000000000abc";
        assert!(redis.command(&["GET", key]).contains(r#"{"subject":"ann""#));
        let left: i64 = redis.command(&["PTTL", key])[1..].trim().parse().unwrap();
        assert!((150_000..=160_000).contains(&left), "{left}");
        let generation = redis.command(&["HGET", "tg:principal:user:ann", "generation"]);
        assert!(generation.contains(&kept.generation.to_string()), "{generation}");
        assert_eq!(redis.command(&["HGET", "tg:principal:user:ann", "active"]), "$1\r\n1\r\n");
        assert_eq!(redis.command(&["PTTL", "tg:principal:user:ann"]), ":-1\r\n");

        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        assert_eq!(
            redis.command(&["PTTL", "tg:token:00000000000000000000000000000001"]),
            ":-1\r\n"
        );
    });
}

#[test]
fn the_link_tells_what_it_found() {
    let redis = TestRedis::with(&["--maxmemory-policy", "allkeys-lru"]);
    on_worker(async {
        let events = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&events);
        let config = crate::config::Store::Redis(Box::new(redis_at(tcp(redis.port))));
        let origin = StoreOrigin::open(&config).unwrap();
        let store =
            connected(origin.attach(&Arc::default(), move |event| seen.borrow_mut().push(event)))
                .await;
        let health = store.health();
        assert_eq!(health.store, format!("redis://127.0.0.1:{}/0", redis.port));
        assert!(
            health.facts.contains(", RESP3, push on, wait-replicas auto (one more connection)"),
            "{health:?}"
        );
        assert!(health.warnings[0].cause.contains("`allkeys-lru`"), "{health:?}");
        let facts = health.facts.replace(", wait-replicas auto (one more connection)", "");
        assert_eq!(*events.borrow(), [LinkEvent::Up { facts }]);
    });
}

#[test]
fn a_killed_server_is_an_error_at_once_and_a_returned_one_serves_within_a_second() {
    let mut redis = TestRedis::start();
    on_worker(async {
        let events = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&events);
        let config = crate::config::Store::Redis(Box::new(redis_at(tcp(redis.port))));
        let origin = StoreOrigin::open(&config).unwrap();
        let store =
            connected(origin.attach(&Arc::default(), move |event| seen.borrow_mut().push(event)))
                .await;
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();

        redis.kill();
        let started = Instant::now();
        for _ in 0..20 {
            let error = store.token(id(1)).await.unwrap_err();
            assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        }
        assert!(started.elapsed() < SLOWEST, "{:?}", started.elapsed());
        assert!(matches!(store.health().state, HealthState::Down { .. }));
        // Long enough for the pauses between dials to have grown to their longest.
        tokio::time::sleep(Duration::from_millis(800)).await;

        redis.start_again();
        let back = Instant::now();
        until("it serves again", || store.health().state == HealthState::Up).await;
        assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
        assert_eq!(store.token(id(1)).await, Ok(None), "it came back empty");
        let ups = events.borrow().iter().filter(|e| matches!(e, LinkEvent::Up { .. })).count();
        assert_eq!((ups, events.borrow().len()), (2, 3), "up, lost, up: {events:?}");
    });
}

#[test]
fn a_frozen_server_is_an_error_within_the_limit_and_later_at_once() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        redis.freeze();
        let started = Instant::now();
        let error = store.token(id(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::TimedOut { .. }), "{error}");
        assert!(started.elapsed() < SLOWEST, "{:?}", started.elapsed());
        for _ in 0..2 {
            assert!(store.token(id(1)).await.is_err());
        }
        until("it is given up", || store.health().state != HealthState::Up).await;
        let started = Instant::now();
        for _ in 0..100 {
            let error = store.token(id(1)).await.unwrap_err();
            assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        }
        assert!(started.elapsed() < SLOWEST, "{:?}", started.elapsed());

        redis.thaw();
        let back = Instant::now();
        until("it serves again", || store.health().state == HealthState::Up).await;
        assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
        assert!(store.token(id(1)).await.unwrap().is_some());
    });
}

#[test]
fn an_answer_that_comes_too_late_is_never_taken_for_another() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        for number in 0..20 {
            let subject = format!("user{number}");
            store.issue(id(number), record(&subject, i64::MAX)).await.unwrap();
        }
        redis.freeze();
        assert!(store.token(id(0)).await.is_err());
        redis.thaw();
        for number in 1..20 {
            // An error would do as well; another's record would not.
            if let Ok(found) = store.token(id(number)).await {
                assert_eq!(found.unwrap().subject, format!("user{number}"));
            }
        }
    });
}

#[test]
fn nobody_listening_is_an_error_and_not_an_unknown_token() {
    on_worker(async {
        let store = attach(redis_at(tcp(free_port())));
        refusal(&store).await;
        let error = store.token(id(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
        assert!(store.revoke(id(1)).await.is_err());
        assert!(store.principal("ann").await.is_err());
    });
}

#[test]
fn a_name_is_resolved_and_a_wrong_one_is_an_error() {
    let redis = TestRedis::start();
    on_worker(async {
        let named = |host: &str, port| RedisAddress::One(RedisNode { host: host.to_owned(), port });
        let store = connected(attach(redis_at(named("localhost", redis.port)))).await;
        assert_eq!(store.token(id(1)).await, Ok(None));
        let store = attach(redis_at(named("no-such-host.invalid", 6379)));
        assert!(refusal(&store).await.contains("lookup"), "{}", refusal(&store).await);
    });
}

#[test]
fn a_password_is_used_and_never_shown() {
    let redis = TestRedis::with(&["--requirepass", "correct horse"]);
    on_worker(async {
        let mut config = redis_at(tcp(redis.port));
        let store = attach(config.clone());
        let cause = refusal(&store).await;
        assert!(cause.contains("NOAUTH"), "{cause}");

        config.login.password = Some(Secret::new("battery staple"));
        let store = attach(config.clone());
        let cause = refusal(&store).await;
        assert!(cause.contains("WRONGPASS"), "{cause}");
        let error = store.token(id(1)).await.unwrap_err();
        let shown = format!("{error} {error:?} {store:?} {:?} {config:?}", store.health());
        assert!(!shown.contains("battery"), "{shown}");

        config.login.password = Some(Secret::new("correct horse"));
        assert_eq!(connected(attach(config)).await.token(id(1)).await, Ok(None));
    });
}

#[test]
fn a_user_without_rights_is_an_error_and_not_an_unknown_token() {
    let redis = TestRedis::start();
    redis.command(&["ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-get", "-info"]);
    on_worker(async {
        let mut config = redis_at(tcp(redis.port));
        config.login.username = Some("reader".to_owned());
        config.login.password = Some(Secret::new("secret"));
        let store = connected(attach(config)).await;
        let error = store.token(id(1)).await.unwrap_err();
        assert!(error.to_string().contains("NOPERM"), "{error}");
        let facts = store.health().facts;
        assert!(
            facts.starts_with("a server that does not tell its version, RESP3, push on"),
            "{facts}"
        );
    });
}

#[test]
fn a_replica_reads_and_refuses_to_write() {
    let master = free_port().to_string();
    let redis = TestRedis::with(&["--replicaof", "127.0.0.1", &master]);
    on_worker(async {
        let store = to(&redis).await;
        assert_eq!(store.token(id(1)).await, Ok(None));
        let error = store.revoke(id(1)).await.unwrap_err();
        assert!(error.to_string().contains("READONLY"), "{error}");
        let error = store.issue(id(1), record("ann", i64::MAX)).await.unwrap_err();
        assert!(error.to_string().contains("READONLY"), "{error}");
        let error = store.revoke_all("ann").await.unwrap_err();
        assert!(matches!(error, StoreError::Failed { .. }), "{error}");
        assert!(store.set_active("ann", true).await.is_err());
        assert!(store.health().warnings[0].cause.contains("replica"));
    });
}

#[test]
fn databases_and_prefixes_keep_records_apart() {
    let redis = TestRedis::start();
    on_worker(async {
        let first = to(&redis).await;
        first.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        let mut config = redis_at(tcp(redis.port));
        config.database = 3;
        assert_eq!(connected(attach(config)).await.token(id(1)).await, Ok(None));
        let mut config = redis_at(tcp(redis.port));
        config.prefix = "other:".to_owned();
        assert_eq!(connected(attach(config)).await.principal("ann").await, Ok(None));
        let mut config = redis_at(tcp(redis.port));
        config.database = 99;
        assert!(refusal(&attach(config)).await.contains("ERR"));
    });
}

#[test]
fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let _redis = TestRedis::with(&["--unixsocket", socket.to_str().unwrap()]);
    on_worker(async {
        let store = connected(attach(redis_at(RedisAddress::Unix(socket)))).await;
        assert!(store.issue(id(1), record("ann", i64::MAX)).await.is_ok());
    });
}

fn certificates(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/store/redis/testdata").join(file)
}

#[test]
fn tls_is_spoken_with_the_named_server_only() {
    let port = free_port().to_string();
    let file = |name| certificates(name).to_str().unwrap().to_owned();
    let _redis = TestRedis::with(&[
        "--tls-port",
        &port,
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
    ]);
    let at = |host: &str, ca| {
        let node = RedisNode { host: host.to_owned(), port: port.parse().unwrap() };
        let tls = Some(RedisTls { ca, identity: None });
        RedisStore { tls, ..redis_at(RedisAddress::One(node)) }
    };
    on_worker(async {
        let ca = Some(certificates("ca.pem"));
        let store = connected(attach(at("localhost", ca.clone()))).await;
        assert!(store.issue(id(1), record("ann", i64::MAX)).await.is_ok());
        assert!(store.health().store.starts_with("rediss://localhost:"));

        let other_name = attach(at("127.0.0.1", ca));
        let cause = refusal(&other_name).await;
        assert!(cause.starts_with("TLS: ") && cause.contains("certificate"), "{cause}");
        let missing = at("localhost", Some("/no/such/ca.pem".into()));
        let error = StoreOrigin::open(&crate::config::Store::Redis(Box::new(missing))).unwrap_err();
        assert!(error.to_string().contains("/no/such/ca.pem"), "{error}");
        let empty = at("localhost", Some(certificates("server.key")));
        let error = StoreOrigin::open(&crate::config::Store::Redis(Box::new(empty))).unwrap_err();
        assert!(error.to_string().contains("holds no certificate"), "{error}");
    });
}

#[test]
fn what_does_not_parse_is_a_bad_record_and_not_an_unknown_token() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        let token = "tg:token:00000000000000000000000000000001";
        let bad = |field: &str| StoreError::bad_record(field);
        redis.command(&["SET", token, r#"{"subject":"ann"}"#]);
        assert_eq!(store.token(id(1)).await, Err(bad("JSON")));
        redis.command(&["SET", token, ""]);
        assert_eq!(store.token(id(1)).await, Err(bad("JSON")));
        redis.command(&["DEL", token]);
        redis.command(&["RPUSH", token, "x"]);
        assert_eq!(store.token(id(1)).await, Err(bad("value of the right type")));
        redis.command(&["SET", "tg:principal:user:ann", "x"]);
        assert_eq!(store.principal("ann").await, Err(bad("value of the right type")));
        let issued = store.issue(id(2), record("ann", i64::MAX)).await;
        assert_eq!(issued, Err(bad("value of the right type")));
        redis.command(&["HSET", "tg:principal:user:bob", "generation", "7"]);
        assert_eq!(store.principal("bob").await, Err(bad("active")));
    });
}

fn layout(record: ForeignRecord, subject: &str) -> Foreign {
    Foreign {
        key: vec![KeyPiece::Text("session:".to_owned()), KeyPiece::Token],
        record,
        subject: FieldAt(subject.to_owned()),
        name: None,
        email: None,
        roles: None,
        scopes: None,
        expires: None,
    }
}

#[test]
fn records_of_another_service_are_read_with_the_end_of_their_key() {
    let redis = TestRedis::start();
    redis.command(&["SET", "session:json", r#"{"id":"ann"}"#, "PX", "60000"]);
    redis.command(&["HSET", "session:hash", "uid", "bob"]);
    redis.command(&["SET", "session:text", "eve"]);
    on_worker(async {
        let store = to(&redis).await;
        let json = layout(ForeignRecord::Json, "/id");
        let hash = layout(ForeignRecord::Hash, "uid");
        let text = layout(ForeignRecord::Text, "");

        let found = store.foreign("json", &json).await.unwrap().unwrap();
        let left = found.expires_ms.unwrap() - unix_ms(SystemTime::now());
        assert_eq!(found.subject, "ann");
        assert!((50_000..=60_000).contains(&left), "{left}");
        let found = store.foreign("hash", &hash).await.unwrap().unwrap();
        assert_eq!((found.subject.as_str(), found.expires_ms), ("bob", None));
        let found = store.foreign("text", &text).await.unwrap().unwrap();
        assert_eq!((found.subject.as_str(), found.expires_ms), ("eve", None));

        for layout in [&json, &hash, &text] {
            assert_eq!(store.foreign("none", layout).await, Ok(None));
        }
        let mismatches = [("hash", &json), ("json", &hash), ("hash", &text), ("text", &json)];
        for (token, layout) in mismatches {
            let error = store.foreign(token, layout).await.unwrap_err();
            assert!(matches!(error, StoreError::BadRecord { .. }), "{token}: {error}");
        }
    });
}
