//! What is printed, and whether in colour: only to a terminal, and not where `NO_COLOR` is set.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

/// Prints `text` and a line end to standard output.
pub(super) fn out(text: &str) {
    // A reader that has gone has seen enough; there is nobody to tell.
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{}", text.trim_end_matches('\n'));
    let _ = stdout.flush();
}

/// Prints `text` and a line end to standard error.
pub(super) fn err(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Whether standard output is read by a person who likes colours.
pub(super) fn out_has_color() -> bool {
    io::stdout().is_terminal() && wanted()
}

/// Whether standard error is.
pub(super) fn err_has_color() -> bool {
    io::stderr().is_terminal() && wanted()
}

/// <https://no-color.org>, and terminals that say they can do nothing.
fn wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Pretty JSON for scripts.
pub(super) fn json(value: &serde_json::Value) {
    out(&format!("{value:#}"));
}

/// A path as a shell takes it.
pub(super) fn shell_word(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A text as a shell takes it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
