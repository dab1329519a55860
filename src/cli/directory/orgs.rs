//! `tollgate org`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use uuid::Uuid;

use super::{Common, Failure, OrgTarget, Told, first_password, quoted};
use crate::app::admin::tenants::{
    view::OrgView,
    wire::{DirectoryJob, OrgJob, OwnerIs, Person},
};

/// Makes, shows and shuts out organizations
///
/// Goes to the running gateway through the admin listener of its configuration; only where none answers is
/// the store opened directly. Needs `[usergrid]` in the configuration.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate org list
  tollgate org show acme")]
pub(in crate::cli) enum OrgCommand {
    Create(CreateArgs),
    /// Lists all organizations
    #[command(after_help = "\
Examples:
  tollgate org list
  tollgate org list --json")]
    List(Common),
    /// Shows an organization: its applications, its admins, its client's id
    #[command(after_help = "\
Examples:
  tollgate org show acme
  tollgate org show acme --json")]
    Show(OrgTarget),
    /// Shuts an organization out: its applications answer nobody
    ///
    /// Ends the tokens of its client and of its applications' users and clients. Enabling it again revives
    /// none of them. Admins keep theirs: they may have other organizations.
    #[command(after_help = "\
Examples:
  tollgate org disable acme
  tollgate org disable acme --json")]
    Disable(OrgTarget),
    /// Lets an organization in again
    #[command(after_help = "\
Examples:
  tollgate org enable acme
  tollgate org enable acme --json")]
    Enable(OrgTarget),
}

/// Makes an organization with its owner, its client and a sandbox
///
/// The application `sandbox` comes with it and is open to everybody. The owner is somebody new, or an admin
/// who is there. A new owner without a password cannot log in until one is set.
#[derive(Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["owner_email", "owner"])))]
#[command(after_help = "\
Examples:
  tollgate org create umbrella --owner olga
  tollgate org create initech --owner-email bill@initech.example --password-file password.txt")]
pub(in crate::cli) struct CreateArgs {
    /// Its name: what paths begin with
    name: String,
    /// The e-mail address of a new owner
    #[arg(long, value_name = "ADDRESS")]
    owner_email: Option<String>,
    /// The username of a new owner; otherwise the address
    #[arg(long, value_name = "NAME", requires = "owner_email")]
    owner_username: Option<String>,
    /// The new owner's name for people
    #[arg(long, value_name = "NAME", requires = "owner_email")]
    owner_name: Option<String>,
    /// Read the new owner's password from this file (- is standard input)
    #[arg(long, value_name = "FILE", requires = "owner_email")]
    password_file: Option<PathBuf>,
    /// An admin who is there, by username, address or UUID
    #[arg(long, value_name = "ADMIN")]
    owner: Option<String>,
    /// The UUID that it had on another platform: its deployed clients know it by that
    #[arg(long)]
    uuid: Option<Uuid>,
    #[command(flatten)]
    common: Common,
}

pub(in crate::cli) fn run(command: OrgCommand) -> Result<(), Failure> {
    match command {
        OrgCommand::Create(args) => create(args),
        OrgCommand::List(common) => {
            let empty = "there is no organization yet; `tollgate org create` makes one";
            let keys = ["name", "uuid", "state", "created"];
            common.list(&keys, empty, |after| DirectoryJob::Org(OrgJob::List { after }))
        }
        OrgCommand::Show(OrgTarget { org, common }) => {
            common.show(DirectoryJob::Org(OrgJob::Show { org }))
        }
        OrgCommand::Disable(target) => set_active(target, false),
        OrgCommand::Enable(target) => set_active(target, true),
    }
}

fn create(args: CreateArgs) -> Result<(), Failure> {
    let common = args.common;
    let has_password = args.password_file.is_some();
    let owner = match (args.owner, args.owner_email) {
        (Some(owner), _) => OwnerIs::Known(owner),
        (None, email) => OwnerIs::New(Person {
            email: email.unwrap_or_default(),
            username: args.owner_username,
            name: args.owner_name,
            password: first_password(args.password_file.as_ref())?,
        }),
    };
    let is_new = matches!(owner, OwnerIs::New(_));
    let job = OrgJob::Create { name: args.name, uuid: args.uuid, owner };
    common.change(DirectoryJob::Org(job), |made: OrgView| {
        let (name, owner) = (&made.name, made.admins.first().cloned().unwrap_or_default());
        let told = Told::new(format!(
            "made organization {name} ({}) with the application {name}/sandbox, which is open to \
             everybody; its admin is {owner}",
            made.uuid
        ));
        let told = told
            .then(format!(
                "an organization stays; to shut it out: {}",
                common.command(&format!("org disable {name}"))
            ))
            .then(format!(
                "its client's id and secret: {}",
                common.command(&format!("client show {name}"))
            ));
        if is_new && !has_password {
            let command = common.command(&format!("admin password {}", quoted(&owner)));
            return told.then(format!("{owner} cannot log in before: {command}"));
        }
        told
    })
}

fn set_active(target: OrgTarget, active: bool) -> Result<(), Failure> {
    let OrgTarget { org, common } = target;
    let job = OrgJob::Active { org, active };
    common.change(DirectoryJob::Org(job), |now: OrgView| {
        let name = &now.name;
        if active {
            Told::new(format!("organization {name} is let in; tokens of before stay ended"))
                .then(common.undo(&format!("org disable {name}")))
        } else {
            Told::new(format!(
                "organization {name} is shut out, and the tokens of its clients and users are ended"
            ))
            .then(format!(
                "{} (without reviving those tokens)",
                common.undo(&format!("org enable {name}"))
            ))
        }
    })
}
