//! `tollgate client`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Common, Failure, Told, input};
use crate::{
    app::admin::tenants::{
        view::ClientView,
        wire::{ClientJob, ClientRef, DirectoryJob, Hidden},
    },
    cli::screen::out,
};

/// Shows and changes the clients of organizations and applications
///
/// A client logs in with an id and a secret. Goes to the running gateway through the admin listener of its
/// configuration; only where none answers is the store opened directly. Needs `[usergrid]` in the
/// configuration.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate client show acme
  tollgate client rotate acme/shop --revoke")]
pub(in crate::cli) enum ClientCommand {
    /// Shows a client's id and its secret
    #[command(after_help = "\
Examples:
  tollgate client show acme/shop
  tollgate client show acme --json")]
    Show(ClientTarget),
    Rotate(RotateArgs),
    Import(ImportArgs),
    /// Ends all tokens of a client; it can log in again
    #[command(after_help = "\
Examples:
  tollgate client revoke acme/shop
  tollgate client revoke acme --json")]
    Revoke(ClientTarget),
}

/// A client.
#[derive(Args)]
pub(in crate::cli) struct ClientTarget {
    /// Whose client: acme, or acme/shop
    #[arg(value_name = "ORG|ORG/APP")]
    of: ClientRef,
    #[command(flatten)]
    common: Common,
}

/// Gives a client a new secret; the old one is worthless at once
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate client rotate acme/shop
  tollgate client rotate acme --revoke")]
pub(in crate::cli) struct RotateArgs {
    /// Whose client: acme, or acme/shop
    #[arg(value_name = "ORG|ORG/APP")]
    of: ClientRef,
    /// End its tokens too
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    common: Common,
}

/// Gives a client the id and secret that it had on another platform
///
/// An id holds the UUID of its organization or application, so that one has to have it: make it with
/// `tollgate org create --uuid` or `tollgate app create --uuid`. The secret is read from a file or standard
/// input, never from an argument.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate client import acme/shop --id YXA6QrhI_F22QRGKEQEjRWeJqw --secret-file secret.txt
  cat secret.txt | tollgate client import acme/shop --id YXA6QrhI_F22QRGKEQEjRWeJqw")]
pub(in crate::cli) struct ImportArgs {
    /// Whose client: acme, or acme/shop
    #[arg(value_name = "ORG|ORG/APP")]
    of: ClientRef,
    /// Its id: b3U6… of an organization, YXA6… of an application
    #[arg(long)]
    id: String,
    /// Read the secret from this file (- is standard input, as without this option)
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub(in crate::cli) fn run(command: ClientCommand) -> Result<(), Failure> {
    match command {
        ClientCommand::Show(ClientTarget { of, common }) => {
            common.show(DirectoryJob::Client(ClientJob::Show { of }))
        }
        ClientCommand::Rotate(RotateArgs { of, revoke, common }) => {
            let job = ClientJob::Rotate { of: of.clone(), revoke };
            common.change(DirectoryJob::Client(job), |now: ClientView| {
                let tokens = if revoke { "are ended" } else { "live on" };
                out(&format!("client-id      {}\nclient-secret  {}", now.client_id, now.client_secret));
                let told = Told::new(format!("the client of {of} has a new secret; its tokens {tokens}"))
                    .then("there is no way back to the old secret, but `tollgate client import` for whoever has it");
                if revoke {
                    return told;
                }
                told.then(format!("to end its tokens: {}", common.command(&format!("client revoke {of}"))))
            })
        }
        ClientCommand::Import(ImportArgs { of, id, secret_file, common }) => {
            let help = "cat FILE | tollgate client import …, or --secret-file FILE";
            let secret = Hidden::from(&input::secret("secret", secret_file.as_deref(), help)?);
            let job = ClientJob::Import { of: of.clone(), id, secret };
            common.change(DirectoryJob::Client(job), |now: ClientView| {
                let rotate = common.command(&format!("client rotate {of}"));
                Told::new(format!("the client of {of} is {} with this secret", now.client_id)).then(
                    format!("there is no way back to the secret of before; a new one: {rotate}"),
                )
            })
        }
        ClientCommand::Revoke(ClientTarget { of, common }) => {
            let job = ClientJob::Revoke { of: of.clone() };
            common.change(DirectoryJob::Client(job), |_: serde_json::Value| {
                Told::new(format!("all tokens of the client of {of} are ended"))
                    .then("there is no way back; it can log in again with its secret")
            })
        }
    }
}
