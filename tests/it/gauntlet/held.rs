//! Rows that bytes alone cannot show name the tests that hold them: that there are such tests, and
//! whether they pass.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The tests of this very binary.
static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
});

/// Whether there is such a test: `module::name` in this binary, `lib module::name` inside `src`.
pub(crate) fn exists(test: &str) -> bool {
    match test.strip_prefix("lib ") {
        Some(test) => files(test).iter().any(|file| defines(file, test)),
        None => KNOWN.iter().any(|known| known == test),
    }
}

/// Where a module's text may stand: in its own file, in the folder's, or inside the file above.
fn files(test: &str) -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules: Vec<&str> = test.split("::").collect();
    let above = (1..modules.len()).map(|count| modules[..count].join("/"));
    let paths = above.flat_map(|module| [format!("{module}.rs"), format!("{module}/mod.rs")]);
    // `#[path]` puts a file's tests beside it: `wire_tests.rs`.
    let beside = modules[..modules.len() - 2].join("/") + "_tests.rs";
    paths.chain([beside]).map(|path| source.join(path)).filter(|path| path.is_file()).collect()
}

fn defines(file: &Path, test: &str) -> bool {
    let name = test.rsplit("::").next().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    text.contains(&format!("fn {name}("))
}

/// Runs tests one by one name, and returns those that did not pass.
pub(crate) fn run(tests: &[String]) -> Vec<String> {
    let (inside, here): (Vec<_>, Vec<_>) = tests.iter().partition(|test| test.starts_with("lib "));
    let inside: Vec<&str> = inside.iter().map(|test| &test["lib ".len()..]).collect();
    let here: Vec<&str> = here.iter().map(|test| test.as_str()).collect();
    let mut failed = Vec::new();
    if !here.is_empty() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        failed.extend(missing(command.args(&here).arg("--exact"), &here));
    }
    if !inside.is_empty() {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--lib", "--"]).args(&inside).arg("--exact");
        failed.extend(missing(&mut command, &inside).iter().map(|name| format!("lib {name}")));
    }
    failed
}

/// The tests that this command does not say to have passed.
fn missing(command: &mut Command, tests: &[&str]) -> Vec<String> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let passed = |test: &&&str| text.lines().any(|line| line == format!("test {test} ... ok"));
    tests.iter().filter(|test| !passed(test)).map(|test| (*test).to_owned()).collect()
}
