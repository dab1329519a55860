//! Organizations, applications, admins, users, roles and groups: what `[usergrid]` keeps in the store,
//! and every operation on it. Endpoints, commands and the bootstrap call the same functions.
//!
//! Documents of one slot change together or not at all (`transaction`). Where something needs two
//! slots, the application's is written first and the directory's last: only that write makes it exist.

mod admins;
mod applications;
mod bootstrap;
pub mod clients;
mod error;
mod groups;
pub mod guessing;
pub(crate) mod keys;
mod login;
pub mod model;
mod names;
pub mod organizations;
pub mod passwords;
mod principals;
mod roles;
mod tenants;
mod transaction;
mod users;
pub mod vault;

use std::{io, rc::Rc, sync::Arc, time::SystemTime};

use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::{
    admins::{AdminChange, NewAdmin},
    applications::ApplicationChange,
    clients::ClientSecret,
    error::{DirectoryError, Kind},
    login::LoginError,
    organizations::{Created, NewOrganization},
    principals::{Standing, WrongPrincipal},
    roles::Grant,
    tenants::{Asker, HotTenant, KnownTenant, TenantName, Tenants, UserRef},
    users::{NewUser, UserChange},
};
use crate::{
    config,
    fences::Fences,
    secret::Secret,
    store::Store,
    token::{id::IdSource, ttl::unix_ms},
};
use passwords::Passwords;
use tenants::{Graces, HotTenants};
use vault::Vault;

/// What all workers share of the directory.
#[derive(Clone)]
pub struct DirectoryOrigin {
    settings: Arc<config::Usergrid>,
    fences: Arc<Fences>,
    vault: Arc<Vault>,
    passwords: Arc<Passwords>,
    turns: Arc<Semaphore>,
    registrations: Arc<Semaphore>,
    ids: Arc<IdSource>,
    tenants: Tenants,
}

impl std::fmt::Debug for DirectoryOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryOrigin")
    }
}

impl DirectoryOrigin {
    /// The shared part for `settings`. Threads that hash passwords outlive a reload that leaves their
    /// number alone.
    ///
    /// # Errors
    /// When the system gives no thread or no randomness.
    pub fn new(
        settings: &config::Usergrid,
        tokens: &config::Tokens,
        secrets: &[Secret],
        fences: Arc<Fences>,
        before: Option<&Self>,
    ) -> io::Result<Self> {
        let random = getrandom::u64().map_err(io::Error::other)?;
        let passwords = match before.filter(|before| before.settings.hashes == settings.hashes) {
            Some(before) => Arc::clone(&before.passwords),
            None => Passwords::start(settings.hashes)?,
        };
        let graces = Graces { guests: settings.guest_grace, callers: tokens.grace };
        Ok(Self {
            settings: Arc::new(settings.clone()),
            tenants: Tenants::new(Arc::clone(&fences), tokens.lives(), graces),
            fences,
            vault: Arc::new(Vault::new(secrets)),
            passwords,
            turns: Arc::new(Semaphore::new(settings.hashes * TURNS_PER_HASH)),
            registrations: Arc::new(Semaphore::new(1)),
            ids: Arc::new(IdSource::new(random.to_be_bytes())),
        })
    }

    /// One worker's handle, over its own connection to the store.
    #[must_use]
    pub fn attach(&self, store: Store) -> Directory {
        Directory {
            store,
            settings: Arc::clone(&self.settings),
            fences: Arc::clone(&self.fences),
            vault: Arc::clone(&self.vault),
            passwords: Arc::clone(&self.passwords),
            turns: Arc::clone(&self.turns),
            registrations: Arc::clone(&self.registrations),
            ids: Arc::clone(&self.ids),
            tenants: self.tenants.clone(),
            hot: Rc::default(),
        }
    }
}

/// One worker's handle on the directory.
#[derive(Clone)]
pub struct Directory {
    pub(crate) store: Store,
    settings: Arc<config::Usergrid>,
    pub(crate) fences: Arc<Fences>,
    vault: Arc<Vault>,
    passwords: Arc<Passwords>,
    turns: Arc<Semaphore>,
    registrations: Arc<Semaphore>,
    ids: Arc<IdSource>,
    pub(crate) tenants: Tenants,
    hot: Rc<HotTenants>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

impl Directory {
    /// `[usergrid]`.
    #[must_use]
    pub fn settings(&self) -> &config::Usergrid {
        &self.settings
    }

    /// Moves the fence of a token when what it returns is dropped: hold it while the token is revoked.
    #[must_use]
    pub fn bump_token(&self, id: Uuid) -> impl Drop + '_ {
        transaction::BumpAtEnd { fences: &self.fences, moved: vec![self.fences.of_token(id)] }
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A new time UUID.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        self.ids.next(SystemTime::now())
    }

    /// `id`, or a new one. The nil UUID stands for nobody.
    fn id_or_new(&self, id: Option<Uuid>) -> Result<Uuid, DirectoryError> {
        match id {
            Some(id) if id.is_nil() => Err(DirectoryError::invalid("the nil UUID names nothing")),
            Some(id) => Ok(id),
            None => Ok(self.new_id()),
        }
    }
}

/// Logins under way per password that is hashed: while one is hashed, another asks the store.
const TURNS_PER_HASH: usize = 2;

/// Most entries of a set that are read at once.
pub(crate) const PAGE: usize = 1_000;

/// A first generation that nobody can guess and no JSON reader rounds (52 bits; doubles hold 53).
fn first_generation() -> Result<u64, DirectoryError> {
    Ok(getrandom::u64()? >> 12)
}

/// The generation after `generation`: every token of before is revoked.
fn next_generation(generation: u64) -> u64 {
    generation.wrapping_add(1)
}

fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}
