//! The admin listener of a gateway that runs: commands go through it, what it says of a request is what
//! becomes of it, and no browser can be made to use it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    cli::run_in,
    harness::{
        backend::Backend,
        client::{Client, bearer, get, request},
        gateway::{Gateway, Setup},
        redis::Redis,
    },
};

const RULES: &str = r#"
[rules]
"GET /status"       = "public"
"GET /catalog/**"   = "guest"
"* /orders/**"      = "authenticated"
"* /users/{id}/**"  = "self:{id} | role:support"
"#;

fn gateway(backend: &Backend, admin: &str) -> Gateway {
    Setup::new(&backend.url()).key("admin", &format!("{admin:?}")).tables(RULES).start()
}

/// Where the admin listener of a gateway on TCP is.
pub(crate) fn admin(gateway: &Gateway) -> SocketAddr {
    let line = gateway.err.event("listening");
    let words: Vec<&str> = line["is"].as_str().unwrap().split_whitespace().collect();
    words.windows(2).find(|two| two[0] == "admin").unwrap()[1].parse().unwrap()
}

/// A request as the commands send it.
pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn a_revocation_is_true_the_moment_it_is_acknowledged() {
    let backend = Backend::plain();
    let gateway = gateway(&backend, "unix:admin.sock");
    let folder = gateway.folder().to_owned();
    let issued = run_in(&folder, &["token", "issue", "--subject", "zoe"], "");
    assert_eq!(issued.code, 0, "{issued:?}");
    assert!(!issued.err.contains("directly"), "the gateway was there: {issued:?}");
    let token = bearer(issued.out.trim());
    for _ in 0..20 {
        assert_eq!(gateway.ask(get("/orders", &token)).status, 200);
    }
    let revoked = run_in(&folder, &["token", "revoke"], &issued.out);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    for _ in 0..20 {
        assert_eq!(gateway.ask(get("/orders", &token)).reason(), "token_unknown");
    }

    let other = run_in(&folder, &["token", "issue", "--subject", "zoe"], "");
    let token = bearer(other.out.trim());
    assert_eq!(gateway.ask(get("/orders", &token)).status, 200);
    assert_eq!(run_in(&folder, &["token", "revoke", "--subject", "zoe"], "").code, 0);
    assert_eq!(gateway.ask(get("/orders", &token)).reason(), "token_revoked");
    let shown = run_in(&folder, &["token", "show"], &other.out);
    assert_eq!((shown.code, shown.out.contains("token_revoked")), (65, true), "{shown:?}");
}

#[test]
fn the_admin_socket_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let backend = Backend::plain();
    let gateway = gateway(&backend, "unix:admin.sock");
    let socket = std::fs::metadata(gateway.folder().join("admin.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_the_gateway_explains_is_what_it_does() {
    let backend = Backend::plain();
    let gateway = gateway(&backend, "127.0.0.1:0");
    let live = format!("http://{}", admin(&gateway));
    let token = |subject: &str, role: &str| {
        let body = json!({ "subject": subject, "roles": [role] }).to_string();
        let answer = Client::connect(admin(&gateway)).ask(post("/tokens", &body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["token"].as_str().unwrap().to_owned()
    };
    let (ann, bob) = (token("ann", "none"), token("bob", "support"));
    let forged = ann.replace("YWMt", "YWMx");
    for (method, target, token) in [
        ("GET", "/status", None),
        ("GET", "/catalog/1", None),
        ("GET", "/catalog/1", Some(&forged)),
        ("GET", "/orders", None),
        ("GET", "/orders", Some(&ann)),
        ("POST", "/orders", Some(&ann)),
        ("GET", "/users/ann/x", Some(&ann)),
        ("GET", "/users/bob/x", Some(&ann)),
        ("GET", "/users/ann/x", Some(&bob)),
        ("DELETE", "/catalog/1", Some(&bob)),
        ("GET", "/catalog//1", None),
        ("GET", "/nothing", Some(&ann)),
    ] {
        let mut args = vec!["explain", "--live", &live, method, target, "--json"];
        let field = token.map(|token| format!("Authorization: Bearer {token}"));
        args.extend(field.iter().flat_map(|field| ["-H", field.as_str()]));
        let said = run_in(gateway.folder(), &args, "");
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        assert!(token.is_none_or(|token| !said.out.contains(&token[4..])), "{}", said.out);
        let told: Value = serde_json::from_str(&said.out).unwrap();
        let fields = token.map(|token| bearer(token)).unwrap_or_default();
        let done = gateway.ask(request(method, target, &fields, ""));
        match told["decision"]["outcome"].as_str().unwrap() {
            "permit" => assert_eq!(done.status, 200, "{method} {target}: {told:#}"),
            "refuse" => {
                assert_eq!(told["decision"]["status"], done.status, "{method} {target}");
                assert_eq!(told["decision"]["reason"], done.reason().as_str(), "{method} {target}");
            }
            other => panic!("{method} {target}: {other}"),
        }
    }
}

#[test]
fn what_is_said_to_be_forwarded_is_what_the_backend_receives() {
    let backend = Backend::plain();
    let gateway = gateway(&backend, "127.0.0.1:0");
    let body = json!({ "subject": "ann", "name": "Ann", "roles": ["a", "b c"] }).to_string();
    let issued = Client::connect(admin(&gateway)).ask(post("/tokens", &body)).json();
    let token = issued["token"].as_str().unwrap();
    let fields = [
        ("X_Auth_Subject", "admin"),
        ("X-Original-URL", "/admin"),
        ("X-Access-Token", "abc"),
        ("Accept", "text/plain"),
    ];
    let target = format!("/users/ann/cart?a=1&access_token={token}&b=2");
    let question =
        json!({ "method": "GET", "target": target, "host": "shop.example", "fields": fields });
    let answer = Client::connect(admin(&gateway)).ask(post("/explain", &question.to_string()));
    let told = answer.json();
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let raw = format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n");
    assert_eq!(gateway.ask(raw).status, 200);

    let received = backend.last();
    assert_eq!(told["forwarded"]["request"].as_str().unwrap(), received.line());
    let is_own = |name: &str| matches!(name, "x-request-id");
    for pair in told["forwarded"]["set"].as_array().unwrap() {
        let (name, value) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        if !is_own(name) {
            assert_eq!(received.field(name), Some(value), "{name}");
        }
    }
    for removed in told["forwarded"]["removed"].as_array().unwrap() {
        let name = removed["name"].as_str().unwrap();
        assert_eq!(received.field(name), None, "{name}");
    }
    let removed = told["forwarded"]["removed"].to_string();
    for name in ["x_auth_subject", "x-original-url", "x-access-token", "?access_token"] {
        assert!(removed.contains(name), "{name} in {removed}");
    }
}

#[test]
fn a_browser_cannot_be_made_to_use_it() {
    let backend = Backend::plain();
    let gateway = gateway(&backend, "127.0.0.1:0");
    let order = r#"{"subject":"mallory","roles":["support"]}"#;
    let ask = |bytes: String| Client::connect(admin(&gateway)).ask(bytes);
    let to = |host: &str, fields: &str, kind: &str| {
        let length = order.len();
        ask(format!(
            "POST /tokens HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{fields}\
             Content-Length: {length}\r\n\r\n{order}"
        ))
    };
    let json = "application/json";
    #[rustfmt::skip]
    let rows = [
        // host              fields                                kind           status
        ("localhost",        "",                                   json,          200),
        ("127.0.0.1:9901",   "",                                   json,          200),
        ("evil.example",     "",                                   json,          403),
        ("localhost",        "Origin: http://evil.example\r\n",    json,          403),
        ("localhost",        "Origin: null\r\n",                   json,          403),
        ("localhost",        "Sec-Fetch-Site: same-origin\r\n",    json,          403),
        ("localhost",        "",                                   "text/plain",  415),
    ];
    for (host, fields, kind, status) in rows {
        let answer = to(host, fields, kind);
        assert_eq!(answer.status, status, "{host} {fields} {kind}");
        assert!(status == 200 || answer.json()["error"].is_string(), "{}", answer.text());
    }
}

#[test]
fn what_it_cannot_do_it_says_as_json() {
    let backend = Backend::plain();
    let gateway = gateway(&backend, "127.0.0.1:0");
    let ask = |bytes: String| Client::connect(admin(&gateway)).ask(bytes);
    let large = format!("{{\"subject\":\"{}\"}}", "x".repeat(80 * 1024));
    #[rustfmt::skip]
    let rows = [
        (post("/tokens", "{}"),                                        400),
        (post("/tokens", "{\"subject\":\"\"}"),                        400),
        (post("/tokens", "{\"subject\":\"a\",\"ttl\":\"1w\"}"),        400),
        (post("/tokens", "{\"subject\":\"a\",\"rolls\":[]}"),          400),
        (post("/tokens/show", "{\"token\":\"x\",\"id\":\"y\"}"),       400),
        (post("/tokens/revoke", "not json"),                           400),
        (post("/nowhere", "{}"),                                       404),
        ("GET /tokens HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),     405),
        (post("/tokens", &large),                                      413),
    ];
    for (bytes, status) in rows {
        let first = bytes.lines().next().unwrap().to_owned();
        let answer = ask(bytes);
        assert_eq!(answer.status, status, "{first}: {}", answer.text());
        assert!(answer.json()["error"].is_string(), "{first}");
    }
}

#[test]
fn with_a_shared_store_commands_work_with_and_without_a_gateway() {
    let (backend, mut redis) = (Backend::plain(), Redis::start());
    let setup = Setup::new(&backend.url())
        .key("store", &format!("{:?}", redis.url()))
        .key("admin", "\"unix:admin.sock\"")
        .tables(RULES);
    let mut gateway = setup.start();
    let folder = gateway.folder().to_owned();
    let by_gateway = run_in(&folder, &["token", "issue", "--subject", "kim"], "");
    assert_eq!(by_gateway.code, 0, "{by_gateway:?}");
    let token = bearer(by_gateway.out.trim());
    assert_eq!(gateway.ask(get("/orders", &token)).status, 200);
    assert_eq!(run_in(&folder, &["token", "revoke", "--subject", "kim"], "").code, 0);
    assert_eq!(gateway.ask(get("/orders", &token)).reason(), "token_revoked");

    gateway.kill(); // its socket's file stays, and nobody is behind it
    let direct = run_in(&folder, &["token", "issue", "--subject", "kim"], "");
    assert_eq!(direct.code, 0, "{direct:?}");
    assert!(direct.err.contains("no gateway runs"), "{direct:?}");
    let revoked = run_in(&folder, &["token", "revoke"], &direct.out);
    assert!(revoked.out.contains("notice within 1 s"), "{revoked:?}");

    gateway.start_again();
    redis.kill();
    let away = run_in(&folder, &["token", "issue", "--subject", "kim"], "");
    assert_eq!((away.code, away.out.as_str()), (69, ""), "{away:?}");
}
