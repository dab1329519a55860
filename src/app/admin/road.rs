//! The road of a request that this gateway would take now: its credential and its tenant are found as a
//! worker would find them.

use std::{sync::Arc, time::SystemTime};

use super::wire::{Complaint, Kind};
use crate::{
    auth::{
        credential::Credential,
        resolve::{Resolver, Scheme},
    },
    directory::Directory,
    explain::{Asked, Explanation, Known, Proof, Question},
    gateway::Generation,
    principal::{Home, Named, Principal, PrincipalKind},
    store::Store,
    telemetry::instant::unix_ms,
    usergrid::{
        Fault,
        place::TenantPath,
        road::{self, Settled},
    },
};

/// Explains `question` by what is in force now.
pub(super) async fn explain(
    question: &Question,
    generation: &Generation,
    store: Store,
    now: SystemTime,
) -> Result<Explanation, Complaint> {
    let mut asked = Asked::read(question, &generation.config)
        .map_err(|error| Complaint::new(Kind::BadInput, error.to_string()))?;
    let told = store.clone();
    let directory = generation.directory.as_ref().map(|origin| origin.attach(store.clone()));
    let proof = match asked.credential() {
        None => None,
        Some(credential) => {
            let (scheme, near) = (generation.scheme.clone(), generation.near.clone());
            let resolver = Resolver::new(scheme, near, store).over(directory.clone());
            let resolved = match credential {
                Credential::Token(token) => resolver.resolve(token.expose(), unix_ms(now)).await,
                Credential::Client { id, secret } => resolver.client(id, secret, None).await,
            };
            Some(match resolved {
                Ok(resolved) => Proof::Proven(resolved),
                Err(unresolved) => Proof::Refused(unresolved),
            })
        }
    };
    let known = match &directory {
        Some(directory) => settle(directory, &mut asked, proof.as_ref()).await,
        None => None,
    };
    let mut explanation = asked.judge(proof, known, now);
    if let (Some(caller), Some(found)) = (&question.caller, &mut explanation.principal)
        && matches!(generation.scheme, Scheme::Own(_))
    {
        found.known_from.push_str(match told.principal(&caller.id).await {
            Ok(Some(state)) if state.active => "; active in the store",
            Ok(Some(_)) => "; shut out in the store: its tokens are refused",
            Ok(None) => "; the store has no token of this caller",
            Err(_) => "; the store did not answer",
        });
    }
    Ok(explanation)
}

/// What the directory knows of the tenant that is asked about; `None` where nobody would ask it.
async fn settle(
    directory: &Directory,
    asked: &mut Asked<'_>,
    proof: Option<&Proof>,
) -> Option<Known> {
    let path = asked.tenant()?.clone();
    let caller = match proof {
        Some(Proof::Proven(resolved)) => Some(resolved.identity.principal.clone()),
        Some(Proof::Refused(_)) => return None,
        Some(Proof::Signed(_) | Proof::Unseen) | None => asked.caller().cloned(),
    };
    let said = asked.caller().is_some();
    Some(match found(directory, path, caller, said).await {
        Ok((settled, caller)) => {
            if let Some(caller) = caller.filter(|_| said) {
                asked.set_caller(caller);
            }
            Known::Settled(settled)
        }
        Err(fault) => Known::Refused(fault),
    })
}

/// The tenant and the user whom the path names, for a caller that `--as` may have made up (`said`).
async fn found(
    directory: &Directory,
    path: TenantPath,
    caller: Option<Principal>,
    said: bool,
) -> Result<(Settled, Option<Principal>), Fault> {
    let there = road::existing(directory, &path, caller.as_ref()).await?;
    let organization = Named { id: there.organization.id, name: there.organization.name.clone() };
    let application = Named { id: there.application.id, name: there.application.name.clone() };
    let caller = match caller {
        Some(caller) if said => Some(known(directory, caller, &organization, &application).await?),
        caller => caller,
    };
    let settled = road::name_the_user(directory, there, path, caller.as_ref()).await?;
    Ok((settled, caller))
}

/// A made-up caller as the directory knows it, where it is said to be of this tenant: its ids are made
/// of names.
async fn known(
    directory: &Directory,
    mut caller: Principal,
    organization: &Named,
    application: &Named,
) -> Result<Principal, Fault> {
    let Some(home) = caller.home.as_deref() else { return Ok(caller) };
    let mut home = Home::clone(home);
    let organizations = home.organizations.iter_mut();
    let own = organizations.filter(|own| own.name == organization.name);
    let is_of = own.map(|own| own.id = organization.id).count() > 0;
    let own = home.application.as_mut().filter(|own| is_of && own.name == application.name);
    let is_here = own.map(|own| own.id = application.id).is_some();
    caller.home = Some(Arc::new(home));
    if is_here && caller.kind == PrincipalKind::ApplicationUser {
        let asker = crate::directory::Asker::Caller;
        if let Some(user) = directory.user_ref(application.id, &caller.id, asker).await? {
            caller.id.clone_from(&user.id);
            caller.name = Some(user.username.clone());
            caller.email = caller.email.or_else(|| user.email.clone());
        }
    }
    Ok(caller)
}
