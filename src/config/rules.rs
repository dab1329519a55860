//! `[rules]` of the file and of every included one: text into a [`RuleSet`], conflicts into mistakes.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use super::{
    Http, TOP_LEVEL_KEYS,
    backends::Backends,
    defaults,
    reader::{Table, Text, Value},
    report::Mistake,
    source::Place,
};
use crate::{
    nearest::nearest,
    policy::{
        Conflict, Left, Requirement, Rule, RuleSet, SyntaxError, Tenancy, ruleset::ConflictKind,
    },
    request::path::PathPolicy,
};

/// Keys of a rule's table that exist in the language and not in this program yet.
const NOT_BUILT: [&str; 1] = ["rate"];

/// A timeout of nothing refuses everything; one of more than a day is none.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// What of a rule stands on its right side.
struct Right {
    asks: String,
    requirement: Option<Requirement>,
    audit: Option<SystemTime>,
    until: Option<SystemTime>,
    backend: usize,
    timeout: Option<Duration>,
    body: Option<u64>,
    upgrade: Option<Box<str>>,
}

/// What rules are read against.
pub(super) struct Reading<'a> {
    pub(super) paths: &'a PathPolicy,
    pub(super) backends: &'a Backends,
    /// Whether there is a `[usergrid]`.
    pub(super) usergrid: bool,
    /// Whether clients are asked for certificates.
    pub(super) client_ca: bool,
}

/// The rules of all `tables`, or `None` if one of them has a mistake.
pub(super) fn read(tables: &[Table], reading: &Reading) -> Option<RuleSet> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    let mut names: HashMap<String, Place> = HashMap::new();
    let mut faulty = false;
    for table in tables {
        for (key, value) in table.entries() {
            let name = name_of(key);
            if let Some(first) = names.get(&name) {
                let mistake = Mistake::at(first.clone(), "the same rule stands here twice", "here");
                table
                    .cx
                    .mistake(mistake.and(key.place.clone(), "and here").help("remove one of them"));
                continue;
            }
            names.insert(name, key.place.clone());
            match read_rule(table, key, value, reading) {
                Some(rule) => {
                    rules.push(rule);
                    places.push(key.place.clone());
                }
                None => faulty = true,
            }
        }
    }
    // With a rule missing, what looks like a clash may be settled by that rule.
    if faulty {
        return None;
    }
    if reading.usergrid && !tables.iter().any(Table::is_present) {
        return default_rules(reading.paths);
    }
    let texts: Vec<_> = rules.iter().map(|rule| rule.asks.clone()).collect();
    match RuleSet::build(rules, reading.paths.case) {
        Ok(rules) => Some(rules),
        Err(conflicts) => {
            for conflict in conflicts {
                if let Some(table) = tables.first() {
                    table.cx.mistake(explain(&conflict, &places, &texts));
                }
            }
            None
        }
    }
}

/// What holds with `[usergrid]` and without `[rules]`: the roles of each application say who may.
fn default_rules(paths: &PathPolicy) -> Option<RuleSet> {
    let (name, asks) = defaults::USERGRID_RULE;
    let left = Left::parse(name, paths).ok()?;
    let rule = Rule {
        name: name.to_owned(),
        asks: asks.to_owned(),
        requirement: Requirement::parse(asks, left.captures(), left.tenancy()).ok()?,
        left,
        audit: None,
        until: None,
        backend: 0,
        timeout: None,
        body: None,
        upgrade: None,
        place: "the default without [rules]".to_owned(),
    };
    RuleSet::build(vec![rule], paths.case).ok()
}

/// The left side with one blank where the file has several, to line its rules up.
fn name_of(key: &Text) -> String {
    key.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_rule(table: &Table, key: &Text, value: &Value, reading: &Reading) -> Option<Rule> {
    if key.has_reference(table.cx) {
        return None;
    }
    let left = Left::parse(&key.text, reading.paths);
    if let Err(error) = &left {
        table.cx.mistake(bad_left(table, key, error));
    }
    let own = left.as_ref().ok().filter(|_| reading.usergrid);
    let misplaced = own.is_some_and(|left| is_misplaced(table, key, left));
    let right = read_right(value, left.as_ref().ok(), reading)?;
    if misplaced {
        return None;
    }
    Some(Rule {
        name: name_of(key),
        asks: right.asks,
        left: left.ok()?,
        requirement: right.requirement?,
        audit: right.audit,
        until: right.until,
        backend: right.backend,
        timeout: right.timeout,
        body: right.body,
        upgrade: right.upgrade,
        place: table.cx.line_name(&key.place),
    })
}

/// Notes a rule about paths that no rule is asked about, or about a tenant that cannot be.
fn is_misplaced(table: &Table, key: &Text, left: &Left) -> bool {
    if let Some((name, why)) = left.bad_tenant_name() {
        let message = format!("`{name}` can be no tenant's name: it {why}");
        let hint = "a path begins with `/{org}/{app}/`, or with names in their place";
        key.bad(table.cx, message, hint);
        return true;
    }
    if let Some((written, right)) = left.bad_collection() {
        let message = format!("no request comes to rules as `{written}`");
        key.bad(table.cx, message, format!("write `{right}`: all spellings become this one"));
        return true;
    }
    if !left.is_owned() {
        return false;
    }
    let (hint, help) = match left.tenancy() {
        Tenancy::Path => (
            "what is about accounts, groups, roles and the application itself",
            "who may is for the application's roles and permissions to say, and for `open-roles` of \
             `[usergrid]`",
        ),
        Tenancy::Outside | Tenancy::Plain => (
            "tokens, organizations, their admins and the platform's own",
            "the switches are `management` and `registration` of `[usergrid]`",
        ),
    };
    let message = "the gateway answers these paths itself, before any rule is asked";
    table.cx.mistake(Mistake::at(key.place.clone(), message, hint).help(help));
    true
}

fn bad_left(table: &Table, key: &Text, error: &SyntaxError) -> Mistake {
    let place = key.part(table.cx, error.at.clone());
    let mistake = Mistake::at(place, error.message.clone(), error.help.clone().unwrap_or_default());
    if TOP_LEVEL_KEYS.contains(&key.text.as_str()) {
        let text = &key.text;
        return mistake.help(format!("`{text}` belongs above the first `[table]` of the file"));
    }
    mistake
}

fn read_right(value: &Value, left: Option<&Left>, reading: &Reading) -> Option<Right> {
    if !value.is_table() {
        let text = value.text_as("who may, such as `\"authenticated\"`, or a table with `who`")?;
        let requirement = read_requirement(value, &text, left, reading);
        let (audit, until, timeout, body) = (None, None, None, None);
        let asks = text.written;
        let upgrade = None;
        return Some(Right { asks, requirement, audit, until, backend: 0, timeout, body, upgrade });
    }
    let table = value.table()?;
    let who = table.need("who", "add `who = \"authenticated\"`");
    let who = who.and_then(|who| Some((who.text()?, who)));
    let requirement =
        who.as_ref().and_then(|(text, who)| read_requirement(who, text, left, reading));
    let audit = table.get("audit").map(|value| value.instant());
    let until = table.get("until").map(|value| value.instant());
    let named = table.get("backend");
    let backend = named.as_ref().map(|value| read_backend(value, reading.backends));
    let timeout = table.get("timeout").and_then(|value| value.duration(TIMEOUTS));
    let body = table.get("body").and_then(|value| value.bytes(0..=1 << 50));
    let backend = backend.unwrap_or(Some(0));
    let upgrade = table.get("upgrade").and_then(|value| {
        backend.into_iter().for_each(|backend| must_switch(&value, reading.backends, backend));
        read_upgrade(&value, left)
    });
    NOT_BUILT.into_iter().for_each(|key| table.not_built(key));
    table.done();
    Some(Right {
        asks: who.map(|(text, _)| text.written)?,
        requirement,
        audit: audit.flatten(),
        until: until.flatten(),
        backend: backend.unwrap_or(0),
        timeout,
        body,
        upgrade,
    })
}

fn read_requirement(
    value: &Value,
    text: &Text,
    left: Option<&Left>,
    reading: &Reading,
) -> Option<Requirement> {
    let left = left?;
    let tenancy = if reading.usergrid { left.tenancy() } else { Tenancy::Plain };
    match Requirement::parse(&text.text, left.captures(), tenancy) {
        Ok(requirement) if requirement.looks_at_certificates() && !reading.client_ca => {
            let hint = "add `client-ca = \"clients.pem\"`: who vouches for clients";
            value.bad("`cert` needs `client-ca` in [tls]", hint);
            None
        }
        Ok(requirement) => Some(requirement),
        Err(_) if text.is_filled_in() => {
            // The error quotes the text, and that holds what a variable held.
            value.bad("this is no requirement once its variables are filled in", "");
            None
        }
        Err(error) => {
            let place = text.part(value.cx, error.at);
            value.cx.mistake(Mistake::at(place, error.message, error.help.unwrap_or_default()));
            None
        }
    }
}

fn read_backend(value: &Value, backends: &Backends) -> Option<usize> {
    let text = value.text()?;
    let index = backends.index(&text.text);
    if index.is_none() {
        let hint = match nearest(&text.text, backends.names()) {
            Some(near) if !text.is_filled_in() => format!("did you mean `{near}`?"),
            _ => "define it: `[backends.NAME]`".to_owned(),
        };
        value.bad(format!("there is no backend {}", text.quoted()), hint);
    }
    index
}

/// Notes a switch of protocols that a backend over HTTP/2 is to make: that has none to make (RFC 9113 8.6).
fn must_switch(value: &Value, backends: &Backends, backend: usize) {
    let Some(backend) = backends.list.get(backend).filter(|to| to.http == Http::Two) else {
        return;
    };
    let message = format!("backend `{}` speaks HTTP/2, which switches no protocols", backend.name);
    let hint = "name a backend without `http = \"2\"`: it may have the same servers";
    value.bad(message, hint);
}

/// The name of a protocol, in lower case, and perhaps its version (RFC 9110 7.8). Not one that is HTTP or
/// carries it: what came through such a tunnel, no rule would be asked about.
fn read_upgrade(value: &Value, left: Option<&Left>) -> Option<Box<str>> {
    let text = value.text_as("the name of one protocol, such as `\"websocket\"`")?;
    let protocol = text.text.to_ascii_lowercase();
    let (name, version) = protocol.split_once('/').unwrap_or((&protocol, "1"));
    if matches!(name, "h2c" | "h2" | "h3" | "http" | "https" | "tls") {
        let message = "requests inside this protocol would pass by the rules";
        text.bad(value.cx, message, "remove it: the gateway speaks HTTP itself");
        return None;
    }
    if !(is_token(name) && is_token(version)) {
        let message = format!("{} is not the name of one protocol", text.quoted());
        text.bad(value.cx, message, "such as `\"websocket\"`");
        return None;
    }
    if left.is_some_and(|left| !left.takes_get()) {
        text.bad(
            value.cx,
            "a switch of protocols begins with a GET, which this rule does not take",
            "name GET",
        );
        return None;
    }
    Some(protocol.into())
}

/// RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn explain(conflict: &Conflict, places: &[Place], asks: &[String]) -> Mistake {
    let (first, second) = (&places[conflict.first], &places[conflict.second]);
    let (example, settle) = (&conflict.example, &conflict.settle);
    match conflict.kind {
        ConflictKind::Clash => {
            let message =
                "these two rules clash: they match the same requests and ask for different things";
            let (first, second) = if first <= second { (first, second) } else { (second, first) };
            let help = if settle.is_empty() {
                "remove one, or let each name its own methods".to_owned()
            } else {
                format!("say which holds where they meet, in a line of its own: `\"{settle}\" = …`")
            };
            Mistake::at(first.clone(), message, "this rule")
                .and(second.clone(), "and this one")
                .note(format!("both match `{example}`"))
                .help(help)
        }
        ConflictKind::FallThrough => {
            let open = &asks[conflict.second];
            let message = format!("`{example}` would pass by this rule and be `{open}`");
            Mistake::at(first.clone(), message, "its methods leave others to the wider rule")
                .and(second.clone(), "which is this one")
                .help(format!("cover the others too: write `*`, or add `\"{settle}\" = …`"))
        }
    }
}
