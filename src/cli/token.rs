//! `tollgate token`: issue, show, revoke. By way of the running gateway; only where none answers does the
//! command open the store itself.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{
    Exit, Failure,
    args::{ConfigFile, IssueArgs, RevokeArgs, ShowArgs, TokenCommand},
    client::{Client, Reached, on_this_thread},
    screen::{err, json, out, shell_word},
};
use crate::{
    app::admin::{
        desk::Desk,
        wire::{Issued, Job, Order, Revoked, Shown, Which},
    },
    config::{Config, Store as StoreConfig},
    explain::{printable, span},
    gateway::Generation,
    secret::Secret,
    store::{HealthState, StoreOrigin},
    tick,
    token::id::IdSource,
};

/// Longest wait for a first connection to a Redis.
const STORE_TIME: Duration = Duration::from_secs(2);

/// Largest file or input that can be a token: four times the longest of another service.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

pub(super) fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Issue(args) => issue(args),
        TokenCommand::Show(args) => show(&args),
        TokenCommand::Revoke(args) => revoke(args),
    }
}

fn issue(args: IssueArgs) -> Result<(), Failure> {
    let order = Order {
        subject: args.subject,
        name: args.name,
        email: args.email,
        roles: args.roles,
        scopes: args.scopes,
        ttl: args.ttl,
    };
    let (answer, way) = ask(&args.file, &Job::Issue(order))?;
    if args.json {
        json(&answer);
        return Ok(());
    }
    let issued: Issued = read(answer)?;
    let until = issued.expires.map_or("never expires".to_owned(), |at| format!("expires {at}"));
    let lists = lists(&issued.roles, &issued.scopes);
    let file = shell_word(&args.file.config);
    err(&format!(
        "issued to {}{lists}, {until}; this is the only time it is shown",
        issued.subject
    ));
    out(&issued.token);
    err(&format!("to take it back: tollgate token revoke --config {file} --id {}{way}", issued.id));
    Ok(())
}

fn lists(roles: &[String], scopes: &[String]) -> String {
    let list = |label: &str, items: &[String]| match items {
        [] => String::new(),
        some => format!(", {label} {}", some.join(" ")),
    };
    format!("{}{}", list("roles", roles), list("scopes", scopes))
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let which = match args.id {
        Some(id) => Which::Id(id),
        None => Which::Token(read_token(args.token_file.as_deref())?.expose().to_owned()),
    };
    let (answer, _) = ask(&args.file, &Job::Show(which))?;
    let shown: Shown = read(answer.clone())?;
    if args.json {
        json(&answer);
    } else {
        out(&table(&shown));
    }
    if shown.good { Ok(()) } else { Err(Failure::new(Exit::Data, "")) }
}

fn table(shown: &Shown) -> String {
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join(", "));
    let expires = match (&shown.expires, &shown.subject) {
        (None, Some(_)) => Some("never".to_owned()),
        (expires, _) => expires.clone(),
    };
    let state = if shown.good { "good".to_owned() } else { format!("not good: {}", shown.state) };
    let rows = [
        ("token", Some(state)),
        ("id", shown.id.map(|id| id.to_string())),
        ("subject", shown.subject.clone()),
        ("name", shown.name.clone()),
        ("email", shown.email.clone()),
        ("roles", list(&shown.roles)),
        ("scopes", list(&shown.scopes)),
        ("issued", shown.issued.clone()),
        ("expires", expires),
    ];
    let rows = rows.into_iter().filter_map(|(label, text)| text.map(|text| (label, text)));
    rows.map(|(label, text)| format!("{label:<9}{}\n", printable(&text))).collect()
}

fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let which = match (args.id, args.subject) {
        (Some(id), _) => Which::Id(id),
        (None, Some(subject)) => Which::Subject(subject),
        (None, None) => Which::Token(read_token(args.token_file.as_deref())?.expose().to_owned()),
    };
    let (answer, way) = ask(&args.file, &Job::Revoke(which))?;
    let revoked: Revoked = read(answer.clone())?;
    if args.json {
        json(&answer);
        return if revoked.found { Ok(()) } else { Err(Failure::new(Exit::Data, "")) };
    }
    let what = match (&revoked.subject, revoked.id) {
        (Some(subject), _) => format!("subject `{subject}`"),
        (None, Some(id)) => format!("token {id}"),
        (None, None) => "this token".to_owned(),
    };
    if !revoked.found {
        let message = format!("nothing was revoked: the store does not know {what}");
        return Err(Failure::new(Exit::Data, message)
            .help("it was revoked before, has expired, or was issued into another store"));
    }
    let all = if revoked.subject.is_some() { "all tokens of " } else { "" };
    out(&format!("revoked {all}{what}{way}"));
    err("there is no way back; `tollgate token issue` makes a new one");
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new(
            Exit::Software,
            "the gateway's answer has another form: is it of this version?",
        )
    })
}

/// Reads a token from `file`, or from standard input.
pub(super) fn read_token(file: Option<&Path>) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = match file {
        Some(path) if path != Path::new("-") => fs::File::open(path)
            .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text)),
        _ => {
            let input = io::stdin();
            if input.is_terminal() {
                err("the token, and Enter:");
                input.read_line(&mut text)
            } else {
                input.lock().take(TOKEN_BYTES_MAX).read_to_string(&mut text)
            }
        }
    };
    let from = file.map_or("standard input".to_owned(), |path| path.display().to_string());
    read.map_err(|error| {
        Failure::new(Exit::Data, format!("reading the token from {from}: {error}"))
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::new(Exit::Data, format!("there is no token in {from}"))
            .help("echo \"$TOKEN\" | tollgate token …, or --token-file FILE, or --id UUID"));
    }
    Ok(Secret::new(token))
}

/// Has `job` done, and says by which way when that is not the running gateway.
fn ask(file: &ConfigFile, job: &Job) -> Result<(Value, String), Failure> {
    let config = Config::load(&file.config)?;
    on_this_thread(async {
        match Client::of(&config).await? {
            Some(Reached::Gateway(client)) => {
                let body = job.body().map_err(|error| {
                    Failure::new(Exit::Software, format!("writing JSON: {error}"))
                })?;
                Ok((client.post(job.path(), body).await?, String::new()))
            }
            Some(Reached::Nobody(_)) => directly(config, job, "no gateway runs").await,
            None => directly(config, job, "no `admin` in the configuration").await,
        }
    })
}

/// Does `job` on the store itself. A gateway that shares the store notices within
/// `[tokens] near-cache.ttl-without-push`.
async fn directly(config: Config, job: &Job, why: &str) -> Result<(Value, String), Failure> {
    const ADD_ADMIN: &str =
        "add `admin = \"unix:tollgate.sock\"` to the configuration and restart the gateway";
    if config.store == StoreConfig::Memory {
        let message = "tokens in `memory:` are in the gateway's process, and no gateway answers";
        let help = match config.admin {
            Some(_) => "start it: tollgate serve",
            None => ADD_ADMIN,
        };
        return Err(Failure::new(Exit::Unavailable, message).help(help));
    }
    let without_admin = config.admin.is_none();
    let origin = StoreOrigin::open(&config.store).map_err(|error| {
        let failure = Failure::from(error);
        if without_admin { failure.help(ADD_ADMIN) } else { failure }
    })?;
    let generation = Arc::new(Generation::new(config, origin, None));
    let store = generation.attach();
    let give_up = tick::now() + STORE_TIME;
    while store.health().state != HealthState::Up && tick::now() < give_up {
        tick::sleep(tick::PERIOD).await;
    }
    let name = store.health().store;
    let delay =
        generation.config.tokens.near_ttl.min(generation.config.tokens.near_ttl_without_push);
    let shared = matches!(generation.config.store, StoreConfig::Redis(_));
    let random = getrandom::u64().map_err(|error| {
        Failure::new(Exit::Software, format!("the system has no random numbers: {error}"))
    })?;
    let ids = IdSource::new(random.to_be_bytes());
    let answer = Desk { generation, store }.carry_out(job, &ids, SystemTime::now()).await?;
    let mut way = format!("\n({why}: {name} was used directly");
    if shared && matches!(job, Job::Revoke(_)) {
        let ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        way.push_str(&format!("; gateways that share it notice within {}", span(ms)));
    }
    way.push(')');
    Ok((answer, way))
}
