//! Whoever does not belong to an organization is told of its tenants what it is told of none: what is
//! there and refuses answers like what is not there, on every path that `[usergrid]` answers itself.

use serde_json::{Value, json};

use super::harness::{
    backend::Backend,
    client::{Answer, bearer, get, request},
    gateway::{Gateway, SHOP, Setup},
};

const TENANT: &str = r#"
[usergrid]
registration = "open"
wrong-passwords = 1000
wrong-passwords-per-address = 1000
"#;

/// Status and body, without what says when; names of the tenant are one word.
fn told(answer: &Answer, tenant: &str) -> (u16, String) {
    let mut body = answer.json();
    for when in ["timestamp", "duration"] {
        body.as_object_mut().unwrap().remove(when);
    }
    (answer.status, body.to_string().replace(tenant, "TENANT"))
}

fn log_in(gateway: &Gateway, name: &str) -> String {
    let grant = format!("grant_type=password&username={name}&password={name}-secret-1");
    let answer = gateway.ask(get(&format!("/management/token?{grant}"), ""));
    assert_eq!(answer.status, 200, "{}", answer.text());
    bearer(answer.json()["access_token"].as_str().unwrap())
}

#[test]
fn a_tenant_that_refuses_answers_like_one_that_there_is_not() {
    let backend = Backend::plain();
    let gateway = Setup::new(&backend.url())
        .key("store", r#""file:directory.redb""#)
        .tables(TENANT)
        .bootstrap(SHOP)
        .start();
    let olga = log_in(&gateway, "olga");
    let done = |method: &str, target: &str, fields: &str, body: Value| {
        let answer = gateway.ask(request(method, target, fields, &body.to_string()));
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
    };
    // Nothing is left that strangers may do.
    done("DELETE", "/acme/shop/roles/guest/permissions?permission=post:/users", &olga, json!({}));
    done("POST", "/acme/shop/users", &olga, json!({ "username": "fred" }));
    let other = json!({
        "organization": "other", "username": "mallory", "email": "mallory@other.example",
        "password": "mallory-secret-1",
    });
    done("POST", "/management/orgs", "", other);
    let mallory = log_in(&gateway, "mallory");

    let document: Value =
        serde_json::from_str(include_str!("../../src/usergrid/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().keys();
    let paths = paths.filter_map(|path| path.strip_prefix("/{organization}/{application}"));
    let mut compared = 0;
    for path in paths.chain(["/users/me", "/users/me/token", "/permissions", "/permissions/x"]) {
        let path = path.replace("{user}", "fred").replace("{role}", "guest");
        let path = path.replace("{group}", "team");
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            for body in ["", "{}", r#"{"oldpassword":"x","newpassword":"long enough"}"#] {
                for fields in ["", &mallory] {
                    let ask = |tenant: &str| {
                        let target = format!("/{tenant}{path}");
                        told(&gateway.ask(request(method, &target, fields, body)), tenant)
                    };
                    let there = ask("acme/shop");
                    assert_eq!(there, ask("acme/none"), "{method} {path} {body}");
                    assert_eq!(there, ask("none/shop"), "{method} {path} {body}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 900, "{compared}");
}
