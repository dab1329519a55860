//! The part of `docs/performance.md` that is made of the JSON of runs.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use crate::{
    Outcome,
    report::{Table, folder, goals},
    scenario,
};

const BEGIN: &str = "<!-- Written by `make bench-docs` out of the JSON of the last runs. -->\n";
const END: &str = "<!-- Until here. -->\n";

/// Writes the tables of all scenarios that were ever run in this build folder.
pub(crate) fn write() -> Outcome<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the page has no place for figures")?;
    let (_, after) = rest.split_once(END).ok_or("the page's figures have no end")?;
    let tables = tables()?;
    let made = figures(&tables)?;
    fs::write(&file, format!("{before}{BEGIN}{made}{END}{after}"))?;
    println!("{} scenarios in {}", tables.len(), file.display());
    Ok(())
}

/// In the order of the list; what is counted comes last.
fn tables() -> Outcome<Vec<Table>> {
    let names = scenario::ALL.iter().map(|scenario| scenario.name);
    let mut tables = Vec::new();
    for name in names.chain(["instructions", "syscalls"]) {
        match fs::read_to_string(folder().join(format!("{name}.json"))) {
            Ok(text) => tables.push(serde_json::from_str(&text)?),
            Err(_) => eprintln!("{name} was not run: it is left out"),
        }
    }
    Ok(tables)
}

fn figures(tables: &[Table]) -> Outcome<String> {
    let mut out = String::new();
    let mut versions = BTreeMap::new();
    for table in tables {
        versions.extend(table.versions.clone());
    }
    let said: Vec<String> =
        versions.iter().map(|(name, version)| format!("{name}: {version}")).collect();
    let _ = writeln!(out, "\n{}.\n", said.join("; "));
    let _ = writeln!(out, "| goal | bound | measured | |\n|---|---|---|---|");
    for goal in goals()? {
        let verdict = tables
            .iter()
            .find(|table| table.scenario == goal.scenario)
            .and_then(|table| goal.verdict(table));
        if let Some(verdict) = verdict {
            let word = if verdict.reached { "reached" } else { "**not reached**" };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {word} |",
                verdict.says, verdict.goal, verdict.measured
            );
        }
    }
    for table in tables {
        let (names, lines) = table.cells();
        let (scenario, about, how) = (&table.scenario, &table.about, table.how());
        let _ = writeln!(out, "\n**{scenario}**: {about}{how}\n");
        let _ = writeln!(out, "|{}|\n|{}", names.join("|"), "---|".repeat(names.len()));
        for line in lines {
            let _ = writeln!(out, "|{}|", line.join("|"));
        }
    }
    out.push('\n');
    Ok(out)
}
