//! A request's whole life, on one screen: canonical → rule → credential → principal → decision →
//! outbound → upstream → response → record. Each stage is a call down; none calls up or sideways.
//!
//! With `[usergrid]` there is one branch, after canonical: `tenancy` finds what the path means in its
//! tenant and answers it, or settles its one form and goes on with rule, credential and decision.

mod access;
mod answer;
mod body;
mod collect;
mod cors;
mod forward;
mod grpc;
mod guess;
mod id;
mod lasting;
mod manners;
mod outbound;
mod peer;
mod proof;
pub(crate) mod rehearse;
mod reject;
mod route;
pub(crate) mod side_door;
mod state;
mod tenancy;
mod told;
mod trailers;
mod tunnel;
mod unreadable;
mod upgrade;
mod websocket;

use std::{
    hash::{BuildHasher as _, RandomState},
    rc::Rc,
    sync::LazyLock,
};

use http::{
    HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, ORIGIN},
};
use http_body::Body as _;

use self::{
    access::AccessRecord,
    answer::Fit,
    forward::{About, Permitted},
    outbound::{Outbound, X_REQUEST_ID},
    route::Route,
};
pub use self::{
    body::Body,
    guess::Guesses,
    peer::{Peer, Places},
    reject::{Refusal, reasons},
    state::{Gate, Generation, Shared, State},
    tunnel::Tunnel,
    unreadable::unreadable,
};
pub(crate) use self::{cors::is_preflight, guess::network};
use crate::{
    auth::{credential::Credential, hot::Caller, resolve::Unresolved},
    directory::UserRef,
    policy::{self, Match, Presented, Requirement, Tenant},
    request::{Canonical, Framing, Head, grpc::is_call},
    store::Source,
    telemetry::{
        instant::unix_ms,
        log::{Level, event},
        metrics::Decision,
    },
    tick,
    upstream::RequestBody,
    usergrid::road,
    wire::{ClientBody, Reply},
};

/// Hashes claims, under a key that nobody outside knows.
static CLAIMS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Answers one request: forwards it with a permit, or refuses it. Dropping the future (the client went
/// away) closes the backend connection that it used and writes the record.
#[expect(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
pub fn handle(
    gate: Rc<Gate>,
    peer: Rc<Peer>,
    head: Head,
    body: ClientBody,
) -> impl Future<Output = Reply<Body>> {
    async move {
        let state = gate.state();
        let mut record = AccessRecord::begin(&gate, &state, &peer, &head.method, &head.fields);
        let http1 = head.version < Version::HTTP_2;
        let mut closes = gate.draining();
        let cors = state.config.cors.as_ref();
        let preflight = cors.is_some_and(|_| cors::is_preflight(&head.method, &head.fields));
        let origin = cors.and_then(|_| head.fields.get(&ORIGIN).cloned());
        let callback = state.callback(head.uri.query());
        let is_head = head.method == Method::HEAD;
        let is_call = is_call(&head.method, head.version, &head.fields);

        let answered = serve(&gate, &state, &peer, head, body, preflight, &mut record).await;
        let mut response = match answered {
            Ok(response) => {
                let reason = if preflight { "preflight" } else { "ok" };
                record.answered(response.status, Decision::Permit, reason);
                response
            }
            Err(refusal) => {
                let failed = refusal.status().is_server_error();
                let decision = if failed { Decision::Error } else { Decision::Deny };
                record.answered(refusal.status(), decision, refusal.reason());
                // Whoever sent what could be read in two ways may have more of it in the pipe.
                closes |= matches!(refusal, Refusal::BadRequest(_));
                let told = match &state.office {
                    None => refusal.response(record.request_id()),
                    Some(_) => refusal.envelope(callback.as_deref()),
                };
                if is_call { grpc::refuse(&refusal, told) } else { told }
            }
        };

        // hyper leaves the content of an answer to HEAD in over HTTP/2 (RFC 9110 9.3.2).
        if is_head && let Some(length) = response.body.without_text() {
            response.fields.set(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(cors) = cors {
            cors::decorate(cors, origin.as_ref(), &mut response.fields, preflight);
        }
        response.fields.set(X_REQUEST_ID, record.request_id().clone());
        if closes && http1 && response.status != StatusCode::SWITCHING_PROTOCOLS {
            response.fields.set(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| body.recorded(record))
    }
}

/// The checks in their order; the first that fails is the answer.
#[expect(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
fn serve(
    gate: &Gate,
    state: &Rc<State>,
    peer: &Peer,
    head: Head,
    body: ClientBody,
    preflight: bool,
    record: &mut AccessRecord,
) -> impl Future<Output = Result<Reply<Body>, Refusal>> {
    async move {
        let config = &*state.config;
        let over_tls = peer.over_tls();
        let (before, ends) = (peer.before(), body.is_end_stream());
        let request = Canonical::read_after(before.as_ref(), head, ends, over_tls, &state.policy)?;
        if !peer.may_ask(request.authority.host()) {
            return Err(Refusal::Misdirected);
        }
        if state.logs() {
            record.target(logged_target(state, &request));
        }
        if let Some(cors) = config.cors.as_ref().filter(|_| preflight) {
            return Ok(cors::preflight(cors, &request.fields));
        }
        let route = Route::read(&request.fields, peer, &config.trust);
        let client = route.client(&config.trust);
        record.client(client.map(|ip| ip.to_string()));
        let client = client.or(peer.ip());

        let way = Way { gate, state, peer, route: &route, client };
        if let Some(office) = &state.office {
            // Boxed: a future is as large as the largest road that it may take, and is moved as a whole.
            return Box::pin(tenancy::serve(way, office, request, body, record)).await;
        }
        let rule = config.rules.find(&request.method, request.authority.host(), &request.path);
        record.rule(rule.as_ref().map(|rule| rule.index));
        let index = rule.as_ref().map(|rule| rule.index);
        let identity = identify(way, rule.as_ref(), &request, record).await?;
        let permitted = way.judge(request, body, identity, (index, None), record)?;
        permitted.send(record).await
    }
}

/// The tenant that a request is about, and the user whom its path names.
#[derive(Clone, Copy)]
struct InTenant<'a> {
    tenant: &'a Tenant,
    subject: Option<&'a UserRef>,
}

/// How a request came, and what it is served with.
#[derive(Clone, Copy)]
struct Way<'a> {
    gate: &'a Gate,
    state: &'a Rc<State>,
    peer: &'a Peer,
    route: &'a Route,
    /// The client's address, unless it came by a unix socket.
    client: Option<std::net::IpAddr>,
}

impl<'a> Way<'a> {
    /// Judges a request by its rule (by its index), and builds what is sent if it is permitted.
    fn judge(
        self,
        mut request: Canonical,
        body: ClientBody,
        caller: Option<Rc<Caller>>,
        (rule, tenant): (Option<usize>, Option<InTenant<'_>>),
        record: &mut AccessRecord,
    ) -> Result<Permitted<'a>, Refusal> {
        let Self { state, peer, route, .. } = self;
        let config = &*state.config;
        let rule = rule.map(|index| config.rules.at(index, &request.path));
        let presented = caller
            .as_deref()
            .map_or(Presented::Nothing, |caller| Presented::Proven(&caller.principal));
        // In its canonical form the path begins with the tenant's two names.
        let rest: Vec<&str> =
            tenant.map_or_else(Vec::new, |_| request.path.segments().skip(2).collect());
        let asked = tenant.map(|at| road::request(at.tenant, &request.method, &rest, at.subject));
        let (at, certificate) = (record.at(), peer.certificate());
        let permit = policy::decide(rule.as_ref(), presented, at, asked.as_ref(), certificate)?;
        record.waived(permit.waived());
        let protocol = upgrade::agreed(permit.rule(), &request)?.map(Box::from);

        state.sources.strip(&mut request.fields, &mut request.query);
        let backend = &state.backends[permit.rule().backend];
        let allowed = permit.rule().body.unwrap_or(config.limits.body);
        let body = outbound_body(body, request.framing, allowed, config.limits.body_idle)?;
        record.receives(body.progress());
        let due = request.time_of_call().map(|limit| record.deadline(limit));
        let fit = Fit {
            personal: caller.is_some(),
            trailers: request.accepts_trailers,
            due,
            http2: request.http2,
        };
        let outbound = Outbound {
            method: request.method,
            authority: &request.authority,
            path: &request.path,
            query: &request.query,
            came: request.came,
            fields: request.fields,
            framing: request.framing,
            caller: caller.as_deref(),
            nobody: &state.nobody,
            accepts_trailers: request.accepts_trailers,
        };
        let outgoing =
            outbound.build(&permit, config, backend, (peer, route), record.request_id(), body)?;
        let first_byte = permit.rule().timeout.unwrap_or(backend.settings.first_byte_timeout);
        let about = About { authority: request.authority, path: request.path, caller };
        Ok(Permitted {
            way: self,
            outgoing,
            upstream: &backend.upstream,
            first_byte,
            fit,
            switch: protocol.map(|protocol| (protocol, request.upgrade)),
            about,
        })
    }

    /// Counts what an address that may speak for others did, and tells the operator once.
    fn count(self, ip: std::net::IpAddr, claim: Option<u64>) {
        if self.gate.shared.guesses.count(ip, claim, tick::now()) {
            let message = "a peer speaks for several clients and [trust] does not name it";
            let effect = "guesses from there are not counted";
            event(Level::Warn, message, &[("peer", &self.peer.text()), ("effect", &effect)]);
        }
    }
}

/// Whom the request's credential proves; `None` when it carries none, or its rule asks for none.
async fn identify(
    way: Way<'_>,
    rule: Option<&Match<'_>>,
    request: &Canonical,
    record: &mut AccessRecord,
) -> Result<Option<Rc<Caller>>, Refusal> {
    if rule.is_some_and(|rule| matches!(rule.rule.requirement, Requirement::Public)) {
        return Ok(None); // no look-up: a public route answers while the store is down
    }
    let Way { gate, state, peer, .. } = way;
    let Some(found) = state.sources.extract(request)? else { return Ok(None) };
    let token = match &found.credential {
        Credential::Token(token) => token,
        Credential::Client { .. } => return Err(Refusal::ClientCredentials),
    };
    let limited = way.client.filter(|_| state.config.tokens.foreign.is_some());
    let limit = state.config.limits.unknown_tokens;
    if limited.is_some_and(|ip| gate.shared.guesses.exhausted(ip, limit, tick::now())) {
        return Err(Refusal::TooManyUnknown);
    }
    let (now_ms, now, source) = (unix_ms(record.at()), record.started(), Source::of(way.client));
    match state.resolver.resolve_at(token.expose(), now_ms, now, source).await {
        Ok(resolved) => {
            record.identified(&resolved.identity, resolved.level, resolved.store_time);
            Ok(Some(resolved.identity))
        }
        Err(unresolved) => {
            record.not_identified();
            if let (Some(ip), Unresolved::Unknown) = (limited, &unresolved) {
                way.count(ip, claim(state, request, peer));
            }
            Err(unresolved.into())
        }
    }
}

/// Whom a peer in a private network says it speaks for, where `[trust]` names nobody: it may be a proxy
/// that was not declared. A hash, compared and never believed.
fn claim(state: &State, request: &Canonical, peer: &Peer) -> Option<u64> {
    let undeclared = state.config.trust.is_empty() && peer.is_private();
    let name = &route::X_FORWARDED_FOR;
    let lines = request.fields.all(name);
    let lines: Vec<&HeaderValue> = lines.filter(|_| undeclared).collect();
    (!lines.is_empty()).then(|| CLAIMS.hash_one(&lines))
}

/// The canonical target for the log, credentials cut.
fn logged_target(state: &State, request: &Canonical) -> String {
    let path = request.path.as_str();
    match request.query.as_str() {
        None => path.to_owned(),
        Some(query) => format!("{path}?{}", state.sources.redact_query(query)),
    }
}

/// The body to forward; one that declares itself too large is refused before a byte of it is read.
fn outbound_body(
    body: ClientBody,
    framing: Framing,
    allowed: u64,
    idle: std::time::Duration,
) -> Result<RequestBody, Refusal> {
    match framing {
        Framing::None | Framing::Length(0) => Ok(RequestBody::Empty),
        Framing::Length(length) if length > allowed => Err(Refusal::BodyTooLarge),
        Framing::Length(length) => Ok(RequestBody::streamed(body, Some(length), allowed, idle)),
        Framing::Streamed => Ok(RequestBody::streamed(body, None, allowed, idle)),
    }
}
