//! Switching protocols: whether the rule lets this request, what the backend is asked, and whether what it
//! answers is the switch that was asked for.
//!
//! Invariant: nothing is tunnelled before the backend has said 101 and named the same protocol, and nothing
//! of the client's connection fields is copied: `Upgrade` and `Connection` are written anew.

use std::{rc::Rc, time::Duration};

use http::{
    HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};

use super::{
    Refusal,
    answer::{self, Fit},
    body::Body,
    lasting::Entry,
    state::Place,
    tunnel::Tunnel,
    websocket,
};
use crate::{
    policy::Rule,
    request::{
        Canonical,
        upgrade::{Offer, UpgradeError, WEBSOCKET},
    },
    upstream::{Answered, Outgoing, Upstream, UpstreamError},
    wire::{Fields, Reply},
};

/// What the request switches to, if it does. Other offers than the rule's are ignored, as RFC 9110 7.8
/// allows; but whoever says WebSocket waits for nothing else, and hears why not.
///
/// # Errors
/// [`UpgradeError`] for a handshake that is not allowed here, or not well formed.
pub(super) fn agreed<'a>(
    rule: &'a Rule,
    request: &Canonical,
) -> Result<Option<&'a str>, UpgradeError> {
    let Some(offer) = &request.upgrade else { return Ok(None) };
    match rule.upgrade.as_deref() {
        Some(protocol) if offer.names(protocol) => {
            offer.check(protocol, &request.method, request.framing, &request.fields)?;
            Ok(Some(protocol))
        }
        Some(_) | None if offer.is_websocket() => Err(UpgradeError::NotAllowed),
        Some(_) | None => Ok(None),
    }
}

/// A switch that the rule allows.
pub(super) struct Switch {
    protocol: HeaderValue,
    extended: bool,
    /// What the backend has to prove that it has read, of a WebSocket.
    accept: Option<String>,
}

impl Switch {
    /// Writes the fields of the switch into the head for the backend.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn ask(
        protocol: &str,
        offer: Option<&Offer>,
        fields: &mut Fields,
    ) -> Result<Self, UpstreamError> {
        let failed = |_| UpstreamError::BadResponse;
        let extended = offer.is_some_and(Offer::is_extended);
        if extended {
            let key = websocket::key().ok_or(UpstreamError::Closed)?;
            fields.set(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).map_err(failed)?);
        }
        let key = fields.get(&SEC_WEBSOCKET_KEY).filter(|_| protocol == WEBSOCKET);
        let accept = key.map(|key| websocket::accept(key.as_bytes()));
        let protocol = HeaderValue::from_str(protocol).map_err(failed)?;
        fields.set(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.set(UPGRADE, protocol.clone());
        Ok(Self { protocol, extended, accept })
    }

    /// Whether a 101 is the switch that was asked for: it names the one protocol, says so in `Connection`,
    /// and of a WebSocket has the key's answer (RFC 6455 4.1).
    fn is_met_by(&self, fields: &Fields) -> bool {
        let one = |name| fields.only(name).map(HeaderValue::as_bytes);
        let named =
            one(&UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case(self.protocol.as_bytes()));
        let connected = fields
            .all(&CONNECTION)
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        let accepted = self
            .accept
            .as_ref()
            .is_none_or(|accept| one(&SEC_WEBSOCKET_ACCEPT) == Some(accept.as_bytes()));
        named && connected && accepted
    }

    /// The head that the client gets: 101 as it came, or what HTTP/2 has instead.
    fn told(&self, mut fields: Fields, personal: bool) -> (StatusCode, Fields) {
        answer::settle(&mut fields, personal);
        fields.remove(&CONTENT_LENGTH);
        if self.extended {
            fields.remove(&SEC_WEBSOCKET_ACCEPT);
            return (StatusCode::OK, fields);
        }
        fields.set(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.set(UPGRADE, self.protocol.clone());
        (StatusCode::SWITCHING_PROTOCOLS, fields)
    }
}

/// Sends the request and answers with a tunnel, or with what the backend says instead of switching.
///
/// # Errors
/// [`UpstreamError::BadResponse`] too for a success that is no switch, to a client of HTTP/2: it reads any
/// success as the switch (RFC 8441 5), and would speak WebSocket to nobody.
pub(super) async fn forward(
    switch: Switch,
    outbound: Outgoing,
    upstream: &Rc<Upstream>,
    (first_byte, idle): (Duration, Duration),
    fit: Fit,
    enter: impl FnOnce() -> (Rc<Entry>, Place),
) -> Result<Reply<Body>, Refusal> {
    match upstream.switch(outbound, first_byte).await? {
        Answered::Plain(answer) if switch.extended && answer.status.is_success() => {
            Err(UpstreamError::BadResponse.into())
        }
        Answered::Plain(answer) => Ok(answer::pass_on(*answer, fit)?),
        Answered::Switched(fields, _) if !switch.is_met_by(&fields) => {
            Err(UpstreamError::BadResponse.into())
        }
        Answered::Switched(fields, backend) => {
            let websocket = switch.accept.is_some();
            let (entry, place) = enter();
            let tunnel = Tunnel { backend, entry, websocket, idle, record: None, _place: place };
            let (status, fields) = switch.told(fields, fit.personal);
            Ok(Reply { status, fields, body: Body::tunnel(Box::new(tunnel)) })
        }
    }
}
