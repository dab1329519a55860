//! What organizations and applications may be called. Pure, so that rules, the configuration and the
//! directory agree.

use uuid::Uuid;

/// Longest name: a label of a host name has as many.
const CHARS_MAX: usize = 64;

/// Words before an organization in other forms of a path.
pub const ORGANIZATIONS: [&str; 3] = ["organizations", "orgs", "o"];

/// Words before an application in other forms of a path.
pub const APPLICATIONS: [&str; 3] = ["applications", "apps", "a"];

/// First segments that mean something else than an organization, and what stands in an application's
/// place in other forms of its path.
pub const RESERVED: [&str; 11] = [
    "management",
    "token",
    "orgs",
    "organizations",
    "o",
    "apps",
    "applications",
    "a",
    "users",
    "system",
    "status",
];

/// Whether a path names a tenant in another form than `/{org}/{app}/…`: with words before the names, or
/// by UUID. `path` are all of its decoded segments.
#[must_use]
pub fn is_other_form(path: &[&str]) -> bool {
    let id = |text: &str| Uuid::try_parse(text).is_ok();
    let (below, cut) = match path {
        [first, rest @ ..] if is_one_of(&ORGANIZATIONS, first) => (rest, true),
        all => (all, false),
    };
    match below {
        [apps, app, ..] if !cut && is_one_of(&APPLICATIONS, apps) => id(app),
        [word, ..] if is_reserved(word) => false,
        // An organization's UUID goes with an application's only.
        [org, apps, app, ..] if is_one_of(&APPLICATIONS, apps) => !id(org) || id(app),
        [org, app, ..] if !is_reserved(app) && (!id(org) || id(app)) => cut || id(app),
        [app, ..] => !cut && id(app),
        [] => false,
    }
}

fn is_one_of(words: &[&str], segment: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(segment))
}

/// Whether a path's first segment can name no organization, because it means something else.
#[must_use]
pub fn is_reserved(segment: &str) -> bool {
    is_one_of(&RESERVED, segment)
}

/// Whether `segment` is such a name, in its one spelling. Allocates nothing: every request asks.
#[must_use]
pub fn is_settled(segment: &str) -> bool {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    // Of these lengths are UUIDs; a name that is none of them is not worth a closer look.
    let as_long_as_a_uuid = matches!(segment.len(), 32 | 36);
    !segment.is_empty()
        && segment.len() <= CHARS_MAX
        && segment.bytes().all(fits)
        && !segment.ends_with('.')
        && !as_long_as_a_uuid
        && !is_reserved(segment)
}

/// The name of an organization or application in its one spelling, lower case.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with the name.
pub fn tenant_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    if name.is_empty() {
        return Err("is empty");
    }
    if name.len() > CHARS_MAX {
        return Err("has more than 64 characters");
    }
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    if !name.bytes().all(fits) {
        return Err("has other characters than letters, digits, `.`, `_` and `-`");
    }
    if name.ends_with('.') {
        return Err("ends with a dot, which no path can carry");
    }
    if is_reserved(&name) {
        return Err("means something else in a path");
    }
    if Uuid::try_parse(&name).is_ok() {
        return Err("looks like a UUID");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn other_forms_of_a_path_are_told_from_the_canonical_one() {
        const ORG: &str = "0b5c1f60-7d2a-11ee-8a11-0123456789ab";
        const APP: &str = "1b5c1f60-7d2a-11ee-8a11-0123456789ab";
        for (path, other) in [
            (vec!["acme", "shop", "x"],                 false),
            (vec!["acme", "shop"],                      false),
            (vec!["acme", "apps", "shop", "x"],         true),
            (vec!["acme", "A", "shop"],                 true),
            (vec!["Organizations", "acme", "shop"],     true),
            (vec!["orgs", "acme", "apps", "shop", "x"], true),
            (vec!["o", "acme", "a", "shop"],            true),
            (vec![ORG, APP, "x"],                       true),
            (vec!["acme", APP, "x"],                    true),
            (vec!["acme", "apps", APP, "x"],            true),
            (vec![APP, "x"],                            true),
            (vec![APP],                                 true),
            (vec!["applications", APP, "x"],            true),
            (vec![ORG, "apps", "shop", "x"],            false),
            (vec!["management", "orgs", "acme"],        false),
            (vec!["status", "shop", "x"],               false),
            (vec!["apps", "shop"],                      false),
            (vec!["orgs", "acme"],                      false),
            (vec!["acme", "apps"],                      false),
            (vec!["acme"],                              false),
            (vec![],                                    false),
        ] {
            assert_eq!(is_other_form(&path), other, "{path:?}");
        }
        assert!(ORGANIZATIONS.iter().chain(&APPLICATIONS).all(|word| is_reserved(word)));
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_name_has_one_spelling_and_means_nothing_else() {
        let long = "x".repeat(64);
        let longer = "x".repeat(65);
        for (text, expected) in [
            ("acme",                                 Ok("acme")),
            ("ACME-2.Shop_x",                        Ok("acme-2.shop_x")),
            ("0",                                    Ok("0")),
            (".hidden",                              Ok(".hidden")),
            (long.as_str(),                          Ok(long.as_str())),
            ("sandbox",                              Ok("sandbox")),
            ("user",                                 Ok("user")),
            ("",                                     Err("is empty")),
            (longer.as_str(),                        Err("has more than 64 characters")),
            ("a/b",                                  Err("has other characters than letters, digits, `.`, `_` and `-`")),
            ("a b",                                  Err("has other characters than letters, digits, `.`, `_` and `-`")),
            ("ümlaut",                               Err("has other characters than letters, digits, `.`, `_` and `-`")),
            (".",                                    Err("ends with a dot, which no path can carry")),
            ("acme.",                                Err("ends with a dot, which no path can carry")),
            ("Management",                           Err("means something else in a path")),
            ("o",                                    Err("means something else in a path")),
            ("status",                               Err("means something else in a path")),
            ("0b5c1f60-7d2a-11ee-8a11-0123456789ab", Err("looks like a UUID")),
            ("0B5C1F607D2A11EE8A110123456789AB",     Err("looks like a UUID")),
            ("0b5c1f60-7d2a-11ee-8a11-0123456789a",  Ok("0b5c1f60-7d2a-11ee-8a11-0123456789a")),
        ] {
            assert_eq!(tenant_name(text), expected.map(str::to_owned), "{text}");
        }
    }
}
