//! What a person reads of a faulty file, word for word: `tests/golden/config/NAME.toml` beside
//! `NAME.txt`. `UPDATE_GOLDEN=1 cargo test golden` writes them anew; read the difference before it goes in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{now, variables};
use crate::config::{Config, Report};

const FOLDER: &str = "tests/golden/config";

/// Every secret of the golden files has one of these words in it.
const SECRET_WORDS: [&str; 2] = ["hunter2", "interpolated"];

fn faulty_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    files
}

#[track_caller]
fn report(path: &Path) -> Report {
    match Config::load_with(path, &variables, now()) {
        Ok(_) => panic!("{} loads", path.display()),
        Err(report) => report,
    }
}

#[test]
fn every_faulty_file_is_reported_as_agreed() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in faulty_files() {
        let golden = path.with_extension("txt");
        let report = report(&path).render(false);
        if update {
            fs::write(&golden, &report).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if report != expected {
            let golden = golden.display();
            wrong.push(format!("--- {golden}\n{expected}\n--- reported\n{report}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_GOLDEN=1 writes them anew", wrong.concat());
}

#[test]
fn there_are_enough_faulty_files_to_cover_the_language() {
    assert!(faulty_files().len() >= 40, "{}", faulty_files().len());
}

#[test]
fn no_report_shows_a_secret_or_what_a_variable_held() {
    for path in faulty_files() {
        let report = report(&path);
        for text in [
            report.render(false),
            report.render(true),
            report.to_json().to_string(),
            report.first_line(),
            format!("{report:?}"),
        ] {
            for word in SECRET_WORDS {
                assert!(!text.contains(word), "{} shows {word}:\n{text}", path.display());
            }
        }
    }
}

#[test]
fn every_mistake_names_its_file_line_and_column_for_scripts() {
    for path in faulty_files() {
        let json = report(&path).to_json();
        for mistake in json.as_array().unwrap() {
            assert!(mistake["message"].is_string(), "{mistake}");
            let placed = mistake["line"].is_u64() && mistake["column"].is_u64();
            assert_eq!(placed, mistake["file"].is_string(), "{mistake}");
        }
    }
}
