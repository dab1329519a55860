//! Tenants through the whole gateway: the directory that it answers for, and who may do what in it.
//! Expectations are literal: what a client of the platform sees.

mod admins;
mod applications;
mod bootstrap;
mod bounds;
mod crash;
mod fleet;
mod flood;
mod groups;
mod isolation;
mod organizations;
mod paths;
mod roles;
mod rules;
mod secrecy;
mod strangers;
mod torn;
mod truth;
mod tunnels;
mod users;

use serde_json::{Value, json};

use super::harness::{
    Rows,
    backend::Backend,
    client::{Answer, Client, bearer, request},
    gateway::{Gateway, Setup},
    until,
};

/// The first admin's.
const PASSWORD: &str = "olga-secret-1";

const OPEN: &str = "registration = \"open\"";

/// A gateway that has the application `acme/shop`, whose admin is olga.
struct World {
    backend: Backend,
    gate: Gateway,
    /// The admin's token.
    olga: String,
}

/// An application's user.
struct User {
    id: String,
    token: String,
}

/// A gateway before it is started. `keys` are more of `[usergrid]`, `tables` stand after it.
fn setup(backend: &str, store: &str, keys: &str, tables: &str) -> Setup {
    Setup::new(backend).key("store", &format!("{store:?}")).tables(&format!(
        r#"
[usergrid]
wrong-passwords = 1000
wrong-passwords-per-address = 1000000
{keys}

[usergrid.bootstrap]
organization = "acme"
application  = "shop"
username     = "olga"
email        = "olga@acme.example"
password     = "{PASSWORD}"

{tables}
"#
    ))
}

/// Who asks, how, for what, with which body, and what comes of it.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

impl World {
    fn new() -> Self {
        Self::with("", "")
    }

    fn with(keys: &str, tables: &str) -> Self {
        Self::over("memory:", keys, tables)
    }

    /// On a store that is not the process's memory.
    fn over(store: &str, keys: &str, tables: &str) -> Self {
        let backend = Backend::plain();
        let gate = setup(&backend.url(), store, keys, tables).start();
        Self::begun(backend, gate)
    }

    /// Once its first admin is there: on a loaded machine that is later than its first answer.
    fn begun(backend: Backend, gate: Gateway) -> Self {
        let olga = until("the first admin", || {
            let answer =
                gate.ask(request("POST", "/management/token", "", &grant("olga", PASSWORD)));
            (answer.status == 200).then(|| token_of(&answer.json()))
        });
        Self { backend, gate, olga }
    }

    /// One request; `who` is a token, or nothing for a guest.
    fn call(&self, who: &str, method: &str, target: &str, body: &str) -> Answer {
        call(&mut self.gate.connect(), who, method, target, body)
    }

    /// The body of a request that must succeed.
    fn json(&self, who: &str, method: &str, target: &str, body: &str) -> Value {
        let answer = self.call(who, method, target, body);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        answer.json()
    }

    /// A user of `application` (`/acme/shop`) made by the admin, with a token.
    fn user(&self, application: &str, name: &str) -> User {
        let users = format!("{application}/users");
        let made = self.json(&self.olga, "POST", &users, &json!({ "username": name }).to_string());
        let id = made["entities"][0]["uuid"].as_str().unwrap().to_owned();
        let token = self.token(application, name);
        User { id, token }
    }

    /// A token of a user, which the admin asks for.
    fn token(&self, application: &str, name: &str) -> String {
        let target = format!("{application}/users/{name}/token");
        token_of(&self.json(&self.olga, "GET", &target, ""))
    }

    /// Each row's answer: `200`, or status and code, and the description where the row has one.
    fn rows(&self, table: &[Row<'_>]) {
        let mut rows = Rows::default();
        for (who, method, target, body, expected) in table {
            let answer = self.call(who, method, target, body);
            let found = if expected.contains(": ") { said(&answer) } else { told(&answer) };
            rows.check(&format!("{method} {target} {body}"), &found, expected);
        }
    }

    /// What the backend gets of a request, or else what was answered. A refused request must not
    /// come to the backend.
    fn road(&self, who: &str, method: &str, target: &str) -> String {
        let before = self.backend.received().len();
        let answer = self.call(who, method, target, "");
        let received = self.backend.received();
        match received.get(before) {
            Some(one) => {
                assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
                one.line().to_owned()
            }
            None => told(&answer),
        }
    }

    /// Sets a role's permissions to these and no others, making the role where it is missing.
    fn permit(&self, application: &str, role: &str, permissions: &[&str]) {
        let roles = format!("{application}/roles");
        let made = self.call(&self.olga, "POST", &roles, &json!({ "name": role }).to_string());
        assert!(matches!(made.status, 200 | 400), "{}", made.text());
        let target = format!("{roles}/{role}/permissions");
        let held = self.json(&self.olga, "GET", &target, "");
        for old in held["data"].as_array().unwrap() {
            let query = form_urlencoded(old.as_str().unwrap());
            let target = format!("{target}?permission={query}");
            self.json(&self.olga, "DELETE", &target, "");
        }
        for new in permissions {
            let body = json!({ "permission": new }).to_string();
            self.json(&self.olga, "POST", &target, &body);
        }
    }
}

fn call(client: &mut Client, who: &str, method: &str, target: &str, body: &str) -> Answer {
    let fields = if who.is_empty() { String::new() } else { bearer(who) };
    let bytes = request(method, target, &fields, body);
    if method == "HEAD" { client.send(bytes).answer_to_head() } else { client.ask(bytes) }
}

/// Logs in with a password, which must be right.
fn login(gate: &Gateway, target: &str, name: &str, password: &str) -> String {
    let answer = heard(|| gate.ask(request("POST", target, "", &grant(name, password))));
    assert_eq!(answer.status, 200, "{name} at {target}: {}", answer.text());
    token_of(&answer.json())
}

/// An answer other than 503: passwords are hashed after everything else, and on a machine that other
/// tests load that may be too late.
pub(crate) fn heard(ask: impl Fn() -> Answer) -> Answer {
    until("a turn at hashing", || Some(ask()).filter(|answer| answer.status != 503))
}

/// The body of a login by password.
fn grant(name: &str, password: &str) -> String {
    json!({ "grant_type": "password", "username": name, "password": password }).to_string()
}

/// The body of a client's login.
fn client_grant(credentials: &Value) -> String {
    let (id, secret) = (&credentials["client_id"], &credentials["client_secret"]);
    json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret })
        .to_string()
}

fn token_of(body: &Value) -> String {
    body["access_token"].as_str().unwrap().to_owned()
}

/// `200`, or `401 unauthorized`.
fn told(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["error"].as_str().unwrap_or_default();
    format!("{} {code}", answer.status).trim_end().to_owned()
}

/// `401 unauthorized: Subject does not …`
fn said(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let description = body["error_description"].as_str().unwrap_or_default();
    format!("{}: {description}", told(answer))
}

/// The keys of a JSON object, in the order in which they came.
fn keys(of: &Value) -> String {
    let names: Vec<&str> = of.as_object().unwrap().keys().map(String::as_str).collect();
    names.join(" ")
}

/// Everything but letters and digits as `%xx`.
fn form_urlencoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
