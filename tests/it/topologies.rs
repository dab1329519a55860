//! A store of several servers, before a gateway that goes on: fail-overs, nodes that are lost, and changes that
//! each of them tells of.

use super::harness::{
    backend::Backend,
    client::{bearer, get},
    fleets::{Cluster, Sentinel},
    gateway::{Gateway, Setup},
    redis::{Redis, token_key},
    tokens::Token,
    until,
};

/// Whatever a gateway has read, it believes for a minute unless it is told of a change, or loses a connection.
const TABLES: &str = r#"
[rules]
"* /orders/**" = "authenticated"
"GET /status"  = "public"
[tokens]
near-cache = { ttl = "60s", ttl-without-push = "0s" }
"#;

fn start(backend: &Backend, store: &str) -> Gateway {
    Setup::new(&backend.url()).key("store", &format!("{store:?}")).tables(TABLES).start()
}

fn verdict(gate: &Gateway, token: &Token) -> String {
    gate.ask(get("/orders/1", &bearer(&token.text))).verdict()
}

fn becomes(gate: &Gateway, token: &Token, expected: &str) {
    let what = format!("{expected} instead of {}", verdict(gate, token));
    until(&what, || (verdict(gate, token) == expected).then_some(()));
}

/// One worker may be connected before another is; none lets it in meanwhile.
fn stays_out(gate: &Gateway, token: &Token) {
    until("every worker to refuse it", || {
        let verdicts: Vec<String> = (0..8).map(|_| verdict(gate, token)).collect();
        assert!(verdicts.iter().all(|verdict| verdict != "200"), "{verdicts:?}");
        verdicts.iter().all(|verdict| verdict == "401 token_unknown").then_some(())
    });
}

/// Keeps a fresh token on a cluster: its record and its principal each where they belong.
fn issue(cluster: &Cluster, subject: &str) -> Token {
    let token = Token::of(subject);
    let json = serde_json::to_string(&token.record).unwrap();
    let generation = token.record.generation.to_string();
    cluster.home(&token).command(&["SET", &token_key(&token), &json]);
    let principal = format!("tollgate:principal:user:{subject}");
    // Whichever has the slot takes it; the others refuse.
    for node in &cluster.nodes {
        node.command(&["HSET", &principal, "generation", &generation, "active", "1"]);
    }
    token
}

/// Tokens of which each node has some, each of a subject of its own.
fn spread(cluster: &Cluster) -> Vec<Token> {
    let tokens: Vec<Token> =
        (0..20).map(|number| issue(cluster, &format!("user{number}"))).collect();
    for node in &cluster.nodes {
        assert!(tokens.iter().any(|token| std::ptr::eq(cluster.home(token), node)));
    }
    tokens
}

#[test]
fn a_fail_over_loses_no_token_and_no_revocation_and_the_new_master_tells_of_changes() {
    let (backend, mut redis) = (Backend::plain(), Sentinel::start());
    let (ann, eve, bob) =
        (redis.master.issue("ann"), redis.master.issue("eve"), redis.master.issue("bob"));
    let gate = start(&backend, &redis.url());
    for token in [&ann, &eve, &bob] {
        becomes(&gate, token, "200");
    }
    redis.master.revoke(&eve);
    becomes(&gate, &eve, "401 token_unknown");
    redis.fail_over();
    becomes(&gate, &ann, "200");
    stays_out(&gate, &eve);
    becomes(&gate, &bob, "200");
    // The old one is back and still has eve's token, and calls itself a master.
    redis.master.restart();
    redis.master.keep(&eve);
    stays_out(&gate, &eve);
    redis.replica.revoke(&ann);
    becomes(&gate, &ann, "401 token_unknown");
    stays_out(&gate, &ann);
    stays_out(&gate, &eve);
}

#[test]
fn every_node_of_a_cluster_tells_of_what_changes_on_it() {
    let (backend, cluster) = (Backend::plain(), Cluster::start());
    let tokens = spread(&cluster);
    let gate = start(&backend, &cluster.url());
    for token in &tokens {
        assert_eq!(verdict(&gate, token), "200");
        assert_eq!(verdict(&gate, token), "200", "from the cache");
    }
    for token in &tokens {
        cluster.home(token).revoke(token);
        becomes(&gate, token, "401 token_unknown");
    }
}

#[test]
fn a_lost_node_is_503_for_what_it_held_and_nothing_to_others() {
    let (backend, mut cluster) = (Backend::plain(), Cluster::start());
    let tokens = spread(&cluster);
    let gate = start(&backend, &cluster.url());
    for token in &tokens {
        assert_eq!(verdict(&gate, token), "200");
    }
    let lost = 1;
    let on_lost = |cluster: &Cluster, token: &Token| {
        let node: &Redis = cluster.home(token);
        std::ptr::eq(node, &cluster.nodes[lost])
    };
    let (gone, there): (Vec<_>, Vec<_>) = tokens.iter().partition(|token| on_lost(&cluster, token));
    cluster.nodes[lost].kill();
    for token in &gone {
        becomes(&gate, token, "503 store_unavailable");
    }
    // A token whose principal was on the lost node is away as well.
    let served = there.iter().filter(|token| verdict(&gate, token) == "200").count();
    assert!(served > 0);
    for token in &there {
        let verdict = verdict(&gate, token);
        assert!(matches!(&*verdict, "200" | "503 store_unavailable"), "{verdict}");
    }
    assert_eq!(gate.ask(get("/status", "")).verdict(), "200");
    let lost_line = gate.err.event("a node of the store is lost");
    assert!(lost_line.to_string().contains(&cluster.nodes[lost].address()), "{lost_line}");
    let ready = gate.probe("/readyz");
    assert!(ready.text().contains(&cluster.nodes[lost].address()), "{}", ready.text());

    cluster.nodes[lost].restart();
    for token in &gone {
        becomes(&gate, token, "401 token_unknown"); // it came back empty
    }
}
