//! Organizations: made with owner and sandbox, read and changed by their own, and their client.

use serde_json::json;

use super::{OPEN, World, client_grant, grant, keys, login, said, token_of, told};

const BETA: &str = r#"{"organization":"Beta","username":"bob","name":"Bob B","email":"bob@beta.example","password":"bob-secret-1","city":"Oslo","properties":{"plan":"gold"}}"#;

#[test]
fn creating_an_organization_makes_its_owner_and_its_sandbox() {
    let world = World::with(OPEN, "");
    let made = world.json("", "POST", "/management/orgs", BETA);
    assert_eq!(keys(&made), "action status data timestamp duration");
    assert_eq!((&made["action"], &made["status"]), (&json!("new organization"), &json!("ok")));
    assert_eq!(keys(&made["data"]), "owner organization");
    let organization = &made["data"]["organization"];
    assert_eq!(keys(organization), "name uuid properties passwordHistorySize");
    assert_eq!(organization["properties"], json!({ "plan": "gold" }));
    let owner = &made["data"]["owner"];
    assert_eq!(
        keys(owner),
        "applicationId uuid username name email activated confirmed disabled adminUser properties \
         displayEmailAddress htmldisplayEmailAddress"
    );
    assert_eq!(owner["username"], "bob");
    assert_eq!(owner["properties"], json!({ "city": "Oslo" }));
    assert_eq!((&owner["activated"], &owner["adminUser"]), (&json!(true), &json!(true)));
    assert_eq!(owner["displayEmailAddress"], "Bob B <bob@beta.example>");

    let bob = login(&world.gate, "/management/token", "bob@beta.example", "bob-secret-1");
    let apps = world.json(&bob, "GET", "/management/orgs/beta/apps", "");
    assert_eq!(apps["action"], "get organization application");
    assert_eq!(keys(&apps["data"]), "beta/sandbox");
    // The sandbox is open to guests, but for the application itself and its credentials.
    assert_eq!(world.road("", "GET", "/beta/sandbox/cats"), "GET /beta/sandbox/cats");
    assert_eq!(world.road("", "DELETE", "/beta/sandbox/cats/tom"), "DELETE /beta/sandbox/cats/tom");
    for (method, target) in [
        ("GET", "/beta/sandbox"),
        ("PUT", "/beta/sandbox"),
        ("GET", "/beta/sandbox/credentials"),
        ("GET", "/beta/sandbox/roles"),
    ] {
        assert_eq!(world.road("", method, target), "401 unauthorized", "{method} {target}");
    }

    let detail = world.json(&bob, "GET", "/management/orgs/beta", "");
    assert_eq!(keys(&detail), "organization timestamp duration");
    let detail = &detail["organization"];
    assert_eq!(keys(detail), "name uuid properties passwordHistorySize applications users");
    assert_eq!(
        (keys(&detail["applications"]), keys(&detail["users"])),
        ("beta/sandbox".into(), "bob".into())
    );
    let changed =
        world.json(&bob, "PUT", "/management/orgs/BETA", r#"{"properties":{"plan":"lead"}}"#);
    assert_eq!(changed["action"], "put");
    let detail = world.json(&bob, "GET", "/management/orgs/beta", "");
    assert_eq!(detail["organization"]["properties"], json!({ "plan": "lead" }));
}

#[test]
fn a_registration_that_clashes_makes_nothing() {
    let world = World::with(OPEN, "");
    let of = |organization: &str, username: &str, email: &str| {
        json!({ "organization": organization, "username": username, "email": email,
                "password": "secret-1" })
        .to_string()
    };
    let duplicate = "400 duplicate_unique_property_exists";
    let orgs = "/management/orgs";
    world.rows(&[
        ("", "POST", orgs, &of("ACME", "x1", "x1@x.example"), duplicate),
        ("", "POST", orgs, &of("two", "OLGA", "x2@x.example"), duplicate),
        ("", "POST", orgs, &of("three", "x3", "Olga@acme.example"), duplicate),
        ("", "POST", "/management/organizations", &of("", "x4", "x4@x.example"),
            "400 illegal_argument: The organization parameter was missing"),
        ("", "POST", orgs, "", "400 illegal_argument: The organization parameter was missing"),
        ("", "POST", "/management/orgs?organization=q&email=q@x.example", "", "400 illegal_argument"),
        ("", "POST", orgs, r#"{"organization":"five","username":"x5","password":"secret-1"}"#,
            "400 illegal_argument"),
        ("", "POST", orgs, &of("management", "x6", "x6@x.example"), "400 illegal_argument"),
        ("", "POST", orgs, &of("7f3f6d0a-0000-11ee-8a11-0123456789ab", "x7", "x7@x.example"),
            "400 illegal_argument"),
        ("", "POST", orgs, r#"{"organization":"eight","username":"x8","email":"x8@x.example","password":"abc"}"#,
            "400 error_password_policy_violation: error_length_policy: must be at least 4 characters "),
        ("", "POST", orgs, &of("nine", "me", "x9@x.example"),
            "400 illegal_argument: Username 'me' is reserved"),
        // Nothing was made by any of them: the names are free, and nobody logs in.
        ("", "POST", "/management/token", &grant("x1", "secret-1"), "400 invalid_grant"),
        ("", "POST", "/management/token", &grant("x3", "secret-1"), "400 invalid_grant"),
        ("", "POST", orgs, &of("two", "x1", "x1@x.example"), "200"),
        ("", "POST", orgs, &of("three", "x2", "x2@x.example"), "200"),
        ("", "POST", orgs, &of("eight", "x8", "x8@x.example"), "200"),
    ]);
    let form = "organization=formed&username=fred&email=fred%40x.example&password=secret-1";
    let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
    let made = world.gate.ask(super::request("POST", orgs, fields, form));
    assert_eq!(told(&made), "200");
    login(&world.gate, "/management/token", "fred", "secret-1");
}

#[test]
fn registration_is_closed_unless_it_is_opened() {
    let world = World::new();
    world.rows(&[
        (
            "",
            "POST",
            "/management/orgs",
            BETA,
            "400 illegal_argument: Public organization registration is disabled",
        ),
        (
            &world.olga,
            "POST",
            "/management/orgs",
            BETA,
            "400 illegal_argument: Public organization registration is disabled",
        ),
        (
            &world.olga,
            "POST",
            "/management/users/olga/organizations",
            r#"{"organization":"beta"}"#,
            "400 illegal_argument: Public organization registration is disabled",
        ),
        ("", "POST", "/management/token", &grant("bob", "bob-secret-1"), "400 invalid_grant"),
    ]);
    let form = "username=bob&email=bob%40beta.example&password=bob-secret-1";
    let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = world.gate.ask(super::request("POST", "/management/users", fields, form));
    assert_eq!(
        said(&answer),
        "400 illegal_argument: Public registration of admin users is disabled"
    );
}

#[test]
fn an_organization_is_for_its_own_and_others_do_not_learn_that_it_is() {
    let world = World::with(OPEN, "");
    world.json("", "POST", "/management/orgs", BETA);
    let bob = login(&world.gate, "/management/token", "bob", "bob-secret-1");
    let nora = world.user("/acme/shop", "nora").token;
    let credentials = &world.json(&world.olga, "GET", "/acme/shop/credentials", "")["credentials"];
    let app = token_of(&world.json("", "POST", "/acme/shop/token", &client_grant(credentials)));
    let target = "/management/orgs/acme/credentials";
    let credentials = &world.json(&world.olga, "GET", target, "")["credentials"];
    let org = token_of(&world.json("", "POST", "/management/token", &client_grant(credentials)));
    let refused = "401 unauthorized: No organization access authorized";
    for rest in [
        "",
        "/users",
        "/apps",
        "/applications",
        "/apps/shop",
        "/credentials",
        "/apps/shop/credentials",
    ] {
        for organization in ["acme", "nobody"] {
            let target = format!("/management/orgs/{organization}{rest}");
            let synonym = format!("/management/organizations/{organization}{rest}");
            world.rows(&[
                ("", "GET", &target, "", refused),
                (&bob, "GET", &target, "", refused),
                (&nora, "GET", &target, "", refused),
                (&app, "GET", &target, "", refused),
                (&bob, "GET", &synonym, "", refused),
                (&bob, "POST", &target, "{}", refused),
                (&bob, "PUT", &target, "{}", refused),
                (&bob, "DELETE", &target, "", refused),
            ]);
        }
        let target = format!("/management/orgs/Acme{rest}");
        world.rows(&[(&world.olga, "GET", &target, "", "200"), (&org, "GET", &target, "", "200")]);
    }
    world.rows(&[
        (&world.olga, "DELETE", "/management/orgs/acme", "", "501 not_implemented"),
        (&world.olga, "PATCH", "/management/orgs/acme", "", "405 unsupported_service_operation"),
        ("", "GET", "/management/orgs", "", "401 unauthorized: No system access authorized"),
        (
            &world.olga,
            "GET",
            "/management/orgs",
            "",
            "401 unauthorized: No system access authorized",
        ),
        (
            &world.olga,
            "GET",
            "/system/database/setup",
            "",
            "401 unauthorized: No system access authorized",
        ),
    ]);
    let system = world.call("", "GET", "/management/orgs", "");
    let challenge = system.field("www-authenticate");
    assert_eq!(challenge, Some("Basic realm=\"Usergrid Authentication\""));
}

#[test]
fn an_organization_s_client_is_read_and_replaced() {
    let world = World::new();
    let target = "/management/orgs/acme/credentials";
    let read = world.json(&world.olga, "GET", target, "");
    assert_eq!(keys(&read), "action credentials timestamp duration");
    assert_eq!(read["action"], "get organization client credentials");
    assert_eq!(keys(&read["credentials"]), "client_id client_secret");
    let (id, secret) = (&read["credentials"]["client_id"], &read["credentials"]["client_secret"]);
    let (id, secret) = (id.as_str().unwrap(), secret.as_str().unwrap());
    assert_eq!((id.len(), &id[..4]), (26, "b3U6"));
    assert_eq!((secret.len(), &secret[..4]), (31, "b3U6"));
    assert_eq!(world.json(&world.olga, "GET", target, "")["credentials"], read["credentials"]);
    let old = client_grant(&read["credentials"]);
    let token = token_of(&world.json("", "POST", "/management/token", &old));

    let made = world.json(&token, "POST", target, "");
    assert_eq!(made["action"], "generate organization client credentials");
    assert_eq!(made["credentials"]["client_id"], id);
    assert_ne!(made["credentials"]["client_secret"], secret);
    let new = client_grant(&made["credentials"]);
    world.rows(&[
        ("", "POST", "/management/token", &old, "400 invalid_grant"),
        ("", "POST", "/management/token", &new, "200"),
        // Tokens stay, unless they are to go as well.
        (&token, "GET", "/management/orgs/acme", "", "200"),
        (&world.olga, "POST", "/management/orgs/acme/credentials?revoke=true", "", "200"),
    ]);
    let refused = world.call(&token, "GET", "/management/orgs/acme", "");
    assert_eq!(refused.status, 401, "{}", said(&refused));
}

#[test]
fn management_that_is_off_is_nowhere_and_tenants_go_on() {
    let backend = super::Backend::plain();
    let gate = super::setup(&backend.url(), "memory:", "management = \"off\"", "").start();
    let login = grant("olga", super::PASSWORD);
    for (method, target) in [
        ("POST", "/management/token"),
        ("POST", "/token"),
        ("GET", "/management/me"),
        ("GET", "/management/orgs/acme"),
        ("POST", "/management/orgs"),
        ("GET", "/Management/users/olga"),
    ] {
        let answer = super::call(&mut gate.connect(), "", method, target, &login);
        assert_eq!(told(&answer), "404 service_resource_not_found", "{method} {target}");
    }
    let registered = r#"{"username":"nora","password":"nora-secret-1"}"#;
    let made = super::call(&mut gate.connect(), "", "POST", "/acme/shop/users", registered);
    assert_eq!(told(&made), "200");
    let nora = super::login(&gate, "/acme/shop/token", "nora", "nora-secret-1");
    let cats = super::call(&mut gate.connect(), &nora, "GET", "/acme/shop/cats", "");
    assert_eq!((told(&cats).as_str(), backend.last().line()), ("200", "GET /acme/shop/cats"));
}

#[test]
fn a_disabled_organization_is_nobody_s_until_it_is_enabled() {
    let backend = super::Backend::plain();
    let setup = super::setup(&backend.url(), "memory:", "", "");
    let gate = setup.key("admin", "\"unix:admin.sock\"").start();
    let olga = login(&gate, "/management/token", "olga", super::PASSWORD);
    let targets = ["", "/credentials", "/apps"].map(|rest| format!("/management/orgs/acme{rest}"));
    let answers = |who: &str| {
        targets
            .each_ref()
            .map(|target| told(&super::call(&mut gate.connect(), who, "GET", target, "")))
    };
    let listed = || {
        let body = grant("olga", super::PASSWORD);
        let answer = gate.ask(super::request("POST", "/management/token", "", &body));
        assert_eq!(told(&answer), "200", "she is an admin still");
        keys(&answer.json()["user"]["organizations"])
    };
    let run = |words: &[&str]| {
        let said = crate::cli::run_in(gate.folder(), words, "");
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
    };
    assert_eq!((answers(&olga), listed().as_str()), (["200"; 3].map(str::to_owned), "acme"));
    run(&["org", "disable", "acme"]);
    let no = ["401 unauthorized"; 3].map(str::to_owned);
    assert_eq!((answers(&olga), listed().as_str()), (no.clone(), ""));
    let fresh = login(&gate, "/management/token", "olga", super::PASSWORD);
    assert_eq!(answers(&fresh), no, "by a new login as by an old one");
    run(&["org", "enable", "acme"]);
    assert_eq!((answers(&fresh), listed().as_str()), (["200"; 3].map(str::to_owned), "acme"));
}
