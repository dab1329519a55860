//! Which lines of a file hold a secret in plain text, told from the text alone.
//!
//! Works before the file parses, because a secret must not be printed on account of a missing quote
//! next to it. It errs towards hiding: a hidden line costs an operator one look into the file.

use super::nearest::distance;

/// Names whose values are secrets, with anything that could be a slip of the pen for one.
const SECRET_NAMES: [&str; 4] = ["secret", "secrets", "password", "passwd"];

/// For each line, whether it must never be shown.
pub(super) fn secret_lines(text: &str) -> Vec<bool> {
    let mut hidden = Vec::new();
    let mut inside = Inside::Nothing;
    for line in text.split('\n') {
        inside = match inside {
            Inside::Block(quote) if line.contains(quote) => {
                hidden.push(true);
                Inside::Value
            }
            Inside::Block(quote) => {
                hidden.push(true);
                Inside::Block(quote)
            }
            Inside::Nothing | Inside::Value => {
                let starts = starts_entry(line);
                let goes_on = inside == Inside::Value && !starts;
                let secret = names_a_secret(line) || goes_on;
                let value = if starts { line.split_once('=').map_or("", |(_, v)| v) } else { line };
                hidden.push(secret && holds_text(value) || holds_password(line));
                next(line, secret)
            }
        };
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
    for quote in ["\"\"\"", "'''"] {
        if line.matches(quote).count() % 2 == 1 {
            return Inside::Block(quote);
        }
    }
    Inside::Value
}

/// Whether a line begins another key or table, so that no value of the line before goes on in it.
fn starts_entry(line: &str) -> bool {
    let line = line.trim_start();
    if let Some(header) = line.strip_prefix('[') {
        return header.trim_start_matches('[').trim_start().starts_with(is_bare);
    }
    let bare = line.trim_start_matches(|c| is_bare(c) || c == '.' || c == ' ');
    bare.len() < line.len() && bare.starts_with('=')
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether a key on this line is, or could be meant as, one whose value is secret.
fn names_a_secret(line: &str) -> bool {
    line.match_indices('=').any(|(at, _)| {
        let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let start = before
            .rfind(|c| !is_bare(c) && c != '\\')
            .map_or(0, |found| found + before[found..].chars().next().map_or(1, char::len_utf8));
        let name = before[start..].to_ascii_lowercase();
        // A key spelt with escapes could be any key.
        name.contains('\\')
            || SECRET_NAMES
                .iter()
                .any(|secret| name.contains(secret) || distance(&name, secret) <= 2)
    })
}

/// Whether anything but comments, references to variables and file references is left of a value:
/// `secret = "${TOLLGATE_SECRET}"` shows nothing, `"${TOLLGATE_SECRET:-hunter2}"` does.
fn holds_text(value: &str) -> bool {
    without_references(without_comment(value)).chars().any(char::is_alphanumeric)
}

/// Whether a URL on this line carries a password in plain text.
fn holds_password(line: &str) -> bool {
    let line = without_references(line);
    line.match_indices("://").any(|(at, found)| {
        let rest = &line[at + found.len()..];
        let authority = rest.split(['"', '\'', ' ', ',']).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { return false };
        user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
    })
}

fn without_comment(value: &str) -> &str {
    let mut quote = None;
    for (at, c) in value.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '#' => return &value[..at],
            Some(_) | None => (),
        }
    }
    // An unclosed quote may have swallowed a `#` of the secret: then nothing was cut, and it is hidden.
    value
}

fn without_references(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        left.push_str(before);
        match after.split_once('}') {
            Some((inside, after)) if !inside.contains(":-") => rest = after,
            _ => {
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
        check("secert = \"hunter2\"",                                   &[true]);
        check("SECRET='hunter2'",                                       &[true]);
        check("\"\\u0073ecret\" = 'hunter2'",                           &[true]);
        check("store = { url = 'x', password = 'hunter2' }",            &[true]);
        check("store = \"redis://:hunter2@h/0\"",                       &[true]);
        check("backend = \"http://u:hunter2@h\"",                       &[true]);
        check("secret = \"${A:-hunter2}\"",                             &[true]);
        check("secret = [\n \"one\",\n \"two==\"\n]\nhealth = \"off\"", &[false, true, true, false, false]);
        check("secret = \"\"\"\na = b\n\"\"\"\nhealth = \"off\"",       &[false, true, true, false]);
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_line_that_only_refers_to_a_secret_is_shown() {
        check("secret = \"${TOLLGATE_SECRET}\" # keep it",   &[false]);
        check("secret = \"${file:/run/secrets/x}\"",         &[false]);
        check("store = \"redis://:${REDIS_PASSWORD}@h/0\"",  &[false]);
        check("store = \"redis://user@h/0\"",                &[false]);
        check("record = \"json\"\nkey = \"session:{token}\"", &[false, false]);
    }
}
