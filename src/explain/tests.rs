//! The laws of explanations: no credential in any of them, and the words of time.

use std::time::{Duration, SystemTime};

use super::{Asked, Explanation, Outcome, Proof, Question, render, text::span};
use crate::{
    auth::resolve::Unresolved,
    config::Config,
    token::{keyring::Verified, ttl::NEVER_MS},
};

const SECRET: &str = "NoBodyMayEverSeeThis0";

fn config(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.toml");
    std::fs::write(&file, text).unwrap();
    Config::load_with(&file, &|_| None, SystemTime::UNIX_EPOCH).unwrap()
}

fn shop() -> Config {
    config(
        r#"
        backend = "http://127.0.0.1:9000"
        secret = "0123456789abcdef0123456789abcdef"
        [tokens]
        from = ["header", "query:access_token", "header:X-Api-Key", "cookie:session", "client-params"]
        [rules]
        "GET /status"  = "public"
        "* /orders/**" = "authenticated"
        "* /mine/**"   = "role:buyer"
        "#,
    )
}

fn question(target: &str, fields: &[(&str, &str)]) -> Question {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Question {
        method: "GET".to_owned(),
        target: target.to_owned(),
        host: "shop.example".to_owned(),
        fields: fields.collect(),
        caller: None,
        certificate: Vec::new(),
    }
}

fn explained(config: &Config, question: &Question, proof: Proof) -> Explanation {
    let asked = Asked::read(question, config).unwrap();
    let proof = asked.credential().is_some().then_some(proof);
    asked.judge(proof, None, SystemTime::UNIX_EPOCH + Duration::from_secs(1))
}

fn signed() -> Proof {
    Proof::Signed(Verified { id: uuid::Uuid::nil(), expires_ms: NEVER_MS })
}

#[test]
fn no_explanation_holds_a_credential_wherever_it_stood() {
    let config = shop();
    let bearer = format!("Bearer {SECRET}");
    let basic = format!("Basic {SECRET}");
    let cookie = format!("theme=dark; session={SECRET}");
    let other = format!("session=x; other={SECRET}");
    let queries = [
        format!("?access_token={SECRET}&page=2"),
        format!("?access%5Ftoken={SECRET}"),
        format!("?ACCESS_TOKEN={SECRET}"),
        format!("?client_id=a&client_secret={SECRET}"),
        format!("?access_token={SECRET}&access_token={SECRET}"),
        format!("?a=1;access_token={SECRET}"),
    ];
    let fields: [&[(&str, &str)]; 8] = [
        &[],
        &[("Authorization", &bearer)],
        &[("authorization", &basic)],
        &[("X-Api-Key", SECRET)],
        &[("X_Api.Key", SECRET)],
        &[("X-Access-Token", SECRET)],
        &[("Cookie", &cookie)],
        &[("Cookie", &other)],
    ];
    for path in ["/status", "/orders", "/mine", "/none", "/a/../b", "//"] {
        let targets = queries.iter().map(|query| format!("{path}{query}"));
        for target in targets.chain([path.to_owned()]) {
            for fields in fields {
                for proof in [signed(), Proof::Unseen, Proof::Refused(Unresolved::Unknown)] {
                    let told = explained(&config, &question(&target, fields), proof);
                    let json = serde_json::to_string(&told).unwrap();
                    let text = render(&told, true);
                    assert!(!json.contains(SECRET), "{target} {fields:?}: {json}");
                    assert!(!text.contains(SECRET), "{target} {fields:?}: {text}");
                }
            }
        }
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn without_the_store_only_what_holds_for_everybody_is_decided() {
    use Outcome::{Permit, Refuse, Unknown};
    let config = shop();
    let bearer = format!("Bearer {SECRET}");
    let fields = [("Authorization", bearer.as_str())];
    let refused = || Proof::Refused(Unresolved::Expired);
    for (target, proof, outcome, reason) in [
        ("/status", refused(), Permit,  "ok"), // nobody looks
        ("/orders", signed(),  Permit,  "ok"),
        ("/mine",   signed(),  Unknown, "role_missing"),
        ("/none",   signed(),  Refuse,  "no_rule"),
        ("/orders", refused(), Refuse,  "token_expired"),
        ("/none",   refused(), Refuse,  "token_expired"),
    ] {
        let told = explained(&config, &question(target, &fields), proof);
        assert_eq!((told.decision.outcome, told.decision.reason.as_str()), (outcome, reason), "{target}");
    }
}

#[test]
fn a_preflight_is_answered_before_any_rule() {
    let config = config(
        r#"
        backend = "http://127.0.0.1:9000"
        secret = "0123456789abcdef0123456789abcdef"
        [rules]
        "* /**" = "deny"
        [cors]
        origins = ["https://app.example"]
        "#,
    );
    let fields = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "PUT")];
    let mut question = question("/x", &fields);
    question.method = "OPTIONS".to_owned();
    let told = explained(&config, &question, signed());
    assert_eq!((told.decision.outcome, told.decision.status), (Outcome::Answered, Some(204)));
    assert!(told.rule.is_none());
}

#[test]
fn an_explanation_survives_the_wire() {
    let config = shop();
    let told = explained(&config, &question("/mine?x=1", &[("Accept", "*/*")]), signed());
    let json = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&json).unwrap(), told);
}

#[test]
fn a_span_has_its_two_largest_units() {
    for (ms, text) in [
        (-5, "0 ms"),
        (250, "250 ms"),
        (1_000, "1 s"),
        (61_000, "1 min 1 s"),
        (7_200_000, "2 h"),
        (6 * 86_400_000 + 22 * 3_600_000 + 5, "6 d 22 h"),
    ] {
        assert_eq!(span(ms), text);
    }
}

#[test]
fn what_no_client_could_send_is_no_question() {
    let config = shop();
    let ask = |method: &str, fields: &[(&str, &str)]| {
        let question = Question { method: method.to_owned(), ..question("/x", fields) };
        Asked::read(&question, &config).err().map(|error| error.to_string())
    };
    assert_eq!(ask("G(T", &[]).as_deref(), Some("`G(T` is no method"));
    assert_eq!(ask("GET", &[("a b", "c")]).as_deref(), Some("`a b` is no field name"));
    let said = ask("GET", &[("X-Key", "hunter2\u{1}")]).unwrap();
    assert!(!said.contains("hunter2"), "{said}");
}

fn tenants() -> Config {
    config(
        r#"
        backend = "http://127.0.0.1:9000"
        secret = "0123456789abcdef0123456789abcdef"
        [rules]
        "* /{org}/{app}/**"          = "permissions"
        "* /{org}/{app}/orders/**"   = "authenticated"
        "GET /acme/shop/catalog/**"  = "guest"
        "GET /reports"               = "admin@acme"
        [usergrid]
        "#,
    )
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_said_of_somebody_of_a_tenant_holds_whoever_it_is() {
    use Outcome::{Answered, Permit, Refuse, Unknown};
    let config = tenants();
    let fields = [("Authorization", "Bearer YWMtabc")];
    let refused = || Proof::Refused(Unresolved::Expired);
    for (target, proof, outcome, reason) in [
        ("/acme/shop/cats",      signed(),      Unknown,  "other_tenant"),
        ("/acme/shop/orders",    signed(),      Unknown,  "other_tenant"),
        // `status` can be no organization: the path is of no tenant, and everybody is of one.
        ("/status/x/orders",     signed(),      Unknown,  "other_tenant"),
        ("/acme/shop/catalog/1", signed(),      Permit,   "ok"),
        ("/reports",             signed(),      Unknown,  "other_tenant"),
        ("/none",                signed(),      Refuse,   "no_rule"),
        ("/acme/a%40b/cats",     signed(),      Refuse,   "not_permitted"),
        ("/acme/shop/roles",     signed(),      Answered, "owned"),
        ("/acme/shop/cats",      refused(),     Refuse,   "token_expired"),
        ("/acme/shop/roles",     refused(),     Refuse,   "token_expired"),
        ("/acme/shop/catalog/1", Proof::Unseen, Permit,   "ok"),
    ] {
        let told = explained(&config, &question(target, &fields), proof);
        assert_eq!((told.decision.outcome, told.decision.reason.as_str()), (outcome, reason), "{target}");
    }
}

#[test]
fn no_explanation_holds_a_clients_secret() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let config = tenants();
    let basic = format!("Basic {}", STANDARD.encode(format!("b3U6acme:{SECRET}")));
    let parameters = format!("?client_id=b3U6acme&client_secret={SECRET}&x=1");
    let fields = [("Authorization", basic.as_str())];
    for (target, fields) in [
        (format!("/acme/shop/cats{parameters}"), &[][..]),
        (format!("/acme/shop/roles{parameters}"), &[][..]),
        (format!("/acme/shop/token{parameters}&grant_type=client_credentials"), &[][..]),
        (format!("/system/x{parameters}"), &[][..]),
        ("/acme/shop/cats".to_owned(), &fields[..]),
    ] {
        let told = explained(&config, &question(&target, fields), Proof::Unseen);
        let said = format!("{}{}", serde_json::to_string(&told).unwrap(), render(&told, false));
        for secret in [SECRET, &basic["Basic ".len()..]] {
            assert!(!said.contains(secret), "{target}: {said}");
        }
    }
}
