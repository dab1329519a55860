//! `tollgate admin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Common, Failure, Told, first_password, listed, password, quoted};
use crate::app::admin::tenants::{
    view::AdminView,
    wire::{AdminJob, DirectoryJob, Person},
};

/// Makes and changes admins, and where they belong
///
/// Goes to the running gateway through the admin listener of its configuration; only where none answers is
/// the store opened directly. Needs `[usergrid]` in the configuration.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate admin list --org acme
  tollgate admin show olga")]
pub(in crate::cli) enum AdminCommand {
    Create(CreateArgs),
    List(ListArgs),
    /// Shows an admin
    #[command(after_help = "\
Examples:
  tollgate admin show olga
  tollgate admin show olga@acme.example --json")]
    Show(AdminTarget),
    /// Makes an admin belong to an organization, from its next request on
    #[command(after_help = "\
Examples:
  tollgate admin add rita acme
  tollgate admin add rita acme --json")]
    Add(MemberArgs),
    /// Ends an admin's belonging to an organization, from its next request on
    ///
    /// The last admin of an organization cannot leave it.
    #[command(after_help = "\
Examples:
  tollgate admin remove pete acme
  tollgate admin remove pete acme --json")]
    Remove(MemberArgs),
    Password(PasswordArgs),
    /// Shuts an admin out, and ends all its tokens
    #[command(after_help = "\
Examples:
  tollgate admin disable pete
  tollgate admin disable pete --json")]
    Disable(AdminTarget),
    /// Lets an admin in again; tokens of before stay ended
    #[command(after_help = "\
Examples:
  tollgate admin enable pete
  tollgate admin enable pete --json")]
    Enable(AdminTarget),
    /// Ends all tokens of an admin; it can log in again
    #[command(after_help = "\
Examples:
  tollgate admin revoke olga
  tollgate admin revoke olga --json")]
    Revoke(AdminTarget),
}

/// Somebody.
#[derive(Args)]
pub(in crate::cli) struct AdminTarget {
    /// The admin, by username, e-mail address or UUID
    admin: String,
    #[command(flatten)]
    common: Common,
}

/// Somebody, and where.
#[derive(Args)]
pub(in crate::cli) struct MemberArgs {
    /// The admin, by username, e-mail address or UUID
    admin: String,
    /// The organization, by name or UUID
    org: String,
    #[command(flatten)]
    common: Common,
}

/// Makes an admin
///
/// Without a password it cannot log in until one is set.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate admin create --username zoe --email zoe@acme.example --org acme
  tollgate admin create --email yan@acme.example --password-file password.txt")]
pub(in crate::cli) struct CreateArgs {
    /// Its e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Its username; otherwise the address
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// The organization that it belongs to
    #[arg(long)]
    org: Option<String>,
    /// Read the password from this file (- is standard input)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Lists all admins, or those of an organization
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate admin list
  tollgate admin list --org acme --json")]
pub(in crate::cli) struct ListArgs {
    /// Only those of this organization
    #[arg(long)]
    org: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Sets an admin's password; its tokens live on
///
/// The password is read from standard input or a file, never from an argument: other users of the machine
/// can read those. `tollgate admin revoke` ends the tokens.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate admin password olga --password-file password.txt
  cat password.txt | tollgate admin password olga")]
pub(in crate::cli) struct PasswordArgs {
    /// The admin, by username, e-mail address or UUID
    admin: String,
    /// Read the password from this file (- is standard input, as without this option)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub(in crate::cli) fn run(command: AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Create(args) => create(args),
        AdminCommand::List(ListArgs { org, common }) => {
            let keys = ["username", "email", "state", "password", "organizations"];
            let empty = "there is no admin yet; `tollgate admin create` makes one";
            common.list(&keys, empty, |after| {
                DirectoryJob::Admin(AdminJob::List { org: org.clone(), after })
            })
        }
        AdminCommand::Show(AdminTarget { admin, common }) => {
            common.show(DirectoryJob::Admin(AdminJob::Show { admin }))
        }
        AdminCommand::Add(args) => member(args, true),
        AdminCommand::Remove(args) => member(args, false),
        AdminCommand::Password(PasswordArgs { admin, password_file, common }) => {
            let password = password(password_file.as_deref())?;
            let job = AdminJob::Password { admin, password };
            common.change(DirectoryJob::Admin(job), |now: AdminView| {
                let revoke = common.command(&format!("admin revoke {}", quoted(&now.username)));
                Told::new(format!("the password of {} is set; its tokens live on", now.username))
                    .then("there is no way back but setting the old one again")
                    .then(format!("to end its tokens: {revoke}"))
            })
        }
        AdminCommand::Disable(target) => set_disabled(target, true),
        AdminCommand::Enable(target) => set_disabled(target, false),
        AdminCommand::Revoke(AdminTarget { admin, common }) => {
            common.change(DirectoryJob::Admin(AdminJob::Revoke { admin }), |now: AdminView| {
                Told::new(format!("all tokens of {} are ended", now.username))
                    .then("there is no way back; it can log in again")
            })
        }
    }
}

fn create(args: CreateArgs) -> Result<(), Failure> {
    let common = args.common;
    let has_password = args.password_file.is_some();
    let person = Person {
        email: args.email,
        username: args.username,
        name: args.name,
        password: first_password(args.password_file.as_ref())?,
    };
    let job = AdminJob::Create { person, org: args.org };
    common.change(DirectoryJob::Admin(job), |made: AdminView| {
        let name = quoted(&made.username);
        let of = listed(&made.organizations, "no organization yet");
        let told = Told::new(format!("made admin {} of {of} ({})", made.username, made.uuid)).then(
            format!(
                "an admin stays; to shut it out: {}",
                common.command(&format!("admin disable {name}"))
            ),
        );
        if has_password {
            return told;
        }
        let command = common.command(&format!("admin password {name}"));
        told.then(format!("{} cannot log in before: {command}", made.username))
    })
}

fn member(args: MemberArgs, member: bool) -> Result<(), Failure> {
    let MemberArgs { admin, org, common } = args;
    let back = if member { "remove" } else { "add" };
    let undo = common.undo(&format!("admin {back} {} {}", quoted(&admin), quoted(&org)));
    let job = AdminJob::Member { admin, org: org.clone(), member };
    common.change(DirectoryJob::Admin(job), |now: AdminView| {
        let all = listed(&now.organizations, "no organization");
        let is = if member { "is an admin of" } else { "is no admin any more of" };
        Told::new(format!("{} {is} {org}; now of: {all}", now.username)).then(undo)
    })
}

fn set_disabled(target: AdminTarget, disabled: bool) -> Result<(), Failure> {
    let AdminTarget { admin, common } = target;
    let job = AdminJob::Disabled { admin, disabled };
    common.change(DirectoryJob::Admin(job), |now: AdminView| {
        let name = quoted(&now.username);
        if disabled {
            Told::new(format!("{} is shut out, and all its tokens are ended", now.username)).then(
                format!(
                    "{} (without reviving those tokens)",
                    common.undo(&format!("admin enable {name}"))
                ),
            )
        } else {
            Told::new(format!("{} is let in; tokens of before stay ended", now.username))
                .then(common.undo(&format!("admin disable {name}")))
        }
    })
}
