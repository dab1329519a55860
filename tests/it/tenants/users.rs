//! Users of an application: made, read, changed and deleted, and their passwords.

use serde_json::json;

use super::{World, client_grant, grant, keys, login, token_of, told};

const USERS: &str = "/acme/shop/users";
const TOKEN: &str = "/acme/shop/token";
const NORA: &str = r#"{"username":"nora","email":"Nora@example.com","name":"Nora B","password":"tr0ub4dor","pin":"1234","city":"Bergen","activated":false,"disabled":true}"#;

#[test]
fn a_guest_registers_and_gets_an_entity_without_secrets() {
    let world = World::new();
    let made = world.json("", "POST", "/acme/shop/users?a=1&access_token=", NORA);
    assert_eq!(
        keys(&made),
        "action application params path uri entities timestamp duration organization applicationName"
    );
    assert_eq!((&made["action"], &made["path"]), (&json!("post"), &json!("/users")));
    assert_eq!(made["uri"], "http://shop.example/acme/shop/users");
    assert_eq!((&made["organization"], &made["applicationName"]), (&json!("acme"), &json!("shop")));
    assert_eq!(made["params"], json!({ "a": ["1"] }));
    let user = &made["entities"][0];
    assert_eq!(
        keys(user),
        "uuid type name created modified username email activated picture city metadata"
    );
    assert_eq!((&user["type"], &user["username"]), (&json!("user"), &json!("nora")));
    assert_eq!(user["activated"], true, "whatever the client said");
    let id = user["uuid"].as_str().unwrap();
    let metadata = &user["metadata"];
    assert_eq!(metadata["path"], format!("/users/{id}"));
    assert_eq!(
        metadata["sets"],
        json!({ "rolenames": format!("/users/{id}/roles"), "permissions": format!("/users/{id}/permissions") })
    );
    assert_eq!(
        keys(&metadata["collections"]),
        "activities devices feed groups roles following followers"
    );
    for name in ["nora", "NORA", "nora@EXAMPLE.com", id] {
        login(&world.gate, TOKEN, name, "tr0ub4dor");
    }
}

#[test]
fn what_cannot_be_a_user_is_not_made() {
    let world = World::new();
    world.json("", "POST", USERS, NORA);
    world.rows(&[
        (
            "",
            "POST",
            USERS,
            r#"{"username":"NORA"}"#,
            "400 duplicate_unique_property_exists: Entity \
          \"user\" requires that property named \"username\" be unique, value of NORA exists",
        ),
        (
            "",
            "POST",
            USERS,
            r#"{"username":"nora2","email":"nora@example.COM"}"#,
            "400 duplicate_unique_property_exists: Entity \"user\" requires that property named \
             \"email\" be unique, value of nora@example.COM exists",
        ),
        ("", "POST", USERS, r#"{"email":"x@example.com"}"#, "400 required_property_not_found"),
        ("", "POST", USERS, "", "400 required_property_not_found"),
        (
            "",
            "POST",
            USERS,
            r#"{"username":"me"}"#,
            "400 illegal_argument: Username 'me' is reserved",
        ),
        ("", "POST", USERS, r#"{"username":"Me"}"#, "400 illegal_argument"),
        ("", "POST", USERS, r#"{"username":"a/b"}"#, "400 illegal_argument"),
        (
            "",
            "POST",
            USERS,
            r#"{"username":"7f3f6d0a-0000-11ee-8a11-0123456789ab"}"#,
            "400 illegal_argument",
        ),
        ("", "POST", USERS, r#"{"username":"nora@example.com"}"#, "400 illegal_argument"),
        ("", "POST", USERS, r#"{"username":["x"]}"#, "400 illegal_argument"),
        ("", "POST", USERS, r#"{"username":"#, "400 json_parse"),
        (
            "",
            "POST",
            USERS,
            r#"{"username":"weak","password":"abc"}"#,
            "400 error_password_policy_violation: \
          error_length_policy: must be at least 4 characters ",
        ),
        // Checked before anything is written.
        (&world.olga, "GET", "/acme/shop/users/weak", "", "404 service_resource_not_found"),
        ("", "POST", USERS, r#"{"username":"weak","password":"abcd"}"#, "200"),
        ("", "POST", USERS, r#"{"username":"silent"}"#, "200"),
        ("", "POST", TOKEN, &grant("silent", ""), "400 invalid_grant"),
        (&world.olga, "PUT", USERS, "{}", "405 unsupported_service_operation"),
        (&world.olga, "DELETE", USERS, "", "405 unsupported_service_operation"),
        (&world.olga, "POST", "/acme/shop/users/nora", "{}", "405 unsupported_service_operation"),
        ("", "PUT", USERS, "{}", "401 unauthorized"),
    ]);
}

#[test]
fn several_at_once_pass_over_who_is_there() {
    let world = World::new();
    world.json("", "POST", USERS, NORA);
    let batch =
        r#"[{"username":"one","password":"one-secret"},{"username":"nora"},{"username":"two"}]"#;
    let made = world.json("", "POST", USERS, batch);
    let names: Vec<_> =
        made["entities"].as_array().unwrap().iter().map(|one| &one["username"]).collect();
    assert_eq!(names, [&json!("one"), &json!("two")]);
    login(&world.gate, TOKEN, "one", "one-secret");
    login(&world.gate, TOKEN, "nora", "tr0ub4dor");
    world.rows(&[("", "POST", USERS, r#"[{"username":"x"},5]"#, "400 json_parse")]);
}

#[test]
fn users_are_read_by_every_name_and_listed_in_pages() {
    let world = World::new();
    let made = world.json("", "POST", USERS, NORA);
    let id = made["entities"][0]["uuid"].as_str().unwrap();
    for number in 0..12 {
        world.json(&world.olga, "POST", USERS, &format!(r#"{{"username":"u{number}"}}"#));
    }
    for target in
        ["users/nora", "users/NORA", "users/nora@example.com", "user/nora", &format!("users/{id}")]
    {
        let read = world.json(&world.olga, "GET", &format!("/acme/shop/{target}"), "");
        assert_eq!((&read["action"], &read["path"]), (&json!("get"), &json!("/users")), "{target}");
        assert_eq!(read["entities"][0]["uuid"], id, "{target}");
    }
    let page = world.json(&world.olga, "GET", "/acme/shop/users?token=x&client_id=&limit=10", "");
    assert_eq!(
        keys(&page),
        "action application params path uri entities timestamp duration organization applicationName count cursor"
    );
    assert_eq!(
        (page["count"].as_u64(), page["entities"].as_array().unwrap().len()),
        (Some(10), 10)
    );
    assert_eq!(page["params"], json!({ "limit": ["10"] }));
    let cursor = page["cursor"].as_str().unwrap();
    let rest = world.json(&world.olga, "GET", &format!("{USERS}?cursor={cursor}"), "");
    assert_eq!((rest["count"].as_u64(), rest.get("cursor")), (Some(3), None));
    let unknown = "/acme/shop/users/7f3f6d0a-0000-11ee-8a11-0123456789ab";
    world.rows(&[
        (
            &world.olga,
            "GET",
            "/acme/shop/users/nobody",
            "",
            "404 service_resource_not_found: Service resource not found",
        ),
        (&world.olga, "GET", unknown, "", "404 entity_not_found"),
        (&world.olga, "HEAD", "/acme/shop/users/nora", "", "200"),
        (&world.olga, "HEAD", "/acme/shop/users/nora/token", "", "200"),
        (&world.olga, "GET", "/acme/shop/users?limit=x", "", "400 illegal_argument"),
        ("", "GET", "/acme/shop/users/nora", "", "401 unauthorized"),
        ("", "GET", "/acme/shop/users/nobody", "", "401 unauthorized"),
    ]);
}

#[test]
fn me_is_whoever_asks() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora");
    world.permit("/acme/shop", "default", &[]);
    let credentials =
        world.json(&world.olga, "GET", "/acme/shop/credentials", "")["credentials"].clone();
    let app = token_of(&world.json("", "POST", TOKEN, &client_grant(&credentials)));
    let own = world.json(&nora.token, "GET", "/acme/shop/users/me", "");
    assert_eq!(own["entities"][0]["uuid"], nora.id.as_str());
    let by_id = format!("/acme/shop/users/{}", nora.id);
    world.rows(&[
        (&nora.token, "GET", &by_id, "", "200"),
        (&nora.token, "GET", "/acme/shop/users/nora", "", "200"),
        (&nora.token, "DELETE", "/acme/shop/users/me", "", "401 unauthorized"),
        (&nora.token, "GET", "/acme/shop/users", "", "401 unauthorized"),
        ("", "GET", "/acme/shop/users/me", "", "404 service_resource_not_found"),
        (&app, "GET", "/acme/shop/users/me", "", "404 service_resource_not_found"),
        (&world.olga, "GET", "/acme/shop/users/me", "", "404 entity_not_found"),
        (&nora.token, "GET", "/acme/sandbox/users/me", "", "404 service_resource_not_found"),
        // Without its default role too.
        (&world.olga, "DELETE", "/acme/shop/roles/default", "", "200"),
        (&nora.token, "GET", "/acme/shop/users/me", "", "200"),
        (&nora.token, "GET", "/acme/shop/cats", "", "401 unauthorized"),
        (&nora.token, "POST", "/acme/shop/devices", "", "401 unauthorized"),
        ("", "POST", "/acme/shop/devices", "", "200"),
    ]);
}

#[test]
fn a_user_is_changed_but_not_its_password_and_not_who_is_let_in() {
    let world = World::new();
    world.json("", "POST", USERS, NORA);
    let nora = world.token("/acme/shop", "nora");
    world.user("/acme/shop", "fred");
    let body = r#"{"username":"Norah","city":null,"street":"x","password":"changed-1","pin":"9","activated":false,"disabled":true,"oldpassword":"o","newpassword":"n","uuid":"x"}"#;
    let changed = world.json(&nora, "PUT", "/acme/shop/users/me", body);
    let user = &changed["entities"][0];
    assert_eq!(
        keys(user),
        "uuid type name created modified username email activated picture street metadata"
    );
    assert_eq!((&user["username"], &user["activated"]), (&json!("Norah"), &json!(true)));
    login(&world.gate, TOKEN, "norah", "tr0ub4dor");
    world.rows(&[
        (&nora, "PUT", "/acme/shop/users/fred", r#"{"activated":false,"disabled":true}"#, "200"),
        ("", "POST", TOKEN, &grant("norah", "changed-1"), "400 invalid_grant"),
        ("", "POST", TOKEN, &grant("nora", "tr0ub4dor"), "400 invalid_grant"),
        (&nora, "GET", "/acme/shop/users/me", "", "200"),
        (
            &nora,
            "PUT",
            "/acme/shop/users/me",
            r#"{"username":"FRED"}"#,
            "400 duplicate_unique_property_exists",
        ),
        (&nora, "PUT", "/acme/shop/users/me", r#"{"username":"me"}"#, "400 illegal_argument"),
        // The old name is free; a deleted user's too.
        ("", "POST", USERS, r#"{"username":"nora"}"#, "200"),
        (&world.olga, "DELETE", "/acme/shop/users/nora", "", "200"),
        (&world.olga, "DELETE", "/acme/shop/users/nora", "", "404 service_resource_not_found"),
        ("", "POST", USERS, r#"{"username":"nora"}"#, "200"),
        (&world.olga, "PUT", "/acme/shop/users/nobody", "{}", "404 service_resource_not_found"),
    ]);
    let fred = world.json(&world.olga, "GET", "/acme/shop/users/fred", "")["entities"][0].clone();
    assert_eq!((&fred["activated"], fred.get("disabled")), (&json!(true), None));
    let fred = world.json(&world.olga, "PUT", "/acme/shop/users/fred", r#"{"disabled":true}"#);
    assert_eq!(fred["entities"][0]["disabled"], true);
    let renamed = world.road(&nora, "GET", "/acme/shop/users/norah/devices");
    assert!(renamed.ends_with("/devices"), "{renamed}");
}

#[test]
fn passwords_are_changed_by_the_old_one_or_by_an_administrator() {
    let world = World::new();
    world.json("", "POST", USERS, NORA);
    let nora = world.token("/acme/shop", "nora");
    let fred = world.user("/acme/shop", "fred").token;
    let target = "/acme/shop/users/nora/password";
    let change =
        |old: &str, new: &str| json!({ "oldpassword": old, "newpassword": new }).to_string();
    let wrong = "400 auth_invalid_username_or_password: Unable to authenticate due to username or \
                 password being incorrect";
    let both = "400 illegal_argument: oldpassword and newpassword are both required";
    world.rows(&[
        ("", "PUT", target, "{}", "400 illegal_argument: newpassword is required"),
        ("", "PUT", target, r#"{"newpassword":"second-1"}"#, both),
        (&fred, "PUT", target, r#"{"newpassword":"second-1"}"#, both),
        (&nora, "PUT", "/acme/shop/users/me/password", r#"{"newpassword":"second-1"}"#, both),
        ("", "PUT", target, &change("wrong-one", "second-1"), wrong),
        ("", "PUT", "/acme/shop/users/nobody/password", &change("wrong-one", "second-1"), wrong),
        ("", "POST", target, &change("tr0ub4dor", "abc"), "400 error_password_policy_violation"),
        ("", "POST", target, &change("tr0ub4dor", "second-1"), "200"),
        (&nora, "PUT", "/acme/shop/users/me/password", &change("second-1", "third-1"), "200"),
        ("", "POST", TOKEN, &grant("nora", "second-1"), "400 invalid_grant"),
        ("", "POST", TOKEN, &grant("nora", "third-1"), "200"),
        (&world.olga, "PUT", target, r#"{"newpassword":"fourth-1"}"#, "200"),
        (&world.olga, "PUT", target, &change("ignored", "fifth-1"), "200"),
        (
            &world.olga,
            "PUT",
            "/acme/shop/users/nobody/password",
            r#"{"newpassword":"fourth-1"}"#,
            "404 service_resource_not_found",
        ),
        ("", "POST", TOKEN, &grant("nora", "fifth-1"), "200"),
        // No token has ended.
        (&nora, "GET", "/acme/shop/users/me", "", "200"),
        (&world.olga, "GET", target, "", "405 unsupported_service_operation"),
    ]);
    let done = world.json(&world.olga, "PUT", target, r#"{"newpassword":"sixth-1"}"#);
    assert_eq!(keys(&done), "action timestamp duration");
    assert_eq!(done["action"], "set user password");
}

#[test]
fn deactivating_ends_all_tokens_and_activating_brings_none_back() {
    let world = World::new();
    world.json("", "POST", USERS, NORA);
    let nora = login(&world.gate, TOKEN, "nora", "tr0ub4dor");
    let gone = world.json(&world.olga, "POST", "/acme/shop/users/nora/deactivate", "");
    assert_eq!(gone["action"], "Deactivate user");
    let user = &gone["entities"][0];
    assert_eq!(user["activated"], false);
    assert!(user["deactivated"].is_i64(), "{user}");
    assert_eq!(world.call(&nora, "GET", "/acme/shop/users/me", "").status, 401);
    world.rows(&[
        ("", "POST", TOKEN, &grant("nora", "tr0ub4dor"), "400 invalid_grant: user not activated"),
        (
            "",
            "POST",
            TOKEN,
            &grant("nora", "wrong-one"),
            "400 invalid_grant: invalid username or password",
        ),
        (
            &world.olga,
            "GET",
            "/acme/shop/users/nora/token",
            "",
            "400 invalid_grant: user not activated",
        ),
    ]);
    let back = world.json(&world.olga, "POST", "/acme/shop/users/nora/activate", "");
    assert_eq!(back["entities"][0]["activated"], true);
    let refused = world.call(&nora, "GET", "/acme/shop/users/me", "");
    assert_eq!(refused.status, 401, "{}", told(&refused));
    let nora = login(&world.gate, TOKEN, "nora", "tr0ub4dor");
    world.rows(&[
        (&nora, "GET", "/acme/shop/users/me", "", "200"),
        (&world.olga, "PUT", "/acme/shop/users/nora", r#"{"disabled":true}"#, "200"),
        ("", "POST", TOKEN, &grant("nora", "tr0ub4dor"), "400 invalid_grant: user disabled"),
    ]);
    assert_eq!(world.call(&nora, "GET", "/acme/shop/users/me", "").status, 401);
    world.json(&world.olga, "PUT", "/acme/shop/users/nora", r#"{"disabled":false}"#);
    assert_eq!(world.call(&nora, "GET", "/acme/shop/users/me", "").status, 401);
    login(&world.gate, TOKEN, "nora", "tr0ub4dor");
}

#[test]
fn a_deactivated_user_changes_no_password() {
    let world = World::new();
    world.json("", "POST", USERS, NORA);
    let nora = login(&world.gate, TOKEN, "nora", "tr0ub4dor");
    let by_name = "/acme/shop/users/nora/password";
    let change = r#"{"oldpassword":"tr0ub4dor","newpassword":"second-1"}"#;
    let wrong = "400 auth_invalid_username_or_password";
    for (shut, open) in [
        (r#"{"activated":false}"#, r#"{"activated":true}"#),
        (r#"{"disabled":true}"#, r#"{"disabled":false}"#),
    ] {
        world.json(&world.olga, "PUT", "/acme/shop/users/nora", shut);
        world.rows(&[("", "PUT", by_name, change, wrong), ("", "POST", by_name, change, wrong)]);
        let refused = world.call(&nora, "PUT", "/acme/shop/users/me/password", change);
        assert_eq!(refused.status, 401, "its token has ended: {}", told(&refused));
        world.json(&world.olga, "PUT", "/acme/shop/users/nora", open);
        world.rows(&[
            ("", "POST", TOKEN, &grant("nora", "second-1"), "400 invalid_grant"),
            ("", "POST", TOKEN, &grant("nora", "tr0ub4dor"), "200"),
        ]);
    }
}

#[test]
fn a_token_of_a_user_is_for_administrators() {
    let world = World::new();
    let (nora, fred) = (world.user("/acme/shop", "nora"), world.user("/acme/shop", "fred"));
    let target = "/acme/shop/users/nora/token?ttl=60000";
    let body = world.json(&world.olga, "GET", target, "");
    assert_eq!(keys(&body), "access_token token_type expires_in user");
    assert_eq!((&body["expires_in"], &body["user"]["uuid"]), (&json!(60), &json!(nora.id)));
    assert_eq!(body["user"].get("metadata"), None);
    for who in ["", &fred.token, &nora.token] {
        let refused = world.call(who, "GET", target, "");
        assert_eq!((refused.status, refused.text()), (403, "{}"));
    }
    world.rows(&[("blah", "GET", target, "", "401 auth_bad_access_token")]);
}
