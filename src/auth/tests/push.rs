//! What the store tells of changes that somebody else makes.

use super::*;
use crate::{fences::HEARD_FOR, store::HealthState};

/// Entries that count for long only while the store tells of changes.
fn told() -> NearCache {
    NearCache::new(&tokens(Duration::ZERO, Duration::ZERO), Arc::default())
}

/// What somebody else does to `user{number}` and its token, and what the token is refused with then.
fn changes(number: u128) -> [(Vec<String>, &'static str); 4] {
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    [
        (words(format!("DEL tg:token:{}", id(number).simple())), "token_unknown"),
        (words(format!("HINCRBY tg:principal:user:user{number} generation 1")), "token_revoked"),
        (words(format!("HSET tg:principal:user:user{number} active 0")), "principal_inactive"),
        (words("FLUSHALL".to_owned()), "token_unknown"),
    ]
}

/// Waits until nothing more is told.
async fn settle(near: &NearCache) {
    let mut moves = None;
    while moves.replace(near.fences().moves()) != Some(near.fences().moves()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_change_made_elsewhere_ends_what_is_cached_and_nothing_else_does() {
    let server = TestRedis::start();
    on_worker(async {
        let near = told();
        let store = redis(server.port, PATIENT, &near).await;
        assert!(store.health().facts.contains(", push on"), "{:?}", store.health());
        let (hot, near_only) = (own(&near, &store), own(&near, &store));
        for number in 0..4 {
            let (command, expected) = changes(number)[number as usize].clone();
            let token = issue(&store, number, &format!("user{number}"), NEVER_MS).await;
            // Its own writing is told of as well, and only what is read after that counts.
            settle(&near).await;
            assert_eq!(level(&hot, &token).await, Level::Store);
            assert_eq!(level(&hot, &token).await, Level::Hot);
            // On a machine that stands still for a second nobody was heard, and it is asked for again.
            let mut outlives = false;
            for _ in 0..10 {
                let asked = (server.calls("get"), server.calls("hmget"));
                tokio::time::sleep(HEARD_FOR * 3 / 2).await;
                let found = level(&hot, &token).await;
                outlives = found == Level::Hot;
                if outlives {
                    assert_eq!((server.calls("get"), server.calls("hmget")), asked);
                    break;
                }
            }
            assert!(outlives, "the life without push");

            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            server.command(&words);
            let changed = Instant::now();
            loop {
                match hot.resolve(&token, now()).await {
                    Ok(_) => assert!(changed.elapsed() < PATIENT, "{command:?} is not told"),
                    Err(refused) => break assert_eq!(refused.reason(), expected, "{command:?}"),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(reason(&near_only, &token).await, expected);
        }
    });
}

#[test]
fn an_unknown_token_that_is_issued_elsewhere_works_as_soon_as_it_is_told() {
    let server = TestRedis::start();
    on_worker(async {
        let (here, there) = (told(), told());
        let store = redis(server.port, PATIENT, &here).await;
        let resolver = own(&here, &store);
        let elsewhere = redis(server.port, PATIENT, &there).await;
        issue(&elsewhere, 1, "ann", NEVER_MS).await;
        let token = keyring().mint(id(2), NEVER_MS).unwrap().expose().to_owned();
        assert_eq!(reason(&resolver, &token).await, "token_unknown");
        let moves = here.fences().moves();
        issue(&elsewhere, 2, "ann", NEVER_MS).await;
        until("the new key is told", || here.fences().moves() != moves).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
    });
}

/// A network that swallows everything looks like a store that has nothing to tell.
#[test]
fn what_was_read_over_a_connection_that_has_gone_silent_is_asked_for_again() {
    let server = TestRedis::start();
    let proxy = HoldingProxy::before(&server);
    on_worker(async {
        let near = told();
        let store = redis(proxy.port, PATIENT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        settle(&near).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        assert_eq!(level(&resolver, &token).await, Level::Hot);

        proxy.hold("PONG");
        until("the next answer is held", || proxy.is_holding()).await;
        tokio::time::sleep(HEARD_FOR).await;
        let ear = store.ear().unwrap();
        assert!(!near.fences().hears(ear, Instant::now()));
        let asked = tokio::time::timeout(SHORT, resolver.resolve(&token, now())).await;
        assert!(asked.is_err(), "it was not asked for: {asked:?}");
        proxy.release();
        until("it is heard again", || near.fences().hears(ear, Instant::now())).await;
        assert!(resolver.resolve(&token, now()).await.is_ok());
    });
}

#[test]
fn a_store_that_refuses_to_tell_is_asked_again_and_says_so() {
    let server = TestRedis::start();
    server.command(&["ACL", "SETUSER", "default", "-client|tracking"]);
    on_worker(async {
        let ttl = Duration::from_millis(200);
        let near = NearCache::new(&tokens(ttl, Duration::ZERO), Arc::default());
        let store = redis(server.port, PATIENT, &near).await;
        let health = store.health();
        assert_eq!(health.state, HealthState::Up);
        assert!(health.facts.contains(", push off"), "{health:?}");
        let warning = health.warnings.first().unwrap();
        assert!(warning.cause.contains("CLIENT TRACKING"), "{warning:?}");
        assert!(warning.effect.contains("ttl-without-push"), "{warning:?}");
        let resolver = own(&near, &store);
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        tokio::time::sleep(ttl).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
    });
}

#[test]
fn another_services_key_moves_what_is_kept_of_its_token() {
    let server = TestRedis::start();
    on_worker(async {
        let near = told();
        let store = redis(server.port, PATIENT, &near).await;
        let token = "another-services-token";
        let resolver = Resolver::new(super::foreign::sessions(), near.clone(), store.clone());
        server.command(&["SET", &format!("session:{token}"), r#"{"id":"ann"}"#]);
        assert_eq!(level(&resolver, token).await, Level::Store);
        assert_eq!(level(&resolver, token).await, Level::Hot);
        let moves = near.fences().moves();
        server.command(&["DEL", &format!("session:{token}")]);
        until("the change is told", || near.fences().moves() != moves).await;
        assert_eq!(reason(&resolver, token).await, "token_unknown");
    });
}
