//! The published list of hostile inputs (`tests/gauntlet`), of which paths, queries and fields are asked
//! of the servers too. What is expected there is expected of other rules; here only readings count.

use super::corpus::{Caller, Case};
use crate::{
    gauntlet::{
        bytes::{self, Words},
        data,
    },
    harness::tokens::PEOPLE,
};

/// The groups that are about what a backend reads.
const FILES: [&str; 4] = ["a-path", "b-query", "c-authorization", "d-fields"];

/// Every case of them that is told as a target and fields, and needs nobody but those who have a token
/// here.
pub(crate) fn cases() -> Vec<Case> {
    let groups = FILES.iter().map(|file| data::read(file));
    let cases = groups.flat_map(|group| group.rows).flat_map(|row| row.cases);
    cases.filter(|case| case.no_h1.is_none()).filter_map(|case| translated(&case)).collect()
}

fn translated(case: &data::Case) -> Option<Case> {
    let target = case.target.as_deref()?;
    let told = [target, &case.fields.join("\n"), case.caller.as_deref().unwrap_or_default()];
    let method = case.method.as_deref().unwrap_or("GET");
    let plain = method == "GET" && case.body.is_none() && case.host.is_none();
    if !plain || told.iter().any(|text| has_words(text)) {
        return None;
    }
    let words = Words::new();
    let lines = case.fields.iter().map(|line| [&bytes::of(line, &words)[..], b"\r\n"].concat());
    Some(Case {
        target: bytes::of(target, &words),
        fields: lines.collect::<Vec<_>>().concat(),
        caller: match case.caller.as_deref() {
            None => Caller::Nobody,
            Some("root") => Caller::Root,
            // Who of the others asks makes no difference to what is read.
            Some(name) if PEOPLE.iter().any(|(known, ..)| *known == name) => Caller::Eve,
            Some(_) => return None,
        },
    })
}

/// Whether a text stands for more than itself, repetitions aside.
fn has_words(text: &str) -> bool {
    text.split("<<").skip(1).any(|word| !word.split(">>").next().unwrap_or_default().contains('*'))
}
