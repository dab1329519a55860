//! What counts while the store cannot answer.

use super::*;

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
