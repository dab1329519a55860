//! `tollgate keygen`: a new secret, printed once.

use std::io::IsTerminal as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Exit, Failure,
    screen::{err, out},
};

/// 256 bits: what HMAC-SHA-256 can use.
const BYTES: usize = 32;

pub(super) fn run() -> Result<(), Failure> {
    out(&new_secret()?);
    if std::io::stdout().is_terminal() {
        err("\
This keys every token, and is not shown again. Keep it in a file that only the gateway can read:
  (umask 077; tollgate keygen > tollgate.secret)
and name that file in the configuration:
  secret = \"${file:tollgate.secret}\"");
    }
    Ok(())
}

/// 256 random bits as base64url.
pub(super) fn new_secret() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Exit::Software, format!("the system has no random numbers: {error}"))
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
