//! What is in use is asked for ahead.

use super::*;
use crate::auth::near::Confirmed;

const LIFE: Duration = Duration::from_secs(2);

/// Entries live for [`LIFE`], whether or not anybody tells of changes.
fn short() -> NearCache {
    let config = Tokens { near_ttl: LIFE, ..tokens(LIFE, Duration::ZERO) };
    NearCache::new(&config, Arc::default())
}

/// Uses `token` until it is to be asked for ahead; all the while nobody waits for the store, unless this
/// machine has kept us away for longer than there is to notice it.
async fn used_until_due(resolver: &Resolver, token: &str) {
    let (due, mut used) = (Cell::new(false), Instant::now());
    while !due.get() {
        let (level, away) = (level(resolver, token).await, used.elapsed());
        assert!(level == Level::Hot || away > LIFE / 20, "{level:?} after {away:?}");
        used = Instant::now();
        let tokens = resolver.take_due();
        due.set(!tokens.is_empty());
        assert!(tokens.iter().all(|due| **due == *token));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_token_in_use_is_asked_for_before_its_end_by_one_worker_and_nobody_waits() {
    let server = TestRedis::start();
    on_worker(async {
        let near = short();
        let store = redis(server.port, PATIENT, &near).await;
        let (first, second) = (own(&near, &store), own(&near, &store));
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&first, &token).await, Level::Store);
        assert_eq!(level(&second, &token).await, Level::Near);
        let asked = server.calls("get");
        used_until_due(&first, &token).await;
        used_until_due(&second, &token).await;
        tokio::join!(first.renew(&token), second.renew(&token));
        assert_eq!(server.calls("get"), asked + 1, "one asks, the other takes that over");
        // Longer than the first answer could count.
        let old = Instant::now() + LIFE / 4;
        while Instant::now() < old {
            assert_eq!(level(&first, &token).await, Level::Hot);
            assert_eq!(level(&second, &token).await, Level::Hot);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(server.calls("get"), asked + 1);
        assert!(first.take_due().is_empty());
    });
}

#[test]
fn what_a_revocation_overtook_is_not_renewed_and_what_the_store_refuses_ends_at_once() {
    let server = TestRedis::start();
    let proxy = HoldingProxy::before(&server);
    on_worker(async {
        let near = short();
        let store = redis(proxy.port, PATIENT, &near).await;
        let direct = redis(server.port, PATIENT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&direct, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        used_until_due(&resolver, &token).await;
        proxy.hold("\"subject\"");
        let overtaken = async {
            until("its answer is held", || proxy.is_holding()).await;
            assert!(near.revoke(&direct, id(1)).await.unwrap());
            proxy.release();
        };
        tokio::join!(resolver.renew(&token), overtaken);
        assert_eq!(reason(&resolver, &token).await, "token_unknown");

        // A store that tells of nothing has forgotten one.
        let mute = StoreOrigin::open(&config::Store::Redis(Box::new(redis_at(tcp(server.port)))));
        let mute = connected(mute.unwrap().attach(&Arc::default(), |_| {})).await;
        let resolver = own(&near, &mute);
        let token = issue(&mute, 2, "eve", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        used_until_due(&resolver, &token).await;
        assert!(mute.revoke(id(2)).await.unwrap());
        assert_eq!(level(&resolver, &token).await, Level::Hot, "nobody has told");
        resolver.renew(&token).await;
        assert_eq!(reason(&resolver, &token).await, "token_unknown");
    });
}

#[test]
fn without_an_answer_an_entry_lives_to_its_end_and_asks_nobody_twice() {
    let server = TestRedis::start();
    on_worker(async {
        let near = short();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = own(&near, &store);
        let token = issue(&store, 1, "ann", NEVER_MS).await;
        assert_eq!(level(&resolver, &token).await, Level::Store);
        used_until_due(&resolver, &token).await;
        server.command(&["CLIENT", "PAUSE", "1000", "ALL"]);
        resolver.renew(&token).await;
        assert!(resolver.take_due().is_empty());
    });
}

#[test]
fn lives_differ_by_a_tenth_and_a_token_that_expires_is_not_asked_for() {
    on_worker(async {
        let (near, store) = (short(), memory());
        let fences = near.fences();
        let confirmed = |number, expires_ms| -> Confirmed {
            let principal = crate::principal::Principal::guest();
            let identity = crate::auth::near::Identity { principal, issued_ms: None, expires_ms };
            let reading = near.reading(&store);
            let marks = crate::fences::Marks::of(fences.mark(fences.of_token(id(number))));
            near.confirmed(identity, marks, reading)
        };
        let at = |confirmed: &Confirmed, percent: u32| confirmed.reading.at + LIFE * percent / 100;
        let entries: Vec<Confirmed> = (0..200).map(|number| confirmed(number, NEVER_MS)).collect();
        let count = |percent, is: fn(&Confirmed, &NearCache, Instant) -> bool| {
            entries.iter().filter(|entry| is(entry, &near, at(entry, percent))).count()
        };
        let counts: fn(&Confirmed, &NearCache, Instant) -> bool =
            |entry, near, now| entry.counts(near.fences(), now);
        let is_due: fn(&Confirmed, &NearCache, Instant) -> bool =
            |entry, near, now| entry.is_due(near.fences(), near.lifetimes(), now);
        assert_eq!([89, 100].map(|percent| count(percent, counts)), [200, 0]);
        assert_eq!(count(79, is_due), 0);
        let is_over = entries.iter().filter(|entry| !counts(entry, &near, at(entry, 90))).count();
        assert_eq!(count(90, is_due) + is_over, 200, "the shortest life ends there");
        let (half, soon) = (count(95, counts), count(85, is_due));
        assert!((60..140).contains(&half) && (60..140).contains(&soon), "{half} {soon}");
        let ends = confirmed(1, now() + 1_000);
        assert!(!is_due(&ends, &near, at(&ends, 49)) && counts(&ends, &near, at(&ends, 40)));
    });
}
