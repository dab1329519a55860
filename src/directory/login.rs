//! Logging in: who somebody is by a name and a password, and the tokens that principals get.
//!
//! Invariants: a wrong try is counted before the password is looked at, so that no number of them at
//! once slips through; somebody unknown costs as much as a wrong password; and whether an account is
//! activated or shut out is told only to whoever knows its password.

use std::{net::IpAddr, time::Duration};

use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::{
    Directory, DirectoryError,
    guessing::{Attempt, Limits},
    keys,
    model::{Admin, Application, Organization, User},
    passwords::{Busy, PasswordHash, Verified},
};
use crate::{
    secret::Secret,
    token::record::{Holder, TokenRecord},
};

/// Longest wait for a turn.
const TURN_WAIT: Duration = Duration::from_secs(2);

/// Why nobody did.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown, or a wrong password.
    #[error("invalid username or password")]
    Wrong,
    /// The password is right.
    #[error("user not activated")]
    NotActivated,
    /// The password is right.
    #[error("user disabled")]
    Disabled,
    /// It could not be found out, or was not tried.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl From<crate::store::StoreError> for LoginError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Directory(error.into())
    }
}

impl Directory {
    /// The application's user of this name and password, if it may log in.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login_user(
        &self,
        application: Uuid,
        name: &str,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<User, LoginError> {
        let found = self.user(application, name).await?;
        if found.is_none() {
            // Somebody unknown costs the same questions as somebody known.
            let _: Option<User> = self.read(&keys::user(application, Uuid::nil())).await?;
        }
        let account = account(&application.to_string(), found.as_ref().map(|user| user.id), name);
        let known = found.as_ref().and_then(|user| user.password.as_ref());
        let rehash = self.check_password(&account, known, password, from).await?;
        let user = found.ok_or(LoginError::Wrong)?;
        if !user.activated {
            return Err(LoginError::NotActivated);
        }
        if user.disabled {
            return Err(LoginError::Disabled);
        }
        if rehash {
            let hash = self.passwords.hash(password).await.map_err(DirectoryError::from)?;
            let old = user.password.clone();
            let keep = |user: &mut User| {
                if user.password == old {
                    user.password = Some(hash.clone());
                }
            };
            // Who was shut out meanwhile gets a token of before, which counts no more.
            self.change_user(application, user.id, keep).await?;
        }
        Ok(user)
    }

    /// The admin of this name and password, if it may log in.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login_admin(
        &self,
        name: &str,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Admin, LoginError> {
        let found = self.admin(name).await?;
        if found.is_none() {
            let _: Option<Admin> = self.read(&keys::admin(Uuid::nil())).await?;
        }
        let account = account("admin", found.as_ref().map(|admin| admin.id), name);
        let known = found.as_ref().and_then(|admin| admin.password.as_ref());
        let rehash = self.check_password(&account, known, password, from).await?;
        let admin = found.ok_or(LoginError::Wrong)?;
        if !admin.activated {
            return Err(LoginError::NotActivated);
        }
        if admin.disabled {
            return Err(LoginError::Disabled);
        }
        if rehash {
            let hash = self.passwords.hash(password).await.map_err(DirectoryError::from)?;
            let old = admin.password.clone();
            let keep = |admin: &mut Admin| {
                if admin.password == old {
                    admin.password = Some(hash.clone());
                }
            };
            self.change_admin(admin.id, keep).await?;
        }
        Ok(admin)
    }

    /// Checks a user's old password before it gets a new one.
    ///
    /// # Errors
    /// [`LoginError::Wrong`], or why it could not be checked.
    pub async fn confirm_user_password(
        &self,
        application: Uuid,
        user: &User,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<(), LoginError> {
        let account = account(&application.to_string(), Some(user.id), &user.username);
        self.check_password(&account, user.password.as_ref(), password, from).await?;
        match (user.activated, user.disabled) {
            (false, _) => Err(LoginError::NotActivated),
            (true, true) => Err(LoginError::Disabled),
            (true, false) => Ok(()),
        }
    }

    /// Checks an admin's old password before it gets a new one.
    ///
    /// # Errors
    /// [`LoginError::Wrong`], or why it could not be checked.
    pub async fn confirm_admin_password(
        &self,
        admin: &Admin,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<(), LoginError> {
        let account = account("admin", Some(admin.id), &admin.username);
        self.check_password(&account, admin.password.as_ref(), password, from).await?;
        match (admin.activated, admin.disabled) {
            (false, _) => Err(LoginError::NotActivated),
            (true, true) => Err(LoginError::Disabled),
            (true, false) => Ok(()),
        }
    }

    /// Whether the right password should be hashed anew.
    async fn check_password(
        &self,
        account: &str,
        known: Option<&PasswordHash>,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<bool, LoginError> {
        let mut turn = self.turn().await?;
        let attempt = self.attempt(account, from).await?;
        let delay = attempt.delay();
        if !delay.is_zero() {
            drop(turn); // whoever has to wait keeps nobody else waiting
            tokio::time::sleep(delay).await;
            turn = self.turn().await?;
        }
        let verified =
            self.passwords.verify(password, known).await.map_err(DirectoryError::from)?;
        let rehash = match verified {
            Verified::Wrong => return Err(LoginError::Wrong),
            Verified::Right { rehash } => rehash,
        };
        // The password is right whether or not the count of wrong ones can be mended.
        let _ = attempt.succeeded(&self.store).await;
        drop(turn);
        Ok(rehash)
    }

    /// A turn at trying: tries are counted before they are judged, so that many right ones at once
    /// would look like many wrong ones.
    ///
    /// # Errors
    /// [`Busy`] when too many others wait.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, DirectoryError> {
        in_turn(&self.turns).await
    }

    /// A turn at hashing a password for whoever may be anybody: one at a time, so that a flood of
    /// registrations leaves the hashing to those who log in.
    ///
    /// # Errors
    /// [`Busy`] when too many others wait.
    pub(super) async fn registration(&self) -> Result<SemaphorePermit<'_>, DirectoryError> {
        in_turn(&self.registrations).await
    }

    /// Whether tries at `account` from `address` are refused now, without counting one.
    ///
    /// # Errors
    /// [`StoreError`](crate::store::StoreError) when the store cannot tell.
    pub(crate) async fn is_braked(
        &self,
        account: &str,
        from: Option<IpAddr>,
    ) -> Result<bool, crate::store::StoreError> {
        Attempt::is_refused(&self.store, self.limits(), account, from).await
    }

    fn limits(&self) -> Limits {
        Limits {
            per_account: self.settings.wrong_passwords,
            per_address: self.settings.wrong_passwords_per_address,
        }
    }

    /// Counts a try of a password or a secret.
    ///
    /// # Errors
    /// [`DirectoryError::TooManyTries`], or that the store cannot count.
    pub async fn attempt(
        &self,
        account: &str,
        from: Option<IpAddr>,
    ) -> Result<Attempt, DirectoryError> {
        let begun = Attempt::begin(&self.store, self.limits(), account, from).await?;
        begun.map_err(|many| DirectoryError::TooManyTries { retry_after: many.retry_after })
    }

    /// The record of a token for a user of the application.
    ///
    /// # Errors
    /// [`DirectoryError`] when the tenant is gone, or the store cannot tell.
    pub async fn user_record(
        &self,
        application: &Application,
        user: &User,
    ) -> Result<TokenRecord, DirectoryError> {
        let organization: Option<Organization> =
            self.read(&keys::organization(application.organization.id)).await?;
        let holder = Holder::ApplicationUser {
            application: application.id,
            organization: application.organization.id,
            era: application.era + organization.map_or(0, |organization| organization.era),
        };
        Ok(record(user.id, holder, user.generation))
    }

    /// The record of a token for an application's client.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn application_record(
        &self,
        application: &Application,
    ) -> Result<TokenRecord, DirectoryError> {
        let organization: Option<Organization> =
            self.read(&keys::organization(application.organization.id)).await?;
        let holder = Holder::Application {
            organization: application.organization.id,
            era: application.era + organization.map_or(0, |organization| organization.era),
        };
        Ok(record(application.id, holder, application.generation))
    }

    /// The record of a token for an organization's client.
    #[must_use]
    pub fn organization_record(organization: &Organization) -> TokenRecord {
        record(organization.id, Holder::Organization, organization.generation)
    }

    /// The record of a token for an admin.
    #[must_use]
    pub fn admin_record(admin: &Admin) -> TokenRecord {
        record(admin.id, Holder::AdminUser, admin.generation)
    }
}

async fn in_turn(turns: &Semaphore) -> Result<SemaphorePermit<'_>, DirectoryError> {
    match tokio::time::timeout(TURN_WAIT, turns.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Busy.into()),
    }
}

/// One text for an account, however it was named; for somebody unknown, the name as it was given.
fn account(of: &str, id: Option<Uuid>, name: &str) -> String {
    let who = id.map_or_else(|| name.to_lowercase(), |id| id.to_string());
    format!("{of}/{who}")
}

/// A record without its times.
fn record(id: Uuid, holder: Holder, generation: u64) -> TokenRecord {
    TokenRecord {
        subject: id.to_string(),
        holder: Some(holder),
        name: None,
        email: None,
        roles: Vec::new(),
        scopes: Vec::new(),
        issued_ms: 0,
        expires_ms: 0,
        generation,
    }
}
