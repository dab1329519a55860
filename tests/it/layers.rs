//! The import order stated in `ARCHITECTURE.md`, as a test.

use std::{fs, path::Path};

/// Modules from the bottom up. A module may import only what stands on a lower row.
const LAYERS: &[&[&str]] = &[
    &["nearest", "secret", "permission", "tick", "telemetry", "cache", "fences", "wire"],
    &["principal"],
    &["token", "request", "tls"],
    &["auth::credential", "policy"],
    &["config"],
    &["store", "upstream"],
    &["directory"],
    &["auth"],
    &["usergrid"],
    &["gateway"],
    &["server"],
    &["explain"],
    &["app"],
    &["cli"],
    &["laws"],
];

/// Where nothing may wait, read a clock, or write a log.
const PURE: &[&str] = &["request/", "permission/", "policy/", "token/", "auth/credential/"];
const IMPURE: &[&str] = &["async fn", "tokio::", "::now()", "telemetry::log", "std::time::Instant"];

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|row| row.contains(&module));
    found.unwrap_or_else(|| panic!("module {module} has no row in LAYERS"))
}

/// A module's name in the table: `auth::credential` has a row of its own.
fn name_of(path: &str) -> String {
    let mut words = path.split("::");
    match (words.next(), words.next()) {
        (Some("auth"), Some("credential")) => "auth::credential".to_owned(),
        (Some(first), _) => first.to_owned(),
        (None, _) => String::new(),
    }
}

/// Every path below `crate::` that `code` names, groups taken apart.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let bounded = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if bounded {
            expand("", &code[at + "crate::".len()..], &mut found);
        }
    }
    found
}

/// Reads one path, or the items of one `{…}` group, at the beginning of `text`; returns its length.
fn expand(prefix: &str, text: &str, found: &mut Vec<String>) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let length = text.find(|c| !word(c)).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..length]);
    let Some(group) =
        text[length..].strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::"))
    else {
        found.push(path);
        return length;
    };
    let mut at = 0;
    loop {
        at += group[at..].len() - group[at..].trim_start_matches([',', ' ', '\n']).len();
        if group[at..].starts_with('}') {
            return length + 1 + at + 1;
        }
        let read = expand(&path, &group[at..], found);
        assert!(read > 0, "cannot read the imports at {:?}", &group[at..]);
        at += read;
        // `as other` and the like.
        at += group[at..].find([',', '}']).unwrap();
    }
}

/// What a module is without its tests and its comments.
fn production(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn visit(folder: &Path, root: &Path, faults: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                visit(&path, root, faults);
            }
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        // Test modules stand outside the order: they may build what they need.
        let is_test = name.ends_with("tests.rs") || name.ends_with("testing.rs");
        let is_source = Path::new(&name).extension().is_some_and(|end| end == "rs");
        if !is_source || is_test || matches!(&*name, "lib.rs" | "main.rs") {
            continue;
        }
        let code = production(&fs::read_to_string(&path).unwrap());
        let own = name_of(&name.trim_end_matches(".rs").replace('/', "::"));
        for import in imports(&code).iter().map(|path| name_of(path)) {
            let inside = import == own || (own == "auth" && import == "auth::credential");
            if !inside && layer(&own) <= layer(&import) {
                faults.push(format!("{name} ({own}) imports crate::{import}"));
            }
        }
        if PURE.iter().any(|pure| name.starts_with(pure)) {
            let found = IMPURE.iter().filter(|word| code.contains(**word));
            faults.extend(found.map(|word| format!("{name} has {word}")));
        }
    }
}

#[test]
fn a_module_imports_only_what_stands_below_it_and_pure_rooms_are_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    visit(&root, &root, &mut faults);
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn groups_of_imports_are_taken_apart() {
    let code = "use crate::{\n    auth::{credential::{A, B}, near::C},\n    config::D as E,\n};\nlet x = crate::tick::now();";
    let names: Vec<_> = imports(code).iter().map(|path| name_of(path)).collect();
    assert_eq!(names, ["auth::credential", "auth::credential", "auth", "config", "tick"]);
}
