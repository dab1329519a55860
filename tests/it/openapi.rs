//! The description of what `[usergrid]` answers is true: every path in it is asked for by every method,
//! and the answers are what it says.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Map, Value, json};

use super::{
    admin::admin,
    harness::{
        backend::Backend,
        client::{Answer, Client, bearer, get, request},
        gateway::{Gateway, Setup},
    },
    sdk,
};

const TENANT: &str = r#"
[usergrid]
registration = "open"
"#;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

fn gateway() -> Gateway {
    let backend = Backend::plain();
    Setup::new(&backend.url())
        .key("store", r#""file:directory.redb""#)
        .key("admin", r#""127.0.0.1:0""#)
        .tables(TENANT)
        .bootstrap("")
        .start()
}

/// The document, as the admin listener gives it.
fn document(gateway: &Gateway) -> Value {
    let asked = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = Client::connect(admin(gateway)).ask(asked);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn what_is_described_is_answered_and_nothing_else_there() {
    let gateway = gateway();
    let document = document(&gateway);
    let (mut wrong, mut answers) = (Vec::new(), Vec::new());
    for (number, (template, item)) in document["paths"].as_object().unwrap().iter().enumerate() {
        let scene = Scene::set(&gateway, template, number);
        for method in METHODS {
            let described = item.get(method.to_lowercase());
            let answer = scene.ask(&gateway, method, template);
            let statuses = described.map(|operation| operation["responses"].as_object().unwrap());
            let holds = match statuses {
                None => is_nothing(&answer),
                Some(statuses) => {
                    !is_nothing(&answer) && statuses.contains_key(&answer.status.to_string())
                }
            };
            if described.is_some() {
                let (status, body) = (answer.status, answer.json());
                answers.push(json!({
                    "method": method, "path": template, "status": status, "body": body,
                }));
            }
            if !holds {
                let word = if described.is_some() { "described" } else { "not described" };
                wrong.push(format!("{method} {template} is {word}: {}", answer.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let done = answers.iter().filter(|answer| answer["status"] == 200).count();
    assert!(done >= 95, "only {done} of {} were done: {answers:#?}", answers.len());
    judge(&json!({ "document": document, "answers": answers }));
}

/// Has the document judged as OpenAPI, and the answers by the document.
fn judge(given: &Value) {
    let mut program: Command = sdk::python("openapi");
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    program.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_description_is_not_for_browsers_and_only_read() {
    let gateway = gateway();
    let ask = |bytes: &str| Client::connect(admin(&gateway)).ask(bytes);
    let other = ask("POST /openapi.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((other.status, other.field("allow")), (405, Some("GET, HEAD")));
    let page =
        "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n";
    assert_eq!(ask(page).status, 403);
}

/// Whether the answer says that there is nothing of this name, or nothing to do by this method.
fn is_nothing(answer: &Answer) -> bool {
    let told = answer.json();
    matches!(answer.status, 405 | 501)
        || told["error"] == "service_resource_not_found"
        || told["error_description"] == "No system access authorized"
}

/// What a template's words stand for: all of it is there, and belongs together.
struct Scene {
    words: Map<String, Value>,
    token: String,
}

impl Scene {
    fn set(gateway: &Gateway, template: &str, number: usize) -> Self {
        let token = log_in(gateway);
        let told = |method: &str, target: &str, body: Value| {
            let answer = gateway.ask(request(method, target, &bearer(&token), &body.to_string()));
            assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        };
        let mut words = json!({
            "organization": "acme", "admin": "olga", "application": format!("shop-{number}"),
            "user": "fred", "role": "buyer", "group": "team",
        });
        if template.starts_with("/management/users/{admin}/organizations/") {
            words["organization"] = json!("other");
            told(
                "POST",
                "/management/users/olga/organizations",
                json!({ "organization": "other" }),
            );
        }
        if template.starts_with("/management/orgs/{organization}/users/{admin}") {
            words["admin"] = json!("paul@acme.example");
            told("POST", "/management/orgs/acme/users", json!({ "email": "paul@acme.example" }));
        }
        if template.contains("{application}") {
            let name = format!("shop-{number}");
            told("POST", "/management/orgs/acme/apps", json!({ "name": name }));
            let at = |path: &str| format!("/acme/{name}/{path}");
            let mut fred = json!({ "username": "fred", "email": "fred@acme.example" });
            if template.ends_with("/token") {
                fred["password"] = json!("fred-secret-1");
            }
            told("POST", &at("users"), fred);
            told("POST", &at("roles"), json!({ "name": "buyer" }));
            told("POST", &at("groups"), json!({ "path": "team" }));
            for held in
                ["users/fred/roles/buyer", "users/fred/groups/team", "groups/team/roles/buyer"]
            {
                told("POST", &at(held), json!({}));
            }
        }
        let Value::Object(words) = words else { unreachable!() };
        Self { words, token }
    }

    fn ask(&self, gateway: &Gateway, method: &str, template: &str) -> Answer {
        let mut target = template.to_owned();
        for (word, value) in &self.words {
            target = target.replace(&format!("{{{word}}}"), value.as_str().unwrap());
        }
        // The request before may have ended it.
        let ends = template.contains("/revoketoken");
        let token = if ends { log_in(gateway) } else { self.token.clone() };
        let (query, body) = said(method, template);
        let query = query.replace("TOKEN", &token);
        let query = query.replace("APPLICATION", self.words["application"].as_str().unwrap());
        let body = body.replace("METHOD", &method.to_lowercase());
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let fields = format!("{}{form}", bearer(&token));
        gateway.ask(request(method, &format!("{target}{query}"), &fields, &body))
    }
}

/// What an operation needs to be carried out, besides its path: query and body.
fn said(method: &str, template: &str) -> (&'static str, String) {
    const OLGA: &str = r#"{"grant_type":"password","username":"olga","password":"olga-secret-1"}"#;
    const FRED: &str = r#"{"grant_type":"password","username":"fred","password":"fred-secret-1"}"#;
    let last = template.rsplit('/').next().unwrap();
    let tenant = template.starts_with("/{organization}/{application}");
    let query = match (method, last) {
        ("GET", "token") if template == "/{organization}/{application}/token" => {
            "?grant_type=password&username=fred&password=fred-secret-1"
        }
        ("DELETE", "permissions") => "?permission=get:/x",
        ("DELETE", "{application}") => "?confirm_application_identifier=APPLICATION",
        (_, "revoketoken") => "?token=TOKEN",
        _ => "",
    };
    let body = match (method, last, tenant) {
        ("GET" | "DELETE", ..) => "",
        (_, "token", true) => FRED,
        (_, "token" | "me", false) => OLGA,
        (_, "orgs", _) => r#"{"organization":"third","email":"thea@acme.example"}"#,
        (_, "organizations", _) => r#"{"organization":"fourth"}"#,
        (_, "apps", _) => r#"{"name":"made"}"#,
        ("POST", "users", true) => r#"{"username":"gina","email":"gina@acme.example"}"#,
        ("POST", "users", false) if template == "/management/users" => "email=uma@acme.example",
        ("POST", "users", false) => r#"{"email":"vera@acme.example"}"#,
        (_, "roles", _) => r#"{"name":"by-METHOD"}"#,
        (_, "groups", _) => r#"{"path":"crew"}"#,
        (_, "permissions", _) => r#"{"permission":"get:/x"}"#,
        (_, "password", true) => r#"{"newpassword":"fred-secret-2"}"#,
        (_, "password", false) => {
            r#"{"oldpassword":"olga-secret-1","newpassword":"olga-secret-1"}"#
        }
        ("PUT", "{application}", true) => r#"{"accesstokenttl":60000,"colour":"red"}"#,
        _ => "{}",
    };
    (query, body.to_owned())
}

fn log_in(gateway: &Gateway) -> String {
    let login =
        get("/management/token?grant_type=password&username=olga&password=olga-secret-1", "");
    let answer = gateway.ask(login);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}
