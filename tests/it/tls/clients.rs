//! Certificates of clients as a requirement: judged at each request, by what is in force then.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Running, Stage, ask};
use crate::harness::{
    Rows,
    client::Client,
    gateway::refused,
    http2::Http2,
    pki::{Authority, Pair},
    until,
};

const RULES: &str = r#"[rules]
"GET /any" = "cert"
"GET /dns" = "cert:app.example"
"GET /uri" = "cert:spiffe://shop/app"
"GET /mail" = "cert:'ann@shop.example'"
"GET /ip" = "cert:10.1.2.3"
"GET /both" = "cert:app.example & role:buyer"
"GET /either" = "cert:app.example | role:buyer"
"GET /open" = "public"

[expect]
"GET /dns cert=app.example" = "allow"
"GET /dns as guest cert=other.example" = "certificate_missing"
"GET /both as user eve role=buyer cert=app.example" = "allow"
"GET /both as user eve role=buyer" = "403"
"GET /either" = "401"
"#;

/// A gateway whose clients this authority vouches for.
fn gateway() -> (Running, Authority) {
    let stage = Stage::of("client-ca = \"clients.pem\"", RULES);
    let clients = Authority::new("clients");
    std::fs::write(stage.setup.folder().join("clients.pem"), clients.pem()).unwrap();
    (stage.start(), clients)
}

fn showing(run: &Running, own: &Pair) -> Client {
    run.connect(&Arc::new(run.client().showing(own).config()), "shop.example")
}

fn verdict(client: &mut Client, path: &str, fields: &str) -> String {
    client.ask(format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n")).verdict()
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_rule_names_the_certificate_that_lets_a_client_through() {
    const MISSING: &str = "403 certificate_missing";
    let (run, clients) = gateway();
    let mut app = showing(&run, &clients.vouch(&["app.example", "uri:spiffe://shop/app", "10.1.2.3"]));
    let mut ann = showing(&run, &clients.vouch(&["mail:ann@shop.example"]));
    let mut none = run.shop();
    let (buyer, seller) = (run.gate.bearer("eve"), run.gate.bearer("sam"));
    let mut rows = Rows::default();
    for (path, fields, by_app, by_ann, by_none) in [
        ("/any",    "",       "200",                  "200",                 MISSING),
        ("/dns",    "",       "200",                  MISSING,               MISSING),
        ("/uri",    "",       "200",                  MISSING,               MISSING),
        ("/ip",     "",       "200",                  MISSING,               MISSING),
        ("/mail",   "",       MISSING,                "200",                 MISSING),
        ("/both",   "",       "401 unauthenticated",  MISSING,               MISSING),
        ("/both",   &*buyer,  "200",                  MISSING,               MISSING),
        ("/both",   &*seller, "403 role_missing",     "403 forbidden",       "403 forbidden"),
        ("/either", "",       "200",                  "401 unauthenticated", "401 unauthenticated"),
        ("/either", &*buyer,  "200",                  "200",                 "200"),
        ("/open",   "",       "200",                  "200",                 "200"),
    ] {
        for (who, client, expected) in
            [("app", &mut app, by_app), ("ann", &mut ann, by_ann), ("none", &mut none, by_none)]
        {
            rows.check(&format!("{path} {who}"), &verdict(client, path, fields), expected);
        }
    }
}

#[test]
fn the_same_over_http_2_and_with_a_session_that_comes_back() {
    let (run, clients) = gateway();
    let own = clients.vouch(&["app.example"]);
    let config = run.client().showing(&own).alpn("h2").config();
    for _ in 0..2 {
        let mut client = Http2::connect_tls(run.gate.address, config.clone(), "shop.example");
        assert_eq!(client.get("/dns", &[]).verdict(), "200");
        assert_eq!(client.get("/uri", &[]).verdict(), "403 certificate_missing");
    }
    assert_eq!(run.handshakes("resumed"), 1.0);
}

#[test]
fn a_certificate_that_ends_while_its_connection_is_open_is_none_any_more() {
    let (run, clients) = gateway();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    // Long enough for a handshake on a busy machine.
    let end = Some(now + Duration::from_secs(10));
    let mut client = showing(&run, &clients.vouch_until(&["app.example"], end));
    until("the certificate's end", || {
        (verdict(&mut client, "/dns", "") == "403 certificate_missing").then_some(())
    });
    assert_eq!(verdict(&mut client, "/open", ""), "200");
}

#[test]
fn rules_about_certificates_need_somebody_who_vouches_for_them() {
    let stage = Stage::of("", "[rules]\n\"GET /x\" = \"role:a | cert:app.example\"");
    let config = stage.setup.folder().join("tollgate.toml");
    std::fs::write(&config, stage.setup.text()).unwrap();
    let (code, said) = refused(&config);
    assert_eq!(code, 78, "{said}");
    assert!(said.starts_with("error: `cert` needs `client-ca` in [tls]"), "{said}");
}

#[test]
fn explain_tells_what_a_certificate_would_do() {
    let (run, _) = gateway();
    let explain = |words: &[&str]| {
        let words = [&["explain", "--json"], words].concat();
        let (code, text) = crate::harness::gateway::command(&run.gate.config, &words, "");
        assert_eq!(code, 0, "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let told = explain(&["/dns"]);
    assert_eq!(told["decision"]["reason"], "certificate_missing");
    assert_eq!(told["decision"]["to_pass"][0], "show a client certificate for `app.example`");
    let told = explain(&["/dns", "--cert", "app.example"]);
    assert_eq!(told["decision"]["outcome"], "permit");
    assert_eq!(told["rule"]["terms"][0][0]["says"], "yes: the certificate is for app.example");
}

#[test]
fn a_request_of_a_client_with_a_certificate_alone_goes_on_as_a_guest() {
    let (run, clients) = gateway();
    let mut app = showing(&run, &clients.vouch(&["app.example"]));
    assert_eq!(ask(&mut app, "shop.example").verdict(), "403 no_rule");
    let fields = "X-Auth-Subject: root\r\nX-Auth-Roles: admin\r\n";
    assert_eq!(verdict(&mut app, "/dns", fields), "200");
    let received = run.backend.last();
    assert_eq!((received.field("x-auth-subject"), received.field("x-auth-roles")), (None, None));
}
