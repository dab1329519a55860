//! The gauntlet: what broke other gateways, as data (`tests/gauntlet/*.toml`), each row asked of a real
//! gateway by bytes on a socket. `docs/gauntlet.md` is made from the same data.
//!
//! A row holds when every answer is the expected one, the backend got what is written and nothing else,
//! and the connection is closed or in step afterwards.

mod answers;
pub(crate) mod bytes;
pub(crate) mod data;
mod gates;
pub(crate) mod held;
mod http2;
mod report;
mod run;

use gates::Gates;

/// Runs a file's rows; a row that others hold must name tests that there are.
fn pass(file: &str) {
    let group = data::read(file);
    let mut gates = Gates::default();
    let mut faults = Vec::new();
    for row in &group.rows {
        faults.extend(run::row(&group, row, &mut gates));
        let missing = row.held_by.iter().filter(|test| !held::exists(test));
        faults.extend(missing.map(|test| format!("row {}: there is no {test}", row.number)));
    }
    assert!(faults.is_empty(), "{}:\n{}", group.title, faults.join("\n"));
}

#[test]
fn paths() {
    pass("a-path");
}

#[test]
fn queries_and_bodies_with_credentials() {
    pass("b-query");
}

#[test]
fn authorization() {
    pass("c-authorization");
}

#[test]
fn fields_for_the_backend() {
    pass("d-fields");
}

#[test]
fn hosts_and_addresses() {
    pass("e-host");
}

#[test]
fn methods() {
    pass("f-method");
}

#[test]
fn framing_and_protocol() {
    pass("g-framing");
}

#[test]
fn store_cache_and_time() {
    pass("h-store");
}

#[test]
fn rules_and_surroundings() {
    pass("i-rules");
}

#[test]
fn hostile_answers_of_backends() {
    let list = answers::read();
    let faults: Vec<String> = answers::check(&list)
        .into_iter()
        .flat_map(|(name, faults)| faults.into_iter().map(move |fault| format!("{name} {fault}")))
        .collect();
    assert!(faults.is_empty(), "{}:\n{}", list.title, faults.join("\n"));
}
