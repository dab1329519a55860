//! What has to hold of anything that a stranger sends, one law a function: bytes in, a panic where the law
//! is broken. `cargo fuzz` (fuzz/) looks for such bytes without an end, and the tests of this room for as
//! long as `make test` may take. Not part of the program.
//!
//! A law looks at what the gateway does through the functions that do it, and says what is right in other
//! words than they do: a second reading, a way back, a thing that must make no difference.

mod config;
mod credential;
mod framing;
mod grant;
mod head;
mod path;
mod proxy;
#[cfg(test)]
mod tests;
mod token;
mod written;

pub use self::{
    config::config, credential::credential, framing::framing, grant::grant, head::head, path::path,
    proxy::proxy, token::token,
};

/// Decodes every good escape once and leaves bad ones: what a careless program does.
fn decoded_once(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let pair = (text[at] == b'%').then(|| digit(at + 1).zip(digit(at + 2))).flatten();
        let byte = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(byte.unwrap_or(text[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}
