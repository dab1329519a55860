//! With `[usergrid]`: whom a request's credential proves, at every door alike.

use std::{net::IpAddr, rc::Rc, time::Instant};

use super::{Refusal, manners};
use crate::{
    auth::{
        credential::{Credential, Sources},
        hot::Caller,
        resolve::{Resolved, Resolver, Unresolved},
    },
    directory::Directory,
    principal::Principal,
    request::Canonical,
    secret::Secret,
    store::Source,
    usergrid::Fault,
};

/// Whom a request's credential proves; nobody when it carries none.
#[derive(Default)]
pub(super) struct Proof {
    /// The caller, and where it was known.
    pub(super) resolved: Option<Resolved>,
    /// The token that proved it, and its expiry, milliseconds since the epoch.
    pub(super) token: Option<(Secret, i64)>,
}

impl Proof {
    pub(super) fn principal(&self) -> Option<&Principal> {
        self.resolved.as_ref().map(|resolved| &resolved.identity.principal)
    }

    pub(super) fn caller(self) -> Option<Rc<Caller>> {
        self.resolved.map(|resolved| resolved.identity)
    }
}

/// What proves: the sources of a configuration, and who knows tokens and clients.
#[derive(Clone, Copy)]
pub(super) struct Prover<'a> {
    pub(super) sources: &'a Sources,
    pub(super) resolver: &'a Resolver,
    pub(super) directory: &'a Directory,
    /// The address to count wrong clients on, unless many share it.
    pub(super) address: Option<IpAddr>,
}

impl Prover<'_> {
    /// Whom the credential of `request` proves at `now_ms`.
    ///
    /// # Errors
    /// [`Refusal`] for a credential that is bad, or could not be checked.
    pub(super) async fn prove(self, request: &Canonical, now_ms: i64) -> Result<Proof, Refusal> {
        let Some(found) = self.sources.extract(request)? else { return Ok(Proof::default()) };
        match found.credential {
            Credential::Token(token) => {
                let source = Source::of(self.address);
                let resolved = self
                    .resolver
                    .resolve_at(token.expose(), now_ms, Instant::now(), source)
                    .await?;
                let token = Some((token, resolved.identity.expires_ms));
                Ok(Proof { resolved: Some(resolved), token })
            }
            Credential::Client { id, secret } => {
                // Boxed: tokens, which most requests carry, need not make room for it.
                match Box::pin(self.resolver.client(&id, &secret, self.address)).await {
                    Ok(resolved) => Ok(Proof { resolved: Some(resolved), token: None }),
                    // A client of what is gone is none, as at the token endpoint.
                    Err(Unresolved::ClientWrong | Unresolved::PrincipalMissing) => {
                        let by_basic = self.sources.is_basic(found.source);
                        Err(Box::pin(self.wrong_client(&id, by_basic)).await)
                    }
                    Err(why) => Err(why.into()),
                }
            }
        }
    }

    /// A wrong client is a try like a wrong password.
    async fn wrong_client(self, id: &str, by_basic: bool) -> Refusal {
        let counted = self.directory.attempt(&format!("client/{id}"), self.address).await;
        match counted {
            Err(error) => Fault::from(error).into(),
            Ok(_) if by_basic => Unresolved::ClientWrong.into(),
            Ok(_) => manners::wrong_parameters().into(),
        }
    }
}
