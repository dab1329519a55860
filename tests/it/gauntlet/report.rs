//! What a person sees of the gauntlet: the page in `docs`, and the lines of `make gauntlet`.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    answers,
    data::{self, ROWS, Row, Version},
    gates::Gates,
    held, run,
};
use crate::cli::golden;

/// Every row in a line, with `125/125` at the end when all is well. What `make gauntlet` runs.
#[test]
#[ignore = "asks everything once more: `make gauntlet`"]
fn the_whole_list_in_lines() {
    let groups = data::all();
    let rows = groups.iter().flat_map(|group| &group.rows);
    let named: BTreeSet<String> = rows.flat_map(|row| &row.held_by).cloned().collect();
    let failed = held::run(&named.into_iter().collect::<Vec<_>>());
    let mut good = 0;
    println!();
    for group in &groups {
        println!("{}", group.title);
        let mut gates = Gates::default();
        for row in &group.rows {
            let mut faults = run::row(group, row, &mut gates);
            let broken = row.held_by.iter().filter(|test| failed.contains(test));
            faults.extend(broken.map(|test| format!("{test} does not pass")));
            good += u32::from(faults.is_empty());
            let state = if faults.is_empty() { "ok" } else { "FAILED" };
            println!("{:>5}  {:<58} {:<7} {state}", row.number, row.name, versions(row));
            faults.iter().for_each(|fault| println!("         {fault}"));
        }
    }
    let list = answers::read();
    println!("{}", list.title);
    let (mut kept, told) = (0, answers::check(&list));
    for (name, faults) in &told {
        kept += usize::from(faults.is_empty());
        let state = if faults.is_empty() { "ok" } else { "FAILED" };
        println!("       {name:<58} {:<7} {state}", "1.1, 2");
        faults.iter().for_each(|fault| println!("         {fault}"));
    }
    println!("\n{kept}/{} answers of backends\n{good}/{ROWS}", told.len());
    assert!(good == ROWS && kept == told.len(), "not everything holds");
}

/// `1.1, 2`; a dash where tests hold it whose versions their own text says.
fn versions(row: &Row) -> String {
    let name = |version: &Version| match version {
        Version::Http1 => "1.1",
        Version::Http2 => "2",
    };
    let versions: Vec<&str> = row.versions().iter().map(name).collect();
    if versions.is_empty() { "-".to_owned() } else { versions.join(", ") }
}

#[test]
fn the_page_about_the_gauntlet_is_made_from_its_data() {
    let mut text = HEAD.to_owned();
    for group in &data::all() {
        let _ = writeln!(text, "\n## {}\n", group.title);
        text.push_str("| # | input | requests | HTTP | held by |\n|---|---|---|---|---|\n");
        for row in &group.rows {
            let requests: usize = row.cases.iter().map(|case| case.versions().len()).sum();
            let requests = if requests == 0 { String::new() } else { requests.to_string() };
            let (number, name, versions) = (row.number, &row.name, versions(row));
            let held: Vec<String> = row.held_by.iter().map(|test| format!("`{test}`")).collect();
            let held = held.join("<br>");
            let _ = writeln!(text, "| {number} | {name} | {requests} | {versions} | {held} |");
        }
        let said = |row: &&Row| row.note.is_some() || row.why.is_some();
        for row in group.rows.iter().filter(said) {
            let texts = [row.why.as_deref(), row.note.as_deref()];
            let text_of_row = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "\n**{}**: {text_of_row}", row.number);
        }
    }
    let list = answers::read();
    let _ = writeln!(text, "\n## {}\n\n{ANSWERS}", list.title);
    text.push_str("| answer | forms | the client sees | the connection |\n|---|---|---|---|\n");
    for answer in &list.answers {
        let (forms, seen) = (answer.bytes.len(), answer.seen());
        let after = if answer.reused { "used again" } else { "closed" };
        let _ = writeln!(text, "| {} | {forms} | {seen} | {after} |", answer.name);
    }
    golden("docs/gauntlet.md", &text);
}

/// What stands above the tables.
const HEAD: &str = r#"# The gauntlet

What broke other gateways, as bytes: 125 rows, each asked of a running gateway over raw sockets, by HTTP/1.1 and by
HTTP/2 wherever that can carry it. A row holds when every request is answered as written, the backend receives exactly
what is written and nothing else, and a good request on the same connection (or on a new one, where it was closed) gets
its own answer afterwards. Rows that bytes alone cannot show are held by the tests that they name.

`make gauntlet` runs all of it and prints a line per row. The data is in `tests/gauntlet/`; this page is made from it.
A row reads:

```toml
[[row]]
number = 5
name = "Empty segments"
cases = [
  { targets = ['//admin', '/a//b'], is = "400 path_empty_segment" },
  { gate = "merge", target = '//public///x', is = "200", gets = "GET /public/x" },
]
```

`h1` and `h2` are the bytes and fields of a request that has no short form, `gets` is what the backend receives (nothing,
unless said), and a version that cannot carry a request says why.
"#;

/// What stands above the table of answers.
const ANSWERS: &str = "\
The other direction: what a backend answers, over a connection that others would use next. Each form is asked for over
both versions.
";
