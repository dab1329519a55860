//! Admins: themselves, their passwords, and the organizations they belong to.

use serde_json::json;

use super::{OPEN, World, grant, keys, login, request, told};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn an_admin_registers_by_a_form() {
    let world = World::with(OPEN, "");
    let post = |form: &str| world.gate.ask(request("POST", "/management/users", FORM, form));
    let made = post("username=otto&email=otto%2Bx%40x.example&password=otto-secret-1");
    assert_eq!(told(&made), "200", "{}", made.text());
    let body = made.json();
    assert_eq!(keys(&body), "action status data timestamp duration");
    assert_eq!((&body["action"], &body["status"]), (&json!("create user"), &json!("ok")));
    assert_eq!(body["data"]["user"]["email"], "otto+x@x.example");
    for name in ["otto", "OTTO", "otto+x@x.example", body["data"]["user"]["uuid"].as_str().unwrap()]
    {
        login(&world.gate, "/management/token", name, "otto-secret-1");
    }
    for (form, expected) in [
        ("username=x", "400 illegal_argument: email form parameter is required"),
        ("", "400 illegal_argument: email form parameter is required"),
        (
            "username=otto&email=a%40x.example&password=abcd",
            "400 duplicate_unique_property_exists: \
          Entity \"user\" requires that property named \"username\" be unique, value of otto exists",
        ),
        (
            "username=me&email=a%40x.example&password=abcd",
            "400 illegal_argument: Username 'me' is reserved",
        ),
        (
            "username=b&email=b%40x.example&password=abc",
            "400 error_password_policy_violation: \
          error_length_policy: must be at least 4 characters ",
        ),
    ] {
        assert_eq!(super::said(&post(form)), expected, "{form}");
    }
    let weak = post("username=b&email=b%40x.example&password=abc").json();
    assert_eq!(keys(&weak), "error timestamp duration error_description", "no exception here");
    let json = world.call("", "POST", "/management/users", r#"{"email":"c@x.example"}"#);
    assert_eq!(told(&json), "415 not_supported");
}

#[test]
fn an_admin_is_for_itself() {
    let world = World::with(OPEN, "");
    let form = "username=otto&email=otto%40x.example&password=otto-secret-1";
    assert_eq!(world.gate.ask(request("POST", "/management/users", FORM, form)).status, 200);
    let otto = login(&world.gate, "/management/token", "otto", "otto-secret-1");
    let own = world.json(&world.olga, "GET", "/management/users/olga", "");
    assert_eq!((&own["action"], &own["status"]), (&json!("get admin user"), &json!("ok")));
    assert_eq!(own["data"]["token"], world.olga.as_str(), "the one presented, never a new one");
    let organization = &own["data"]["organizations"]["acme"];
    assert_eq!(keys(organization), "name uuid properties passwordHistorySize applications users");
    assert_eq!(keys(&organization["users"]), "olga");
    let mut applications: Vec<_> =
        organization["applications"].as_object().unwrap().keys().collect();
    applications.sort();
    assert_eq!(applications, ["acme/sandbox", "acme/shop"]);
    let shallow = world.json(&world.olga, "GET", "/management/users/olga?shallow=true", "");
    assert_eq!(shallow["data"].get("organizations"), None);
    let id = own["data"]["uuid"].as_str().unwrap();
    let by_id = format!("/management/users/{id}");
    let refused = "401 unauthorized: No admin user access authorized";
    world.rows(&[
        (&world.olga, "GET", &by_id, "", "200"),
        (&world.olga, "GET", "/management/users/OLGA@acme.example", "", "200"),
        (&world.olga, "GET", "/management/users/me", "", "200"),
        (
            "",
            "GET",
            "/management/users/me",
            "",
            "401 unauthorized: No admin identity for access credentials provided",
        ),
        ("", "GET", "/management/users/olga", "", refused),
        (&otto, "GET", "/management/users/olga", "", refused),
        (&otto, "GET", "/management/users/nobody", "", refused),
        ("", "GET", "/management/users/nobody", "", refused),
        (&otto, "PUT", "/management/users/olga", r#"{"email":"evil@x.example"}"#, refused),
        ("", "PUT", "/management/users/olga", r#"{"email":"evil@x.example"}"#, refused),
        (&otto, "POST", "/management/users/olga/revoketokens", "", refused),
        ("", "POST", "/management/users/olga/revoketokens", "", refused),
        (&otto, "GET", "/management/users/olga/organizations", "", refused),
        (&otto, "DELETE", "/management/users/olga/organizations/acme", "", refused),
        (&world.olga, "DELETE", "/management/users/olga", "", "405 unsupported_service_operation"),
        (
            &world.olga,
            "GET",
            "/management/users",
            "",
            "401 unauthorized: No system access authorized",
        ),
        ("", "GET", "/management/users/olga/resetpw", "", "404 service_resource_not_found"),
        ("", "POST", "/management/users/resetpw", "{}", "404 service_resource_not_found"),
        ("", "GET", "/management/users/resetpw", "", "404 service_resource_not_found"),
    ]);
}

#[test]
fn an_admin_changes_itself_and_makes_organizations() {
    let world = World::with(OPEN, "");
    let form = "username=otto&email=otto%40x.example&password=otto-secret-1";
    assert_eq!(world.gate.ask(request("POST", "/management/users", FORM, form)).status, 200);
    world.rows(&[
        (&world.olga, "PUT", "/management/users/olga", r#"{"name":"Olga P","color":"red"}"#, "200"),
        (
            &world.olga,
            "PUT",
            "/management/users/olga",
            r#"{"username":"otto"}"#,
            "400 duplicate_unique_property_exists",
        ),
        (
            &world.olga,
            "PUT",
            "/management/users/olga",
            r#"{"username":"me"}"#,
            "400 illegal_argument",
        ),
    ]);
    let own = world.json(&world.olga, "GET", "/management/users/olga", "");
    assert_eq!(own["data"]["name"], "Olga P");
    assert_eq!(own["data"]["properties"], json!({ "color": "red" }));
    let mine = world.json(&world.olga, "GET", "/management/users/olga/organizations", "");
    assert_eq!(keys(&mine["data"]), "acme");
    let made = world.json(
        &world.olga,
        "POST",
        "/management/users/olga/organizations",
        r#"{"organization":"second"}"#,
    );
    assert_eq!(made["action"], "new organization for user");
    let apps = world.json(&world.olga, "GET", "/management/orgs/second/apps", "");
    assert_eq!(apps["data"], json!({}), "this one has no sandbox");
}

#[test]
fn a_password_is_changed_by_the_old_one() {
    let world = World::new();
    let target = "/management/users/olga/password";
    let change =
        |old: &str, new: &str| json!({ "oldpassword": old, "newpassword": new }).to_string();
    let wrong = "400 auth_invalid_username_or_password: Unable to authenticate due to username or \
                 password being incorrect";
    world.rows(&[
        ("", "PUT", target, &change("wrong-one", "olga-secret-2"), wrong),
        (
            "",
            "PUT",
            "/management/users/nobody/password",
            &change("wrong-one", "olga-secret-2"),
            wrong,
        ),
        ("", "PUT", target, r#"{"newpassword":"olga-secret-2"}"#, "400 illegal_argument"),
        (&world.olga, "PUT", target, r#"{"newpassword":"olga-secret-2"}"#, "400 illegal_argument"),
        ("", "PUT", target, r#"{"oldpassword":"olga-secret-1"}"#, "400 illegal_argument"),
        (
            "",
            "PUT",
            target,
            &change("olga-secret-1", "abc"),
            "400 error_password_policy_violation: \
          error_length_policy: must be at least 4 characters ",
        ),
        ("", "PUT", target, &change("olga-secret-1", "olga-secret-2"), "200"),
        ("", "POST", target, &change("olga-secret-1", "olga-secret-3"), wrong),
        ("", "POST", target, &change("olga-secret-2", "olga-secret-3"), "200"),
        ("", "POST", "/management/token", &grant("olga", "olga-secret-1"), "400 invalid_grant"),
        ("", "POST", "/management/token", &grant("olga", "olga-secret-3"), "200"),
        // A changed password ends no token.
        (&world.olga, "GET", "/management/users/olga", "", "200"),
        (&world.olga, "PUT", "/management/users/olga", &change("bad", "olga-secret-4"), wrong),
        (
            &world.olga,
            "PUT",
            "/management/users/olga",
            &change("olga-secret-3", "olga-secret-4"),
            "200",
        ),
        ("", "POST", "/management/token", &grant("olga", "olga-secret-4"), "200"),
    ]);
    let answer = world.call("", "PUT", target, &change("wrong-one", "olga-secret-2")).json();
    assert_eq!(
        answer["exception"],
        "org.apache.usergrid.management.exceptions.IncorrectPasswordException"
    );
    let done = world.json("", "PUT", target, &change("olga-secret-4", "olga-secret-5"));
    assert_eq!(keys(&done), "action timestamp duration");
    assert_eq!(done["action"], "set user password");
}

#[test]
fn members_come_and_go_and_the_last_one_stays() {
    let world = World::with(OPEN, "");
    let users = "/management/orgs/acme/users";
    let body = r#"{"username":"otto","email":"otto@x.example","password":"otto-secret-1"}"#;
    let made = world.json(&world.olga, "POST", users, body);
    assert_eq!((&made["action"], &made["status"]), (&json!("create user"), &json!("ok")));
    let id = &made["data"]["user"]["uuid"];
    let otto = login(&world.gate, "/management/token", "otto", "otto-secret-1");
    // Somebody of that address is added, not made again.
    let again = world.json(&world.olga, "POST", users, r#"{"email":"otto@x.example"}"#);
    assert_eq!(&again["data"]["user"]["uuid"], id);
    let listed = world.json(&otto, "GET", users, "");
    assert_eq!(listed["action"], "get organization users");
    let names: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|one| &one["username"]).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let removed = world.json(&world.olga, "DELETE", "/management/orgs/acme/users/otto", "");
    assert_eq!(
        (&removed["action"], &removed["status"]),
        (&json!("remove user from organization"), &json!("ok"))
    );
    let no = "401 unauthorized: No organization access authorized";
    world.rows(&[
        // By the same token, at once.
        (&otto, "GET", "/management/orgs/acme", "", no),
        (&otto, "GET", "/acme/shop/users", "", "401 unauthorized"),
        (&otto, "GET", "/acme/shop/cats", "", "401 unauthorized"),
        (&otto, "PUT", "/management/orgs/acme/users/otto", "", no),
        (&otto, "PUT", "/management/users/otto/organizations/acme", "", no),
        (
            &world.olga,
            "PUT",
            "/management/orgs/acme/users/nobody",
            "",
            "400 management: Could not find user for username: nobody",
        ),
        (&world.olga, "PUT", "/management/orgs/acme/users/otto", "", "200"),
        (&world.olga, "PUT", "/management/orgs/acme/users/otto", "", "200"),
        (&otto, "GET", "/management/orgs/acme", "", "200"),
        (&otto, "GET", "/acme/shop/cats", "", "200"),
        (&otto, "DELETE", "/management/users/otto/organizations/acme", "", "200"),
        (
            &world.olga,
            "DELETE",
            "/management/orgs/acme/users/olga",
            "",
            "400 unable_to_leave_organization",
        ),
        (
            &world.olga,
            "DELETE",
            "/management/users/olga/organizations/acme",
            "",
            "400 unable_to_leave_organization",
        ),
        (&world.olga, "GET", "/management/orgs/acme", "", "200"),
        (
            &world.olga,
            "POST",
            users,
            "{}",
            "400 illegal_argument: email form parameter is required",
        ),
        (
            &world.olga,
            "POST",
            users,
            r#"{"email":"otto@x.example","invite":false}"#,
            "400 duplicate_unique_property_exists",
        ),
        (&world.olga, "PATCH", users, "", "405 unsupported_service_operation"),
    ]);
}
