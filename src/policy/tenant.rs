//! Where a request is, when its path names a tenant: what `permissions`, levels and roles are judged in.

use std::collections::HashMap;

use http::Method;

use crate::{
    permission::{Asked, PermissionSet, Reach, Spellings},
    principal::{Named, Principal, PrincipalKind},
};

/// The role of every application user.
pub const DEFAULT_ROLE: &str = "default";

/// The role of whoever presents nothing.
pub const GUEST_ROLE: &str = "guest";

/// The application that every new organization gets, open to guests: to try things out in.
pub const SANDBOX: &str = "sandbox";

/// What the role [`DEFAULT_ROLE`] of a new application permits.
pub const OF_USERS: [&str; 1] = ["get,put,post,delete:/**"];

/// What its role [`GUEST_ROLE`] permits: to register oneself and one's devices.
pub const OF_GUESTS: [&str; 3] = ["post:/users", "post:/devices", "put:/devices/*"];

/// What that of the sandbox permits besides.
const OF_SANDBOX_GUESTS: &str = "get,post,put,delete:/**";

/// What guests of a new application of this name, in lower case, may do.
pub fn first_of_guests(application: &str) -> impl Iterator<Item = &'static str> {
    OF_GUESTS.into_iter().chain((application == SANDBOX).then_some(OF_SANDBOX_GUESTS))
}

/// An application that requests are about, as rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Whose it is.
    pub organization: Named,
    /// What it is.
    pub application: Named,
    /// Its roles, by name in lower case.
    pub roles: HashMap<String, PermissionSet>,
    /// `[usergrid] open-roles`: wildcards reach what is protected, as on the platform.
    pub open_roles: bool,
}

impl Tenant {
    /// `acme/shop`
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.organization.name, self.application.name)
    }
}

/// A request to a tenant.
#[derive(Clone, Copy, Debug)]
pub struct TenantRequest<'a> {
    /// Whose path it is.
    pub tenant: &'a Tenant,
    /// The request's method.
    pub method: &'a Method,
    /// The decoded segments after `/{org}/{app}`.
    pub rest: &'a [&'a str],
    /// The user whom `users/{u}` names, when there is such a user.
    pub subject: Option<Spellings<'a>>,
    /// Roles, permissions, memberships, credentials, deactivation, and other users' passwords and tokens.
    pub protected: bool,
}

impl TenantRequest<'_> {
    /// Whether the tenant's roles let this caller (`None` is a guest) do what is asked.
    #[must_use]
    pub fn permits(&self, caller: Option<&Principal>) -> bool {
        let tenant = self.tenant;
        let Some(caller) = caller else {
            return self.grants(tenant.roles.get(GUEST_ROLE), None);
        };
        if caller.administers(tenant.organization.id, tenant.application.id) {
            return true;
        }
        if !self.is_user(caller) {
            return false;
        }
        let roles = caller.roles.iter().map(String::as_str).chain([DEFAULT_ROLE]);
        roles.map(|role| tenant.roles.get(role)).any(|role| self.grants(role, Some(caller)))
            || caller
                .home
                .as_ref()
                .is_some_and(|home| self.grants(Some(&home.permissions), Some(caller)))
    }

    /// Whether the caller is one of this application's users.
    #[must_use]
    pub fn is_user(&self, caller: &Principal) -> bool {
        caller.kind == PrincipalKind::ApplicationUser
            && caller.application() == Some(self.tenant.application.id)
    }

    /// Whether the caller is one of this tenant's: its user or client, or of its organization.
    #[must_use]
    pub fn belongs(&self, caller: &Principal) -> bool {
        let tenant = self.tenant;
        self.is_user(caller) || caller.administers(tenant.organization.id, tenant.application.id)
    }

    fn grants(&self, role: Option<&PermissionSet>, caller: Option<&Principal>) -> bool {
        let named = self.protected && !self.tenant.open_roles;
        let asked = Asked {
            method: self.method,
            path: self.rest,
            subject: self.subject,
            caller: caller.map(Principal::spellings),
            reach: if named { Reach::Named } else { Reach::Everything },
        };
        role.is_some_and(|role| role.allows(&asked))
    }
}
