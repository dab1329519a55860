//! Who is calling, as far as the request's credential tells whoever explains it.

use std::sync::{Arc, LazyLock};

use super::{PrincipalFound, read::Shown, says};
use crate::{
    auth::resolve::{Resolved, Unresolved},
    gateway::Refusal,
    permission::PermissionSet,
    policy::Presented,
    principal::{Home, Principal, PrincipalKind, Words},
    token::{keyring::Verified, ttl::NEVER_MS},
};

/// Whom a request's credential proves, as far as whoever asks could find out.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The gateway resolved it.
    Proven(Resolved),
    /// The gateway refused it, or could not tell.
    Refused(Unresolved),
    /// Without a gateway or a store: its MAC is right, and it has not expired.
    Signed(Verified),
    /// Without a gateway or a store: another service's token, or a client, of which nothing can be said.
    Unseen,
}

/// Who is calling, for the decision.
pub(super) enum CallerIs {
    Nobody,
    Known(Principal),
    /// A good credential of somebody whom only the store knows.
    SomeUser(&'static Principal),
    /// A credential that is refused before any term is asked: `401 token_expired`.
    Refused(String),
}

impl CallerIs {
    pub(super) fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Known(principal) => Some(principal),
            Self::Nobody | Self::SomeUser(_) | Self::Refused(_) => None,
        }
    }

    pub(super) fn presented(&self) -> Presented<'_> {
        match self {
            Self::Nobody | Self::Refused(_) => Presented::Nothing,
            Self::Known(principal) => Presented::Proven(principal),
            Self::SomeUser(somebody) => Presented::Proven(somebody),
        }
    }
}

/// Who is calling, and what is known of it; or why the gateway would not go on.
pub(super) fn calling(
    shown: &Shown,
    caller: Option<Principal>,
    proof: Option<Proof>,
    usergrid: bool,
) -> Result<(CallerIs, Option<PrincipalFound>), Refusal> {
    match shown {
        Shown::Unread | Shown::Grant => return Ok((CallerIs::Nobody, None)),
        Shown::Bad(Refusal::Credential(bad)) => return Err((*bad).into()),
        Shown::Bad(_) => return Err(Refusal::ClientCredentials),
        Shown::Nothing | Shown::Credential { .. } => {}
    }
    if let Some(caller) = caller {
        let found = says::principal(&caller, "--as".to_owned());
        return Ok((CallerIs::Known(caller), Some(found)));
    }
    match proof {
        None => Ok((CallerIs::Nobody, None)),
        Some(Proof::Refused(why)) => Err(why.into()),
        Some(Proof::Proven(resolved)) => {
            let identity = &resolved.identity;
            let mut found = says::principal(&identity.principal, says::known_from(&resolved));
            found.issued_ms = identity.issued_ms;
            found.expires_ms = Some(identity.expires_ms).filter(|at| *at != NEVER_MS);
            Ok((CallerIs::Known(identity.principal.clone()), Some(found)))
        }
        Some(Proof::Signed(_) | Proof::Unseen) => {
            let somebody = if usergrid { &*SOMEBODY_OF_A_TENANT } else { &*SOME_USER };
            Ok((CallerIs::SomeUser(somebody), None))
        }
    }
}

/// A user without a name, a role or a scope. Whatever lets it in lets everybody in.
static SOME_USER: LazyLock<Principal> = LazyLock::new(|| Principal {
    kind: PrincipalKind::User,
    id: String::new(),
    name: None,
    email: None,
    roles: Words::default(),
    scopes: Words::default(),
    home: None,
});

/// The same, of tenants that no path means: what asks for somebody of a tenant does not let it in.
static SOMEBODY_OF_A_TENANT: LazyLock<Principal> = LazyLock::new(|| Principal {
    home: Some(Arc::new(Home {
        organizations: Vec::new(),
        application: None,
        permissions: PermissionSet::default(),
    })),
    ..SOME_USER.clone()
});
