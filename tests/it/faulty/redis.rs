//! A real Redis at its worst.

use std::time::Instant;

use super::{
    super::harness::{backend::Backend, gateway::Setup, redis::Redis, until},
    COLD, HEALED, Load, RULES, check, complaints, issue, revoke, settled, verdict,
};

/// One way to fail.
struct Fault {
    breaks: fn(&mut Redis),
    mends: fn(&mut Redis),
    /// What `/readyz` says of it.
    says: &'static str,
    /// Whether records can be read all the same.
    reads: bool,
    /// And single tokens revoked.
    revokes: bool,
}

fn check_fault(fault: &Fault) {
    let backend = Backend::plain();
    let mut redis = Redis::durable();
    let store = format!("{:?}", redis.url());
    let setup =
        Setup::new(&backend.url()).key("store", &store).key("admin", r#""unix:admin.sock""#);
    let gate = setup.tables(RULES).start();
    let hot = until("the store", || issue(&gate, "ann"));
    let revoked = until("a token", || issue(&gate, "eve"));
    let kept = until("a token", || issue(&gate, "sam"));
    until("its end", || revoke(&gate, &revoked).then_some(()));
    let mut cold: Vec<String> = (0..3 * COLD + 1).map(|_| redis.issue("rob").text).collect();
    let fresh = cold.pop().unwrap();
    assert_eq!(settled(&gate, &hot), "200");
    until("all to be well", || complaints(&gate).is_empty().then_some(()));

    let load = Load::start(gate.address, &hot, &revoked, cold);
    let always: [(&str, &[&str]); 3] =
        [("forged", &["401 token_forged"]), ("guest", &["200"]), ("public", &["200"])];
    check(&load.look(), "before", &always);
    (fault.breaks)(&mut redis);
    // A machine that is busy may be late although the store reads.
    let may: &[&str] = &["200", "503 store_unavailable"];
    until("the trouble to be named", || complaints(&gate).contains(fault.says).then_some(()));
    assert_eq!(gate.probe("/readyz").status, 200);
    let during = load.look();
    check(&during, "during", &always);
    check(&during, "during", &[("hot", may), ("cold", may)]);
    check(&during, "during", &[("revoked", &["401 token_unknown", "503 store_unavailable"])]);
    if fault.reads {
        assert!(during["cold"].0.contains("200"), "{during:?}");
    } else {
        assert_eq!(verdict(&gate, &fresh), "503 store_unavailable");
    }
    assert_eq!(issue(&gate, "zoe"), None, "nothing is acknowledged that may not be kept");
    if fault.revokes {
        until("its end", || revoke(&gate, &kept).then_some(()));
    } else {
        assert!(!revoke(&gate, &kept));
    }

    (fault.mends)(&mut redis);
    let mended = Instant::now();
    until("the store to be used again", || (verdict(&gate, &fresh) == "200").then_some(()));
    until("the complaint to go", || complaints(&gate).is_empty().then_some(()));
    assert!(mended.elapsed() < HEALED, "{:?}", mended.elapsed());
    check(&load.look(), "after", &always);
    load.end();
    assert_eq!(settled(&gate, &hot), "200");
    assert_eq!(settled(&gate, &revoked), "401 token_unknown");
    until("a token", || issue(&gate, "zoe"));
    if !fault.revokes {
        until("its end", || revoke(&gate, &kept).then_some(()));
    }
    assert_eq!(settled(&gate, &kept), "401 token_unknown");
}

#[test]
fn a_redis_that_is_killed_and_comes_back() {
    check_fault(&Fault {
        breaks: Redis::kill,
        mends: Redis::restart,
        says: "refused",
        reads: false,
        revokes: false,
    });
}

#[test]
fn a_redis_that_is_held() {
    check_fault(&Fault {
        breaks: |redis| redis.freeze(),
        mends: |redis| redis.thaw(),
        says: "within",
        reads: false,
        revokes: false,
    });
}

#[test]
fn a_redis_that_loads_its_data() {
    check_fault(&Fault {
        breaks: |redis| {
            let many = "for i = 1, 100000 do redis.call('SET', 'key:' .. i, i) end";
            redis.command(&["EVAL", many, "0"]);
            redis.command(&["BGREWRITEAOF"]);
            until("the file", || {
                let info = redis.command(&["INFO", "persistence"]).unwrap();
                info.contains("aof_rewrite_in_progress:0").then_some(())
            });
            redis.kill();
            // A key takes its time, and clients are answered meanwhile.
            let slow =
                ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
            redis.restart_as(&slow);
        },
        mends: |redis| {
            redis.kill();
            redis.restart();
        },
        says: "loading",
        reads: false,
        revokes: false,
    });
}

#[test]
fn a_redis_that_becomes_a_replica_under_a_connection_that_stays() {
    check_fault(&Fault {
        breaks: |redis| drop(redis.command(&["REPLICAOF", "127.0.0.1", "1"])),
        mends: |redis| drop(redis.command(&["REPLICAOF", "NO", "ONE"])),
        says: "read-only replica",
        reads: true,
        revokes: false,
    });
}

#[test]
fn a_redis_whose_memory_is_full() {
    check_fault(&Fault {
        breaks: |redis| drop(redis.command(&["CONFIG", "SET", "maxmemory", "1"])),
        mends: |redis| drop(redis.command(&["CONFIG", "SET", "maxmemory", "0"])),
        says: "memory is full",
        reads: true,
        revokes: true, // that makes room
    });
}

#[test]
fn a_redis_that_wants_another_password() {
    check_fault(&Fault {
        breaks: |redis| {
            redis.commands(&[
                &["CONFIG", "SET", "requirepass", "another"],
                &["CLIENT", "KILL", "TYPE", "normal"],
            ]);
        },
        mends: |redis| {
            redis.commands(&[&["AUTH", "another"], &["CONFIG", "SET", "requirepass", ""]])
        },
        says: "password",
        reads: false,
        revokes: false,
    });
}
