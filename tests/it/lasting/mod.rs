//! What an acknowledged token and an acknowledged revocation are worth, when what keeps them is lost.

mod lag;
mod redis;
mod replicas;

use std::time::Instant;

use super::{
    gauntlet::held,
    harness::{
        PATIENCE,
        backend::Backend,
        client::{bearer, get},
        gateway::{Gateway, Setup, command},
    },
};

/// Whatever a gateway has read, it believes for a minute unless it is told of a change, or loses a connection.
const TABLES: &str = r#"
[rules]
"* /orders/**" = "authenticated"
[tokens]
near-cache = { ttl = "60s", ttl-without-push = "0s" }
"#;

/// A gateway over `store`, as the file has it.
fn start(backend: &Backend, store: &str) -> Gateway {
    let admin = r#""unix:admin.sock""#;
    Setup::new(&backend.url()).key("store", store).key("admin", admin).tables(TABLES).start()
}

/// A token of `subject`, if its issue is acknowledged.
fn issue(gate: &Gateway, subject: &str) -> Option<String> {
    let words = ["token", "issue", "--subject", subject, "--ttl", "1h"];
    let (code, token) = command(&gate.config, &words, "");
    (code == 0).then(|| token.trim_end().to_owned())
}

/// Whether the store answers for the revocation: it is made, or there is no such token (any more).
fn revoke(gate: &Gateway, token: &str) -> bool {
    const DATA: i32 = 65;
    const UNAVAILABLE: i32 = 69;
    let (code, _) = command(&gate.config, &["token", "revoke"], token);
    assert!(matches!(code, 0 | DATA | UNAVAILABLE), "{code}: {}", gate.err.text());
    code != UNAVAILABLE
}

fn verdict(gate: &Gateway, token: &str) -> String {
    gate.ask(get("/orders/1", &bearer(token))).verdict()
}

#[track_caller]
fn becomes(gate: &Gateway, token: &str, expected: &str) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let found = verdict(gate, token);
        if found == expected {
            return;
        }
        assert!(Instant::now() < give_up, "{expected} is due, and not {found}");
    }
}

/// The table of `docs/redis.md` says of each row which test has seen it.
#[test]
fn each_row_of_the_page_about_redis_that_names_a_test_names_one_that_there_is() {
    let page = include_str!("../../../docs/redis.md");
    let section = page.split("## What an acknowledgement is worth").nth(1).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).skip(2).collect();
    let mut named = 0;
    for row in &rows {
        let by = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        let tests = by.split('`').skip(1).step_by(2);
        for test in tests {
            assert!(held::exists(test), "there is no {test}");
            named += 1;
        }
        assert!(by.contains('`') || by == "said, not tested", "{row}");
    }
    assert!(rows.len() >= 8 && named >= 6, "{rows:#?}");
}
