//! Which lines of a file hold a secret in plain text, told from the text alone.
//!
//! Works before the file parses, because a secret must not be printed on account of a missing quote
//! next to it. It errs towards hiding: a hidden line costs an operator one look into the file.

use strsim::osa_distance as distance;

/// Names whose values are secrets; anything that could be a slip of the pen for one is treated alike.
const SECRET_NAMES: [&str; 4] = ["secret", "secrets", "password", "passwd"];

/// Words before a colon that make `word:x@y` a requirement instead of a name and a password.
const REQUIREMENT_WORDS: [&str; 5] = ["role", "scope", "self", "name", "email"];

/// Keys that only look like a secret's.
const HARMLESS_NAMES: [&str; 2] = ["wrong-passwords", "wrong-passwords-per-address"];

/// Shortest quoted text that is taken for a key because it looks like one.
const RANDOM_CHARS_MIN: usize = 20;

/// For each line, whether it must never be shown.
pub(super) fn secret_lines(text: &str) -> Vec<bool> {
    let mut hidden = Vec::new();
    let mut inside = Inside::Nothing;
    for line in text.split('\n') {
        // What was commented out is a secret still.
        let line = line.trim_start_matches(['#', ' ', '\t']);
        if let Inside::Block(quote) = inside {
            hidden.push(true);
            if line.contains(quote) {
                inside = Inside::Value;
            }
            continue;
        }
        let starts = starts_entry(line);
        let named = names_a_secret(line) || (inside == Inside::Value && !starts);
        let value = if starts { line.split_once('=').map_or("", |(_, v)| v) } else { line };
        let plain = without_references(without_comment(value));
        let holds = named && plain.chars().any(char::is_alphanumeric)
            || holds_password(&without_references(line))
            || looks_random(&without_references(line));
        hidden.push(holds);
        inside = next(line, named || holds);
    }
    hidden
}

/// What a line is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Nothing,
    /// A secret's value, which may go on over several lines.
    Value,
    /// A secret's multi-line string, until this delimiter.
    Block(&'static str),
}

fn next(line: &str, secret: bool) -> Inside {
    if !secret {
        return Inside::Nothing;
    }
    let mut quotes = ["\"\"\"", "'''"].into_iter();
    let open = quotes.find(|quote| line.matches(quote).count() % 2 == 1);
    open.map_or(Inside::Value, Inside::Block)
}

/// Whether a line begins another key or table, so that no value of the line before goes on in it.
fn starts_entry(line: &str) -> bool {
    if let Some(header) = line.strip_prefix('[') {
        return header.trim_start_matches('[').trim_start().starts_with(is_bare);
    }
    let rest = line.trim_start_matches(|c| is_bare(c) || c == '.' || c == ' ');
    // `cd==` and `cd="` are the ends of base64 text.
    let value = rest.strip_prefix('=').map(str::trim);
    rest.len() < line.len()
        && value.is_some_and(|value| !matches!(value, "\"" | "'") && !value.starts_with('='))
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether a key on this line is, or could be meant as, one whose value is secret.
fn names_a_secret(line: &str) -> bool {
    let first = line.split(|c| !is_bare(c)).next().unwrap_or_default();
    is_secret_name(first)
        || line.match_indices('=').any(|(at, _)| {
            let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
            let name = before.rsplit(|c| !is_bare(c) && c != '\\').next().unwrap_or_default();
            // The last segment of a rule's path is no key.
            let is_path =
                line.starts_with('"') && before[..before.len() - name.len()].ends_with('/');
            !is_path && is_secret_name(name) || is_torn_name(before)
        })
}

/// Whether a slip of the pen tore the name of a secret apart: `pas"sword`.
fn is_torn_name(before: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|c| is_bare(*c)).collect::<String>();
    let last = before.rsplit([',', '{']).next().unwrap_or_default();
    let is_near = |name: &str| SECRET_NAMES.iter().any(|secret| distance(name, secret) <= 2);
    [before, last].iter().any(|text| is_near(&bare(text).to_ascii_lowercase()))
}

fn is_secret_name(name: &str) -> bool {
    if HARMLESS_NAMES.contains(&name) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    // A key spelt with escapes could be any key.
    name.contains('\\')
        || SECRET_NAMES.iter().any(|secret| name.contains(secret) || distance(&name, secret) <= 2)
}

/// Whether there is a name and a password before an `@`, or what a URL torn apart leaves of them.
fn holds_password(line: &str) -> bool {
    let end = |c: char| matches!(c, '"' | '\'' | ' ' | ',');
    // Lines of rules and expectations begin with a quote; in others only a URL has an `@`.
    let rule = line.starts_with('"');
    line.split(end).any(|word| {
        let torn = !rule && word.contains('@') && !word.contains("://");
        torn || has_user_and_password(word) || has_no_port(word)
    })
}

fn has_user_and_password(word: &str) -> bool {
    let Some((before, _)) = word.rsplit_once('@') else { return false };
    // `redis://` is no name and password, `redis:/x` might be the rest of one.
    let user = before.split_once("://").map_or(before, |(_, user)| user);
    user.split_once(':').is_some_and(|(user, password)| {
        !password.is_empty() && !REQUIREMENT_WORDS.iter().any(|known| user.ends_with(known))
    })
}

/// Whether what stands where a URL's port would is no number, so that it may be half a password.
fn has_no_port(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host.split_once(':').map_or("", |(_, port)| port);
    let bare_ipv6 = port.contains(':') && host.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    !(host.starts_with('[') || bare_ipv6 || port.chars().all(|c| c.is_ascii_digit()))
}

/// Whether a quoted text, closed or not, is long and of letters and digits in no order of words.
fn looks_random(line: &str) -> bool {
    line.split(['"', '\'', ' ', ',']).any(|text| {
        text.chars().count() >= RANDOM_CHARS_MIN
            && !text.starts_with('/')
            && text.chars().all(|c| is_bare(c) || matches!(c, '+' | '/' | '='))
            && text.contains(|c: char| c.is_ascii_digit())
            && text.contains(|c: char| c.is_ascii_alphabetic())
    })
}

fn without_comment(value: &str) -> &str {
    let mut quote = None;
    for (at, c) in value.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            // Before a comment stands a value; otherwise it is the value that was commented out.
            None if c == '#' && !value[..at].trim().is_empty() => return &value[..at],
            Some(_) | None => (),
        }
    }
    // An unclosed quote may have swallowed a `#` of the secret: then nothing was cut, and it is hidden.
    value
}

/// The text without `${NAME}` and `${file:…}`, which show nothing. A default stays: it is plain text.
fn without_references(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        left.push_str(before);
        match after.split_once('}') {
            Some((inside, after)) if !inside.contains(":-") => rest = after,
            Some(_) | None => {
                left.push_str("${");
                rest = after;
            }
        }
    }
    left + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[bool]) {
        assert_eq!(secret_lines(text), expected, "{text}");
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_line_that_holds_a_secret_is_hidden_whatever_is_wrong_with_it() {
        check("secret = \"hunter2\"",                                   &[true]);
        check("secret = \"hunter2",                                     &[true]);
        check("secret \"hunter2\"",                                     &[true]);
        check("secert = \"hunter2\"",                                   &[true]);
        check("SECRET='hunter2'",                                       &[true]);
        check("\"\\u0073ecret\" = 'hunter2'",                           &[true]);
        check("key = \"0123456789abcdef0123\"",                         &[true]);
        check("store = { url = 'x', password = 'hunter2' }",            &[true]);
        check("store = \"redis://:hunter2@h/0\"",                       &[true]);
        check("store = \"redis:/u:hunter2@h/0\"",                       &[true]);
        check("store = \"redis://u:hun\nter2@h/0\"",                    &[true, true]);
        check("backend = \"http://u:hunter2@h\"",                       &[true]);
        check("secret = \"${A:-hunter2}\"",                             &[true]);
        check("secret = [\n \"one\",\n \"two==\"\n]\nhealth = \"off\"", &[false, true, true, false, false]);
        check("# secret = \"hunter2\"",                                 &[true]);
        check("pas\"sword = \"hunter2\"",                              &[true]);
        check("pas sword = \"hunter2\"",                               &[true]);
        check("organization = \"acme\"/password = \"hunter2\"",    &[true]);
        check("x = { a = 'b', pas=sword = 'hunter2' }",                 &[true]);
        check("secret = \"ab\ncd==\"\nhealth = \"off\"",                &[true, true, false]);
        check("secret = \"\"\"\na = b\n\"\"\"\nhealth = \"off\"",       &[false, true, true, false]);
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_line_that_holds_none_is_shown() {
        check("secret = \"${TOLLGATE_SECRET}\" # keep it",    &[false]);
        check("secret = \"${file:/run/secrets/x}\"",          &[false]);
        check("store = \"redis://:${REDIS_PASSWORD}@h/0\"",   &[false]);
        check("store = \"redis://u:${REDIS_PASSWORD}@h/0\"",  &[false]);
        check("store = \"redis://user@h/0\"",                 &[false]);
        check("store = \"redis://127.0.0.1:6379/0\"",         &[false]);
        check("listen = \"[::1]:8080\"",                      &[false]);
        check("backend = \"http://[::1]:8080\"",              &[false]);
        check("record = \"json\"\nkey = \"session:{token}\"", &[false, false]);
        check("\"POST /secret\" = \"role:buyer@acme\"",       &[false]);
        check("\"GET /{u}\" = \"self:{u}@acme\"",             &[false]);
        check("wrong-passwords-per-address = 20",             &[false]);
        check("\"GET /0123456789abcdef0123\" = \"guest\"",    &[false]);
        check("trust = [\"::ffff:10.0.0.0/104\"]",            &[false]);
    }
}
