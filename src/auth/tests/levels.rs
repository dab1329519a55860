//! What is asked of the store, and what is remembered.

use super::*;

#[test]
fn each_level_answers_what_the_next_one_told_it() {
    on_worker(async {
        let (near, store) = (long(), memory());
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        let (first, second) = (own(&near, &store), own(&near, &store));
        let resolved = first.resolve(&token, now()).await.unwrap();
        assert_eq!(resolved.level, Level::Store);
        assert_eq!(resolved.identity.principal.id, "ann");
        assert_eq!(*resolved.identity.principal.roles, ["buyer"]);
        assert_eq!(*resolved.identity.principal.scopes, ["read"]);
        assert_eq!(
            (resolved.identity.issued_ms, resolved.identity.expires_ms),
            (Some(1), NEVER_MS)
        );
        assert_eq!(level(&first, &token).await, Level::Hot);
        assert_eq!(level(&second, &token).await, Level::Near);
        assert_eq!(level(&second, &token).await, Level::Hot);
        assert!(!format!("{near:?} {first:?} {store:?}").contains(&token[4..20]));
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
fn tokens_of_one_principal_that_are_missed_at_once_ask_for_it_once() {
    let server = TestRedis::start();
    let proxy = HoldingProxy::before(&server);
    on_worker(async {
        let near = long();
        let store = redis(proxy.port, PATIENT, &near).await;
        let resolver = Rc::new(own(&near, &store));
        let mut tokens = Vec::new();
        for number in 0..50 {
            tokens.push(issue(&store, number, "ann", NEVER_MS).await);
        }
        let before = (server.calls("get"), server.calls("hmget"));
        proxy.hold("\"subject\"");
        let questions: Vec<_> = tokens
            .into_iter()
            .map(|token| {
                let resolver = Rc::clone(&resolver);
                tokio::task::spawn_local(async move { resolver.resolve(&token, now()).await })
            })
            .collect();
        until("all have asked", || server.calls("get") == before.0 + 50 && proxy.is_holding())
            .await;
        proxy.release();
        for question in questions {
            assert_eq!(question.await.unwrap().unwrap().identity.principal.id, "ann");
        }
        assert_eq!((server.calls("get"), server.calls("hmget")), (before.0 + 50, before.1 + 1));
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
        assert!(near.entries() <= 10, "{}", near.entries());
    });
}
