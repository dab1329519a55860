//! `tollgate token`: issue, show, revoke. By way of the running gateway; only where none answers does the
//! command open the store itself.

use std::path::Path;

use super::{
    Exit, Failure,
    args::{IssueArgs, RevokeArgs, ShowArgs, TokenCommand},
    ask::{ask, read},
    input,
    screen::{err, json, out, shell_word},
};
use crate::{
    app::admin::{
        tenants::wire::{DirectoryJob, HolderRef, TenantOrder},
        wire::{Issued, Job, Order, Revoked, Shown, Which},
    },
    explain::printable,
    secret::Secret,
};

pub(super) fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Issue(args) => issue(args),
        TokenCommand::Show(args) => show(&args),
        TokenCommand::Revoke(args) => revoke(args),
    }
}

fn issue(args: IssueArgs) -> Result<(), Failure> {
    let (file, as_json) = (args.file.clone(), args.json);
    let (answer, way) = ask(&file, &order(args)?)?;
    if as_json {
        json(&answer);
        return Ok(());
    }
    let issued: Issued = read(answer)?;
    let until = issued.expires.map_or("never expires".to_owned(), |at| format!("expires {at}"));
    let lists = lists(&issued.roles, &issued.scopes);
    let file = shell_word(&file.config);
    err(&format!(
        "issued to {}{lists}, {until}; this is the only time it is shown",
        issued.subject
    ));
    out(&issued.token);
    err(&format!("to take it back: tollgate token revoke --config {file} --id {}{way}", issued.id));
    Ok(())
}

/// What is to be issued: a token of anybody, or one of somebody whom the directory knows.
fn order(args: IssueArgs) -> Result<Job, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let to = match (args.subject, args.user, args.admin, args.client) {
        (Some(subject), ..) => {
            return Ok(Job::Issue(Order {
                subject,
                name: args.name,
                email: args.email,
                roles: args.roles,
                scopes: args.scopes,
                ttl: args.ttl,
            }));
        }
        (None, Some(words), ..) => match <[String; 2]>::try_from(words) {
            Ok([app, user]) => HolderRef::User { app: app.parse().map_err(usage)?, user },
            Err(_) => return Err(usage("a user is an application and a name".to_owned())),
        },
        (None, None, Some(admin), _) => HolderRef::Admin(admin),
        (None, None, None, Some(client)) => HolderRef::Client(client),
        (None, None, None, None) => return Err(usage("whose token is it?".to_owned())),
    };
    Ok(Job::Directory(DirectoryJob::Token(TenantOrder { to, ttl: args.ttl })))
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
        ("holder", shown.holder.clone()),
        ("home", shown.home.clone()),
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

/// Reads a token from `file`, or from standard input.
pub(super) fn read_token(file: Option<&Path>) -> Result<Secret, Failure> {
    input::secret(
        "token",
        file,
        "echo \"$TOKEN\" | tollgate token …, or --token-file FILE, or --id UUID",
    )
}
