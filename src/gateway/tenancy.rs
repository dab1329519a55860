//! The road of a request with `[usergrid]`: which tenant its path means, what of it we answer
//! ourselves, and in what form the rest is judged and forwarded.
//!
//! Invariants: rules are asked about the canonical path of the tenant, and the backend is sent that;
//! what a path below `users/{u}` names is the user's UUID in both. A public rule asks nobody, except to
//! learn the names behind a UUID.

use std::net::IpAddr;

use http::{StatusCode, header::CONTENT_TYPE};

use super::{
    Body, InTenant, Refusal, Way,
    access::AccessRecord,
    collect::{CALLER_BYTES_MAX, Collected, GRANT_BYTES_MAX, GUEST_BYTES_MAX, collect},
    lasting::{Judged, Stands, is_public},
    proof::{Proof, Prover},
    state::State,
};
use crate::{
    config::Management,
    directory::TenantName,
    policy::{self, Presented},
    request::{BadRequest, Canonical, owned::is_owned, path::CanonicalPath, upgrade::UpgradeError},
    telemetry::instant::unix_ms,
    tick,
    usergrid::{
        self, Answer, BasicClient, Call, Fault, Office,
        place::{self, Place, TenantPath},
        road,
    },
    wire::{ClientBody, Reply},
};

/// Serves one request of a gateway with tenants.
pub(super) async fn serve(
    way: Way<'_>,
    office: &Office,
    request: Canonical,
    body: ClientBody,
    record: &mut AccessRecord,
) -> Result<Reply<Body>, Refusal> {
    if let Some(names) = place::settled(&request.path) {
        return settled_tenant(way, office, names.to_owned(), request, body, record).await;
    }
    Box::pin(any(way, office, request, body, record)).await
}

/// A request whose path has to be read first.
async fn any(
    way: Way<'_>,
    office: &Office,
    request: Canonical,
    body: ClientBody,
    record: &mut AccessRecord,
) -> Result<Reply<Body>, Refusal> {
    match Place::of(&request.path) {
        Place::System => Err(Fault::system().into()),
        Place::Token => manage(way, office, request, body, record, &["token"]).await,
        Place::Management(rest) => {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            manage(way, office, request, body, record, &rest).await
        }
        Place::Tenant(path) => tenant(way, office, request, path, body, record).await,
        Place::Other => {
            let found = find(way, &request);
            let index = found.as_ref().map(|found| found.index);
            record.rule(index);
            // A public rule asks nobody: it holds while the store is down.
            let caller = match found.as_ref().is_some_and(is_public) {
                true => None,
                false => identify(way, office, &request, record).await?.caller(),
            };
            way.judge(request, body, caller, (index, None), record)?.send(record).await
        }
    }
}

fn find<'a>(way: Way<'a>, request: &'a Canonical) -> Option<policy::Match<'a>> {
    way.state.config.rules.find(&request.method, request.authority.host(), &request.path)
}

/// Whether a new request in the place of an exchange that lasts would pass now: the road of [`tenant`].
pub(super) async fn stands(
    judged: &Judged,
    state: &State,
    office: &Office,
) -> Result<Stands, Refusal> {
    let path = match Place::of(&judged.path) {
        Place::Tenant(path) => path,
        Place::Other => return judged.by_rules(state, &judged.path).await,
        Place::Management(_) | Place::Token | Place::System => {
            return Err(Fault::no_permission().into());
        }
    };
    let directory = office.directory();
    if judged.rule(state, &judged.path).as_ref().is_some_and(is_public) {
        return judged.by_rules(state, &judged.path).await;
    }
    let known = judged.resolve(state).await?;
    let caller = known.as_ref().map(|known| &known.identity.principal);
    let there = road::existing(directory, &path, caller).await?;
    let there = road::name_the_user(directory, there, path, caller).await?;
    let path = CanonicalPath::parse(&there.text(), &state.config.paths)?;
    let rest: Vec<&str> = there.path.rest.iter().map(String::as_str).collect();
    let subject = there.subject.as_deref();
    let asked = road::request(&there.known.tenant, &judged.method, &rest, subject);
    judged.decide(state, judged.rule(state, &path).as_ref(), known.as_ref(), Some(&asked))
}

/// `/management/…` and `/token`.
async fn manage(
    way: Way<'_>,
    office: &Office,
    request: Canonical,
    body: ClientBody,
    record: &mut AccessRecord,
    rest: &[&str],
) -> Result<Reply<Body>, Refusal> {
    record.rule(None);
    if office.directory().settings().management != Management::Public {
        return Err(Fault::not_found("").into());
    }
    answers_http(&request)?;
    let at_token = matches!(rest, ["token" | "me"]);
    let (known, basic, body) = presented(way, office, &request, body, at_token, record).await?;
    let call = call(way, &request, &known, basic, &body, record);
    answer(way, &request, office.management(&call, rest).await)
}

/// A path that is in its one form and asks for nothing of ours: what [`tenant`] does of every other.
async fn settled_tenant(
    way: Way<'_>,
    office: &Office,
    names: String,
    request: Canonical,
    body: ClientBody,
    record: &mut AccessRecord,
) -> Result<Reply<Body>, Refusal> {
    let found = find(way, &request);
    let index = found.as_ref().map(|found| found.index);
    record.rule(index);
    if found.as_ref().is_some_and(is_public) {
        return way.judge(request, body, None, (index, None), record)?.send(record).await;
    }
    let known = identify(way, office, &request, record).await?;
    let asker = road::asker(known.principal());
    let there = office.directory().settled_tenant(&names, asker).await.map_err(Fault::from)?;
    let Some(there) = there.filter(|there| there.is_active()) else {
        // The other road knows who is told what of a tenant that is not there.
        return match Place::of(&request.path) {
            Place::Tenant(path) => Box::pin(tenant(way, office, request, path, body, record)).await,
            Place::Management(_) | Place::Token | Place::System | Place::Other => {
                Err(Fault::no_permission().into())
            }
        };
    };
    let at = InTenant { tenant: &there.tenant, subject: None };
    way.judge(request, body, known.caller(), (index, Some(at)), record)?.send(record).await
}

/// A path of a tenant: answered here, or judged and forwarded.
async fn tenant(
    way: Way<'_>,
    office: &Office,
    mut request: Canonical,
    path: TenantPath,
    body: ClientBody,
    record: &mut AccessRecord,
) -> Result<Reply<Body>, Refusal> {
    let rest: Vec<&str> = path.rest.iter().map(String::as_str).collect();
    if is_owned(&rest) {
        return own(way, office, request, &path, &rest, body, record).await;
    }
    let path = road::with_names(office.directory(), path).await?;
    if let TenantName::Names(organization, application) = &path.name {
        settle(way, &mut request, &path.text(organization, application))?;
        let found = find(way, &request);
        if found.as_ref().is_some_and(is_public) {
            let index = found.map(|found| found.index);
            record.rule(index);
            return way.judge(request, body, None, (index, None), record)?.send(record).await;
        }
    }
    let known = identify(way, office, &request, record).await?;
    let (directory, caller) = (office.directory(), known.principal());
    let there = road::existing(directory, &path, caller).await?;
    let there = road::name_the_user(directory, there, path, caller).await?;
    settle(way, &mut request, &there.text())?;
    let subject = there.subject.as_deref();
    let at = InTenant { tenant: &there.known.tenant, subject };
    let index = find(way, &request).map(|found| found.index);
    record.rule(index);
    let rest: Vec<&str> = there.path.rest.iter().map(String::as_str).collect();
    if let Some(fault) = road::no_such_user(&rest, subject) {
        let rule = index.map(|index| way.state.config.rules.at(index, &request.path));
        let presented = caller.map_or(Presented::Nothing, Presented::Proven);
        let asked = road::request(at.tenant, &request.method, &rest, subject);
        let certificate = way.peer.certificate();
        policy::decide(rule.as_ref(), presented, record.at(), Some(&asked), certificate)?;
        return Err(fault.into());
    }
    way.judge(request, body, known.caller(), (index, Some(at)), record)?.send(record).await
}

/// An owned path of a tenant.
async fn own(
    way: Way<'_>,
    office: &Office,
    request: Canonical,
    path: &TenantPath,
    rest: &[&str],
    body: ClientBody,
    record: &mut AccessRecord,
) -> Result<Reply<Body>, Refusal> {
    record.rule(None);
    answers_http(&request)?;
    let at_token = rest == ["token"];
    let (known, basic, body) = presented(way, office, &request, body, at_token, record).await?;
    let there = road::existing(office.directory(), path, known.principal()).await;
    let call = call(way, &request, &known, basic, &body, record);
    let answered = match there {
        Ok(there) => office.tenant(&call, &there, rest).await,
        Err(fault)
            if fault.status == StatusCode::UNAUTHORIZED
                || at_token && fault.status.is_client_error() =>
        {
            office.no_tenant(&call, &path.name, rest).await
        }
        Err(fault) => return Err(fault.into()),
    };
    answer(way, &request, answered)
}

/// Refuses an extended CONNECT to what we answer ourselves: any success of ours would be a switch to it.
fn answers_http(request: &Canonical) -> Result<(), UpgradeError> {
    match &request.upgrade {
        Some(offer) if offer.is_extended() => Err(UpgradeError::NotAllowed),
        Some(_) | None => Ok(()),
    }
}

/// Makes `text` the request's path. Most paths are in their one form as they come.
fn settle(way: Way<'_>, request: &mut Canonical, text: &str) -> Result<(), BadRequest> {
    if request.path.as_str() != text {
        request.path = CanonicalPath::parse(text, &way.state.config.paths)?;
    }
    Ok(())
}

/// Whom the credential proves, the client of a grant, and the body. At a token endpoint, a request with a
/// grant carries nothing else that counts; elsewhere a bad credential is refused with its body unread.
async fn presented(
    way: Way<'_>,
    office: &Office,
    request: &Canonical,
    body: ClientBody,
    at_token: bool,
    record: &mut AccessRecord,
) -> Result<(Proof, Option<BasicClient>, Collected), Refusal> {
    if !at_token {
        let proof = identify(way, office, request, record).await?;
        let most = if proof.resolved.is_some() { CALLER_BYTES_MAX } else { GUEST_BYTES_MAX };
        return Ok((proof, None, collect(body, most).await?));
    }
    let body = collect(body, GRANT_BYTES_MAX).await?;
    if has_grant(request, &body) {
        let basic = way.state.sources.basic_client(request)?;
        let basic = basic.map(|(id, secret)| BasicClient { id, secret });
        return Ok((Proof::default(), basic, body));
    }
    Ok((identify(way, office, request, record).await?, None, body))
}

/// Whether a request to a token endpoint asks for a grant.
pub(super) fn has_grant(request: &Canonical, body: &[u8]) -> bool {
    usergrid::holds_grant(&request.method, request.query.as_str(), content_type(request), body)
}

fn content_type(request: &Canonical) -> Option<&str> {
    request.fields.get(&CONTENT_TYPE).and_then(|kind| kind.to_str().ok())
}

/// Whom the request's credential proves; a guest when it carries none.
async fn identify(
    way: Way<'_>,
    office: &Office,
    request: &Canonical,
    record: &mut AccessRecord,
) -> Result<Proof, Refusal> {
    let prover = Prover {
        sources: &way.state.sources,
        resolver: &way.state.resolver,
        directory: office.directory(),
        address: counted_address(way, request),
    };
    let proof = prover.prove(request, unix_ms(record.at())).await;
    match &proof {
        Ok(Proof { resolved: Some(resolved), .. }) => {
            record.identified(&resolved.identity, resolved.level, resolved.store_time);
        }
        Ok(_) | Err(Refusal::Credential(_)) => {}
        Err(_) => record.not_identified(),
    }
    proof
}

/// The address to count wrong tries on: not one that turned out to speak for several.
fn counted_address(way: Way<'_>, request: &Canonical) -> Option<IpAddr> {
    let ip = way.client?;
    let now = tick::now();
    let guesses = &way.gate.shared.guesses;
    if let Some(claim) = super::claim(way.state, request, way.peer) {
        way.count(ip, Some(claim));
        return (!guesses.is_shared(ip, now)).then_some(ip);
    }
    Some(ip)
}

fn call<'a>(
    way: Way<'a>,
    request: &'a Canonical,
    known: &'a Proof,
    basic: Option<BasicClient>,
    body: &'a [u8],
    record: &AccessRecord,
) -> Call<'a> {
    let base = way.route.base(way.peer, request.authority.as_str());
    let uri = format!("{base}{}", request.path.as_str());
    Call {
        method: &request.method,
        caller: known.principal(),
        token: known.token.as_ref().map(|(token, expires_ms)| (token, *expires_ms)),
        basic,
        query: request.query.as_str(),
        content_type: content_type(request),
        body,
        address: counted_address(way, request),
        uri: uri.trim_end_matches('/').to_owned(),
        started: record.at(),
    }
}

fn answer(
    way: Way<'_>,
    request: &Canonical,
    answered: Result<Answer, Fault>,
) -> Result<Reply<Body>, Refusal> {
    match answered {
        Ok(answer) => {
            let callback = way.state.callback(request.query.as_str());
            let response = usergrid::response(&Ok(answer), callback.as_deref());
            Ok(Reply::from(response).map(Body::full))
        }
        Err(fault) => Err(fault.into()),
    }
}
