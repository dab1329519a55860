//! Figures of a run: as a table, as JSON beside the build, and against the goals.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Outcome, load::Shot};

/// What is to be shown of each figure, where a table has it.
#[rustfmt::skip] // a table is read by column
const COLUMNS: &[(&str, &str, usize)] = &[
    ("helper_us", "Redis µs", 2), ("lookups", "look-ups", 3), ("per_second", "requests/s", 0), ("p50_ms", "p50 ms", 2),
    ("p99_ms", "p99 ms", 2), ("pss_mib", "PSS MiB", 1), ("kib_each", "KiB each", 2), ("bytes_each", "bytes each", 0),
    ("instructions", "instructions", 0), ("budget", "budget", 0), ("allocations", "allocations", 2),
    ("all", "all calls", 2), ("read", "reads", 2), ("write", "writes", 2), ("epoll", "epoll", 2), ("other", "others", 2),
    ("errors", "errors", 0),
];

/// One scenario as it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) scenario: String,
    pub(crate) about: String,
    /// Requests of each peer in each round; 0 where there is no such number.
    pub(crate) requests: u64,
    /// What was measured where.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) rows: Vec<Row>,
}

/// One peer in it: each figure's value in every round.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: BTreeMap<String, Vec<f64>>,
}

impl Row {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), figures: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, shot: Shot) {
        for (name, value) in shot.into_iter().filter(|(_, value)| value.is_finite()) {
            self.figures.entry(name.to_owned()).or_default().push(value);
        }
    }

    fn rounds(&self, figure: &str) -> &[f64] {
        self.figures.get(figure).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn median(&self, figure: &str) -> Option<f64> {
        median(self.rounds(figure).to_vec())
    }

    /// Against another peer within each round, since a round's noise is common to both.
    fn ratio(&self, other: &Self, figure: &str) -> Option<f64> {
        let pairs = self.rounds(figure).iter().zip(other.rounds(figure));
        median(pairs.map(|(own, other)| own / other).collect())
    }
}

impl Table {
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// How often, where that is more than once.
    pub(crate) fn how(&self) -> String {
        let rounds = self.rows.iter().flat_map(|row| row.figures.values()).map(Vec::len).max();
        match rounds {
            Some(rounds) if rounds > 1 => {
                format!("; {rounds} rounds of {} requests", grouped(self.requests as f64, 0))
            }
            Some(_) | None => String::new(),
        }
    }

    /// Whom the ratios of the table are to: nginx, or whoever stands first where it takes no part.
    fn base(&self) -> Option<&Row> {
        self.row("nginx").or(self.rows.first())
    }

    /// Names of columns, and the cells of each row: for a terminal and for a page.
    pub(crate) fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let timed = self.rows.iter().any(|row| row.figures.contains_key("cpu_us"));
        let base = self.base();
        let mut names = vec![String::new()];
        if timed {
            let to = base.map_or("", |row| row.name.as_str());
            names.extend(["CPU µs".to_owned(), "min–max".to_owned(), format!("to {to}")]);
        }
        let shown: Vec<_> = COLUMNS
            .iter()
            .filter(|(figure, ..)| self.rows.iter().any(|row| row.figures.contains_key(*figure)))
            .collect();
        names.extend(shown.iter().map(|(_, title, _)| (*title).to_owned()));
        let cell = |value: Option<f64>, places: usize| {
            value.map_or_else(|| "–".to_owned(), |value| grouped(value, places))
        };
        let lines = self.rows.iter().map(|row| {
            let mut line = vec![row.name.clone()];
            if timed {
                let rounds = row.rounds("cpu_us");
                let (low, high) = (least(rounds), most(rounds));
                line.push(cell(row.median("cpu_us"), 2));
                line.push(format!("{}–{}", cell(low, 2), cell(high, 2)));
                line.push(cell(base.and_then(|base| row.ratio(base, "total_us")), 3));
            }
            line.extend(shown.iter().map(|(figure, _, places)| cell(row.median(figure), *places)));
            line
        });
        (names, lines.collect())
    }

    /// Prints the table with the goals that it reaches or does not, and writes the JSON.
    ///
    /// # Errors
    /// Tollgate lost requests.
    pub(crate) fn publish(&self) -> Outcome<()> {
        println!("\n{}: {}{}", self.scenario, self.about, self.how());
        let (names, lines) = self.cells();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.chain(names.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for line in std::iter::once(&names).chain(&lines) {
            let cells = line.iter().enumerate().map(|(column, cell)| {
                let width = width(column);
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            println!("{}", cells.collect::<Vec<_>>().join("  "));
        }
        for goal in goals()?.iter().filter(|goal| goal.scenario == self.scenario) {
            if let Some(verdict) = goal.verdict(self) {
                println!("{verdict}");
            }
        }
        fs::create_dir_all(folder())?;
        let file = folder().join(format!("{}.json", self.scenario));
        fs::write(&file, format!("{}\n", serde_json::to_string_pretty(self)?))?;
        println!("as JSON: {}", file.display());
        let lost = |row: &&Row| row.rounds("errors").iter().sum::<f64>() > 0.0;
        match self.rows.iter().find(|row| row.name.starts_with("Tollgate") && lost(row)) {
            Some(row) => {
                Err(format!("{}: {} refused or lost requests", self.scenario, row.name).into())
            }
            None => Ok(()),
        }
    }
}

/// Where the JSON of all runs is.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench")
}

/// One line of `goals.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goal {
    pub(crate) says: String,
    pub(crate) scenario: String,
    #[serde(default = "ours")]
    of: String,
    figure: String,
    pub(crate) against: Option<String>,
    max: f64,
}

fn ours() -> String {
    "Tollgate".to_owned()
}

#[derive(Deserialize)]
struct Goals {
    goal: Vec<Goal>,
}

/// All goals.
pub(crate) fn goals() -> Outcome<Vec<Goal>> {
    Ok(toml::from_str::<Goals>(include_str!("goals.toml"))?.goal)
}

/// A goal and what was measured.
pub(crate) struct Verdict {
    pub(crate) says: String,
    pub(crate) goal: String,
    pub(crate) measured: String,
    pub(crate) reached: bool,
}

impl Goal {
    /// `None` where the table does not say it.
    pub(crate) fn verdict(&self, table: &Table) -> Option<Verdict> {
        let own = table.row(&self.of)?;
        let (value, goal) = match &self.against {
            Some(other) => (
                own.ratio(table.row(other)?, &self.figure)?,
                format!("≤ {:.2} × {other}", self.max),
            ),
            None => (own.median(&self.figure)?, format!("≤ {}", short(self.max))),
        };
        let (says, measured) = (self.says.clone(), short(value));
        Some(Verdict { says, goal, measured, reached: value <= self.max })
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.reached { "reached" } else { "NOT REACHED" };
        write!(f, "{word}: {} ({}): {}", self.says, self.goal, self.measured)
    }
}

/// With as many places as say something.
fn short(value: f64) -> String {
    let places = if value >= 1_000.0 { 0 } else { 3 };
    let text = grouped(value, places);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// With a comma after thousands.
fn grouped(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

fn most(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    Some(f64::midpoint(*values.get(low)?, *values.get(high)?))
}
