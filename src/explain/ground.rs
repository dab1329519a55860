//! The tenant that a request is judged in: as the directory has it, or made of the names in its path.

use http::Method;

use super::{Decision, Outcome, TenantFound};
use crate::{
    config::tenants,
    directory::{TenantName, UserRef},
    gateway::Refusal,
    policy::{Tenant, TenantRequest},
    principal::{Principal, PrincipalKind},
    request::tenant_name::tenant_name,
    usergrid::{
        Fault,
        place::TenantPath,
        road::{self, Settled},
    },
};

/// What the gateway that runs knows of the tenant of a path.
#[derive(Debug)]
pub enum Known {
    /// It is there, and so is the user whom the path names, or is not.
    Settled(Settled),
    /// The request is refused before any rule is asked, unless a rule is public.
    Refused(Fault),
}

/// The tenant of a request.
pub(super) struct Ground {
    tenant: Tenant,
    /// The path, with the user's id in it.
    pub(super) path: TenantPath,
    subject: Option<UserRef>,
    /// Whether the directory was asked.
    pub(super) live: bool,
}

/// Why there is none.
pub(super) enum NoGround {
    /// The gateway refuses.
    Refused(Refusal),
    /// Only the gateway knows the tenant's names.
    Unnamed,
}

impl Ground {
    /// The tenant of `path`, as far as it is known; `known` is what the gateway that runs says.
    pub(super) fn of(
        path: TenantPath,
        known: Option<Known>,
        caller: Option<&Principal>,
    ) -> Result<Self, NoGround> {
        match known {
            Some(Known::Settled(settled)) => Ok(Self {
                tenant: settled.known.tenant.clone(),
                path: settled.path,
                subject: settled.subject.as_deref().cloned(),
                live: true,
            }),
            Some(Known::Refused(fault)) => Err(NoGround::Refused(fault.into())),
            None => Self::by_names(path, caller),
        }
    }

    fn by_names(mut path: TenantPath, caller: Option<&Principal>) -> Result<Self, NoGround> {
        let TenantName::Names(organization, application) = &path.name else {
            return Err(NoGround::Unnamed);
        };
        let (Ok(organization), Ok(application)) =
            (tenant_name(organization), tenant_name(application))
        else {
            return Err(NoGround::Refused(Fault::no_permission().into()));
        };
        let tenant = tenants::tenant(organization, application);
        let user = caller.filter(|caller| {
            caller.kind == PrincipalKind::ApplicationUser
                && caller.application() == Some(tenant.application.id)
        });
        let rest: Vec<&str> = path.rest.iter().map(String::as_str).collect();
        let user = user.filter(|user| tenants::subject(&rest, user).is_some());
        let subject = user.map(|user| UserRef {
            id: user.id.clone(),
            username: user.name.clone().unwrap_or_else(|| user.id.clone()),
            email: user.email.clone(),
        });
        if let Some(user) = &subject {
            path.name_user(&user.id);
        }
        Ok(Self { tenant, path, subject, live: false })
    }

    /// The text of the path that is judged and sent.
    pub(super) fn text(&self) -> String {
        self.path.text(&self.tenant.organization.name, &self.tenant.application.name)
    }

    /// The decoded segments after the tenant.
    pub(super) fn rest(&self) -> Vec<&str> {
        self.path.rest.iter().map(String::as_str).collect()
    }

    /// What rules are asked about.
    pub(super) fn request<'a>(
        &'a self,
        method: &'a Method,
        rest: &'a [&'a str],
    ) -> TenantRequest<'a> {
        road::request(&self.tenant, method, rest, self.subject.as_ref())
    }

    /// What whoever may ask is told, where the directory has no such user.
    pub(super) fn no_such_user(&self) -> Option<Refusal> {
        let fault = road::no_such_user(&self.rest(), self.subject.as_ref());
        fault.filter(|_| self.live).map(Refusal::from)
    }

    /// What is said of it.
    pub(super) fn found(&self) -> TenantFound {
        let says = if self.live {
            "from the directory"
        } else {
            "roles as a new application has them; `--live` asks the directory"
        };
        let rest = self.rest();
        let user = match (rest.as_slice(), &self.subject) {
            (["users", _, _, ..], Some(user)) => {
                Some(format!("{{u}} of users/{{u}} is {} (id {})", user.username, user.id))
            }
            (["users", user, _, ..], None) if self.live => {
                Some(format!("there is no user `{user}` here"))
            }
            (["users", user, _, ..], None) => {
                Some(format!("only the directory knows which user `{user}` is"))
            }
            _ => None,
        };
        TenantFound { name: self.tenant.name(), says: says.to_owned(), user }
    }
}

/// What is said where only the gateway knows the tenant's names.
pub(super) fn unnamed() -> Decision {
    Decision {
        outcome: Outcome::Unknown,
        status: None,
        reason: "tenant_unknown".to_owned(),
        says: "depends on the tenant's names, which only the running gateway knows".to_owned(),
        because: None,
        to_pass: vec![
            "name the tenant: /acme/shop/…".to_owned(),
            "ask the running gateway: --live ADDRESS".to_owned(),
        ],
    }
}
