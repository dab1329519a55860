//! The resolver over real stores. Here: what these tests share.

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

mod ahead;
mod explorer;
mod foreign;
mod interleavings;
mod levels;
mod outage;
mod push;
mod revocation;

use super::{
    near::NearCache,
    resolve::{Level, Resolver, Scheme, Unresolved},
};
use crate::{
    auth::credential::Source,
    config::{self, FieldAt, Foreign, ForeignRecord, KeyPiece, RedisStore, Tokens},
    fences::Fences,
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
    StoreOrigin::open(&config::Store::Memory).unwrap().attach(&Arc::default(), |_| {})
}

/// A link to `port` that moves the epoch of `near` as the program's does.
async fn redis(port: u16, limit: Duration, near: &NearCache) -> Store {
    let config = RedisStore { timeout: limit, ..redis_at(tcp(port)) };
    let origin = StoreOrigin::open(&config::Store::Redis(Box::new(config))).unwrap();
    connected(origin.attach(&near.shared_fences(), |_| {})).await
}

const SHORT: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(20);

async fn level(resolver: &Resolver, token: &str) -> Level {
    resolver.resolve(token, now()).await.unwrap().level
}

async fn reason(resolver: &Resolver, token: &str) -> &'static str {
    resolver.resolve(token, now()).await.unwrap_err().reason()
}
