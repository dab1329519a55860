//! Every command and option, in words that a person can learn from. Each help begins with what the
//! command is for and ends with examples that work as pasted.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use uuid::Uuid;

use super::directory::{
    AdminCommand, AppCommand, ClientCommand, OrgCommand, RoleCommand, UserCommand,
};
use crate::{app::admin::tenants::wire::ClientRef, explain::Caller};

/// An authentication gateway for APIs that have no authentication of their own
///
/// Tollgate stands before a backend that trusts everyone. It reads who is asking, decides by one file of
/// rules whether they may, and forwards the request with the caller's proven identity, or refuses and says
/// why.
#[derive(Parser)]
#[command(name = "tollgate", version, after_help = EXAMPLES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tollgate demo
  tollgate init --backend http://127.0.0.1:9000

Exit codes: 0 fine, 64 usage, 65 bad input, 69 a store or gateway is unreachable, 70 a fault, \
78 the configuration is wrong.";

#[derive(Subcommand)]
pub(super) enum Command {
    Demo(DemoArgs),
    Init(InitArgs),
    Check(CheckArgs),
    Diff(DiffArgs),
    Serve(ServeArgs),
    Explain(ExplainArgs),
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(subcommand)]
    Org(OrgCommand),
    #[command(subcommand)]
    App(AppCommand),
    #[command(subcommand)]
    Admin(AdminCommand),
    #[command(subcommand)]
    User(UserCommand),
    #[command(subcommand)]
    Role(RoleCommand),
    #[command(subcommand)]
    Client(ClientCommand),
    /// Makes a new secret: 256 random bits as base64url, printed once
    ///
    /// The secret keys every token that the gateway issues: whoever has it can make tokens. Keep it in a
    /// file that only the gateway can read, and name the file in the configuration:
    /// secret = "${file:/run/secrets/tollgate}"
    #[command(after_help = "\
Examples:
  tollgate keygen
  (umask 077; tollgate keygen > tollgate.secret)")]
    Keygen,
    Completions(CompletionsArgs),
}

/// Shows the gateway at work, with a tenant, rules, tokens and curl lines to try
///
/// Starts a gateway with an example configuration, an embedded store in a temporary folder and a backend
/// that answers with the request it received; makes an organization with an application, an admin and
/// users, issues tokens, and prints curl lines with the status to expect of each: logins, calls, a
/// revocation, refusals. Ctrl-C ends it all and leaves nothing behind.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate demo
  tollgate demo --port 9000")]
pub(super) struct DemoArgs {
    /// Where clients come in, on 127.0.0.1; the next free port when it is taken
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
}

/// Writes a first configuration file for your backend, and says what to do next
///
/// Also makes the file with the secret that keys your tokens, readable by you alone. Never overwrites
/// anything.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate init --backend http://127.0.0.1:9000
  tollgate init --backend unix:/run/app.sock --file shop.toml")]
pub(super) struct InitArgs {
    /// The API to protect: http://host:port, https://host:port or unix:/path
    #[arg(long, value_name = "URL")]
    pub(super) backend: String,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "tollgate.toml")]
    pub(super) file: PathBuf,
}

/// Checks a configuration file: all its mistakes, or its rules
///
/// Reads the file and what it includes, runs its `[expect]` lines, and starts nothing. A good file is shown as
/// its sorted rules, with what stands open; a bad one with each mistake's line and what to do. Exits with 78
/// when the file is bad.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate check tollgate.toml
  tollgate check tollgate.toml --json")]
pub(super) struct CheckArgs {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = "tollgate.toml")]
    pub(super) file: PathBuf,
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Says what another configuration would open and close, and to whom
///
/// Compares the rules of two files as sets of requests: what falls to another line that asks for the same is no
/// difference. Each difference comes with a request that shows it. Starts nothing, and asks no store. Exits
/// with 1 when something opens that --no-widening forbids, with 78 when a file is bad.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate diff tollgate.toml tollgate.toml
  tollgate diff tollgate.toml tollgate.toml --no-widening")]
pub(super) struct DiffArgs {
    /// The configuration file as it is
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,
    /// The configuration file as it would be
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
    /// Fail when anything opens to anybody
    #[arg(long)]
    pub(super) no_widening: bool,
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs the gateway until SIGTERM or Ctrl-C
///
/// SIGHUP, or a change of the file, makes it read its configuration again; a bad file changes nothing and
/// is logged. SIGTERM drains: what is open may finish, nothing new is begun.
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate serve --config tollgate.toml
  tollgate check tollgate.toml && tollgate serve --config tollgate.toml")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

/// The configuration that a command is about.
#[derive(Args, Clone)]
pub(super) struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "tollgate.toml")]
    pub(super) config: PathBuf,
}

/// Explains what becomes of a request, and why
///
/// Shows how the request is read, which rule wins and which comes next, how each term of it goes, and what the
/// backend would receive.
///
/// Without --live it reads the configuration file alone and asks no store: a token's signature and expiry are
/// checked, and --as says who is calling. With --live it asks the running gateway's admin listener, which
/// also resolves the token. Nothing is sent to the backend, and no credential is printed.
///
/// With `usergrid`, a tenant is made of the names in the path and has the roles of a new application; --live
/// asks the directory for its own. Its callers say where they are of:
/// --as '{"kind":"admin_user","name":"olga","organization":"acme"}'.
#[derive(Args)]
#[command(override_usage = "tollgate explain [OPTIONS] [METHOD] <TARGET>")]
#[command(after_help = "\
Examples:
  tollgate explain --config tollgate.toml GET /orders/7
  tollgate explain --config tollgate.toml POST /orders --as '{\"id\":\"bob\",\"roles\":[\"buyer\"]}'")]
pub(super) struct ExplainArgs {
    /// Method and target, such as POST /orders; without a method, GET
    #[arg(value_name = "REQUEST", num_args = 1..=2, required = true)]
    pub(super) request: Vec<String>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Ask the gateway that runs: its admin address, http://127.0.0.1:9901 or unix:/path
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    pub(super) live: Option<String>,
    /// A field of the request; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(super) fields: Vec<String>,
    /// The host that is asked for; otherwise localhost
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
    /// A name in the certificate that the client shows; may be given more than once
    #[arg(long = "cert", value_name = "NAME")]
    pub(super) certificate: Vec<String>,
    /// Take this caller for the one whom the credential proves: an id, or JSON with id, name, email, roles,
    /// scopes; for somebody of a tenant also kind, organization, application
    #[arg(long = "as", value_name = "PRINCIPAL", value_parser = caller)]
    pub(super) caller: Option<Caller>,
    /// Present the bearer token in this file (- is standard input)
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Issues, shows and revokes tokens
///
/// Goes to the running gateway through the admin listener of its configuration; only where none answers is
/// the store opened directly. Whoever can reach the admin listener can do this: a unix socket is its owner's
/// alone, while 127.0.0.1 is open to every program of the machine.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  tollgate token issue --config tollgate.toml --subject ann --role buyer
  tollgate token revoke --config tollgate.toml --subject ann")]
pub(super) enum TokenCommand {
    Issue(IssueArgs),
    Show(ShowArgs),
    Revoke(RevokeArgs),
}

/// Issues a token, and prints it once
///
/// The token alone goes to standard output, everything said about it to standard error. With tenants it
/// belongs to a user, an admin or a client, and may what its holder may at the time of use.
#[derive(Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["subject", "user", "admin", "client"])))]
#[command(after_help = "\
Examples:
  tollgate token issue --config tollgate.toml --subject ann
  TOKEN=$(tollgate token issue --config tollgate.toml --subject bob --role buyer --ttl 1h)")]
pub(super) struct IssueArgs {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Whose it is: what self:{id} compares, and what the backend receives
    #[arg(long, value_name = "ID")]
    pub(super) subject: Option<String>,
    /// With tenants: a user of an application, by name, address or UUID
    #[arg(long, num_args = 2, value_names = ["ORG/APP", "USER"])]
    pub(super) user: Option<Vec<String>>,
    /// With tenants: an admin, by name, address or UUID
    #[arg(long)]
    pub(super) admin: Option<String>,
    /// With tenants: the client of an organization or application
    #[arg(long, value_name = "ORG|ORG/APP")]
    pub(super) client: Option<ClientRef>,
    /// A name for people
    #[arg(long, requires = "subject")]
    pub(super) name: Option<String>,
    /// An e-mail address
    #[arg(long, requires = "subject")]
    pub(super) email: Option<String>,
    /// A role that the caller holds while using this token; may be given more than once
    #[arg(long = "role", value_name = "ROLE", requires = "subject")]
    pub(super) roles: Vec<String>,
    /// A scope of the token; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE", requires = "subject")]
    pub(super) scopes: Vec<String>,
    /// How long it lives: 90s, 1h, 30d or never; otherwise what `[tokens] ttl` says, or with tenants what a
    /// login would give
    #[arg(long, value_parser = ttl)]
    pub(super) ttl: Option<String>,
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows what a token is worth: whose it is, what it may, until when
///
/// The token is read from standard input or a file, never from an argument: other users of the machine can
/// read those. Exits with 65 when the token is not good.
#[derive(Args)]
#[command(after_help = "\
Examples:
  echo \"$TOKEN\" | tollgate token show --config tollgate.toml
  tollgate token show --config tollgate.toml --token-file token.txt --json")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Read the token from this file (- is standard input, as without this option)
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// The id that was told when it was issued, instead of the token
    #[arg(long, value_name = "UUID", conflicts_with = "token_file")]
    pub(super) id: Option<Uuid>,
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Revokes a token, or all tokens of a subject: from then on they are refused
///
/// A token is read from standard input or a file, never from an argument. There is no way back: issue a new
/// one. Exits with 65 when there was nothing to revoke.
#[derive(Args)]
#[command(after_help = "\
Examples:
  echo \"$TOKEN\" | tollgate token revoke --config tollgate.toml
  tollgate token revoke --config tollgate.toml --subject ann")]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Read the token from this file (- is standard input, as without this option)
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// The id that was told when it was issued, instead of the token
    #[arg(long, value_name = "UUID", conflicts_with = "token_file")]
    pub(super) id: Option<Uuid>,
    /// All tokens of this subject; with tenants see `user revoke`, `admin revoke`, `client revoke`
    #[arg(long, value_name = "ID", conflicts_with_all = ["token_file", "id"])]
    pub(super) subject: Option<String>,
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints a completion script for your shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  tollgate completions bash > ~/.local/share/bash-completion/completions/tollgate
  tollgate completions fish > ~/.config/fish/completions/tollgate.fish")]
pub(super) struct CompletionsArgs {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}

/// `ann`, or `{"id":"eve","roles":["buyer"]}`.
fn caller(text: &str) -> Result<Caller, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            format!("{error}; write {{\"id\":\"ann\",\"roles\":[\"buyer\"]}}, or an id alone")
        });
    }
    if text.is_empty() {
        return Err("a caller has an id".to_owned());
    }
    Ok(Caller { id: text.to_owned(), ..Caller::default() })
}

fn ttl(text: &str) -> Result<String, String> {
    match crate::app::admin::desk::ttl(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(complaint) => Err(complaint.help.unwrap_or(complaint.error)),
    }
}
