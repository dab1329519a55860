//! Roles: what they hold, who holds them, and that a change holds from the next request on.

use serde_json::{Value, json};

use super::{World, keys, token_of};

const ROLES: &str = "/acme/shop/roles";

fn names(body: &Value) -> Vec<String> {
    let all = body["entities"].as_array().unwrap().iter();
    let mut names: Vec<_> = all.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_application_begins_with_three_roles() {
    let world = World::new();
    let all = world.json(&world.olga, "GET", ROLES, "");
    assert_eq!(names(&all), ["admin", "default", "guest"]);
    assert_eq!((&all["count"], &all["path"]), (&json!(3), &json!("/roles")));
    for (application, role, held) in [
        ("shop", "admin", json!([])),
        ("shop", "default", json!(["get,put,post,delete:/**"])),
        ("shop", "guest", json!(["post:/users", "post:/devices", "put:/devices/*"])),
        ("sandbox", "default", json!(["get,put,post,delete:/**"])),
    ] {
        let target = format!("/acme/{application}/roles/{role}/permissions");
        let body = world.json(&world.olga, "GET", &target, "");
        assert_eq!((&body["data"], &body["entities"]), (&held, &json!([])), "{target}");
    }
    let open = world.json(&world.olga, "GET", "/acme/sandbox/roles/guest/permissions", "");
    let open = open["data"].as_array().unwrap();
    assert!(open.contains(&json!("get,post,put,delete:/**")), "{open:?}");
    let title = world.json(&world.olga, "GET", "/acme/shop/roles/Guest", "");
    assert_eq!(title["entities"][0]["title"], "Guest");
}

#[test]
fn roles_are_made_changed_and_deleted() {
    let world = World::new();
    let made = world.json(
        &world.olga,
        "POST",
        ROLES,
        r#"{"name":"editor","title":"The Editor","inactivity":0}"#,
    );
    let role = &made["entities"][0];
    assert_eq!(keys(role), "uuid type name created modified roleName title inactivity metadata");
    assert_eq!(
        (&role["type"], &role["roleName"], &role["title"]),
        (&json!("role"), &json!("editor"), &json!("The Editor"))
    );
    let by_id = format!("{ROLES}/{}", role["uuid"].as_str().unwrap());
    let rules = "/acme/shop/roles/editor/permissions";
    world.rows(&[
        (&world.olga, "GET", &by_id, "", "200"),
        (&world.olga, "GET", "/acme/shop/role/EDITOR", "", "200"),
        (&world.olga, "POST", ROLES, "{}", "400 required_property_not_found"),
        (&world.olga, "POST", ROLES, r#"{"name":"a b"}"#, "400 illegal_argument"),
        (
            &world.olga,
            "POST",
            ROLES,
            r#"{"name":"editor"}"#,
            "400 duplicate_unique_property_exists",
        ),
        (&world.olga, "PUT", "/acme/shop/roles/editor", r#"{"title":"Ed"}"#, "200"),
        (&world.olga, "GET", "/acme/shop/roles/nothing", "", "404 service_resource_not_found"),
        (
            &world.olga,
            "GET",
            "/acme/shop/roles/7f3f6d0a-0000-11ee-8a11-0123456789ab",
            "",
            "404 entity_not_found",
        ),
        (&world.olga, "DELETE", ROLES, "", "405 unsupported_service_operation"),
        (
            &world.olga,
            "POST",
            rules,
            "{}",
            "400 illegal_argument: You must supply a 'permission' property",
        ),
        (
            &world.olga,
            "PUT",
            rules,
            "{}",
            "400 illegal_argument: You must supply a 'permission' property",
        ),
        (
            &world.olga,
            "DELETE",
            rules,
            "",
            "400 illegal_argument: You must supply a 'permission' query parameter",
        ),
    ]);
    let add = |rule: &str| {
        world.json(&world.olga, "POST", rules, &json!({ "permission": rule }).to_string())
    };
    let added = add("GET,PUT:/orders/**");
    assert_eq!(
        keys(&added),
        "action application params path uri entities data timestamp duration organization applicationName"
    );
    assert_eq!(added["data"], json!(["get,put:/orders/**"]), "in lower case");
    assert_eq!(add("get:/cats")["data"], json!(["get,put:/orders/**", "get:/cats"]), "all of them");
    assert_eq!(
        add("get:/CATS")["data"],
        json!(["get,put:/orders/**", "get:/cats"]),
        "twice is once"
    );
    let take = |query: &str| {
        world.json(&world.olga, "DELETE", &format!("{rules}?{query}"), "")["data"].clone()
    };
    assert_eq!(
        take("permission=put,get:/orders/**"),
        json!(["get,put:/orders/**", "get:/cats"]),
        "by its text"
    );
    assert_eq!(take("permission=get,put:/orders/**&permission=get:/cats"), json!([]));
    world.rows(&[
        (&world.olga, "DELETE", "/acme/shop/roles/editor", "", "200"),
        (&world.olga, "GET", "/acme/shop/roles/editor", "", "404 service_resource_not_found"),
        (&world.olga, "GET", rules, "", "404 service_resource_not_found"),
    ]);
}

#[test]
fn holding_a_role_counts_from_the_next_request_on() {
    let world = World::new();
    let fred = world.user("/acme/shop", "fred");
    world.permit("/acme/shop", "default", &[]);
    world.permit("/acme/shop", "editor", &["get:/cats/**"]);
    let refused = "401 unauthorized: Subject does not have permission to access this resource";
    let olga = world.olga.as_str();
    let (mine, theirs) =
        ("/acme/shop/users/fred/roles/editor", "/acme/shop/roles/editor/users/fred");
    for (give, take) in [(mine, mine), (theirs, theirs), (mine, theirs), (theirs, mine)] {
        world.rows(&[
            (&fred.token, "GET", "/acme/shop/cats", "", refused),
            (olga, "GET", mine, "", "404 service_resource_not_found"),
            (olga, "POST", give, "", "200"),
            (olga, "POST", give, "", "200"),
            (&fred.token, "GET", "/acme/shop/cats", "", "200"),
            (olga, "GET", mine, "", "200"),
            (olga, "DELETE", take, "", "200"),
        ]);
    }
    world.json(olga, "POST", mine, "");
    assert_eq!(names(&world.json(olga, "GET", "/acme/shop/users/fred/roles", "")), ["editor"]);
    let holders = world.json(olga, "GET", "/acme/shop/roles/editor/users", "");
    assert_eq!(holders["entities"][0]["username"], "fred");
    let rules = "/acme/shop/roles/editor/permissions";
    world.rows(&[
        (&fred.token, "GET", "/acme/shop/cats/tom", "", "200"),
        (olga, "DELETE", "/acme/shop/roles/editor/permissions?permission=get:/cats/**", "", "200"),
        (&fred.token, "GET", "/acme/shop/cats/tom", "", refused),
        (olga, "POST", rules, r#"{"permission":"get:/cats/tom"}"#, "200"),
        (&fred.token, "GET", "/acme/shop/cats/tom", "", "200"),
        (olga, "POST", "/acme/shop/roles/nothing/users/fred", "", "404 service_resource_not_found"),
        (
            olga,
            "POST",
            "/acme/shop/roles/editor/users/nobody",
            "",
            "404 service_resource_not_found",
        ),
        (
            olga,
            "POST",
            "/acme/shop/users/nobody/roles/editor",
            "",
            "404 service_resource_not_found",
        ),
        // A deleted role is nobody's, and one made anew under its name does not come back to them.
        (olga, "DELETE", "/acme/shop/roles/editor", "", "200"),
        (&fred.token, "GET", "/acme/shop/cats/tom", "", refused),
        (olga, "POST", ROLES, r#"{"name":"editor","permissions":["get:/**"]}"#, "200"),
        (&fred.token, "GET", "/acme/shop/cats/tom", "", refused),
    ]);
}

#[test]
fn a_user_may_hold_permissions_of_its_own() {
    let world = World::new();
    let (fred, nora) = (world.user("/acme/shop", "fred"), world.user("/acme/shop", "nora"));
    world.permit("/acme/shop", "default", &[]);
    let target = "/acme/shop/users/fred/permissions";
    let held = world.json(&world.olga, "POST", target, r#"{"permission":"GET:/cats/*"}"#);
    assert_eq!(held["data"], json!(["get:/cats/*"]));
    assert_eq!(world.road(&fred.token, "GET", "/acme/shop/cats/tom"), "GET /acme/shop/cats/tom");
    assert_eq!(world.road(&nora.token, "GET", "/acme/shop/cats/tom"), "401 unauthorized");
    assert_eq!(world.json(&world.olga, "POST", target, "{}")["data"], json!(["get:/cats/*"]));
    let left = world.json(
        &world.olga,
        "DELETE",
        "/acme/shop/users/fred/permissions?permission=get:/cats/*",
        "",
    );
    assert_eq!(left["data"], json!([]));
    assert_eq!(world.road(&fred.token, "GET", "/acme/shop/cats/tom"), "401 unauthorized");
}

/// What gives power, with a method that is served there.
const PROTECTED: [(&str, &str, &str); 19] = [
    ("GET", "roles", ""),
    ("POST", "roles", r#"{"name":"x1"}"#),
    ("DELETE", "roles/guest", ""),
    ("GET", "roles/default/permissions", ""),
    ("POST", "roles/default/permissions", r#"{"permission":"get:/x"}"#),
    ("POST", "roles/editor/users/fred", ""),
    ("POST", "roles/editor/groups/team", ""),
    ("GET", "users/fred/roles", ""),
    ("POST", "users/fred/roles/editor", ""),
    ("POST", "users/me/roles/editor", ""),
    ("GET", "users/fred/permissions", ""),
    ("POST", "users/fred/permissions", r#"{"permission":"get:/x"}"#),
    ("POST", "users/fred/groups/team", ""),
    ("POST", "groups/team/users/fred", ""),
    ("POST", "groups/team/roles/editor", ""),
    ("POST", "groups/team/permissions", r#"{"permission":"get:/x"}"#),
    ("POST", "users/nora/deactivate", ""),
    ("POST", "users/nora/revoketokens", ""),
    ("PUT", "users/nora/activate", ""),
];

fn protected(keys: &str) -> Vec<String> {
    let world = World::with(keys, "");
    world.user("/acme/shop", "nora");
    let fred = world.user("/acme/shop", "fred");
    world.permit(
        "/acme/shop",
        "default",
        &["get,put,post,delete:/**", "get,put,post,delete:/*/**", "*:/*/*/*", "*"],
    );
    world.permit("/acme/shop", "editor", &[]);
    world.json(&world.olga, "POST", "/acme/shop/groups", r#"{"path":"team"}"#);
    let tell = |(method, rest, body): &(&str, &str, &str)| {
        super::told(&world.call(&fred.token, method, &format!("/acme/shop/{rest}"), body))
    };
    PROTECTED.iter().map(tell).collect()
}

#[test]
fn no_wildcard_reaches_roles_permissions_memberships_and_other_accounts() {
    for (row, found) in PROTECTED.iter().zip(protected("")) {
        assert_eq!(found, "401 unauthorized", "{row:?}");
    }
}

#[test]
fn open_roles_gives_wildcards_their_reach_back() {
    for (row, found) in PROTECTED.iter().zip(protected("open-roles = true")) {
        assert_eq!(found, "200", "{row:?}");
    }
}

#[test]
fn a_pattern_that_names_what_is_protected_reaches_it() {
    let world = World::new();
    let fred = world.user("/acme/shop", "fred");
    world.user("/acme/shop", "nora");
    world.permit(
        "/acme/shop",
        "default",
        &["get,post:/roles/**", "post:/users/*/deactivate", "put:/users/me/**"],
    );
    world.rows(&[
        (&fred.token, "GET", "/acme/shop/roles", "", "200"),
        (&fred.token, "POST", "/acme/shop/roles", r#"{"name":"x"}"#, "200"),
        (&fred.token, "DELETE", "/acme/shop/roles/x", "", "401 unauthorized"),
        (&fred.token, "POST", "/acme/shop/users/nora/deactivate", "", "200"),
        (&fred.token, "POST", "/acme/shop/users/nora/activate", "", "401 unauthorized"),
        (&fred.token, "PUT", "/acme/shop/users/nora/revoketokens", "", "401 unauthorized"),
        // Its own tokens are always its to end.
        (&fred.token, "PUT", "/acme/shop/users/fred/revoketokens", "", "200"),
    ]);
    let fred = token_of(&world.json(&world.olga, "GET", "/acme/shop/users/fred/token", ""));
    world.permit("/acme/shop", "default", &[]);
    world.rows(&[(&fred, "POST", "/acme/shop/users/me/revoketokens", "", "200")]);
}

/// Whoever renames or deletes a group changes what its members may do.
#[test]
fn a_group_is_read_by_a_wildcard_and_changed_by_a_pattern_that_names_groups() {
    let world = World::new();
    let fred = world.user("/acme/shop", "fred");
    world.json(&world.olga, "POST", "/acme/shop/groups", r#"{"path":"team"}"#);
    let team = "/acme/shop/groups/team";
    world.rows(&[
        (&fred.token, "GET", team, "", "200"),
        (&fred.token, "PUT", team, r#"{"title":"x"}"#, "401 unauthorized"),
        (&fred.token, "PUT", team, r#"{"path":"x"}"#, "401 unauthorized"),
        (&fred.token, "DELETE", team, "", "401 unauthorized"),
        (&fred.token, "DELETE", "/acme/shop/group/team", "", "401 unauthorized"),
    ]);
    world.permit("/acme/shop", "keeper", &["put,delete:/groups/*"]);
    world.json(&world.olga, "POST", "/acme/shop/users/fred/roles/keeper", "");
    world.rows(&[
        (&fred.token, "PUT", team, r#"{"title":"x"}"#, "200"),
        (&fred.token, "GET", team, "", "200"),
        (&fred.token, "DELETE", team, "", "200"),
        (&fred.token, "GET", team, "", "404 service_resource_not_found"),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn another_user_s_name_and_address_are_changed_by_a_pattern_that_names_users() {
    let world = World::new();
    let fred = world.user("/acme/shop", "fred");
    let made = r#"{"username":"nora","email":"nora@x.example"}"#;
    world.json(&world.olga, "POST", "/acme/shop/users", made);
    let (nora, no) = ("/acme/shop/users/nora", "401 unauthorized");
    world.rows(&[
        (&fred.token, "PUT", nora, r#"{"username":"norah"}"#,                  no),
        (&fred.token, "PUT", nora, r#"{"email":"fred@x.example"}"#,            no),
        (&fred.token, "PUT", nora, r#"{"city":"Oslo","email":"n@x.example"}"#, no),
        (&fred.token, "PUT", nora, r#"{"city":"Oslo"}"#,                       "200"),
        (&fred.token, "PUT", nora, r#"{"username":"nora"}"#,                   "200"),
        (&fred.token, "PUT", nora, r#"{"username":"nora","email":"nora@x.example","city":"Bergen"}"#, "200"),
        (&fred.token, "PUT", "/acme/shop/users/fred", r#"{"username":"fritz"}"#,       "200"),
        (&fred.token, "PUT", "/acme/shop/users/me",   r#"{"email":"fritz@x.example"}"#, "200"),
    ]);
    let entity = world.json(&world.olga, "GET", nora, "")["entities"][0].clone();
    assert_eq!(
        (&entity["username"], &entity["email"], &entity["city"]),
        (&json!("nora"), &json!("nora@x.example"), &json!("Bergen"))
    );
    world.permit("/acme/shop", "default", &["get,put,post,delete:/**", "put:/users/*"]);
    world.rows(&[
        (&fred.token, "PUT", nora, r#"{"email":"fred@x.example"}"#,                  "200"),
        (&fred.token, "PUT", nora, r#"{"username":"norah"}"#,                        "200"),
        (&fred.token, "PUT", "/acme/shop/users/norah", r#"{"email":"n@x.example"}"#, "200"),
    ]);
}

#[test]
fn guests_are_what_the_guest_role_says() {
    let world = World::new();
    world.rows(&[
        ("", "POST", "/acme/shop/users", r#"{"username":"g1"}"#, "200"),
        ("", "POST", "/acme/shop/devices", "{}", "200"),
        ("", "PUT", "/acme/shop/devices/d1", "{}", "200"),
        ("", "GET", "/acme/shop/devices/d1", "", "401 unauthorized"),
        ("", "GET", "/acme/shop/cats", "", "401 unauthorized"),
    ]);
    world.permit("/acme/shop", "guest", &["get:/cats/**", "*"]);
    world.rows(&[
        ("", "GET", "/acme/shop/cats", "", "200"),
        ("", "DELETE", "/acme/shop/dogs/x", "", "200"),
        ("", "GET", "/acme/shop/roles", "", "401 unauthorized"),
        (
            "",
            "POST",
            "/acme/shop/roles/guest/permissions",
            r#"{"permission":"get:/roles"}"#,
            "401 unauthorized",
        ),
        ("", "GET", "/acme/shop/credentials", "", "401 unauthorized"),
        // A credential that is no good makes no guest.
        ("blah", "GET", "/acme/shop/cats", "", "401 auth_bad_access_token"),
        ("blah", "GET", "/acme/sandbox/cats", "", "401 auth_bad_access_token"),
        (&world.olga, "DELETE", "/acme/shop/roles/guest", "", "200"),
        ("", "GET", "/acme/shop/cats", "", "401 unauthorized"),
        ("", "POST", "/acme/shop/users", r#"{"username":"g2"}"#, "401 unauthorized"),
    ]);
}
