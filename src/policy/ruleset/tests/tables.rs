//! The cases that a person would name.

use super::super::*;
use crate::{
    policy::testing::{self, Line, STRICT},
    request::path::PathPolicy,
};

const FOLD: PathPolicy = PathPolicy { case: Case::Fold, ..STRICT };

fn lines(lines: &[(&str, &str)]) -> Vec<Line> {
    lines.iter().map(|(left, right)| Line::new(left, right)).collect()
}

fn parse(path: &str) -> CanonicalPath {
    CanonicalPath::parse(path, &STRICT).unwrap()
}

/// The name of the rule for `GET /x` or `GET host/x`.
fn winner(set: &RuleSet, request: &str) -> Option<String> {
    let (verb, target) = request.split_once(' ').unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap());
    let path = parse(path);
    let found = set.find(&verb.parse().unwrap(), host, &path);
    found.map(|found| found.rule.name.clone())
}

#[track_caller]
fn check(set: &RuleSet, request: &str, expected: &str) {
    assert_eq!(winner(set, request).as_deref().unwrap_or("none"), expected, "{request}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn the_inner_rule_wins_and_what_it_does_not_take_goes_on_to_wider_ones() {
    let set = testing::rules(lines(&[
        ("* /orders/**",            "authenticated"),
        ("POST /orders",            "role:buyer"),
        ("GET /orders/{id}",        "role:reader"),
        ("GET /orders/new",         "role:clerk"),
        ("* /shop/{any}",           "role:x"),
        ("GET api.example.com/orders/{id}", "role:api"),
        ("GET api.example.com/orders/new",  "role:api"),
    ]));
    check(&set, "POST /orders",             "POST /orders");
    check(&set, "POST /orders/",            "POST /orders");
    check(&set, "DELETE /orders/new",       "* /orders/**");
    check(&set, "GET /orders/new",          "GET /orders/new");
    check(&set, "HEAD /orders/new",         "GET /orders/new");
    check(&set, "GET /orders/7",            "GET /orders/{id}");
    check(&set, "GET /orders/7/lines",      "* /orders/**");
    check(&set, "GET /shop/new",            "* /shop/{any}");
    check(&set, "GET /shop",                "none");
    check(&set, "GET /orderss/7",           "none");
    check(&set, "GET /",                    "none");
    check(&set, "GET api.example.com/orders/7",   "GET api.example.com/orders/{id}");
    check(&set, "PUT api.example.com/orders/7",   "* /orders/**");
    check(&set, "GET www.example.com/orders/7",   "GET /orders/{id}");
    check(&set, "PROPFIND /orders/7",       "none");
    check(&set, "get /orders/7",            "none");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_named_method_beats_a_star_and_a_named_head_the_head_of_get() {
    let set = testing::rules(lines(&[
        ("* /a",            "role:any"),
        ("GET /a",          "role:get"),
        ("HEAD /a",         "role:head"),
        ("GET,POST /b/**",  "role:both"),
        ("* /b/**",         "role:rest"),
    ]));
    check(&set, "GET /a",       "GET /a");
    check(&set, "HEAD /a",      "HEAD /a");
    check(&set, "PUT /a",       "* /a");
    check(&set, "HEAD /b",      "GET,POST /b/**");
    check(&set, "POST /b/c",    "GET,POST /b/**");
    check(&set, "PATCH /b/c",   "* /b/**");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn hosts_nest_from_a_name_to_every_host() {
    let set = testing::rules(lines(&[
        ("* x.a.com/**",    "role:1"),
        ("* *.a.com/**",    "role:2"),
        ("* *.com/**",      "role:3"),
        ("* /**",           "role:4"),
        ("* [::1]/**",      "role:5"),
    ]));
    check(&set, "GET x.a.com/",     "* x.a.com/**");
    check(&set, "GET y.a.com/",     "* *.a.com/**");
    check(&set, "GET y.x.a.com/",   "* *.a.com/**");
    check(&set, "GET a.com/",       "* *.com/**");
    check(&set, "GET com/",         "* /**");
    check(&set, "GET ba.com/",      "* *.com/**");
    check(&set, "GET [::1]/",       "* [::1]/**");
    check(&set, "GET /",            "* /**");
}

#[test]
fn segments_compare_decoded() {
    let set = testing::rules(lines(&[("* /v1/items:purge", "deny"), ("* /v1/{id}", "guest")]));
    check(&set, "GET /v1/items:purge", "* /v1/items:purge");
    check(&set, "GET /v1/items%3Apurge", "* /v1/items:purge");
    check(&set, "GET /v1/%69tems%3apurge/", "* /v1/items:purge");
    check(&set, "GET /v1/Items:purge", "* /v1/{id}");
}

#[test]
fn folding_is_for_ascii_letters_of_literals_and_requests_alike() {
    let rules = lines(&[("* /Admin/{id}", "deny"), ("* /caf%C3%89", "deny"), ("* /**", "guest")]);
    let set = testing::build(rules, &FOLD).unwrap();
    check(&set, "GET /aDMIN/X", "* /Admin/{id}");
    check(&set, "GET /CAF%C3%89", "* /caf%C3%89");
    check(&set, "GET /caf%C3%A9", "* /**");
    let path = parse("/ADMIN/Bob");
    let found = set.find(&Method::GET, "x", &path).unwrap();
    assert_eq!(found.capture(0), "Bob", "captures keep their case");

    let twice = lines(&[("* /A", "role:a"), ("* /a", "role:b")]);
    assert!(testing::build(twice.clone(), &STRICT).is_ok());
    assert_eq!(testing::build(twice, &FOLD).unwrap_err()[0].kind, ConflictKind::Clash);
}

#[test]
fn captures_hold_decoded_segments() {
    let set = testing::rules(lines(&[("* /{org}/x/{app}/**", "guest")]));
    let path = parse("/a%20b/x/c/d/e");
    let found = set.find(&Method::GET, "x", &path).unwrap();
    assert_eq!([0, 1, 2].map(|index| found.capture(index)), ["a b", "c", ""]);
    assert_eq!(found.index, 0);
}

#[test]
fn a_listing_goes_from_the_inside_to_the_outside() {
    let set = testing::rules(lines(&[
        ("* /users/{id}/**", "self:{id}"),
        ("GET /status", "public"),
        ("* /orders/**", "authenticated"),
        ("POST /orders", "role:buyer"),
        ("* b.example/only", "guest"),
        ("GET /catalog/**", "guest"),
        ("POST /orders/{id}", "role:buyer"),
        ("POST /orders/new", "role:buyer"),
    ]));
    let listed: Vec<&str> = set.sorted().map(|rule| rule.name.as_str()).collect();
    let expected = [
        "* b.example/only",
        "GET /catalog/**",
        "POST /orders",
        "POST /orders/new",
        "POST /orders/{id}",
        "* /orders/**",
        "GET /status",
        "* /users/{id}/**",
    ];
    assert_eq!(listed, expected);
    let path = parse("/orders/new");
    let names: Vec<&str> = set
        .candidates(&Method::POST, "x", &path)
        .iter()
        .map(|found| found.rule.name.as_str())
        .collect();
    assert_eq!(names, ["POST /orders/new", "POST /orders/{id}", "* /orders/**"]);
}

/// The conflicts as `first / second: example -> settle`.
fn conflicts(written: &[(&str, &str)]) -> Vec<String> {
    let lines = lines(written);
    let describe = |conflict: Conflict| {
        let Conflict { first, second, kind, example, settle } = conflict;
        format!("{kind:?} {} | {} | {example} | {settle}", written[first].0, written[second].0)
    };
    testing::build(lines, &STRICT).err().unwrap_or_default().into_iter().map(describe).collect()
}

#[test]
#[rustfmt::skip] // a table is read by column
fn rules_that_cross_need_a_line_for_what_they_share() {
    assert_eq!(
        conflicts(&[("* /{t}/admin/**", "role:admin"), ("* /acme/**", "role:acme")]),
        ["Clash * /{t}/admin/** | * /acme/** | GET /acme/admin/x | * /acme/admin/**"],
    );
    assert_eq!(
        conflicts(&[("GET /users/{id}", "authenticated"), ("GET /users/{name}", "role:x")]),
        ["Clash GET /users/{id} | GET /users/{name} | GET /users/x | "],
    );
    assert_eq!(
        conflicts(&[("GET,POST /a", "role:x"), ("POST,PUT /a", "role:y")]),
        ["Clash GET,POST /a | POST,PUT /a | POST /a | "],
    );
    assert_eq!(
        conflicts(&[("* /acme/**", "role:a"), ("GET,POST /{x}/{y}", "role:b")]),
        ["Clash * /acme/** | GET,POST /{x}/{y} | GET /acme/x | GET,POST /acme/{y}"],
    );
    assert_eq!(
        conflicts(&[("HEAD /acme/{x}", "role:a"), ("GET /{x}/b", "role:b")]),
        ["Clash HEAD /acme/{x} | GET /{x}/b | HEAD /acme/b | HEAD /acme/b"],
    );
    assert_eq!(
        conflicts(&[("* api.a.com/**", "role:a"), ("* /healthz", "public")]),
        ["Clash * api.a.com/** | * /healthz | GET api.a.com/healthz | * api.a.com/healthz"],
    );
    assert_eq!(
        conflicts(&[("* *.a.com/{x}", "role:a"), ("* /x", "role:b")]),
        ["Clash * *.a.com/{x} | * /x | GET y.a.com/x | * *.a.com/x"],
        "the example avoids the words of the rules"
    );
}

#[test]
#[rustfmt::skip] // a table is read by column
fn rules_that_cross_stand_together_where_nothing_is_left_open() {
    for settled in [
        // The line that the error names.
        &[("* /{t}/admin/**", "role:a"), ("* /acme/**", "role:b"), ("* /acme/admin/**", "deny")][..],
        // Equal right sides, however written.
        &[("* /{t}/admin/**", "role:a | role:b"), ("* /acme/**", "role:b|role:a | role:a")],
        &[("* /{t}/b", "self:{t}"), ("* /{x}/{b}", "deny"), ("* /{y}/b", "self:{y}")],
        // No method in common.
        &[("GET /{t}/admin/**", "role:a"), ("POST /acme/**", "role:b")],
        // Several lines that together take all that the two share.
        &[("GET,POST /{t}/b", "role:a"), ("GET,POST /a/{x}", "role:b"),
          ("GET /a/b", "role:c"), ("POST /a/b", "role:d")],
        &[("GET /{t}/b/**", "role:a"), ("GET /a/{x}/**", "role:b"),
          ("GET /a/b", "role:c"), ("GET /a/b/{x}/**", "role:d")],
        // The very same pattern twice, of which nothing is left.
        &[("GET /a/**", "role:a"), ("GET /a/**", "role:b"),
          ("GET /a", "role:c"), ("GET /a/{x}/**", "role:d")],
    ] {
        assert_eq!(conflicts(settled), [""; 0], "{settled:?}");
    }
    for open in [
        // One method, one length or one host is left.
        &[("* /{t}/b", "role:a"), ("* /a/{x}", "role:b"), ("GET,POST,PUT,PATCH,DELETE /a/b", "deny")][..],
        &[("GET /{t}/b/**", "role:a"), ("GET /a/{x}/**", "role:b"), ("GET /a/b/{x}/**", "role:d")],
        &[("GET /{t}/b", "role:a"), ("GET /a/{x}", "role:b"), ("GET h.com/a/b", "role:d")],
        &[("* /{t}/b", "self:{t}"), ("* /a/{x}", "self:{x}")],
    ] {
        assert_eq!(conflicts(open).len(), 1, "{open:?}");
    }
}

#[test]
fn rules_that_differ_in_any_key_of_the_table_ask_for_different_things() {
    let first = Line::new("* /{t}/b", "role:a");
    let same = Line::new("* /a/{x}", "role:a");
    let instant = Some(std::time::SystemTime::UNIX_EPOCH);
    assert!(testing::build(vec![first.clone(), same.clone()], &STRICT).is_ok());
    for other in [
        Line { backend: 1, ..same.clone() },
        Line { audit: instant, ..same.clone() },
        Line { until: instant, ..same },
    ] {
        assert!(testing::build(vec![first.clone(), other], &STRICT).is_err());
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_changes_something_must_not_fall_to_an_open_rule() {
    let admin = ("GET /admin/**", "role:admin");
    let open = ("* /**", "public");
    let falls = "FallThrough GET /admin/** | * /** | DELETE /admin/x | * /admin/**";
    assert_eq!(conflicts(&[admin, open]), [falls]);
    assert_eq!(conflicts(&[open, admin]), [falls]);
    assert_eq!(conflicts(&[admin, ("* /**", "guest")]), [falls]);
    assert_eq!(conflicts(&[("GET /admin/**", "deny"), open]), [falls]);
    // The open rule takes only some methods.
    assert_eq!(
        conflicts(&[admin, ("GET,POST /**", "guest")]),
        ["FallThrough GET /admin/** | GET,POST /** | POST /admin/x | * /admin/**"],
    );
    // Some methods have lines of their own, one has none.
    assert_eq!(
        conflicts(&[admin, ("POST,PUT,DELETE /admin/**", "role:root"), open]),
        ["FallThrough GET /admin/** | * /** | PATCH /admin/x | * /admin/**"],
    );
    // Three levels: the middle one is open for reading, the outer one for all.
    assert_eq!(
        conflicts(&[("GET /a/b/**", "role:x"), ("GET /a/**", "public"), ("* /**", "guest")]),
        ["FallThrough GET /a/b/** | * /** | DELETE /a/b/x | * /a/b/**"],
    );
    // A path has its own rule; what lies deeper is not that rule's business, what it leaves open is.
    assert_eq!(
        conflicts(&[admin, ("GET /admin/login", "public"), open]),
        [falls],
    );
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_changes_something_may_fall_where_nothing_is_opened_by_it() {
    let open = ("* /**", "public");
    for fine in [
        &[("* /admin/**", "role:admin"), open][..],
        // Only reading falls.
        &[("POST /orders", "role:buyer"), ("GET /**", "public")],
        &[("POST /orders", "role:buyer"), ("GET,OPTIONS /**", "public")],
        // Every method has a line.
        &[("GET /admin/**", "role:a"), ("POST,PUT,PATCH,DELETE /admin/**", "role:b"), open],
        &[("GET /admin/**", "role:a"), ("POST /admin/**", "role:b"), ("GET,POST /**", "public")],
        // The next wider rule asks too.
        &[("GET /a/b/**", "role:x"), ("* /a/**", "role:y"), open],
        // A guest rule asks for no more than a public one: both let everybody in.
        &[("GET /catalog/**", "guest"), open],
        // The `*` stands at the very path: that is written, not fallen.
        &[("GET /x", "role:a"), ("* /x", "public")],
        // The rule in between is nowhere the path's own.
        &[("GET /a/**", "role:x"), ("GET /a", "public"), ("GET /a/{x}/**", "public"), open],
    ] {
        assert_eq!(conflicts(fine), [""; 0], "{fine:?}");
    }
}

#[test]
fn ten_thousand_rules_build_and_only_so_many_conflicts_are_told() {
    let rights = ["role:a", "role:b", "authenticated", "self:{id}"];
    let many: Vec<Line> = (0..10_000)
        .map(|number| {
            let host =
                if number % 5 == 0 { format!("h{}.example", number % 50) } else { String::new() };
            let left = format!("GET {host}/s{}/{{id}}/r{number}/**", number % 100);
            Line::new(&left, rights[number % 4])
        })
        .chain([Line::new("* /**", "deny"), Line::new("GET /{t}/{id}", "role:a")])
        .collect();
    let set = testing::rules(many);
    check(&set, "GET /s1/7/r9901/x", "GET /s1/{id}/r9901/**");
    check(&set, "GET h0.example/s0/7/r9900", "GET h0.example/s0/{id}/r9900/**");
    check(&set, "POST /s1/7/r9901/x", "* /**");

    let crossing: Vec<Line> = (0..5_000)
        .flat_map(|number| {
            [
                Line::new(&format!("* /{{t}}/r{number}/**"), "role:a"),
                Line::new(&format!("* /s{number}/**"), "role:b"),
            ]
        })
        .collect();
    assert_eq!(testing::build(crossing, &STRICT).unwrap_err().len(), 100);
}
