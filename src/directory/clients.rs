//! Clients of organizations and applications: an id that says whose it is, and one live secret.

use super::{
    Directory, DirectoryError, Kind, PAGE, first_generation, keys,
    model::{Application, Organization},
    next_generation, now_ms,
    vault::{self, ClientId, ClientKind, Sealed},
};
use crate::{
    secret::Secret,
    store::{StoreError, documents::Slot},
};

/// A client's id and its secret.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// `b3U6…` or `YXA6…`.
    pub id: ClientId,
    /// To be shown to whoever may read it.
    pub secret: Secret,
}

/// What sealing anew did.
#[derive(Clone, Debug, Default)]
pub struct Resealed {
    /// Secrets that are sealed with the first of the configured secrets now, and were not before.
    pub count: usize,
    /// Clients whose secret none of the configured secrets opens.
    pub unreadable: Vec<ClientId>,
}

/// What becomes of a client's tokens when its secret changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// They live on, as on the platform.
    Keep,
    /// They end.
    Revoke,
}

impl Directory {
    /// A first secret, sealed, and a first generation.
    pub(super) fn new_client(&self, id: ClientId) -> Result<(Sealed, u64), DirectoryError> {
        let secret = vault::new_secret(id.kind)?;
        Ok((self.vault.seal(&id.to_string(), &secret)?, first_generation()?))
    }

    /// The secret of an organization's client.
    ///
    /// # Errors
    /// [`DirectoryError`] when none of our secrets opens it.
    pub fn organization_client(&self, of: &Organization) -> Result<ClientSecret, DirectoryError> {
        self.opened(ClientId { kind: ClientKind::Organization, id: of.id }, &of.client)
    }

    /// The secret of an application's client.
    ///
    /// # Errors
    /// [`DirectoryError`] when none of our secrets opens it.
    pub fn application_client(&self, of: &Application) -> Result<ClientSecret, DirectoryError> {
        self.opened(ClientId { kind: ClientKind::Application, id: of.id }, &of.client)
    }

    fn opened(&self, id: ClientId, sealed: &Sealed) -> Result<ClientSecret, DirectoryError> {
        let secret = self.vault.open(&id.to_string(), sealed).ok_or_else(|| {
            DirectoryError::invalid(
                "the client's secret was sealed with a `secret` that the configuration has no more",
            )
        })?;
        Ok(ClientSecret { id, secret })
    }

    /// Gives a client the secret `secret`, or a new one. The old one is worthless at once.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn set_client_secret(
        &self,
        id: ClientId,
        secret: Option<&Secret>,
        tokens: Tokens,
    ) -> Result<ClientSecret, DirectoryError> {
        let secret = match secret {
            Some(secret) => secret.clone(),
            None => vault::new_secret(id.kind)?,
        };
        let sealed = self.vault.seal(&id.to_string(), &secret)?;
        self.change_client(id, |client, generation| {
            client.clone_from(&sealed);
            if tokens == Tokens::Revoke {
                *generation = next_generation(*generation);
            }
        })
        .await?;
        Ok(ClientSecret { id, secret })
    }

    /// Seals every client's secret with the first of the configured secrets that is not sealed with it,
    /// those of deleted applications too: after that, an older one can leave the configuration.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell; what was sealed anew stays so.
    pub async fn reseal_clients(&self) -> Result<Resealed, DirectoryError> {
        let (mut resealed, mut after) = (Resealed::default(), None::<String>);
        loop {
            let page = self.organizations(after.as_deref(), PAGE).await?;
            for organization in &page {
                let id = ClientId { kind: ClientKind::Organization, id: organization.id };
                self.reseal(id, &organization.client, &mut resealed).await?;
                for application in self.all_applications(organization.id).await? {
                    let id = ClientId { kind: ClientKind::Application, id: application.id };
                    self.reseal(id, &application.client, &mut resealed).await?;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.name.clone()),
                _ => return Ok(resealed),
            }
        }
    }

    async fn reseal(
        &self,
        id: ClientId,
        old: &Sealed,
        resealed: &mut Resealed,
    ) -> Result<(), DirectoryError> {
        if self.vault.is_current(old) {
            return Ok(());
        }
        let Some(secret) = self.vault.open(&id.to_string(), old) else {
            resealed.unreadable.push(id);
            return Ok(());
        };
        let new = self.vault.seal(&id.to_string(), &secret)?;
        // A secret that was changed meanwhile is sealed as it should be.
        let changed = self
            .change_client(id, |client, _| {
                if client == old {
                    *client = new.clone();
                }
            })
            .await;
        match changed {
            Ok(()) => resealed.count += 1,
            Err(DirectoryError::Missing { .. }) => {} // deleted for good meanwhile
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Changes a client's secret and the generation of its tokens.
    async fn change_client(
        &self,
        id: ClientId,
        change: impl Fn(&mut Sealed, &mut u64),
    ) -> Result<(), DirectoryError> {
        self.transact(Slot::Directory, async |tx| match id.kind {
            ClientKind::Organization => {
                let key = keys::organization(id.id);
                let mut of: Organization = tx.get(&key).await?.ok_or_else(|| no_client(id))?;
                change(&mut of.client, &mut of.generation);
                of.modified_ms = now_ms();
                tx.put(&key, &of)
            }
            ClientKind::Application => {
                let key = keys::application(id.id);
                let mut of: Application = tx.get(&key).await?.ok_or_else(|| no_client(id))?;
                change(&mut of.client, &mut of.generation);
                of.modified_ms = now_ms();
                tx.put(&key, &of)
            }
        })
        .await
    }

    /// Ends every token of a client.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such client, or the store cannot tell.
    pub async fn revoke_client_tokens(&self, id: ClientId) -> Result<(), DirectoryError> {
        self.change_client(id, |_, generation| *generation = next_generation(*generation)).await
    }

    /// Whether `secret` is the client's, in constant time.
    ///
    /// # Errors
    /// [`StoreError::BadRecord`] when none of our secrets opens the client's: nobody can tell then.
    pub(crate) fn is_client_secret(
        &self,
        id: ClientId,
        sealed: &Sealed,
        secret: &Secret,
    ) -> Result<bool, StoreError> {
        let right = self.vault.open(&id.to_string(), sealed);
        let right = right.ok_or_else(|| StoreError::BadRecord {
            field: "client secret; it was sealed with a `secret` that is configured no more"
                .to_owned(),
        })?;
        Ok(vault::same(&right, secret))
    }
}

fn no_client(id: ClientId) -> DirectoryError {
    let kind = match id.kind {
        ClientKind::Organization => Kind::Organization,
        ClientKind::Application => Kind::Application,
    };
    DirectoryError::missing(kind, id.id.to_string())
}
