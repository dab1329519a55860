//! Client ids, client secrets, and how the secrets are kept: encrypted, because they must be shown again.
//!
//! The first configured secret's key seals, all open. A sealed secret opens for the client it was sealed
//! for only: its id is part of what the cipher authenticates.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::secret::Secret;

/// Names the use of the derived key, so that no other key made of the secret is ever this one.
const KEY_USE: &[u8] = b"tollgate/1 client secret key";
/// Names the derivation of the key's number, which says nothing about the key.
const NUMBER_USE: &[u8] = b"tollgate/1 client secret key number";

/// Characters of a client id: a prefix of 4, and 16 bytes in base64.
const ID_LENGTH: usize = 26;
const TAG: usize = 3;
/// Random bytes of a client secret.
const SECRET_BYTES: usize = 20;

/// Whose client it is. Users have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// An organization's: `b3U6…`.
    Organization,
    /// An application's: `YXA6…`.
    Application,
}

impl ClientKind {
    /// Three bytes fill four characters of base64 exactly: these become `b3U6` and `YXA6`.
    const fn tag(self) -> [u8; TAG] {
        match self {
            Self::Organization => *b"ou:",
            Self::Application => *b"ap:",
        }
    }
}

/// A client's id: the organization or application itself, in the platform's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    /// Whose client it is.
    pub kind: ClientKind,
    /// The UUID of that organization or application.
    pub id: Uuid,
}

impl ClientId {
    /// Reads a client id. A client has one spelling: 26 characters, spare bits zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != ID_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, id) = bytes.split_first_chunk::<TAG>()?;
        let id = Uuid::from_slice(id).ok()?;
        let mut kinds = [ClientKind::Organization, ClientKind::Application].into_iter();
        Some(Self { kind: kinds.find(|kind| kind.tag() == *tag)?, id })
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; TAG + 16];
        bytes[..TAG].copy_from_slice(&self.kind.tag());
        bytes[TAG..].copy_from_slice(self.id.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// A new client secret: 31 characters, of which 27 are random.
///
/// # Errors
///
/// When the system gives no random numbers.
pub fn new_secret(kind: ClientKind) -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; TAG + SECRET_BYTES];
    bytes[..TAG].copy_from_slice(&kind.tag());
    getrandom::fill(&mut bytes[TAG..])?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Whether two secrets are equal, in a time that tells nothing but their lengths.
#[must_use]
pub fn same(a: &Secret, b: &Secret) -> bool {
    verify_slices_are_equal(a.expose().as_bytes(), b.expose().as_bytes()).is_ok()
}

/// A secret as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The number of the key that opens it: 8 hexadecimal digits.
    key: String,
    /// base64url(nonce ‖ ciphertext ‖ tag).
    text: String,
}

/// Why a secret was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// `secret` is not configured.
    #[error("there is no secret to encrypt client secrets with")]
    NoKey,
    /// The cipher or its random numbers failed.
    #[error("a client secret could not be encrypted")]
    Failed,
}

/// The keys that client secrets are encrypted with. The first seals, all open.
pub struct Vault {
    keys: Vec<Key>,
}

struct Key {
    number: String,
    cipher: RandomizedNonceKey,
}

impl Vault {
    /// Derives the keys. The configuration has checked the secrets' length; without any, nothing is
    /// sealed and nothing opens.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Self {
        Self { keys: secrets.iter().filter_map(Key::derive).collect() }
    }

    /// Encrypts `secret` for the client `client_id` under the first key.
    ///
    /// # Errors
    ///
    /// [`VaultError`] without a key, or without random numbers.
    pub fn seal(&self, client_id: &str, secret: &Secret) -> Result<Sealed, VaultError> {
        let key = self.keys.first().ok_or(VaultError::NoKey)?;
        let mut sealed = secret.expose().as_bytes().to_vec();
        let nonce = key
            .cipher
            .seal_in_place_append_tag(Aad::from(client_id), &mut sealed)
            .map_err(|_| VaultError::Failed)?;
        let bytes = [nonce.as_ref().as_slice(), &sealed].concat();
        Ok(Sealed { key: key.number.clone(), text: URL_SAFE_NO_PAD.encode(bytes) })
    }

    /// Decrypts what was sealed for the client `client_id`. `None` when it was sealed under a secret that
    /// is not configured any more, for another client, or was changed since.
    #[must_use]
    pub fn open(&self, client_id: &str, sealed: &Sealed) -> Option<Secret> {
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.text).ok()?;
        let (nonce, content) = bytes.split_first_chunk::<NONCE_LEN>()?;
        // Numbers are short: two keys may share one.
        let keys = self.keys.iter().filter(|key| key.number == sealed.key);
        keys.filter_map(|key| key.open(client_id, *nonce, content.to_vec())).next()
    }

    /// Whether the first key sealed it. If not, seal it anew when that is convenient, before its secret
    /// is taken out of the configuration.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        self.keys.first().is_some_and(|key| key.number == sealed.key)
    }
}

impl Key {
    /// `None` cannot happen: the lengths are legal for HKDF and the cipher.
    fn derive(secret: &Secret) -> Option<Self> {
        let hkdf = Hkdf::<Sha256>::new(None, secret.expose().as_bytes());
        let (mut key, mut number) = ([0; 32], [0; 4]);
        hkdf.expand(KEY_USE, &mut key).ok()?;
        hkdf.expand(NUMBER_USE, &mut number).ok()?;
        let number = format!("{:08x}", u32::from_be_bytes(number));
        Some(Self { number, cipher: RandomizedNonceKey::new(&AES_256_GCM, &key).ok()? })
    }

    fn open(
        &self,
        client_id: &str,
        nonce: [u8; NONCE_LEN],
        mut content: Vec<u8>,
    ) -> Option<Secret> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.cipher.open_in_place(nonce, Aad::from(client_id), &mut content).ok()?;
        Some(Secret::new(std::str::from_utf8(plain).ok()?))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "YXA6C1wfYH0qEe6KEQEjRWeJqw";

    fn vault(secrets: &[&str]) -> Vault {
        Vault::new(&secrets.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>())
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn published_client_ids_are_read_and_written() {
        let (organization, application) = (ClientKind::Organization, ClientKind::Application);
        let cases = [
            ("b3U68vghI6FmEeKn9wLoGtzz0A", organization, "f2f82123-a166-11e2-a7f7-02e81adcf3d0"),
            ("YXA6Us6Rg0b0EeKuRALoGsWhew", application,  "52ce9183-46f4-11e2-ae44-02e81ac5a17b"),
            ("YXA6C1wfYH0qEe6KEQEjRWeJqw", application,  "0b5c1f60-7d2a-11ee-8a11-0123456789ab"),
            ("b3U6C1wfYH0qEe6KEQEjRWeJqw", organization, "0b5c1f60-7d2a-11ee-8a11-0123456789ab"),
        ];
        for (text, kind, id) in cases {
            let client = ClientId { kind, id: id.parse().unwrap() };
            assert_eq!(ClientId::parse(text), Some(client), "{text}");
            assert_eq!(client.to_string(), text);
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn what_is_not_exactly_a_client_id_is_none() {
        let cases = [
            ("",                            "empty"),
            ("YWQ6C1wfYH0qEe6KEQEjRWeJqw",  "an admin"),
            ("YXU6C1wfYH0qEe6KEQEjRWeJqw",  "an application's user"),
            ("YXB7C1wfYH0qEe6KEQEjRWeJqw",  "an altered sample"),
            ("YXA7C1wfYH0qEe6KEQEjRWeJqw",  "another altered sample"),
            ("c2V7C1wfYH0qEe6KEQEjRWeJqw",  "a third"),
            ("YXA6C1wfYH0qEe6KEQEjRWeJq",   "a character short"),
            ("YXA6C1wfYH0qEe6KEQEjRWeJqwA", "a character long"),
            ("YXA6C1wfYH0qEe6KEQEjRWeJqx",  "spare bits"),
            ("YXA6C1wfYH0qEe6KEQEjRWeJq=",  "padded"),
            ("YXA6C1wfYH0qEe6KEQ+jRWeJqw",  "the other alphabet"),
            ("YXA6C1wfYH0qEe6KEQ jRWeJqw",  "a blank"),
            ("yxa6C1wfYH0qEe6KEQEjRWeJqw",  "the prefix in another case"),
            ("YXA6C1wfYH0qEe6KEQéRWeJqw",   "not ASCII"),
        ];
        for (text, what) in cases {
            assert_eq!(ClientId::parse(text), None, "{what}");
        }
    }

    #[test]
    fn a_new_secret_has_its_prefix_and_31_characters_and_differs_from_the_last() {
        let cases = [(ClientKind::Organization, "b3U6"), (ClientKind::Application, "YXA6")];
        for (kind, prefix) in cases {
            let (a, b) = (new_secret(kind).unwrap(), new_secret(kind).unwrap());
            assert_eq!(a.expose().len(), 31);
            assert!(a.expose().starts_with(prefix));
            assert!(!same(&a, &b));
            assert!(same(&a, &a.clone()));
        }
    }

    #[test]
    fn secrets_of_other_lengths_are_not_the_same() {
        let secret = Secret::new("YXA6secret");
        for other in ["", "YXA6secre", "YXA6secret ", "YXA6secreT"] {
            assert!(!same(&secret, &Secret::new(other)), "{other}");
        }
    }

    #[test]
    fn what_is_sealed_opens_for_its_client_only_and_shows_nothing() {
        let vault = vault(&["first"]);
        let secret = Secret::new("YXA6kFZ7");
        let sealed = vault.seal(CLIENT, &secret).unwrap();
        assert_eq!(vault.open(CLIENT, &sealed), Some(secret.clone()));
        assert_eq!(vault.open("b3U6C1wfYH0qEe6KEQEjRWeJqw", &sealed), None);
        assert!(!serde_json::to_string(&sealed).unwrap().contains(secret.expose()));
        assert_ne!(vault.seal(CLIENT, &secret).unwrap(), sealed, "a nonce serves once");
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let vault = vault(&["first"]);
        let sealed = vault.seal(CLIENT, &Secret::new("YXA6kFZ7")).unwrap();
        for at in 0..sealed.text.len() {
            let mut text = sealed.text.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'Q' } else { b'A' };
            let changed = Sealed { text: String::from_utf8(text).unwrap(), ..sealed.clone() };
            assert_eq!(vault.open(CLIENT, &changed), None, "at {at}");
        }
        for text in ["", "AAAA", "not base64!", &sealed.text[..20]] {
            let changed = Sealed { text: text.to_owned(), ..sealed.clone() };
            assert_eq!(vault.open(CLIENT, &changed), None, "{text}");
        }
    }

    #[test]
    fn a_rotated_secret_still_opens_but_is_not_current_and_a_removed_one_does_not() {
        let (old, both, new) = (vault(&["old"]), vault(&["new", "old"]), vault(&["new"]));
        let secret = Secret::new("YXA6kFZ7");
        let sealed = old.seal(CLIENT, &secret).unwrap();
        assert!(old.is_current(&sealed));
        assert_eq!(both.open(CLIENT, &sealed), Some(secret.clone()));
        assert!(!both.is_current(&sealed));
        assert_eq!(new.open(CLIENT, &sealed), None);
        let anew = both.seal(CLIENT, &secret).unwrap();
        assert!(both.is_current(&anew));
        assert_eq!(new.open(CLIENT, &anew), Some(secret));
    }

    #[test]
    fn what_the_store_keeps_never_changes_its_form() {
        // Made by other software; sealed secrets outlive the release that sealed them.
        let stored =
            r#"{"key":"d3cac218","text":"AAECAwQFBgcICQoLrAf8MORMyaVAsT8bzdsNQKL25yQorglc"}"#;
        let sealed: Sealed = serde_json::from_str(stored).unwrap();
        let opened = vault(&["a secret of at least 32 characters!"]).open(CLIENT, &sealed);
        assert_eq!(opened, Some(Secret::new("YXA6kFZ7")));
        assert_eq!(serde_json::to_string(&sealed).unwrap(), stored);
    }

    #[test]
    fn without_a_secret_nothing_is_sealed_and_nothing_opens() {
        let none = vault(&[]);
        assert_eq!(none.seal(CLIENT, &Secret::new("x")), Err(VaultError::NoKey));
        let sealed = vault(&["first"]).seal(CLIENT, &Secret::new("x")).unwrap();
        assert_eq!(none.open(CLIENT, &sealed), None);
        assert!(!none.is_current(&sealed));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", vault(&["a", "b"])), "Vault(2 keys)");
    }
}
