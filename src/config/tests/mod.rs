//! The whole language: files in, values or reports out.

mod backend_tls;
mod golden;
mod language;
mod secrecy;
mod shipped;
mod usergrid;

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use super::{Config, Report, context::Context, load::parse};

/// 2026-11-20T12:00:00Z: when every test of this folder happens.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000)
}

/// The environment of every test. What a variable holds has `interpolated` in it, so that a report
/// that shows it can be told.
fn variables(name: &str) -> Option<String> {
    let value = match name {
        "SECRET" => "interpolated-0123456789-abcdefghijklmnopqrstuvwxyz",
        "SHORT" => "interpolated",
        "ADDRESS" => "interpolated address",
        "ROLE" => "interpolated role & |",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

/// A file with nothing but what every file needs, and `text`.
fn read(text: &str) -> Result<Config, Report> {
    let needed = "backend = \"http://127.0.0.1:9000\"\nsecret = \"${SECRET}\"\n";
    read_whole(&format!("{needed}{text}"))
}

fn read_whole(text: &str) -> Result<Config, Report> {
    let path = Path::new("/etc/tollgate/t.toml");
    parse(&Context::new(path, &variables, now()), path, text.to_owned())
}
