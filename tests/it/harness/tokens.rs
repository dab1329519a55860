//! Tokens of the test's own making, and the people who hold them.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use tollgate::{
    config,
    secret::Secret,
    store::StoreOrigin,
    token::{
        keyring::Keyring,
        record::TokenRecord,
        ttl::{RECORD_SLACK_MS, unix_ms},
    },
};
use uuid::Uuid;

use super::PATIENCE;

/// Signs every token of the tests.
pub(crate) const SECRET: &str = "it-6f1c0b1d2e3a49587766554433221100ffeeddcc";

/// Everybody with a token, and the roles and scopes they hold.
pub(crate) const PEOPLE: [(&str, &[&str], &[&str]); 5] = [
    ("ann", &[], &[]),
    ("eve", &["buyer"], &[]),
    ("sam", &["support"], &[]),
    ("root", &["admin", "night shift"], &[]),
    ("rob", &[], &["reports"]),
];

/// A token and where its record is kept.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) id: Uuid,
    pub(crate) text: String,
    pub(crate) record: TokenRecord,
}

impl Token {
    /// A fresh token of `subject`, good for an hour.
    pub(crate) fn of(subject: &str) -> Self {
        Self::expiring(subject, Duration::from_secs(3600))
    }

    pub(crate) fn expiring(subject: &str, ttl: Duration) -> Self {
        let now = unix_ms(SystemTime::now());
        let expires_ms = now + i64::try_from(ttl.as_millis()).unwrap();
        Self::at(subject, now, expires_ms)
    }

    /// One whose life is over.
    pub(crate) fn expired(subject: &str) -> Self {
        let now = unix_ms(SystemTime::now());
        Self::at(subject, now - 2000, now - 1000)
    }

    fn at(subject: &str, issued_ms: i64, expires_ms: i64) -> Self {
        let (roles, scopes) = PEOPLE
            .iter()
            .find(|(name, ..)| *name == subject)
            .map_or((&[][..], &[][..]), |(_, roles, scopes)| (*roles, *scopes));
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let id = Uuid::new_v4();
        let text = keyring().mint(id, expires_ms).unwrap().expose().to_owned();
        let record = TokenRecord {
            subject: subject.to_owned(),
            holder: None,
            name: Some(format!("{subject} of the tests")),
            email: None,
            roles: owned(roles),
            scopes: owned(scopes),
            issued_ms,
            expires_ms,
            generation: 1,
        };
        Self { id, text, record }
    }

    /// When the store may forget it.
    pub(crate) fn kept_until_ms(&self) -> i64 {
        self.record.expires_ms + RECORD_SLACK_MS
    }
}

fn keyring() -> Keyring {
    Keyring::new(&[Secret::new(SECRET)])
}

/// A token that another secret signed.
pub(crate) fn forged() -> String {
    let stranger = Keyring::new(&[Secret::new("a stranger's secret, also long enough to be one")]);
    stranger.mint(Uuid::new_v4(), i64::MAX).unwrap().expose().to_owned()
}

/// A token that we signed and nobody keeps.
pub(crate) fn unknown() -> String {
    keyring().mint(Uuid::new_v4(), i64::MAX).unwrap().expose().to_owned()
}

/// Makes the embedded file, with one token for each of [`PEOPLE`].
pub(crate) fn fill(file: &Path) -> HashMap<&'static str, Token> {
    let tokens: HashMap<&str, Token> =
        PEOPLE.iter().map(|(name, ..)| (*name, Token::of(name))).collect();
    write(file, tokens.values());
    tokens
}

/// Adds tokens to the embedded file, which no gateway may hold.
pub(crate) fn write<'a>(file: &Path, tokens: impl Iterator<Item = &'a Token>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let store = StoreOrigin::open(&config::Store::File(file.to_owned())).unwrap();
        let store = store.attach(&std::sync::Arc::default(), |_| ());
        for token in tokens {
            // A disk that many tests write to may be slower than a store may be.
            let give_up = Instant::now() + PATIENCE;
            while let Err(error) = store.issue(token.id, token.record.clone()).await {
                assert!(Instant::now() < give_up, "{error}");
            }
        }
    });
}
