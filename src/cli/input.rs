//! Secrets that come in: from a file or standard input, never from an argument, which other users of a
//! machine can read.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Exit, Failure, screen::err};
use crate::secret::Secret;

/// Largest file or input that can be a secret: four times the longest token of another service.
const BYTES_MAX: u64 = 16 * 1024;

/// Reads the secret that `what` names from `file`, or from standard input. White space around it is
/// no part of it.
pub(super) fn secret(what: &str, file: Option<&Path>, help: &str) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = match file {
        Some(path) if path != Path::new("-") => {
            fs::File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
        }
        _ => {
            let input = io::stdin();
            if input.is_terminal() {
                err(&format!("the {what}, and Enter:"));
                let _silence = Silence::of(&input);
                input.read_line(&mut text)
            } else {
                input.lock().take(BYTES_MAX).read_to_string(&mut text)
            }
        }
    };
    let from = file.map_or("standard input".to_owned(), |path| path.display().to_string());
    read.map_err(|error| {
        Failure::new(Exit::Data, format!("reading the {what} from {from}: {error}"))
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::new(Exit::Data, format!("there is no {what} in {from}")).help(help));
    }
    Ok(Secret::new(text))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence<'a> {
    input: &'a io::Stdin,
    before: Termios,
}

impl<'a> Silence<'a> {
    /// `None` where the terminal cannot be told.
    fn of(input: &'a io::Stdin) -> Option<Self> {
        let before = tcgetattr(input).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(input, OptionalActions::Now, &silent).ok()?;
        Some(Self { input, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.input, OptionalActions::Now, &self.before);
        err("");
    }
}
