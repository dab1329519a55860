//! `tollgate org|app|admin|user|role|client`: the directory, by way of the running gateway. Each noun is
//! a file with what its commands understand and what they say.
//!
//! Passwords and secrets come by file or standard input; what a change says ends with how to undo it.

mod admins;
mod apps;
mod clients;
mod orgs;
mod roles;
mod users;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use self::{
    admins::{AdminCommand, run as admin},
    apps::{AppCommand, run as app},
    clients::{ClientCommand, run as client},
    orgs::{OrgCommand, run as org},
    roles::{RoleCommand, run as role},
    users::{UserCommand, run as user},
};
use super::{
    Failure,
    args::ConfigFile,
    ask::{ask, read},
    input,
    screen::{err, json, out, quoted, shell_word},
};
use crate::{
    app::admin::{
        tenants::wire::{DirectoryJob, Hidden, TenantRef},
        wire::Job,
    },
    explain::printable,
};

/// What every command about the directory takes.
#[derive(Args)]
pub(super) struct Common {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

/// An organization.
#[derive(Args)]
pub(super) struct OrgTarget {
    /// The organization, by name or UUID
    org: String,
    #[command(flatten)]
    common: Common,
}

/// An application.
#[derive(Args)]
pub(super) struct AppTarget {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    #[command(flatten)]
    common: Common,
}

/// A permission of a role or a user.
#[derive(Args)]
struct Permission {
    /// Methods and a path, such as get,post:/orders/**
    permission: String,
}

/// What a change made, and what can be done next: the way back first.
struct Told {
    what: String,
    next: Vec<String>,
}

impl Told {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), next: Vec::new() }
    }

    fn then(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }
}

impl Common {
    /// Has a change made, and tells what it was.
    fn change<T: DeserializeOwned>(
        &self,
        job: DirectoryJob,
        tell: impl FnOnce(T) -> Told,
    ) -> Result<(), Failure> {
        let (answer, way) = ask(&self.file, &Job::Directory(job))?;
        if self.json {
            json(&answer);
            return Ok(());
        }
        let told = tell(read(answer)?);
        out(&format!("{}{way}", printable(&told.what)));
        told.next.iter().for_each(|line| err(&printable(line)));
        Ok(())
    }

    /// Shows one thing.
    fn show(&self, job: DirectoryJob) -> Result<(), Failure> {
        let (answer, _) = ask(&self.file, &Job::Directory(job))?;
        if self.json {
            json(&answer);
        } else {
            out(&rows(&answer));
        }
        Ok(())
    }

    /// Shows a list by these keys, page after page.
    fn list(
        &self,
        keys: &[&str],
        empty: &str,
        page: impl Fn(Option<String>) -> DirectoryJob,
    ) -> Result<(), Failure> {
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let (mut answer, _) = ask(&self.file, &Job::Directory(page(after.take())))?;
            if let Value::Array(more) = answer["items"].take() {
                items.extend(more);
            }
            let Value::String(next) = answer["next"].take() else { break };
            after = Some(next);
        }
        if self.json {
            json(&Value::Array(items));
        } else if items.is_empty() {
            err(empty);
        } else {
            out(&columns(keys, &items));
        }
        Ok(())
    }

    /// A command on the same configuration, as a shell takes it.
    fn command(&self, words: &str) -> String {
        let config = &self.file.config;
        if config == Path::new("tollgate.toml") {
            format!("tollgate {words}")
        } else {
            format!("tollgate {words} --config {}", shell_word(config))
        }
    }

    /// How to undo a change.
    fn undo(&self, words: &str) -> String {
        format!("to undo: {}", self.command(words))
    }
}

/// A password to be set, from a file or standard input.
fn password(file: Option<&Path>) -> Result<Hidden, Failure> {
    let help = "echo \"$PASSWORD\" | tollgate …, or --password-file FILE";
    Ok(Hidden::from(&input::secret("password", file, help)?))
}

/// The password of somebody new: without a file there is none yet.
fn first_password(file: Option<&PathBuf>) -> Result<Option<Hidden>, Failure> {
    file.map(|file| password(Some(file))).transpose()
}

/// One thing, a line per key that has something.
fn rows(of: &Value) -> String {
    let Value::Object(of) = of else { return String::new() };
    let width = of.keys().map(String::len).max().unwrap_or(0);
    let filled = of.iter().map(|(key, value)| (key.replace('_', "-"), cell(value)));
    let filled = filled.filter(|(_, text)| !text.is_empty());
    filled.map(|(key, text)| format!("{key:<width$}  {text}\n")).collect()
}

/// Things in a table.
fn columns(keys: &[&str], of: &[Value]) -> String {
    let head = keys.iter().map(|key| key.replace('_', "-")).collect();
    let lines = of.iter().map(|one| keys.iter().map(|key| cell(&one[*key])).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(lines).collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..keys.len()).map(width).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    };
    printable(&text)
}

/// `a, b`, or that there is nothing.
fn listed(all: &[String], nothing: &str) -> String {
    if all.is_empty() { nothing.to_owned() } else { all.join(" ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_aligned_and_cannot_move_the_cursor() {
        let items = [
            json!({ "name": "a\u{1b}[2J", "roles": ["x", "y"], "email": null }),
            json!({ "name": "b", "roles": [], "email": "b@c.d" }),
        ];
        let text = columns(&["name", "roles", "email"], &items);
        assert_eq!(text, "name   roles  email\na\u{fffd}[2J  x y\nb             b@c.d\n");
    }
}
