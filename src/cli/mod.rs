//! The command line: arguments → command → exit code. Each command is a file; `args` is what all of
//! them understand, and what help, completions and `docs/cli.md` are made from.
//!
//! Never takes a secret as an argument: other users of a machine can read those.

mod args;
mod ask;
mod check;
mod client;
mod demo;
mod diff;
mod directory;
mod explain;
mod init;
mod input;
mod keygen;
mod screen;
mod serve;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::{
    args::{Cli, Command},
    screen::{err, out},
};
use crate::{
    app::{
        AppError,
        admin::wire::{Complaint, Kind},
    },
    config::Report,
    store::StoreError,
};

/// How a command ends, from sysexits(3), so that a script or an init system can tell "fix the file" from
/// "try again".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Something opens that was to stay closed.
    Opens = 1,
    /// The command line makes no sense.
    Usage = 64,
    /// What was given to the command makes no sense.
    Data = 65,
    /// A store, a gateway or an address cannot be had now.
    Unavailable = 69,
    /// A fault of ours, or of the system under us.
    Software = 70,
    /// The configuration file is wrong.
    Config = 78,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    /// What happened. Empty when it has been said already.
    message: String,
    /// What to do.
    help: Option<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print(); // nobody is left to tell when the terminal is gone
            let wrong = error.use_stderr();
            return ExitCode::from(if wrong { Exit::Usage as u8 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Keygen => keygen::run(),
        Command::Token(command) => token::run(command),
        Command::Org(command) => directory::org(command),
        Command::App(command) => directory::app(command),
        Command::Admin(command) => directory::admin(command),
        Command::User(command) => directory::user(command),
        Command::Role(command) => directory::role(command),
        Command::Client(command) => directory::client(command),
        Command::Completions(args) => {
            completions(args.shell);
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                err(&format!("error: {}", failure.message));
            }
            if let Some(help) = &failure.help {
                err(&format!("help: {help}"));
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// The definitions of all commands, for whoever makes documents of them.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "tollgate", &mut script);
    out(&String::from_utf8_lossy(&script));
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        err(report.render(screen::err_has_color()).trim_end());
        Self::new(Exit::Config, "")
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let exit = match &error {
            AppError::Bind(_) | AppError::Store(_) => Exit::Unavailable,
            AppError::Inherit(_) => Exit::Config,
            AppError::System(_) | AppError::WorkerEnded => Exit::Software,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Unavailable, error.to_string())
    }
}

impl From<Complaint> for Failure {
    fn from(complaint: Complaint) -> Self {
        let exit = match complaint.kind {
            Kind::BadInput | Kind::TooLarge => Exit::Data,
            Kind::Foreign | Kind::NoTenants => Exit::Config,
            Kind::Unavailable => Exit::Unavailable,
            Kind::Refused | Kind::Path | Kind::Method | Kind::NotJson | Kind::Fault => {
                Exit::Software
            }
        };
        Self { exit, message: complaint.error, help: complaint.help }
    }
}
