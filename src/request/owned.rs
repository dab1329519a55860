//! Which paths `[usergrid]` answers itself, before any rule is asked. Pure: the configuration refuses
//! rules inside them by the same function that the gateway serves them by.
//!
//! Words compare without ASCII case: a backend to which `/Roles` is `/roles` must not get what its
//! owner would have refused.

use http::Method;

/// Below a tenant, besides its collections.
const OF_TENANT: [&str; 2] = ["token", "credentials"];

/// Below `users/{u}`: what is about the account, and not about what the user keeps.
const OF_USER: [&str; 10] = [
    "password",
    "resetpw",
    "token",
    "revoketoken",
    "revoketokens",
    "roles",
    "groups",
    "permissions",
    "activate",
    "deactivate",
];

/// And of that, what everybody may do with its own account.
const OF_ONESELF: [&str; 4] = ["password", "token", "revoketoken", "revoketokens"];

/// Below `groups/{g}`: who is in it, and what that grants.
const OF_GROUP: [&str; 3] = ["users", "roles", "permissions"];

/// Collections of ours, each by its singular.
const COLLECTIONS: [(&str, &str); 4] =
    [("user", "users"), ("group", "groups"), ("role", "roles"), ("permission", "permissions")];

/// The one spelling of a collection of ours, which clients name in the singular too. `None` for all
/// other segments.
#[must_use]
pub fn collection(segment: &str) -> Option<&'static str> {
    let is_it = |(one, many): &&(&str, &str)| {
        segment.eq_ignore_ascii_case(one) || segment.eq_ignore_ascii_case(many)
    };
    COLLECTIONS.iter().find(is_it).map(|(_, many)| *many)
}

/// The one spelling of any word of ours that a path may have below a tenant, or below one of its users,
/// roles or groups. `None` for all other segments.
#[must_use]
pub fn word(segment: &str) -> Option<&'static str> {
    let mut others = OF_TENANT.into_iter().chain(OF_USER).chain(OF_GROUP);
    collection(segment).or_else(|| others.find(|word| word.eq_ignore_ascii_case(segment)))
}

/// Whether a path is answered here; `rest` are its decoded segments after `/{org}/{app}`. None at all
/// are the application itself.
#[must_use]
pub fn is_owned(rest: &[&str]) -> bool {
    let [first, below @ ..] = rest else { return true };
    match (collection(first), below) {
        (None, below) => below.is_empty() && is_one_of(&OF_TENANT, first),
        (Some("users"), [_, what, ..]) => is_one_of(&OF_USER, what),
        (Some("groups"), [_, what, ..]) => is_one_of(&OF_GROUP, what),
        (Some(_), _) => true,
    }
}

/// Whether a request is about roles, permissions, memberships, credentials, deactivation, or another
/// user's passwords and tokens: what patterns that begin with a wildcard do not reach. Whoever renames
/// or deletes a group changes memberships too. `own`: the user whom the path names is the one who asks.
#[must_use]
pub fn is_protected(method: &Method, rest: &[&str], own: bool) -> bool {
    let reads = *method == Method::GET || *method == Method::HEAD;
    let [first, below @ ..] = rest else { return false };
    match (collection(first), below) {
        (None, _) => first.eq_ignore_ascii_case("credentials"),
        (Some("roles" | "permissions"), _) => true,
        (Some("groups"), [_]) => !reads,
        (Some("groups"), [_, what, ..]) => is_one_of(&OF_GROUP, what),
        (Some("users"), [_, what, ..]) => {
            is_one_of(&OF_USER, what) && !(own && is_one_of(&OF_ONESELF, what))
        }
        (Some(_), _) => false,
    }
}

/// Whether a path that names no tenant is answered here; `path` are all of its decoded segments.
#[must_use]
pub fn is_owned_outside(path: &[&str]) -> bool {
    match path {
        [only] if only.eq_ignore_ascii_case("token") => true,
        [first, ..] => is_one_of(&["management", "system"], first),
        [] => false,
    }
}

fn is_one_of(words: &[&str], segment: &str) -> bool {
    let spelled = word(segment).unwrap_or(segment);
    words.iter().any(|word| word.eq_ignore_ascii_case(spelled))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_group_is_read_by_whoever_a_wildcard_lets_and_changed_by_whoever_a_name_does() {
        let protected = |method, path| is_protected(&method, &segments(path), false);
        assert!(!protected(Method::GET, "groups/g"));
        assert!(!protected(Method::POST, "groups"));
        assert!(protected(Method::PUT, "groups/g"));
        assert!(protected(Method::DELETE, "group/g"));
    }

    use super::*;

    fn segments(path: &str) -> Vec<&str> {
        path.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn accounts_roles_and_the_application_itself_are_owned_and_what_users_keep_is_not() {
        for (path, owned) in [
            ("",                            true),
            ("token",                       true),
            ("token/x",                     false),
            ("credentials",                 true),
            ("credentials/x",               false),
            ("roles",                       true),
            ("roles/buyer/permissions",     true),
            ("Roles/buyer",                 true),
            ("role/buyer",                  true),
            ("user/eve",                    true),
            ("user/eve/devices",            false),
            ("rolex",                       false),
            ("permissions",                 true),
            ("permissions/x/y",             true),
            ("groups",                      true),
            ("groups/g",                    true),
            ("groups/g/users",              true),
            ("groups/g/users/u",            true),
            ("groups/g/roles/r",            true),
            ("groups/g/permissions",        true),
            ("groups/g/feed",               false),
            ("groups/g/feed/users",         false),
            ("users",                       true),
            ("users/eve",                   true),
            ("users/eve/password",          true),
            ("users/eve/PassWord",          true),
            ("users/eve/token",             true),
            ("users/eve/revoketoken",       true),
            ("users/eve/revoketokens",      true),
            ("users/eve/roles/buyer",       true),
            ("users/eve/Role/buyer",        true),
            ("users/eve/groups/g",          true),
            ("users/eve/permissions",       true),
            ("users/eve/activate",          true),
            ("users/eve/deactivate",        true),
            ("users/eve/devices",           false),
            ("users/eve/devices/password",  false),
            ("users/users",                 true),
            ("users/users/users",           false),
            ("orders",                      false),
            ("orders/users/roles",          false),
        ] {
            assert_eq!(is_owned(&segments(path)), owned, "{path}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn every_word_of_ours_has_one_spelling() {
        for (segment, expected) in [
            ("User",         Some("users")),
            ("USERS",        Some("users")),
            ("role",         Some("roles")),
            ("Group",        Some("groups")),
            ("permission",   Some("permissions")),
            ("Token",        Some("token")),
            ("Credentials",  Some("credentials")),
            ("PassWord",     Some("password")),
            ("ResetPW",      Some("resetpw")),
            ("RevokeToken",  Some("revoketoken")),
            ("RevokeTokens", Some("revoketokens")),
            ("Activate",     Some("activate")),
            ("DeActivate",   Some("deactivate")),
            ("devices",      None),
            ("management",   None),
            ("tokens",       None),
            ("",             None),
        ] {
            assert_eq!(word(segment), expected, "{segment}");
        }
        for word_of_ours in OF_TENANT.iter().chain(&OF_USER).chain(&OF_GROUP).chain(&OF_ONESELF) {
            assert_eq!(word(word_of_ours), Some(*word_of_ours));
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn what_gives_power_is_protected_and_ones_own_password_is_not() {
        for (path, of_others, own) in [
            ("",                        false, false),
            ("token",                   false, false),
            ("credentials",             true,  true),
            ("roles",                   true,  true),
            ("Roles/buyer",             true,  true),
            ("permissions/x",           true,  true),
            ("groups/g",                false, false),
            ("groups/g/users/u",        true,  true),
            ("groups/g/feed",           false, false),
            ("users",                   false, false),
            ("users/eve",               false, false),
            ("users/eve/password",      true,  false),
            ("users/eve/Token",         true,  false),
            ("users/eve/revoketoken",   true,  false),
            ("users/eve/revoketokens",  true,  false),
            ("users/eve/roles/r",       true,  true),
            ("users/eve/groups",        true,  true),
            ("users/eve/permissions",   true,  true),
            ("users/eve/activate",      true,  true),
            ("users/eve/deactivate",    true,  true),
            ("users/eve/devices",       false, false),
            ("orders",                  false, false),
        ] {
            let protected = |own| is_protected(&Method::GET, &segments(path), own);
            assert_eq!((protected(false), protected(true)), (of_others, own), "{path}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn outside_tenants_the_management_and_the_token_endpoint_are_owned() {
        for (path, owned) in [
            ("",                        false),
            ("token",                   true),
            ("token/x",                 false),
            ("management",              true),
            ("Management/token",        true),
            ("management/orgs/acme",    true),
            ("system/database/setup",   true),
            ("status",                  false),
            ("orgs/management",         false),
        ] {
            assert_eq!(is_owned_outside(&segments(path)), owned, "{path}");
        }
    }
}
