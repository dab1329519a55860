//! What was permitted, on its way to the backend and back.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use http::Method;

use super::{
    Body, Refusal, Way,
    access::AccessRecord,
    answer::{self, Fit},
    lasting::{Entry, Judged, Kind},
    upgrade::{self, Switch},
};
use crate::{
    auth::hot::Caller,
    request::{authority::Authority, path::CanonicalPath, upgrade::Offer},
    tick,
    upstream::{Outgoing, Upstream, UpstreamError},
    wire::Reply,
};

/// A request that may be sent. Only a permit leads to one.
pub(super) struct Permitted<'a> {
    pub(super) way: Way<'a>,
    /// What is sent.
    pub(super) outgoing: Outgoing,
    /// To whom.
    pub(super) upstream: &'a Rc<Upstream>,
    /// How long the answer's head may take.
    pub(super) first_byte: Duration,
    pub(super) fit: Fit,
    /// The protocol that it switches to, and how the client has asked for it.
    pub(super) switch: Option<(Box<str>, Option<Box<Offer>>)>,
    pub(super) about: About,
}

/// What was judged: an exchange that lasts is judged again.
pub(super) struct About {
    pub(super) authority: Authority,
    pub(super) path: CanonicalPath,
    pub(super) caller: Option<Rc<Caller>>,
}

impl Permitted<'_> {
    /// Sends it, and passes the answer on.
    #[expect(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
    pub(super) fn send(
        self,
        record: &mut AccessRecord,
    ) -> impl Future<Output = Result<Reply<Body>, Refusal>> {
        async move {
            if self.switch.is_some() {
                // Boxed: few requests go this way.
                return Box::pin(self.switch(record)).await;
            }
            let sent = self.way.state.logs().then(Instant::now);
            let answer = match self.fit.due {
                None => self.upstream.send(self.outgoing, self.first_byte).await,
                // Boxed: few requests are calls, and every future is as large as the largest road.
                Some(due) => {
                    let left = due.saturating_duration_since(tick::now());
                    let sending = self.upstream.send(self.outgoing, self.first_byte);
                    Box::pin(tick::timeout(left, sending)).await.ok_or(Refusal::Deadline)?
                }
            };
            record.backend_took(sent.map(|sent| sent.elapsed()));
            if let Err(UpstreamError::Tls(why)) = &answer {
                record.failed(why);
            }
            let answer = answer::pass_on(answer?, self.fit)?;
            Ok(self.about.lasting(self.way, answer, self.fit, record.method()))
        }
    }

    /// Asks the backend to switch protocols.
    async fn switch(mut self, record: &mut AccessRecord) -> Result<Reply<Body>, Refusal> {
        let Self { way, fit, about, switch, .. } = self;
        let (protocol, offer) = switch.unzip();
        let (protocol, offer) = (protocol.unwrap_or_default(), offer.flatten());
        let sent = way.state.logs().then(Instant::now);
        let room = way.gate.place_of_tunnel().ok_or(UpstreamError::Busy)?;
        let switch = Switch::ask(&protocol, offer.as_deref(), &mut self.outgoing.fields)?;
        let times = (self.first_byte, way.state.config.limits.tunnel_idle);
        let method = record.method().clone();
        let enter = || (about.enter(way, Kind::Tunnel, &method, Some(&protocol)), room);
        let answer = upgrade::forward(switch, self.outgoing, self.upstream, times, fit, enter);
        let answer = answer.await;
        record.backend_took(sent.map(|sent| sent.elapsed()));
        // Whoever is not switched may be given an answer that lasts.
        Ok(about.lasting(way, answer?, fit, &method))
    }
}

impl About {
    /// The answer, with what was judged of it if it may last. A tunnel is noted already.
    fn lasting(
        &self,
        way: Way<'_>,
        mut answer: Reply<Body>,
        fit: Fit,
        method: &Method,
    ) -> Reply<Body> {
        if let Some(kind) = Kind::of(&answer.fields, fit.trailers && fit.http2)
            && !answer.body.is_tunnel()
        {
            let entry = self.enter(way, kind, method, None);
            answer.body.lasts(entry);
        }
        answer
    }

    /// Takes note of an exchange that lasts.
    fn enter(
        &self,
        way: Way<'_>,
        kind: Kind,
        method: &Method,
        protocol: Option<&str>,
    ) -> Rc<Entry> {
        let judged = Judged {
            method: method.clone(),
            authority: self.authority.clone(),
            path: self.path.clone(),
            caller: self.caller.clone(),
            certificate: way.peer.certificate().cloned(),
            address: way.client,
            protocol: protocol.map(Into::into),
        };
        way.gate.lasting.enter(kind, way.state, judged)
    }
}
