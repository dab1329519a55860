//! From a path to a [`Config`]: every table in turn, then what holds between them.

use std::{path::Path, time::SystemTime};

use toml::de::DeTable;

#[cfg(any(test, fuzzing))]
use super::disk::Disk;
use super::{
    Config, Report, Store, backends,
    context::{Context, Variables},
    defaults,
    disk::FILE_BYTES_MAX,
    expect, identity,
    include::{self, Included},
    interpolate::reason,
    listen,
    reader::Table,
    report::Mistake,
    rules, sections, store, tls, tokens, usergrid, warnings,
};
use crate::{
    policy::RuleSet,
    request::{RequestPolicy, fields::Fence},
    secret::Secret,
};

pub(super) fn load(path: &Path, variables: Variables, now: SystemTime) -> Result<Config, Report> {
    let cx = Context::new(path, variables, now);
    match cx.disk.read_text(path, FILE_BYTES_MAX) {
        Ok(text) => parse(&cx, path, text),
        Err(error) => {
            let message = format!("cannot read `{}`: {}", path.display(), reason(&error));
            let help = "`tollgate init --backend http://127.0.0.1:9000` writes a first one";
            Err(Report::new(vec![Mistake::nowhere(message).help(help)], Vec::new()))
        }
    }
}

/// Reads `text` apart from this machine: every other file that it names holds `others`, and the
/// environment is `variables`.
#[cfg(any(test, fuzzing))]
pub(crate) fn apart(
    text: &str,
    others: &str,
    variables: Variables,
    now: SystemTime,
) -> Result<Config, Report> {
    let path = Path::new("/etc/tollgate/t.toml");
    let mut cx = Context::new(path, variables, now);
    cx.disk = Disk::Made(others.to_owned());
    parse(&cx, path, text.to_owned())
}

/// Reads `text`, the content of `path`.
pub(super) fn parse(cx: &Context, path: &Path, text: String) -> Result<Config, Report> {
    cx.source(path.to_owned());
    let file = cx.add_file(path.display().to_string(), text.clone());
    let (document, errors) = DeTable::parse_recoverable(&text);
    include::note_syntax(cx, file, &errors);
    let top = Table::new(cx, file, "", &document);
    let included = include::read(&top, path);
    let documents: Vec<_> = included
        .iter()
        .map(|Included { file, text }| {
            let (document, errors) = DeTable::parse_recoverable(text);
            include::note_syntax(cx, *file, &errors);
            (*file, document)
        })
        .collect();
    let others: Vec<_> =
        documents.iter().map(|(file, document)| Table::new(cx, *file, "", document)).collect();
    let config = build(cx, path, &top, &others);
    top.done();
    others.into_iter().for_each(include::check_keys);
    let sources = cx.finish()?;
    config.map(|config| Config { sources, ..config }).ok_or_else(|| {
        let message = format!("`{}` has a mistake that could not be named", path.display());
        Report::new(vec![Mistake::nowhere(message)], Vec::new())
    })
}

/// Every table. `None` only after a mistake was noted.
fn build(cx: &Context, path: &Path, top: &Table, others: &[Table]) -> Option<Config> {
    let tls_table = top.table("tls");
    let trust = sections::trust(top.table("trust"));
    let tables = listen::Tables { tls: tls_table.is_present(), trust: !trust.is_empty() };
    let addresses = listen::read(top, tables);
    let tls = tls::read(tls_table);
    let usergrid = usergrid::read(top.table("usergrid"), addresses.admin.is_some());
    // Even a faulty one is one: what is right beside it is no mistake.
    let tenants = top.table("usergrid").is_present();
    let limits = sections::limits(top.table("limits"));
    let paths = sections::paths(top.table("paths"), limits.head.segments, tenants);
    let backends = backends::read(top, &paths);
    let identity = identity::read(top.table("identity"));
    let tokens = tokens::read(top.table("tokens"), &identity, tenants);
    let store = store::read(top);
    check_foreign(top, store.as_ref(), tokens.foreign.is_some());
    check_two_kinds_of_tokens(top, tenants, tokens.foreign.is_some());
    let secrets = read_secrets(top, tokens.foreign.is_some());
    let cors = sections::cors(top.table("cors"), tenants);
    let log = sections::log(top.table("log"));
    let workers = top.get("workers").and_then(|value| value.integer(1..=1024));
    let ready_requires_store = read_ready(top);
    let names: Vec<_> = identity.iter().map(|field| field.name.clone()).collect();
    let requests = RequestPolicy { paths, fence: Fence::new(&names), limits: limits.head };
    let reading = rules::Reading {
        paths: &requests.paths,
        backends: &backends,
        usergrid: tenants,
        client_ca: tls.asks_clients,
    };
    let (rules, expectations) = read_rules(cx, top, others, &requests, &reading);
    let (rules, store) = (rules?, store?);
    let mut warnings = warnings::of(&rules, &backends, &store, &secrets, cx.now);
    let listen::Addresses { listen, health, admin } = addresses;
    warnings.extend(tls.warnings);
    if tls.settings.is_some() && !listen.iter().any(|listen| listen.manner.tls) {
        warnings.push("there is a [tls], and no listener has `tls = true`".to_owned());
    }
    Some(Config {
        file: path.to_owned(),
        sources: Vec::new(),
        listen,
        health,
        admin,
        workers: workers.and_then(|workers| usize::try_from(workers).ok()),
        backends: backends.list,
        store,
        secrets,
        rules,
        identity,
        tokens,
        usergrid,
        tls: tls.settings,
        paths,
        trust,
        cors,
        limits,
        log,
        ready_requires_store,
        expectations,
        warnings,
    })
}

fn read_rules(
    cx: &Context,
    top: &Table,
    others: &[Table],
    requests: &RequestPolicy,
    reading: &rules::Reading,
) -> (Option<RuleSet>, usize) {
    let all = |key| -> Vec<Table> {
        std::iter::once(top).chain(others).map(|table| table.table(key)).collect()
    };
    let rules = rules::read(&all("rules"), reading);
    let expectations = all("expect");
    let count = match &rules {
        Some(rules) => {
            let judge = expect::Judge { rules, requests, now: cx.now, usergrid: reading.usergrid };
            expect::run(&expectations, &judge)
        }
        None => expect::check(&expectations, reading.usergrid),
    };
    (rules, count)
}

fn check_foreign(top: &Table, store: Option<&Store>, foreign: bool) {
    if !foreign || matches!(store, Some(Store::Redis(_)) | None) {
        return;
    }
    let hint = "set `store = \"redis://host:6379/0\"`";
    let message = "another service's tokens can only be read from a Redis";
    match top.table("tokens").get("key") {
        Some(value) => value.bad(message, hint),
        None => top.cx.mistake(Mistake::nowhere(message).help(hint)),
    }
}

/// The token office issues tokens of our own, and finds nobody behind another's.
fn check_two_kinds_of_tokens(top: &Table, tenants: bool, foreign: bool) {
    if let (true, true, Some(value)) = (tenants, foreign, top.table("tokens").get("key")) {
        let message =
            "another service's tokens have no tenant: they and `[usergrid]` exclude each other";
        value.bad(message, "remove `key`, `record` and `fields`, or `[usergrid]`");
    }
}

fn read_secrets(top: &Table, foreign: bool) -> Vec<Secret> {
    const HELP: &str = "add `secret = \"${file:/run/secrets/tollgate}\"`: \
        it keys tokens, and `tollgate keygen` makes one";
    let value = if foreign { top.get("secret") } else { top.need("secret", HELP) };
    let Some(value) = value else { return Vec::new() };
    let texts = value.texts().unwrap_or_default();
    for text in &texts {
        if !text.is_filled_in() {
            top.cx.hide(&text.place);
        }
        if text.text.chars().count() < defaults::SECRET_CHARS_MIN {
            let message =
                format!("a secret has at least {} characters", defaults::SECRET_CHARS_MIN);
            text.bad(top.cx, message, "`tollgate keygen` makes one");
        }
    }
    texts.into_iter().map(|text| Secret::new(text.text)).collect()
}

fn read_ready(top: &Table) -> bool {
    let Some(value) = top.get("ready-requires") else { return false };
    let parts = value.list("a list such as `[\"store\"]`").unwrap_or_default();
    // Each one, so that each one's mistake is noted.
    let parts: Vec<_> = parts.iter().map(|part| part.choice(&[("store", ())])).collect();
    !parts.is_empty()
}
