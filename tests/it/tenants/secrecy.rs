//! No password, secret or token of a tenant is in a line, a metric or an error, whatever became of the
//! request that held it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustix::process::Signal;
use serde_json::json;

use super::{OPEN, PASSWORD, World, form_urlencoded, grant, token_of};
use crate::harness::{
    client::{bearer, request},
    redis::Redis,
};

/// Every password of this traffic holds it.
const MARK: &str = "s3cr3t";

/// What must not come out.
struct Secrets(Vec<String>);

impl Secrets {
    fn learn(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
        self.0.push(BASE64_STANDARD.encode(format!("someone:{secret}")));
    }

    fn check(&self, place: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{place} shows {secret}:\n{text}");
        }
    }
}

/// Bodies that hold passwords, well and badly formed.
fn bodies(name: &str) -> Vec<(&'static str, String)> {
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let other = "Content-Type: text/plain\r\n";
    let password = format!("{MARK}-{name}");
    let wrong = format!("{MARK}-wrong");
    vec![
        (json, grant(name, &password)),
        (json, grant(name, &wrong)),
        ("", grant("nobody", &wrong)),
        (form, format!("grant_type=password&username={name}&password={password}")),
        (form, format!("grant_type=password&username={name}&password={wrong}&password={wrong}2")),
        (other, format!("grant_type=password&username={name}&password={wrong}")),
        (json, format!(r#"{{"grant_type":"password","password":"{wrong}""#)),
        (json, format!(r#"{{"grant_type":"password","password":["{wrong}"],"username":5}}"#)),
        (json, format!(r#"["{wrong}"]"#)),
        (
            json,
            format!(
                r#"{{"grant_type":"client_credentials","client_id":"YXA6{MARK}","client_secret":"{wrong}"}}"#
            ),
        ),
        (json, format!(r#"{{"username":"{name}x","email":"{wrong}","password":"{password}"}}"#)),
        (json, format!(r#"{{"username":"{name}","password":"{password}","pin":"{MARK}-pin"}}"#)),
        (
            json,
            format!(
                r#"{{"organization":"acme","username":"{name}","email":"x@x.example","password":"{password}"}}"#
            ),
        ),
        (
            json,
            format!(
                r#"{{"organization":"{name}org","username":"{name}o","email":"{name}o@x.example","password":"{password}"}}"#
            ),
        ),
        (json, format!(r#"{{"oldpassword":"{wrong}","newpassword":"{wrong}2"}}"#)),
        (json, format!(r#"{{"oldpassword":"{password}","newpassword":"{MARK}-new"}}"#)),
        (json, format!(r#"{{"oldpassword":"{MARK}-new","newpassword":"{password}"}}"#)),
        (json, format!(r#"{{"newpassword":"{wrong}"}}"#)),
        (json, format!(r#"{{"oldpassword":{{"a":"{wrong}"}},"newpassword":["{wrong}"]}}"#)),
    ]
}

const TARGETS: [&str; 12] = [
    "/acme/shop/token",
    "/management/token",
    "/token",
    "/management/me",
    "/acme/nothing/token",
    "/acme/shop/users",
    "/acme/shop/users/nora",
    "/acme/shop/users/nora/password",
    "/management/users/olga/password",
    "/management/orgs",
    "/management/users",
    "/acme/shop/nothing/here",
];

fn everywhere(world: &World, secrets: &mut Secrets, tokens: &[String]) {
    let mut ask = |method: &str, target: &str, fields: &str, body: &str| {
        let answer = world.gate.ask(request(method, target, fields, body));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 200 {
            // A token is what a login answers, and nothing but that.
            if let Ok(body) = serde_json::from_str::<serde_json::Value>(&text)
                && body["access_token"].is_string()
            {
                secrets.learn(&token_of(&body));
            }
            assert!(!text.contains(MARK), "{method} {target} {body}: {text}");
        } else {
            secrets.check(&format!("{method} {target} {body}"), &text);
        }
    };
    for target in TARGETS {
        for (fields, body) in bodies("nora") {
            for method in ["POST", "PUT"] {
                ask(method, target, fields, &body);
            }
        }
        if target.ends_with("/token") {
            // Typed into the wrong field.
            ask("POST", target, "", &grant(&format!("{MARK}-nora"), "nora"));
        }
        for token in tokens {
            let secret = form_urlencoded(token);
            ask("GET", target, &bearer(token), "");
            for query in [
                format!("access_token={token}"),
                format!("token={token}&client_id={token}&client_secret={secret}"),
                format!("grant_type=password&username=nora&password={MARK}-wrong&ttl=soon"),
                format!("ACCESS_TOKEN={secret}&password={MARK}-wrong&callback=f"),
            ] {
                ask("GET", &format!("{target}?{query}"), "", "");
                ask("POST", &format!("{target}?{query}"), "", "{}");
            }
            let basic = BASE64_STANDARD.encode(format!("someone:{token}"));
            ask("GET", target, &format!("Authorization: Basic {basic}\r\n"), "");
            ask("POST", target, &format!("Authorization: Basic {basic}\r\n"), &grant("nora", "x"));
        }
    }
    for token in tokens {
        for rest in ["revoketoken", "revoketokens"] {
            ask("PUT", &format!("/acme/shop/users/nora/{rest}?token={token}"), "", "");
            ask("POST", &format!("/management/users/olga/{rest}?token={token}x"), "", "");
        }
    }
}

fn keeps_its_secrets(log: &str) {
    let mut redis = Redis::start();
    let tables = format!("[log]\naccess = \"{log}\"");
    let world = World::over(&redis.url(), OPEN, &tables);
    let nora = json!({ "username": "nora", "password": format!("{MARK}-nora") }).to_string();
    world.json("", "POST", "/acme/shop/users", &nora);
    let mut secrets = Secrets(vec![MARK.to_owned(), PASSWORD.to_owned()]);
    let mut known = vec![world.olga.clone(), world.token("/acme/shop", "nora")];
    for target in ["/acme/shop/credentials", "/management/orgs/acme/credentials"] {
        let read = world.json(&world.olga, "GET", target, "");
        known.push(read["credentials"]["client_secret"].as_str().unwrap().to_owned());
        let new = world.json(&world.olga, "POST", target, "");
        known.push(new["credentials"]["client_secret"].as_str().unwrap().to_owned());
    }
    for secret in &known {
        secrets.learn(secret);
    }
    everywhere(&world, &mut secrets, &known);
    // The same while the store is away.
    redis.kill();
    everywhere(&world, &mut secrets, &known[..1]);
    for page in ["/metrics", "/readyz"] {
        secrets.check(page, &String::from_utf8_lossy(&world.gate.probe(page).raw));
    }
    let World { mut gate, backend, .. } = world;
    gate.signal(Signal::TERM);
    gate.ended();
    secrets.check("the access log", &gate.out.text());
    secrets.check("the event log", &gate.err.text());
    for one in backend.received() {
        for token in &known {
            assert!(!one.raw_head.contains(token.as_str()), "the backend gets {token}");
        }
    }
    assert_eq!(log == "off", gate.out.lines().is_empty());
    assert!(secrets.0.len() > 20, "logins succeeded");
}

#[test]
fn nothing_secret_is_in_json_lines() {
    keeps_its_secrets("json");
}

#[test]
fn nothing_secret_is_in_text_lines() {
    keeps_its_secrets("text");
}

#[test]
fn nothing_secret_is_in_events_alone() {
    keeps_its_secrets("off");
}
