//! `tollgate app`.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{AppTarget, Common, Failure, Told};
use crate::{
    app::admin::tenants::{
        view::AppView,
        wire::{AppJob, DirectoryJob, TenantRef},
    },
    cli::Exit,
};

/// Makes, shows, changes and deletes applications
///
/// Goes to the running gateway through the admin listener of its configuration; only where none answers is
/// the store opened directly. Needs `[usergrid]` in the configuration.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate app list acme
  tollgate app show acme/shop")]
pub(in crate::cli) enum AppCommand {
    Create(CreateArgs),
    List(ListArgs),
    /// Shows an application: its state, its roles, how many users it has
    #[command(after_help = "\
Examples:
  tollgate app show acme/shop
  tollgate app show acme/shop --json")]
    Show(AppTarget),
    Set(SetArgs),
    /// Shuts an application out: it answers nobody
    ///
    /// Ends the tokens of its users and its client. Enabling it again revives none of them.
    #[command(after_help = "\
Examples:
  tollgate app disable acme/shop
  tollgate app disable acme/shop --json")]
    Disable(AppTarget),
    /// Lets an application in again
    #[command(after_help = "\
Examples:
  tollgate app enable acme/shop
  tollgate app enable acme/shop --json")]
    Enable(AppTarget),
    Delete(DeleteArgs),
    Restore(RestoreArgs),
}

/// Makes an application with its roles and its client
///
/// Its users may do everything by the role `default`; guests may register and no more. Take that back with
/// `tollgate role ungrant`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate app create acme/blog
  tollgate app create acme/wiki --uuid 2dbf8d0a-1c2e-11e3-8e4f-c9b1f1d2a3b4")]
pub(in crate::cli) struct CreateArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The UUID that it had on another platform: its deployed clients know it by that
    #[arg(long)]
    uuid: Option<Uuid>,
    #[command(flatten)]
    common: Common,
}

/// Lists the applications of an organization
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate app list acme
  tollgate app list acme --deleted")]
pub(in crate::cli) struct ListArgs {
    /// The organization, by name or UUID
    org: String,
    /// Those that were deleted and can be restored instead
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    common: Common,
}

/// Sets how long the tokens of an application's users live
///
/// What is set is default and maximum of a login. Tokens that are out keep their time.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate app set acme/shop --token-ttl 30m
  tollgate app set acme/shop --token-ttl default")]
pub(in crate::cli) struct SetArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// 30m, 12h, 7d, never; default is what `[usergrid]` says
    #[arg(long, value_name = "TTL")]
    token_ttl: String,
    #[command(flatten)]
    common: Common,
}

/// Deletes an application: nothing leads to it, and its tokens are refused
///
/// What it has is kept: it can be restored under its UUID as long as nobody takes its name.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate app delete acme/shop --confirm shop
  tollgate app delete acme/shop --confirm shop --json")]
pub(in crate::cli) struct DeleteArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The application's name again: nobody deletes what they did not mean
    #[arg(long, value_name = "APP")]
    confirm: String,
    #[command(flatten)]
    common: Common,
}

/// Restores a deleted application under its old name
///
/// With its users, roles and client. Tokens of before the deletion stay refused.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate app restore acme 7c0ff1b2-0000-11e4-8a11-0123456789ab
  tollgate app restore acme 7c0ff1b2-0000-11e4-8a11-0123456789ab --json")]
pub(in crate::cli) struct RestoreArgs {
    /// The organization, by name or UUID
    org: String,
    /// The application's UUID: `tollgate app list ORG --deleted` has it
    uuid: Uuid,
    #[command(flatten)]
    common: Common,
}

pub(in crate::cli) fn run(command: AppCommand) -> Result<(), Failure> {
    match command {
        AppCommand::Create(CreateArgs { app, uuid, common }) => {
            common.change(DirectoryJob::App(AppJob::Create { app, uuid }), |made: AppView| {
                let name = &made.name;
                let last = name.rsplit('/').next().unwrap_or(name);
                Told::new(format!("made application {name} ({})", made.uuid))
                    .then(common.undo(&format!("app delete {name} --confirm {last}")))
                    .then(format!(
                        "its client's id and secret: {}",
                        common.command(&format!("client show {name}"))
                    ))
            })
        }
        AppCommand::List(ListArgs { org, deleted, common }) => {
            let empty = if deleted {
                "no deleted application can be restored"
            } else {
                "there is no application; `tollgate app create` makes one"
            };
            common.list(&["name", "uuid", "state", "token_ttl", "created"], empty, |_| {
                DirectoryJob::App(AppJob::List { org: org.clone(), deleted })
            })
        }
        AppCommand::Show(AppTarget { app, common }) => {
            common.show(DirectoryJob::App(AppJob::Show { app }))
        }
        AppCommand::Set(args) => set(args),
        AppCommand::Disable(target) => set_active(target, false),
        AppCommand::Enable(target) => set_active(target, true),
        AppCommand::Delete(args) => delete(args),
        AppCommand::Restore(RestoreArgs { org, uuid, common }) => {
            common.change(DirectoryJob::App(AppJob::Restore { org, uuid }), |now: AppView| {
                let name = &now.name;
                let last = name.rsplit('/').next().unwrap_or(name);
                Told::new(format!("application {name} is restored; tokens of before stay ended"))
                    .then(common.undo(&format!("app delete {name} --confirm {last}")))
            })
        }
    }
}

fn set(args: SetArgs) -> Result<(), Failure> {
    let SetArgs { app, token_ttl, common } = args;
    let (answer, _) = super::ask(
        &common.file,
        &super::Job::Directory(DirectoryJob::App(AppJob::Show { app: app.clone() })),
    )?;
    let before: AppView = super::read(answer)?;
    common.change(DirectoryJob::App(AppJob::Set { app, token_ttl }), |now: AppView| {
        let name = &now.name;
        let what = match now.token_ttl.as_str() {
            "default" => "live as long as `[usergrid]` says".to_owned(),
            "never" => "never expire unless a login asks for it".to_owned(),
            ttl => format!("live {ttl} at most"),
        };
        Told::new(format!("tokens that users of {name} get from now on {what}"))
            .then(common.undo(&format!("app set {name} --token-ttl {}", before.token_ttl)))
    })
}

fn set_active(target: AppTarget, active: bool) -> Result<(), Failure> {
    let AppTarget { app, common } = target;
    let job = AppJob::Active { app, active };
    common.change(DirectoryJob::App(job), |now: AppView| {
        let name = &now.name;
        if active {
            Told::new(format!("application {name} is let in; tokens of before stay ended"))
                .then(common.undo(&format!("app disable {name}")))
        } else {
            Told::new(format!(
                "application {name} is shut out, and the tokens of its users and client are ended"
            ))
            .then(format!(
                "{} (without reviving those tokens)",
                common.undo(&format!("app enable {name}"))
            ))
        }
    })
}

fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let DeleteArgs { app, confirm, common } = args;
    if !confirm.eq_ignore_ascii_case(&app.application) {
        let message = format!("`--confirm {confirm}` does not name the application `{app}`");
        return Err(Failure::new(Exit::Data, message)
            .help(format!("--confirm {}, if it is what you mean", app.application)));
    }
    common.change(DirectoryJob::App(AppJob::Delete { app }), |gone: AppView| {
        let organization = gone.name.split('/').next().unwrap_or_default();
        Told::new(format!("application {} is deleted, and its tokens are ended", gone.name))
            .then(common.undo(&format!("app restore {organization} {}", gone.uuid)))
    })
}
