//! The path's rows of the gauntlet, and its laws.

use proptest::prelude::*;

use super::*;
use BadRequest::*;

const STRICT: PathPolicy = PathPolicy {
    empty_segments: EmptySegments::Refuse,
    encoded_slash: EncodedSlash::Refuse,
    punctuation: Punctuation::Refuse,
    case: Case::Exact,
    segments_max: 128,
};
const MERGE: PathPolicy = PathPolicy { empty_segments: EmptySegments::Merge, ..STRICT };
const OPAQUE: PathPolicy = PathPolicy { encoded_slash: EncodedSlash::Opaque, ..STRICT };
const PLAIN: PathPolicy = PathPolicy { punctuation: Punctuation::Plain, ..STRICT };
const FOLD: PathPolicy = PathPolicy { case: Case::Fold, ..STRICT };
const LOOSE: PathPolicy = PathPolicy {
    empty_segments: EmptySegments::Merge,
    encoded_slash: EncodedSlash::Opaque,
    punctuation: Punctuation::Plain,
    ..STRICT
};

/// `raw` is sent as `sent` and judged as `segments`.
#[track_caller]
fn reads(policy: &PathPolicy, raw: &str, sent: &str, segments: &[&str]) {
    let path = CanonicalPath::parse(raw, policy).unwrap_or_else(|error| panic!("{raw}: {error}"));
    assert_eq!(path.as_str(), sent, "{raw}");
    assert_eq!(path.segments().collect::<Vec<_>>(), segments, "{raw}");
    assert_eq!(CanonicalPath::parse(sent, policy).as_ref(), Ok(&path), "{raw}");
}

#[track_caller]
fn refused(policy: &PathPolicy, raw: &str, reason: BadRequest) {
    assert_eq!(CanonicalPath::parse(raw, policy).map(|path| path.text), Err(reason), "{raw}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_has_one_reading_is_repaired_and_decoded_once() {
    //             the client sends        we send                 we judge
    reads(&STRICT, "/",                    "/",                    &[]);
    reads(&STRICT, "/a",                   "/a",                   &["a"]);
    reads(&STRICT, "/a/b/c",               "/a/b/c",               &["a", "b", "c"]);
    // 14: a last slash changes nothing in what is judged, and is sent as it came
    reads(&STRICT, "/admin/",              "/admin/",              &["admin"]);
    // 15: no suffix has a meaning
    reads(&STRICT, "/admin.json",          "/admin.json",          &["admin.json"]);
    reads(&STRICT, "/.well-known/..x",     "/.well-known/..x",     &[".well-known", "..x"]);
    // 13: case is kept; whether it counts is asked when comparing
    reads(&FOLD,   "/ADMIN",               "/ADMIN",               &["ADMIN"]);
    // 16: escaped unreserved characters are decoded
    reads(&STRICT, "/%61dmin/%41%7e%5F",   "/admin/A~_",           &["admin", "A~_"]);
    reads(&STRICT, "/a%2Ejson",            "/a.json",              &["a.json"]);
    // hex digits go to upper case; the client's spelling of other characters is kept
    reads(&STRICT, "/caf%c3%a9",           "/caf%C3%A9",           &["café"]);
    reads(&STRICT, "/v1/items%3apurge",    "/v1/items%3Apurge",    &["v1", "items:purge"]);
    reads(&STRICT, "/v1/items:purge",      "/v1/items:purge",      &["v1", "items:purge"]);
    reads(&STRICT, "/!$&'()*+,=:@",        "/!$&'()*+,=:@",        &["!$&'()*+,=:@"]);
    reads(&STRICT, "/%21%24%26%2B",        "/%21%24%26%2B",        &["!$&+"]);
    // raw ASCII that no path may hold is escaped
    reads(&STRICT, "/\"<>^`{|}[]",         "/%22%3C%3E%5E%60%7B%7C%7D%5B%5D", &["\"<>^`{|}[]"]);
    reads(&STRICT, "/a%20b",               "/a%20b",               &["a b"]);
    reads(&STRICT, "/%20a",                "/%20a",                &[" a"]);
    reads(&STRICT, "/100%25",              "/100%25",              &["100%"]);
    reads(&STRICT, "/100%25/ab",           "/100%25/ab",           &["100%", "ab"]);
    // 20: nothing is folded or composed: these stay what they are
    reads(&STRICT, "/%C4%B1/e%CC%81",      "/%C4%B1/e%CC%81",      &["ı", "e\u{301}"]);
    // 26: a segment is a segment
    reads(&STRICT, "/administrator",       "/administrator",       &["administrator"]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn dot_segments_parameters_and_slashes_in_other_clothes_are_refused() {
    // 1, 2: dot segments
    refused(&STRICT, "/public/../admin",        PathDotSegment);
    refused(&STRICT, "/./admin",                PathDotSegment);
    refused(&STRICT, "/..",                     PathDotSegment);
    refused(&STRICT, "/public/%2e%2e/admin",    PathDotSegment);
    refused(&STRICT, "/public/.%2E/admin",      PathDotSegment);
    refused(&STRICT, "/public/%2e./admin",      PathDotSegment);
    refused(&STRICT, "/admin/.",                PathDotSegment);
    refused(&STRICT, "/%2e",                    PathDotSegment);
    // 3, 4: parameters
    refused(&STRICT, "/public/..;/admin",       PathDotSegment);
    refused(&STRICT, "/..;x=1/admin",           PathDotSegment);
    refused(&STRICT, "/..%3bx/admin",           PathDotSegment);
    refused(&STRICT, "/admin;x=1",              PathSemicolon);
    refused(&STRICT, "/;/admin",                PathSemicolon);
    refused(&STRICT, "/ad;min",                 PathSemicolon);
    refused(&STRICT, "/ad%3Bmin",               PathSemicolon);
    // 5: empty segments
    refused(&STRICT, "//admin",                 PathEmptySegment);
    refused(&STRICT, "/a//b",                   PathEmptySegment);
    refused(&STRICT, "/admin//",                PathEmptySegment);
    refused(&STRICT, "//",                      PathEmptySegment);
    // 25: a path is never parsed as a URL
    refused(&STRICT, "//evil.com/x",            PathEmptySegment);
    // 6, 7: slashes in other clothes
    refused(&STRICT, "/admin%2Fusers",          PathEncodedSlash);
    refused(&STRICT, "/admin%2fusers",          PathEncodedSlash);
    refused(&STRICT, "/a\\b",                   PathBackslash);
    refused(&STRICT, "/a%5cb",                  PathBackslash);
    refused(&STRICT, "/a%5Cb",                  PathBackslash);
    refused(&STRICT, "/a\\..\\admin",           PathDotSegment);
    refused(&STRICT, "/a%2f%2e%2e%2fadmin",     PathDotSegment);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_two_decoders_or_trimming_would_change_is_refused() {
    // 8: two decoders in a row
    refused(&STRICT, "/%252e%252e",             PathDotSegment);
    refused(&STRICT, "/a/%252e%252e%252fb",     PathDotSegment);
    refused(&STRICT, "/a%252fb",                PathDoubleEncoding);
    refused(&STRICT, "/a%25%32%66b",            PathDoubleEncoding);
    refused(&STRICT, "/a%25%2532%66b",          PathDoubleEncoding);
    refused(&STRICT, "/a%2541",                 PathDoubleEncoding);
    // 9, 10: controls and blanks
    refused(&STRICT, "/admin%00",               PathControl);
    refused(&STRICT, "/admin%00.css",           PathControl);
    refused(&STRICT, "/admin\0",                PathControl);
    refused(&STRICT, "/a%0ab",                  PathControl);
    refused(&STRICT, "/a%0db",                  PathControl);
    refused(&STRICT, "/a%09b",                  PathControl);
    refused(&STRICT, "/a%1fb",                  PathControl);
    refused(&STRICT, "/a%7fb",                  PathControl);
    refused(&STRICT, "/a b",                    PathControl);
    refused(&STRICT, "/admin%20",               PathSegmentEnd);
    refused(&STRICT, "/admin%20/x",             PathSegmentEnd);
    refused(&STRICT, "/admin%C2%A0",            PathSegmentEnd);
    // 14: a dot at the end
    refused(&STRICT, "/admin.",                 PathSegmentEnd);
    refused(&STRICT, "/admin./x",               PathSegmentEnd);
    refused(&STRICT, "/admin%2e",               PathSegmentEnd);
    refused(&STRICT, "/...",                    PathSegmentEnd);
    // 11, 12: fragment and query in disguise
    refused(&STRICT, "/admin%23/public",        PathEncodedHash);
    refused(&STRICT, "/admin#/public",          PathEncodedHash);
    refused(&STRICT, "/admin%3f/public",        PathEncodedQuestion);
    refused(&STRICT, "/admin%3F/public",        PathEncodedQuestion);
    refused(&STRICT, "/admin?x",                PathEncodedQuestion);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_no_text_or_no_path_is_refused() {
    // 17, 19: escapes that are none
    refused(&STRICT, "/a%zz",                   PathBadEscape);
    refused(&STRICT, "/a%2",                    PathBadEscape);
    refused(&STRICT, "/%",                      PathBadEscape);
    refused(&STRICT, "/%2/f",                   PathBadEscape);
    refused(&STRICT, "/%+1",                    PathBadEscape);
    refused(&STRICT, "/%u002e%u002e/",          PathBadEscape);
    // 18: not UTF-8
    refused(&STRICT, "/%c0%af",                 PathNotUtf8);
    refused(&STRICT, "/%e0%80%af",              PathNotUtf8);
    refused(&STRICT, "/%ff",                    PathNotUtf8);
    refused(&STRICT, "/%c3/%a9",                PathNotUtf8);
    refused(&STRICT, "/%ed%a0%80",              PathNotUtf8);
    // 20: outside ASCII
    refused(&STRICT, "/café",                   PathNonAscii);
    refused(&STRICT, "/a%EF%BC%8Fb",            PathLookalike);
    refused(&STRICT, "/%EF%BC%8E%EF%BC%8E/b",   PathLookalike);
    refused(&STRICT, "/a%E2%80%A4b",            PathLookalike);
    refused(&STRICT, "/a%E2%81%84b",            PathLookalike);
    refused(&STRICT, "/a%E2%88%95b",            PathLookalike);
    // 21: not a path
    refused(&STRICT, "",                        PathRelative);
    refused(&STRICT, "*",                       PathRelative);
    refused(&STRICT, "admin",                   PathRelative);
    refused(&STRICT, "@evil.com",               PathRelative);
    refused(&STRICT, "%2Fadmin",                PathRelative);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn each_policy_opens_exactly_what_it_names() {
    reads(&MERGE,    "/a//b",                   "/a/b",            &["a", "b"]);
    reads(&MERGE,    "///a///b//",              "/a/b/",           &["a", "b"]);
    reads(&MERGE,    "//",                      "/",               &[]);
    reads(&MERGE,    "//evil.com/x",            "/evil.com/x",     &["evil.com", "x"]);
    refused(&MERGE,  "/a//../b",                PathDotSegment);
    refused(&MERGE,  "/a%2F%2Fb",               PathEncodedSlash);

    reads(&OPAQUE,   "/a%2fb/c",                "/a%2Fb/c",        &["a/b", "c"]);
    reads(&OPAQUE,   "/%2F",                    "/%2F",            &["/"]);
    refused(&OPAQUE, "/a%2f..%2Fb",             PathDotSegment);
    refused(&OPAQUE, "/..%2Fb",                 PathDotSegment);
    refused(&OPAQUE, "/a%2F.",                  PathDotSegment);
    refused(&OPAQUE, "/a%5Cb",                  PathBackslash);
    refused(&OPAQUE, "/a%252Fb",                PathDoubleEncoding);

    reads(&PLAIN,    "/a;x=1/b%3By",            "/a;x=1/b%3By",    &["a;x=1", "b;y"]);
    reads(&PLAIN,    "/a%23b/c%3fd",            "/a%23b/c%3Fd",    &["a#b", "c?d"]);
    reads(&PLAIN,    "/a%252fb",                "/a%252fb",        &["a%2fb"]);
    reads(&PLAIN,    "/a%25%32%66b",            "/a%252fb",        &["a%2fb"]);
    refused(&PLAIN,  "/a#b",                    PathEncodedHash);
    refused(&PLAIN,  "/a?b",                    PathEncodedQuestion);
    refused(&PLAIN,  "/a/..;/b",                PathDotSegment);
    refused(&PLAIN,  "/a/..;x=1/b",             PathDotSegment);
    refused(&PLAIN,  "/.;/b",                   PathDotSegment);
    refused(&PLAIN,  "/a/..%23x",               PathDotSegment);
    refused(&PLAIN,  "/a/..%3Fx",               PathDotSegment);
    refused(&PLAIN,  "/a/..%20;x",              PathDotSegment);
    refused(&PLAIN,  "/a/..%2500x",             PathDotSegment);
    refused(&PLAIN,  "/%252e%252e/b",           PathDotSegment);
    refused(&PLAIN,  "/%25252e%25252e/b",       PathDotSegment);
    refused(&PLAIN,  "/%25%32%65%25%32%65/b",   PathDotSegment);
    refused(&PLAIN,  "/x%252f%252e%252e%252fb", PathDotSegment);
    refused(&PLAIN,  "/x%255c..%255cb",         PathDotSegment);
    refused(&PLAIN,  "/a%2Fb",                  PathEncodedSlash);
    refused(&PLAIN,  "/a%00b",                  PathControl);
    refused(&PLAIN,  "/a.",                     PathSegmentEnd);
}

#[test]
fn a_path_has_at_most_as_many_segments_as_allowed() {
    // 27
    let policy = PathPolicy { segments_max: 3, ..MERGE };
    reads(&policy, "/a/b/c/", "/a/b/c/", &["a", "b", "c"]);
    reads(&policy, "/a//b//c", "/a/b/c", &["a", "b", "c"]);
    refused(&policy, "/a/b/c/d", PathTooManySegments);
    refused(&policy, "/a/b/c/%64", PathTooManySegments);
    refused(&STRICT, &"/a".repeat(5000), PathTooManySegments);
}

#[test]
fn a_path_that_is_decoded_thousands_of_times_is_read_in_one_pass() {
    let raw = format!("/%{}2e%{0}2e", "25".repeat(15_000));
    refused(&PLAIN, &raw, PathDotSegment);
}

#[test]
fn a_segment_is_found_by_its_place() {
    let path = CanonicalPath::parse("/a%20b/c/", &STRICT).unwrap();
    assert_eq!((path.len(), path.is_empty(), path.has_trailing_slash()), (2, false, true));
    assert_eq!([path.segment(0), path.segment(1), path.segment(2)], [Some("a b"), Some("c"), None]);
    let root = CanonicalPath::parse("/", &STRICT).unwrap();
    assert_eq!((root.len(), root.is_empty(), root.has_trailing_slash()), (0, true, false));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_prefix_is_cut_by_segments_and_the_rest_is_read_again() {
    // 28, 29
    #[track_caller]
    fn cut(policy: &PathPolicy, path: &str, prefix: &str, rest: Option<&str>) {
        let parse = |raw| CanonicalPath::parse(raw, policy).unwrap();
        let found = parse(path).strip_prefix(&parse(prefix), policy).map(Result::unwrap);
        assert_eq!(found, rest.map(parse), "{path} - {prefix}");
    }
    cut(&STRICT, "/reports/a",          "/reports",   Some("/a"));
    cut(&STRICT, "/reports/a/",         "/reports/",  Some("/a/"));
    cut(&STRICT, "/reports",            "/reports",   Some("/"));
    cut(&STRICT, "/reports/",           "/reports",   Some("/"));
    cut(&STRICT, "/reportsx/a",         "/reports",   None);
    cut(&STRICT, "/a",                  "/a/b",       None);
    cut(&STRICT, "/a/b",                "/",          Some("/a/b"));
    cut(&STRICT, "/items%3Ax/a%20b",    "/items:x",   Some("/a%20b"));
    cut(&OPAQUE, "/a%2Fb/c/d",          "/a%2fb/c",   Some("/d"));
    cut(&STRICT, "/Reports/a",          "/reports",   None);
    cut(&FOLD,   "/Reports/A",          "/reports",   Some("/A"));
}

proptest! {
    #[test]
    fn reading_what_we_send_gives_the_same_path(
        raw in "(/|[a-c.%;:@\\\\\"{]|%[0-9a-fA-F]{2}|%25|%2[eEfF3]|é){0,24}",
        policy in prop::sample::select(vec![STRICT, MERGE, OPAQUE, PLAIN, LOOSE]),
    ) {
        if let Ok(path) = CanonicalPath::parse(&format!("/{raw}"), &policy) {
            prop_assert_eq!(CanonicalPath::parse(path.as_str(), &policy), Ok(path.clone()));
            prop_assert!(path.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(path.segments().all(|segment| !matches!(segment, "" | "." | "..")));
        }
    }

    #[test]
    fn what_the_strict_policy_accepts_every_policy_reads_alike(raw in "(/|[a-c:]|%[2-7][0-9a-f]){0,16}") {
        if let Ok(path) = CanonicalPath::parse(&format!("/{raw}"), &STRICT) {
            for policy in [MERGE, OPAQUE, PLAIN, LOOSE] {
                prop_assert_eq!(CanonicalPath::parse(&format!("/{raw}"), &policy), Ok(path.clone()));
            }
        }
    }

    #[test]
    fn no_number_of_decodings_makes_a_dot_segment(raw in "(/|[.a;]|%25|2[eEfF5]|%2[eEfF]){0,16}") {
        if let Ok(path) = CanonicalPath::parse(&format!("/{raw}"), &LOOSE) {
            let mut bytes = path.as_str().as_bytes().to_vec();
            for _ in 0..raw.len() {
                let hidden = bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|piece| {
                    let cut = piece.iter().position(|byte| *byte == b';').unwrap_or(piece.len());
                    matches!(&piece[..cut], b"." | b"..")
                });
                prop_assert!(!hidden, "{}", path.as_str());
                bytes = decode_leniently(&bytes);
            }
        }
    }
}

/// Decodes every good escape once and leaves bad ones: what a careless server does.
fn decode_leniently(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}
