//! Tollgate's configuration for a scenario.

use std::fmt::Write as _;

use super::Site;
use crate::{
    Outcome,
    process::free_port,
    scenario::{Caller, Kind, Way},
    tokens::SECRET,
};

/// What everybody has, and nine more or 9,999 more beside it.
const RULES: &str = r#"
[rules]
"GET /status"     = "public"
"GET /catalog/**" = "guest"
"* /orders/**"    = "authenticated"
"#;

/// Only where it is asked for, as all newer keys: an older gateway that stands beside does not know it.
const CHAT: &str = "\"GET /chat/**\" = { who = \"authenticated\", upgrade = \"websocket\" }\n";

/// One rule by default: the roles of the application say who may.
const TENANTS: &str = r#"
[usergrid.bootstrap]
organization = "acme"
application  = "shop"
username     = "olga"
email        = "olga@acme.example"
password     = "of the bench"
"#;

/// Writes the file, and gives the words after the program's name.
pub(super) fn command_line(site: &Site<'_>, kind: Kind, port: u16) -> Outcome<[String; 3]> {
    let scenario = site.scenario;
    let (backend, redis, workers, health) = (site.backend, site.redis, site.workers, free_port()?);
    let (tls, database) = (
        scenario.wire.is_tls(),
        u8::from(kind == Kind::TollgateMany && scenario.caller == Caller::User),
    );
    let timeout = site.timeout;
    let listen = if tls {
        format!("{{ at = \"127.0.0.1:{port}\", tls = true }}")
    } else {
        format!("\"127.0.0.1:{port}\"")
    };
    let access = if scenario.log { "json" } else { "off" };
    let mut text = format!(
        r#"
listen  = {listen}
health  = "127.0.0.1:{health}"
backend = "http://127.0.0.1:{backend}"
store   = {{ url = "redis://127.0.0.1:{redis}/{database}", timeout = "{timeout}" }}
secret  = "{SECRET}"
workers = {workers}
"#
    );
    match scenario.caller {
        Caller::User => text.push_str(TENANTS),
        Caller::Nobody
        | Caller::One
        | Caller::Many(_)
        | Caller::IllFormed
        | Caller::Forged
        | Caller::Expired => text.push_str(RULES),
    }
    if scenario.way == Way::Echo {
        text.push_str(CHAT);
    }
    if scenario.name == "rules" {
        // Three stand above.
        for rule in 3..if kind == Kind::TollgateMany { 10_000 } else { 10 } {
            let _ = writeln!(text, "\"GET /place{rule}/{{id}}/**\" = \"role:of-{}\"", rule % 100);
        }
    }
    let _ = writeln!(text, "[log]\naccess = \"{access}\"");
    if !scenario.cache {
        // The least that there can be.
        text.push_str("[tokens.near-cache]\nentries = 1\n");
    }
    if let (Way::Fill, Caller::Many(tokens)) = (scenario.way, scenario.caller) {
        let entries = tokens + tokens / 10;
        let _ = writeln!(
            text,
            "[tokens.near-cache]\nentries = {entries}\nttl = \"1h\"\nttl-without-push = \"1h\""
        );
    }
    if scenario.way == Way::Hold {
        text.push_str("[limits]\nconnections = 12000\n");
    }
    if tls {
        let at = site.folder.display();
        let _ = writeln!(
            text,
            "[tls]\ncertificates = [{{ certificate = \"{at}/cert.pem\", key = \"{at}/key.pem\" }}]"
        );
    }
    let file = site.write(&format!("{}.toml", kind.name().replace([' ', ','], "-")), &text)?;
    Ok(["serve".to_owned(), "--config".to_owned(), file])
}
