//! From a path's names to the tenant they mean, near-cached: organization, application and roles, and
//! the users that paths name.
//!
//! Invariants: an entry counts only while the marks hold under which its documents were read, the
//! links of the store live on, and its time has not passed. While the store cannot answer, what it
//! said less than `guest-grace` ago counts for guests, and less than `[tokens] grace` ago for others.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::Hash,
    ops::Deref,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    Directory, keys,
    model::{Application, Organization, RoleTable, TenantIds, User},
};
use crate::{
    cache::{Cache, Found},
    fences::{Fences, Lives, Marks, Reading},
    permission::{PermissionSet, Spellings},
    policy::tenant::Tenant,
    principal::Named,
    store::{Store, StoreError},
};

/// Most tenants, and most users that paths name, kept near.
const TENANTS_MAX: usize = 10_000;
const USERS_MAX: usize = 50_000;

/// Most tenants that one worker keeps for itself.
const HOT_MAX: usize = 1_024;

/// Questions until an answer is found that no change overtook.
const TRIES: usize = 3;

/// How a path names a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TenantName {
    /// Organization and application by name, in lower case.
    Names(Box<str>, Box<str>),
    /// The application alone, by UUID.
    Application(Uuid),
}

/// A tenant, as the store had it a moment ago.
#[derive(Debug)]
pub struct KnownTenant {
    /// Whose it is.
    pub organization: Organization,
    /// What it is.
    pub application: Application,
    /// Roles and groups, as they are kept.
    pub table: RoleTable,
    /// What rules and permissions are judged in.
    pub tenant: Tenant,
}

impl KnownTenant {
    /// Whether neither the organization nor the application is shut out.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.organization.active && self.application.active
    }
}

/// A tenant as one worker knows it.
pub struct HotTenant {
    known: Arc<KnownTenant>,
    /// What that is worth.
    entry: Arc<Entry<KnownTenant>>,
}

impl Deref for HotTenant {
    type Target = KnownTenant;

    fn deref(&self) -> &KnownTenant {
        &self.known
    }
}

/// Tenants that one worker has met, by `acme/shop`.
pub(super) type HotTenants = RefCell<HashMap<Box<str>, Rc<HotTenant>>>;

/// A user that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRef {
    /// The UUID, as text.
    pub id: String,
    /// The username.
    pub username: String,
    /// The address.
    pub email: Option<String>,
}

impl UserRef {
    /// The spellings under which a path may name this user.
    #[must_use]
    pub fn spellings(&self) -> Spellings<'_> {
        Spellings { id: &self.id, name: Some(&self.username), email: self.email.as_deref() }
    }
}

impl From<&User> for UserRef {
    fn from(user: &User) -> Self {
        Self { id: user.id.to_string(), username: user.username.clone(), email: user.email.clone() }
    }
}

/// What all workers know of tenants and of the users that paths name.
#[derive(Clone)]
pub struct Tenants {
    tenants: Near<TenantName, KnownTenant>,
    users: Near<(Uuid, Box<str>), UserRef>,
}

impl Tenants {
    pub(super) fn new(fences: Arc<Fences>, lives: Lives, grace: Graces) -> Self {
        Self {
            tenants: Near::new(Arc::clone(&fences), lives, grace, TENANTS_MAX),
            users: Near::new(fences, lives, grace, USERS_MAX),
        }
    }
}

/// How long an answer counts while the store has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graces {
    /// `[usergrid] guest-grace`.
    pub(super) guests: Duration,
    /// `[tokens] grace`.
    pub(super) callers: Duration,
}

/// A cache of what was read from documents.
struct Near<K, V> {
    fences: Arc<Fences>,
    lives: Lives,
    grace: Graces,
    entries: Cache<K, Arc<Entry<V>>, Arc<StoreError>>,
}

impl<K, V> Clone for Near<K, V> {
    fn clone(&self) -> Self {
        let (fences, entries) = (Arc::clone(&self.fences), self.entries.clone());
        Self { fences, lives: self.lives, grace: self.grace, entries }
    }
}

/// An answer, and what it is worth.
struct Entry<V> {
    value: Option<Arc<V>>,
    marks: Marks,
    reading: Reading,
}

/// Who asks, and so how old an answer may be while the store has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Somebody who presented nothing.
    Guest,
    /// Somebody whose credential is to be judged.
    Caller,
}

impl<K: Hash + Eq + Clone, V> Near<K, V> {
    fn new(fences: Arc<Fences>, lives: Lives, grace: Graces, most: usize) -> Self {
        Self { fences, lives, grace, entries: Cache::new(most) }
    }

    fn counts(&self, entry: &Entry<V>) -> bool {
        self.fences.vouch(&entry.reading, self.lives, Instant::now())
            && self.fences.hold(&entry.marks)
    }

    /// Whether it is so young, and nothing behind it has changed.
    fn is_within(&self, entry: &Entry<V>, life: Duration) -> bool {
        entry.reading.at.elapsed() < life && self.fences.hold(&entry.marks)
    }

    /// What is known under `key`, asked for by `ask`, which reads from `store`, unless it is near.
    async fn find(
        &self,
        key: &K,
        asker: Asker,
        store: &Store,
        ask: impl AsyncFn() -> Result<(Option<V>, Marks), StoreError>,
    ) -> Result<Arc<Entry<V>>, Arc<StoreError>> {
        let asked = async || {
            let reading = self.fences.reading(store.ear());
            let (value, marks) = ask().await?;
            Ok(Arc::new(Entry { value: value.map(Arc::new), marks, reading }))
        };
        let longest = self.lives.heard.max(self.grace.guests).max(self.grace.callers);
        let counts = |entry: &Arc<Entry<V>>| self.counts(entry);
        let worth = |entry: &Arc<Entry<V>>| self.is_within(entry, longest);
        // Whoever comes after a link was lost takes no answer to a question of before.
        let epoch = self.fences.epoch();
        for _ in 0..TRIES {
            match self.entries.find(key, counts, worth, &asked).await {
                Ok(Found::Kept(entry)) => return Ok(entry),
                // Nothing moved while it was being asked for: it counts for whoever waited, however short
                // its life.
                Ok(Found::Asked(entry))
                    if self.fences.hold(&entry.marks) && entry.reading.is_since(epoch) =>
                {
                    return Ok(entry);
                }
                Ok(Found::Asked(_)) => {}
                Err(error) => return self.graced(key, asker, error),
            }
        }
        // A question of our own is younger than this request, whatever moves meanwhile.
        asked().await
    }

    fn graced(
        &self,
        key: &K,
        asker: Asker,
        error: Arc<StoreError>,
    ) -> Result<Arc<Entry<V>>, Arc<StoreError>> {
        let grace = match asker {
            Asker::Guest => self.grace.guests,
            Asker::Caller => self.grace.callers,
        };
        if matches!(*error, StoreError::BadRecord { .. }) {
            return Err(error);
        }
        self.entries.get(key, |entry| self.is_within(entry, grace)).ok_or(error)
    }
}

impl Directory {
    /// The tenant that a path names; `None` where there is none, or it is deleted.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot tell, and nothing is known that would do.
    pub async fn tenant(
        &self,
        name: &TenantName,
        asker: Asker,
    ) -> Result<Option<Arc<KnownTenant>>, Arc<StoreError>> {
        let ask = async || self.ask_tenant(name).await;
        let found = self.tenants.tenants.find(name, asker, &self.store, ask).await?;
        Ok(found.value.clone())
    }

    /// The tenant of a settled path, by its names: `acme/shop`. A worker that has just met it asks
    /// nobody, and shares no count with another worker.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot tell, and nothing is known that would do.
    pub async fn settled_tenant(
        &self,
        names: &str,
        asker: Asker,
    ) -> Result<Option<Rc<HotTenant>>, Arc<StoreError>> {
        let near = &self.tenants.tenants;
        let known = self.hot.borrow().get(names).filter(|hot| near.counts(&hot.entry)).cloned();
        if known.is_some() {
            return Ok(known);
        }
        Box::pin(self.meet(names, asker)).await
    }

    /// The tenant `acme/shop`, which this worker remembers from now on.
    async fn meet(
        &self,
        names: &str,
        asker: Asker,
    ) -> Result<Option<Rc<HotTenant>>, Arc<StoreError>> {
        let near = &self.tenants.tenants;
        let Some((organization, application)) = names.split_once('/') else { return Ok(None) };
        let name = TenantName::Names(organization.into(), application.into());
        let ask = async || self.ask_tenant(&name).await;
        let entry = near.find(&name, asker, &self.store, ask).await?;
        let Some(known) = entry.value.clone() else { return Ok(None) };
        let hot = Rc::new(HotTenant { known, entry });
        let mut all = self.hot.borrow_mut();
        if all.len() >= HOT_MAX {
            all.clear(); // so many are few at a time
        }
        all.insert(names.into(), Rc::clone(&hot));
        Ok(Some(hot))
    }

    async fn ask_tenant(
        &self,
        name: &TenantName,
    ) -> Result<(Option<KnownTenant>, Marks), StoreError> {
        let (ids, first) = match name {
            TenantName::Names(organization, application) => {
                let key = keys::tenant(organization, application);
                let mark = self.mark(&key);
                (self.read::<TenantIds>(&key).await?, mark)
            }
            TenantName::Application(id) => {
                let key = keys::application(*id);
                let mark = self.mark(&key);
                let found: Option<Application> = self.read(&key).await?;
                let ids = found
                    .map(|it| TenantIds { organization: it.organization.id, application: it.id });
                (ids, mark)
            }
        };
        let Some(ids) = ids else { return Ok((None, Marks::of(first))) };
        let documents = [
            keys::organization(ids.organization),
            keys::application(ids.application),
            keys::role_table(ids.application),
        ];
        let marks = documents.iter().fold(Marks::of(first), |marks, key| marks.and(self.mark(key)));
        let mut found = self.store.documents(&documents).await?.into_iter();
        let mut next = || found.next().flatten();
        let (organization, application, table) = (next(), next(), next());
        let (Some(organization), Some(application)) = (organization, application) else {
            return Ok((None, marks));
        };
        let organization: Organization = super::transaction::parse(&organization)?;
        let application: Application = super::transaction::parse(&application)?;
        let table: RoleTable = match table {
            Some(json) => super::transaction::parse(&json)?,
            None => RoleTable::default(),
        };
        if application.deleted {
            return Ok((None, marks));
        }
        let roles: HashMap<String, PermissionSet> = table
            .roles
            .iter()
            .map(|(name, role)| {
                (name.clone(), PermissionSet::new(role.permissions.iter().map(String::as_str)))
            })
            .collect();
        let tenant = Tenant {
            organization: Named { id: organization.id, name: organization.name.clone() },
            application: Named { id: application.id, name: application.name.clone() },
            roles,
            open_roles: self.settings.open_roles,
        };
        Ok((Some(KnownTenant { organization, application, table, tenant }), marks))
    }

    /// The user whom `text` names in a path.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot tell.
    pub async fn user_ref(
        &self,
        application: Uuid,
        text: &str,
        asker: Asker,
    ) -> Result<Option<Arc<UserRef>>, Arc<StoreError>> {
        let key = (application, text.to_lowercase().into_boxed_str());
        let ask = async || {
            let (id, first) = match text.parse::<Uuid>() {
                Ok(id) => (Some(id), None),
                Err(_) => {
                    let key = keys::user_index(application, text);
                    let mark = self.mark(&key);
                    (self.read::<Uuid>(&key).await?, Some(mark))
                }
            };
            let Some(id) = id else {
                let key = keys::user_index(application, text);
                return Ok((None, Marks::of(first.unwrap_or_else(|| self.mark(&key)))));
            };
            let key = keys::user(application, id);
            let mark = self.mark(&key);
            let found: Option<User> = self.read(&key).await?;
            let marks = first.map_or_else(|| Marks::of(mark), |first| Marks::of(first).and(mark));
            Ok((found.as_ref().map(UserRef::from), marks))
        };
        Ok(self.tenants.users.find(&key, asker, &self.store, ask).await?.value.clone())
    }
}
