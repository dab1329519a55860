//! `include`: further files with `[rules]` and `[expect]`, found by name.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    context::Context,
    disk::{Disk, FILE_BYTES_MAX},
    interpolate::reason,
    reader::{Table, Text},
    report::Mistake,
};

/// A file that is included: its number in the report, and its text.
pub(super) struct Included {
    pub(super) file: usize,
    pub(super) text: String,
}

/// Reads every file that `include` names, in the order of its patterns and of names within one.
pub(super) fn read(top: &Table, main: &Path) -> Vec<Included> {
    let Some(patterns) = top.get("include").and_then(|value| value.texts()) else {
        return Vec::new();
    };
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut included = Vec::new();
    for pattern in patterns {
        for path in find(top.cx, &pattern) {
            if top.cx.disk.is_same(&path, main) {
                let message = format!("{} includes this very file", pattern.quoted());
                pattern.bad(top.cx, message, "put the other files into a folder of their own");
            } else if !seen.contains(&path) {
                seen.push(path.clone());
                included.extend(read_file(top.cx, &pattern, path));
            }
        }
    }
    included
}

/// Only `[rules]` and `[expect]`: where a gateway listens and what it keeps stands in one file.
pub(super) fn check_keys(table: Table) {
    for (key, _) in table.entries() {
        if !matches!(key.text.as_str(), "rules" | "expect") {
            let message = format!("{} cannot stand in an included file", key.quoted());
            key.bad(table.cx, message, "only `[rules]` and `[expect]` can");
        }
    }
}

fn read_file(cx: &Context, pattern: &Text, path: PathBuf) -> Option<Included> {
    let read = cx.disk.read_text(&path, FILE_BYTES_MAX);
    let name = shown(pattern, &path);
    cx.source(path);
    match read {
        Ok(text) => {
            let file = cx.add_file(name, text.clone());
            Some(Included { file, text })
        }
        Err(error) => {
            let message = format!("cannot read `{name}`: {}", reason(&error));
            pattern.bad(cx, message, "create it, or correct the path");
            None
        }
    }
}

/// A file's name in reports: of a pattern with a variable in it, what the configuration says.
fn shown(pattern: &Text, path: &Path) -> String {
    if !pattern.is_filled_in() {
        return path.display().to_string();
    }
    let found = path.file_name().and_then(|name| name.to_str());
    match (pattern.written.rsplit_once('/'), found) {
        (Some((folder, name)), Some(found)) if name.contains('*') && !name.contains('}') => {
            format!("{folder}/{found}")
        }
        _ => pattern.written.clone(),
    }
}

/// The files that a pattern names.
fn find(cx: &Context, pattern: &Text) -> Vec<PathBuf> {
    let text = pattern.text.as_str();
    let (folder, name) = text.rsplit_once('/').map_or(("", text), |(folder, name)| {
        if folder.is_empty() { ("/", name) } else { (folder, name) }
    });
    if folder.contains('*') {
        let message = format!("{} has a `*` in a folder's name", pattern.quoted());
        pattern.bad(cx, message, "`*` may stand only in the file's name");
        return Vec::new();
    }
    if !name.contains('*') {
        // One that is not there is a mistake when it is read.
        return vec![cx.resolve(text)];
    }
    let folder = cx.resolve(folder);
    // A file that is added later belongs to the configuration too.
    cx.source(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.clone() });
    match matching(&cx.disk, &folder, name) {
        Ok(paths) => paths,
        // A folder that is not there holds no file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let message = format!("cannot list {}: {}", pattern.quoted(), reason(&error));
            pattern.bad(cx, message, "let this user read the folder");
            Vec::new()
        }
    }
}

fn matching(disk: &Disk, folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut paths = Vec::new();
    for name in disk.list(listed)? {
        let path = folder.join(&name);
        // As in a shell, hidden files are named or not meant: mounted folders are full of them.
        if !name.starts_with('.') && fits(pattern, &name) && disk.is_file(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether `name` has the pieces between the stars of `pattern`, in order.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Notes what the parser could not read.
pub(super) fn note_syntax(cx: &Context, file: usize, errors: &[toml::de::Error]) {
    for error in errors {
        let span = error.span().unwrap_or_default();
        cx.syntax_mistake(Mistake::at(
            super::source::Place::new(file, span),
            format!("this is not TOML: {}", error.message()),
            "",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_star_stands_for_any_letters() {
        for (pattern, name, expected) in [
            ("*.toml",     "a.toml",     true),
            ("*.toml",     ".toml",      true),
            ("*.toml",     "a.tom",      false),
            ("a*c.toml",   "abc.toml",   true),
            ("a*c.toml",   "ac.toml",    true),
            ("a*c.toml",   "ab.toml",    false),
            ("*a*b*",      "xaxbx",      true),
            ("*a*b*",      "xbxax",      false),
            ("a*a",        "a",          false),
            ("a.toml",     "a.toml",     true),
            ("a.toml",     "a.tomlx",    false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
