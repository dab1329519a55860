//! `tollgate role`.

use clap::{Args, Subcommand};

use super::{AppTarget, Common, Failure, Permission, Told, listed, quoted};
use crate::app::admin::tenants::{
    view::{PermissionsView, RoleView},
    wire::{DirectoryJob, RoleJob, TenantRef},
};

/// Makes, changes and deletes roles of an application
///
/// Goes to the running gateway through the admin listener of its configuration; only where none answers is
/// the store opened directly. Needs `[usergrid]` in the configuration.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate role list acme/shop
  tollgate role grant acme/shop buyer 'post:/orders'")]
pub(in crate::cli) enum RoleCommand {
    /// Lists the roles of an application with what they permit
    ///
    /// All users hold `default`; whoever presents nothing is judged by `guest`.
    #[command(after_help = "\
Examples:
  tollgate role list acme/shop
  tollgate role list acme/shop --json")]
    List(AppTarget),
    Create(CreateArgs),
    /// Deletes a role; whoever held it does no more
    #[command(after_help = "\
Examples:
  tollgate role delete acme/shop buyer
  tollgate role delete acme/shop buyer --json")]
    Delete(RoleTarget),
    /// Grants a permission to a role, effective on the next request
    #[command(after_help = "\
Examples:
  tollgate role grant acme/shop buyer 'post:/orders'
  tollgate role grant acme/shop guest 'get:/catalog/**'")]
    Grant(PermissionArgs),
    /// Takes a permission from a role, effective on the next request
    #[command(after_help = "\
Examples:
  tollgate role ungrant acme/shop buyer 'post:/orders'
  tollgate role ungrant acme/sandbox guest 'get,post,put,delete:/**'")]
    Ungrant(PermissionArgs),
}

/// A role.
#[derive(Args)]
pub(in crate::cli) struct RoleTarget {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The role
    role: String,
    #[command(flatten)]
    common: Common,
}

/// A role's permission.
#[derive(Args)]
pub(in crate::cli) struct PermissionArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The role
    role: String,
    #[command(flatten)]
    permission: Permission,
    #[command(flatten)]
    common: Common,
}

/// Makes a role that permits nothing yet
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate role create acme/shop seller
  tollgate role create acme/shop support --title 'The help desk'")]
pub(in crate::cli) struct CreateArgs {
    /// The application, behind its organization: acme/shop
    #[arg(value_name = "ORG/APP")]
    app: TenantRef,
    /// The role: letters, digits and ._-
    role: String,
    /// A title for people
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(in crate::cli) fn run(command: RoleCommand) -> Result<(), Failure> {
    match command {
        RoleCommand::List(AppTarget { app, common }) => {
            common.list(&["name", "title", "permissions"], "there is no role", |_| {
                DirectoryJob::Role(RoleJob::List { app: app.clone() })
            })
        }
        RoleCommand::Create(CreateArgs { app, role, title, common }) => {
            let job = RoleJob::Create { app: app.clone(), role, title };
            common.change(DirectoryJob::Role(job), |made: RoleView| {
                let name = &made.name;
                let grant = format!("role grant {app} {name} 'get:/orders/**'");
                Told::new(format!("made role {name} of {app}; it permits nothing yet"))
                    .then(common.undo(&format!("role delete {app} {name}")))
                    .then(format!("to permit something: {}", common.command(&grant)))
            })
        }
        RoleCommand::Delete(RoleTarget { app, role, common }) => {
            let job = RoleJob::Delete { app: app.clone(), role };
            common.change(DirectoryJob::Role(job), |gone: RoleView| {
                let name = &gone.name;
                let permitted = listed(&gone.permissions, "nothing");
                Told::new(format!("role {name} of {app} is deleted; it permitted {permitted}"))
                    .then(format!(
                        "{}, and give it what it permitted and to whoever held it",
                        common.undo(&format!("role create {app} {name}"))
                    ))
            })
        }
        RoleCommand::Grant(args) => permission(args, true),
        RoleCommand::Ungrant(args) => permission(args, false),
    }
}

fn permission(args: PermissionArgs, granted: bool) -> Result<(), Failure> {
    let PermissionArgs { app, role, permission: Permission { permission }, common } = args;
    let back = if granted { "ungrant" } else { "grant" };
    let words = format!("role {back} {app} {} {}", quoted(&role), quoted(&permission));
    let undo = common.undo(&words);
    let job = RoleJob::Permission { app: app.clone(), role: role.clone(), permission, granted };
    common.change(DirectoryJob::Role(job), |now: PermissionsView| {
        let all = listed(&now.permissions, "nothing");
        Told::new(format!("role {role} of {app} permits now: {all}")).then(undo)
    })
}
