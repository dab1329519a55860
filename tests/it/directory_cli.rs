//! The directory from the command line: with a gateway and without one, on the embedded file and on
//! Redis; and that what is changed holds for the next request.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    admin::admin,
    cli::{Said, run_in},
    harness::{
        backend::Backend,
        client::{Answer, Client, bearer, get, request},
        gateway::{Gateway, Setup},
        redis::Redis,
    },
};

const TENANTS: &str = "[usergrid]\n";
const UUID: &str = "42b848fc-5db6-4111-8a11-0123456789ab";
/// The client id that an application of this UUID has on every platform.
const CLIENT: &str = "YXA6QrhI_F22QRGKEQEjRWeJqw";

/// Commands in a folder that holds a configuration.
struct Desk<'a>(&'a Path);

impl Desk<'_> {
    fn say(&self, words: &str, input: &str) -> Said {
        let words: Vec<&str> = words.split_whitespace().collect();
        run_in(self.0, &words, input)
    }

    /// A command that has to work.
    fn run(&self, words: &str) -> Said {
        self.with(words, "")
    }

    fn with(&self, words: &str, input: &str) -> Said {
        let said = self.say(words, input);
        assert_eq!(said.code, 0, "{words}: {said:?}");
        said
    }

    /// A command that has to be refused as bad input, with these words.
    fn refused(&self, words: &str, input: &str, says: &[&str]) {
        let said = self.say(words, input);
        assert_eq!(said.code, 65, "{words}: {said:?}");
        for part in says {
            assert!(said.err.contains(part), "{words}: {part} in {said:?}");
        }
    }

    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.run(&format!("{words} --json")).out).unwrap()
    }

    /// acme/shop with olga, who administers it, and nora, who has a password.
    fn furnish(&self) {
        let owner = "org create acme --owner-username olga --owner-email olga@acme.example";
        self.with(&format!("{owner} --password-file -"), "olga-secret-1\n");
        self.run(&format!("app create acme/shop --uuid {UUID}"));
        self.with("user create acme/shop nora --password-file -", "nora-secret-1\n");
    }
}

fn setup(backend: &Backend) -> Setup {
    Setup::new(&backend.url()).key("admin", "\"unix:admin.sock\"").tables(TENANTS)
}

fn login(gateway: &Gateway, body: &Value) -> Answer {
    gateway.ask(request("POST", "/acme/shop/token", "", &body.to_string()))
}

fn nora(gateway: &Gateway) -> Answer {
    login(
        gateway,
        &json!({ "grant_type": "password", "username": "nora", "password": "nora-secret-1" }),
    )
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    bearer(answer.json()["access_token"].as_str().unwrap())
}

/// What every change does to the next request of whoever it is about.
fn changes_hold_at_once(gateway: &Gateway) {
    let desk = Desk(gateway.folder());
    desk.furnish();
    let orders = |fields: &str| gateway.ask(get("/acme/shop/orders", fields)).status;
    let first = token(&nora(gateway));
    assert_eq!(orders(&first), 200, "`default` permits everything");

    let said = desk.run("role ungrant acme/shop default get,put,post,delete:/**");
    assert!(!said.out.contains("directly"), "the gateway was there: {said:?}");
    assert_eq!(orders(&first), 401);
    desk.run("role create acme/shop buyer");
    desk.run("role grant acme/shop buyer get:/orders");
    desk.run("user role acme/shop nora buyer");
    assert_eq!(orders(&first), 200);
    desk.run("user role acme/shop nora buyer --remove");
    assert_eq!(orders(&first), 401);
    desk.run("user grant acme/shop nora get:/orders");
    assert_eq!(orders(&first), 200);

    for (shut, open) in [
        ("user disable acme/shop nora", "user enable acme/shop nora"),
        ("user deactivate acme/shop nora", "user activate acme/shop nora"),
        ("app disable acme/shop", "app enable acme/shop"),
        ("org disable acme", "org enable acme"),
    ] {
        let before = token(&nora(gateway));
        assert_eq!(orders(&before), 200, "{shut}");
        desk.run(shut);
        assert_eq!(orders(&before), 401, "{shut}");
        assert_ne!(nora(gateway).status, 200, "{shut}");
        desk.run(open);
        assert_eq!(orders(&before), 401, "{open} revives nothing");
    }
    let again = token(&nora(gateway));
    desk.run("user revoke acme/shop nora");
    assert_eq!(orders(&again), 401);

    let issued = desk.run("token issue --user acme/shop nora --ttl 1h").out;
    assert_eq!(orders(&bearer(issued.trim())), 200);
    let shown = desk.with("token show", &issued).out;
    assert!(shown.contains("application_user") && shown.contains("acme/shop"), "{shown}");
    desk.with("token revoke", &issued);
    assert_eq!(orders(&bearer(issued.trim())), 401);
    let issued = desk.run("token issue --admin olga").out;
    assert_eq!(orders(&bearer(issued.trim())), 200);
    desk.run("admin disable olga");
    assert_eq!(orders(&bearer(issued.trim())), 401);
    let shown = desk.say("token show", &issued);
    assert_eq!((shown.code, shown.out.contains("principal_disabled")), (65, true), "{shown:?}");

    let last = token(&nora(gateway));
    desk.run("app delete acme/shop --confirm shop");
    assert_eq!(orders(&last), 401);
    desk.run(&format!("app restore acme {UUID}"));
    assert_eq!(orders(&token(&nora(gateway))), 200, "its users came back with it");
    desk.run("user delete acme/shop nora");
    assert_ne!(nora(gateway).status, 200);
}

#[test]
fn a_change_by_command_holds_for_the_next_request() {
    let backend = Backend::plain();
    changes_hold_at_once(&setup(&backend).start());
}

#[test]
fn a_change_by_command_holds_for_the_next_request_on_redis() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let mut gateway = setup(&backend).key("store", &format!("{:?}", redis.url())).start();
    changes_hold_at_once(&gateway);

    gateway.kill(); // its socket's file stays, and nobody is behind it
    let desk = Desk(gateway.folder());
    let said = desk.run("org disable acme");
    assert!(said.out.contains("no gateway runs"), "{said:?}");
    assert!(said.out.contains("notice within 1 s"), "{said:?}");
    assert!(!desk.run("org list").out.contains("directly"));
}

#[test]
fn a_deployed_client_keeps_its_id_and_its_secret() {
    let backend = Backend::plain();
    let gateway = setup(&backend).start();
    let desk = Desk(gateway.folder());
    desk.run("org create acme --owner-email olga@acme.example");
    desk.run("app create acme/shop");
    let import = format!("client import acme/shop --id {CLIENT}");
    let way_out = format!("tollgate app create acme/NAME --uuid {UUID}");
    desk.refused(&import, "from-the-old-host\n", &[UUID, &way_out]);

    desk.run("app delete acme/shop --confirm shop");
    desk.run(&format!("app create acme/shop --uuid {UUID}"));
    desk.with(&import, "from-the-old-host\n");
    let body = |secret: &str| json!({ "grant_type": "client_credentials", "client_id": CLIENT, "client_secret": secret });
    let client = token(&login(&gateway, &body("from-the-old-host")));
    assert_eq!(gateway.ask(get("/acme/shop/orders", &client)).status, 200);
    let shown = desk.json("client show acme/shop");
    assert_eq!(shown, json!({ "client_id": CLIENT, "client_secret": "from-the-old-host" }));

    desk.run("client revoke acme/shop");
    assert_eq!(gateway.ask(get("/acme/shop/orders", &client)).status, 401);
    let client = token(&login(&gateway, &body("from-the-old-host")));
    let new = desk.json("client rotate acme/shop");
    assert_ne!(login(&gateway, &body("from-the-old-host")).status, 200);
    assert_eq!(gateway.ask(get("/acme/shop/orders", &client)).status, 200, "its tokens live on");
    token(&login(&gateway, &body(new["client_secret"].as_str().unwrap())));
    desk.run("client rotate acme/shop --revoke");
    assert_eq!(gateway.ask(get("/acme/shop/orders", &client)).status, 401);

    desk.refused(&format!("app create acme/blog --uuid {UUID}"), "", &["is taken"]);
    let organization = desk.json("org show acme")["client_id"].as_str().unwrap().to_owned();
    desk.refused(&format!("client import acme/shop --id {organization}"), "x", &["b3U6"]);
    desk.refused("client import acme --id b3U6", "x", &["is no client id"]);
    let nil = "00000000-0000-0000-0000-000000000000";
    desk.refused(&format!("org create other --owner olga@acme.example --uuid {nil}"), "", &["nil"]);
}

#[test]
fn without_a_gateway_commands_use_the_file_themselves() {
    let backend = Backend::plain();
    let setup = setup(&backend).without("admin");
    std::fs::write(setup.folder().join("tollgate.toml"), setup.text()).unwrap();
    let desk = Desk(setup.folder());
    assert!(desk.run("org list").err.contains("tollgate org create"));
    desk.furnish();
    let said = desk.run("role create acme/shop buyer");
    assert!(said.out.contains("used directly"), "{said:?}");
    assert!(said.err.contains("to undo: tollgate role delete acme/shop buyer"), "{said:?}");
    desk.run("user role acme/shop nora buyer");
    assert_eq!(desk.json("user show acme/shop NORA")["roles"], json!(["buyer"]));
    assert_eq!(desk.json("app list acme").as_array().unwrap().len(), 2);
    desk.run("app set acme/shop --token-ttl 30m");
    assert_eq!(desk.json("app show acme/shop")["token_ttl"], "30m");
    let said = desk.run("app set acme/shop --token-ttl never");
    assert!(said.err.contains("app set acme/shop --token-ttl 30m"), "{said:?}");
    desk.refused("app set acme/shop --token-ttl 400d", "", &["accesstokenttl-max"]);

    desk.run("admin create --username pete --email pete@acme.example");
    desk.run("admin add pete acme");
    assert_eq!(desk.json("admin list --org acme").as_array().unwrap().len(), 2);
    desk.run("admin remove olga acme");
    desk.refused("admin remove pete acme", "", &["last admin", "tollgate admin add"]);
    desk.with("admin password pete", "pete-secret-1\n");
    assert_eq!(desk.json("admin show pete")["password"], "set");

    let other = std::fs::read(setup.folder().join("tollgate.toml")).unwrap();
    std::fs::write(setup.folder().join("other.toml"), other).unwrap();
    let said = desk.run("user disable acme/shop nora --config other.toml");
    assert!(said.err.contains("user enable acme/shop nora --config other.toml"), "{said:?}");
}

#[test]
fn what_is_not_there_is_named_with_the_command_that_makes_it() {
    let backend = Backend::plain();
    let setup = setup(&backend).without("admin");
    std::fs::write(setup.folder().join("tollgate.toml"), setup.text()).unwrap();
    let desk = Desk(setup.folder());
    desk.furnish();
    #[rustfmt::skip]
    let rows = [
        ("org show initech",                               "tollgate org create initech"),
        ("app show acme/blog",                             "tollgate app create acme/blog"),
        ("app create initech/blog",                        "tollgate org create initech"),
        ("user show acme/shop zoe",                        "tollgate user create acme/shop zoe"),
        ("user role acme/shop nora buyer",                 "tollgate role create acme/shop buyer"),
        ("role grant acme/shop buyer get:/x",              "tollgate role create acme/shop buyer"),
        ("admin show pete",                                "tollgate admin create --username pete"),
        ("client show initech",                            "tollgate org create initech"),
        ("app restore acme 7c0ff1b2-0000-11e4-8a11-0123456789ab", "tollgate app list acme --deleted"),
        ("app delete acme/shop --confirm acme",            "--confirm shop"),
        ("user create acme/shop nora",                     "`nora` is taken"),
        ("token issue --subject ann",                      "--user ORG/APP NAME"),
        ("token revoke --subject ann",                     "tollgate user revoke"),
        ("token issue --user acme/shop nora --ttl 9d",     "at most 7d"),
    ];
    for (words, says) in rows {
        desk.refused(words, "", &[says]);
    }
    let plain = "backend = \"http://127.0.0.1:9\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
                 store = \"file:plain.redb\"\n[rules]\n\"* /**\" = \"authenticated\"\n";
    std::fs::write(setup.folder().join("plain.toml"), plain).unwrap();
    let said = desk.say("org list --config plain.toml", "");
    assert_eq!((said.code, said.err.contains("add `[usergrid]`")), (78, true), "{said:?}");
    let away = setup.text().replace("file:tollgate.redb", "redis://127.0.0.1:1/0");
    std::fs::write(setup.folder().join("away.toml"), away).unwrap();
    assert_eq!(desk.say("org list --config away.toml", "").code, 69);
    assert_eq!(desk.say("app show acme", "").code, 64);
}

#[test]
fn no_secret_comes_out_but_where_it_was_asked_for() {
    let backend = Backend::plain();
    let gateway = setup(&backend).start();
    let desk = Desk(gateway.folder());
    desk.furnish();
    let secret = desk.json("client show acme/shop")["client_secret"].as_str().unwrap().to_owned();
    for words in
        ["org show acme", "app show acme/shop", "user show acme/shop nora", "admin show olga"]
    {
        for said in [desk.run(words), desk.run(&format!("{words} --json"))] {
            assert!(!said.out.contains("argon2") && !said.out.contains(&secret), "{said:?}");
        }
    }
    let logged = gateway.err.text() + &gateway.out.text();
    for text in ["olga-secret-1", "nora-secret-1", &secret] {
        assert!(!logged.contains(text), "{text} in {logged}");
    }
}

/// Whoever reaches the admin listener is not thereby somebody.
#[test]
fn management_on_the_admin_listener_alone_still_judges_credentials() {
    let backend = Backend::plain();
    let gateway = Setup::new(&backend.url())
        .key("admin", "\"127.0.0.1:0\"")
        .tables("[usergrid]\nmanagement = \"admin\"\n[usergrid.bootstrap]\norganization = \"acme\"\n\
                 username = \"olga\"\nemail = \"olga@acme.example\"\npassword = \"olga-secret-1\"\n")
        .start();
    let body = json!({ "grant_type": "password", "username": "olga", "password": "olga-secret-1" });
    let body = body.to_string();
    let inside = |bytes: String| Client::connect(admin(&gateway)).ask(bytes);
    for path in ["/management/token", "/token"] {
        assert_eq!(gateway.ask(request("POST", path, "", &body)).status, 404, "{path}");
        let here = |fields: &str| {
            let length = body.len();
            inside(format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
            ))
        };
        assert_eq!(here("").status, 200, "{path}");
        assert_eq!(here("Origin: http://evil.example\r\n").status, 403, "{path}");
    }
    let ask = |path: &str, fields: &str| {
        inside(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"))
    };
    let login = inside(format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let olga = token(&login);
    assert_eq!(ask("/management/orgs/acme", "").status, 401);
    let forged = olga.replace("YWMt", "YWMx");
    assert_eq!(ask("/management/orgs/acme", &forged).status, 401);
    let shown = ask("/management/orgs/acme", &olga);
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_eq!(shown.json()["organization"]["name"], "acme");
    assert_eq!(ask("/acme/sandbox/things", &olga).status, 404, "tenants are not here");
}
