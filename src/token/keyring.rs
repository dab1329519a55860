//! The text of a token: `YWMt` + base64url(16-byte time UUID ‖ 8-byte expiry, ms ‖ 20 bytes of
//! HMAC-SHA-256), 63 characters, without padding.
//!
//! A text has one spelling: the alphabet is URL-safe only, and the two bits that the last character
//! has to spare are zero. `YWMt` is the base64 of `ac-`, and three bytes fill four characters
//! exactly, so the whole text decodes in one piece.

use std::fmt;

use base64::{
    Engine as _,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::secret::Secret;

/// Characters of a token's text.
pub const TEXT_LENGTH: usize = 63;

/// What every token begins with.
const PREFIX: &str = "YWMt";
/// What that decodes to: the platform's word for an access token.
const TAG: [u8; 3] = *b"ac-";
const ID: usize = TAG.len();
const EXPIRY: usize = ID + 16;
const MAC: usize = EXPIRY + 8;
/// Bytes of the MAC that are kept: 160 bits, which is also what the length of the text leaves.
const MAC_LENGTH: usize = 20;
const BYTES: usize = MAC + MAC_LENGTH;

/// Names the use of the derived key, so that no other key made of the secret is ever this one.
const KEY_USE: &[u8] = b"tollgate/1 access token key";
/// Opens every MAC, so that one computed over other things under this key is never a token's.
const LABEL: &[u8; 24] = b"tollgate/1 access token\0";

/// Without padding, and with spare bits that must be zero: both are what the defaults say.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

type HmacSha256 = Hmac<Sha256>;

/// Keys derived from the configured secrets. The first signs, all verify.
#[derive(Clone)]
pub struct Keyring {
    /// HMAC states that have taken their key in: cloning one costs less than keying it.
    keyed: Vec<HmacSha256>,
}

/// What a token's text says, once its MAC has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The key of the token's record.
    pub id: Uuid,
    /// Milliseconds since the epoch; `i64::MAX` never expires. A token is expired at this instant.
    pub expires_ms: i64,
}

/// Why a text is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Its length, prefix or alphabet is not that of a token.
    #[error("the token is malformed")]
    Malformed,
    /// It is shaped like a token, and no key of ours signed it.
    #[error("the token's signature is wrong")]
    Forged,
}

impl Keyring {
    /// Derives the keys. At least one secret; the configuration has checked their length. Without
    /// any, nothing can be minted and everything is forged.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Self {
        Self { keyed: secrets.iter().filter_map(keyed).collect() }
    }

    /// The text of the token `id`, signed with the first secret. `None` when there is no secret.
    #[must_use]
    pub fn mint(&self, id: Uuid, expires_ms: i64) -> Option<Secret> {
        let mut bytes = [0; BYTES];
        bytes[..ID].copy_from_slice(&TAG);
        bytes[ID..EXPIRY].copy_from_slice(id.as_bytes());
        bytes[EXPIRY..MAC].copy_from_slice(&expires_ms.to_be_bytes());
        let mac = signed(self.keyed.first()?, &bytes[ID..MAC]).finalize().into_bytes();
        bytes[MAC..].copy_from_slice(&mac[..MAC_LENGTH]);
        Some(Secret::new(BASE64.encode(bytes)))
    }

    /// Reads `text` and checks its MAC in constant time. Expiry is the caller's to judge: there is
    /// no clock here.
    ///
    /// # Errors
    ///
    /// [`Unverified`] when no secret of ours signed exactly this text.
    pub fn verify(&self, text: &str) -> Result<Verified, Unverified> {
        if text.len() != TEXT_LENGTH || !text.starts_with(PREFIX) {
            return Err(Unverified::Malformed);
        }
        // One byte more than needed: the decoder wants room for whole groups of four characters.
        let mut bytes = [0; BYTES + 1];
        let length = BASE64.decode_slice(text, &mut bytes).map_err(|_| Unverified::Malformed)?;
        if length != BYTES {
            return Err(Unverified::Malformed);
        }
        let mac = &bytes[MAC..BYTES];
        let good =
            |key: &HmacSha256| signed(key, &bytes[ID..MAC]).verify_truncated_left(mac).is_ok();
        if !self.keyed.iter().any(good) {
            return Err(Unverified::Forged);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[ID..EXPIRY]);
        let mut expiry = [0; 8];
        expiry.copy_from_slice(&bytes[EXPIRY..MAC]);
        Ok(Verified { id: Uuid::from_bytes(id), expires_ms: i64::from_be_bytes(expiry) })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keyed.len())
    }
}

/// The HMAC state of `secret`. `None` cannot happen: 32 bytes are a legal HKDF output and HMAC key.
fn keyed(secret: &Secret) -> Option<HmacSha256> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret.expose().as_bytes()).expand(KEY_USE, &mut key).ok()?;
    HmacSha256::new_from_slice(&key).ok()
}

/// A MAC over the label and `content`, both of fixed length: nothing can move from one to the other.
fn signed(key: &HmacSha256, content: &[u8]) -> HmacSha256 {
    let mut mac = key.clone();
    mac.update(LABEL);
    mac.update(content);
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn ring(secrets: &[&str]) -> Keyring {
        Keyring::new(&secrets.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>())
    }

    fn minted(ring: &Keyring, id: u128, expires_ms: i64) -> String {
        ring.mint(Uuid::from_u128(id), expires_ms).unwrap().expose().to_owned()
    }

    #[test]
    fn a_text_never_changes_its_form() {
        // Pinned: tokens outlive the release that minted them.
        let text = minted(&ring(&["a secret of at least 32 characters!"]), 1, 2);
        assert_eq!(text, "YWMtAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAACX7aF4NPJa9m_DMnlP_jxvr88OqM");
        assert_eq!(text.len(), TEXT_LENGTH);
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn what_is_not_shaped_like_a_token_is_malformed() {
        let ring = ring(&["first"]);
        let good = minted(&ring, 7, 8);
        let cases = [
            (String::new(),                        "empty"),
            (good[..62].to_owned(),                "a character short"),
            (format!("{good}A"),                   "a character long"),
            (format!("{good}="),                   "padded"),
            (format!("YWNt{}", &good[4..]),        "another prefix"),
            (format!("ywmt{}", &good[4..]),        "prefix in another case"),
            (format!("{}+{}", &good[..30], &good[31..]), "the other alphabet's 62"),
            (format!("{}/{}", &good[..30], &good[31..]), "the other alphabet's 63"),
            (format!("{} {}", &good[..30], &good[31..]), "a blank inside"),
            (format!("{}é{}", &good[..30], &good[32..]), "not ASCII"),
            ("=".repeat(63),                       "only padding"),
        ];
        for (text, what) in cases {
            assert_eq!(ring.verify(&text), Err(Unverified::Malformed), "{what}");
        }
    }

    #[test]
    fn spare_bits_other_than_zero_are_a_second_spelling_and_malformed() {
        let ring = ring(&["first"]);
        let good = minted(&ring, 7, 8);
        let last = ALPHABET.iter().position(|&c| c == good.as_bytes()[62]).unwrap();
        assert_eq!(last % 4, 0, "59 characters hold 354 bits, 352 are used");
        for spare in 1..4 {
            let text = format!("{}{}", &good[..62], char::from(ALPHABET[last + spare]));
            assert_eq!(ring.verify(&text), Err(Unverified::Malformed));
        }
    }

    #[test]
    fn a_rotated_secret_still_verifies_and_a_removed_one_does_not() {
        let old = ring(&["old"]);
        let both = ring(&["new", "old"]);
        let new = ring(&["new"]);
        let text = minted(&old, 1, 2);
        assert!(both.verify(&text).is_ok());
        assert_eq!(new.verify(&text), Err(Unverified::Forged));
        assert!(new.verify(&minted(&both, 1, 2)).is_ok(), "the first secret signs");
    }

    #[test]
    fn without_a_secret_nothing_is_minted_and_everything_is_forged() {
        let none = Keyring::new(&[]);
        assert!(none.mint(Uuid::nil(), 1).is_none());
        assert_eq!(none.verify(&minted(&ring(&["x"]), 1, 2)), Err(Unverified::Forged));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", ring(&["a", "b"])), "Keyring(2 keys)");
    }

    proptest! {
        #[test]
        fn what_is_minted_verifies(id: u128, expires_ms: i64, secret in ".{1,40}") {
            let ring = ring(&[&secret]);
            let text = minted(&ring, id, expires_ms);
            prop_assert_eq!(text.len(), TEXT_LENGTH);
            prop_assert!(text.starts_with("YWMt"));
            let expected = Verified { id: Uuid::from_u128(id), expires_ms };
            prop_assert_eq!(ring.verify(&text), Ok(expected));
        }

        #[test]
        fn a_changed_character_is_refused(
            id: u128, expires_ms: i64, at in 0..TEXT_LENGTH, to in 0..64_usize,
        ) {
            let ring = ring(&["first", "second"]);
            let good = minted(&ring, id, expires_ms);
            let mut text = good.clone().into_bytes();
            text[at] = ALPHABET[to];
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(ring.verify(&text).is_ok(), text == good);
        }

        #[test]
        fn another_secret_is_refused(id: u128, expires_ms: i64, a in ".{1,20}", b in ".{1,20}") {
            prop_assume!(a != b);
            let text = minted(&ring(&[&a]), id, expires_ms);
            prop_assert_eq!(ring(&[&b]).verify(&text), Err(Unverified::Forged));
        }

        #[test]
        fn no_text_at_all_makes_it_panic(text in ".{0,70}") {
            prop_assert!(ring(&["first"]).verify(&text).is_err());
        }
    }
}
