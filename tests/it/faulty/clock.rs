//! A wall clock that jumps while the gateway runs; the clock that nobody sets goes on.

use std::{fs, path::PathBuf, time::Duration};

use super::{
    super::harness::{
        backend::Backend,
        gateway::{Gateway, Setup},
        library,
        redis::Redis,
        tokens::Token,
        until,
    },
    RULES, complaints, issue, revoke, verdict,
};

/// A gateway whose wall clock the test sets.
struct Clocked {
    gate: Gateway,
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Clocked {
    fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("offset");
        fs::write(&file, "+0").unwrap();
        let setup = setup
            .variable("LD_PRELOAD", library("faketime/libfaketimeMT.so.1"))
            .variable("FAKETIME_TIMESTAMP_FILE", &file)
            .variable("FAKETIME_NO_CACHE", "1")
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Self { gate: setup.start(), file, folder }
    }

    /// In one step: the gateway reads the file at every look at the clock, which its workers take at each tick.
    fn set(&self, offset: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Waits until `token` is worth that.
    fn sees(&self, token: &str, worth: &str) {
        until(worth, || (verdict(&self.gate, token) == worth).then_some(()));
    }
}

/// Everything near counts for a minute, and without the store for an hour.
const NEAR: &str =
    "[tokens]\ngrace = \"1h\"\nnear-cache = { ttl = \"60s\", ttl-without-push = \"60s\" }";

#[test]
fn an_expired_token_that_is_still_near_does_not_live_again_when_the_clock_is_set_back() {
    let backend = Backend::plain();
    let mut redis = Redis::start();
    let store = format!("{:?}", redis.url());
    let setup = Setup::new(&backend.url()).key("store", &store).key("workers", "1").tables(RULES);
    let clocked = Clocked::start(setup.tables(NEAR));
    let gate = &clocked.gate;
    let (short, long) = (Token::expiring("ann", Duration::from_secs(4)), redis.issue("eve"));
    redis.keep(&short);
    until("the store", || (verdict(gate, &short.text) == "200").then_some(()));
    assert_eq!(verdict(gate, &long.text), "200");
    until("its end", || (verdict(gate, &short.text) == "401 token_expired").then_some(()));
    redis.kill();
    until("the loss to be noticed", || (!complaints(gate).is_empty()).then_some(()));
    clocked.set("-3600");
    // Nobody can be asked, and what is known of it is over: by the clock that went on.
    clocked.sees(&short.text, "503 store_unavailable");
    assert_eq!(verdict(gate, &long.text), "200", "the grace of another is not over");
}

/// Tokens of half an hour, and little patience with clients that say nothing.
const TIMES: &str = "[tokens]\nttl = \"30m\"\n[limits]\nhead-time = \"300ms\"";

#[test]
fn a_clock_that_jumps_an_hour_and_back_stops_nothing() {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).key("admin", r#""unix:admin.sock""#).tables(RULES);
    let clocked = Clocked::start(setup.key("store", "\"file:own.redb\"").tables(TIMES));
    let gate = &clocked.gate;
    // What a token of half an hour is worth after the jump that followed its issue.
    for (offset, worth) in [
        ("+3600", "401 token_expired"),
        ("+0", "200"),
        ("-3600", "200"),
        ("+0", "401 token_expired"),
    ] {
        let before = issue(gate, "ann").unwrap();
        clocked.sees(&before, "200");
        clocked.set(offset);
        clocked.sees(&before, worth);
        let now = issue(gate, "ann").unwrap();
        clocked.sees(&now, "200");
        assert!(revoke(gate, &now));
        clocked.sees(&now, "401 token_unknown");
        assert_eq!(complaints(gate), "");
        // Timers go by the other clock: a silent client is still dropped.
        assert!(gate.connect().rest().is_empty());
    }
}
