//! The platform's truth table for the user `fred`. Where a last slash, HEAD or another spelling of the
//! caller decides, we differ, and the row says so.

use super::*;

#[test]
#[rustfmt::skip] // a table is read by column
fn wildcards_match_as_on_the_platform() {
    let usual = "get,put,post,delete:/**";
    allow(usual,             &["GET /cats", "PUT /cats", "POST /cats/tom", "DELETE /a/b/c"]);
    allow(usual,             &["HEAD /cats"]);                    // ours: HEAD counts as get
    deny (usual,             &["GET /"]);                         // ours: the application itself
    deny (usual,             &["PATCH /cats", "OPTIONS /cats"]);
    allow("get:/cats",       &["GET /cats", "GET /CATS"]);
    allow("get:/cats",       &["GET /cats/"]);                    // ours: a last slash is nothing
    deny ("get:/cats",       &["GET /cats/tom", "PUT /cats", "GET /dogs"]);
    allow("get:/cats/*",     &["GET /cats", "GET /cats/", "GET /cats/tom"]);
    allow("get:/cats/*",     &["GET /cats/tom/"]);                // ours: a last slash is nothing
    deny ("get:/cats/*",     &["GET /cats/tom/likes"]);
    allow("get:/cats/**",    &["GET /cats", "GET /cats/tom/likes"]);
    deny ("get:/cats/**",    &["GET /catsx"]);
    allow("get:/*",          &["GET /cats"]);
    deny ("get:/*",          &["GET /"]);                         // ours: the application itself
    deny ("get:/*",          &["GET /cats/tom"]);
    allow("get:**/likes",    &["GET /likes", "GET /users/likes", "GET /users/fred/likes"]);
    deny ("get:**/likes",    &["GET /users/fred/likes/x"]);
    allow("get:cats/**",     &["GET /cats/tom"]);
    allow("get:*",           &["GET /a/b", "GET /"]);
    allow("/cats/**",        &["DELETE /cats/tom"]);
    allow(":/cats/**",       &["DELETE /cats/tom"]);
    allow("*:/cats/**",      &["DELETE /cats/tom"]);
    allow("*",               &["PUT /x/y"]);
    deny ("get, post:/cats", &["POST /cats"]);
    allow("get:/cats,/dogs", &["GET /dogs", "GET /cats"]);
    allow("get:/c?ts",       &["GET /cats"]);
    allow("get:/cats/**",    &["GET /cats/a,b"]);                 // ours: a comma is a character
    deny ("get:/cats/*",     &["GET /cats/a:b/c"]);               // ours: a colon is a character
    allow("get:/cats/*",     &["GET /cats/a:b"]);
    allow("get,put,post:/books/*/review/*", &["POST /books/b1/review/r1", "POST /books/b1/review"]);
    deny ("get,put,post:/books/*/review/*", &["POST /books"]);
    allow("put:/devices/*",  &["PUT /devices/x", "PUT /devices"]);
    allow("post:/users",     &["POST /users"]);
    allow("post:/users",     &["POST /users/"]);                  // ours: a last slash is nothing
    deny ("post:/users",     &["POST /users/x/password"]);
}

#[test]
fn the_caller_is_one_segment_in_every_spelling() {
    let all = ["me", "fred", "FRED", FRED_ID, "fred@acme.test"];
    // On the platform `/users/me` at the end of a rule is only `me`, and `${user}` never is.
    for written in ["me", "${user}", "fred", "Fred", FRED_ID, "fred@acme.test"] {
        for typed in all {
            for (rule, path) in [
                ("get:/users/{}", "GET /users/{}"),
                ("get:/users/{}/**", "GET /users/{}"),
                ("get:/users/{}/**", "GET /users/{}/devices"),
                ("get:/*/{}/devices", "GET /users/{}/devices"),
                ("get:/groups/*/users/{}", "GET /groups/g/users/{}"),
            ] {
                allow(&rule.replace("{}", written), &[&path.replace("{}", typed)]);
            }
        }
        for other in ["barney", "doc", DOC_ID] {
            let rule = format!("get:/users/{written}/**");
            deny(&rule, &[&format!("GET /users/{other}"), &format!("GET /users/{other}/devices")]);
        }
    }
    allow(
        "delete,post:/users/*/following/users/${user}",
        &["POST /users/doc/following/users/fred", "DELETE /users/doc/following/users/me"],
    );
    deny("post:/users/*/following/users/${user}", &["POST /users/fred/following/users/doc"]);
}

#[test]
fn a_rule_by_name_holds_when_the_request_has_the_uuid() {
    let by_id = format!("GET /users/{DOC_ID}/devices");
    allow("get:/users/doc/*", &[&by_id, "GET /users/doc/devices", "GET /users/DOC"]);
    allow("get:/users/d?c/*", &[&by_id]);
    allow(&format!("get:/users/{DOC_ID}/**"), &["GET /users/doc"]);
    deny("get:/users/tom/*", &[&by_id]);
    // Elsewhere a name is only a name.
    deny("get:/cats/doc", &[&format!("GET /cats/{DOC_ID}")]);
    deny("get:/cats/fred", &[&format!("GET /cats/{FRED_ID}"), "GET /cats/me"]);
    deny("get:/cats/me", &["GET /cats/fred"]);
}

#[test]
fn a_guest_is_nobody_not_even_me() {
    for (rule, asked, expected) in [
        ("get:/users/${user}/**", "GET /users/fred/x", false),
        ("get:/users/${user}", "GET /users/me", false),
        ("get:/notes-${user}", "GET /notes-", false),
        ("get:/users/me", "GET /users/fred", false),
        ("get:/users/me", "GET /users/me", true),
        ("get:/users/doc", "GET /users/doc", true),
    ] {
        check(By::Guest, rule, asked, expected);
    }
}

#[test]
fn the_caller_may_be_a_part_of_a_segment_or_a_collection() {
    let by_id = format!("GET /notes-{FRED_ID}");
    allow("get:/notes-${user}", &["GET /notes-fred", "GET /Notes-FRED", &by_id]);
    deny("get:/notes-${user}", &["GET /notes-", "GET /notes-doc", "GET /notes-me"]);
    allow("get:/${user}/x", &["GET /fred/x"]);
    deny("get:/${user}/x", &["GET /me/x", "GET /doc/x"]);
    allow("get:/cats/${user}", &["GET /cats/fred", "GET /cats/fred@acme.test"]);
}

#[test]
fn a_name_with_wildcards_in_it_is_only_a_name() {
    let star = Spellings { id: FRED_ID, name: Some("*"), email: Some("?") };
    let set = PermissionSet::new(["/notes-${user}", "/users/${user}"]);
    for path in [&["notes-doc"][..], &["notes-d"], &["users", "doc"], &["users", "d"]] {
        let (method, reach) = (&Method::GET, Reach::Everything);
        let asked = Asked { method, path, subject: None, caller: Some(star), reach };
        assert!(!set.allows(&asked), "{path:?}");
    }
}

#[test]
fn whoever_was_looked_up_is_known_by_uuid_not_by_a_name_that_looks_alike() {
    // The Kelvin sign is a k in lower case.
    let kim = Spellings { id: DOC_ID, name: Some("kim"), email: None };
    let kelvin = Spellings { id: FRED_ID, name: Some("\u{212A}im"), email: None };
    let path = &["users", "kim", "devices"];
    for rule in ["/users/${user}/**", "/users/me/**"] {
        let set = PermissionSet::new([rule]);
        let (method, reach) = (&Method::GET, Reach::Everything);
        let asked = Asked { method, path, subject: Some(kim), caller: Some(kelvin), reach };
        assert!(!set.allows(&asked), "{rule}");
        assert!(set.allows(&Asked { caller: Some(kim), ..asked }), "{rule}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn where_only_names_count_a_wildcard_in_front_reaches_nothing() {
    #[track_caller]
    fn reaches(rule: &str, path: &str, named: bool) {
        let set = PermissionSet::new([rule]);
        assert!(ask(&set, By::Fred, Reach::Everything, "PUT", path), "{rule} for {path}");
        assert_eq!(ask(&set, By::Fred, Reach::Named, "PUT", path), named, "{rule} for {path}");
    }
    reaches("*",                    "/roles/admin/permissions", false);
    reaches("*",                    "/",                        false);
    reaches("put:*",                "/credentials",             false);
    reaches("put:/**",              "/roles/admin/permissions", false);
    reaches("put:/*",               "/credentials",             false);
    reaches("put:/*/doc/password",  "/users/doc/password",      false);
    reaches("**/password",          "/users/doc/password",      false);
    reaches("/**/users/*/password", "/users/doc/password",      false);
    reaches("/role*/**",            "/roles/admin/permissions", false);
    reaches("/r?les/**",            "/roles/admin/permissions", false);
    reaches("/${user}/x",           "/fred/x",                  false);
    reaches("/x,/**",               "/roles",                   false);
    reaches("put:/roles/**",        "/roles/admin/permissions", true);
    reaches("put:/users/*/password", "/users/doc/password",     true);
    reaches("/users/me/**",         "/users/fred/password",     true);
    reaches("/Credentials",         "/credentials",             true);
    reaches("/**,/roles/*",         "/roles/admin",             true);
}
