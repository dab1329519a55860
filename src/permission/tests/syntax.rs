//! How the text of a permission is read.

use super::*;
use crate::permission::stored;

#[test]
fn a_permission_is_stored_in_lower_case() {
    assert_eq!(stored("GET,PUT:/Orders/**"), "get,put:/orders/**");
    assert_eq!(stored("put,get:/users/${USER}"), "put,get:/users/${user}");
    assert_eq!(PermissionSet::new(["GET:/Cats/*"]), PermissionSet::new(["get:/cats/*"]));
}

#[test]
fn order_and_doubles_mean_nothing() {
    let texts = ["get:/cats", "put:/dogs", "/**/x", "get:/cats/*", "*:/*"];
    let once = PermissionSet::new(texts);
    assert_eq!(PermissionSet::new(texts.into_iter().rev().chain(texts)), once);
    assert_ne!(PermissionSet::new(texts[1..].iter().copied()), once);
}

#[test]
fn methods_have_four_words_and_a_star() {
    let every = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "PURGE"];
    for (words, expected) in [
        ("*", &every[..]),
        ("", &every),
        ("get,*", &every),
        ("get,put,post,delete", &every[..5]),
        ("get", &["GET", "HEAD"]),
        ("get,access", &["GET", "HEAD"]),
        ("post,post", &["POST"]),
        ("get, post", &["GET", "HEAD"]),
        (" get", &[]),
        ("post ", &[]),
        ("head,options,patch,access,ge*", &[]),
        (",", &[]),
    ] {
        let set = PermissionSet::new([format!("{words}:/cats").as_str()]);
        for method in every {
            let allowed = ask(&set, By::Fred, Reach::Everything, method, "/cats");
            assert_eq!(allowed, expected.contains(&method), "{words:?} for {method}");
        }
    }
}

#[test]
fn only_the_path_star_covers_the_application_itself() {
    for (rule, expected) in [
        ("*", true),
        ("get:*", true),
        ("*:*", true),
        (":*", true),
        ("get:/cats,*", true),
        ("put:*", false),
        ("/**", false),
        ("**", false),
        ("/*", false),
        ("/", false),
        ("", false),
        ("get:", false),
    ] {
        check(By::Fred, rule, "GET /", expected);
        check(By::Guest, rule, "GET /", expected);
    }
}

#[test]
fn what_is_no_permission_grants_nothing() {
    for text in
        ["", ":", "get:", "get:/", ",", "get:,", "get", "no words", "::", "{}", "get/cats:x"]
    {
        deny(text, &["GET /", "GET /cats", "POST /cats/tom", "GET /users/fred"]);
    }
    let nothing = PermissionSet::new([]);
    assert_eq!(nothing, PermissionSet::default());
    assert!(!ask(&nothing, By::Fred, Reach::Everything, "GET", "/cats"));
    // Without a colon it is all path.
    allow("get", &["PUT /get"]);
}

#[test]
fn slashes_only_separate() {
    for rule in ["/cats/tom", "cats/tom", "/cats/tom/", "//cats//tom//"] {
        allow(rule, &["GET /cats/tom"]);
        deny(rule, &["GET /cats", "GET /cats/tom/x"]);
    }
    allow("/cats/*/", &["GET /cats", "GET /cats/tom"]);
    allow("/**/**/", &["GET /cats"]);
    allow("get:/cats,dogs/*", &["GET /dogs/rex"]);
}

#[test]
fn after_the_first_colon_a_colon_is_a_character() {
    allow("get:/cats:tom/*", &["GET /cats:tom/x"]);
    deny("get:/cats:tom/*", &["GET /cats", "GET /tom/x"]);
}

#[test]
fn wildcards_stay_within_their_segment() {
    allow("/c*", &["GET /c", "GET /cats", "GET /C:,"]);
    allow("/*s/x", &["GET /s/x", "GET /cats/x"]);
    allow("/c*t*s", &["GET /cats", "GET /cttss", "GET /catatas"]);
    allow("/cats/***", &["GET /cats/tom"]);
    deny("/c*", &["GET /cats/tom", "GET /xc"]);
    deny("/c*t*s", &["GET /cats1", "GET /cas"]);
    deny("/c?ts", &["GET /cts", "GET /caats"]);
    deny("/cats/a*", &["GET /cats"]);
    deny("/cats/***", &["GET /cats", "GET /cats/tom/x"]);
    deny("/{name}", &["GET /cats"]);
}

#[test]
fn a_star_for_nothing_is_the_last_of_a_pattern_without_double_stars() {
    deny("/cats/*/likes", &["GET /cats/likes"]);
    deny("/**/cats/*", &["GET /cats", "GET /x/cats"]);
    deny("/cats/**/*", &["GET /cats"]);
    allow("/cats/**/*", &["GET /cats/tom", "GET /cats/tom/likes"]);
    allow("/*/*", &["GET /cats", "GET /cats/tom"]);
    deny("/cats/*/*", &["GET /cats"]);
}

#[test]
fn case_is_nothing_in_other_alphabets_either() {
    allow("/КОТЫ/*", &["GET /коты/том", "GET /Коты"]);
    allow("/ΟΔΟΣ*", &["GET /οδος", "GET /ΟΔΟΣΑ", "GET /οδοσα"]);
    allow("/x/?", &["GET /x/É", "GET /x/ß"]);
    allow("/x/straße", &["GET /x/STRAßE"]);
    deny("/коты", &["GET /котя", "GET /cats"]);
}
