//! The access record: one line and one count per request, written on drop, so that a client that
//! hangs up is recorded too. It holds no credential: its target has them cut.

use std::{
    io::Write,
    rc::{Rc, Weak},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::{Gate, Peer, Refusal, State};
use crate::{
    auth::{hot::Caller, resolve::Level},
    config::LineForm,
    policy::Denial,
    request::upgrade::UpgradeError,
    telemetry::{
        instant::{rfc3339_ms, unix_ms},
        log::printable,
        metrics::Decision,
    },
    tick,
    upstream::Progress,
    wire::Fields,
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longer than anybody waits.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What is known of a request so far.
pub struct AccessRecord {
    gate: Rc<Gate>,
    state: Rc<State>,
    peer: Rc<Peer>,
    at: SystemTime,
    started: Instant,
    method: Method,
    /// The canonical target with credentials cut; empty for a request without a canonical form.
    target: String,
    request_id: HeaderValue,
    trace_id: Option<String>,
    client: Option<String>,
    rule: Option<usize>,
    identity: Option<Rc<Caller>>,
    level: Option<Level>,
    store: Duration,
    backend: Option<Duration>,
    received: Option<Rc<Progress>>,
    sent: u64,
    status: u16,
    decision: Decision,
    reason: &'static str,
    waived: Option<Denial>,
    /// What the operator may know of a failure, and the client may not.
    error: Option<Box<str>>,
    complete: bool,
    /// Of a connection that has switched protocols.
    tunnel: Option<Tunnelled>,
}

/// What passed through a tunnel, and how it ended.
struct Tunnelled {
    received: u64,
    ended: &'static str,
}

impl AccessRecord {
    /// Begins the record of a request whose head has just arrived.
    pub(super) fn begin(
        gate: &Rc<Gate>,
        state: &Rc<State>,
        peer: &Rc<Peer>,
        method: &Method,
        fields: &Fields,
    ) -> Box<Self> {
        let started = Instant::now();
        let at = tick::wall(started);
        Box::new(Self {
            gate: Rc::clone(gate),
            state: Rc::clone(state),
            peer: Rc::clone(peer),
            started,
            method: method.clone(),
            target: String::new(),
            request_id: gate.ids.next(unix_ms(at)),
            at,
            trace_id: state.logs().then(|| trace_id(fields)).flatten(),
            client: None,
            rule: None,
            identity: None,
            level: None,
            store: Duration::ZERO,
            backend: None,
            received: None,
            sent: 0,
            status: 0,
            decision: Decision::Error,
            reason: "client_gone",
            waived: None,
            error: None,
            complete: false,
            tunnel: None,
        })
    }

    pub(super) fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// When the request arrived; what the decision and expiries are judged by.
    pub(super) fn at(&self) -> SystemTime {
        self.at
    }

    /// The same by the clock that nobody sets.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn target(&mut self, target: String) {
        self.target = target;
    }

    /// The client's address behind trusted proxies, when it is another than the peer's.
    pub(super) fn client(&mut self, client: Option<String>) {
        self.client = client;
    }

    pub(super) fn rule(&mut self, index: Option<usize>) {
        self.rule = index;
    }

    pub(super) fn identified(&mut self, identity: &Rc<Caller>, level: Level, store: Duration) {
        self.identity = Some(Rc::clone(identity));
        self.level = Some(level);
        self.store = store;
        self.gate.metrics.lookup(level as usize);
    }

    /// Asking the store ended without an answer, or with one that proves nobody; nothing before it takes
    /// a time worth telling apart.
    pub(super) fn not_identified(&mut self) {
        self.store = self.started.elapsed();
    }

    pub(super) fn waived(&mut self, waived: Option<Denial>) {
        self.waived = waived;
    }

    pub(super) fn receives(&mut self, body: Option<Rc<Progress>>) {
        self.received = body;
    }

    /// The request's body, as long as somebody takes from it.
    pub(super) fn upload(&self) -> Weak<Progress> {
        self.received.as_ref().map_or_else(Weak::new, Rc::downgrade)
    }

    pub(super) fn backend_took(&mut self, took: Option<Duration>) {
        self.backend = took;
    }

    pub(super) fn failed(&mut self, why: &dyn std::fmt::Display) {
        self.error = Some(why.to_string().into());
    }

    /// The head of an answer has been chosen.
    pub(super) fn answered(
        &mut self,
        status: StatusCode,
        decision: Decision,
        reason: &'static str,
    ) {
        self.status = status.as_u16();
        self.decision = decision;
        self.reason = reason;
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// An exchange that both its ends would have gone on with has been ended.
    pub(super) fn ended(&mut self, decision: Decision, reason: &'static str) {
        self.decision = decision;
        self.reason = reason;
        self.complete = true;
    }

    /// A client did not wait for the switch that it asked for.
    pub(super) fn early_bytes(&mut self) {
        self.ended(Decision::Deny, UpgradeError::Malformed.reason());
        self.tunnelled(0, 0, "gateway");
    }

    /// A tunnel has ended.
    pub(super) fn tunnelled(&mut self, received: u64, sent: u64, ended: &'static str) {
        self.tunnel = Some(Tunnelled { received, ended });
        self.sent = sent;
        self.complete = true;
    }

    /// Counts bytes of the answer's body.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The answer has gone out whole.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// The call's time was over, and the client was told.
    pub(super) fn late(&mut self) {
        self.decision = Decision::Error;
        self.reason = Refusal::Deadline.reason();
        self.complete = true;
    }

    /// When a call that may take `limit` has to be over.
    pub(super) fn deadline(&self, limit: Duration) -> Instant {
        // Too far away to be one.
        self.started.checked_add(limit).unwrap_or(self.started + FAR)
    }

    /// The backend's body ended early, and the client saw the cut.
    pub fn cut(&mut self) {
        self.decision = Decision::Error;
        self.reason = "backend_cut";
        self.complete = true;
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        if !self.complete {
            (self.decision, self.reason) = (Decision::Error, "client_gone");
        }
        let took = self.started.elapsed();
        self.gate.metrics.request(self.decision, self.reason, self.status, took);
        if let Some(denial) = self.waived {
            self.gate.metrics.would_deny(denial.reason());
        }
        let mut sink = self.gate.access.borrow_mut();
        match self.state.config.log.form(sink.is_terminal()) {
            None => (),
            Some(LineForm::Json) => sink.line(|out| self.json(out, took)),
            Some(LineForm::Text) => sink.line(|out| self.text(out, took)),
        }
    }
}

impl AccessRecord {
    fn rule_name(&self) -> Option<&str> {
        self.rule.map(|index| self.state.config.rules.rules()[index].name.as_str())
    }

    fn principal(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.principal.id.as_str())
    }

    fn client_text(&self) -> &str {
        self.client.as_deref().unwrap_or_else(|| self.peer.text())
    }

    fn json(&self, out: &mut Vec<u8>, took: Duration) {
        let text = |out: &mut Vec<u8>, name: &str, value: Option<&str>| {
            let _ = write!(out, ",\"{name}\":");
            // Writing to a Vec cannot fail, and a &str is always JSON.
            let _ = serde_json::to_writer(&mut *out, &value);
        };
        let _ = write!(out, "{{\"ts\":\"{}\"", rfc3339_ms(unix_ms(self.at)));
        let _ = write!(out, ",\"status\":{}", self.status);
        text(out, "method", Some(self.method.as_str()));
        text(out, "path", (!self.target.is_empty()).then_some(self.target.as_str()));
        text(out, "rule", self.rule_name());
        text(out, "reason", Some(self.reason));
        text(out, "principal", self.principal());
        text(out, "client", Some(self.client_text()));
        text(out, "request_id", self.request_id.to_str().ok());
        text(out, "trace_id", self.trace_id.as_deref());
        let _ = write!(out, ",\"ms\":{:.3}", ms(took));
        let _ = write!(out, ",\"store_ms\":{:.3}", ms(self.store));
        match self.backend {
            Some(backend) => write!(out, ",\"backend_ms\":{:.3}", ms(backend)),
            None => write!(out, ",\"backend_ms\":null"),
        }
        .ok();
        text(out, "cache", self.level.map(Level::label));
        let body = self.received.as_ref().map_or(0, |body| body.bytes());
        let received = self.tunnel.as_ref().map_or(body, |tunnel| tunnel.received);
        let _ = write!(out, ",\"bytes_in\":{received},\"bytes_out\":{}", self.sent);
        if let Some(tunnel) = &self.tunnel {
            text(out, "ended", Some(tunnel.ended));
        }
        if let Some(denial) = self.waived {
            text(out, "would_deny", Some(denial.reason()));
        }
        if let Some(error) = &self.error {
            text(out, "error", Some(error));
        }
        out.push(b'}');
    }

    fn text(&self, out: &mut Vec<u8>, took: Duration) {
        let at = rfc3339_ms(unix_ms(self.at));
        let target = if self.target.is_empty() { "-" } else { &self.target };
        let who = if self.reason == "ok" {
            format!("ok  {}", printable(&self.principal().unwrap_or("-")))
        } else {
            self.reason.to_owned()
        };
        let _ = write!(
            out,
            "{}  {:3}  {:<6} {:<28} {:>8.1} ms  {:<24} {}",
            &at[11..23],
            self.status,
            self.method.as_str(),
            target,
            ms(took),
            who,
            self.client_text(),
        );
        if let Some(level) = self.level {
            let _ = write!(out, "   {} {:.1}", level.label(), ms(self.store));
        }
        if let Some(backend) = self.backend {
            let _ = write!(out, "  backend {:.1}", ms(backend));
        }
        if let Some(tunnel) = &self.tunnel {
            let _ = write!(out, "  tunnel, ended by {}", tunnel.ended);
        }
        if let Some(denial) = self.waived {
            let _ = write!(out, "  audit: would be {}", denial.reason());
        }
        if let Some(error) = &self.error {
            let _ = write!(out, "  {}", printable(error));
        }
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// The trace that a request belongs to (W3C Trace Context 3.2.2.3): 32 lower-case hex digits, not all
/// zero. Anything else is no trace; the field itself is forwarded as it came.
fn trace_id(fields: &Fields) -> Option<String> {
    let parent = fields.get(&TRACEPARENT)?.to_str().ok()?;
    let trace = parent.split('-').nth(1)?;
    let hex = trace.len() == 32
        && trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && trace.bytes().any(|byte| byte != b'0');
    hex.then(|| trace.to_owned())
}
