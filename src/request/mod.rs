//! One reading of a request (laws 1 to 3): what arrives is parsed once into a [`Canonical`] value,
//! and rules, the outbound head and the access line see only that. Pure: no I/O, no clock, no log.

pub mod authority;
mod bad_request;
pub mod fields;
pub mod path;
pub(crate) mod percent;
pub mod query;
pub(crate) mod refusals;

pub use bad_request::BadRequest;

use http::{HeaderMap, Method, request::Parts};

use authority::Authority;
use fields::Fence;
use path::{CanonicalPath, PathPolicy};
use query::Query;

/// How the body is delimited. The outbound framing is rebuilt from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Until the end of the chunked coding or of the HTTP/2 stream.
    Streamed,
}

/// A request in its one canonical form.
#[derive(Debug)]
pub struct Canonical {
    pub method: Method,
    pub authority: Authority,
    pub path: CanonicalPath,
    pub query: Query,
    pub framing: Framing,
    /// End-to-end fields. Hop-by-hop fields, framing, Host, owned identity fields in every spelling,
    /// forbidden fields (`X-Original-URL`, …) are gone; credential fields are still here until
    /// `auth::credential` has read and removed them.
    pub fields: HeaderMap,
    /// The client asked for `Expect: 100-continue` (removed from `fields`).
    pub expects_continue: bool,
    /// The client said `TE: trailers` (removed from `fields`).
    pub accepts_trailers: bool,
}

/// What a request is read against: fixed per configuration.
#[derive(Clone, Debug)]
pub struct RequestPolicy {
    pub paths: PathPolicy,
    /// Identity fields that only the gateway may set.
    pub fence: Fence,
    pub limits: HeadLimits,
}

/// Bounds of a request head. Reasons stand beside the defaults in `config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    pub target_bytes: usize,
    pub segments: usize,
    pub head_bytes: usize,
    pub fields: usize,
}

impl Canonical {
    /// Reads `parts` once.
    ///
    /// `over_tls` is the truth of the socket, against which a `:scheme` or an absolute-form scheme is checked.
    ///
    /// # Errors
    /// [`BadRequest`] for whatever two programs could read differently.
    pub fn read(parts: Parts, over_tls: bool, policy: &RequestPolicy) -> Result<Self, BadRequest> {
        todo!()
    }
}
