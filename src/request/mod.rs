//! One reading of a request (laws 1 to 3): what arrives is parsed once into a [`Canonical`] value,
//! and rules, the outbound head and the access line see only that. Pure: no I/O, no clock, no log.
//!
//! What two programs could read differently is refused with a [`BadRequest`], not repaired.

pub mod authority;
mod bad_request;
pub mod fields;
pub(crate) mod fold;
mod framing;
pub mod grpc;
pub mod owned;
pub mod path;
pub(crate) mod percent;
pub mod person_name;
pub mod query;
pub(crate) mod refusals;
pub mod tenant_name;
#[cfg(test)]
pub(crate) mod tests;
pub mod upgrade;

use std::time::Duration;

use http::{Method, Uri, Version, request::Parts, uri::PathAndQuery};

use authority::Authority;
pub use bad_request::BadRequest;
use fields::Fence;
pub use framing::Framing;
use path::{CanonicalPath, PathPolicy};
use query::Query;
use upgrade::Offer;

use crate::wire::Fields;

/// The head of a request as it came.
#[derive(Debug)]
pub struct Head {
    /// Its method, of an extended CONNECT the GET that it stands for (RFC 8441 5).
    pub method: Method,
    /// Its target, and over HTTP/2 the authority.
    pub uri: Uri,
    /// By which version it came.
    pub version: Version,
    /// Its field lines.
    pub fields: Fields,
    /// What an extended CONNECT offers to switch to.
    pub offer: Option<Box<Offer>>,
}

impl From<Parts> for Head {
    fn from(parts: Parts) -> Self {
        let Parts { method, uri, version, headers, .. } = parts;
        Self { method, uri, version, fields: headers.into(), offer: None }
    }
}

/// A request in its one canonical form.
#[derive(Debug)]
pub struct Canonical {
    /// One of the seven methods that are let through.
    pub method: Method,
    /// Whom the client asked.
    pub authority: Authority,
    /// What it asked for, as judged and as sent.
    pub path: CanonicalPath,
    /// With what parameters.
    pub query: Query,
    /// Path and query as they came. To be sent instead of a copy of what was judged, and only where both
    /// are the same bytes.
    pub came: Option<PathAndQuery>,
    /// How its body is delimited.
    pub framing: Framing,
    /// End-to-end fields. Hop-by-hop fields, framing, Host, owned identity fields in every spelling,
    /// forbidden fields (`X-Original-URL`, …) are gone; credential fields are still here until
    /// `auth::credential` has read and removed them, forwarding fields until the outbound head is built.
    pub fields: Fields,
    /// The client asked for `Expect: 100-continue` (removed from `fields`).
    pub expects_continue: bool,
    /// The client said `TE: trailers` (removed from `fields`).
    pub accepts_trailers: bool,
    /// It is a call of gRPC.
    pub grpc: Option<grpc::Call>,
    /// Whether it came by HTTP/2.
    pub http2: bool,
    /// What the client offers to switch to (removed from `fields`).
    pub upgrade: Option<Box<Offer>>,
}

/// What a request is read against: fixed per configuration.
#[derive(Clone, Debug)]
pub struct RequestPolicy {
    /// What the backend's paths mean.
    pub paths: PathPolicy,
    /// Identity fields that only the gateway may set.
    pub fence: Fence,
    /// Bounds of the head.
    pub limits: HeadLimits,
}

/// Bounds of a request head. Reasons stand beside the defaults in `config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Most bytes of a target, its query included.
    pub target_bytes: usize,
    /// Most segments of a path; [`PathPolicy::segments_max`] holds as well.
    pub segments: usize,
    /// Most bytes of the target and of all fields, each with 4 for its colon, blank and line end.
    pub head_bytes: usize,
    /// Most field lines.
    pub fields: usize,
}

impl Canonical {
    /// How long the request may take, if it is a call of gRPC that says so. Without trailers nobody could be
    /// told that the time was over.
    #[must_use]
    pub fn time_of_call(&self) -> Option<Duration> {
        self.grpc.filter(|_| self.accepts_trailers)?.timeout
    }

    /// Reads a head once.
    ///
    /// `body_is_end` says that the body has no more bytes (an HTTP/2 stream that ended with its head);
    /// `over_tls` is the truth of the socket, against which a `:scheme` or an absolute-form scheme is checked.
    ///
    /// Only the origin form and an absolute form that agrees with Host are read: `OPTIONS *` has no
    /// path to judge, and is `target_form` like every other target that is none.
    ///
    /// # Errors
    /// [`BadRequest`] for whatever two programs could read differently.
    pub fn read(
        head: impl Into<Head>,
        body_is_end: bool,
        over_tls: bool,
        policy: &RequestPolicy,
    ) -> Result<Self, BadRequest> {
        Self::read_after(None, head, body_is_end, over_tls, policy)
    }

    /// The same, after a request for `before` over the same connection: nearly always the next one is for
    /// the same authority, which is not read again then.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn read_after(
        before: Option<&Authority>,
        head: impl Into<Head>,
        body_is_end: bool,
        over_tls: bool,
        policy: &RequestPolicy,
    ) -> Result<Self, BadRequest> {
        let Head { method, uri, version, mut fields, offer } = head.into();
        check_method(&method)?;
        policy.limits.check(&uri, &fields)?;
        check_target(&uri, over_tls)?;
        let authority = Authority::of(&uri, version, &fields, over_tls, before)?;
        let path = CanonicalPath::parse(uri.path(), &policy.paths)?;
        if path.len() > policy.limits.segments {
            return Err(BadRequest::PathTooManySegments);
        }
        let query = Query::parse(uri.query())?;
        let framing = Framing::read(&fields, version, body_is_end)?;
        let grpc = grpc::read(&method, version, &fields)?;
        let hop = fields::settle(&mut fields, version, &policy.fence)?;
        Ok(Self {
            method,
            authority,
            path,
            query,
            came: uri.into_parts().path_and_query.map(written),
            framing,
            fields,
            expects_continue: hop.expects_continue,
            accepts_trailers: hop.accepts_trailers,
            grpc,
            http2: version >= Version::HTTP_2,
            upgrade: offer.or(hop.upgrade),
        })
    }
}

impl HeadLimits {
    fn check(&self, uri: &Uri, fields: &Fields) -> Result<(), BadRequest> {
        let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
        if target > self.target_bytes {
            return Err(BadRequest::TargetTooLong);
        }
        if fields.len() > self.fields {
            return Err(BadRequest::TooManyFields);
        }
        let lines = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        // HTTP/2 has its authority here, HTTP/1.1 among the fields.
        let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
        if target + authority + lines.sum::<usize>() > self.head_bytes {
            return Err(BadRequest::HeadTooLarge);
        }
        Ok(())
    }
}

/// What `target` is read as. An absolute target without a path is read as `/`, and would be written as
/// nothing at all.
fn written(target: PathAndQuery) -> PathAndQuery {
    if target.as_str() == "/" { PathAndQuery::from_static("/") } else { target }
}

/// An allow-list, in exact case: a backend that folds `get` would find a method that no rule judged.
fn check_method(method: &Method) -> Result<(), BadRequest> {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => Ok(()),
        Method::CONNECT | Method::TRACE => Err(BadRequest::MethodNotAllowed),
        _ if matches!(method.as_str(), "TRACK" | "DEBUG") => Err(BadRequest::MethodNotAllowed),
        _ => Err(BadRequest::MethodUnknown),
    }
}

/// `GET admin` arrives as an authority with an empty path, `GET *` as the path `*`, and over HTTP/2 `?a`
/// as a query whose path is said to be `/`.
fn check_target(uri: &Uri, over_tls: bool) -> Result<(), BadRequest> {
    let absolute = uri.path_and_query().is_some_and(|target| target.as_str().starts_with('/'));
    if !absolute || (uri.authority().is_some() && uri.scheme().is_none()) {
        return Err(BadRequest::TargetForm);
    }
    match uri.scheme_str() {
        Some(scheme) if scheme != if over_tls { "https" } else { "http" } => {
            Err(BadRequest::TargetScheme)
        }
        _ => Ok(()),
    }
}
