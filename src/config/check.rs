//! What `tollgate check` says of a good file: its rules in order, who may, and what stands open.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    Backend, Config, RedisAddress, Server, Store, WaitReplicas, defaults::WORKERS_MAX, instant,
    report::plural, show_duration,
};
use crate::policy::{
    Requirement, Rule,
    tenant::{OF_GUESTS, SANDBOX},
};

/// Widest left side that the others are aligned to; a longer one pushes its own line out.
const LEFT_CHARS_MAX: usize = 48;

const HEADING: &str = "rules, most specific first";

/// The report for people.
#[must_use]
pub fn render(config: &Config) -> String {
    let mut text = headline(config);
    let rows: Vec<_> = config.rules.sorted().map(row).collect();
    let width = |column: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| column(row).chars().count());
        widths.filter(|width| *width <= LEFT_CHARS_MAX).max().unwrap_or(0)
    };
    let (methods, path) = (width(|row| &row.methods).max(4), width(|row| &row.path));
    let path = path.max(HEADING.len().saturating_sub(methods + 2));
    let who = width(|row| &row.who).max(6);
    let left = methods + 2 + path;
    let _ = writeln!(text, "\n  {HEADING:left$}  who");
    for row in &rows {
        let line = format!(
            "  {:methods$}  {:path$}  {:who$}  {}",
            row.methods,
            row.path,
            row.who,
            row.notes.join(", ")
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "  {:left$}  denied\n", "everything else");
    for backend in &config.backends {
        let _ = writeln!(text, "  {}", backend_line(backend));
    }
    text.push('\n');
    for line in open_lines(config).into_iter().chain(store_line(config)) {
        let _ = writeln!(text, "  {line}");
    }
    for warning in &config.warnings {
        let _ = writeln!(text, "  warning: {warning}");
    }
    text
}

/// The report for scripts.
#[must_use]
pub fn to_json(config: &Config) -> Value {
    let rules: Vec<Value> = config
        .rules
        .sorted()
        .map(|rule| {
            json!({
                "rule": rule.name,
                "who": rule.asks,
                "place": rule.place,
                "backend": config.backends.get(rule.backend).map(|backend| &backend.name),
                "audit": rule.audit.map(instant::show),
                "until": rule.until.map(instant::show),
                "upgrade": rule.upgrade,
            })
        })
        .collect();
    let names = |is_it: fn(&Requirement) -> bool| -> Vec<&str> {
        let open = config.rules.sorted().filter(|rule| is_it(&rule.requirement));
        open.map(|rule| rule.name.as_str()).collect()
    };
    json!({
        "file": config.file.display().to_string(),
        "rules": rules,
        "public": names(|it| *it == Requirement::Public),
        "guest": names(|it| *it == Requirement::Guest),
        "permissions": names(Requirement::is_open_by_roles),
        "backends": config.backends.iter().map(backend_json).collect::<Vec<_>>(),
        "owned_fields": config.identity.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(),
        "expectations": config.expectations,
        "warnings": config.warnings,
    })
}

/// Where a backend is, and what its servers are asked.
fn backend_line(backend: &Backend) -> String {
    let servers: Vec<String> = backend.servers.iter().map(Server::to_string).collect();
    let health = backend.balancing.health.as_ref();
    let asked = health
        .map(|check| format!("; asked for {} every {}", check.path, show_duration(check.every)));
    format!("{}:  {}{}", backend.name, servers.join(" · "), asked.unwrap_or_default())
}

fn backend_json(backend: &Backend) -> Value {
    let servers: Vec<String> = backend.servers.iter().map(Server::to_string).collect();
    let health = backend.balancing.health.as_ref().map(|check| check.path.as_str());
    json!({ "name": backend.name, "servers": servers, "health": health })
}

/// One line of the table.
struct Row {
    methods: String,
    path: String,
    who: String,
    notes: Vec<String>,
}

fn headline(config: &Config) -> String {
    let count = |count: usize, what: &str| format!("{count} {what}{}", plural(count));
    let rules = count(config.rules.rules().len(), "rule");
    let fields = count(config.identity.len(), "owned field");
    let expectations = match config.expectations {
        0 => "no expectations".to_owned(),
        1 => "1 expectation holds".to_owned(),
        more => format!("{more} expectations hold"),
    };
    format!("{} is good: {rules}, {fields}, {expectations}.\n", config.file.display())
}

fn row(rule: &Rule) -> Row {
    let (methods, path) = rule.name.split_once(' ').unwrap_or(("*", &rule.name));
    let mut notes = Vec::new();
    if rule.requirement.is_open() {
        notes.push("open without a credential".to_owned());
    }
    notes.extend(rule.audit.map(|end| format!("audit only until {}", instant::show(end))));
    notes.extend(rule.until.map(|end| format!("closes {}", instant::show(end))));
    notes.extend(rule.upgrade.as_ref().map(|protocol| format!("switches to {protocol}")));
    Row { methods: methods.to_owned(), path: path.to_owned(), who: rule.asks.clone(), notes }
}

/// What stands open, in words: the question an operator asks before anything else.
fn open_lines(config: &Config) -> Vec<String> {
    let open: Vec<&Rule> =
        config.rules.sorted().filter(|rule| rule.requirement.is_open()).collect();
    let words = |requirement: Requirement| {
        let names = open.iter().filter(|rule| rule.requirement == requirement);
        names.map(|rule| rule.name.clone()).collect()
    };
    let by_roles = config.rules.sorted().any(|rule| rule.requirement.is_open_by_roles());
    let total = match open.len() {
        0 if by_roles => return vec![guests_of_tenants()],
        0 => return vec!["No rule is open without a credential.".to_owned()],
        1 => "1 rule is open without a credential.".to_owned(),
        more => format!("{more} rules are open without a credential."),
    };
    let (public, guest): (Vec<String>, Vec<String>) =
        (words(Requirement::Public), words(Requirement::Guest));
    let mut lines = vec![total];
    if !public.is_empty() {
        lines.push(format!("public, credentials unread:  {}", public.join(" · ")));
    }
    if !guest.is_empty() {
        lines.push(format!("guests without a credential:  {}", guest.join(" · ")));
    }
    if by_roles {
        lines.push(guests_of_tenants());
    }
    lines
}

/// How many connections a Redis will hold, as arithmetic: how many gateways there are, only the
/// operator knows.
fn store_line(config: &Config) -> Option<String> {
    let Store::Redis(redis) = &config.store else { return None };
    let each = match config.workers {
        Some(workers) => format!("{workers} worker{} + 1 = {}", plural(workers), workers + 1),
        None => format!("a worker per core (at most {WORKERS_MAX}) + 1"),
    };
    let (whom, server) = match &redis.address {
        RedisAddress::One(_) | RedisAddress::Unix(_) => ("it".to_owned(), "it"),
        RedisAddress::Sentinel { sentinels, .. } => {
            let count = sentinels.len();
            let whom =
                format!("the master, and as many to each of {count} sentinel{}", plural(count));
            (whom, "the master")
        }
        RedisAddress::Cluster { .. } => ("each node that has slots".to_owned(), "each of them"),
    };
    let more = match redis.wait_replicas {
        WaitReplicas::Never => String::new(),
        WaitReplicas::Auto | WaitReplicas::Always(_) => {
            format!("; as many more to {server} for writes that replicas must have")
        }
    };
    Some(format!("Redis: each gateway holds so many connections to {whom}:  {each}{more}"))
}

/// How far `permissions` is open is in the store, and not in the file.
fn guests_of_tenants() -> String {
    let first = OF_GUESTS.join(", ");
    format!(
        "`permissions`: guests may what each application's role `guest` says; a new one has {first}, \
         one called `{SANDBOX}` everything"
    )
}
