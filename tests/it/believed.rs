//! What a client, or somebody behind it, writes in the hope that a reader believes it: forwarding fields,
//! cookies, blanks, names with line breaks, roles, other methods. And what an operator must be told, and told once.

use std::time::{Duration, Instant};

use super::harness::{
    backend::Backend,
    client::{bearer, get, request},
    frames::Frames,
    free_port,
    gateway::{Setup, refused},
    redis::Redis,
    until,
};

const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"GET /catalog/**" = "guest"
"*   /orders/**"  = "authenticated"
"*   /admin/**"   = "role:admin"
"#;

/// Over tokens that another service keeps as `t:{token}`.
fn foreign(backend: &Backend, redis: &Redis, tables: &str) -> Setup {
    let layout = "[tokens]\nkey = \"t:{token}\"\nrecord = \"text\"";
    Setup::new(&backend.url())
        .key("store", &format!("{:?}", redis.url()))
        .without("secret")
        .tables(RULES)
        .tables(layout)
        .tables(tables)
}

#[test]
fn a_guesser_is_slowed_whatever_it_says_of_others() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    for said in ["", "always", "new"] {
        let gate = foreign(&backend, &redis, "[limits]\nunknown-tokens = 10").start();
        let ask = |guess: u32| {
            let field = match said {
                "" => String::new(),
                "always" => "X-Forwarded-For: 198.51.100.1\r\n".to_owned(),
                _ => format!("X-Forwarded-For: 198.51.100.{guess}\r\n"),
            };
            let token = bearer(&format!("guess-guess-guess-{guess}"));
            gate.ask(get("/orders", &(field + &token))).verdict()
        };
        for guess in 0..10 {
            assert_eq!(ask(guess), "401 token_unknown", "{said:?}, {guess}");
        }
        assert_eq!(ask(10), "429 too_many_unknown_tokens", "{said:?}");
    }
}

#[test]
fn rules_see_no_query_and_no_field_of_a_client() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let ann = gate.bearer("ann");
    // 30
    for target in ["/admin?/status", "/admin/?x=/status", "/admin?#/status", "/admin?a=1?/status"] {
        assert_eq!(gate.ask(get(target, "")).verdict(), "401 unauthenticated", "{target}");
        assert_eq!(gate.ask(get(target, &ann)).verdict(), "403 role_missing", "{target}");
    }
    assert_eq!(gate.ask(get("/nowhere?/status", "")).verdict(), "403 no_rule");
    // 64
    for fields in [
        "X-Role: admin\r\n",
        "X-Role: user, admin\r\n",
        "X-Role: user\r\nX-Role: admin\r\n",
        "X-Auth-Roles: admin\r\n",
        "X-Auth-Roles: user, admin\r\nX_Auth_Roles: admin\r\n",
        "X-Auth-Subject: root\r\nX-Forwarded-User: root\r\n",
    ] {
        assert_eq!(gate.ask(get("/admin", fields)).verdict(), "401 unauthenticated", "{fields}");
        let both = format!("{fields}{ann}");
        assert_eq!(gate.ask(get("/admin", &both)).verdict(), "403 role_missing", "{fields}");
    }
    assert!(backend.received().is_empty());
    assert_eq!(gate.ask(get("/status?/admin", "")).verdict(), "200");
    assert_eq!(backend.last().line(), "GET /status?/admin");
}

/// What a body holds is between the client and the backend.
#[test]
fn a_token_in_a_form_is_no_credential_and_is_forwarded_unread() {
    // 38
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let form = format!("access_token={}&grant_type=password", gate.token("eve"));
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let alone = gate.ask(request("POST", "/orders", kind, &form));
    assert_eq!(alone.verdict(), "401 unauthenticated");
    assert!(backend.received().is_empty());
    for (method, target, who) in [
        ("GET", "/catalog/1", None),
        ("POST", "/orders", Some("ann")),
        ("GET", "/orders", Some("ann")),
    ] {
        let credential = who.map(|who| gate.bearer(who)).unwrap_or_default();
        let answer = gate.ask(request(method, target, &format!("{kind}{credential}"), &form));
        assert_eq!(answer.verdict(), "200", "{method} {target}");
        let received = backend.last();
        assert_eq!(received.body, form.as_bytes(), "{method} {target}");
        assert_eq!(received.field("x-auth-subject"), who, "{method} {target}");
    }
}

#[test]
fn who_asks_for_a_script_hears_the_same_refusal() {
    // 40
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    for accept in ["application/javascript", "text/javascript, */*"] {
        let target = "/orders?callback=x&jsonp=y";
        let answer = gate.ask(get(target, &format!("Accept: {accept}\r\n")));
        assert_eq!(answer.verdict(), "401 unauthenticated");
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.json()["reason"], "unauthenticated");
    }
}

#[test]
fn what_a_token_says_of_itself_is_read_by_nobody() {
    // 51
    let (backend, redis) = (Backend::plain(), Redis::start());
    let own = Setup::new(&backend.url()).tables(RULES).start();
    let foreign = foreign(&backend, &redis, "").start();
    for token in [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", // no algorithm, no signature
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJyb290In0.c2lnbmVk",
    ] {
        for target in ["/catalog/1", "/orders"] {
            let asked = get(target, &bearer(token));
            assert_eq!(own.ask(&asked).verdict(), "401 token_malformed", "{token}");
            assert_eq!(foreign.ask(&asked).verdict(), "401 token_unknown", "{token}");
        }
    }
    assert!(backend.received().is_empty());
}

#[test]
fn a_request_has_the_method_of_its_first_line() {
    // 60
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    let overrides = "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\n\
        X-Method-Override: DELETE\r\nX_Http_Method_Override: DELETE\r\n";
    assert_eq!(gate.ask(get("/status?_method=DELETE&a", overrides)).verdict(), "200");
    let received = backend.last();
    assert_eq!(received.line(), "GET /status?_method=DELETE&a");
    let head = received.raw_head.to_ascii_lowercase();
    assert_eq!(head.matches("delete").count(), 1, "in the query alone: {head}");
    let deletes = request("DELETE", "/status?_method=GET", "X-HTTP-Method: GET\r\n", "");
    assert_eq!(gate.ask(deletes).verdict(), "403 no_rule");
}

#[test]
fn a_name_with_line_breaks_writes_no_lines_into_the_log() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let name = "bob\r\n200  GET  /admin  ok  root\u{1b}[2J";
    redis.command(&["SET", "t:text-token-0123456789", name]);
    let gate = foreign(&backend, &redis, "[log]\naccess = \"text\"").start();
    let answer = gate.ask(get("/orders", &bearer("text-token-0123456789")));
    gate.ask(get("/status", ""));
    let lines = until("two lines", || Some(gate.out.lines()).filter(|lines| lines.len() >= 2));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("bob")), "{}: {lines:?}", answer.verdict());
    let whole = lines.concat();
    assert!(!whole.contains(|c: char| c.is_control()), "{whole:?}");
    assert!(lines.iter().all(|line| !line.starts_with("200  GET  /admin")), "{lines:?}");
}

/// What is known of a token outlives no loss of the store's word, and a reload changes nothing of that.
#[test]
fn the_loss_of_the_store_is_noticed_after_a_reload_too_and_told_once() {
    let backend = Backend::plain();
    let mut redis = Redis::start();
    let token = redis.issue("ann");
    let near = "[tokens]\nnear-cache = { ttl = \"60s\", ttl-without-push = \"40s\" }";
    let store = format!("{{ url = {:?}, timeout = \"200ms\" }}", redis.url());
    let setup = Setup::new(&backend.url()).key("store", &store).tables(RULES).tables(near);
    let changed = setup.text().replace("ttl = \"60s\"", "ttl = \"50s\"");
    let gate = setup.start();
    let verdict = || gate.ask(get("/orders", &bearer(&token.text))).verdict();
    assert_eq!(verdict(), "200");
    gate.rewrite(&changed);
    let reloads = "tollgate_reloads_total{result=\"ok\"}";
    until("the reload", || (gate.metric(reloads) == 1.0).then_some(()));
    // Each worker takes the new generation over with its next tick, and asks once more.
    let asked = redis.count("get");
    until("both workers to ask again", || {
        assert_eq!(verdict(), "200");
        (redis.count("get") > asked).then_some(())
    });
    let quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(500) {
        assert_eq!(verdict(), "200");
    }
    let asked = redis.count("get");
    for _ in 0..20 {
        assert_eq!(verdict(), "200");
    }
    assert_eq!(redis.count("get"), asked, "it is known now");
    redis.kill();
    let lost = Instant::now();
    until("what was known to be forgotten", || {
        (verdict() == "503 store_unavailable").then_some(())
    });
    assert!(lost.elapsed() < Duration::from_secs(3), "{:?}", lost.elapsed());
    for _ in 0..10 {
        assert_eq!(verdict(), "503 store_unavailable");
    }
    gate.err.event("the store is lost");
    redis.restart();
    redis.keep(&token);
    until("the store to be used again", || (verdict() == "200").then_some(()));
    until("the operator to hear of it", || {
        (gate.err.events("the store is connected").len() == 2).then_some(())
    });
    assert_eq!(gate.err.events("the store is lost").len(), 1, "{}", gate.err.text());
}

#[test]
fn what_a_client_wrote_before_its_proxy_is_neither_believed_nor_passed_on() {
    let backend = Backend::plain();
    let trust = "[trust]\nproxies = [\"127.0.0.1\"]";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(trust).start();
    for written in ["x, 203.0.113.7", "203.0.113.7", "10.9.8.7, evil;, 203.0.113.7:99"] {
        let fields = format!("X-Forwarded-For: {written}\r\nForwarded: for=198.51.100.9\r\n");
        let answer = gate.ask(get("/status", &fields));
        assert_eq!(answer.verdict(), "200", "{written}");
        assert_eq!(gate.access_line(&answer)["client"], "203.0.113.7", "{written}");
        let received = backend.last();
        assert_eq!(received.field("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"), "{written}");
        let forwarded = received.field("forwarded").unwrap_or_default();
        assert!(!forwarded.contains("198.51.100.9"), "{written}: {forwarded}");
        assert!(forwarded.starts_with("for=203.0.113.7, for=127.0.0.1"), "{written}: {forwarded}");
    }
}

#[test]
fn blanks_around_a_value_are_malformed_in_http2() {
    let backend = Backend::plain();
    let gate = Setup::new(&backend.url()).tables(RULES).start();
    for value in [" v", "v ", "\tv", "v\t", " "] {
        let mut client = Frames::connect(gate.address, 65_535);
        client.get("/status", &[("x-it", value)]);
        let body = until("the answer", || {
            let (kind, _, _, payload) = client.next().expect("no answer");
            (kind == 0).then_some(payload)
        });
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["reason"], "field_blank", "{value:?}");
    }
    assert!(backend.received().is_empty());
    let mut client = Frames::connect(gate.address, 65_535);
    client.get("/status", &[("x-it", "a b")]);
    backend.wait("the good one", |received| received.field("x-it") == Some("a b"));
}

#[test]
fn our_cookie_never_reaches_the_backend_wherever_a_reader_may_find_it() {
    let backend = Backend::plain();
    let from = "[tokens]\nfrom = [\"header\", \"cookie:session\"]";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(from).start();
    let token = gate.token("ann");
    for (cookies, left) in [
        (format!("a=b, session={token}"), None),
        (format!("a=b,session={token}; c=d"), Some("c=d")),
        (format!("a=b; session={token}; c=d"), Some("a=b; c=d")),
        (format!("a=b; c=d,e=f ,\tsession = {token}"), Some("a=b")),
    ] {
        let answer = gate.ask(get("/status", &format!("Cookie: {cookies}\r\n")));
        assert_eq!(answer.verdict(), "200", "{cookies}");
        let received = backend.last();
        assert!(!received.raw_head.contains(token), "{cookies}");
        assert_eq!(received.field("cookie"), left, "{cookies}");
    }
}

#[test]
fn two_gateways_never_share_a_port() {
    let backend = Backend::plain();
    let listen = format!("\"127.0.0.1:{}\"", free_port());
    let first = Setup::new(&backend.url()).key("listen", &listen).tables(RULES).start();
    let second = Setup::new(&backend.url()).key("listen", &listen).tables(RULES);
    let file = second.folder().join("tollgate.toml");
    std::fs::write(&file, second.text()).unwrap();
    let (code, said) = refused(&file);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains(&first.address.to_string()), "{said}");
    for _ in 0..20 {
        assert_eq!(first.ask(get("/status", "")).verdict(), "200");
    }
}
