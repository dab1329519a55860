//! What a refused client reads, of either kind of clients.
//!
//! Whoever asks with garbage may ask often: what is always said of a reason is made once per worker, and
//! an answer is that and the request's id.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use foldhash::fast::RandomState;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
        WWW_AUTHENTICATE,
    },
};
use serde::Serialize;

use super::{body::Body, manners, reject::Refusal};
use crate::{
    request::upgrade::{UpgradeError, WEBSOCKET, WEBSOCKET_VERSION},
    usergrid,
    wire::{Fields, Reply},
};

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Lines that the life of a request adds: its id, `Vary` and `Connection`, those of CORS.
const MORE_LINES: usize = 4;

thread_local! {
    /// By reason.
    static KEPT: RefCell<HashMap<&'static str, Rc<Told>, RandomState>> = RefCell::default();
}

/// An answer, but for the request's id.
struct Told {
    status: StatusCode,
    fields: Fields,
    /// The content, until the id.
    text: Box<[u8]>,
}

/// The content, but for the request's id.
#[derive(Serialize)]
struct Content<'a> {
    error: &'a str,
    error_description: &'a str,
    reason: &'a str,
}

impl Told {
    fn new(refusal: &Refusal) -> Self {
        let content = Content {
            error: refusal.error(),
            error_description: &refusal.to_string(),
            reason: refusal.reason(),
        };
        // It fails only where its writer does, and a vector never does.
        let mut text = serde_json::to_vec(&content).unwrap_or_default();
        text.truncate(text.len().saturating_sub(1)); // the brace
        text.extend_from_slice(b",\"request_id\":\"");
        let mut fields = Fields::default();
        fields.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = refusal.challenge()
            && let Ok(challenge) = HeaderValue::try_from(challenge)
        {
            fields.set(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = refusal.retry_after() {
            fields.set(RETRY_AFTER, HeaderValue::from(seconds));
        }
        refusal.tell_proxy_status(&mut fields);
        Self { status: refusal.status(), fields, text: text.into() }
    }

    fn to(&self, request_id: &HeaderValue) -> Reply<Body> {
        const END: &[u8] = b"\"}\n";
        let mut fields = Fields::with_capacity(self.fields.len() + MORE_LINES);
        for (name, value) in self.fields.iter() {
            fields.append(name.clone(), value.clone());
        }
        // Ids are letters and digits.
        let id = request_id.as_bytes();
        let mut text = Vec::with_capacity(self.text.len() + id.len() + END.len());
        text.extend_from_slice(&self.text);
        text.extend_from_slice(id);
        text.extend_from_slice(END);
        Reply { status: self.status, fields, body: Body::full(text) }
    }
}

impl Refusal {
    /// The answer. Quotes neither the credential, nor an internal address, nor the rule.
    #[must_use]
    pub fn response(&self, request_id: &HeaderValue) -> Reply<Body> {
        if !self.is_always_the_same() {
            return Told::new(self).to(request_id);
        }
        let told = KEPT.with_borrow_mut(|kept| {
            Rc::clone(kept.entry(self.reason()).or_insert_with(|| Rc::new(Told::new(self))))
        });
        let mut reply = told.to(request_id);
        if let Some(seconds) = self.retry_after().filter(|_| self.is_of_the_store()) {
            reply.fields.set(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }

    /// Whether its reason says all of it.
    fn is_always_the_same(&self) -> bool {
        match self {
            // These name a cause as well.
            Self::Upstream(_) | Self::Usergrid(_) => false,
            Self::BadRequest(_)
            | Self::Misdirected
            | Self::Credential(_)
            | Self::Unresolved(_)
            | Self::Denied(_)
            | Self::Upgrade(_)
            | Self::ClientCredentials
            | Self::TooManyUnknown
            | Self::BodyTooLarge
            | Self::IdentityTooLarge
            | Self::StrippedPath
            | Self::Deadline => true,
        }
    }

    /// The answer as clients of Usergrid read it.
    #[must_use]
    pub fn envelope(&self, callback: Option<&str>) -> Reply<Body> {
        let fault = manners::fault(self);
        let retry_after = fault.retry_after;
        let mut reply = Reply::from(usergrid::response(&Err(fault), callback)).map(Body::full);
        let head = &mut reply.fields;
        if let Some(seconds) = self.retry_after().filter(|_| retry_after.is_none()) {
            head.set(RETRY_AFTER, HeaderValue::from(seconds));
        }
        self.tell_proxy_status(head);
        reply
    }

    fn tell_proxy_status(&self, head: &mut Fields) {
        let (error, reason) = (self.proxy_error(), self.reason());
        let proxy_status = format!("tollgate; error={error}; details=\"{reason}\"");
        if let Ok(proxy_status) = HeaderValue::try_from(proxy_status) {
            head.set(PROXY_STATUS, proxy_status);
        }
        // RFC 9110 15.5.22, RFC 6455 4.2.2: what would be right instead.
        if let Self::Upgrade(UpgradeError::Version) = self {
            head.set(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(WEBSOCKET_VERSION));
            head.set(UPGRADE, HeaderValue::from_static(WEBSOCKET));
            head.set(CONNECTION, HeaderValue::from_static("upgrade"));
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{
        auth::{credential::CredentialError, resolve::Unresolved},
        gateway::reject::reasons,
        policy::Denial,
        request::BadRequest,
        upstream::UpstreamError,
    };

    /// What is kept by reason must be said by the reason alone.
    #[test]
    fn one_reason_says_one_thing() {
        let mut words = reasons();
        words.sort_unstable();
        let twice: Vec<_> = words.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "of two kinds of refusals: {twice:?}");
        let mut said = HashMap::new();
        let bad = BadRequest::ALL.iter().map(|bad| Refusal::from(*bad));
        let credentials = CredentialError::ALL.iter().map(|bad| Refusal::from(*bad));
        let denials = Denial::ALL.iter().map(|denial| Refusal::from(*denial));
        let upgrades = UpgradeError::ALL.iter().map(|bad| Refusal::from(*bad));
        for refusal in bad.chain(credentials).chain(denials).chain(upgrades) {
            let says = (refusal.to_string(), refusal.status(), refusal.challenge());
            let first = said.entry(refusal.reason()).or_insert_with(|| says.clone());
            assert_eq!(*first, says, "{refusal:?}");
        }
    }

    #[test]
    fn who_is_refused_together_for_the_store_does_not_come_back_together() {
        let error = std::sync::Arc::new(crate::store::StoreError::BadRecord { field: "x".into() });
        let after = |why: Unresolved| {
            let refusal = Refusal::Unresolved(why);
            let told = [refusal.response(&HeaderValue::from_static("id")), refusal.envelope(None)];
            told.map(|reply| reply.fields.only(&RETRY_AFTER).map(|seconds| seconds.to_owned()))
        };
        for why in [Unresolved::StoreBusy, Unresolved::StoreUnavailable(error.clone())] {
            let mut seen: Vec<_> = (0..3).flat_map(|_| after(why.clone())).flatten().collect();
            seen.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
            assert_eq!(seen, ["1", "1", "2", "2", "3", "3"], "{why:?}");
        }
        // Trying again does not mend a record.
        assert_eq!(after(Unresolved::StoreBadRecord(error)), [None, None]);
    }

    #[test]
    fn an_answer_is_the_same_however_often_and_for_whom_but_for_the_id() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..2 {
            let refused = Refusal::Unresolved(Unresolved::Malformed);
            for id in ["01jd", "01je"] {
                let reply = refused.response(&HeaderValue::from_static(id));
                let text = runtime.block_on(reply.body.collect()).unwrap().to_bytes();
                let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
                assert_eq!(json["request_id"], id);
                assert_eq!(json["error"], "invalid_token");
                assert_eq!(json["error_description"], "the token is malformed");
                assert_eq!(json["reason"], "token_malformed");
                assert!(text.ends_with(b"\n"));
            }
        }
    }

    #[test]
    fn a_refusal_says_who_refused_and_why_in_one_word() {
        let refused = Refusal::Unresolved(Unresolved::Expired);
        let response = http::Response::from(refused.response(&HeaderValue::from_static("01jd")));
        let field = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            field("www-authenticate"),
            "Bearer realm=\"tollgate\", error=\"invalid_token\", \
             error_description=\"the token has expired\""
        );
        assert_eq!(
            field("proxy-status"),
            "tollgate; error=http_request_denied; details=\"token_expired\""
        );
        assert_eq!(field("cache-control"), "no-store");
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn only_a_checked_credential_is_401_and_only_client_errors_are_challenged() {
        use Denial::{NoRule, RoleMissing, Unauthenticated};
        let store = || std::sync::Arc::new(crate::store::StoreError::BadRecord { field: "x".into() });
        let rows = [
            (Refusal::Denied(Unauthenticated),                       401, Some("Bearer realm=\"tollgate\"")),
            (Refusal::Denied(RoleMissing),                           403, Some("insufficient_scope")),
            (Refusal::Denied(NoRule),                                403, None),
            (Refusal::BadRequest(BadRequest::PathDotSegment),        400, None),
            (Refusal::Credential(CredentialError::Conflict),         400, Some("invalid_request")),
            (Refusal::Unresolved(Unresolved::Forged),                401, Some("invalid_token")),
            (Refusal::Unresolved(Unresolved::StoreUnavailable(store())), 503, None),
            (Refusal::Upstream(UpstreamError::TimedOut),             504, None),
        ];
        for (refusal, status, challenge) in rows {
            let response = refusal.response(&HeaderValue::from_static("id"));
            let response = http::Response::from(response);
            assert_eq!(response.status().as_u16(), status, "{refusal:?}");
            let found = response.headers().get("www-authenticate").map(|v| v.to_str().unwrap());
            match challenge {
                None => assert_eq!(found, None, "{refusal:?}"),
                Some(part) => assert!(found.unwrap().contains(part), "{refusal:?}: {found:?}"),
            }
        }
    }
}
