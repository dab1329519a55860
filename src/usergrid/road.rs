//! From a tenant's path to what rules are asked about: the tenant, the user whom the path names, and
//! the one form in which it is judged and sent. Requests and their explanations both go this way.

use std::sync::Arc;

use http::Method;

use super::{Fault, place::TenantPath};
use crate::{
    directory::{Asker, Directory, KnownTenant, TenantName, UserRef},
    policy::{Tenant, TenantRequest},
    principal::Principal,
};

/// A tenant's path, settled.
#[derive(Debug)]
pub struct Settled {
    /// Whose path it is.
    pub known: Arc<KnownTenant>,
    /// The user whom `users/{u}` names, when there is such a user.
    pub subject: Option<Arc<UserRef>>,
    /// The path, with that user's UUID in the place of whatever named it.
    pub path: TenantPath,
}

impl Settled {
    /// The text of the path that is judged and sent.
    #[must_use]
    pub fn text(&self) -> String {
        self.path.text(&self.known.organization.name, &self.known.application.name)
    }
}

/// The tenant, if there is one. Others than those of its organization are told what they would be told
/// if it were there and they might do nothing.
///
/// # Errors
/// [`Fault`].
pub async fn existing(
    directory: &Directory,
    path: &TenantPath,
    caller: Option<&Principal>,
) -> Result<Arc<KnownTenant>, Fault> {
    let found = directory.tenant(&path.name, asker(caller)).await?;
    if let Some(there) = found.filter(|there| path.fits(there)) {
        if there.is_active() {
            return Ok(there);
        }
        return Err(Fault::no_permission());
    }
    let TenantName::Names(organization, application) = &path.name else {
        return Err(Fault::no_permission());
    };
    let home = caller.and_then(|caller| caller.home.as_deref());
    let insider =
        home.is_some_and(|home| home.organizations.iter().any(|one| *one.name == **organization));
    if insider {
        Err(Fault::no_tenant(organization, application, &path.text(organization, application)))
    } else {
        Err(Fault::no_permission())
    }
}

/// The path with its tenant's names, where it has the UUIDs of one that there is: what a public rule,
/// which asks nobody, is found by.
///
/// # Errors
/// [`Fault`] when the store cannot answer.
pub async fn with_names(directory: &Directory, mut path: TenantPath) -> Result<TenantPath, Fault> {
    if let TenantName::Application(_) = path.name {
        let found = directory.tenant(&path.name, Asker::Guest).await?;
        if let Some(there) = found.filter(|there| path.fits(there)) {
            let names = (&there.organization.name, &there.application.name);
            path.name = TenantName::Names(names.0.as_str().into(), names.1.as_str().into());
        }
    }
    Ok(path)
}

/// The UUID in the place of whatever names the user below `users`, where there is one.
///
/// # Errors
/// [`Fault`] when the store cannot answer.
pub async fn name_the_user(
    directory: &Directory,
    known: Arc<KnownTenant>,
    mut path: TenantPath,
    caller: Option<&Principal>,
) -> Result<Settled, Fault> {
    let text = match path.rest.as_slice() {
        [users, user, _, ..] if users == "users" => user.clone(),
        _ => return Ok(Settled { known, subject: None, path }),
    };
    let application = known.application.id;
    let me = caller.filter(|caller| caller.application() == Some(application));
    let text = match me {
        Some(caller) if text.eq_ignore_ascii_case("me") => caller.id.clone(),
        _ => text,
    };
    let subject = directory.user_ref(application, &text, asker(caller)).await?;
    if let Some(user) = &subject {
        path.name_user(&user.id);
    }
    Ok(Settled { known, subject, path })
}

/// What rules are asked about: a path that is not owned, and so nothing that is protected.
#[must_use]
pub fn request<'a>(
    tenant: &'a Tenant,
    method: &'a Method,
    rest: &'a [&'a str],
    subject: Option<&'a UserRef>,
) -> TenantRequest<'a> {
    let subject = subject.map(UserRef::spellings);
    TenantRequest { tenant, method, rest, subject, protected: false }
}

/// What is told of a path below a user whom there is not, to whoever may ask. Judged first: others do
/// not learn whether there is such a user.
#[must_use]
pub fn no_such_user(rest: &[&str], subject: Option<&UserRef>) -> Option<Fault> {
    let names_nobody = subject.is_none() && rest.first() == Some(&"users");
    names_nobody.then(|| Fault::not_found(rest.get(1).copied().unwrap_or_default()))
}

/// Who asks the directory, and so how old its answer may be while the store has none.
#[must_use]
pub fn asker(caller: Option<&Principal>) -> Asker {
    if caller.is_some() { Asker::Caller } else { Asker::Guest }
}
