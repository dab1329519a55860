//! What holds for all patterns and paths.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_set_allows_what_plain_reading_allows(
        rules in prop::collection::vec(rule(), 0..5),
        path in prop::collection::vec(typed(), 0..6),
        named in any::<bool>(),
        by in prop::sample::select(vec![None, Some(FRED)]),
    ) {
        let set = PermissionSet::new(rules.iter().map(String::as_str));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let reach = if named { Reach::Named } else { Reach::Everything };
        let asked = Asked { method: &Method::GET, path: &path, subject: None, caller: by, reach };
        let expected = rules.iter().any(|rule| plainly_allows(rule, &asked));
        prop_assert_eq!(set.allows(&asked), expected, "{:?} for {:?}", rules, path);
    }

    #[test]
    fn no_text_panics_and_a_method_in_front_never_grants_more(
        text in "\\PC{0,24}|[a-z*?/:,${}]{0,24}",
        path in prop::collection::vec("[a-z:,é]{1,3}", 0..4),
    ) {
        let path = path.join("/");
        let only = PermissionSet::new([format!("put:{text}").as_str()]);
        prop_assert!(!ask(&only, By::Fred, Reach::Everything, "GET", &path));
        let set = PermissionSet::new([text.as_str()]);
        let named = ask(&set, By::Fred, Reach::Named, "GET", &path);
        prop_assert!(!named || ask(&set, By::Fred, Reach::Everything, "GET", &path));
    }
}

#[test]
fn a_thousand_permissions_are_found_by_their_first_segment() {
    let texts: Vec<String> = (0..1000).map(|n| format!("get:/Things{n}/*")).collect();
    let set = PermissionSet::new(texts.iter().map(String::as_str));
    assert!(set.unnamed.is_empty());
    assert!(set.named.iter().all(|(_, grants)| grants.len() == 1));
    for n in 0..1000 {
        assert!(ask(&set, By::Guest, Reach::Named, "GET", &format!("/thingS{n}/x")));
    }
    assert!(!ask(&set, By::Guest, Reach::Named, "GET", "/things/x"));
}

/// Either would take longer than the world is old if wildcards were tried in every combination.
#[test]
fn no_pattern_takes_for_ever() {
    let set = PermissionSet::new([
        format!("{}/b", "/**/a".repeat(100)).as_str(),
        format!("/x/{}b", "*a".repeat(100)).as_str(),
    ]);
    let deep = "/a".repeat(400);
    assert!(!ask(&set, By::Fred, Reach::Everything, "GET", &deep));
    assert!(ask(&set, By::Fred, Reach::Everything, "GET", &format!("{deep}/b")));
    let long = format!("/x/{}", "a".repeat(2000));
    assert!(!ask(&set, By::Fred, Reach::Everything, "GET", &long));
    assert!(ask(&set, By::Fred, Reach::Everything, "GET", &format!("{long}b")));
}

fn rule() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a", "B", "ab", "users", "me", "fred", FRED_ID, "a*", "*b", "?", "*a?*", "*", "*", "**",
        "**", "${user}", "x${user}", "",
    ]);
    let path = prop::collection::vec(part, 0..6).prop_map(|parts| parts.join("/"));
    let words = prop::sample::select(vec!["", "get:", "get:/", "put,GET:/", "/", "put:/", ":"]);
    (words, path).prop_map(|(words, path)| format!("{words}{path}"))
}

fn typed() -> impl Strategy<Value = String> {
    let words = vec!["a", "b", "AB", "users", "users", "me", "Fred", FRED_ID, "doc", "xfred", "ba"];
    prop::sample::select(words).prop_map(str::to_owned)
}

/// The same for one permission without commas in its path, for GET, and with nobody looked up: every
/// wildcard in every way.
fn plainly_allows(rule: &str, asked: &Asked<'_>) -> bool {
    let rule = rule.to_lowercase();
    let (words, path) = rule.split_once(':').unwrap_or(("*", &rule));
    if !(words.is_empty() || words.split(',').any(|word| word == "get" || word == "*")) {
        return false;
    }
    let wild = asked.reach == Reach::Everything;
    if asked.path.is_empty() || path == "*" {
        return path == "*" && wild;
    }
    let mut pattern: Vec<&str> = path.split('/').filter(|text| !text.is_empty()).collect();
    let bare = pattern.first().is_none_or(|first| first.contains(['*', '?', '$']));
    if bare && !wild {
        return false;
    }
    let mut fits = plainly_fits(&pattern, asked, 0);
    if pattern.last() == Some(&"*") && !pattern.contains(&"**") {
        pattern.pop();
        fits |= plainly_fits(&pattern, asked, 0);
    }
    fits
}

fn plainly_fits(pattern: &[&str], asked: &Asked<'_>, at: usize) -> bool {
    let end = asked.path.len();
    match pattern {
        [] => at == end,
        ["**", rest @ ..] => (at..=end).any(|next| plainly_fits(rest, asked, next)),
        [first, rest @ ..] => {
            at < end && plainly_is(first, asked, at) && plainly_fits(rest, asked, at + 1)
        }
    }
}

fn plainly_is(pattern: &str, asked: &Asked<'_>, at: usize) -> bool {
    let typed = asked.path[at].to_lowercase();
    let names: Vec<String> = match asked.caller {
        Some(caller) => caller.each().map(str::to_lowercase).collect(),
        None => Vec::new(),
    };
    let after_users = at > 0 && asked.path[at - 1].eq_ignore_ascii_case("users");
    let mut spellings = vec![typed.clone()];
    if after_users && !names.is_empty() && (typed == "me" || names.contains(&typed)) {
        spellings.extend(names.iter().cloned());
        if !pattern.contains(['*', '?']) {
            spellings.push("me".to_owned());
        }
    }
    let patterns: Vec<String> = if pattern.contains("${user}") {
        names.iter().map(|name| pattern.replace("${user}", name)).collect()
    } else {
        vec![pattern.to_owned()]
    };
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    let pairs = patterns.iter().flat_map(|one| spellings.iter().map(move |typed| (one, typed)));
    pairs.into_iter().any(|(one, typed)| plainly_globs(&chars(one), &chars(typed)))
}

fn plainly_globs(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skip| plainly_globs(rest, &text[skip..])),
        [wanted, rest @ ..] => {
            let fit = text.first().is_some_and(|char| *wanted == '?' || wanted == char);
            fit && plainly_globs(rest, &text[1..])
        }
    }
}
