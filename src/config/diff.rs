//! What `tollgate diff` says of two configurations: what opens, what closes, for whom.

use std::{fmt::Write as _, time::SystemTime};

use serde_json::{Value, json};

use super::{Config, instant, report::plural};
use crate::policy::{Difference, Requirement, Rule, Side, diff};

/// Two configurations, compared.
pub struct Comparison<'a> {
    old: &'a Config,
    new: &'a Config,
    differences: Vec<Difference>,
    /// Sections that differ, and that this says nothing of.
    uncompared: Vec<&'static str>,
}

/// Why two configurations cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// The same path is one in one of them and two in the other.
    #[error("`[paths] case` differs: the same request is about other paths")]
    Case,
    /// The same word means another caller.
    #[error("`[usergrid]` stands in one of them only: the same words mean other callers")]
    Tenants,
}

impl<'a> Comparison<'a> {
    /// Compares the rules as of `now`.
    ///
    /// # Errors
    /// [`Incomparable`] when they do not speak of the same requests and callers.
    pub fn of(old: &'a Config, new: &'a Config, now: SystemTime) -> Result<Self, Incomparable> {
        if old.paths.case != new.paths.case {
            return Err(Incomparable::Case);
        }
        if old.usergrid.is_some() != new.usergrid.is_some() {
            return Err(Incomparable::Tenants);
        }
        let names = |config: &'a Config| -> Vec<&'a str> {
            config.backends.iter().map(|backend| backend.name.as_str()).collect()
        };
        let (before, after) = (names(old), names(new));
        let differences = diff(
            Side { rules: &old.rules, backends: &before },
            Side { rules: &new.rules, backends: &after },
            old.paths.case,
            now,
        );
        let sections = [
            ("[paths]", old.paths != new.paths),
            ("[tokens] from", old.tokens.from != new.tokens.from),
            ("[trust]", old.trust != new.trust),
        ];
        let uncompared = sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name);
        Ok(Self { old, new, differences, uncompared: uncompared.collect() })
    }

    /// How many lines open something to somebody.
    #[must_use]
    pub fn opens(&self) -> usize {
        self.differences.iter().filter(|one| one.opens.is_some()).count()
    }

    /// Rules of the new configuration that decide as the old one did.
    fn same(&self) -> usize {
        let rules = 0..self.new.rules.rules().len();
        rules.filter(|rule| !self.differences.iter().any(|one| one.new == Some(*rule))).count()
    }

    /// One line for each difference, as a person reads it.
    #[must_use]
    pub fn render(&self) -> String {
        let rows: Vec<[String; 5]> = self.differences.iter().map(|one| self.row(one)).collect();
        let width =
            |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [8, width(1), width(2), width(3)];
        let mut text = String::new();
        for row in &rows {
            for (cell, width) in row.iter().zip(widths) {
                let gap = width.saturating_sub(cell.chars().count()) + 2;
                let _ = write!(text, "{cell}{:gap$}", "");
            }
            let _ = writeln!(text, "{}", row[4]);
        }
        let same = self.same();
        let _ = writeln!(text, "same      {same} rule{}", plural(same));
        for section in &self.uncompared {
            let _ = writeln!(text, "note      `{section}` differs too, and is not compared");
        }
        let _ = match self.opens() {
            0 => writeln!(text, "Nothing opens."),
            1 => writeln!(text, "1 rule opens. (--no-widening makes this an error)"),
            more => writeln!(text, "{more} rules open. (--no-widening makes this an error)"),
        };
        text
    }

    /// Word, methods, path, right sides, example.
    fn row(&self, one: &Difference) -> [String; 5] {
        let left = one.left.to_string();
        let (methods, path) = left.split_once(' ').unwrap_or(("*", &left));
        let asks = format!("{} → {}", self.old_side(one), self.new_side(one));
        let example = &one.example;
        let mut shows = match (&one.opens, &one.closes) {
            (Some(opens), Some(closes)) => {
                format!("e.g. {example} opens to {opens}, closes to {closes}")
            }
            (Some(whom), None) | (None, Some(whom)) => format!("e.g. {example} as {whom}"),
            (None, None) => format!("e.g. {example}"),
        };
        for what in &one.otherwise {
            let _ = write!(shows, "; {what}");
        }
        [kind(one).to_owned(), methods.to_owned(), path.to_owned(), asks, shows]
    }

    fn old_side(&self, one: &Difference) -> String {
        right_side(one.old.and_then(|at| self.old.rules.rules().get(at)))
    }

    fn new_side(&self, one: &Difference) -> String {
        right_side(one.new.and_then(|at| self.new.rules.rules().get(at)))
    }

    /// The same for scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rule = |config: &Config, at: Option<usize>| {
            at.and_then(|at| config.rules.rules().get(at))
                .map(|rule| json!({ "rule": rule.name, "who": rule.asks, "place": rule.place }))
        };
        let differences: Vec<Value> = self
            .differences
            .iter()
            .map(|one| {
                json!({
                    "kind": kind(one),
                    "requests": one.left.to_string(),
                    "old": rule(self.old, one.old),
                    "new": rule(self.new, one.new),
                    "opens_to": one.opens.as_ref().map(ToString::to_string),
                    "closes_to": one.closes.as_ref().map(ToString::to_string),
                    "otherwise": one.otherwise,
                    "example": one.example,
                })
            })
            .collect();
        json!({
            "opens": self.opens(),
            "same": self.same(),
            "not_compared": self.uncompared,
            "differences": differences,
        })
    }
}

fn kind(one: &Difference) -> &'static str {
    match (&one.opens, &one.closes) {
        (Some(_), None) => "opens",
        (None, Some(_)) => "closes",
        (Some(_), Some(_)) => "changes",
        (None, None) => "handles",
    }
}

fn right_side(rule: Option<&Rule>) -> String {
    let Some(rule) =
        rule.filter(|rule| rule.requirement != Requirement::Deny || rule.audit.is_some())
    else {
        return "denied".to_owned();
    };
    let mut text = rule.asks.clone();
    if let Some(end) = rule.audit {
        let _ = write!(text, " (audit until {})", instant::show(end));
    }
    if let Some(end) = rule.until {
        let _ = write!(text, " (until {})", instant::show(end));
    }
    text
}
