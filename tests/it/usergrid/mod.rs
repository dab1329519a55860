//! The token office as clients of Usergrid find it. Each row of a table is one request and what is
//! answered to it, literally; `<words>` in angle brackets stand for what only the running gateway knows.

mod bodies;
mod cors;
mod endpoints;
mod guessing;
mod lifetimes;
mod outage;
mod presenting;
mod refused;
mod revocation;
mod token;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    harness::{
        Rows,
        backend::Backend,
        client::{Answer, bearer, get, request},
        gateway::{Gateway, Setup},
    },
    tenants::heard,
};

/// Passwords of everybody: `olga-pass-1` and so on.
fn password(name: &str) -> String {
    format!("{name}-pass-1")
}

/// For tables with many wrong tries, which are not about guessing.
const UNCOUNTED: &str = "wrong-passwords = 1000\nwrong-passwords-per-address = 1000000";

/// Says `hello`, whatever is asked.
const HELLO: &str = "200 hello";
const WRONG: &str = "400 invalid_grant: invalid username or password";
const DENIED: &str = "401 unauthorized: Subject does not have permission to access this resource (SecurityException)";
const REVOKED: &str = "401 auth_invalid: Unable to authenticate (SecurityException)";
const CORRUPT: &str = "401 auth_bad_access_token: Unable to authenticate due to corrupt access token (SecurityException)";
const USER_TOKEN: &str = "200 access_token expires_in=604800 token_type=Bearer user";
const ADMIN_TOKEN: &str =
    "200 access_token expires_in=604800 passwordChanged token_type=Bearer user";
const APPLICATION_TOKEN: &str = "200 access_token application expires_in=604800 token_type=Bearer";
const ORGANIZATION_TOKEN: &str =
    "200 access_token expires_in=604800 organization token_type=Bearer";

/// Request line, fields, body, and what is answered.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

/// A gateway with the organizations `acme` (admin `olga`, application `shop`, users `nora` and `ben`) and
/// `globex` (admin `gina`), each with its sandbox.
struct Shop {
    backend: Backend,
    gate: Gateway,
    words: Vec<(String, String)>,
}

impl Shop {
    /// On a file of its own, with these keys of `[usergrid]`.
    fn with(keys: &str) -> Self {
        Self::over(r#""file:directory.redb""#, keys)
    }

    fn over(store: &str, keys: &str) -> Self {
        let backend = Backend::plain();
        let gate = start(&backend, store, keys);
        let mut shop = Self { backend, gate, words: Vec::new() };
        shop.fill();
        shop
    }

    fn fill(&mut self) {
        let olga = self.log_in("/management/token", "olga");
        let by_olga = bearer(&olga);
        for (id, secret, target) in [
            ("org-id", "org-secret", "/management/orgs/acme/credentials"),
            ("app-id", "app-secret", "/acme/shop/credentials"),
        ] {
            let told = self.gate.ask(get(target, &by_olga)).json()["credentials"].take();
            self.learn(id, told["client_id"].as_str().unwrap());
            self.learn(secret, told["client_secret"].as_str().unwrap());
        }
        let acme = self.gate.ask(get("/management/orgs/acme", &by_olga)).json();
        let organization = &acme["organization"];
        self.learn("acme", organization["uuid"].as_str().unwrap());
        self.learn("shop", organization["applications"]["acme/shop"].as_str().unwrap());
        self.learn("olga-uuid", organization["users"]["olga"]["uuid"].as_str().unwrap());
        self.learn("olga", &olga);
        for name in ["nora", "ben"] {
            self.register(name);
            let token = self.log_in("/acme/shop/token", name);
            self.learn(name, &token);
        }
        let globex = json!({
            "organization": "globex", "username": "gina", "email": "gina@globex.example",
            "password": password("gina"),
        });
        let made = self.gate.ask(request("POST", "/management/orgs", "", &globex.to_string()));
        assert_eq!(made.status, 200, "{}", made.text());
        let gina = self.log_in("/management/token", "gina");
        self.learn("gina", &gina);
    }

    /// Makes a user of the shop; its UUID is `<name-uuid>`.
    fn register(&mut self, name: &str) {
        let user = json!({
            "username": name, "name": format!("{name} of the shop"),
            "email": format!("{name}@shop.example"), "password": password(name), "colour": "red",
        });
        let made = self.ask("POST /acme/shop/users", "bearer <olga>", &user.to_string());
        assert_eq!(made.status, 200, "{}", made.text());
        let uuid = made.json()["entities"][0]["uuid"].as_str().unwrap().to_owned();
        self.learn(&format!("{name}-uuid"), &uuid);
    }

    /// What `<name>` stands for from now on.
    fn learn(&mut self, name: &str, value: &str) {
        let name = format!("<{name}>");
        self.words.retain(|(known, _)| *known != name);
        self.words.push((name, value.to_owned()));
    }

    fn word(&self, name: &str) -> &str {
        let name = format!("<{name}>");
        let found = self.words.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("nobody knows {name}"))
    }

    fn spell(&self, text: &str) -> String {
        let mut spelled = text.to_owned();
        for (name, value) in &self.words {
            spelled = spelled.replace(name, value);
        }
        spelled
    }

    /// A new token of somebody.
    fn log_in(&self, target: &str, name: &str) -> String {
        let answer = heard(|| self.gate.ask(request("POST", target, "", &grant(name))));
        assert_eq!(answer.status, 200, "{target} {name}: {}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A new token of somebody, known as `<word>`.
    fn token(&mut self, word: &str, target: &str, name: &str) {
        let token = self.log_in(target, name);
        self.learn(word, &token);
    }

    /// One request: `POST /acme/shop/token`, its fields as a row has them, its body.
    fn ask(&self, line: &str, fields: &str, body: &str) -> Answer {
        self.gate.ask(self.request(line, fields, body))
    }

    fn request(&self, line: &str, fields: &str, body: &str) -> String {
        let line = self.spell(line);
        let (method, target) = line.split_once(' ').unwrap();
        let fields: String =
            fields.split(" + ").filter(|it| !it.is_empty()).map(|it| self.field(it)).collect();
        request(method, target, &fields, &self.spell(body))
    }

    fn field(&self, short: &str) -> String {
        let spelled = self.spell(short);
        match spelled.split_once(' ').unwrap_or((&spelled, "")) {
            ("bearer", token) => bearer(token),
            ("basic", pair) => format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair)),
            ("form", "") => "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
            ("json", "") => "Content-Type: application/json\r\n".to_owned(),
            _ => format!("{spelled}\r\n"),
        }
    }

    /// Asks the rows in their order.
    fn check(&self, rows: &[Row<'_>]) {
        let mut held = Rows::default();
        for (line, fields, body, expected) in rows {
            let found = tell(&self.ask(line, fields, body));
            held.check(&format!("{line} | {fields} | {body}"), &found, &self.spell(expected));
        }
    }

    /// No credential that anybody here has came to the backend or into a line, in whatever spelling.
    fn nothing_secret_came(&self) {
        let public = ["acme", "shop", "nora-uuid", "ben-uuid", "olga-uuid"];
        let mut secrets = vec!["authorization:".to_owned(), "pass-1".to_owned()];
        for (name, value) in &self.words {
            if !public.contains(&name.trim_matches(['<', '>'])) {
                secrets.push(value.to_lowercase());
                secrets.push(BASE64_STANDARD.encode(value).trim_end_matches('=').to_lowercase());
            }
        }
        let received = self.backend.received();
        assert!(!received.is_empty());
        let mut texts = vec![self.gate.out.text(), self.gate.err.text()];
        for one in received {
            texts.push(format!("{}\n{}", one.raw_head, String::from_utf8_lossy(&one.raw_body)));
        }
        for text in texts {
            let text = text.to_lowercase();
            for secret in &secrets {
                assert!(!text.contains(secret), "{secret} came: {text}");
            }
        }
    }
}

fn start(backend: &Backend, store: &str, keys: &str) -> Gateway {
    let tables = format!(
        "[usergrid]\nregistration = \"open\"\n{keys}\n\
         [usergrid.bootstrap]\norganization = \"acme\"\napplication = \"shop\"\n\
         username = \"olga\"\nemail = \"olga@acme.example\"\nname = \"Olga P\"\n\
         password = \"olga-pass-1\"\n"
    );
    Setup::new(&backend.url()).key("store", store).tables(&tables).start()
}

/// The JSON that logs somebody in.
fn grant(name: &str) -> String {
    let password = password(name);
    json!({ "grant_type": "password", "username": name, "password": password }).to_string()
}

/// A client id of the platform: its kind, and whose it is.
fn client_id(kind: &str, uuid: &str) -> String {
    let uuid: Uuid = uuid.parse().unwrap();
    format!("{kind}{}", BASE64_URL_SAFE_NO_PAD.encode(uuid.as_bytes()))
}

/// An answer in one line. `400 illegal_argument: text (IllegalArgumentException)` is an error of the API,
/// the same without a class one of OAuth; of a success the names of its fields are told, and the values
/// that a table can know. All that is ours is JSON that nobody may keep.
fn tell(answer: &Answer) -> String {
    let status = answer.status;
    let Ok(Value::Object(body)) = serde_json::from_slice(&answer.body) else {
        return format!("{status} {}", answer.text()).trim_end().to_owned();
    };
    assert_eq!(answer.field("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer:?}");
    let mut names: Vec<&str> = body.keys().map(String::as_str).collect();
    names.sort_unstable();
    let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    if body.contains_key("error") {
        let (error, text) = (word("error"), word("error_description"));
        let told = format!("{status} {error}: {text}");
        return match names.as_slice() {
            ["error", "error_description"] => told,
            ["duration", "error", "error_description", "exception", "timestamp"] => {
                let class = word("exception").rsplit('.').next().unwrap_or_default();
                format!("{told} ({class})")
            }
            other => format!("{told} {other:?}"),
        };
    }
    assert!(!body.contains_key("exception"), "{answer:?}");
    if body.contains_key("action") {
        return format!("{status} action={}", word("action"));
    }
    let fields: Vec<String> = names
        .into_iter()
        .map(|name| match name {
            "expires_in" => format!("expires_in={}", body[name]),
            "token_type" => format!("token_type={}", word(name)),
            name => name.to_owned(),
        })
        .collect();
    format!("{status} {}", fields.join(" ")).trim_end().to_owned()
}
