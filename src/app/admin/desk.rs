//! Issuing, showing and revoking tokens. The running gateway does it for its admin listener, and a
//! command does it for itself where no gateway runs: the same operations over the same seams.
//!
//! Invariant: a revocation is acknowledged by the store, then the fences move, then it is answered.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use uuid::Uuid;

use super::wire::{Complaint, Issued, Job, Kind, Order, Revoked, Shown, Which};
use crate::{
    auth::resolve::{Resolver, Scheme, Unresolved},
    config,
    gateway::Generation,
    principal::Home,
    store::{Store, StoreError},
    telemetry::instant::{rfc3339, unix_ms},
    token::{
        id::IdSource,
        keyring::{Keyring, Verified},
        record::TokenRecord,
        ttl::{NEVER_MS, expiry_ms},
    },
};

/// Longest subject, name, address, role or scope. All of them go into the 4 KiB that a request's
/// identity fields may have.
const TEXT_BYTES_MAX: usize = 256;

/// Most roles, and most scopes, of one token.
const LIST_MAX: usize = 100;

/// One generation and a connection to its store.
pub(crate) struct Desk {
    pub(crate) generation: Arc<Generation>,
    pub(crate) store: Store,
}

impl Desk {
    /// Does `job`, and gives its answer as it crosses the wire.
    pub(crate) async fn carry_out(
        &self,
        job: &Job,
        ids: &IdSource,
        now: SystemTime,
    ) -> Result<serde_json::Value, Complaint> {
        match job {
            Job::Issue(order) => to_value(&self.issue(order, ids, now).await?),
            Job::Show(which) => to_value(&self.show(which, now).await?),
            Job::Revoke(which) => to_value(&self.revoke(which).await?),
            Job::Directory(job) => self.direct(job, now).await,
        }
    }

    /// Makes a token: its record is in the store before its text is told.
    pub(crate) async fn issue(
        &self,
        order: &Order,
        ids: &IdSource,
        now: SystemTime,
    ) -> Result<Issued, Complaint> {
        let keyring = self.keyring()?;
        if self.generation.directory.is_some() {
            let message = "with `[usergrid]` a token belongs to a user, an admin or a client";
            return Err(bad_input(message)
                .help("--user ORG/APP NAME, --admin NAME, or --client ORG or ORG/APP"));
        }
        check(order)?;
        let ttl = match &order.ttl {
            None => self.generation.config.tokens.ttl,
            Some(text) => ttl(text)?,
        };
        let issued_ms = unix_ms(now);
        let expires_ms = expiry_ms(issued_ms, ttl).ok_or_else(|| {
            bad_input("this lifetime ends after time itself").help("`never` has no end")
        })?;
        let id = ids.next(now);
        let token = keyring.mint(id, expires_ms).ok_or_else(|| {
            bad_input("the configuration has no secret").help("`tollgate keygen` makes one")
        })?;
        let record = TokenRecord {
            subject: order.subject.clone(),
            holder: None,
            name: order.name.clone(),
            email: order.email.clone(),
            roles: order.roles.clone(),
            scopes: order.scopes.clone(),
            issued_ms,
            expires_ms,
            generation: 0, // the store gives it the principal's
        };
        let record = self.store.issue(id, record).await?;
        Ok(Issued {
            token: token.expose().to_owned(),
            id,
            subject: record.subject,
            roles: record.roles,
            scopes: record.scopes,
            expires: instant(record.expires_ms),
        })
    }

    /// What a token is worth at `now`, by the store's word.
    pub(crate) async fn show(&self, which: &Which, now: SystemTime) -> Result<Shown, Complaint> {
        let (id, expires_ms) = match which {
            Which::Id(id) => (*id, None),
            Which::Subject(_) => return Err(bad_input("show one token, by its text or its id")),
            Which::Token(text) => match &self.generation.scheme {
                Scheme::Foreign(_) => return self.show_foreign(text, now).await,
                Scheme::Own(keyring) | Scheme::Tenants(keyring) => match keyring.verify(text) {
                    Ok(Verified { id, expires_ms }) => (id, Some(expires_ms)),
                    Err(why) => return Ok(Shown::nobody(None, &why.into())),
                },
            },
        };
        self.keyring()?;
        let Some(record) = self.store.token(id).await? else {
            let expired = expires_ms.is_some_and(|at| at <= unix_ms(now));
            let why = if expired { Unresolved::Expired } else { Unresolved::Unknown };
            return Ok(Shown::nobody(Some(id), &why));
        };
        let expires_ms = expires_ms.map_or(record.expires_ms, |at| at.min(record.expires_ms));
        if record.holder.is_some() {
            return self.show_tenants(id, &record, expires_ms, now).await;
        }
        let wrong = if expires_ms <= unix_ms(now) {
            Some(Unresolved::Expired)
        } else {
            match self.store.principal(&record.subject).await? {
                None => Some(Unresolved::PrincipalMissing),
                Some(state) if !state.active => Some(Unresolved::PrincipalInactive),
                Some(state) if state.generation != record.generation => Some(Unresolved::Revoked),
                Some(_) => None,
            }
        };
        Ok(Shown {
            id: Some(id),
            good: wrong.is_none(),
            state: wrong.as_ref().map_or("good", Unresolved::reason).to_owned(),
            subject: Some(record.subject),
            holder: None,
            home: None,
            name: record.name,
            email: record.email,
            roles: record.roles,
            scopes: record.scopes,
            issued: instant(record.issued_ms),
            expires: instant(expires_ms),
        })
    }

    /// A token of a tenant is worth what the directory says of its holder now.
    async fn show_tenants(
        &self,
        id: Uuid,
        record: &TokenRecord,
        expires_ms: i64,
        now: SystemTime,
    ) -> Result<Shown, Complaint> {
        let directory = self.directory()?;
        let mark = directory.fences.mark(directory.fences.of_token(id));
        let principal = match directory.holder(record, mark).await?.principal {
            Ok(_) if expires_ms <= unix_ms(now) => Err(Unresolved::Expired),
            Ok(principal) => Ok(principal),
            Err(why) => Err(why.into()),
        };
        let shown = match principal {
            Err(why) => {
                Shown { subject: Some(record.subject.clone()), ..Shown::nobody(Some(id), &why) }
            }
            Ok(caller) => Shown {
                id: Some(id),
                good: true,
                state: "good".to_owned(),
                subject: Some(caller.id.clone()),
                holder: Some(caller.kind.label().to_owned()),
                home: caller.home.as_deref().map(home),
                name: caller.name,
                email: caller.email,
                roles: caller.roles.to_vec(),
                scopes: caller.scopes.to_vec(),
                issued: None,
                expires: None,
            },
        };
        Ok(Shown { issued: instant(record.issued_ms), expires: instant(expires_ms), ..shown })
    }

    async fn show_foreign(&self, text: &str, now: SystemTime) -> Result<Shown, Complaint> {
        let (scheme, near) = (self.generation.scheme.clone(), self.generation.near.clone());
        let resolver = Resolver::new(scheme, near, self.store.clone());
        match resolver.resolve(text, unix_ms(now)).await {
            Ok(resolved) => {
                let (identity, caller) = (&resolved.identity, &resolved.identity.principal);
                Ok(Shown {
                    id: None,
                    good: true,
                    state: "good".to_owned(),
                    subject: Some(caller.id.clone()),
                    holder: None,
                    home: None,
                    name: caller.name.clone(),
                    email: caller.email.clone(),
                    roles: caller.roles.to_vec(),
                    scopes: caller.scopes.to_vec(),
                    issued: identity.issued_ms.and_then(instant),
                    expires: instant(identity.expires_ms),
                })
            }
            Err(Unresolved::StoreUnavailable(error) | Unresolved::StoreBadRecord(error)) => {
                Err((*error).clone().into())
            }
            Err(Unresolved::StoreBusy) => {
                let store = self.store.health().store;
                Err(StoreError::Busy { store }.into())
            }
            Err(why) => Ok(Shown::nobody(None, &why)),
        }
    }

    /// Ends a token, or all tokens of a subject.
    pub(crate) async fn revoke(&self, which: &Which) -> Result<Revoked, Complaint> {
        let keyring = self.keyring()?;
        let near = &self.generation.near;
        let id = match which {
            Which::Subject(_) if self.generation.directory.is_some() => {
                let message = "with `[usergrid]` tokens belong to users, admins and clients";
                return Err(bad_input(message).help(
                    "`tollgate user revoke ORG/APP NAME`, `tollgate admin revoke NAME`, or `tollgate \
                     client revoke` with ORG or ORG/APP",
                ));
            }
            Which::Subject(subject) => {
                let found = near.revoke_all(&self.store, subject).await?;
                return Ok(Revoked { found, id: None, subject: Some(subject.clone()) });
            }
            Which::Id(id) => *id,
            Which::Token(text) => {
                keyring.verify(text).map_err(|why| bad_input(&why.to_string()))?.id
            }
        };
        let found = near.revoke(&self.store, id).await?;
        Ok(Revoked { found, id: Some(id), subject: None })
    }

    /// The keys of our own tokens, unless another service makes the tokens.
    pub(super) fn keyring(&self) -> Result<&Keyring, Complaint> {
        match &self.generation.scheme {
            Scheme::Own(keyring) | Scheme::Tenants(keyring) => Ok(keyring),
            Scheme::Foreign(_) => {
                let message = "the tokens of this gateway are made by another service".to_owned();
                Err(Complaint::new(Kind::Foreign, message)
                    .help("issue and revoke them there; `[tokens] key` says where they are kept"))
            }
        }
    }
}

impl Shown {
    fn nobody(id: Option<Uuid>, why: &Unresolved) -> Self {
        Self {
            id,
            good: false,
            state: why.reason().to_owned(),
            subject: None,
            holder: None,
            home: None,
            name: None,
            email: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            issued: None,
            expires: None,
        }
    }
}

impl From<StoreError> for Complaint {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Unavailable, error.to_string())
    }
}

/// `acme/shop`, or the names of organizations.
fn home(home: &Home) -> String {
    let names: Vec<&str> = home.organizations.iter().map(|named| named.name.as_str()).collect();
    let names = names.join(", ");
    match &home.application {
        Some(application) => format!("{names}/{}", application.name),
        None => names,
    }
}

/// `1h`, or `never`, which is `None`.
pub(crate) fn ttl(text: &str) -> Result<Option<Duration>, Complaint> {
    if text == "never" {
        return Ok(None);
    }
    let fault = |help: String| {
        bad_input(&format!("`{text}` is no lifetime")).help(format!("{help}, or `never`"))
    };
    config::duration(text).map(Some).map_err(fault)
}

fn check(order: &Order) -> Result<(), Complaint> {
    if order.subject.is_empty() {
        return Err(bad_input("a token belongs to a subject, and this one is empty"));
    }
    let one = [Some(&order.subject), order.name.as_ref(), order.email.as_ref()];
    let texts = one.into_iter().flatten().chain(&order.roles).chain(&order.scopes);
    for text in texts {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            let message = format!(
                "a subject, name, address, role or scope has 1 to {TEXT_BYTES_MAX} bytes and no \
                 control character"
            );
            return Err(bad_input(&message));
        }
    }
    if order.roles.len().max(order.scopes.len()) > LIST_MAX {
        return Err(bad_input(&format!(
            "a token has at most {LIST_MAX} roles and {LIST_MAX} scopes"
        )));
    }
    Ok(())
}

pub(super) fn bad_input(message: &str) -> Complaint {
    Complaint::new(Kind::BadInput, message.to_owned())
}

pub(super) fn instant(ms: i64) -> Option<String> {
    (ms != NEVER_MS).then(|| rfc3339(ms))
}

/// `value` as it crosses the wire.
pub(super) fn to_value(value: &impl Serialize) -> Result<serde_json::Value, Complaint> {
    serde_json::to_value(value)
        .map_err(|error| Complaint::new(Kind::Fault, format!("writing the answer: {error}")))
}
