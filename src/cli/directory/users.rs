//! `tollgate user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    AppTarget, Common, Failure, Permission, Told, first_password, listed, password, quoted,
};
use crate::app::admin::tenants::{
    view::{PermissionsView, UserView},
    wire::{DirectoryJob, TenantRef, UserJob},
};

/// Makes, changes and deletes users of an application
///
/// Goes to the running gateway through the admin listener of its configuration; only where none answers is
/// the store opened directly. Needs `[usergrid]` in the configuration.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate user list acme/shop
  tollgate user revoke acme/shop nora")]
pub(in crate::cli) enum UserCommand {
    Create(CreateArgs),
    /// Lists the users of an application, oldest first
    #[command(after_help = "\
Examples:
  tollgate user list acme/shop
  tollgate user list acme/shop --json")]
    List(AppTarget),
    /// Shows a user, with its own roles and permissions
    #[command(after_help = "\
Examples:
  tollgate user show acme/shop nora
  tollgate user show acme/shop nora@shop.example --json")]
    Show(UserTarget),
    /// Deletes a user for good: its tokens are refused, its name is free
    #[command(after_help = "\
Examples:
  tollgate user delete acme/shop nora
  tollgate user delete acme/shop nora --json")]
    Delete(UserTarget),
    Password(PasswordArgs),
    /// Lets a user log in
    #[command(after_help = "\
Examples:
  tollgate user activate acme/shop nora
  tollgate user activate acme/shop nora --json")]
    Activate(UserTarget),
    /// Keeps a user from logging in, and ends all its tokens
    #[command(after_help = "\
Examples:
  tollgate user deactivate acme/shop nora
  tollgate user deactivate acme/shop nora --json")]
    Deactivate(UserTarget),
    /// Shuts a user out, and ends all its tokens
    #[command(after_help = "\
Examples:
  tollgate user disable acme/shop nora
  tollgate user disable acme/shop nora --json")]
    Disable(UserTarget),
    /// Lets a user in again; tokens of before stay ended
    #[command(after_help = "\
Examples:
  tollgate user enable acme/shop nora
  tollgate user enable acme/shop nora --json")]
    Enable(UserTarget),
    /// Ends all tokens of a user; it can log in again
    #[command(after_help = "\
Examples:
  tollgate user revoke acme/shop nora
  tollgate user revoke acme/shop nora --json")]
    Revoke(UserTarget),
    Role(RoleArgs),
    /// Grants a permission to one user, effective on the next request
    #[command(after_help = "\
Examples:
  tollgate user grant acme/shop nora 'get:/reports/**'
  tollgate user grant acme/shop nora 'get,put:/stock/*' --json")]
    Grant(PermissionArgs),
    /// Takes a permission from one user, effective on the next request
    #[command(after_help = "\
Examples:
  tollgate user ungrant acme/shop nora 'get:/reports/**'
  tollgate user ungrant acme/shop nora 'get,put:/stock/*' --json")]
    Ungrant(PermissionArgs),
}

/// Somebody.
#[derive(Args)]
pub(in crate::cli) struct UserTarget {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The user, by username, e-mail address or UUID
    user: String,
    #[command(flatten)]
    common: Common,
}

/// Somebody's permission.
#[derive(Args)]
pub(in crate::cli) struct PermissionArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The user, by username, e-mail address or UUID
    user: String,
    #[command(flatten)]
    permission: Permission,
    #[command(flatten)]
    common: Common,
}

/// Makes a user
///
/// Without a password it cannot log in until one is set.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate user create acme/shop eve --email eve@shop.example --password-file password.txt
  cat password.txt | tollgate user create acme/shop ida --name 'Ida B' --password-file -")]
pub(in crate::cli) struct CreateArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// Its username
    username: String,
    /// Its e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// Read the password from this file (- is standard input)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Sets a user's password; its tokens live on
///
/// The password is read from standard input or a file, never from an argument: other users of the machine
/// can read those. `tollgate user revoke` ends the tokens.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate user password acme/shop nora --password-file password.txt
  cat password.txt | tollgate user password acme/shop nora")]
pub(in crate::cli) struct PasswordArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The user, by username, e-mail address or UUID
    user: String,
    /// Read the password from this file (- is standard input, as without this option)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Gives a user a role, or takes it, effective on the next request
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate user role acme/shop nora buyer
  tollgate user role acme/shop nora buyer --remove")]
pub(in crate::cli) struct RoleArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The user, by username, e-mail address or UUID
    user: String,
    /// The role
    role: String,
    /// Take it
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    common: Common,
}

pub(in crate::cli) fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(args) => create(args),
        UserCommand::List(AppTarget { app, common }) => {
            let keys = ["username", "email", "state", "password", "roles", "uuid"];
            let empty = format!("there is no user; `tollgate user create {app} NAME` makes one");
            common.list(&keys, &empty, |after| {
                DirectoryJob::User(UserJob::List { app: app.clone(), after })
            })
        }
        UserCommand::Show(UserTarget { app, user, common }) => {
            common.show(DirectoryJob::User(UserJob::Show { app, user }))
        }
        UserCommand::Delete(UserTarget { app, user, common }) => {
            let job = UserJob::Delete { app: app.clone(), user };
            common.change(DirectoryJob::User(job), |gone: UserView| {
                Told::new(format!("user {} of {app} is deleted ({})", gone.username, gone.uuid))
                    .then("there is no way back; `tollgate user create` makes another of this name")
            })
        }
        UserCommand::Password(PasswordArgs { app, user, password_file, common }) => {
            let password = password(password_file.as_deref())?;
            let job = UserJob::Password { app: app.clone(), user, password };
            common.change(DirectoryJob::User(job), |now: UserView| {
                let name = quoted(&now.username);
                let revoke = common.command(&format!("user revoke {app} {name}"));
                Told::new(format!("the password of {} is set; its tokens live on", now.username))
                    .then("there is no way back but setting the old one again")
                    .then(format!("to end its tokens: {revoke}"))
            })
        }
        UserCommand::Activate(target) => set(target, Switch::Activate),
        UserCommand::Deactivate(target) => set(target, Switch::Deactivate),
        UserCommand::Disable(target) => set(target, Switch::Disable),
        UserCommand::Enable(target) => set(target, Switch::Enable),
        UserCommand::Revoke(UserTarget { app, user, common }) => {
            let job = UserJob::Revoke { app: app.clone(), user };
            common.change(DirectoryJob::User(job), |now: UserView| {
                Told::new(format!("all tokens of {} of {app} are ended", now.username))
                    .then("there is no way back; it can log in again")
            })
        }
        UserCommand::Role(args) => role(args),
        UserCommand::Grant(args) => permission(args, true),
        UserCommand::Ungrant(args) => permission(args, false),
    }
}

fn create(args: CreateArgs) -> Result<(), Failure> {
    let CreateArgs { app, username, email, name, password_file, common } = args;
    let password = first_password(password_file.as_ref())?;
    let has_password = password.is_some();
    let job = UserJob::Create { app: app.clone(), username, email, name, password };
    common.change(DirectoryJob::User(job), |made: UserView| {
        let name = quoted(&made.username);
        let told = Told::new(format!("made user {} of {app} ({})", made.username, made.uuid))
            .then(common.undo(&format!("user delete {app} {name}")));
        if has_password {
            return told;
        }
        let command = common.command(&format!("user password {app} {name}"));
        told.then(format!("{} cannot log in before: {command}", made.username))
    })
}

/// Two switches, and their ways.
#[derive(Clone, Copy)]
enum Switch {
    Activate,
    Deactivate,
    Disable,
    Enable,
}

fn set(target: UserTarget, switch: Switch) -> Result<(), Failure> {
    let UserTarget { app, user, common } = target;
    let (named, ended) = (app.clone(), "all its tokens are ended");
    let (job, is, back) = match switch {
        Switch::Activate => {
            let is = "is activated; tokens of before stay ended".to_owned();
            (UserJob::Activated { app, user, activated: true }, is, "deactivate")
        }
        Switch::Deactivate => {
            let is = format!("is deactivated, and {ended}");
            (UserJob::Activated { app, user, activated: false }, is, "activate")
        }
        Switch::Disable => {
            let is = format!("is shut out, and {ended}");
            (UserJob::Disabled { app, user, disabled: true }, is, "enable")
        }
        Switch::Enable => {
            let is = "is let in; tokens of before stay ended".to_owned();
            (UserJob::Disabled { app, user, disabled: false }, is, "disable")
        }
    };
    common.change(DirectoryJob::User(job), |now: UserView| {
        let undo = common.undo(&format!("user {back} {named} {}", quoted(&now.username)));
        Told::new(format!("user {} of {named} {is}", now.username)).then(undo)
    })
}

fn role(args: RoleArgs) -> Result<(), Failure> {
    let RoleArgs { app, user, role, remove, common } = args;
    let words = format!("user role {app} {} {}", quoted(&user), quoted(&role));
    let undo = common.undo(&if remove { words } else { format!("{words} --remove") });
    let job = UserJob::Role { app, user, role, held: !remove };
    common.change(DirectoryJob::User(job), |now: UserView| {
        let roles = listed(&now.roles, "none of its own");
        Told::new(format!("user {} has now, besides default: {roles}", now.username)).then(undo)
    })
}

fn permission(args: PermissionArgs, granted: bool) -> Result<(), Failure> {
    let PermissionArgs { app, user, permission: Permission { permission }, common } = args;
    let back = if granted { "ungrant" } else { "grant" };
    let words = format!("user {back} {app} {} {}", quoted(&user), quoted(&permission));
    let undo = common.undo(&words);
    let job = UserJob::Permission { app, user: user.clone(), permission, granted };
    common.change(DirectoryJob::User(job), |now: PermissionsView| {
        let all = listed(&now.permissions, "nothing");
        Told::new(format!("user {user} may now, besides its roles: {all}")).then(undo)
    })
}
