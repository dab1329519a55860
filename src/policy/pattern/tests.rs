use super::*;
use crate::request::path::{CanonicalPath, Case, EmptySegments, EncodedSlash, Punctuation};

const STRICT: PathPolicy = PathPolicy {
    empty_segments: EmptySegments::Refuse,
    encoded_slash: EncodedSlash::Refuse,
    punctuation: Punctuation::Refuse,
    case: Case::Exact,
    segments_max: 8,
};

const LENIENT: PathPolicy = PathPolicy {
    empty_segments: EmptySegments::Merge,
    encoded_slash: EncodedSlash::Opaque,
    punctuation: Punctuation::Plain,
    case: Case::Fold,
    segments_max: 8,
};

#[track_caller]
fn left(text: &str) -> Left {
    Left::parse(text, &STRICT).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_left_side_has_one_spelling() {
    for (written, printed) in [
        ("GET /status",                     "GET /status"),
        ("*    /orders/**",                 "* /orders/**"),
        ("  GET,POST   /orders  ",          "GET,POST /orders"),
        ("POST,GET /orders",                "GET,POST /orders"),
        ("* /",                             "* /"),
        ("* /**",                           "* /**"),
        ("* /**/",                          "* /**"),
        ("* /a/b/",                         "* /a/b"),
        ("* /users/{user-id}/x_{y",         ""),
        ("* /users/{user-id}/{a_1}/**",     "* /users/{user-id}/{a_1}/**"),
        ("* api.example.com/orders",        "* api.example.com/orders"),
        ("* API.Example.com./orders",       "* api.example.com/orders"),
        ("* *.example.com/**",              "* *.example.com/**"),
        ("* *.com/",                        "* *.com/"),
        ("* localhost/x",                   "* localhost/x"),
        ("* orders./x",                     "* orders./x"),
        ("* 10.0.0.1/x",                    "* 10.0.0.1/x"),
        ("* [0:0:0:0:0:0:0:1]/x",           "* [::1]/x"),
        ("* /v1/items%3Apurge",             "* /v1/items%3Apurge"),
        ("* /%61dmin",                      "* /admin"),
        ("* /caf%c3%a9",                    "* /caf%C3%A9"),
        ("* /a%2A",                         "* /a%2A"),
        ("* /$metadata/a(b)'c'",            "* /$metadata/a(b)'c'"),
    ] {
        match Left::parse(written, &STRICT) {
            Ok(left) => assert_eq!(left.to_string(), printed, "{written}"),
            Err(error) => assert_eq!(printed, "", "{written}: {error:?}"),
        }
    }
}

#[test]
fn what_is_printed_reads_as_what_it_was() {
    for text in ["GET,DELETE *.a.b/{x}/y/**", "HEAD orders./%2A", "* [::1]/", "* /a%3Ab/{c}"] {
        let left = left(text);
        assert_eq!(Left::parse(&left.to_string(), &STRICT).as_ref(), Ok(&left));
    }
}

#[test]
fn captures_are_named_in_order_and_know_their_segment() {
    let left = left("* /a/{one}/b/{two}/**");
    assert_eq!(left.captures(), ["one", "two"]);
    assert_eq!([0, 1, 2].map(|index| left.capture_place(index)), [Some(1), Some(3), None]);
}

#[test]
fn the_path_policy_of_requests_is_that_of_literals() {
    for text in ["* /a%2Fb", "* //a", "* /a;b", "* /a%23"] {
        assert!(Left::parse(text, &STRICT).is_err(), "{text}");
        assert!(Left::parse(text, &LENIENT).is_ok(), "{text}");
    }
    let left = Left::parse("* //A%2fb///{x}//", &LENIENT).unwrap();
    assert_eq!(left.to_string(), "* /A%2Fb/{x}");
    let Segment::Literal { value, .. } = &left.area().segments[0] else { panic!("no literal") };
    assert_eq!(value, "a/b", "decoded and folded: what is compared");
    let path = CanonicalPath::parse("/A%2Fb/c", &LENIENT).unwrap();
    assert_eq!(path.segment(0), Some("A/b"));
}

/// What the caret stands under, the message, the help.
#[track_caller]
fn check_error(text: &str, under: &str, message: &str, help: &str) {
    let error = Left::parse(text, &STRICT).expect_err(text);
    assert_eq!(&text[error.at.clone()], under, "{text}: {error:?}");
    assert_eq!(error.message, message, "{text}");
    assert_eq!(error.help.as_deref().unwrap_or(""), help, "{text}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn mistakes_about_methods_are_met_with_what_to_write() {
    const LIST: &str = "`*`, or GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS joined by commas";
    let blanks = "methods are joined by commas, without blanks";
    check_error("",                 "",             "the rule is empty", "write `* /admin/**`");
    check_error("/admin/**",        "/admin/**",    "the method is missing", "write `* /admin/**`, or name the methods");
    check_error("a.example/x",      "a.example",    "the method is missing", "write `* a.example/x`, or name the methods");
    check_error("get /x",           "get",          "methods are upper case", "write `GET`");
    check_error("GET,post /x",      "post",         "methods are upper case", "write `POST`");
    check_error("GTE /x",           "GTE",          "unknown method `GTE`", "did you mean `GET`?");
    check_error("GETS /x",          "GETS",         "unknown method `GETS`", "did you mean `GET`?");
    check_error("PROPFIND /x",      "PROPFIND",     "unknown method `PROPFIND`", LIST);
    check_error("ANY /x",           "ANY",          "every method is written `*`", "write `*`");
    check_error("TRACE /x",         "TRACE",        "TRACE never reaches a rule: it is answered with 405", "leave it out");
    check_error("GET,* /x",         "GET,*",        "`*` stands alone: it is every method", "write `*`");
    check_error("GET,GET /x",       "GET",          "GET is named twice", "name each method once");
    check_error("GET,,PUT /x",      "",             "a method is missing beside the comma", LIST);
    check_error("GET, POST /x",     "GET, POST",    blanks, "write `GET,POST /x`");
    check_error("GET POST /x",      "GET POST",     blanks, "write `GET,POST /x`");
    check_error("GET POST/x",       "GET POST",     blanks, "write `GET,POST /x`");
    check_error("GET/x",            "GET",          "a blank is missing between methods and path", "write `GET /x`");
    check_error("*/x",              "*",            "a blank is missing between methods and path", "write `* /x`");
    check_error("GET\t/x",          "\t",           "a control character in a rule", "use blanks");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn mistakes_about_hosts_are_met_with_what_to_write() {
    let name = "this is no host name";
    let port = "a rule's host has no port";
    check_error("* http://a.b/x",       "http://",      "a rule has no scheme", "leave it out: `* example.com/**`");
    check_error("* a.b:80/x",           "a.b:80",       port, "write `a.b`: it fits every port");
    check_error("* [::1]:80/x",         "[::1]:80",     port, "write `[::1]`: it fits every port");
    check_error("* [::g]/x",            "[::g]",        "this is no IPv6 address in brackets", "write `[::1]`");
    check_error("* a.b /x",             "a.b ",         "a host touches its path", "write `* a.b/x`");
    check_error("GET */x",              "*",            "any host is written by leaving the host out", "write the path alone after the methods");
    check_error("* a.*.b/x",            "a.*.b",        "`*` stands for whole labels, and only before the first dot", "`*.example.com` is every host below example.com");
    check_error("* *a.b/x",             "*a.b",         "`*` stands for whole labels, and only before the first dot", "`*.example.com` is every host below example.com");
    check_error("* {t}.b/x",            "{t}.b",        "captures stand in the path, not in the host", "write `*.example.com`");
    check_error("* bücher.example/x",   "bücher.example", "a host is ASCII", "write it as browsers send it: `xn--…`");
    check_error("* a..b/x",             "a..b",         name, "write one such as `api.example.com`");
    check_error("* a!b.c/x",            "a!b.c",        name, "write one such as `api.example.com`");
    check_error("* *.0.0.1/x",          "*.0.0.1",      "an address has no hosts below it", "write the whole address");
    check_error("* admin/**",           "admin",        "is `admin` a host, or the beginning of the path?", "write `/admin` for a path, `admin.` for a host of one word");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn mistakes_about_paths_are_met_with_what_to_write() {
    let regex = "rules are not regular expressions";
    let no_regex = "use `{name}` for one segment and `/**` at the end for the rest";
    let part = "`*` cannot stand for a part of a segment";
    let no_part = "use `{name}` for the whole segment, `/**` at the end, or `%2A` for the character";
    let half = "a capture cannot stand for a part of a segment";
    let no_half = "let `{name}` be the whole segment, or write `%7B` and `%7D` for the characters";
    let name = "a small letter, then small letters, digits, `_` and `-`";
    check_error("GET",              "GET",      "the path is missing", "write `GET /**` for every path");
    check_error("status",           "status",   "a rule is methods and a path, which begins with `/`", "write `* /status`");
    check_error("GET status",       "status",   "a path begins with `/`", "write `GET /status`");
    check_error("GET *",            "*",        "a path begins with `/`", "write `GET /**` for every path");
    check_error("GET a.example",    "a.example", "the path is missing", "write `GET a.example/**` for everything on this host");
    check_error("* /a/*",           "*",        "`*` is no segment", "use `{name}` for one segment, or end the path with `/**` for everything below");
    check_error("* /a/**/b",        "**",       "`**` stands only at the end of a path", "use `{name}` for each segment in between");
    check_error("* /a*",            "a*",       part, no_part);
    check_error("* /a**",           "a**",      part, no_part);
    check_error("* /x{y}",          "x{y}",     half, no_half);
    check_error("* /{x}{y}",        "{x}{y}",   half, no_half);
    check_error("* /{x",            "{x",       half, no_half);
    check_error("* /{}",            "{}",       "a capture needs a name", "write `{id}`");
    check_error("* /{Id}",          "Id",       "`Id` cannot be the name of a capture", name);
    check_error("* /{1}",           "1",        "`1` cannot be the name of a capture", name);
    check_error("* /{id:int}",      "id:int",   "a capture takes any segment", "write `{id}`");
    check_error("* /{*rest}",       "{*rest}",  "a capture is exactly one segment", "end the path with `/**` for everything below");
    check_error("* /{a}/b/{a}",     "{a}",      "two segments are named `{a}`", "give each its own name");
    check_error("* /a/.*",          ".*",       regex, no_regex);
    check_error("* /a/\\d+",        "\\d+",     regex, no_regex);
    check_error("* /(a|b)",         "(a|b)",    regex, no_regex);
    check_error("* /users/:id",     ":id",      "a capture is written in braces", "write `{id}`, or `%3A` for the character");
    // 30
    check_error("* /a?b=c",         "a?b=c",    "a rule is about the path alone", "leave out what follows the path: rules see no query and no fragment");
    check_error("* /a b",           "a b",      "a blank inside the path", "write `%20` for a blank");
    check_error("* /café",          "café",     "a path is ASCII", "write `caf%C3%A9`");
    check_error("* /a//b",          "//",       "an empty segment: no request can carry it", "write one slash, or set `empty-segments = \"merge\"` under [paths]");
    check_error("* /a/../b",        "..",       "no request can carry this segment: the path has a dot segment", "");
    check_error("* /a/%2e",         "%2e",      "no request can carry this segment: the path has a dot segment", "");
    check_error("* /a%2Fb",         "a%2Fb",    "no request can carry this segment: the path has an encoded slash", "");
    check_error("* /a%20",          "a%20",     "no request can carry this segment: a segment of the path ends with a blank or a dot", "");
    check_error("* /a%zz/b",        "a%zz",     "no request can carry this segment: the path has a percent sign without two hex digits", "");
    check_error("* /a;b",           "a;b",      "no request can carry this segment: the path has a semicolon", "");
    check_error("* /1/2/3/4/5/6/7/8/9", "/1/2/3/4/5/6/7/8/9", "no request has more than 8 segments", "shorten the path, or end it with `/**`");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn two_areas_lie_to_each_other_in_one_way() {
    use Relation::*;
    for (one, relation, two) in [
        ("/a",              Same,       "/a"),
        ("/{x}",            Same,       "/{y}"),
        ("/a",              Inside,     "/{x}"),
        ("/a",              Inside,     "/a/**"),
        ("/a/{x}/**",       Inside,     "/a/**"),
        ("/",               Inside,     "/**"),
        ("/a/**",           Around,     "/a/b/c"),
        ("/a",              Apart,      "/b"),
        ("/a",              Apart,      "/a/b"),
        ("/a/**",           Apart,      "/"),
        ("/{t}/admin/**",   Crossing,   "/acme/**"),
        ("/{t}/b",          Crossing,   "/a/{x}"),
        ("/{t}",            Crossing,   "/a/**"),
        ("x.a.com/**",      Inside,     "*.a.com/**"),
        ("x.y.a.com/**",    Inside,     "*.a.com/**"),
        ("a.com/**",        Apart,      "*.a.com/**"),
        ("xa.com/**",       Apart,      "*.a.com/**"),
        ("*.a.com/**",      Inside,     "*.com/**"),
        ("*.com/**",        Inside,     "/**"),
        ("a.com/**",        Apart,      "b.com/**"),
        ("a.com/**",        Crossing,   "/admin/**"),
        ("a.com/admin",     Inside,     "/admin/**"),
        ("*.a.com/x",       Inside,     "*.com/{y}"),
        ("*.a.com/{y}",     Crossing,   "*.com/x"),
    ] {
        let (one, two) = (left(&format!("* {one}")), left(&format!("* {two}")));
        let back = match relation {
            Inside => Around,
            Around => Inside,
            Same | Crossing | Apart => relation,
        };
        assert_eq!(one.area().relation(two.area()), relation, "{one} to {two}");
        assert_eq!(two.area().relation(one.area()), back, "{two} to {one}");
        if relation == Inside {
            assert!(one.area().order(two.area()).is_lt(), "{one} is listed before {two}");
        }
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_two_areas_share_is_an_area() {
    for (one, two, both) in [
        ("/{t}/admin/**",   "/acme/**",         "/acme/admin/**"),
        ("/{t}/admin",      "/acme/**",         "/acme/admin"),
        ("/{x}/**",         "/{y}/{x}",         "/{x}/{x2}"),
        ("a.com/**",        "/admin/**",        "a.com/admin/**"),
        ("*.a.com/{y}",     "*.com/x",          "*.a.com/x"),
        ("/**",             "/**",              "/**"),
    ] {
        let (one, two) = (left(&format!("* {one}")), left(&format!("* {two}")));
        assert_eq!(one.area().meet(two.area()).unwrap().to_string(), both);
    }
    assert_eq!(left("* /a").area().meet(left("* /b").area()), None);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_path_of_two_segments_names_a_tenant_unless_its_first_word_means_something_else() {
    for (text, names) in [
        ("* /{org}/{app}/**",       true),
        ("* /{org}/{app}",          true),
        ("* /acme/shop/orders",     true),
        ("* /acme/{app}/**",        true),
        ("* /{x}/status",           true),
        ("* api.example/{a}/{b}",   true),
        ("* /**",                   false),
        ("* /",                     false),
        ("* /{x}",                  false),
        ("* /{x}/**",               false),
        ("* /acme/**",              false),
        ("* /status/{x}",           false),
        ("* /management/orgs/{o}",  false),
        ("* /orgs/acme/apps/shop",  false),
    ] {
        let expected = if names { Tenancy::Path } else { Tenancy::Outside };
        assert_eq!(left(text).tenancy(), expected, "{text}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_rule_is_owned_only_where_every_path_of_it_is() {
    for (text, owned) in [
        ("* /token",                                    true),
        ("* /token/**",                                 false),
        ("GET /management/orgs/{o}",                    true),
        ("* /management/**",                            true),
        ("* /{x}/**",                                   false),
        ("* /**",                                       false),
        ("* /{org}/{app}",                              true),
        ("* /{org}/{app}/",                             true),
        ("* /{org}/{app}/**",                           false),
        ("* /acme/shop/token",                          true),
        ("* /acme/shop/roles/**",                       true),
        ("* /acme/shop/users",                          true),
        ("* /acme/shop/users/**",                       false),
        ("* /acme/shop/users/{u}",                      true),
        ("* /acme/shop/users/eve/**",                   false),
        ("* /acme/shop/users/{u}/{what}",               false),
        ("* /acme/shop/users/{u}/{what}/**",            false),
        ("* /acme/shop/users/{u}/devices/**",           false),
        ("* /acme/shop/users/{u}/revoketokens",         true),
        ("* /acme/shop/users/{u}/groups/**",            true),
        ("* /acme/shop/groups/{g}",                     true),
        ("* /acme/shop/groups/{g}/**",                  false),
        ("* /acme/shop/groups/{g}/permissions/**",      true),
        ("* /acme/shop/groups/{g}/feed",                false),
        ("* /acme/shop/{collection}",                   false),
        ("* /acme/shop/{collection}/{id}",              false),
        ("* /acme/shop/orders/users",                   false),
    ] {
        assert_eq!(left(text).is_owned(), owned, "{text}");
    }
}

#[test]
fn a_name_that_no_tenant_can_have_is_told() {
    assert_eq!(left("* /acme/shop/**").bad_tenant_name(), None);
    assert_eq!(left("* /acme/{app}/users").bad_tenant_name(), None);
    assert_eq!(left("* /status/Users/x").bad_tenant_name(), None);
    let meaning = "means something else in a path";
    assert_eq!(left("* /acme/users/**").bad_tenant_name(), Some(("users", meaning)));
    assert_eq!(left("* /Acme/shop").bad_tenant_name(), Some(("Acme", "is not in lower case")));
    assert_eq!(left("* /a1/{b}/user/**").bad_collection(), Some(("user", "users")));
    assert_eq!(left("* /a1/{b}/Users/**").bad_collection(), Some(("Users", "users")));
    for text in ["* /a1/{b}/users/**", "* /a1/{b}/orders/user", "* /status/x/user", "* /{user}/**"]
    {
        assert_eq!(left(text).bad_collection(), None, "{text}");
    }
}
