//! The text of a token: only what a key of ours signed is one, and it has one spelling.

use uuid::Uuid;

use crate::{
    secret::Secret,
    token::keyring::{Keyring, TEXT_LENGTH},
};

/// The first two verify; the last is somebody else's.
const SECRETS: [&str; 3] = [
    "the first secret of this keyring",
    "the second secret of this keyring",
    "another gateway's secret, not ours",
];

/// Any text; and the token whose id and expiry are the first 24 bytes, signed with the secret that the next
/// one names, changed where each two bytes after these say.
///
/// A text verifies exactly when a key of the ring makes the same text of what is read in it.
///
/// # Panics
/// When it does not hold.
pub fn token(data: &[u8]) {
    let ours = Keyring::new(&SECRETS[..2].iter().map(|it| Secret::new(*it)).collect::<Vec<_>>());
    if let Ok(text) = std::str::from_utf8(data) {
        is_ours_or_refused(&ours, text);
    }
    let Some((id, rest)) = data.split_first_chunk::<16>() else { return };
    let Some((expiry, rest)) = rest.split_first_chunk::<8>() else { return };
    let Some((which, changes)) = rest.split_first() else { return };
    let which = usize::from(*which) % SECRETS.len();
    let (id, expires_ms) = (Uuid::from_bytes(*id), i64::from_be_bytes(*expiry));
    let signer = Keyring::new(&[Secret::new(SECRETS[which])]);
    let Some(minted) = signer.mint(id, expires_ms) else { panic!("a keyring with a key mints") };
    let mut bytes = minted.expose().as_bytes().to_vec();
    for change in changes.chunks_exact(2).take(TEXT_LENGTH) {
        bytes[usize::from(change[0]) % TEXT_LENGTH] = change[1];
    }
    let Ok(text) = std::str::from_utf8(&bytes) else { return };
    let verified = is_ours_or_refused(&ours, text);
    if text == minted.expose() {
        assert_eq!(verified, which < 2, "signed with the secret {which}");
    }
}

fn is_ours_or_refused(ring: &Keyring, text: &str) -> bool {
    let Ok(verified) = ring.verify(text) else { return false };
    let made = SECRETS[..2].iter().any(|secret| {
        let minted = Keyring::new(&[Secret::new(*secret)]).mint(verified.id, verified.expires_ms);
        minted.is_some_and(|minted| minted.expose() == text)
    });
    assert!(made, "none of our keys made {text:?}");
    true
}
