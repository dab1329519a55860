//! Applications: made, read, deleted and restored by their organization, and their client.

use serde_json::json;

use super::{World, client_grant, keys, login, token_of, told};

#[test]
fn an_application_is_made_and_usable_at_once() {
    let world = World::new();
    let apps = "/management/orgs/acme/apps";
    let made = world.json(&world.olga, "POST", apps, r#"{"name":"Store"}"#);
    assert_eq!(keys(&made), "action data entities timestamp duration");
    assert_eq!(made["action"], "new application for organization");
    assert_eq!(keys(&made["data"]), "acme/store");
    let entity = &made["entities"][0];
    assert_eq!((&entity["type"], &entity["name"]), (&json!("application"), &json!("acme/store")));
    assert_eq!(entity["uuid"], made["data"]["acme/store"]);
    assert_eq!(entity["metadata"]["collections"]["roles"], "/roles");
    assert_eq!(world.road(&world.olga, "GET", "/acme/store/cats"), "GET /acme/store/cats");
    world.rows(&[
        (
            &world.olga,
            "POST",
            apps,
            "{}",
            "400 illegal_argument: The 'name' parameter is required and cannot be empty: null",
        ),
        (&world.olga, "POST", apps, r#"{"name":"STORE"}"#, "409 application_already_exists"),
        (&world.olga, "POST", apps, r#"{"name":"users"}"#, "400 illegal_argument"),
        (&world.olga, "POST", apps, r#"{"name":"a/b"}"#, "400 illegal_argument"),
        (
            &world.olga,
            "POST",
            apps,
            r#"{"name":"7f3f6d0a-0000-11ee-8a11-0123456789ab"}"#,
            "400 illegal_argument",
        ),
        (&world.olga, "GET", "/management/orgs/acme/apps/store", "", "200"),
        (&world.olga, "GET", "/management/orgs/acme/apps/nothing", "", "404 entity_not_found"),
        (&world.olga, "DELETE", "/acme/store", "", "405 unsupported_service_operation"),
        (&world.olga, "POST", "/acme/store", "", "405 unsupported_service_operation"),
        (&world.olga, "PATCH", apps, "", "405 unsupported_service_operation"),
        (&world.olga, "GET", "/acme/nothing/cats", "", "404 organization_application_not_found"),
        ("", "GET", "/acme/nothing/cats", "", "401 unauthorized"),
        ("", "GET", "/nobody/nothing/cats", "", "401 unauthorized"),
    ]);
    let read = world.json(&world.olga, "GET", "/management/orgs/acme/apps/store", "");
    assert_eq!(
        (&read["organization"], &read["applicationName"]),
        (&json!("acme"), &json!("store"))
    );
    let own = world.json(&world.olga, "GET", "/acme/store/", "");
    assert_eq!(own["entities"][0]["name"], "acme/store");
}

#[test]
fn an_application_changes_its_entity_and_nobody_s_users_do() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora").token;
    let body = r#"{"accesstokenttl":"1800000","color":"red","name":"evil","uuid":"x"}"#;
    let changed = world.json(&world.olga, "PUT", "/acme/shop", body);
    assert_eq!(
        keys(&changed),
        "action application params path uri entities timestamp duration organization applicationName"
    );
    let entity = &changed["entities"][0];
    assert_eq!((&entity["accesstokenttl"], &entity["color"]), (&json!(1_800_000), &json!("red")));
    assert_eq!(entity["name"], "acme/shop");
    world.rows(&[
        (&nora, "PUT", "/acme/shop", r#"{"accesstokenttl":0}"#, "401 unauthorized"),
        (&nora, "GET", "/acme/shop", "", "401 unauthorized"),
        (&nora, "GET", "/acme/shop/", "", "401 unauthorized"),
        ("", "GET", "/acme/shop", "", "401 unauthorized"),
        (&world.olga, "PUT", "/acme/shop", r#"{"accesstokenttl":-1}"#, "400 illegal_argument"),
        (&world.olga, "PUT", "/acme/shop", r#"{"accesstokenttl":"soon"}"#, "400 illegal_argument"),
        (
            &world.olga,
            "PUT",
            "/acme/shop",
            r#"{"accesstokenttl":31536000001}"#,
            "400 illegal_argument",
        ),
    ]);
    let token = world.json(&world.olga, "GET", "/acme/shop/users/nora/token", "");
    assert_eq!(token["expires_in"], 1_800);
}

#[test]
fn a_deleted_application_is_gone_until_it_is_restored() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora");
    let apps = world.json(&world.olga, "GET", "/management/orgs/acme/apps", "");
    let id = apps["data"]["acme/shop"].as_str().unwrap();
    let credentials =
        world.json(&world.olga, "GET", "/acme/shop/credentials", "")["credentials"].clone();
    let grant = client_grant(&credentials);
    let confirmed = "/management/orgs/acme/apps/shop?confirm_application_identifier=shop";
    let restored = format!("/management/orgs/acme/apps/{id}");
    world.rows(&[
        (&world.olga, "DELETE", "/management/orgs/acme/apps/shop", "", "400 illegal_argument"),
        (
            &world.olga,
            "DELETE",
            "/management/orgs/acme/apps/shop?confirm_application_identifier=store",
            "",
            "400 illegal_argument",
        ),
        (&nora.token, "DELETE", confirmed, "", "401 unauthorized"),
        ("", "DELETE", confirmed, "", "401 unauthorized"),
        (&nora.token, "GET", "/acme/shop/cats", "", "200"),
        (&world.olga, "DELETE", confirmed, "", "200"),
        (&world.olga, "GET", "/acme/shop/users", "", "404 organization_application_not_found"),
        (&world.olga, "GET", "/acme/shop/cats", "", "404 organization_application_not_found"),
        (&world.olga, "GET", "/management/orgs/acme/apps/shop", "", "404 entity_not_found"),
        ("", "POST", "/acme/shop/token", &grant, "400 invalid_grant"),
        ("", "POST", "/management/token", &grant, "400 invalid_grant"),
        ("", "GET", "/acme/shop/cats", "", "401 unauthorized"),
    ]);
    let refused = world.call(&nora.token, "GET", "/acme/shop/cats", "");
    assert_eq!(refused.status, 401, "{}", told(&refused));
    let left = world.json(&world.olga, "GET", "/management/orgs/acme/apps", "");
    assert_eq!(keys(&left["data"]), "acme/sandbox");
    world.rows(&[
        (&world.olga, "PUT", &restored, "", "200"),
        (&world.olga, "GET", "/acme/shop/users/nora", "", "200"),
        (&world.olga, "GET", "/acme/shop/cats", "", "200"),
        ("", "POST", "/acme/shop/token", &grant, "200"),
        // Its name taken meanwhile.
        (&world.olga, "DELETE", confirmed, "", "200"),
        (&world.olga, "POST", "/management/orgs/acme/apps", r#"{"name":"shop"}"#, "200"),
        (&world.olga, "PUT", &restored, "", "409 application_already_exists"),
        (&world.olga, "GET", "/acme/shop/users/nora", "", "404 service_resource_not_found"),
    ]);
}

#[test]
fn an_application_s_client_is_for_administrators_only() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora").token;
    let read = world.json(&world.olga, "GET", "/acme/shop/credentials", "");
    assert_eq!(keys(&read), "action status credentials timestamp duration");
    assert_eq!((&read["action"], &read["status"]), (&json!("get application keys"), &json!("ok")));
    let id = read["credentials"]["client_id"].as_str().unwrap();
    let secret = read["credentials"]["client_secret"].as_str().unwrap();
    assert_eq!((id.len(), &id[..4], secret.len(), &secret[..4]), (26, "YXA6", 31, "YXA6"));
    let app =
        token_of(&world.json("", "POST", "/acme/shop/token", &client_grant(&read["credentials"])));
    let by_management = "/management/orgs/acme/apps/shop/credentials";
    let same = world.json(&world.olga, "GET", by_management, "");
    assert_eq!(keys(&same), "action credentials timestamp duration");
    assert_eq!(same["action"], "get application client credentials");
    assert_eq!(same["credentials"], read["credentials"]);
    world.permit("/acme/shop", "default", &["*"]);
    for who in ["", &nora] {
        for method in ["GET", "POST"] {
            let answer = world.call(who, method, "/acme/shop/credentials", "");
            assert_eq!(told(&answer), "401 unauthorized");
            assert_eq!(answer.json()["exception"], "org.apache.shiro.authz.UnauthorizedException");
        }
    }
    let made = world.json(&app, "POST", "/acme/shop/credentials", "");
    assert_eq!(made["action"], "generate application keys");
    assert_eq!(made["credentials"]["client_id"], id);
    let again = world.json(&world.olga, "POST", by_management, "");
    assert_eq!(again["action"], "generate application client credentials");
    world.rows(&[
        ("", "POST", "/acme/shop/token", &client_grant(&read["credentials"]), "400 invalid_grant"),
        ("", "POST", "/acme/shop/token", &client_grant(&made["credentials"]), "400 invalid_grant"),
        ("", "POST", "/acme/shop/token", &client_grant(&again["credentials"]), "200"),
        (&app, "GET", "/acme/shop/users", "", "200"),
        (&app, "GET", "/acme/sandbox/users", "", "401 unauthorized"),
        (&world.olga, "PUT", "/acme/shop/credentials", "", "405 unsupported_service_operation"),
        (&world.olga, "HEAD", "/acme/shop/credentials", "", "200"),
        (&world.olga, "HEAD", by_management, "", "200"),
        (&world.olga, "HEAD", "/management/orgs/acme/credentials", "", "200"),
    ]);
    login(&world.gate, "/management/token", "olga", super::PASSWORD);
}
