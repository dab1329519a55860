//! What a revocation reaches, and when.

use super::*;

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
            StoreOrigin::open(&file).unwrap().attach(&Arc::default(), |_| {}),
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
fn another_token_of_a_known_principal_is_half_a_look_up_and_one_of_a_newer_generation_a_whole_one()
{
    let server = TestRedis::start();
    on_worker(async {
        let (here, there) = (long(), long());
        let store = redis(server.port, SHORT, &here).await;
        // Nobody tells this one of anything.
        server.command(&["ACL", "SETUSER", "default", "-client|tracking"]);
        let elsewhere = own(&there, &redis(server.port, SHORT, &there).await);
        let (first, second) =
            (issue(&store, 1, "ann", NEVER_MS).await, issue(&store, 2, "ann", NEVER_MS).await);
        let asked = || (server.calls("get"), server.calls("hmget"));
        assert_eq!(level(&elsewhere, &first).await, Level::Store);
        let before = asked();
        assert_eq!(level(&elsewhere, &second).await, Level::Store);
        assert_eq!(asked(), (before.0 + 1, before.1));

        here.revoke_all(&store, "ann").await.unwrap();
        let third = issue(&store, 3, "ann", NEVER_MS).await;
        let before = asked();
        assert_eq!(level(&elsewhere, &third).await, Level::Store);
        assert_eq!(asked(), (before.0 + 1, before.1 + 1));
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
