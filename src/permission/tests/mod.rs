//! What permissions allow: the platform's table, our differences from it, and laws.

mod laws;
mod syntax;
mod table;

use http::Method;

use super::{Asked, PermissionSet, Reach, Spellings};

const FRED_ID: &str = "0d1b9c3e-7a41-11ef-8f10-0242ac120002";
const DOC_ID: &str = "5e0f7a90-7a41-11ef-8f10-0242ac120002";

const FRED: Spellings<'_> =
    Spellings { id: FRED_ID, name: Some("Fred"), email: Some("fred@acme.test") };
const DOC: Spellings<'_> = Spellings { id: DOC_ID, name: Some("doc"), email: None };

/// Who asks.
#[derive(Clone, Copy)]
enum By {
    Fred,
    Guest,
}

/// Asks as the gateway would: split at slashes, with the user of `/users/{u}` looked up.
fn ask(set: &PermissionSet, by: By, reach: Reach, method: &str, path: &str) -> bool {
    let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let caller = match by {
        By::Fred => Some(FRED),
        By::Guest => None,
    };
    let subject = match path[..] {
        ["users", "me", ..] => caller,
        ["users", user, ..] => [FRED, DOC].into_iter().find(|known| known.has(user)),
        _ => None,
    };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    set.allows(&Asked { method: &method, path: &path, subject, caller, reach })
}

#[track_caller]
fn check(by: By, rule: &str, asked: &str, expected: bool) {
    let set = PermissionSet::new([rule]);
    let (method, path) = asked.split_once(' ').unwrap();
    let allowed = ask(&set, by, Reach::Everything, method, path);
    assert_eq!(allowed, expected, "{rule} for {asked}");
}

#[track_caller]
fn allow(rule: &str, asked: &[&str]) {
    asked.iter().for_each(|asked| check(By::Fred, rule, asked, true));
}

#[track_caller]
fn deny(rule: &str, asked: &[&str]) {
    asked.iter().for_each(|asked| check(By::Fred, rule, asked, false));
}
