//! Whom a token's record, or a client's id and secret, proves: read from the documents of the
//! principal and of all that it belongs to, in one round trip, under marks taken before.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Directory, keys,
    model::{Admin, Application, Organization, RoleTable, User},
    transaction::parse,
    vault::{ClientId, ClientKind},
};
use crate::{
    fences::{Mark, Marks},
    permission::PermissionSet,
    principal::{Home, Named, Principal, PrincipalKind, Words},
    secret::Secret,
    store::{StoreError, documents::DocumentKey},
    token::record::{Holder, TokenRecord},
};

/// Why a good token, or a client's id and secret, prove nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongPrincipal {
    /// It, or what it belongs to, does not exist (any more).
    Missing,
    /// It is not activated.
    NotActivated,
    /// It is shut out.
    Disabled,
    /// Its organization or application is shut out.
    TenantInactive,
    /// All its tokens were revoked since.
    Revoked,
    /// The secret is not the client's.
    Secret,
}

/// What the directory says of a principal, and the marks under which that counts.
#[derive(Debug)]
pub struct Standing {
    /// The principal, or why there is none.
    pub principal: Result<Principal, WrongPrincipal>,
    /// Of the token (or the client's credential) and of everything that was read.
    pub marks: Marks,
}

impl Directory {
    /// Whom the record of a token proves.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn holder(
        &self,
        record: &TokenRecord,
        token: Mark,
    ) -> Result<Standing, StoreError> {
        let wrong = Standing { principal: Err(WrongPrincipal::Missing), marks: Marks::of(token) };
        let (Some(holder), Ok(id)) = (record.holder, record.subject.parse::<Uuid>()) else {
            return Ok(wrong);
        };
        let documents = match holder {
            Holder::ApplicationUser { application, organization, .. } => vec![
                keys::user(application, id),
                keys::application(application),
                keys::organization(organization),
                keys::role_table(application),
            ],
            Holder::Application { organization, .. } => {
                vec![keys::application(id), keys::organization(organization)]
            }
            Holder::Organization => vec![keys::organization(id)],
            Holder::AdminUser => vec![keys::admin(id)],
        };
        let (found, marks) = self.under(token, &documents).await?;
        let mut found = found.into_iter();
        let mut next = || found.next().flatten();
        let generation = record.generation;
        let principal = match holder {
            Holder::ApplicationUser { era, .. } => {
                let user: Option<User> = optional(next())?;
                let tenant = (optional(next())?, optional(next())?);
                let table: Option<RoleTable> = optional(next())?;
                user_of(user, tenant, table, Some((generation, era)))
            }
            Holder::Application { era, .. } => {
                let tenant = (optional(next())?, optional(next())?);
                application_of(tenant, Some((generation, era)))
            }
            Holder::Organization => organization_of(optional(next())?, Some(generation)),
            Holder::AdminUser => admin_of(optional(next())?, generation),
        };
        Ok(Standing { principal, marks })
    }

    /// Whom a client's id and secret prove.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn client(
        &self,
        id: ClientId,
        secret: &Secret,
        credential: Mark,
    ) -> Result<Standing, StoreError> {
        match id.kind {
            ClientKind::Organization => {
                let (found, marks) = self.under(credential, &[keys::organization(id.id)]).await?;
                let organization: Option<Organization> =
                    optional(found.into_iter().flatten().next())?;
                let right = match &organization {
                    Some(it) => self.is_client_secret(id, &it.client, secret)?,
                    None => false,
                };
                if !right {
                    return Ok(wrong_secret(credential));
                }
                Ok(Standing { principal: organization_of(organization, None), marks })
            }
            ClientKind::Application => {
                // Whose it is, is only known from it: a second round trip, once per near-cache life.
                let (found, marks) = self.under(credential, &[keys::application(id.id)]).await?;
                let application: Option<Application> =
                    optional(found.into_iter().flatten().next())?;
                let right = match &application {
                    Some(it) => self.is_client_secret(id, &it.client, secret)?,
                    None => false,
                };
                let Some(application) = application.filter(|_| right) else {
                    return Ok(wrong_secret(credential));
                };
                let key = keys::organization(application.organization.id);
                let mark = self.mark(&key);
                let organization = self.read(&key).await?;
                let principal = application_of((Some(application), organization), None);
                Ok(Standing { principal, marks: marks.and(mark) })
            }
        }
    }

    /// The mark of a document as it stands.
    pub(crate) fn mark(&self, key: &DocumentKey) -> Mark {
        self.fences.mark(self.fences.of_document(&key.to_string()))
    }

    /// Documents, and the marks under which they were read.
    async fn under(
        &self,
        first: Mark,
        documents: &[DocumentKey],
    ) -> Result<(Vec<Option<Vec<u8>>>, Marks), StoreError> {
        let marks = documents.iter().fold(Marks::of(first), |marks, key| marks.and(self.mark(key)));
        Ok((self.store.documents(documents).await?, marks))
    }
}

/// A wrong secret is about the credential alone: whoever invents one moves nothing that others hold.
fn wrong_secret(credential: Mark) -> Standing {
    Standing { principal: Err(WrongPrincipal::Secret), marks: Marks::of(credential) }
}

fn optional<T: serde::de::DeserializeOwned>(
    json: Option<Vec<u8>>,
) -> Result<Option<T>, StoreError> {
    json.map(|json| parse(&json)).transpose()
}

type TenantDocuments = (Option<Application>, Option<Organization>);

/// The tenant, if it lets its principals in, and how often it has been shut out.
fn tenant_of(tenant: TenantDocuments) -> Result<(Application, u64), WrongPrincipal> {
    let (Some(application), Some(organization)) = tenant else {
        return Err(WrongPrincipal::Missing);
    };
    if application.deleted {
        return Err(WrongPrincipal::Missing);
    }
    if !application.active || !organization.active {
        return Err(WrongPrincipal::TenantInactive);
    }
    let era = application.era + organization.era;
    Ok((application, era))
}

/// An application's user; `issued` is the generation and the era of its token.
pub(super) fn user_of(
    user: Option<User>,
    tenant: TenantDocuments,
    table: Option<RoleTable>,
    issued: Option<(u64, u64)>,
) -> Result<Principal, WrongPrincipal> {
    let user = user.ok_or(WrongPrincipal::Missing)?;
    let (application, era) = tenant_of(tenant)?;
    if !user.activated {
        return Err(WrongPrincipal::NotActivated);
    }
    if user.disabled {
        return Err(WrongPrincipal::Disabled);
    }
    if issued.is_some_and(|issued| issued != (user.generation, era)) {
        return Err(WrongPrincipal::Revoked);
    }
    Ok(Principal {
        kind: PrincipalKind::ApplicationUser,
        id: user.id.to_string(),
        roles: user.effective_roles(&table.unwrap_or_default()).into(),
        home: Some(Arc::new(Home {
            organizations: vec![application.organization],
            application: Some(Named { id: application.id, name: application.name }),
            permissions: PermissionSet::new(user.permissions.iter().map(String::as_str)),
        })),
        name: Some(user.username),
        email: user.email,
        scopes: Words::default(),
    })
}

fn application_of(
    tenant: TenantDocuments,
    issued: Option<(u64, u64)>,
) -> Result<Principal, WrongPrincipal> {
    let (application, era) = tenant_of(tenant)?;
    if issued.is_some_and(|issued| issued != (application.generation, era)) {
        return Err(WrongPrincipal::Revoked);
    }
    let organizations = vec![application.organization];
    let named = Named { id: application.id, name: application.name.clone() };
    Ok(client(
        PrincipalKind::Application,
        application.id,
        application.name,
        organizations,
        Some(named),
    ))
}

fn organization_of(
    organization: Option<Organization>,
    issued: Option<u64>,
) -> Result<Principal, WrongPrincipal> {
    let organization = organization.ok_or(WrongPrincipal::Missing)?;
    if !organization.active {
        return Err(WrongPrincipal::TenantInactive);
    }
    if issued.is_some_and(|issued| issued != organization.generation) {
        return Err(WrongPrincipal::Revoked);
    }
    let organizations = vec![Named { id: organization.id, name: organization.name.clone() }];
    Ok(client(PrincipalKind::Organization, organization.id, organization.name, organizations, None))
}

fn client(
    kind: PrincipalKind,
    id: Uuid,
    name: String,
    organizations: Vec<Named>,
    application: Option<Named>,
) -> Principal {
    let permissions = PermissionSet::default();
    Principal {
        kind,
        id: id.to_string(),
        name: Some(name),
        home: Some(Arc::new(Home { organizations, application, permissions })),
        ..Principal::guest()
    }
}

fn admin_of(admin: Option<Admin>, generation: u64) -> Result<Principal, WrongPrincipal> {
    let admin = admin.ok_or(WrongPrincipal::Missing)?;
    if !admin.activated {
        return Err(WrongPrincipal::NotActivated);
    }
    if admin.disabled {
        return Err(WrongPrincipal::Disabled);
    }
    if generation != admin.generation {
        return Err(WrongPrincipal::Revoked);
    }
    let permissions = PermissionSet::default();
    let organizations = admin.organizations;
    Ok(Principal {
        kind: PrincipalKind::AdminUser,
        id: admin.id.to_string(),
        name: Some(admin.username),
        email: Some(admin.email),
        home: Some(Arc::new(Home { organizations, application: None, permissions })),
        ..Principal::guest()
    })
}
