//! An acknowledged token is good and an acknowledged revocation is final, at once and for good: on every
//! worker, over every store, and after `kill -9`.

use super::harness::{
    backend::Backend,
    client::{Client, bearer, get},
    fleets::{Cluster, Sentinel},
    gateway::{Gateway, Setup, command},
    redis::Redis,
};

/// Whatever a worker knows, it would believe for a minute.
const TABLES: &str = r#"
[rules]
"* /orders/**" = "authenticated"
"* /buy/**"    = "role:buyer"
[tokens]
near-cache = { ttl = "60s", ttl-without-push = "60s" }
"#;

fn setup(backend: &Backend, store: &str) -> Setup {
    let admin = r#""unix:admin.sock""#;
    Setup::new(&backend.url()).key("store", store).key("admin", admin).tables(TABLES)
}

fn issue(gate: &Gateway, subject: &str) -> String {
    let words = ["token", "issue", "--subject", subject, "--role", "buyer", "--ttl", "1h"];
    let (code, token) = command(&gate.config, &words, "");
    assert_eq!(code, 0, "{}", gate.err.text());
    token.trim_end().to_owned()
}

fn revoke(gate: &Gateway, token: &str) {
    assert_eq!(command(&gate.config, &["token", "revoke"], token).0, 0, "{}", gate.err.text());
}

fn verdict(client: &mut Client, token: &str) -> String {
    client.ask(get("/buy/1", &bearer(token))).verdict()
}

#[test]
fn a_token_is_good_on_every_worker_from_its_issue_to_its_revocation() {
    let backend = Backend::plain();
    let (redis, sentinel, cluster) = (Redis::start(), Sentinel::start(), Cluster::start());
    let urls = [redis.url(), sentinel.url(), cluster.url()].map(|url| format!("{url:?}"));
    let own = ["\"memory:\"", "\"file:own.redb\""];
    for store in own.into_iter().chain(urls.iter().map(String::as_str)) {
        let gate = setup(&backend, store).start();
        // Four connections are two for each worker.
        let mut clients: Vec<Client> = (0..4).map(|_| gate.connect()).collect();
        for round in 0..3 {
            let (token, other) = (issue(&gate, "ann"), issue(&gate, "eve"));
            for client in &mut clients {
                assert_eq!(verdict(client, &token), "200", "{store}, round {round}");
                assert_eq!(verdict(client, &other), "200", "{store}, round {round}");
            }
            revoke(&gate, &token);
            for client in &mut clients {
                assert_eq!(verdict(client, &token), "401 token_unknown", "{store}, round {round}");
                assert_eq!(verdict(client, &other), "200", "{store}, round {round}");
            }
            let all = ["token", "revoke", "--subject", "eve"];
            assert_eq!(command(&gate.config, &all, "").0, 0);
            for client in &mut clients {
                assert_eq!(verdict(client, &other), "401 token_revoked", "{store}, round {round}");
            }
        }
    }
}

#[test]
fn kill_9_loses_no_acknowledged_token_and_no_acknowledged_revocation() {
    let backend = Backend::plain();
    let redis = Redis::start();
    for store in ["\"file:own.redb\"", &format!("{:?}", redis.url())] {
        let mut gate = setup(&backend, store).start();
        let (mut good, mut gone) = (Vec::new(), Vec::new());
        for round in 0..4 {
            let (kept, ended) = (issue(&gate, "ann"), issue(&gate, "eve"));
            revoke(&gate, &ended);
            let last = issue(&gate, "sam");
            gate.kill();
            gate.start_again();
            good.extend([kept, last]);
            gone.push(ended);
            let mut client = gate.connect();
            for token in &good {
                assert_eq!(verdict(&mut client, token), "200", "{store}, round {round}");
            }
            for token in &gone {
                let verdict = verdict(&mut client, token);
                assert_eq!(verdict, "401 token_unknown", "{store}, round {round}");
            }
        }
    }
}
