//! What we promise (`tests/promises.toml`), and that each promise names tests that there are.
//! `docs/promises.md` is made from the same data.

use std::{fmt::Write as _, path::Path};

use serde::Deserialize;

use super::{cli::golden, gauntlet::held};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promises {
    promise: Vec<Promise>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Promise {
    area: String,
    says: String,
    held_by: Vec<String>,
}

fn read() -> Vec<Promise> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promises.toml");
    let promises: Promises = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    promises.promise
}

#[test]
fn each_is_held_by_tests_that_there_are() {
    for promise in read() {
        assert!(!promise.held_by.is_empty(), "{}", promise.area);
        let missing: Vec<_> = promise.held_by.iter().filter(|test| !held::exists(test)).collect();
        assert!(missing.is_empty(), "{}: there is no {missing:?}", promise.area);
    }
}

#[test]
fn the_page_about_them_is_made_from_their_data() {
    let mut text = HEAD.to_owned();
    for promise in read() {
        let held: Vec<_> = promise.held_by.iter().map(|test| format!("`{test}`")).collect();
        let (area, says) = (promise.area, promise.says);
        let _ = writeln!(text, "| {area} | {says} | {} |", held.join("<br>"));
    }
    golden("docs/promises.md", &text);
}

/// What stands above the rows.
const HEAD: &str = "# What is promised

Each promise, and the tests that hold it (`cargo test --test it NAME`; those that begin with `lib` are run by `cargo test --lib NAME`).
A test keeps this page equal to `tests/promises.toml`, and its names to tests that there are.

| area | promise | held by |
|---|---|---|
";
