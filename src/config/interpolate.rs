//! `${VAR}`, `${VAR:-default}` and `${file:/run/secrets/x}` inside string values.
//!
//! Runs on each value after the file has been parsed, so that a value can never become syntax of
//! the file and places stay true. What a variable held is never part of a message.

use std::{io::ErrorKind, ops::Range};

use super::context::Context;

/// A mistake inside a string: where, what, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Largest file that `${file:…}` reads, bytes. Secrets and certificates are far smaller.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Replaces every reference in `text`; `None` when there is none.
pub(super) fn interpolate(cx: &Context, text: &str) -> Result<Option<String>, Vec<Fault>> {
    if !text.contains("${") {
        return Ok(None);
    }
    let (mut result, mut faults) = (String::new(), Vec::new());
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            result.push_str(&text[at..start - 1]);
            result.push_str("${");
            at = start + 2;
            continue;
        }
        result.push_str(&text[at..start]);
        let Some(length) = text[start..].find('}') else {
            faults.push(Fault {
                at: start..text.len(),
                message: "`${` is never closed".to_owned(),
                hint: "add `}`, or write `$${` for the two characters themselves".to_owned(),
            });
            return Err(faults);
        };
        at = start + length + 1;
        match resolve(cx, &text[start + 2..at - 1]) {
            Ok(value) => result.push_str(&value),
            Err((message, hint)) => faults.push(Fault { at: start..at, message, hint }),
        }
    }
    result.push_str(&text[at..]);
    if faults.is_empty() { Ok(Some(result)) } else { Err(faults) }
}

/// The value of what stands between `${` and `}`, or a message and a hint.
fn resolve(cx: &Context, reference: &str) -> Result<String, (String, String)> {
    if let Some(path) = reference.strip_prefix("file:") {
        return read_file(cx, path);
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_variable(name) {
        let message = if default.is_some() {
            // The default may be a secret, so the reference is not quoted.
            "this is no variable's name".to_owned()
        } else {
            format!("`{name}` is no variable's name")
        };
        let hint = "write `${NAME}`, `${NAME:-default}` or `${file:/path}`".to_owned();
        return Err((message, hint));
    }
    match ((cx.variables)(name), default) {
        (Some(value), _) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(_), None) => Err((
            format!("`${{{name}}}` is set to nothing"),
            format!("set it, or give a default: `${{{name}:-…}}`"),
        )),
        (None, None) => Err((
            format!("`${{{name}}}` is not set"),
            format!("set it, or give a default: `${{{name}:-…}}`"),
        )),
    }
}

fn read_file(cx: &Context, path: &str) -> Result<String, (String, String)> {
    let full = cx.resolve(path);
    cx.source(full.clone());
    let hint = || "create it, or correct the path".to_owned();
    match cx.disk.read_text(&full, FILE_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err((format!("`{path}` is larger than 64 KiB"), hint()))
        }
        Err(error) => Err((format!("cannot read `{path}`: {}", reason(&error)), hint())),
        Ok(text) => {
            let value = text.strip_suffix('\n').unwrap_or(&text);
            let value = value.strip_suffix('\r').unwrap_or(value);
            if value.is_empty() {
                return Err((format!("`{path}` is empty"), "put the value into it".to_owned()));
            }
            Ok(value.to_owned())
        }
    }
}

/// An operating system's error in the words of this program, the same on every machine.
pub(super) fn reason(error: &std::io::Error) -> String {
    const WORDS: [(ErrorKind, &str); 5] = [
        (ErrorKind::NotFound, "there is no such file"),
        (ErrorKind::PermissionDenied, "this user may not read it"),
        (ErrorKind::InvalidData, "it is not UTF-8 text"),
        (ErrorKind::IsADirectory, "it is a folder"),
        (ErrorKind::FileTooLarge, "it is too large"),
    ];
    let words = WORDS.iter().find(|(kind, _)| *kind == error.kind());
    words.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::SystemTime};

    use super::*;

    fn run(text: &str) -> Result<Option<String>, Vec<Fault>> {
        let variables = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("${A}".to_owned()),
            _ => None,
        };
        let cx = Context::new(Path::new("t.toml"), &variables, SystemTime::UNIX_EPOCH);
        interpolate(&cx, text)
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(run(text).unwrap().as_deref(), expected, "{text}");
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn references_are_replaced_once_and_escapes_stay_text() {
        check("plain $ and } text",   None);
        check("${A}",                 Some("one"));
        check("x${A}y${A}z",          Some("xoneyonez"));
        check("${B:-two}",            Some("two"));
        check("${A:-two}",            Some("one"));
        check("${EMPTY:-two}",        Some("two"));
        check("${B:-}",               Some(""));
        check("$${A}",                Some("${A}"));
        check("${TRICKY}",            Some("${A}"));
    }

    #[test]
    fn every_fault_of_a_string_is_found_with_its_place() {
        let faults = run("${B} ${A} ${9} ${EMPTY} ${file:/nonexistent/x} ${A").unwrap_err();
        let seen: Vec<_> = faults.iter().map(|f| (f.at.clone(), f.message.as_str())).collect();
        assert_eq!(
            seen,
            [
                (0..4, "`${B}` is not set"),
                (10..14, "`9` is no variable's name"),
                (15..23, "`${EMPTY}` is set to nothing"),
                (24..46, "cannot read `/nonexistent/x`: there is no such file"),
                (47..50, "`${` is never closed"),
            ]
        );
    }

    #[test]
    fn a_file_loses_exactly_one_line_end() {
        let folder = tempfile::tempdir().unwrap();
        for (held, expected) in [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), ("x", "x")] {
            let path = folder.path().join("secret");
            fs::write(&path, held).unwrap();
            check(&format!("${{file:{}}}", path.display()), Some(expected));
        }
    }
}
