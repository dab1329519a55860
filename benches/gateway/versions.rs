//! What was measured where: figures without that say nothing.

use std::{collections::BTreeMap, fs, process::Command};

use crate::scenario::Kind;

/// Programs by name, and what each says of itself, or nothing where it is not there.
#[rustfmt::skip] // a table is read by column
const ASKED: &[(&str, &str, &str)] = &[
    ("nginx", "nginx", "-v"), ("HAProxy", "haproxy", "-v"), ("Caddy", "caddy", "version"), ("Redis", "redis-server", "--version"),
    ("h2load", "h2load", "--version"), ("valgrind", "valgrind", "--version"), ("strace", "strace", "--version"),
];

/// Of the programs, and the machine.
pub(crate) fn all() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, program, word) in ASKED {
        let number = first_line(program, word).and_then(|said| number(&said));
        all.extend(number.map(|number| ((*name).to_owned(), number)));
    }
    let ours = first_line(&Kind::Tollgate.binary(), "--version");
    all.extend(ours.and_then(|said| number(&said)).map(|said| ("Tollgate".to_owned(), said)));
    all.extend(first_line("date", "-uI").map(|said| ("on".to_owned(), said)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    all.insert("Linux".to_owned(), kernel.trim().to_owned());
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> =
        cpus.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("", |model| model.trim_matches(['\t', ':', ' ']));
    all.insert("cores".to_owned(), format!("{} of {model}", models.len()));
    all
}

fn first_line(program: &str, word: &str) -> Option<String> {
    let output = Command::new(program).arg(word).output().ok()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&said).lines().next()?.trim().to_owned())
}

/// The first word that has a digit and a full stop in it, from its first digit on.
fn number(said: &str) -> Option<String> {
    let is_digit = |c: char| c.is_ascii_digit();
    let word =
        said.split_whitespace().find(|word| word.contains(is_digit) && word.contains('.'))?;
    Some(word[word.find(is_digit)?..].to_owned())
}
