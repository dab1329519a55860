//! What would be sent, for a request that nobody sent: `explain` builds the outbound head with the very
//! functions that forward. Never opens a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderValue, request::Parts};

use super::{
    Peer, Refusal,
    outbound::Outbound,
    route::Route,
    state::{Backend, Nobody},
    upgrade::{self, Switch},
};
use crate::{
    auth::credential::Sources,
    config::Config,
    policy::Permit,
    request::Canonical,
    upstream::{RequestBody, Upstream},
};

/// Stands where each request gets an id of its own.
pub(crate) const REQUEST_ID: &str = "(new for each request)";

/// The head that the permit's backend would receive.
///
/// # Errors
/// [`Refusal`] when the request is permitted and still cannot be sent: its identity is too large, or
/// nothing canonical is left once the backend's prefix is cut.
pub(crate) fn outbound(
    mut request: Canonical,
    sources: &Sources,
    permit: &Permit<'_>,
    config: &Config,
) -> Result<Parts, Refusal> {
    let settings = &config.backends[permit.rule().backend];
    let backend = Backend::new(settings.clone(), Upstream::alone(settings), config);
    let protocol = upgrade::agreed(permit.rule(), &request)?;
    sources.strip(&mut request.fields, &mut request.query);
    let peer = Peer::tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
    let route = Route::read(&request.fields, &peer, &config.trust);
    let outbound = Outbound {
        method: request.method,
        authority: &request.authority,
        path: &request.path,
        query: &request.query,
        came: request.came,
        fields: request.fields,
        framing: request.framing,
        caller: None,
        nobody: &Nobody::new(),
        accepts_trailers: request.accepts_trailers,
    };
    let id = HeaderValue::from_static(REQUEST_ID);
    let way = (&peer, &route);
    let mut built = outbound.build(permit, config, &backend, way, &id, RequestBody::Empty)?;
    if let Some(protocol) = protocol {
        Switch::ask(protocol, request.upgrade.as_deref(), &mut built.fields)?;
    }
    Ok(built.into_request().into_parts().0)
}
