//! What people may be called: names are unique without case, share their index with e-mail addresses, and
//! stand in paths. Pure, so that the configuration and the directory agree.

use uuid::Uuid;

/// Longest username or address, bytes.
const BYTES_MAX: usize = 256;

/// Checks a username beside its owner's address.
///
/// A name that reads as somebody else (`me`, a UUID, another's address) would be somebody else in a
/// path, and one with a slash would be two segments of it.
///
/// # Errors
/// What is wrong with it, a sentence without its full stop.
pub fn check_username(username: &str, email: Option<&str>) -> Result<(), &'static str> {
    if username.trim().is_empty() {
        return Err("a username is not empty");
    }
    if username.eq_ignore_ascii_case("me") {
        // The words that clients of the platform know.
        return Err("Username 'me' is reserved");
    }
    if !is_plain(username) || username.contains('/') {
        return Err("a username holds no slash, no control character and at most 256 bytes");
    }
    if Uuid::try_parse(username).is_ok() {
        return Err("a username that looks like a UUID would name another user");
    }
    if is_email(username) && !email.is_some_and(|own| own.eq_ignore_ascii_case(username)) {
        return Err("a username that looks like an e-mail address has to be the user's own");
    }
    Ok(())
}

/// Checks an address.
///
/// # Errors
/// What is wrong with it, a sentence without its full stop.
pub fn check_email(email: &str) -> Result<(), &'static str> {
    if is_email(email) && is_plain(email) && !email.contains(['/', ' ']) {
        return Ok(());
    }
    Err("this is no e-mail address")
}

/// Whether it could be an address: something, one `@`, and a dot after it.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    !local.is_empty()
        && !domain.contains('@')
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}

fn is_plain(text: &str) -> bool {
    text.len() <= BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn nobody_takes_a_name_that_reads_as_somebody_else() {
        let rows = [
            ("nora",                                 None,                   true),
            ("Nora B",                               None,                   true),
            ("nora+x_-.'",                           None,                   true),
            ("nora@example.com",                     Some("nora@example.com"), true),
            ("NORA@example.com",                     Some("nora@example.com"), true),
            ("olga@example.com",                     Some("nora@example.com"), false),
            ("nora@example.com",                     None,                   false),
            ("me",                                   None,                   false),
            ("ME",                                   None,                   false),
            ("7f3f6d0a-0000-11ee-8a11-0123456789ab", None,                   false),
            ("7f3f6d0a000011ee8a110123456789ab",     None,                   false),
            ("a/b",                                  None,                   false),
            ("a\nb",                                 None,                   false),
            ("  ",                                   None,                   false),
            ("",                                     None,                   false),
        ];
        for (name, email, good) in rows {
            assert_eq!(check_username(name, email).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn an_address_has_two_sides_and_a_dot_in_the_second() {
        for good in ["olga@acme.example", "o+x@a.b.c"] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        let long = format!("{}@acme.example", "x".repeat(BYTES_MAX));
        for bad in
            ["", "olga", "@acme.example", "olga@acme", "a@b@c.d", "o a@b.c", "o/a@b.c", &long]
        {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }
}
