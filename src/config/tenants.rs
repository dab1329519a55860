//! The tenants of `[expect]` and of `explain`: made from the names in a request's path, with the roles
//! that the platform gives to every new application. Both are about the file, not about what the store
//! holds.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    permission::{PermissionSet, Spellings},
    policy::{
        Tenant,
        tenant::{DEFAULT_ROLE, GUEST_ROLE, OF_USERS, first_of_guests},
    },
    principal::{Named, Principal},
    request::{
        owned::{collection, is_owned, is_owned_outside},
        path::{CanonicalPath, PathPolicy},
        tenant_name::{is_other_form, tenant_name},
    },
};

/// Where a request is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The gateway answers it itself.
    Owned,
    /// At this tenant; the path has its canonical spelling.
    Tenant(Box<Tenant>, CanonicalPath),
    /// At a tenant that it names in another form than rules do.
    OtherForm,
    /// At none.
    Outside,
}

/// An organization of this name.
pub(super) fn organization(name: String) -> Named {
    Named { id: id_of(&name), name }
}

/// An application of an organization.
pub(super) fn application(organization: &Named, name: String) -> Named {
    Named { id: id_of(&format!("{}/{name}", organization.name)), name }
}

/// The same id for the same name, as a store would find it.
fn id_of(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    let digest = Sha256::digest(name.as_bytes());
    for (byte, hashed) in bytes.iter_mut().zip(digest) {
        *byte = hashed;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Where `path` is, and how it is judged: names of the tenant in lower case, the caller by its id.
pub(super) fn place(
    path: &CanonicalPath,
    caller: Option<&Principal>,
    policy: &PathPolicy,
) -> Place {
    let segments: Vec<&str> = path.segments().collect();
    if is_owned_outside(&segments) {
        return Place::Owned;
    }
    if is_other_form(&segments) {
        return Place::OtherForm;
    }
    let [first, second, rest @ ..] = segments.as_slice() else { return Place::Outside };
    let (Ok(first), Ok(second)) = (tenant_name(first), tenant_name(second)) else {
        return Place::Outside;
    };
    if is_owned(rest) {
        return Place::Owned;
    }
    let mut pieces: Vec<&str> = path.as_str().split('/').skip(1).collect();
    let subject = caller.filter(|caller| subject(rest, caller).is_some());
    let names = [
        (0, Some(first.as_str())),
        (1, Some(second.as_str())),
        (2, rest.first().and_then(|first| collection(first))),
        (3, subject.map(|caller| caller.id.as_str())),
    ];
    for (place, name) in names {
        if let (Some(piece), Some(name)) = (pieces.get_mut(place), name) {
            *piece = name;
        }
    }
    // An id that no path can carry stays as it came.
    let settled = CanonicalPath::parse(&format!("/{}", pieces.join("/")), policy);
    let path = settled.unwrap_or_else(|_| path.clone());
    Place::Tenant(Box::new(tenant(first, second)), path)
}

/// The caller, where `users/{u}` names it.
pub(crate) fn subject<'a>(rest: &[&str], caller: &'a Principal) -> Option<Spellings<'a>> {
    let [first, named, ..] = rest else { return None };
    if collection(first) != Some("users") {
        return None;
    }
    let own = caller.spellings();
    let same = |one: Option<&str>| one.is_some_and(|one| one.eq_ignore_ascii_case(named));
    (named.eq_ignore_ascii_case("me") || *named == own.id || same(own.name) || same(own.email))
        .then_some(own)
}

/// The tenant of these names, with the roles of a new application.
pub(crate) fn tenant(organization_name: String, application_name: String) -> Tenant {
    let guests = PermissionSet::new(first_of_guests(&application_name));
    let organization = organization(organization_name);
    let application = application(&organization, application_name);
    let roles =
        [(DEFAULT_ROLE.to_owned(), PermissionSet::new(OF_USERS)), (GUEST_ROLE.to_owned(), guests)];
    // Rules are not asked about what `open-roles` opens.
    Tenant { organization, application, roles: roles.into(), open_roles: false }
}
