//! Groups: members, and the roles that they have through them.

use serde_json::json;

use super::{World, keys};

const GROUPS: &str = "/acme/shop/groups";

#[test]
fn groups_are_made_changed_and_deleted() {
    let world = World::new();
    let made =
        world.json(&world.olga, "POST", GROUPS, r#"{"path":"team","title":"Team","color":"red"}"#);
    let group = &made["entities"][0];
    assert_eq!(keys(group), "uuid type created modified path title color metadata");
    let by_id = format!("{GROUPS}/{}", group["uuid"].as_str().unwrap());
    world.rows(&[
        (&world.olga, "GET", &by_id, "", "200"),
        (&world.olga, "GET", "/acme/shop/group/TEAM", "", "200"),
        (&world.olga, "POST", GROUPS, "{}", "400 required_property_not_found"),
        (&world.olga, "POST", GROUPS, r#"{"path":"Team"}"#, "400 duplicate_unique_property_exists"),
        (&world.olga, "PUT", "/acme/shop/groups/team", r#"{"title":"T"}"#, "200"),
        (&world.olga, "GET", "/acme/shop/groups/nothing", "", "404 service_resource_not_found"),
        (&world.olga, "PUT", GROUPS, "{}", "405 unsupported_service_operation"),
        ("", "GET", GROUPS, "", "401 unauthorized"),
    ]);
    let all = world.json(&world.olga, "GET", GROUPS, "");
    assert_eq!((&all["count"], &all["entities"][0]["title"]), (&json!(1), &json!("T")));
    world.rows(&[
        (&world.olga, "DELETE", "/acme/shop/groups/team", "", "200"),
        (&world.olga, "GET", &by_id, "", "404 entity_not_found"),
    ]);
}

#[test]
fn a_member_has_the_group_s_roles_from_the_next_request_on() {
    let world = World::new();
    let fred = world.user("/acme/shop", "fred");
    world.permit("/acme/shop", "default", &[]);
    world.permit("/acme/shop", "editor", &["get,post:/cats/*"]);
    world.json(&world.olga, "POST", GROUPS, r#"{"path":"team"}"#);
    let olga = world.olga.as_str();
    let cats = "/acme/shop/cats";
    let no = "401 unauthorized";
    for (member, role) in [
        ("/acme/shop/groups/team/users/fred", "/acme/shop/groups/team/roles/editor"),
        ("/acme/shop/users/fred/groups/team", "/acme/shop/roles/editor/groups/team"),
    ] {
        world.rows(&[
            (
                olga,
                "GET",
                "/acme/shop/users/fred/groups/team",
                "",
                "404 service_resource_not_found",
            ),
            (olga, "POST", member, "", "200"),
            (&fred.token, "GET", cats, "", no),
            (olga, "POST", role, "", "200"),
            (&fred.token, "GET", cats, "", "200"),
            (&fred.token, "POST", cats, "{}", "200"),
            (&fred.token, "PUT", cats, "{}", no),
            (olga, "GET", "/acme/shop/users/fred/groups/team", "", "200"),
            (olga, "DELETE", role, "", "200"),
            (&fred.token, "GET", cats, "", no),
            (olga, "POST", role, "", "200"),
            (&fred.token, "GET", cats, "", "200"),
            (olga, "DELETE", member, "", "200"),
            (&fred.token, "GET", cats, "", no),
            (olga, "DELETE", role, "", "200"),
        ]);
    }
    // What is written on the group itself is kept and grants nothing, as on the platform.
    world.json(olga, "POST", "/acme/shop/groups/team/users/fred", "");
    let held = world.json(
        olga,
        "POST",
        "/acme/shop/groups/team/permissions",
        r#"{"permission":"GET:/cats"}"#,
    );
    assert_eq!(held["data"], json!(["get:/cats"]));
    world.rows(&[(&fred.token, "GET", cats, "", no)]);
    let members = world.json(olga, "GET", "/acme/shop/groups/team/users", "");
    assert_eq!(members["entities"][0]["username"], "fred");
    world.rows(&[
        (olga, "POST", "/acme/shop/groups/team/roles/editor", "", "200"),
        (&fred.token, "GET", cats, "", "200"),
        (olga, "DELETE", "/acme/shop/groups/team", "", "200"),
        (&fred.token, "GET", cats, "", no),
    ]);
}
