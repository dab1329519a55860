//! `[rules]` before tenants: each word means exactly what it says, and only within its tenant.

use serde_json::Value;

use super::{OPEN, Rows, World, client_grant, login, token_of};

const RULES: &str = r#"
[rules]
"* /{org}/{app}/users-only"    = "user"
"* /{org}/{app}/admins-only"   = "admin"
"* /{org}/{app}/org-only"      = "organization"
"* /{org}/{app}/app-only"      = "application"
"* /{org}/{app}/either"        = "user | organization"
"* /{org}/{app}/proven"        = "authenticated"
"* /{org}/{app}/buyers"        = "role:buyer"
"* /{org}/{app}/of/{u}"        = "self:{u}"
"* /{org}/{app}/users/{u}/own" = "self:{u}"
"* /{org}/{app}/open"          = "public"
"* /{org}/{app}/guests"        = "guest"
"* /{org}/{app}/closed"        = "deny"
"* /{org}/{app}/by-role/**"    = "permissions"
"* /acme/shop/narrow"          = "admin"
"* /acme-admins"               = "admin@acme"
"* /buyers"                    = "role:buyer@acme/shop"
"* /anybody"                   = "authenticated@*"
"#;

/// Callers, in the order of the columns.
struct Callers {
    guest: String,
    nora: String,
    buyer: String,
    app: String,
    org: String,
    admin: String,
    other_user: String,
    other_admin: String,
    other_client: String,
}

impl Callers {
    fn all(&self) -> [&str; 9] {
        [
            &self.guest,
            &self.nora,
            &self.buyer,
            &self.app,
            &self.org,
            &self.admin,
            &self.other_user,
            &self.other_admin,
            &self.other_client,
        ]
    }
}

fn client(world: &World, who: &str, target: &str) -> String {
    let credentials: Value = world.json(who, "GET", target, "")["credentials"].clone();
    token_of(&world.json("", "POST", "/management/token", &client_grant(&credentials)))
}

#[test]
#[rustfmt::skip] // a table is read by column
fn each_requirement_is_met_by_its_own_and_by_no_other() {
    let world = World::with(OPEN, RULES);
    let nora = world.user("/acme/shop", "nora");
    let buyer = world.user("/acme/shop", "bea");
    let other_user = world.user("/acme/sandbox", "nora");
    world.permit("/acme/shop", "buyer", &["get:/by-role/*"]);
    world.permit("/acme/shop", "default", &[]);
    world.permit("/acme/sandbox", "buyer", &[]);
    world.json(&world.olga, "POST", "/acme/shop/roles/buyer/users/bea", "");
    world.json(&world.olga, "POST", "/acme/sandbox/roles/buyer/users/nora", "");
    let beta = r#"{"organization":"beta","username":"bob","email":"bob@beta.example","password":"bob-secret-1"}"#;
    world.json("", "POST", "/management/orgs", beta);
    let bob = login(&world.gate, "/management/token", "bob", "bob-secret-1");
    let callers = Callers {
        guest: String::new(),
        nora: nora.token.clone(),
        buyer: buyer.token.clone(),
        app: client(&world, &world.olga, "/acme/shop/credentials"),
        org: client(&world, &world.olga, "/management/orgs/acme/credentials"),
        admin: world.olga.clone(),
        other_user: other_user.token.clone(),
        other_client: client(&world, &bob, "/management/orgs/beta/credentials"),
        other_admin: bob,
    };
    // Guest, nora, a buyer, the application's client, the organization's, its admin; then a buyer of
    // another application, and another organization's admin and client.
    let by_id = format!("/acme/shop/of/{}", nora.id);
    let table: [(&str, &str); 20] = [
        ("/acme/shop/users-only",       ".xx......"),
        ("/acme/shop/admins-only",      ".....x..."),
        ("/acme/shop/org-only",         "....x...."),
        ("/acme/shop/app-only",         "...x....."),
        ("/acme/shop/either",           ".xx.x...."),
        ("/acme/shop/proven",           ".xxxxx..."),
        ("/ACME/Apps/Shop/proven/",     ".xxxxx..."),
        ("/acme/shop/buyers",           "..x......"),
        ("/acme/shop/of/nora",          "........."),
        (&by_id,                        ".x......."),
        ("/acme/shop/users/nora/own",   ".x......."),
        ("/acme/shop/users/me/own",     ".xx......"),
        ("/acme/shop/guests",           "xxxxxxxxx"),
        ("/acme/shop/open",             "xxxxxxxxx"),
        ("/acme/shop/closed",           "........."),
        ("/acme/shop/by-role/x",        "..xxxx..."),
        ("/acme/shop/by-role/x/y",      "...xxx..."),
        ("/acme/shop/narrow",           ".....x..."),
        ("/acme/shop/nothing",          "........."),
        ("/acme/shop",                  "...xxx..."),
    ];
    let outside: [(&str, &str); 3] = [
        ("/acme-admins",                ".....x..."),
        ("/buyers",                     "..x......"),
        ("/anybody",                    ".xxxxxxxx"),
    ];
    let mut rows = Rows::default();
    for (target, expected) in table.iter().chain(&outside) {
        let letter = |who: &&str| match world.call(who, "GET", target, "").status {
            200 => 'x',
            // Nobody of this path's tenant is named by `me`, or a refusal.
            401 | 403 | 404 => '.',
            status => panic!("{target}: {status}"),
        };
        let found: String = callers.all().iter().map(letter).collect();
        rows.check(target, &found, expected);
    }
    // A bad credential is refused by every rule but a public one.
    for (target, status) in [("/acme/shop/open", 200), ("/acme/shop/guests", 401), ("/acme/shop/nothing", 401)] {
        assert_eq!(world.call("blah", "GET", target, "").status, status, "{target}");
    }
}
