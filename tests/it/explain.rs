//! `explain` with tenants: by the file alone a tenant is what every new one is, and what a gateway that
//! runs explains is what it does.

use serde_json::{Value, json};

use crate::{
    cli::{Shop, golden, run_in, screens, timeless},
    harness::{
        backend::Backend,
        client::{Answer, bearer, request},
        gateway::{Gateway, PASSWORD, SHOP, Setup},
    },
};

const TENANTS: &str = r#"
backend = "http://127.0.0.1:9000"
store = "file:tollgate.redb"
secret = "0123456789abcdef0123456789abcdef"

[rules]
"*    /{org}/{app}/**"               = "permissions"
"GET  /acme/shop/catalog/**"         = "public"
"POST /{org}/{app}/orders"           = "role:buyer"
"*    /{org}/{app}/users/{id}/carts" = "self:{id} | admin"
"GET  /status"                       = "public"
"GET  /reports"                      = "admin@acme"

[usergrid]
"#;

const EVE: &str = r#"{"kind":"application_user","id":"3f6d","name":"eve","roles":["buyer"],"organization":"acme","application":"shop"}"#;
const OLGA: &str = r#"{"kind":"admin_user","name":"olga","organization":"acme"}"#;
const CLIENT: &str = r#"{"kind":"application","organization":"acme","application":"shop"}"#;
const MALLORY: &str = r#"{"kind":"organization","organization":"evil"}"#;

/// What is printed of a tenant's path, word for word. `UPDATE_GOLDEN=1` writes what is printed now.
#[test]
fn explanations_of_tenants_read_as_they_should() {
    let shop = Shop::with(TENANTS);
    let token = timeless();
    let carried = format!("/acme/shop/cats?access_token={token}");
    let app = "/3f0e1d2c-7d2a-11ee-8a11-0123456789ab";
    let (by_id, owned_by_id) = (format!("{app}/cats"), format!("{app}/roles"));
    #[rustfmt::skip]
    let rows: Vec<Vec<&str>> = vec![
        vec!["explain", "/orgs/ACME/apps/Shop/cats/"],
        vec!["explain", "POST", "/acme/shop/devices"],
        vec!["explain", "/acme/sandbox/cats"],
        vec!["explain", "/ACME/shop/catalog/7"],
        vec!["explain", "/acme/shop/cats", "--as", EVE],
        vec!["explain", "POST", "/acme/shop/orders", "--as", EVE],
        vec!["explain", "/acme/shop/user/Me/carts", "--as", EVE],
        vec!["explain", "/acme/shop/users/bob/carts", "--as", EVE],
        vec!["explain", "/acme/other/cats", "--as", EVE],
        vec!["explain", "/acme/shop/users/bob/carts", "--as", OLGA],
        vec!["explain", "/acme/shop/cats", "--as", CLIENT],
        vec!["explain", "/acme/shop/cats", "--as", MALLORY],
        vec!["explain", "/reports", "--as", OLGA],
        vec!["explain", &carried],
        vec!["explain", &by_id, "--as", EVE],
        vec!["explain", &owned_by_id],
        vec!["explain", "POST", "/Acme/Shop/token"],
        vec!["explain", "/acme/shop/users/eve/password", "-H", "Authorization: Digest x"],
        vec!["explain", "/management/orgs/acme/apps", "--as", OLGA],
        vec!["explain", "PUT", "/management/users/olga/password"],
        vec!["explain", "POST", "/management/users/olga/revoketoken?token=x"],
        vec!["explain", "/system/database/setup"],
    ];
    golden("tests/golden/explain-tenants.txt", &screens(&shop, &rows, &token));
}

#[test]
fn a_caller_that_there_cannot_be_is_no_question() {
    let tenants = Shop::with(TENANTS);
    #[rustfmt::skip]
    let rows = [
        ("eve",                                                                 "say where this application_user is of"),
        (r#"{"kind":"admin_user","name":"olga"}"#,                              "\"organization\":\"acme\""),
        (r#"{"kind":"application","organization":"acme"}"#,                     "\"application\":\"shop\""),
        (r#"{"kind":"organization","organization":"acme","application":"b"}"#,  "and no other"),
        (r#"{"kind":"admin_user","organization":"acme"}"#,                      "a caller has an id"),
        (r#"{"kind":"admin_user","id":"o","roles":["x"],"organization":"acme"}"#, "only an application's user has roles"),
        (r#"{"kind":"user","id":"o"}"#,                                         "`user` is no kind of caller"),
        (r#"{"id":"o","organization":"a b","application":"c"}"#,                "is no organization's name"),
    ];
    for (caller, says) in rows {
        let said = tenants.run(&["explain", "/acme/shop/cats", "--as", caller]);
        assert_eq!((said.code, said.err.contains(says)), (65, true), "{caller}: {said:?}");
    }
}

const EVES: &str = "eve-secret-1";
const WRONG: &str = "wrong-secret";

const EVE_BY_NAME: &str = r#"{"name":"eve","organization":"acme","application":"shop"}"#;

const LIVE: &str = r#"
[rules]
"*    /{org}/{app}/**"               = "permissions"
"GET  /acme/shop/catalog/**"         = "public"
"POST /{org}/{app}/orders"           = "role:buyer"
"*    /{org}/{app}/users/{id}/carts" = "self:{id} | admin"
"GET  /reports"                      = "admin@acme"

[usergrid]
"#;

fn answered(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The access token of a login.
fn login(gateway: &Gateway, target: &str, username: &str, password: &str) -> String {
    let grant = json!({ "grant_type": "password", "username": username, "password": password });
    let told = answered(&gateway.ask(request("POST", target, "", &grant.to_string())));
    told["access_token"].as_str().unwrap().to_owned()
}

/// The word of a refusal, as `Proxy-Status` has it.
fn reason(answer: &Answer) -> &str {
    let told = answer.field("proxy-status").unwrap_or_default();
    told.split('"').nth(1).unwrap_or_default()
}

/// A gateway with a tenant, its admin `olga` and its user `eve`.
struct Live {
    backend: Backend,
    gateway: Gateway,
    olga: String,
    eve: String,
    /// Of `eve`, and of the application.
    ids: (String, String),
    /// Of the application's client.
    client: (String, String),
}

impl Live {
    fn start() -> Self {
        let backend = Backend::plain();
        let setup = Setup::new(&backend.url())
            .key("store", r#""file:directory.redb""#)
            .key("admin", r#""unix:admin.sock""#);
        let gateway = setup.tables(LIVE).bootstrap(SHOP).start();
        let olga = login(&gateway, "/management/token", "olga", PASSWORD);
        let as_olga = bearer(&olga);
        let user = json!({ "username": "eve", "email": "eve@x.example", "password": EVES });
        let made = request("POST", "/acme/shop/users", &as_olga, &user.to_string());
        let made = answered(&gateway.ask(made));
        let eve = login(&gateway, "/acme/shop/token", "eve", EVES);
        let keys = answered(&gateway.ask(request("GET", "/acme/shop/credentials", &as_olga, "")));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = &keys["credentials"];
        let ids = (text(&made["entities"][0]["uuid"]), text(&made["application"]));
        let client = (text(&keys["client_id"]), text(&keys["client_secret"]));
        Self { backend, gateway, olga, eve, ids, client }
    }

    /// What the gateway says of a request, as JSON; nothing secret is in that, or in its text.
    fn explained(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        caller: Option<&str>,
    ) -> Value {
        let host = self.gateway.address.to_string();
        let mut args =
            vec!["explain", "--live", "unix:admin.sock", method, target, "--host", &host];
        let field = token.map(|token| format!("Authorization: Bearer {token}"));
        args.extend(field.iter().flat_map(|field| ["-H", field.as_str()]));
        args.extend(caller.iter().flat_map(|caller| ["--as", caller]));
        let text = run_in(self.gateway.folder(), &args, "");
        args.push("--json");
        let said = run_in(self.gateway.folder(), &args, "");
        assert_eq!((text.code, said.code), (0, 0), "{args:?}: {text:?} {said:?}");
        for secret in [&self.client.1, WRONG, &self.olga[4..], &self.eve[4..]] {
            assert!(!said.out.contains(secret) && !text.out.contains(secret), "{}", text.out);
        }
        serde_json::from_str(&said.out).unwrap()
    }
}

#[test]
fn what_the_gateway_explains_of_tenants_is_what_it_does() {
    let live = Live::start();
    let forged = live.eve.replace("YWMt", "YWMx");
    let client = |secret: &str| {
        format!("/acme/shop/cats?client_id={}&client_secret={secret}", live.client.0)
    };
    let (client, wrong) = (client(&live.client.1), client(WRONG));
    let by_id = format!("/{}/users/EVE/carts", live.ids.1);
    let (eve, olga) = (Some(live.eve.as_str()), Some(live.olga.as_str()));
    #[rustfmt::skip]
    let rows = [
        ("GET",  "/acme/shop/catalog/7",               None,                  "permit"),
        ("GET",  "/acme/shop/catalog/7",               Some(forged.as_str()), "permit"),
        ("GET",  "/acme/shop/cats",                    None,                  "refuse"),
        ("GET",  "/acme/shop/cats",                    Some(forged.as_str()), "refuse"),
        ("POST", "/acme/shop/devices",                 None,                  "permit"),
        ("GET",  "/orgs/ACME/apps/Shop/cats/",         eve,                   "permit"),
        ("POST", "/acme/shop/orders",                  eve,                   "refuse"),
        ("GET",  "/acme/shop/users/me/carts",          eve,                   "permit"),
        ("GET",  "/acme/shop/user/eve@x.example/carts", eve,                  "permit"),
        ("GET",  &by_id,                               eve,                   "permit"),
        ("GET",  "/acme/shop/users/nobody/carts",      eve,                   "refuse"),
        ("GET",  "/acme/shop/users/nobody/carts",      olga,                  "refuse"),
        ("GET",  "/acme/shop/users/eve/carts",         olga,                  "permit"),
        ("GET",  "/acme/nothing/cats",                 olga,                  "refuse"),
        ("GET",  "/acme/nothing/cats",                 eve,                   "refuse"),
        ("GET",  "/beta/shop/cats",                    eve,                   "refuse"),
        ("GET",  "/00000000-7d2a-11ee-8a11-0123456789ab/cats", eve,           "refuse"),
        ("GET",  "/acme/sandbox/cats",                 eve,                   "refuse"),
        ("GET",  "/reports",                           olga,                  "permit"),
        ("GET",  "/reports",                           eve,                   "refuse"),
        ("GET",  "/system/database/setup",             olga,                  "refuse"),
        ("GET",  "/beta/shop/roles",                   olga,                  "refuse"),
        ("GET",  "/acme/shop/users/me/password",       Some(forged.as_str()), "refuse"),
        ("GET",  client.as_str(),                      None,                  "permit"),
        ("GET",  wrong.as_str(),                       None,                  "refuse"),
    ];
    for (method, target, token, outcome) in rows {
        let told = live.explained(method, target, token, None);
        let fields = token.map(bearer).unwrap_or_default();
        let done = live.gateway.ask(request(method, target, &fields, ""));
        assert_eq!(told["decision"]["outcome"], outcome, "{method} {target}: {told:#}");
        if outcome == "permit" {
            assert_eq!(done.status, 200, "{method} {target}: {}", done.text());
            let sent = told["forwarded"]["request"].as_str().unwrap();
            assert_eq!(sent, live.backend.last().line(), "{method} {target}");
        } else {
            assert_eq!(told["decision"]["status"], done.status, "{method} {target}: {told:#}");
            assert_eq!(told["decision"]["reason"], reason(&done), "{method} {target}: {told:#}");
        }
    }
}

#[test]
fn what_is_asked_of_the_gateway_that_runs_is_told_as_its_directory_has_it() {
    let live = Live::start();
    let (id, app) = &live.ids;
    let ask = |target: &str, caller: Option<&str>| live.explained("GET", target, None, caller);
    for rest in ["roles", "token"] {
        let owned = ask(&format!("/{app}/{rest}"), None);
        assert_eq!(owned["decision"]["outcome"], "answered", "{owned:#}");
        assert_eq!(owned["canonical"]["path"], format!("/acme/shop/{rest}"), "{owned:#}");
    }
    // A caller that is made up is, for its tenant, the one whom the directory knows.
    let told = ask("/acme/shop/users/me/carts", Some(EVE_BY_NAME));
    assert_eq!(told["decision"]["outcome"], "permit", "{told:#}");
    assert_eq!(told["canonical"]["path"], format!("/acme/shop/users/{id}/carts"), "{told:#}");
    assert_eq!(told["tenant"]["says"], "from the directory", "{told:#}");
    let told = ask("/acme/shop/users/eve/carts", Some(OLGA));
    assert_eq!(told["decision"]["outcome"], "permit", "{told:#}");
    let told = ask("/acme/sandbox/users/eve/carts", Some(EVE_BY_NAME));
    assert_eq!(told["decision"]["reason"], "other_tenant", "{told:#}");
}
