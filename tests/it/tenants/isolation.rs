//! Tenants never mix: whoever belongs to one reaches nothing of another, by no method and by no path.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{OPEN, World, call, client_grant, login, token_of};

pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// Paths below an organization of the management.
const MANAGED: &str = "
    /users /users/olga /users/bob /apps /apps/shop /apps/shop/credentials
    /apps/shop?confirm_application_identifier=shop /credentials /config /credentials?revoke=true";

/// Paths below an application, owned and forwarded.
const BELOW: &str = "
    /credentials /users /roles /roles/editor /roles/default /roles/editor/permissions
    /roles/editor/permissions?permission=* /roles/editor/users/nora /roles/editor/groups/team
    /groups /groups/team /groups/team/users /groups/team/users/nora /groups/team/roles/editor
    /groups/team/permissions /permissions /cats /cats/tom /devices/d1 /a/b/c";

/// Paths below a user, owned and forwarded.
const OF_USER: &str = "
    /password /token /revoketoken /revoketokens /roles /roles/editor /groups /groups/team
    /permissions /activate /deactivate /devices /feed/1";

/// One organization with two applications, each with a user, a group and a role of their own.
pub(super) struct Side {
    name: &'static str,
    org_id: String,
    apps: Vec<(String, String)>,
    pub(super) user_ids: Vec<String>,
    admin: String,
    /// Tokens of everybody who belongs to it, by what they are.
    pub(super) callers: Vec<(String, String)>,
}

impl Side {
    fn make(world: &World, name: &'static str, admin: String) -> Self {
        let json = |method: &str, target: &str, body: &str| {
            let answer = world.call(&admin, method, target, body);
            assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
            answer.json()
        };
        let detail = json("GET", &format!("/management/orgs/{name}"), "");
        let org_id = detail["organization"]["uuid"].as_str().unwrap().to_owned();
        let client = |target: &str| {
            let credentials = &json("GET", target, "")["credentials"];
            token_of(&world.json("", "POST", "/management/token", &client_grant(credentials)))
        };
        let org = client(&format!("/management/orgs/{name}/credentials"));
        let mut callers =
            vec![("admin".to_owned(), admin.clone()), ("organization".to_owned(), org)];
        let (mut apps, mut user_ids) = (Vec::new(), Vec::new());
        for app in ["shop", "store"] {
            let base = format!("/{name}/{app}");
            let made = world.call(
                &admin,
                "POST",
                &format!("/management/orgs/{name}/apps"),
                &json!({ "name": app }).to_string(),
            );
            assert!(matches!(made.status, 200 | 409), "{}", made.text());
            // The same names on both sides: what is told apart is told apart by the tenant.
            let user = json(
                "POST",
                &format!("{base}/users"),
                r#"{"username":"nora","password":"nora-secret-1"}"#,
            );
            user_ids.push(user["entities"][0]["uuid"].as_str().unwrap().to_owned());
            json("POST", &format!("{base}/groups"), r#"{"path":"team"}"#);
            json(
                "POST",
                &format!("{base}/roles"),
                r#"{"name":"editor","permissions":["*","get,put,post,delete:/**","*:/users/**","*:/roles/**","*:/groups/**"]}"#,
            );
            json("POST", &format!("{base}/roles/editor/users/nora"), "");
            json("DELETE", &format!("{base}/roles/guest"), "");
            let nora = json("GET", &format!("{base}/users/nora/token"), "");
            callers.push((format!("user of {app}"), token_of(&nora)));
            callers.push((format!("client of {app}"), client(&format!("{base}/credentials"))));
        }
        let all = json("GET", &format!("/management/orgs/{name}/apps"), "");
        for (full, id) in all["data"].as_object().unwrap() {
            let app = full.split('/').nth(1).unwrap();
            if app != "sandbox" {
                apps.push((app.to_owned(), id.as_str().unwrap().to_owned()));
            }
        }
        Self { name, org_id, apps, user_ids, admin, callers }
    }

    /// Everything that the directory says of it, to its admin.
    fn state(&self, world: &World) -> BTreeMap<String, Value> {
        let mut targets = vec![
            format!("/management/orgs/{}", self.name),
            format!("/management/orgs/{}/users", self.name),
            format!("/management/orgs/{}/credentials", self.name),
        ];
        for (app, id) in &self.apps {
            let base = format!("/{}/{app}", self.name);
            assert_eq!(world.call(&self.admin, "GET", &format!("/{id}"), "").status, 200);
            for rest in [
                "",
                "/credentials",
                "/users",
                "/roles",
                "/groups",
                "/users/nora/roles",
                "/users/nora/groups",
                "/users/nora/permissions",
                "/roles/editor/permissions",
                "/roles/default/permissions",
                "/roles/editor/users",
                "/groups/team/users",
                "/groups/team/roles",
                "/groups/team/permissions",
            ] {
                targets.push(format!("{base}{rest}"));
            }
        }
        let told = |target: String| {
            let answer = world.call(&self.admin, "GET", &target, "");
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            let mut body = answer.json();
            for clock in ["timestamp", "duration"] {
                body.as_object_mut().unwrap().remove(clock);
            }
            (target, body)
        };
        targets.into_iter().map(told).collect()
    }

    /// Every path of it: what we own and what is forwarded, in every form that names it.
    fn targets(&self) -> Vec<String> {
        let mut all = Vec::new();
        for organization in [self.name, &self.org_id] {
            let below = |rest| format!("/management/orgs/{organization}{rest}");
            all.extend([""].into_iter().chain(MANAGED.split_whitespace()).map(below));
        }
        for ((app, id), user) in self.apps.iter().zip(&self.user_ids) {
            let base = format!("/management/orgs/{}/apps", self.name);
            all.push(format!("{base}/{id}?confirm_application_identifier={id}"));
            let mut rests: Vec<String> = BELOW.split_whitespace().map(str::to_owned).collect();
            for who in ["nora", "me", user] {
                let below = |rest| format!("/users/{who}{rest}");
                rests.extend([""].into_iter().chain(OF_USER.split_whitespace()).map(below));
            }
            rests.push(String::new());
            let forms = [
                format!("/{}/{app}", self.name),
                format!("/{}/{}", self.name.to_uppercase(), app.to_uppercase()),
                format!("/{id}"),
                format!("/{}/{id}", self.org_id),
                format!("/orgs/{}/apps/{app}", self.name),
                format!("/{}/a/{id}", self.name),
                format!("/apps/{id}"),
                format!("//{}//{app}/", self.name),
            ];
            for form in forms {
                all.extend(rests.iter().map(|rest| format!("{form}{rest}")));
            }
        }
        all
    }

    fn is_path(&self, line: &str) -> bool {
        line.split(' ')
            .nth(1)
            .is_some_and(|path| path.to_lowercase().starts_with(&format!("/{}/", self.name)))
    }
}

const BODIES: [&str; 7] = [
    "",
    "{}",
    r#"{"username":"evil","password":"evil-secret","newpassword":"evil-secret","activated":false,"disabled":true}"#,
    r#"{"permission":"get,post,put,delete:/**","name":"evil","path":"evil"}"#,
    r#"[{"username":"evil1"},{"username":"evil2"}]"#,
    r#"{"accesstokenttl":0,"properties":{"evil":true},"email":"evil@x.example","title":"evil"}"#,
    r#"{"grant_type":"password","username":"nora","password":"wrong-one"}"#,
];

/// Two organizations, alike but for their names, in which guests may do nothing.
pub(super) fn sides() -> (World, Side, Side) {
    let world = World::with(OPEN, "");
    let body = r#"{"organization":"beta","username":"bob","email":"bob@beta.example","password":"bob-secret-1"}"#;
    world.json("", "POST", "/management/orgs", body);
    let bob = login(&world.gate, "/management/token", "bob", "bob-secret-1");
    let acme = Side::make(&world, "acme", world.olga.clone());
    let beta = Side::make(&world, "beta", bob);
    (world, acme, beta)
}

/// One attempt of `who` on the other side, which must get nothing.
fn attempt(client: &mut super::Client, who: (&str, &str), row: (&str, &str, &str)) {
    let (method, target, body) = row;
    let answer = call(client, who.1, method, target, body);
    let row = format!("{} of the other side: {method} {target} {body}", who.0);
    let status = answer.status;
    assert!(
        matches!(status, 204 | 400..=499 | 501) || method == "OPTIONS",
        "{row}: {status} {}",
        answer.text()
    );
    if method != "HEAD" {
        let text = answer.text();
        for word in ["uuid", "entities", "client_secret", "access_token", "\"data\""] {
            assert!(!text.contains(word), "{row}: {text}");
        }
    }
}

#[test]
fn every_caller_with_every_method_on_every_path_of_the_other_tenant_gets_nothing() {
    let (world, acme, beta) = sides();
    for (own, other) in [(&acme, &beta), (&beta, &acme)] {
        let before = other.state(&world);
        let came = world.backend.received().len();
        let mut client = world.gate.connect();
        let guest = ("guest".to_owned(), String::new());
        let mut number = 0;
        for (kind, token) in own.callers.iter().chain([&guest]) {
            for (at, target) in other.targets().iter().enumerate() {
                for (with, method) in METHODS.iter().enumerate() {
                    // One or two methods for each caller and path: over all callers and all forms of a
                    // path that is every method.
                    if (at + with + number) % 4 != 0 {
                        continue;
                    }
                    let body = if matches!(*method, "GET" | "HEAD") {
                        ""
                    } else {
                        BODIES[(at + number) % BODIES.len()]
                    };
                    attempt(&mut client, (kind, token), (method, target, body));
                }
                number += 1;
            }
        }
        let after = other.state(&world);
        assert_eq!(before, after, "nothing of {} has changed", other.name);
        for one in &world.backend.received()[came..] {
            assert!(!other.is_path(one.line()), "{} came to the backend", one.line());
        }
    }
}

/// A path of one to seven segments, who asks, how and with what; each an index into its list.
type Drawn = (Vec<usize>, usize, usize, usize);

#[test]
fn whatever_one_makes_of_paths_the_other_tenant_is_not_reached() {
    let (world, acme, beta) = sides();
    let before = beta.state(&world);
    #[rustfmt::skip] // a list is read in lines
    let mut words = vec![
        "beta", "BETA", "%62eta", "acme", "shop", "store", "users", "user", "roles", "editor", "groups",
        "team", "nora", "me", "orgs", "apps", "o", "a", "applications", "management", "credentials",
        "token", "permissions", "devices", "cats", "", "%2e%2e", "..", ".", "beta%2fshop", "acme;x",
        "revoketokens", "password", "activate", "deactivate", "system",
    ];
    for side in [&beta, &acme] {
        words.extend([&*side.org_id, &side.apps[0].1, &side.user_ids[0]]);
    }
    let client = RefCell::new(world.gate.connect());
    let drawn = (
        prop::collection::vec(0..words.len(), 1..8),
        0..acme.callers.len(),
        0..METHODS.len(),
        0..BODIES.len(),
    );
    let config = Config { cases: 4_000, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&drawn, |(path, caller, method, body): Drawn| {
        let target: String = path.iter().map(|&word| format!("/{}", words[word])).collect();
        let method = METHODS[method];
        let body = if matches!(method, "GET" | "HEAD") { "" } else { BODIES[body] };
        // What is its own it may change and delete.
        let mut client = client.borrow_mut();
        let answer = call(&mut client, &acme.callers[caller].1, method, &target, body);
        prop_assert!(answer.status < 500 || answer.status == 501, "{}", answer.status);
        if answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            *client = world.gate.connect();
        }
        let text = String::from_utf8_lossy(&answer.body);
        for id in [&beta.org_id, &beta.apps[0].1, &beta.user_ids[0]] {
            let asked = target.contains(id.as_str());
            prop_assert!(asked || !text.contains(id.as_str()), "{method} {target}: {text}");
        }
        Ok(())
    });
    ran.unwrap();
    assert_eq!(before, beta.state(&world), "nothing of the other has changed");
    for one in world.backend.received() {
        assert!(!beta.is_path(one.line()), "{} came to the backend", one.line());
    }
}
