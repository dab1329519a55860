//! The truth table of permissions, asked over HTTP: allowed is what comes to the backend.

use super::{Rows, World};

/// A role's permission; the method; paths below the application; whether they are allowed. `U` stands
/// for fred's UUID. Where it ends in `?`, the path is answered here and not forwarded.
#[rustfmt::skip] // a table is read by column
const TABLE: &[(&str, &str, &str, bool)] = &[
    ("get,put,post,delete:/**", "GET",    "/cats",                          true),
    ("get,put,post,delete:/**", "GET",    "",                               false),
    ("get,put,post,delete:/**", "GET",    "/",                              false), // the application too
    ("get,put,post,delete:/**", "PATCH",  "/cats",                          false),
    ("get,put,post,delete:/**", "HEAD",   "/cats",                          true),  // counts as GET
    ("get:/cats",               "GET",    "/cats /CATS /cats/ //cats",      true),  // a last slash is nothing
    ("get:/cats",               "GET",    "/cats/tom",                      false),
    ("get:/cats",               "POST",   "/cats",                          false),
    ("get:/cats/*",             "GET",    "/cats /cats/ /cats/tom",         true),
    ("get:/cats/*",             "GET",    "/cats/tom/",                     true),  // a last slash is nothing
    ("get:/cats/*",             "GET",    "/cats/tom/likes",                false),
    ("get:/cats/**",            "GET",    "/cats /cats/tom/likes",          true),
    ("get:/cats/**",            "GET",    "/catsx",                         false),
    ("get:/*",                  "GET",    "/cats",                          true),
    ("get:/*",                  "GET",    "/cats/tom",                      false),
    ("get:/*",                  "GET",    "",                               false),
    ("get:**/likes",            "GET",    "/likes /users/fred/likes /a/b/likes", true),
    ("get:**/likes",            "GET",    "/users/fred/likes/x",            false),
    ("get:cats/**",             "GET",    "/cats/tom",                      true),
    ("get:*",                   "GET",    "/a/b",                           true),
    ("/cats/**",                "DELETE", "/cats/tom",                      true),
    (":/cats/**",               "DELETE", "/cats/tom",                      true),
    ("*:/cats/**",              "DELETE", "/cats/tom",                      true),
    ("*",                       "PUT",    "/x/y",                           true),
    ("get, post:/cats",         "POST",   "/cats",                          false),
    ("get, post:/cats",         "GET",    "/cats",                          true),
    ("get:/cats,/dogs",         "GET",    "/cats /dogs",                    true),
    ("get:/c?ts",               "GET",    "/cats",                          true),
    ("get:/c?ts",               "GET",    "/caats",                         false),
    ("get:/users/me/**",        "GET",    "/users/me/devices /users/fred/devices /users/U/devices", true),
    ("get:/users/me/**",        "GET",    "/users/fred@x.example/devices /users/FRED/devices", true),
    ("get:/users/me/**",        "GET",    "/users/barney/devices",          false),
    ("get:/users/fred/**",      "GET",    "/users/me/devices /users/U/devices", true),
    ("get:/users/fred/**",      "GET",    "/users/barney/devices",          false),
    ("get:/users/barney/**",    "GET",    "/users/barney/devices",          true),
    ("get:/users/${user}/**",   "GET",    "/users/fred/devices /users/U/devices /users/me/devices", true),
    ("get:/users/${user}/**",   "GET",    "/users/barney/devices",          false),
    ("delete,post:/users/*/following/users/${user}", "POST", "/users/barney/following/users/fred", true),
    ("delete,post:/users/*/following/users/${user}", "POST", "/users/barney/following/users/barney", false),
    ("get,put,post:/books/*/review/*", "POST", "/books/b1/review/r1 /books/b1/review", true),
    ("get,put,post:/books/*/review/*", "POST", "/books",                    false),
    ("put:/devices/*",          "PUT",    "/devices/x /devices",            true),
    ("get:/cats/**",            "GET",    "/cats/a,b",                      true),  // a comma is a comma
    ("get:/cats/*",             "GET",    "/cats/a:b/c",                    false), // and a colon a colon
    ("get:/cats/*",             "GET",    "/cats/a:b",                      true),
];

/// The same for what is answered here: 200 or not.
#[rustfmt::skip] // a table is read by column
const OWNED: &[(&str, &str, &str, bool)] = &[
    ("get:*",                   "GET",    "",                               true),
    ("get:/*",                  "GET",    "/users",                         true),
    ("get:/users",              "GET",    "/users /users/",                 true),
    ("get:/users",              "GET",    "/users/barney",                  false),
    ("get:/users/*",            "GET",    "/users /users/barney",           true),
    ("get:/users/me",           "GET",    "/users/me /users/fred /users/U", true),
    ("get:/users/me",           "GET",    "/users/barney",                  false),
    ("put:/users/me/**",        "PUT",    "/users/me /users/fred /users/U", true),
    ("put:/users/me/**",        "PUT",    "/users/barney",                  false),
    ("put:/users/${user}",      "PUT",    "/users/me /users/fred /users/U", true),
    ("put:/users/${user}",      "PUT",    "/users/barney",                  false),
    ("get:/users/barney",       "GET",    "/users/barney /users/BARNEY",    true),
    ("post:/groups",            "GET",    "/groups",                        false),
    ("get:/groups",             "GET",    "/groups",                        true),
];

fn world() -> (World, super::User) {
    let world = World::new();
    let fred = world.user("/acme/shop", "fred");
    world.json(&world.olga, "PUT", "/acme/shop/users/fred", r#"{"email":"fred@x.example"}"#);
    world.user("/acme/shop", "barney");
    world.permit("/acme/shop", "default", &[]);
    world.permit("/acme/shop", "guest", &[]);
    world.json(&world.olga, "POST", "/acme/shop/roles", r#"{"name":"tried"}"#);
    world.json(&world.olga, "POST", "/acme/shop/roles/tried/users/fred", "");
    (world, fred)
}

#[test]
fn what_a_role_permits_reaches_the_backend_and_nothing_else_does() {
    let (world, fred) = world();
    let mut rows = Rows::default();
    for (permission, method, paths, allowed) in TABLE {
        world.permit("/acme/shop", "tried", &[permission]);
        for path in paths.split(' ') {
            let target = format!("/acme/shop{}", path.replace('U', &fred.id));
            let found = world.road(&fred.token, method, &target);
            let row = format!("{permission}  {method} {path}");
            if *allowed {
                rows.check(&row, found.split(' ').next().unwrap(), method);
            } else {
                rows.check(&row, &found, "401 unauthorized");
            }
            // Nobody but fred holds the role.
            rows.check(&row, &world.road("", method, &target)[..3], "401");
        }
    }
}

#[test]
fn what_a_role_permits_of_the_directory_is_answered_and_nothing_else_is() {
    let (world, fred) = world();
    let mut rows = Rows::default();
    for (permission, method, paths, allowed) in OWNED {
        world.permit("/acme/shop", "tried", &[permission]);
        for path in paths.split(' ') {
            let target = format!("/acme/shop{}", path.replace('U', &fred.id));
            let body = if *method == "PUT" { "{}" } else { "" };
            let found = super::told(&world.call(&fred.token, method, &target, body));
            let expected = if *allowed { "200" } else { "401 unauthorized" };
            rows.check(&format!("{permission}  {method} {path}"), &found, expected);
        }
    }
    assert_eq!(world.backend.received().len(), 0, "the directory's paths are never forwarded");
}

#[test]
fn a_guest_has_no_name_of_its_own() {
    let (world, _) = world();
    world.permit("/acme/shop", "guest", &["get:/users/${user}/**", "get:/users/me/**"]);
    for path in ["/users/fred/x", "/users/me/x", "/users/${user}/x"] {
        let found = world.road("", "GET", &format!("/acme/shop{path}"));
        assert!(found.starts_with("401") || found.starts_with("404"), "{path}: {found}");
    }
}
