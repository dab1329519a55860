//! What came where a request's head was to be. It is answered, counted and logged like any refusal, and
//! nothing of it is believed, not even its method.

use std::rc::Rc;

use http::Method;

use super::{Body, Gate, Peer, Refusal, X_REQUEST_ID, access::AccessRecord};
use crate::{
    request::BadRequest,
    telemetry::metrics::Decision,
    wire::{Fields, Reply},
};

/// Answers it. The connection cannot go on.
pub fn unreadable(gate: &Rc<Gate>, peer: &Rc<Peer>, why: BadRequest) -> Reply<Body> {
    let state = gate.state();
    let unknown = Method::from_bytes(b"-").unwrap_or_default();
    let mut record = AccessRecord::begin(gate, &state, peer, &unknown, &Fields::default());
    let refusal = Refusal::BadRequest(why);
    record.answered(refusal.status(), Decision::Deny, refusal.reason());
    let mut response = match &state.office {
        None => refusal.response(record.request_id()),
        Some(_) => refusal.envelope(None),
    };
    response.fields.set(X_REQUEST_ID, record.request_id().clone());
    response.map(|body| body.recorded(record))
}
