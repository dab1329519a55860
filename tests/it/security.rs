//! What SECURITY.md names is there: the tests that hold its promises, and the files that it leads to.

use std::path::Path;

use super::gauntlet::held;

fn read() -> String {
    std::fs::read_to_string(root().join("SECURITY.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backticks and is a path of modules.
fn tests(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|word| word.contains("::")).collect()
}

#[test]
fn the_tests_that_it_names_are_there() {
    let text = read();
    let rows: Vec<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("| promise |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    assert!(rows.iter().all(|row| !tests(row).is_empty()), "each row names a test");
    let missing: Vec<_> = tests(&text).into_iter().filter(|test| !held::exists(test)).collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}

#[test]
fn the_places_that_it_leads_to_are_there() {
    let text = read();
    let links: Vec<_> =
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let file = root().join(file);
        assert!(file.exists(), "there is no {link}");
        let is_there = |text: &str| text.lines().any(|line| anchor(line) == heading);
        let page = || std::fs::read_to_string(&file).unwrap();
        assert!(heading.is_empty() || is_there(&page()), "no heading for {link}");
    }
}

/// What a heading is linked by; nothing for other lines.
fn anchor(line: &str) -> String {
    let Some((_, heading)) = line.split_once("# ").filter(|_| line.starts_with('#')) else {
        return String::new();
    };
    let letters = heading.to_lowercase();
    let kept = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
